// A C++ number as an operand. It takes part in type promotion more weakly than any tensor: u8 tensor + 1 stays u8.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>

#include "tensor/dtype.h"

namespace hop {

class Scalar {
 public:
  template <std::floating_point T>
  Scalar(T value) : floating_(static_cast<double>(value)), dtype_(DType::f64) {}
  template <std::integral T>
  Scalar(T value)
      : integral_(static_cast<std::int64_t>(value)),
        dtype_(DType::i64),
        exceeds_i64_(!std::in_range<std::int64_t>(value)) {}
  Scalar(bool value) : integral_(value ? 1 : 0), dtype_(DType::boolean) {}

  /// f64, i64 or boolean: the category counts.
  DType dtype() const { return dtype_; }
  /// Whether this is an unsigned number of 2^63 or more, which no tensor of integers can hold.
  bool exceeds_i64() const { return exceeds_i64_; }
  template <class T>
  T to() const {
    if (exceeds_i64_) return static_cast<T>(static_cast<std::uint64_t>(integral_));
    return is_floating(dtype_) ? static_cast<T>(floating_) : static_cast<T>(integral_);
  }
  /// Whether a tensor of `dtype` can hold the number. Integers drop its fraction, floats round it. Only floats hold NaN
  /// and infinities. bool holds every number, as 0 or not 0.
  bool fits(DType dtype) const;
  /// "300", "0.1", "nan", "true"
  std::string to_string() const;

 private:
  double floating_ = 0;
  std::int64_t integral_ = 0;
  DType dtype_;
  bool exceeds_i64_ = false;
};

}  // namespace hop
