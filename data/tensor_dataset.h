// Data in memory: rows of tensors, and batches of them. For scripts and small data; a run of the hopper reads
// partitions (loader.h).
//
//   data::DataLoader loader({images, labels}, {.batch_size = 64, .shuffle = true});
//   for (const std::vector<Tensor>& batch : loader) train(batch[0], batch[1]);
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace hop::data {

/// torch.utils.data.TensorDataset: row i is the i-th slice of each tensor along its first dimension. Shares the bytes
/// of the tensors. Throws ShapeError for no tensor, for one of shape (), and for different numbers of rows.
class TensorDataset {
 public:
  TensorDataset(std::vector<Tensor> tensors);
  TensorDataset(std::initializer_list<Tensor> tensors) : TensorDataset(std::vector<Tensor>(tensors)) {}

  std::int64_t size() const { return size_; }  ///< in rows
  const std::vector<Tensor>& tensors() const { return tensors_; }
  /// Row i, as views; a negative i counts from the back. Throws IndexError.
  std::vector<Tensor> operator[](std::int64_t i) const;
  /// The rows that `numbers` names, in that order, as new tensors. Throws IndexError.
  std::vector<Tensor> rows(std::span<const std::int64_t> numbers) const;

 private:
  std::vector<Tensor> tensors_;
  std::int64_t size_;
};

/// Makes a batch of rows: torch's collate_fn.
using Collate = std::function<std::vector<Tensor>(std::span<const std::vector<Tensor>> rows)>;

struct DataLoaderOptions {
  std::int64_t batch_size = 1;
  bool shuffle = false;
  bool drop_last = false;  ///< leaves out the last batch if it is shorter
  std::uint64_t seed = 0;  ///< with the number of the epoch it decides the order of a shuffled pass
  Collate collate = {};    ///< by default each tensor's rows stand one after another: (batch_size, ..)
};

/// torch.utils.data.DataLoader over data in memory, on the calling thread. A range-for is one pass: epoch 0 first, then
/// 1, 2, .. The order of epoch e is a function of (rows, seed, e) alone, so a program that starts again at epoch e has
/// the same batches. Batches are new tensors, without gradients, on the device of the data.
class DataLoader {
 public:
  /// Throws ConfigError for batch_size below 1 and for more than 2^32 - 1 rows to shuffle.
  explicit DataLoader(TensorDataset dataset, DataLoaderOptions options = {});

  class Iterator {
   public:
    using value_type = std::vector<Tensor>;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;

    const std::vector<Tensor>& operator*() const { return batch_; }
    const std::vector<Tensor>* operator->() const { return &batch_; }
    Iterator& operator++();
    bool operator==(std::default_sentinel_t) const { return next_ > loader_->batches(); }

   private:
    friend class DataLoader;
    Iterator(const DataLoader& loader, std::vector<std::uint32_t> order);
    const DataLoader* loader_;
    std::vector<std::uint32_t> order_;  // empty: as the rows stand
    std::int64_t next_ = 0;             // the batch behind the present one
    std::vector<Tensor> batch_;
  };

  /// Begins the pass of the present epoch; the next pass is that of the next epoch. The loader outlives the pass.
  Iterator begin();
  std::default_sentinel_t end() const { return {}; }

  std::int64_t batches() const;  ///< of a pass
  std::int64_t epoch() const { return epoch_; }
  /// The epoch of the next pass. Throws ConfigError for a negative one.
  void set_epoch(std::int64_t epoch);
  const TensorDataset& dataset() const { return dataset_; }

 private:
  std::vector<Tensor> batch(std::int64_t i, const std::vector<std::uint32_t>& order) const;

  TensorDataset dataset_;
  DataLoaderOptions options_;
  std::int64_t epoch_ = 0;
};

}  // namespace hop::data
