#include "kernels/cpu/product_internal.h"

#include "kernels/copy.h"

namespace hop::kernels::cpu {
namespace {

/// The leading dimensions.
Shape batch_of(const Tensor& x) { return Shape(std::span(x.shape().begin(), x.shape().end() - 2)); }

/// Whether the matrices of `batch` lie densely one after the other, with dimensions `rows` and `columns` in this order.
bool is_dense(const Tensor& x, const Shape& batch, int rows, int columns) {
  const auto& size = x.shape();
  const auto& stride = x.strides();
  if (size[columns] != 1 && stride[columns] != 1) return false;
  if (size[rows] != 1 && stride[rows] != size[columns]) return false;
  std::int64_t step = size[rows] * size[columns];
  for (int d = batch.size() - 1; d >= 0; --d) {
    if (batch[d] != 1 && stride[d] != step) return false;
    step *= batch[d];
  }
  return true;
}

/// x itself if it is dense in either order, otherwise a copy. (oneDNN's choice of kernel, and so its bits, depends on
/// gaps between rows.)
Factor make_factor(const Tensor& x) {
  const int rows = x.dim() - 2;
  const int columns = x.dim() - 1;
  Shape batch = batch_of(x);
  for (int d = 0; d < batch.size(); ++d) {
    if (x.strides()[d] == 0) batch[d] = 1;  // an expanded dimension
  }
  if (is_dense(x, batch, rows, columns)) return {x, false, batch};
  if (is_dense(x, batch, columns, rows)) return {x, true, batch};
  Shape shape = batch;
  shape.push_back(x.shape()[rows]);
  shape.push_back(x.shape()[columns]);
  return {contiguous(x.as_strided(shape, x.strides(), x.storage_offset())), false, batch};
}

}  // namespace

Product make_product(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  const std::int64_t m = a.shape()[a.dim() - 2];
  Product p{m, b.shape().back(), a.shape().back(), m, make_factor(a), make_factor(b), {}, {}, y};
  p.batch = broadcast_shapes(batch_of(a), batch_of(b), "matmul");
  if (batch_of(b).numel() == 1) p.rows = m * p.batch.numel();
  if (bias.defined()) p.bias = contiguous(bias);
  if (p.b.batch.numel() == 1 && !p.a.transposed && p.a.batch.numel() == p.batch.numel()) {
    p.m *= p.batch.numel();  // one tall matrix
    p.a.batch = p.b.batch = p.batch = {};
  }
  return p;
}

}  // namespace hop::kernels::cpu
