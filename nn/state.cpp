#include "nn/state.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "base/error.h"
#include "base/words.h"
#include "kernels/copy.h"
#include "nn/detail/state_format.h"

namespace hop::nn {
namespace {

static_assert(std::endian::native == std::endian::little, "blocks are written as they lie in memory");
constexpr std::size_t kCounterWords = sizeof(Counters) / sizeof(std::int64_t);

// Appends segments and the tensors that will live in them.
struct Builder {
  StateLayout& layout;
  std::vector<Tensor>& tensors;

  void add_segment(std::string name, SegmentKind kind, DType dtype, const Shape& shape) {
    const std::uint64_t bytes = static_cast<std::uint64_t>(shape.numel()) * size_of(dtype);
    layout.segments.push_back({std::move(name), kind, dtype, shape, layout.bytes, bytes});
    layout.bytes += align_up(bytes);
  }
  void add(std::string name, SegmentKind kind, const Tensor& t) {
    add_segment(std::move(name), kind, t.dtype(), t.shape());
    tensors.push_back(t);
  }
};

// Checks the limits of a reader of the header of this block. A segment takes up to 128 bytes there, without its name.
void check_readable(const StateLayout& layout) {
  const std::size_t count = layout.segments.size();
  if (count > detail::kMaxSegments) {
    throw ConfigError("[state] expected at most 100,000 parameters, buffers and slots, got " + std::to_string(count));
  }
  std::size_t header_bytes = 0;
  for (const Segment& segment : layout.segments) {
    header_bytes += segment.name.size() + 128;
    if (segment.name.size() <= detail::kMaxNameBytes) continue;
    throw ConfigError("[state] expected names of at most 1,024 bytes, got one of " +
                      std::to_string(segment.name.size()) + ": \"" + printable(segment.name) + "\"");
  }
  if (header_bytes > detail::kMaxHeaderBytes) throw ConfigError("[state] expected names of at most 64 MiB together");
}

std::string describe(const Segment& s) {
  return "\"" + s.name + "\" " + std::string(name(s.dtype)) + " " + s.shape.to_string() + " at " +
         std::to_string(s.offset);
}

}  // namespace

void check_same_layout(const StateLayout& expected, const StateLayout& got, const std::string& where) {
  const std::size_t common = std::min(expected.segments.size(), got.segments.size());
  for (std::size_t i = 0; i < common; ++i) {
    if (expected.segments[i] == got.segments[i]) continue;
    throw StateError("[state] expected segment " + std::to_string(i) + " to be " + describe(expected.segments[i]) +
                     ", got " + describe(got.segments[i]) + " (" + where + ")");
  }
  if (expected == got) return;
  throw StateError("[state] expected " + std::to_string(expected.segments.size()) + " segments of " +
                   std::to_string(expected.bytes) + " bytes together, got " + std::to_string(got.segments.size()) +
                   " of " + std::to_string(got.bytes) + " (" + where + ")");
}

StateBlock::StateBlock(Module& module, const optim::Optimizer* optimizer) {
  Builder build{layout_, tensors_};
  build.add_segment("counters", SegmentKind::counters, DType::i64, {static_cast<std::int64_t>(kCounterWords)});
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    for (const NamedTensor& p : module.named_parameters()) {
      if (p.tensor.dtype() == dtype) build.add(p.name, SegmentKind::parameter, p.tensor);
    }
  }
  for (const NamedTensor& b : module.named_buffers()) build.add(b.name, SegmentKind::buffer, b.tensor);
  if (optimizer != nullptr) {
    for (const NamedTensor& s : optimizer->state()) build.add("optimizer." + s.name, SegmentKind::optimizer, s.tensor);
  }

  check_readable(layout_);
  if (!tensors_.empty()) device_ = tensors_.front().device();
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (tensors_[i].device() == device_) continue;
    throw DeviceError("[state] expected tensors on " + device_.to_string() + ", got " + tensors_[i].describe() + " (" +
                      layout_.segments[i + 1].name + ")");
  }
  counters_ = Tensor::empty({static_cast<std::int64_t>(kCounterWords)}, DType::i64, device_);
  std::byte* data = nullptr;
  std::shared_ptr<void> owner;
  if (device_.is_cpu()) {
    bytes_ = make_bytes();
    new (bytes_->data()) Counters();
    data = bytes_->data();
    owner = bytes_;
  } else {
    block_ = Storage(layout_.bytes, device_);
    backend(device_).zero(block_.data(), layout_.bytes);
    data = block_.data();
    owner = std::make_shared<Storage>(block_);
  }
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Segment& segment = layout_.segments[i + 1];
    const Tensor values = kernels::contiguous(tensors_[i]);
    if (segment.bytes != 0) backend(device_).copy(data + segment.offset, values.raw_data(), segment.bytes);
  }
  point_at(data, owner);
}

// Waits for copies on their way, before their bytes are reused.
StateBlock::~StateBlock() {
  try {
    arrived_.wait();
    transfer_.wait();
  } catch (const Error&) {  // the device is lost, and with it the copies
  }
}

Counters& StateBlock::counters() {
  if (!device_.is_cpu()) return host_counters_;
  return *std::launder(reinterpret_cast<Counters*>(bytes_->data()));
}

const Counters& StateBlock::counters() const {
  if (!device_.is_cpu()) return host_counters_;
  return *std::launder(reinterpret_cast<const Counters*>(std::as_const(*bytes_).data()));
}

StateBytes StateBlock::make_bytes() const {
  return std::make_shared<AlignedBuffer>(backend(device_).host_buffer(layout_.bytes));
}

void StateBlock::check_size(const StateBytes& bytes) const {
  if (bytes != nullptr && bytes->size() == layout_.bytes) return;
  throw StateError("[state] expected a block of " + std::to_string(layout_.bytes) + " bytes, got " +
                   (bytes == nullptr ? "none" : std::to_string(bytes->size())));
}

void StateBlock::load(StateBytes next) {
  check_size(next);
  if (device_.is_cpu()) {
    StateBytes before = swap(std::move(next));
    if (own_ == nullptr) own_ = std::move(before);
    return;
  }
  Backend& device = backend(device_);
  std::memcpy(&host_counters_, next->data(), sizeof host_counters_);
  key_on_device_ = host_counters_.random_key;
  arrived_.wait();  // frees the bytes of the load before; its copy has usually ended long ago
  arriving_ = std::move(next);
  const Fence after = settled_ ? device.fence() : transfer_;
  arrived_ = device.upload(block_.data(), arriving_->data(), layout_.bytes, after);
  transfer_ = arrived_;
  settled_ = false;
}

void StateBlock::settle() const {
  if (device_.is_cpu()) return;
  if (!settled_) backend(device_).order_behind(transfer_);
  settled_ = true;
  if (host_counters_.random_key == key_on_device_) return;
  backend(device_).copy(block_.data(), &host_counters_, sizeof host_counters_);
  key_on_device_ = host_counters_.random_key;
}

// The host has written the counters, the device everything else. Called by the thread that trains; another thread
// waits.
SavedState StateBlock::save(StateBytes into) const {
  if (device_.is_cpu()) return {bytes_, {}};
  if (into == nullptr) into = make_bytes();
  check_size(into);
  settle();
  std::memcpy(into->data(), &host_counters_, sizeof host_counters_);
  Backend& device = backend(device_);
  constexpr std::size_t kRest = sizeof(Counters);
  const Fence after = device.fence();
  transfer_ = device.download(into->data() + kRest, block_.data() + kRest, layout_.bytes - kRest, after);
  settled_ = false;
  return {std::move(into), transfer_};
}

void StateBlock::give_up() {
  if (device_.is_cpu()) {
    if (own_ != nullptr) swap(std::exchange(own_, nullptr));
    return;
  }
  arrived_.wait();
  arriving_.reset();
}

const StateBytes& StateBlock::shared_bytes() const {
  if (!device_.is_cpu()) throw DeviceError("[state] the block lies on " + device_.to_string() + "; save() it");
  return bytes_;
}

StateBytes StateBlock::swap(StateBytes next) {
  static_cast<void>(shared_bytes());
  check_size(next);
  point_at(next->data(), next);
  return std::exchange(bytes_, std::move(next));
}

// Each tensor gets its own storage, which borrows a part of the block. So versions are counted per tensor, and an
// update of running statistics does not look like a write to a weight that a graph has saved.
void StateBlock::point_at(std::byte* data, const std::shared_ptr<void>& owner) {
  counters_.rebind(Storage::borrow(data, sizeof(Counters), owner, device_), 0);
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Segment& segment = layout_.segments[i + 1];
    tensors_[i].rebind(Storage::borrow(data + segment.offset, segment.bytes, owner, device_), 0);
  }
}

}  // namespace hop::nn
