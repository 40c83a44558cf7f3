// The gradient of a leaf, and the one place that knows its three states: absent, zero, given.
#pragma once

#include <cstdint>
#include <utility>

#include "tensor/tensor.h"

namespace hop {

/// Absent: an undefined tensor. Zero: no value since zero(). The bytes may be old: they stand for zeros, and the first
/// gradient overwrites them. Given: backward(), set(), or a write in place that bumped the tensor's version gave it a
/// value.
class Gradient {
 public:
  /// The tensor as it is: old bytes may stand for zeros. Undefined while absent.
  const Tensor& tensor() const { return tensor_; }
  /// The tensor, after old bytes were cleared. Throws StateError if zero() was called in the step that is being
  /// captured, because a replay would not clear them.
  const Tensor& value();

  /// As value(), for the start of a sum: on the CPU old bytes become -0, because -0 + g has the bits of g, but 0 + g
  /// turns -0 into 0.
  const Tensor& sum_start();

  bool is_given() const { return tensor_.defined() && (given_ || tensor_.version() != zero_version_); }
  /// Whether the bytes stand for zeros.
  bool is_stale() const { return stale_; }
  /// Whether the first gradient may overwrite the bytes. While a step is captured, only if the step itself called
  /// zero(), because every replay repeats the recorded run.
  bool is_overwritable() const;

  void set(Tensor tensor);
  /// To be called after a value was written to tensor().
  void mark_given();
  /// Touches no bytes. Throws ShapeError unless the tensor is contiguous.
  void zero();
  /// From now on the gradient is `place`, a tensor of the same shape, dtype and value. The state stays the same.
  void move_to(Tensor place);
  /// Restores the state after the recorded run of a captured step.
  void restore(const Tensor& tensor, bool given, bool stale);

 private:
  Tensor tensor_;
  bool given_ = false;
  bool stale_ = false;
  std::uint32_t zero_version_ = 0;  // the tensor's version at zero()
  std::uint32_t zeroed_in_ = 0;     // the capture in which zero() was called; 0: in none
};

}  // namespace hop
