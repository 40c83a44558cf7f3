// The state block: everything that a model in training is, in one range of bytes. A checkpoint is one write of it, a
// hop one send.
//
//   counters                              64 bytes
//   parameters, f32 before f64            in state_dict order
//   buffers                               in state_dict order
//   optimizer.step, optimizer.<slot>...   in the optimizer's order
//
// Each segment starts on a 64-byte boundary and is padded with zeros; a shared parameter stands once. The layout is a
// pure function of the architecture and the optimizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "nn/module.h"
#include "nn/optim/optimizer.h"

namespace hop::nn {

enum class SegmentKind : std::uint8_t { counters, parameter, buffer, optimizer };

/// One tensor's place in a block.
struct Segment {
  std::string name;  ///< "counters", "conv1.weight", "bn.running_mean", "optimizer.exp_avg.conv1.weight"
  SegmentKind kind = SegmentKind::parameter;
  DType dtype = DType::f32;
  Shape shape;
  std::uint64_t offset = 0;  ///< in bytes, a multiple of 64
  std::uint64_t bytes = 0;   ///< without the padding
  bool operator==(const Segment&) const = default;
};

struct StateLayout {
  std::vector<Segment> segments;
  std::uint64_t bytes = 0;  ///< of the whole block, a multiple of 64
  bool operator==(const StateLayout&) const = default;
};

/// Throws StateError, naming `where` and the first segment that differs, unless both layouts are equal.
void check_same_layout(const StateLayout& expected, const StateLayout& got, const std::string& where);

/// What a model in training counts, besides the optimizer's step. The first bytes of every block, little-endian.
struct Counters {
  std::uint64_t random_key = 0;  ///< of Module::set_random_key; the random step is the optimizer's step count
  std::int64_t epoch = 0;
  std::int64_t unit = 0;  ///< units trained since the start
  std::int64_t rows = 0;  ///< rows seen since the start
  std::int64_t reserved[4] = {};
};
static_assert(sizeof(Counters) == kAlignment);

/// The bytes of a block, shared: a received block waits beside the one in training.
using StateBytes = std::shared_ptr<AlignedBuffer>;

/// The tensors of a module and its optimizer, living in one block. Every handle stays valid, whatever bytes it points
/// at. Must not outlive a backward pass: re-pointing while a graph is alive leaves the graph with the old values.
class StateBlock {
 public:
  /// Moves all parameters, buffers and optimizer state into a fresh block; values are kept. `optimizer` may be null (a
  /// model for evaluation).
  explicit StateBlock(Module& module, const optim::Optimizer* optimizer = nullptr);

  const StateLayout& layout() const { return layout_; }
  /// The whole block: a hop sends from it. Whoever writes here writes the model.
  MutableByteView bytes() { return bytes_->span(); }
  ByteView bytes() const { return std::as_const(*bytes_).span(); }

  Counters& counters();
  const Counters& counters() const;
  /// The counters as (8) i64, wherever the block lies: random_key is the first. For Module::set_random_source.
  const Tensor& counters_tensor() const { return counters_; }

  /// A block of the right size to receive into, all zero.
  StateBytes make_bytes() const { return std::make_shared<AlignedBuffer>(layout_.bytes); }
  /// Points every tensor at `next` and returns the block it pointed at before: microseconds, no copy. Throws StateError
  /// for another size.
  StateBytes swap(StateBytes next);
  /// The block itself, shared, for a send that goes on after the next swap.
  const StateBytes& shared_bytes() const { return bytes_; }

  /// XXH3-128 of the block.
  Digest digest() const { return xxh3_128(bytes()); }

 private:
  void point_at(const StateBytes& bytes);

  StateLayout layout_;
  Tensor counters_;
  std::vector<Tensor> tensors_;  // one per segment but the counters, in the layout's order
  StateBytes bytes_;
};

}  // namespace hop::nn
