// relu of a matrix, and the mask of the values that passed it, a bit per value. The gradient needs only the mask, a
// thirty-second of the matrix's bytes. The mask has the form that cuBLASLt reads (CUBLASLT_EPILOGUE_DRELU): row after
// row, the first value in the lowest bit of the first byte, each row on a multiple of 128 bits.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels::cuda {

/// y (rows, columns), f32, contiguous <- relu(y), with the bits of the row relu; mask: u8, blas::aux_bytes.
void relu_with_mask(const Tensor& y, const Tensor& mask);
/// dx <- g where the bit of the mask is set, else 0. g may be dx.
void apply_mask(const Tensor& g, const Tensor& mask, const Tensor& dx);

}  // namespace hop::kernels::cuda
