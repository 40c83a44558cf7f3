// Reading and writing at positions for operations that are composed of them: `op`, a literal, names the composed
// operation in errors and in the graph.
#pragma once

#include "kernels/elementwise.h"
#include "tensor/tensor.h"

namespace hop::autograd {

/// hop::gather().
Tensor gather_for(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index);
/// hop::index_select().
Tensor index_select_for(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index);
/// hop::scatter().
Tensor scatter_for(const char* op, const Tensor& x, std::int64_t dim, const Tensor& index,
                   const kernels::Input& values);

}  // namespace hop::autograd
