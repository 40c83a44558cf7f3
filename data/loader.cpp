#include "data/loader.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "data/split.h"

namespace hop::data {
namespace {

// After this many bytes a pass gives its mapped pages back, so that a worker's resident set holds a window of the
// partition and not all of it. Large enough to make the cost of mapping the pages again negligible beside reading them.
constexpr std::size_t kWindowBytes = 32 << 20;

Shape batch_shape(std::int64_t rows, const Shape& row) {
  Shape shape = {rows};
  for (const std::int64_t size : row) shape.push_back(size);
  return shape;
}

Tensor first_rows(const Tensor& t, std::int64_t rows) {
  if (rows == t.size(0)) return t;
  Shape shape = t.shape();
  shape[0] = rows;
  return t.as_strided(shape, t.strides(), 0);
}

}  // namespace

Loader::Loader(LoaderOptions options) : options_(std::move(options)), scaling_(options_.scale) {
  if (options_.batch_size < 1) {
    throw ConfigError("[loader] expected a batch size of at least 1, got " + std::to_string(options_.batch_size));
  }
}

void Loader::start(Partition partition, std::uint64_t key) {
  bind(std::move(partition));
  order_ = random_permutation(partition_->rows(), key);
}

void Loader::start(Partition partition) {
  bind(std::move(partition));
  order_.clear();
}

void Loader::bind(Partition partition) {
  const RowColumns columns = row_columns(partition);
  const Shape& row = columns.x_column->shape;
  const Column& label = *columns.y_column;
  options_.scale.check(row);
  // At most as many rows as the partition has. A batch tensor that is large enough keeps its address.
  const std::int64_t rows = std::min(options_.batch_size, std::max<std::int64_t>(partition.rows(), 1));
  const bool fits = x_.defined() && x_.size(0) >= rows && batch_shape(x_.size(0), row) == x_.shape() &&
                    y_.dtype() == label.dtype && batch_shape(y_.size(0), label.shape) == y_.shape() &&
                    w_.defined() == (columns.w_column != nullptr);
  if (!fits) {
    outgrown_.insert(outgrown_.end(), {x_, y_, w_});
    x_ = Tensor::empty(batch_shape(rows, row), DType::f32);
    y_ = Tensor::empty(batch_shape(rows, label.shape), label.dtype);
    w_ = columns.w_column != nullptr ? Tensor::empty({rows}, DType::f32) : Tensor();
  }
  partition_ = std::move(partition);
  columns_ = columns;
  position_ = 0;
  bytes_since_release_ = 0;
}

std::int64_t Loader::batches() const {
  if (!partition_ || partition_->rows() == 0) return 0;
  return (partition_->rows() - 1) / options_.batch_size + 1;
}

std::int64_t Loader::row_at(std::int64_t position) const {
  return order_.empty() ? position : order_[static_cast<std::size_t>(position)];
}

std::optional<Batch> Loader::next() {
  if (!partition_) return std::nullopt;
  const std::int64_t rows = std::min(options_.batch_size, partition_->rows() - position_);
  if (rows == 0 || bytes_since_release_ >= kWindowBytes) {
    partition_->release_pages();
    bytes_since_release_ = 0;
  }
  if (rows == 0) {
    partition_.reset();  // it may lie in memory
    return std::nullopt;
  }
  Batch batch{first_rows(x_, rows), first_rows(y_, rows), w_.defined() ? first_rows(w_, rows) : w_};
  fill(batch);
  position_ += rows;
  return batch;
}

void Loader::fill(const Batch& batch) {
  const Column& features = *columns_.x_column;
  const std::byte* x = columns_.x.data();
  const std::size_t label_bytes = columns_.y_column->row_bytes(), weight_bytes = columns_.weight_bytes();
  const std::int64_t n = features.shape.numel();
  visit_dtype(features.dtype, [&]<class T>(T) {
    using S = std::conditional_t<scaling_dtype(dtype_of<T>()) == DType::f32, float, double>;
    for (std::int64_t i = 0; i < batch.rows(); ++i) {
      const std::int64_t row = row_at(position_ + i);
      const T* from = reinterpret_cast<const T*>(x) + row * n;
      scaling_.apply<S>(from, batch.x.data<float>() + i * n, n);
      std::memcpy(batch.y.raw_data() + static_cast<std::size_t>(i) * label_bytes,
                  columns_.y.data() + static_cast<std::size_t>(row) * label_bytes, label_bytes);
      if (weight_bytes == 0) continue;
      std::memcpy(batch.w.raw_data() + static_cast<std::size_t>(i) * weight_bytes,
                  columns_.w.data() + static_cast<std::size_t>(row) * weight_bytes, weight_bytes);
    }
  });
  bytes_since_release_ += static_cast<std::size_t>(batch.rows()) * features.row_bytes();
  batch.x.bump_version();  // so that autograd notices a backward pass that comes too late for its batch
  batch.y.bump_version();
  if (batch.w.defined()) batch.w.bump_version();
}

}  // namespace hop::data
