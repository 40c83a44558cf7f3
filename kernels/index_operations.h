// The functions that a device supplies for kernels/index.h. An index is i64 and contiguous. A value outside the
// dimension is an IndexError: of the call on the CPU, of the next synchronize() on other devices. `op` names the call
// in errors.
#pragma once

#include "kernels/operations_internal.h"
#include "tensor/tensor.h"

namespace hop::kernels {

struct IndexOperations {
  static const IndexOperations cpu, cuda;

  /// y[i] = x[i with component `dim` replaced by index[i]]; x of any strides.
  void (*gather)(const char* op, const Tensor& x, int dim, const Tensor& index, const Tensor& y);
  /// y = 0, then y[i with component `dim` replaced by index[i]] += g[i], in the order of i; g contiguous. A
  /// one-dimensional y sums as in index_add.
  void (*scatter_add)(const char* op, const Tensor& g, int dim, const Tensor& index, const Tensor& y);
  /// y = the slices of x, contiguous, at index (n) along `dim`.
  void (*index_select)(const char* op, const Tensor& x, int dim, const Tensor& index, const Tensor& y);
  /// y = 0, then y's slice at index[i] += g's slice i, in the order of i, in f64 and rounded once; g contiguous.
  void (*index_add)(const char* op, const Tensor& g, int dim, const Tensor& index, const Tensor& y);
};

}  // namespace hop::kernels
