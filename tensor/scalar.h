// A C++ number as an operand. It takes part in type promotion more weakly than any tensor: u8 tensor + 1 stays u8.
#pragma once

#include <concepts>
#include <cstdint>

#include "tensor/dtype.h"

namespace hop {

class Scalar {
 public:
  template <std::floating_point T>
  Scalar(T value) : floating_(static_cast<double>(value)), dtype_(DType::f64) {}
  template <std::integral T>
  Scalar(T value) : integral_(static_cast<std::int64_t>(value)), dtype_(DType::i64) {}
  Scalar(bool value) : integral_(value ? 1 : 0), dtype_(DType::boolean) {}

  /// f64, i64 or boolean: the category counts.
  DType dtype() const { return dtype_; }
  template <class T>
  T to() const {
    return is_floating(dtype_) ? static_cast<T>(floating_) : static_cast<T>(integral_);
  }

 private:
  double floating_ = 0;
  std::int64_t integral_ = 0;
  DType dtype_;
};

}  // namespace hop
