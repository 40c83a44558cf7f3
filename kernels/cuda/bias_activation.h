// The work of cuBLASLt's and cuDNN's epilogues as a separate pass, for products and convolutions without an epilogue.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace hop::kernels::cuda {

enum class Activation : std::uint8_t { none, relu, gelu };

/// y <- activation(y + bias), with bias (y.shape()[dim]) along dimension `dim`, contiguous, floating, of one dtype, on
/// the current stream. The bits are those of the rows add, relu and gelu.
void bias_activation(const Tensor& y, const Tensor& bias, int dim, Activation activation = Activation::none);

}  // namespace hop::kernels::cuda
