#include "data/device_rows.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "tensor/allocator.h"
#include "tensor/backend.h"

namespace hop::data {

RowColumns row_columns(const Partition& partition) {
  const std::size_t x = partition.column_index(kFeatureColumn), y = partition.column_index(kLabelColumn);
  const Column& labels = partition.columns()[y];
  const bool is_class = labels.dtype == DType::i64 && labels.shape.empty();
  const bool are_numbers = labels.dtype == DType::f32 && labels.shape.size() == 1;
  if (!is_class && !are_numbers) {
    throw DataError("[loader] expected one i64 label per row, or f32 numbers (k), got " +
                    std::string(name(labels.dtype)) + " " + labels.shape.to_string() + " (" +
                    partition.file().string() + ")");
  }
  RowColumns columns{&partition.columns()[x], &labels, partition.column(x), partition.column(y)};
  const auto w = std::ranges::find(partition.columns(), kWeightColumn, &Column::name);
  if (w == partition.columns().end()) return columns;
  if (*w != weight_column()) {
    throw DataError("[loader] expected one f32 weight per row, got " + std::string(name(w->dtype)) + " " +
                    w->shape.to_string() + " (" + partition.file().string() + ")");
  }
  columns.w_column = &*w;
  columns.w = partition.column(static_cast<std::size_t>(w - partition.columns().begin()));
  return columns;
}

std::optional<double> total_weight(const Partition& partition) {
  const RowColumns columns = row_columns(partition);
  if (columns.w_column == nullptr) return std::nullopt;
  const auto* weights = reinterpret_cast<const float*>(columns.w.data());
  return std::accumulate(weights, weights + partition.rows(), 0.0);
}

std::size_t DeviceRows::bytes(std::span<const Partition> partitions) {
  std::size_t sum = 0;
  for (const Partition& partition : partitions) {
    const RowColumns columns = row_columns(partition);
    sum += columns.x.size() + columns.y.size() + columns.w.size();
  }
  return sum;
}

std::shared_ptr<const DeviceRows> DeviceRows::if_they_fit(std::span<const Partition> partitions, Device device,
                                                          std::size_t workers) {
  const std::size_t share = memory::available(device) / std::max<std::size_t>(workers, 1);
  if (partitions.empty() || bytes(partitions) > share / 2) return nullptr;
  try {
    return std::make_shared<const DeviceRows>(partitions, device);
  } catch (const MemoryError&) {  // another worker was faster: streamed rows give the same bits
    return nullptr;
  }
}

DeviceRows::DeviceRows(std::span<const Partition> partitions, Device device) {
  if (partitions.empty()) throw DataError("[device_rows] expected at least one partition, got none");
  const RowColumns front = row_columns(partitions.front());
  const Column &first = *front.x_column, &label = *front.y_column;
  std::int64_t rows = 0;
  for (const Partition& partition : partitions) {
    const RowColumns columns = row_columns(partition);
    const Column& column = *columns.x_column;
    if (column.dtype != first.dtype || column.shape != first.shape) {
      throw DataError("[device_rows] expected features " + first.shape.to_string() + " in every partition, got " +
                      column.shape.to_string() + " (" + partition.file().string() + ")");
    }
    if (*columns.y_column != label) {
      throw DataError("[device_rows] expected labels " + label.shape.to_string() + " in every partition, got " +
                      columns.y_column->shape.to_string() + " (" + partition.file().string() + ")");
    }
    if ((columns.w_column == nullptr) != (front.w_column == nullptr)) {
      throw DataError("[device_rows] expected weights in every partition or in none (" + partition.file().string() +
                      ")");
    }
    first_rows_[partition.file()] = rows;
    rows += partition.rows();
    largest_ = std::max(largest_, partition.rows());
  }
  const auto make = [&](const Column& column) {
    Shape shape = {rows};
    for (const std::int64_t size : column.shape) shape.push_back(size);
    return Tensor::empty(shape, column.dtype, device);
  };
  x_ = make(first);
  y_ = make(label);
  if (front.w_column != nullptr) w_ = make(*front.w_column);
  std::size_t x_at = 0, y_at = 0, w_at = 0;
  for (const Partition& partition : partitions) {
    const RowColumns columns = row_columns(partition);
    if (!columns.x.empty()) backend(device).copy(x_.raw_data() + x_at, columns.x.data(), columns.x.size());
    if (!columns.y.empty()) backend(device).copy(y_.raw_data() + y_at, columns.y.data(), columns.y.size());
    if (!columns.w.empty()) backend(device).copy(w_.raw_data() + w_at, columns.w.data(), columns.w.size());
    x_at += columns.x.size();
    y_at += columns.y.size();
    w_at += columns.w.size();
    partition.release_pages();  // the host does not need them any more
  }
}

std::optional<std::int64_t> DeviceRows::first_row(const Partition& partition) const {
  const auto found = first_rows_.find(partition.file());
  return found == first_rows_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace hop::data
