// How a copy goes. For copy.cu, and for tests that hold it to the fast ways.
#pragma once

#include <cstdint>

#include "kernels/cuda/walk.h"
#include "tensor/tensor.h"

namespace hop::kernels::cuda {

enum class CopyWay : std::uint8_t {
  bytes,     ///< one block of memory: the copy engine, or what the driver thinks best
  packets,   ///< lines of neighbours on both sides: 16 bytes of y per thread
  tiles,     ///< y's lines run across x's: squares through shared memory
  elements,  ///< anything else, and every line that repeats one element of x
};

/// A copy y <- x of y.numel() > 0 elements. Elements are walked in the order of y's memory, whatever its strides: y is
/// operand 0, x operand 1.
struct CopyPlan {
  CopyPlan(const Tensor& y, const Tensor& x);

  Steps<2> steps;
  CopyWay way = CopyWay::elements;
  int width = 1;  ///< packets: elements per thread
  int row = -1;   ///< tiles: the dimension along which x's elements are neighbours
};

}  // namespace hop::kernels::cuda
