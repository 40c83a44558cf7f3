// Bias and activation in one pass. Floor: one read and one write of y.
#include "kernels/cuda/bias_activation.h"

#include "kernels/cuda/chain.h"

namespace hop::kernels::cuda {
namespace {

/// The bias as a tensor that broadcasts to y along `dim`.
Tensor along(const Tensor& bias, const Tensor& y, int dim) {
  Shape shape;
  Strides strides;
  for (int d = dim; d < y.dim(); ++d) {
    shape.push_back(d == dim ? y.shape()[d] : 1);
    strides.push_back(1);
  }
  return bias.as_strided(shape, strides, bias.storage_offset());
}

}  // namespace

void bias_activation(const Tensor& y, const Tensor& bias, int dim, Activation activation) {
  const Tensor broadcast = along(bias, y, dim);
  const Input inputs[] = {y, broadcast};
  switch (activation) {
    case Activation::none:
      return run_chain(Chain(rows::Add{}), y, inputs);
    case Activation::relu:
      return run_chain(Chain(rows::Add{}, rows::Relu{}), y, inputs);
    case Activation::gelu:
      return run_chain(Chain(rows::Add{}, rows::Gelu{}), y, inputs);
  }
}

}  // namespace hop::kernels::cuda
