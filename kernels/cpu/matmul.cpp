// Chooses the code for a product: our own loops, oneDNN's matrix-vector product, or a cached oneDNN matmul primitive. A
// function of shape, dtype and the thread's precision alone.
#include <algorithm>
#include <limits>

#include "kernels/copy.h"
#include "kernels/cpu/product_internal.h"
#include "kernels/elementwise.h"
#include "kernels/linear_operations.h"
#include "kernels/matmul_operations.h"
#include "kernels/precision.h"

namespace hop::kernels::cpu {
namespace {

/// Our loops are as fast as oneDNN while the factors fit into the caches (measured), and their bits do not depend on
/// the layout.
bool is_own(const Product& p) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 27;  // multiply-adds
  constexpr std::int64_t kSmallestVector = 4096;  // the smallest product with a vector that pays for a call of oneDNN
  const std::int64_t work = p.rows * p.n * p.k;
  return p.y.dtype() == DType::f64 || (p.rows > 1 && p.n > 1 && work <= kLargest) || work <= kSmallestVector;
}

void multiply(const char* op, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  const Product p = make_product(a, b, bias, y);
  if (y.dtype() == DType::f32 && precision() == Precision::bf16 && has_bf16() && is_worth_rounding(p))
    multiply_as_bf16(op, p);
  else if (is_own(p))
    multiply_in_loops(p);
  else
    multiply_with_onednn(op, p);
}

/// `length` columns (dimension -1) or rows (-2) of the matrices x, from `begin` on.
Tensor slice_of(const Tensor& x, int dim, std::int64_t begin, std::int64_t length) {
  const int d = x.dim() + dim;
  Shape shape = x.shape();
  shape[d] = length;
  return x.as_strided(shape, x.strides(), x.storage_offset() + begin * x.strides()[d]);
}

/// Sums of more than this many products are cut into slices: one long sum in f32 stands still at 2^24 ones.
constexpr std::int64_t kLongSum = std::int64_t{1} << 16, kSlice = kLongSum / 4;

void multiply_in_slices(const char* op, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  const std::int64_t k = a.shape().back();
  const Tensor part = Tensor::empty(y.shape(), y.dtype());
  for (std::int64_t at = 0; at < k; at += kSlice) {
    const std::int64_t length = std::min(kSlice, k - at);
    const Tensor left = slice_of(a, -1, at, length), right = slice_of(b, -2, at, length);
    multiply(op, left, right, at == 0 ? bias : Tensor(), at == 0 ? y : part);
    if (at != 0) evaluate_into(y, rows::Add{}, y, part);
  }
}

void matmul(const char* op, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  if (a.numel() == 0) return bias.defined() ? copy_(y, bias) : fill_(y, 0);  // sums of nothing
  if (y.dtype() == DType::f32 && a.shape().back() > kLongSum) return multiply_in_slices(op, a, b, bias, y);
  multiply(op, a, b, bias, y);
}

}  // namespace

bool is_worth_rounding(const Product& p) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (p.a.batch.numel() * p.m * p.k > kMost || p.b.batch.numel() * p.k * p.n > kMost) return false;
  return p.rows >= 16 && p.n >= 16 && p.k >= 16;
}

}  // namespace hop::kernels::cpu

namespace hop::kernels {

const MatmulOperations MatmulOperations::cpu = {.matmul = cpu::matmul};
const LinearOperations LinearOperations::cpu = {};  // nothing fused

}  // namespace hop::kernels
