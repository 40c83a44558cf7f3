// Reading and writing at positions for operations that are composed of them: `op`, a literal, names the composed
// operation in errors and in the graph.
#pragma once

#include "autograd/view.h"
#include "kernels/elementwise.h"
#include "tensor/tensor.h"

namespace hop::autograd {

/// x with dimensions: a tensor of shape () counts as one of shape (1).
inline Tensor as_line(const Tensor& x) { return x.defined() && x.dim() == 0 ? reshape(x, {1}) : x; }
/// hop::gather(), of tensors with dimensions.
Tensor gather_for(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index);
/// hop::index_select(), of tensors with dimensions.
Tensor index_select_for(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index);
/// hop::scatter(), of tensors with dimensions.
Tensor scatter_for(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index,
                   const kernels::Input& values);

}  // namespace hop::autograd
