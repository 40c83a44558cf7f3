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

// y = (x - offset) * factor, in pieces of constant size, so that the compiler makes vector code.
template <class T, class S>
void scale(const T* __restrict x, float* __restrict y, std::int64_t n, S offset, S factor) {
  constexpr std::int64_t kPiece = 16;
  const auto scaled = [=](T value) { return static_cast<float>((static_cast<S>(value) - offset) * factor); };
  std::int64_t i = 0;
  for (; i + kPiece <= n; i += kPiece) {
    for (std::int64_t j = 0; j < kPiece; ++j) y[i + j] = scaled(x[i + j]);
  }
  for (; i < n; ++i) y[i] = scaled(x[i]);
}

// The same with an offset and a factor per column.
template <class T, class S>
void scale(const T* __restrict x, float* __restrict y, std::int64_t n, const S* __restrict offsets,
           const S* __restrict factors) {
  for (std::int64_t i = 0; i < n; ++i) {
    y[i] = static_cast<float>((static_cast<S>(x[i]) - offsets[i]) * factors[i]);
  }
}

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

Loader::Loader(LoaderOptions options) : options_(std::move(options)) {
  if (options_.batch_size < 1) {
    throw ConfigError("[loader] expected a batch size of at least 1, got " + std::to_string(options_.batch_size));
  }
  const auto append = [](auto& scales, const Scale& scale) {
    using S = typename std::remove_reference_t<decltype(scales)>::Value;
    scales.offsets.push_back(static_cast<S>(scale.offset));
    scales.factors.push_back(static_cast<S>(scale.factor));
  };
  for (const FeatureColumn& column : options_.scale.columns()) {
    append(narrow_, column.scale);
    append(wide_, column.scale);
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
                    y_.dtype() == label.dtype && batch_shape(y_.size(0), label.shape) == y_.shape();
  if (!fits) {
    outgrown_.insert(outgrown_.end(), {x_, y_});
    x_ = Tensor::empty(batch_shape(rows, row), DType::f32);
    y_ = Tensor::empty(batch_shape(rows, label.shape), label.dtype);
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
  if (rows == 0) return std::nullopt;
  Batch batch{first_rows(x_, rows), first_rows(y_, rows)};
  fill(batch);
  position_ += rows;
  return batch;
}

void Loader::fill(const Batch& batch) {
  const Column& features = *columns_.x_column;
  const std::byte* x = columns_.x.data();
  const std::size_t label_bytes = columns_.y_column->row_bytes();
  const std::int64_t n = features.shape.numel();
  const Scale& all = options_.scale.all();
  visit_dtype(features.dtype, [&]<class T>(T) {
    using S = std::conditional_t<scaling_dtype(dtype_of<T>()) == DType::f32, float, double>;
    const auto& columns = [&]() -> const auto& {
      if constexpr (std::is_same_v<S, float>)
        return narrow_;
      else
        return wide_;
    }
    ();
    for (std::int64_t i = 0; i < batch.rows(); ++i) {
      const std::int64_t row = row_at(position_ + i);
      const T* from = reinterpret_cast<const T*>(x) + row * n;
      float* to = batch.x.data<float>() + i * n;
      if (columns.offsets.empty())
        scale(from, to, n, static_cast<S>(all.offset), static_cast<S>(all.factor));
      else
        scale(from, to, n, columns.offsets.data(), columns.factors.data());
      std::memcpy(batch.y.raw_data() + static_cast<std::size_t>(i) * label_bytes,
                  columns_.y.data() + static_cast<std::size_t>(row) * label_bytes, label_bytes);
    }
  });
  bytes_since_release_ += static_cast<std::size_t>(batch.rows()) * features.row_bytes();
  batch.x.bump_version();  // so that autograd notices a backward pass that comes too late for its batch
  batch.y.bump_version();
}

}  // namespace hop::data
