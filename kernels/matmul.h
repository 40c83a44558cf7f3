// Matrix products: f32 through cached oneDNN primitives, f64 and small products in loops of our own. Transposed views
// are read in place. A view with gaps between its rows is copied first. The bits are a function of the values, the
// shapes, which operands are transposed views, and (in oneDNN) the number of threads; never of addresses.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels {

/// The shape rule of matmul. Throws ShapeError.
Shape matmul_shape(const Shape& a, const Shape& b);

/// torch.matmul: (n) x (n) -> (), (m, k) x (k) -> (m), (k) x (k, n) -> (n), (..., m, k) x (..., k, n) -> (..., m, n)
/// with broadcast leading dimensions. Equal floating dtypes; products of bf16 and f16 are summed in f32 and rounded
/// once. If `out` is given (contiguous, not an operand), it receives the result. Throws ShapeError, DtypeError.
Tensor matmul(const Tensor& a, const Tensor& b, const Tensor& out = {});

/// x (..., in) * weight (out, in)^T + bias (out): torch.nn.functional.linear in one call. `bias` may be undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

// ---- A linear layer in a training step, in as few launches as a device can

/// Whether x's device has linear_relu() and the functions below it: f32 on a GPU.
bool has_linear_relu(const Tensor& x);

/// relu(linear(x, weight, bias)) for x (rows, in), and the mask of the values that passed relu: a bit per value, in the
/// device's own form.
struct LinearRelu {
  Tensor y{};
  Tensor mask{};
};
LinearRelu linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias);
/// The gradient of linear_relu()'s relu: g (rows, columns) where `mask` lets it pass, else 0.
Tensor relu_mask_grad(const Tensor& g, const Tensor& mask);
/// g (rows, out) weight (out, in) where `mask` lets it pass, else 0. `mask` is that of the relu whose result was x
/// (rows, in).
Tensor linear_input_grad(const Tensor& g, const Tensor& weight, const Tensor& mask);
/// dweight (out, in) = g^T x and dbias (out) = the sum of the rows of g (rows, out). If the device cannot compute both
/// at once, does nothing and returns false.
[[nodiscard]] bool linear_parameter_grads(const Tensor& g, const Tensor& x, const Tensor& dweight, const Tensor& dbias);

}  // namespace hop::kernels
