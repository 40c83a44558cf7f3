// Matrix products: f32 through cached oneDNN primitives, f64 and small products in loops of our own. Transposed views
// are read in place; a view with gaps between its rows is copied first. The bits are a function of the values, the
// shapes, which operands are transposed views, and, in oneDNN, the number of threads; never of addresses.
#pragma once

#include "tensor/tensor.h"

namespace hop::kernels {

/// The shape rule of matmul. Throws ShapeError.
Shape matmul_shape(const Shape& a, const Shape& b);

/// torch.matmul: (n) x (n) -> (), (m, k) x (k) -> (m), (k) x (k, n) -> (n), (..., m, k) x (..., k, n) -> (..., m, n)
/// with broadcast leading dimensions. f32 or f64, equal dtypes. `out`, where given, takes the result:
/// contiguous, no operand. Throws ShapeError, DtypeError.
Tensor matmul(const Tensor& a, const Tensor& b, const Tensor& out = {});

/// x (..., in) * weight (out, in)^T + bias (out): torch.nn.functional.linear in one call. `bias` may be undefined.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

// ---- A linear layer in a training step, in as few launches as a device can

/// Whether linear_relu() and the functions below it are there for x: f32 on a GPU.
bool has_linear_relu(const Tensor& x);

/// relu(linear(x, weight, bias)) for x (rows, in), and what passed relu: a bit per value, in the device's own form.
struct LinearRelu {
  Tensor y{};
  Tensor mask{};
};
LinearRelu linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias);
/// The gradient of that relu: g (rows, columns) where `mask` lets it pass, else 0.
Tensor relu_mask_grad(const Tensor& g, const Tensor& mask);
/// g (rows, out) weight (out, in), where `mask`, of a relu whose result was x (rows, in), lets it pass, else 0.
Tensor linear_input_grad(const Tensor& g, const Tensor& weight, const Tensor& mask);
/// dweight (out, in) = g^T x and dbias (out) = the sum of the rows of g (rows, out). False, and nothing is done, where
/// a device does not give both in one go.
[[nodiscard]] bool linear_parameter_grads(const Tensor& g, const Tensor& x, const Tensor& dweight, const Tensor& dbias);

}  // namespace hop::kernels
