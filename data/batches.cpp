#include "data/batches.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "data/split.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "tensor/backend.h"

namespace hop::data {
namespace {

constexpr std::int64_t kMostRows = std::int64_t{1} << 32;  // of a partition

constexpr std::size_t kWindowBytes = 32 << 20;  // after this many bytes a pass gives its mapped pages back, like Loader

Tensor first_rows(const Tensor& t, std::int64_t rows) {
  Shape shape = t.shape();
  shape[0] = rows;
  return t.as_strided(shape, t.strides(), 0);
}

/// Scales as Loader's loop does, in the same order and dtype: (x - offset) * factor, then f32.
class DeviceScaling {
 public:
  explicit DeviceScaling(Scaling scaling) : scaling_(std::move(scaling)) {}

  /// Call it before a step is recorded, because it copies to the device. `stored`: the dtype of the rows.
  void prepare(const Shape& row, DType stored, Device device) {
    scaling_.check(row);
    dtype_ = scaling_dtype(stored);
    if (!scaling_.is_per_column() || (offsets_.defined() && offsets_.dtype() == dtype_)) return;
    const auto of_columns = [&](double Scale::*value) {
      const Tensor values = Tensor::empty(row, DType::f64);
      for (std::size_t i = 0; i < scaling_.columns().size(); ++i) {
        values.data<double>()[i] = scaling_.columns()[i].scale.*value;
      }
      return kernels::to_device(kernels::cast(values, dtype_), device);
    };
    offsets_ = of_columns(&Scale::offset);
    factors_ = of_columns(&Scale::factor);
  }

  Tensor apply(const Tensor& raw) const {
    using namespace kernels;
    const Scale& all = scaling_.all();
    const bool as_it_is = raw.dtype() == DType::f32 && !scaling_.is_per_column() && all.offset == 0 && all.factor == 1;
    if (as_it_is) return raw;
    const Tensor x = raw.dtype() == dtype_ ? clone(raw) : cast(raw, dtype_);
    if (scaling_.is_per_column()) {
      evaluate_into(x, rows::Sub{}, x, offsets_);
      evaluate_into(x, rows::Mul{}, x, factors_);
    } else {
      evaluate_into(x, rows::Sub{}, x, in_dtype(all.offset));
      evaluate_into(x, rows::Mul{}, x, in_dtype(all.factor));
    }
    return dtype_ == DType::f32 ? x : cast(x, DType::f32);
  }

 private:
  double in_dtype(double value) const { return dtype_ == DType::f32 ? static_cast<float>(value) : value; }

  Scaling scaling_;
  DType dtype_ = DType::f32;
  Tensor offsets_, factors_;  // on the device, in a row's shape
};

class HostBatches final : public Batches {
 public:
  explicit HostBatches(const LoaderOptions& options) : loader_(options) {}
  void start(const Partition& partition, std::optional<std::uint64_t> key) override {
    key ? loader_.start(partition, *key) : loader_.start(partition);
  }
  std::int64_t next() override {
    batch_ = loader_.next();
    if (!batch_) return 0;
    // Returns the same handles for the same place and number of rows, because a recorded step holds only while its
    // tensors live.
    const Batch& kept = kept_.try_emplace({batch_->x.raw_data(), batch_->rows()}, *batch_).first->second;
    if (kept.y.raw_data() == batch_->y.raw_data()) batch_ = kept;
    return batch_->rows();
  }
  Batch batch() override { return *batch_; }
  const void* place() const override { return batch_->x.raw_data(); }

 private:
  Loader loader_;
  std::optional<Batch> batch_;
  std::map<std::pair<const void*, std::int64_t>, Batch> kept_;  // key: place and number of rows
};

/// Rows that lie on the device. All values that change from batch to batch are read there, too: `position_` counts the
/// rows.
class ResidentBatches final : public Batches {
 public:
  ResidentBatches(const LoaderOptions& options, std::shared_ptr<const DeviceRows> rows)
      : options_(options), rows_(std::move(rows)), scaling_(options.scale) {
    const Device device = rows_->x().device();
    options_.batch_size = std::min(options_.batch_size, std::max<std::int64_t>(rows_->largest(), 1));
    const Shape& all = rows_->x().shape();
    scaling_.prepare(Shape(std::span<const std::int64_t>(all).subspan(1)), rows_->x().dtype(), device);
    order_ = Tensor::empty({rows_->largest()}, DType::i64, device);
    position_ = Tensor::empty({options_.batch_size}, DType::i64, device);
    from_zero_ = kernels::arange(options_.batch_size, DType::i64, device);
  }

  void start(const Partition& partition, std::optional<std::uint64_t> key) override {
    std::vector<std::int64_t> order(static_cast<std::size_t>(partition.rows()));
    const std::int64_t first = *rows_->first_row(partition);
    std::iota(order.begin(), order.end(), first);
    if (key) {
      const std::vector<std::uint32_t> permutation = random_permutation(partition.rows(), *key);
      std::transform(permutation.begin(), permutation.end(), order.begin(),
                     [first](std::uint32_t row) { return first + row; });
    }
    if (!order.empty()) {
      backend(order_.device()).copy(order_.raw_data(), order.data(), order.size() * sizeof(std::int64_t));
    }
    kernels::copy_(position_, from_zero_);
    left_ = partition.rows();
    present_ = 0;
  }

  std::int64_t next() override {
    left_ -= present_;
    present_ = std::min(left_, options_.batch_size);
    return present_;
  }

  Batch batch() override {
    const Tensor index = kernels::index_select(order_, 0, first_rows(position_, present_));
    const Batch batch{scaling_.apply(kernels::index_select(rows_->x(), 0, index)),
                      kernels::index_select(rows_->y(), 0, index),
                      rows_->w().defined() ? kernels::index_select(rows_->w(), 0, index) : Tensor()};
    kernels::evaluate_into(position_, kernels::rows::Add{}, position_, options_.batch_size);
    return batch;
  }
  const void* place() const override { return order_.raw_data(); }

 private:
  LoaderOptions options_;
  std::shared_ptr<const DeviceRows> rows_;
  DeviceScaling scaling_;
  Tensor order_;                 // of the pass, as row numbers of rows_
  Tensor position_, from_zero_;  // places in order_ of the batch's rows; 0, 1, ..
  std::int64_t left_ = 0, present_ = 0;
};

/// Two buffers on the host and two on the device: while the step reads one, the other is filled. Rows travel in the
/// form of the file, labels and weights before features, so that a short batch is one copy, too. All functions run on
/// the thread that trains; the copies run on the device's own stream.
class StreamedBatches final : public Batches {
 public:
  StreamedBatches(const LoaderOptions& options, Device device)
      : options_(options), scaling_(options.scale), device_(device) {}
  ~StreamedBatches() override {
    for (const Buffer& buffer : buffers_) {
      try {
        buffer.arrived.wait();
      } catch (const Error&) {  // the device is lost, and the copy with it
      }
    }
  }

  void start(const Partition& partition, std::optional<std::uint64_t> key) override {
    finish_present();  // ends a pass that was abandoned
    columns_ = row_columns(partition);
    scaling_.prepare(columns_.x_column->shape, columns_.x_column->dtype, device_);
    order_ = key ? random_permutation(partition.rows(), *key) : ascending_rows(partition.rows());
    partition_ = partition;
    make_buffers();
    done_ = 0;
    bytes_since_release_ = 0;
  }

  std::int64_t next() override {
    if (!partition_) return 0;
    finish_present();
    present_ = std::min(options_.batch_size, static_cast<std::int64_t>(order_.size()) - done_);
    if (present_ == 0 || bytes_since_release_ >= kWindowBytes) {
      partition_->release_pages();
      bytes_since_release_ = 0;
    }
    if (present_ == 0) {
      partition_.reset();  // it may lie in memory
      return 0;
    }
    current_ = 1 - current_;
    Buffer& buffer = buffers_[current_];
    buffer.arrived.wait();  // the copy of two batches ago: afterwards the host may write there again
    const std::size_t bytes = gather(buffer.host);
    Backend& device = backend(device_);
    buffer.arrived = device.upload(buffer.y.raw_data(), buffer.host.data(), bytes, buffer.used);
    device.order_behind(buffer.arrived);
    return present_;
  }

  Batch batch() override {
    const Buffer& buffer = buffers_[current_];
    return {scaling_.apply(first_rows(buffer.x, present_)), first_rows(buffer.y, present_),
            buffer.w.defined() ? first_rows(buffer.w, present_) : Tensor()};
  }
  const void* place() const override { return buffers_[current_].y.raw_data(); }

 private:
  struct Buffer {
    AlignedBuffer host;
    Tensor y, w, x;  // one range of the device's memory; without weights there is no w
    Fence arrived;   // the copy to the device
    Fence used;      // the work that reads it
  };

  std::size_t w_offset() const {
    return align_up(static_cast<std::size_t>(options_.batch_size) * columns_.y_column->row_bytes());
  }
  std::size_t x_offset() const {
    return w_offset() + align_up(static_cast<std::size_t>(options_.batch_size) * columns_.weight_bytes());
  }
  Shape batch_shape(const Column& column) const {
    Shape shape = {options_.batch_size};
    for (const std::int64_t size : column.shape) shape.push_back(size);
    return shape;
  }

  void finish_present() {
    if (present_ != 0) buffers_[current_].used = backend(device_).fence();
    done_ += present_;
    present_ = 0;
  }

  // If a buffer cannot be made, the buffers stay as they were.
  void make_buffers() {
    const Column &features = *columns_.x_column, &label = *columns_.y_column;
    const auto is_for = [this](const Tensor& t, const Column& column) {
      return t.defined() && t.shape() == batch_shape(column) && t.dtype() == column.dtype;
    };
    for (Buffer& buffer : buffers_) {
      const bool has_weights = columns_.w_column != nullptr;
      if (is_for(buffer.x, features) && is_for(buffer.y, label) && buffer.w.defined() == has_weights) continue;
      const auto row_bytes = static_cast<std::size_t>(options_.batch_size) * features.row_bytes();
      const std::size_t bytes = x_offset() + row_bytes;
      buffer.arrived.wait();
      AlignedBuffer host = backend(device_).host_buffer(bytes);
      const auto memory = std::make_shared<Storage>(bytes, device_);
      const auto view = [&](std::size_t offset, std::size_t size, DType type, const Shape& of) {
        return Tensor::view(Storage::borrow(memory->data() + offset, size, memory, device_), type, of,
                            contiguous_strides(of));
      };
      const Fence used = backend(device_).fence();  // other work may have used the memory a moment ago
      buffer = {std::move(host),
                view(0, w_offset(), label.dtype, batch_shape(label)),
                has_weights ? view(w_offset(), x_offset() - w_offset(), DType::f32, {options_.batch_size}) : Tensor(),
                view(x_offset(), row_bytes, features.dtype, batch_shape(features)),
                {},
                used};
    }
  }

  // Returns the number of bytes to copy.
  std::size_t gather(AlignedBuffer& to) {
    const std::size_t row_bytes = columns_.x_column->row_bytes(), label_bytes = columns_.y_column->row_bytes();
    const std::size_t weight_bytes = columns_.weight_bytes();
    std::byte *w = to.data() + w_offset(), *x = to.data() + x_offset();
    for (std::int64_t i = 0; i < present_; ++i) {
      const std::size_t row = order_[static_cast<std::size_t>(done_ + i)];
      const auto place = static_cast<std::size_t>(i);
      std::memcpy(to.data() + place * label_bytes, columns_.y.data() + row * label_bytes, label_bytes);
      if (weight_bytes > 0) std::memcpy(w + place * weight_bytes, columns_.w.data() + row * weight_bytes, weight_bytes);
      std::memcpy(x + place * row_bytes, columns_.x.data() + row * row_bytes, row_bytes);
    }
    bytes_since_release_ += static_cast<std::size_t>(present_) * row_bytes;
    return x_offset() + static_cast<std::size_t>(present_) * row_bytes;
  }

  LoaderOptions options_;
  DeviceScaling scaling_;
  Device device_;
  std::optional<Partition> partition_;
  RowColumns columns_{};
  std::vector<std::uint32_t> order_;
  std::int64_t done_ = 0, present_ = 0;
  std::size_t bytes_since_release_ = 0;
  std::array<Buffer, 2> buffers_;
  std::size_t current_ = 0;
};

/// Chooses the way for each partition.
class DeviceBatches final : public Batches {
 public:
  DeviceBatches(const LoaderOptions& options, Device device, std::shared_ptr<const DeviceRows> rows)
      : rows_(std::move(rows)), streamed_(options, device), present_(&streamed_) {
    if (rows_ != nullptr) resident_.emplace(options, rows_);
  }
  void start(const Partition& partition, std::optional<std::uint64_t> key) override {
    const bool is_there = rows_ != nullptr && rows_->first_row(partition).has_value();
    present_ = is_there ? static_cast<Batches*>(&*resident_) : &streamed_;
    present_->start(partition, key);
  }
  std::int64_t next() override { return present_->next(); }
  Batch batch() override { return present_->batch(); }
  const void* place() const override { return present_->place(); }

 private:
  std::shared_ptr<const DeviceRows> rows_;
  std::optional<ResidentBatches> resident_;
  StreamedBatches streamed_;
  Batches* present_;
};

}  // namespace

std::unique_ptr<Batches> make_batches(LoaderOptions options, Device device, std::shared_ptr<const DeviceRows> rows) {
  if (device.is_cpu()) return std::make_unique<HostBatches>(options);
  const Loader checked(options);                                 // throws the errors of the options
  options.batch_size = std::min(options.batch_size, kMostRows);  // sizes in bytes are multiples of it
  return std::make_unique<DeviceBatches>(options, device, std::move(rows));
}

}  // namespace hop::data
