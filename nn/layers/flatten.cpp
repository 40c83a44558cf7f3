#include "nn/layers/flatten.h"

#include "autograd/view.h"
#include "kernels/expect_internal.h"
#include "kernels/view.h"

namespace hop::nn {

Tensor Flatten::forward(const Tensor& x) { return flatten(x, start_dim_, end_dim_); }

std::string Flatten::extra_repr() const {
  return "start_dim=" + std::to_string(start_dim_) + ", end_dim=" + std::to_string(end_dim_);
}

Tensor Unflatten::forward(const Tensor& x) {
  kernels::expect_defined("Unflatten", x);
  const int dim = normalize_dim(dim_, x.dim(), "Unflatten");
  Shape shape;
  for (int d = 0; d < x.dim(); ++d) {
    if (d != dim) {
      shape.push_back(x.size(d));
      continue;
    }
    for (const std::int64_t size : kernels::infer_shape(sizes_, x.size(d))) shape.push_back(size);
  }
  return reshape(x, shape);
}

std::string Unflatten::extra_repr() const {
  return "dim=" + std::to_string(dim_) + ", unflattened_size=" + sizes_.to_string();
}

}  // namespace hop::nn
