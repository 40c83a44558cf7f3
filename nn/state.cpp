#include "nn/state.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "base/error.h"
#include "kernels/copy.h"

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

void check_cpu(const Tensor& t, const std::string& name) {
  if (!t.device().is_cpu()) {
    throw DeviceError("[state] expected tensors on cpu, got " + t.describe() + " (" + name + ")");
  }
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
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const NamedTensor& p : module.named_parameters()) {
      if (p.tensor.dtype() == dtype) build.add(p.name, SegmentKind::parameter, p.tensor);
    }
  }
  for (const NamedTensor& b : module.named_buffers()) build.add(b.name, SegmentKind::buffer, b.tensor);
  if (optimizer != nullptr) {
    for (const NamedTensor& s : optimizer->state()) build.add("optimizer." + s.name, SegmentKind::optimizer, s.tensor);
  }

  bytes_ = make_bytes();
  counters_ = Tensor::empty({static_cast<std::int64_t>(kCounterWords)}, DType::i64);
  new (bytes_->data()) Counters();
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Segment& segment = layout_.segments[i + 1];
    check_cpu(tensors_[i], segment.name);
    const Tensor values = kernels::contiguous(tensors_[i]);
    if (segment.bytes != 0) std::memcpy(bytes_->data() + segment.offset, values.raw_data(), segment.bytes);
  }
  point_at(bytes_);
}

Counters& StateBlock::counters() { return *std::launder(reinterpret_cast<Counters*>(bytes_->data())); }

const Counters& StateBlock::counters() const {
  return *std::launder(reinterpret_cast<const Counters*>(std::as_const(*bytes_).data()));
}

StateBytes StateBlock::swap(StateBytes next) {
  if (next == nullptr || next->size() != layout_.bytes) {
    throw StateError("[state] expected a block of " + std::to_string(layout_.bytes) + " bytes, got " +
                     (next == nullptr ? "none" : std::to_string(next->size())));
  }
  point_at(next);
  return std::exchange(bytes_, std::move(next));
}

// Each tensor gets a storage of its own that borrows its part of the block: versions are counted per tensor, so that an
// update of running statistics does not look like a write to a weight that a graph has saved.
void StateBlock::point_at(const StateBytes& bytes) {
  counters_.rebind(Storage::borrow(bytes->data(), sizeof(Counters), bytes), 0);
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Segment& segment = layout_.segments[i + 1];
    tensors_[i].rebind(Storage::borrow(bytes->data() + segment.offset, segment.bytes, bytes), 0);
  }
}

}  // namespace hop::nn
