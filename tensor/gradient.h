// The gradient of a leaf, and the one place that knows its three states: absent, zero, given.
#pragma once

#include <cstdint>
#include <utility>

#include "tensor/tensor.h"

namespace hop {

/// Absent: an undefined tensor. Zero: nobody gave it a value since zero(); its bytes may be old ones, which stand for
/// zeros, and the first gradient is written over them. Given: by backward(), by set(), or by a write in place that
/// bumped the tensor's version.
class Gradient {
 public:
  /// As it lies there: the bytes may stand for zeros. Undefined while absent.
  const Tensor& tensor() const { return tensor_; }
  /// The same, after bytes that stand for zeros were cleared. Throws StateError where zero() was called in the step
  /// that is being captured: a replay would not clear them.
  const Tensor& value();

  /// As value(), for a sum that begins: bytes that stand for zeros become -0 on the CPU, as -0 + g has the bits of g,
  /// where 0 + g would turn -0 into 0.
  const Tensor& sum_start();

  bool is_given() const { return tensor_.defined() && (given_ || tensor_.version() != zero_version_); }
  /// Whether the bytes stand for zeros.
  bool is_stale() const { return stale_; }
  /// Whether the first gradient may be written over what is there. In a step that is being captured only after a zero()
  /// of the step itself: every replay does what the recorded run did.
  bool is_overwritable() const;

  void set(Tensor tensor);
  /// After a write of a value to tensor().
  void mark_given();
  /// No bytes are touched. The tensor must be contiguous: ShapeError.
  void zero();
  /// Goes on in `place`, a tensor of the same shape and dtype with the same value, in the same state.
  void move_to(Tensor place);
  /// Becomes what it was after the recorded run of a captured step.
  void restore(const Tensor& tensor, bool given, bool stale);

 private:
  Tensor tensor_;
  bool given_ = false;
  bool stale_ = false;
  std::uint32_t zero_version_ = 0;  // the tensor's version at zero()
  std::uint32_t zeroed_in_ = 0;     // the capture in which zero() was called; 0: in none
};

}  // namespace hop
