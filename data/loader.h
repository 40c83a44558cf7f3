// One pass over a partition: every row exactly once, in batches, in an order that is a function of a 64-bit key alone.
//
//   Loader loader({.batch_size = 64, .scale = dataset.scale()});
//   loader.start(partition, hash64(seed, "order", {model, epoch, partition_id}));
//   while (const auto batch = loader.next()) train(batch->x, batch->y);
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "data/columns.h"
#include "data/device_rows.h"
#include "data/partition.h"
#include "data/row_scaling.h"
#include "tensor/tensor.h"

namespace hop::data {

struct LoaderOptions {
  std::int64_t batch_size = 32;  ///< at most all rows of a partition
  Scaling scale = {};            ///< Dataset::scale()
};

/// Rows of a partition as tensors. The next call of next() overwrites them.
struct Batch {
  Tensor x{};  ///< f32 (rows, feature shape...), scaled
  Tensor y{};  ///< classes: i64 (rows); numbers to predict: f32 (rows, k), as they stand in the file
  Tensor w{};  ///< the weights: f32 (rows); undefined where rows have none
  std::int64_t rows() const { return y.size(0); }
};

/// Gathers rows from the mapped file straight into one batch tensor, which keeps its address over all passes (a
/// captured step binds it). Memory: the tensor, and four bytes per row. One thread per loader; any number of loaders
/// per partition. No prefetch thread: gathering a batch of 32 MNIST rows takes about 10 microseconds.
class Loader {
 public:
  /// Throws ConfigError when batch_size < 1.
  explicit Loader(LoaderOptions options);

  /// Begins a pass in the order of `key`. Throws DataError for a partition whose columns are not those of
  /// row_columns().
  void start(Partition partition, std::uint64_t key);
  /// Begins a pass in the order of the file, for evaluation.
  void start(Partition partition);

  std::int64_t batches() const;  ///< of a whole pass: ceil(rows / batch_size)
  /// The next batch; the last one may be shorter. None at the end of the pass and before start().
  std::optional<Batch> next();

 private:
  void bind(Partition partition);
  void fill(const Batch& batch);
  std::int64_t row_at(std::int64_t position) const;

  LoaderOptions options_;
  std::optional<Partition> partition_;
  RowColumns columns_{};
  std::vector<std::uint32_t> order_;  // empty: the order of the file
  std::int64_t position_ = 0;
  std::size_t bytes_since_release_ = 0;
  RowScaling scaling_;
  Tensor x_;  // a whole batch; a short batch is a view of its first rows
  Tensor y_;
  Tensor w_;                      // undefined without weights
  std::vector<Tensor> outgrown_;  // kept alive, so that no later batch reuses an address that a recorded step reads
};

}  // namespace hop::data
