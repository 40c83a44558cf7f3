// Integers that the host reads: lengths of sequences.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "autograd/copy.h"
#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/expect_internal.h"

namespace hop::nn::detail {

/// The integers of x (N), which `what` names in an error. Throws ShapeError, DtypeError; StateError while a step is
/// captured, because replays would not read them again.
inline std::vector<std::int64_t> host_integers(const std::string& op, const char* what, const Tensor& x) {
  const std::string expected = "[" + op + "] expected ";
  kernels::expect_defined(op.c_str(), x);
  if (is_capturing()) throw StateError(expected + "no capture: the host reads " + what);
  if (x.dim() != 1) throw ShapeError(expected + what + " of shape (N), got " + x.shape().to_string());
  if (is_floating(x.dtype()) || x.dtype() == DType::boolean)
    throw DtypeError(expected + what + " of integers, got " + x.describe());
  return to_vector<std::int64_t>(to(x, DType::i64));
}

}  // namespace hop::nn::detail
