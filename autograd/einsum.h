// torch.einsum.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include "tensor/tensor.h"

namespace hop {

/// Sums of products over named dimensions (torch.einsum): "bij,bjk->bik" multiplies a batch of matrices. Each letter
/// names a dimension, a letter that the result lacks is summed over, and a letter twice in one operand takes the
/// diagonal ("ii->i"). Without "->" the result has the letters that occur once, capital ones first, in alphabetical
/// order. A dimension of size 1 broadcasts. Operands are contracted from left to right, each pair by one batched
/// product (or by an elementwise one if no letter is summed over), so the order of the operands decides the cost. "..."
/// stands for any number of further dimensions, which broadcast from the right: "...ij,...jk->...ik". Without "->" they
/// come first; a result that lacks "..." is summed over them. Of bf16 and f16 only the result is rounded (PyTorch: each
/// product). Of three operands or more, and with a sum before the product, the factors are f32 and the products strict
/// (kernels/precision.h). Differs from PyTorch: no lists of numbers in place of the equation, at most 8 letters at a
/// time, and where letters are summed over, two operands have one floating dtype. Throws ConfigError for an equation
/// that is not understood, ShapeError if operands do not fit it, DtypeError.
Tensor einsum(std::string_view equation, std::span<const Tensor> operands);
Tensor einsum(std::string_view equation, std::initializer_list<Tensor> operands);

}  // namespace hop
