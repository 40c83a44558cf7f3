// The state block: everything that a model in training is, in one range of bytes. A checkpoint is one write of it, a
// hop one send.
//
//   counters                              64 bytes
//   parameters, f32, f64, bf16, f16       in state_dict order
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
#include "tensor/backend.h"

namespace hop::nn {

enum class SegmentKind : std::uint8_t { counters, parameter, buffer, optimizer };

/// One tensor's place in a block.
struct Segment {
  std::string name{};  ///< "counters", "conv1.weight", "bn.running_mean", "optimizer.exp_avg.conv1.weight"
  SegmentKind kind = SegmentKind::parameter;
  DType dtype = DType::f32;
  Shape shape{};
  std::uint64_t offset = 0;  ///< in bytes, a multiple of 64
  std::uint64_t bytes = 0;   ///< without the padding
  bool operator==(const Segment&) const = default;
};

struct StateLayout {
  std::vector<Segment> segments{};
  std::uint64_t bytes = 0;  ///< of the whole block, a multiple of 64
  bool operator==(const StateLayout&) const = default;
};

/// Throws StateError, naming `where` and the first segment that differs, unless both layouts are equal.
void check_same_layout(const StateLayout& expected, const StateLayout& got, const std::string& where);

/// Counters of a model in training, besides the optimizer's step. The first bytes of every block, little-endian.
struct Counters {
  std::uint64_t random_key = 0;  ///< of Module::set_random_key; the random step is the optimizer's step count
  std::int64_t epoch = 0;
  std::int64_t unit = 0;          ///< passes over a partition since the start
  std::int64_t rows = 0;          ///< rows seen since the start
  std::int64_t steps_before = 0;  ///< updates before the optimizer began to count anew; 0 if it never did
  std::int64_t reserved[3] = {};
};
static_assert(sizeof(Counters) == kAlignment);

/// The bytes of a block on the host. They are shared, so that a received block can wait beside the one in training.
using StateBytes = std::shared_ptr<AlignedBuffer>;

/// A state on its way out of a block.
class SavedState {
 public:
  SavedState() = default;
  SavedState(StateBytes bytes, Fence arrived) : bytes_(std::move(bytes)), arrived_(std::move(arrived)) {}
  /// Waits until all bytes are there and returns them. From any thread.
  const StateBytes& wait() const {
    arrived_.wait();
    return bytes_;
  }

 private:
  StateBytes bytes_;
  Fence arrived_;
};

/// Places the tensors of a module and its optimizer in one block of their device. Every handle stays valid when the
/// bytes behind it change. Do not change the bytes while a graph is alive: the graph would keep the old values.
///
/// States come and go with load() and save(). On the CPU both hand over the bytes themselves. On another device each is
/// one copy that runs beside the computation. So the next state arrives and the last one leaves while another block is
/// being trained:
///
///   block.load(bytes);                    // any thread; returns at once
///   block.settle();                       // computations from here on use the loaded state
///   ... training ...
///   const SavedState out = block.save();  // returns at once
///   block.give_up();                      // on the CPU: `out` alone has the bytes now
///   out.wait();                           // any thread
///
/// One thread at a time.
class StateBlock {
 public:
  /// Moves all parameters, buffers and optimizer state into a fresh block of their device and keeps their values.
  /// `optimizer` may be null. Throws DeviceError for several devices, ConfigError beyond the limits of a state's file.
  explicit StateBlock(Module& module, const optim::Optimizer* optimizer = nullptr);
  ~StateBlock();
  StateBlock(const StateBlock&) = delete;
  StateBlock& operator=(const StateBlock&) = delete;

  Device device() const { return device_; }
  const StateLayout& layout() const { return layout_; }

  /// The counters, on the host for every device: training writes them, load() brings them, save() takes them along.
  Counters& counters();
  const Counters& counters() const;
  /// The counters as (8) i64 on the block's device: random_key is the first. For Module::set_random_source.
  const Tensor& counters_tensor() const { return counters_; }

  /// A zero-filled block of the right size for receiving a state, from which the device copies without the host.
  StateBytes make_bytes() const;
  /// Brings a state in. From now on `next` belongs to the block. Throws StateError for another size.
  void load(StateBytes next);
  /// From now on the device computes with the loaded state and sees the present counters().random_key.
  void settle() const;
  /// Takes the state out, into `into` if it is given; it must have the right size (StateError). The CPU needs no
  /// `into`. On a device, call settle() before the next computation: it makes the computation wait for the copy, so
  /// that the copy has the present values. On the CPU the result is the block's own bytes, which change with the block
  /// until give_up() or swap().
  SavedState save(StateBytes into = nullptr) const;
  /// Ends the use of the bytes that load() brought. The values are undefined until the next load().
  void give_up();

  /// XXH3-128 of the block's bytes.
  Digest digest() const { return xxh3_128(std::as_const(*save().wait()).span()); }

  // ---- On the CPU only: DeviceError elsewhere

  /// The whole block: a hop sends from it. A write here changes the model.
  MutableByteView bytes() { return shared_bytes()->span(); }
  ByteView bytes() const { return std::as_const(*shared_bytes()).span(); }
  /// Points every tensor at `next` and returns the previous block: microseconds, no copy. Throws StateError for another
  /// size.
  StateBytes swap(StateBytes next);
  /// The block itself, shared, for a send that goes on after the next swap.
  const StateBytes& shared_bytes() const;

 private:
  void point_at(std::byte* data, const std::shared_ptr<void>& owner);
  void check_size(const StateBytes& bytes) const;

  Device device_;
  StateLayout layout_;
  Tensor counters_;
  std::vector<Tensor> tensors_;  // one per segment but the counters, in the layout's order

  // On the CPU
  StateBytes bytes_;
  StateBytes own_;  // kept aside while bytes that load() brought are in use

  // On another device
  Storage block_;
  Counters host_counters_;
  StateBytes arriving_;  // kept alive until the copy has ended
  Fence arrived_;
  // The order of the device's work. Mutable, because save() changes nothing else.
  mutable Fence transfer_;       // the last load or save
  mutable bool settled_ = true;  // the device may have computed with the block since then
  mutable std::uint64_t key_on_device_ = 0;
};

}  // namespace hop::nn
