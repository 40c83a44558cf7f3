// The rows of a node's partitions on a device, in the dtypes of the files: u8 stays u8.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "data/partition.h"
#include "tensor/tensor.h"

namespace hop::data {

/// Features, labels and weights of some partitions, joined in one tensor each, so that a recorded step can read any row
/// of any partition. Any number of threads may read.
class DeviceRows {
 public:
  /// Copies the columns "x", "y" and "w" of all partitions to the device. Throws DataError for partitions without "x"
  /// or "y" or with different columns, MemoryError.
  DeviceRows(std::span<const Partition> partitions, Device device);

  /// Makes the rows if they take at most half of this worker's share of the device's free memory; null if they would
  /// take more. Also null if they do not fit after all: `workers` workers share the device, and all may look at the
  /// free memory before the first worker takes some.
  static std::shared_ptr<const DeviceRows> if_they_fit(std::span<const Partition> partitions, Device device,
                                                       std::size_t workers = 1);
  /// The bytes of the rows on a device.
  static std::size_t bytes(std::span<const Partition> partitions);

  const Tensor& x() const { return x_; }  ///< (rows, feature shape...), of the column's dtype
  const Tensor& y() const { return y_; }  ///< (rows) i64, or (rows, k) f32
  const Tensor& w() const { return w_; }  ///< (rows) f32; undefined without weights
  /// The first row of `partition`; none if its rows are not here.
  std::optional<std::int64_t> first_row(const Partition& partition) const;
  /// Rows of the largest partition.
  std::int64_t largest() const { return largest_; }

 private:
  Tensor x_, y_, w_;
  std::map<std::filesystem::path, std::int64_t> first_rows_;
  std::int64_t largest_ = 0;
};

/// The features, labels and weights of a partition, checked. Throws DataError when it has no columns "x" and "y": a
/// class per row (i64), or numbers to predict (f32 (k)). The columns live as long as the partition.
struct RowColumns {
  const Column* x_column{};
  const Column* y_column{};
  ByteView x{}, y{};
  const Column* w_column{};  ///< null without weights
  ByteView w{};
  std::size_t weight_bytes() const { return w_column == nullptr ? 0 : w_column->row_bytes(); }  ///< of a row
};
RowColumns row_columns(const Partition& partition);

/// The sum of the rows' weights; none without weights.
std::optional<double> total_weight(const Partition& partition);

}  // namespace hop::data
