#include "kernels/matmul.h"

#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/half_internal.h"
#include "kernels/linear_operations.h"
#include "kernels/matmul_operations.h"

namespace hop::kernels {
namespace {

/// The leading dimensions, all but the last `count`.
Shape leading(const Shape& shape, int count) { return Shape(std::span(shape.begin(), shape.end() - count)); }

/// x (n) as (1, n), or as (n, 1).
Tensor as_row(const Tensor& x) { return x.as_strided({1, x.shape()[0]}, {0, x.strides()[0]}, x.storage_offset()); }
Tensor as_column(const Tensor& x) { return x.as_strided({x.shape()[0], 1}, {x.strides()[0], 0}, x.storage_offset()); }

/// (out, in) -> (in, out), without a copy.
Tensor transposed(const Tensor& w) {
  return w.as_strided({w.shape()[1], w.shape()[0]}, {w.strides()[1], w.strides()[0]}, w.storage_offset());
}

}  // namespace

Shape matmul_shape(const Shape& a, const Shape& b) {
  const auto fail = [&](const std::string& expected) {
    throw ShapeError("[matmul] expected " + expected + ", got " + a.to_string() + " x " + b.to_string());
  };
  if (a.empty() || b.empty()) fail("at least one dimension each");
  const std::int64_t k = a.back();
  if (const std::int64_t b_rows = b.size() == 1 ? b[0] : b[b.size() - 2]; b_rows != k) {
    const std::string inner = std::to_string(k);
    fail(a.to_string() + " x " + (b.size() == 1 ? "(" + inner + ")" : "(.., " + inner + ", n)"));
  }
  Shape shape = broadcast_shapes(leading(a, std::min(a.size(), 2)), leading(b, std::min(b.size(), 2)), "matmul");
  if (a.size() > 1) shape.push_back(a[a.size() - 2]);
  if (b.size() > 1) shape.push_back(b.back());
  return shape;
}

Tensor matmul(const Tensor& a, const Tensor& b, const Tensor& out) {
  expect_any_floating("matmul", {&a, &b});
  if (is_half(a)) {
    const PrecisionScope precision(exact_precision(a.dtype()));
    return narrowed("matmul", matmul(widened(a), widened(b)), a.dtype(), out);
  }
  const Tensor y = result_in("matmul", out, matmul_shape(a.shape(), b.shape()), a.dtype(), a.device());
  if (y.numel() != 0) {
    operations<MatmulOperations>(a).matmul("matmul", a.dim() == 1 ? as_row(a) : a, b.dim() == 1 ? as_column(b) : b, {},
                                           y);
  }
  return y;
}

namespace {

/// The shape of linear()'s result.
Shape linear_shape(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  expect_any_floating("linear", {&x, &weight}, {&bias});
  if (weight.dim() != 2) throw ShapeError("[linear] expected weight (out, in), got " + weight.shape().to_string());
  const std::int64_t out = weight.shape()[0];
  const std::int64_t in = weight.shape()[1];
  if (x.dim() == 0 || x.shape().back() != in) {
    throw ShapeError("[linear] expected x (.., " + std::to_string(in) + ") for weight " + weight.shape().to_string() +
                     ", got " + x.shape().to_string());
  }
  if (bias.defined()) expect_shape("linear", "bias", bias, {out});
  Shape shape = x.shape();
  shape.back() = out;
  return shape;
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Shape shape = linear_shape(x, weight, bias);  // checks first that x is defined
  if (is_half(x)) {
    const PrecisionScope precision(exact_precision(x.dtype()));
    return narrowed("linear", linear(widened(x), widened(weight), widened(bias)), x.dtype());
  }
  const Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  if (y.numel() != 0) {
    operations<MatmulOperations>(x).matmul("linear", x.dim() == 1 ? as_row(x) : x, transposed(weight), bias, y);
  }
  return y;
}

bool has_linear_relu(const Tensor& x) {
  return x.dtype() == DType::f32 && operations<LinearOperations>(x).linear_relu != nullptr;
}

LinearRelu linear_relu(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Shape shape = linear_shape(x, weight, bias);
  if (shape.size() != 2) throw ShapeError("[linear_relu] expected x (rows, in), got " + x.shape().to_string());
  const Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  if (y.numel() == 0) return {y, Tensor::empty({0}, DType::u8, x.device())};
  const LinearOperations& table = operations<LinearOperations>(x);
  const Tensor mask = Tensor::empty({table.relu_mask_bytes(x, y)}, DType::u8, x.device());
  table.linear_relu(x, weight, bias, y, mask);
  return {y, mask};
}

Tensor relu_mask_grad(const Tensor& g, const Tensor& mask) {
  expect_floating("relu_mask_grad", g);
  expect_defined("relu_mask_grad", mask);
  const Tensor dx = Tensor::empty(g.shape(), g.dtype(), g.device());
  if (dx.numel() != 0) operations<LinearOperations>(g).relu_mask_grad(contiguous(g), mask, dx);
  return dx;
}

Tensor linear_input_grad(const Tensor& g, const Tensor& weight, const Tensor& mask) {
  const Tensor dx = Tensor::empty({g.size(0), weight.size(1)}, g.dtype(), g.device());
  if (dx.numel() != 0) operations<LinearOperations>(g).linear_input_grad(contiguous(g), contiguous(weight), mask, dx);
  return dx;
}

bool linear_parameter_grads(const Tensor& g, const Tensor& x, const Tensor& dweight, const Tensor& dbias) {
  const LinearOperations& table = operations<LinearOperations>(g);
  if (table.linear_parameter_grads == nullptr || dweight.numel() == 0) return false;
  return table.linear_parameter_grads(contiguous(g), contiguous(x), dweight, dbias);
}

}  // namespace hop::kernels
