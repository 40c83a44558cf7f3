// The functions that a device supplies for kernels/pool.h. Tensors are (N, C, H, W), floating, of one dtype and one
// layout, contiguous or channels last; indices are i64 within a plane.
#pragma once

#include "kernels/operations_internal.h"
#include "kernels/shapes_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels {

struct PoolOperations {
  static const PoolOperations cpu, cuda;

  void (*max_pool2d)(const PoolShape& shape, const Tensor& x, const Tensor& y, const Tensor& indices);
  /// dx = 0, then dx[indices] += g within each plane. An index outside its plane is an IndexError, as for labels.
  /// `windows`: the windows that the indices come from, or null. If given, a device may ignore an index outside its
  /// window. Indices inside their windows give the same result in both cases.
  void (*max_pool2d_grad)(const PoolShape* windows, const Tensor& g, const Tensor& indices, const Tensor& dx);
  /// y = x[indices] within each plane.
  void (*max_pool2d_gather)(const Tensor& x, const Tensor& indices, const Tensor& y);
  void (*avg_pool2d)(const PoolShape& shape, const Tensor& x, const Tensor& y);
  void (*avg_pool2d_grad)(const PoolShape& shape, const Tensor& g, const Tensor& dx);
};

}  // namespace hop::kernels
