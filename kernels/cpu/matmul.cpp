// Chooses the code for a product: our own loops, oneDNN's matrix-vector product, or a cached oneDNN matmul primitive. A
// function of shape, dtype and the thread's precision alone.
#include "kernels/copy.h"
#include "kernels/cpu/product_internal.h"
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

/// Rounding and packing cost one pass over each factor, which does not pay if only few rows or columns share the
/// factor.
bool is_worth_rounding(const Product& p) { return p.rows >= 16 && p.n >= 16 && p.k >= 16; }

void matmul(const char* op, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  if (a.numel() == 0) return bias.defined() ? copy_(y, bias) : fill_(y, 0);  // sums of nothing
  const Product p = make_product(a, b, bias, y);
  if (y.dtype() == DType::f32 && precision() == Precision::bf16 && has_bf16() && is_worth_rounding(p))
    multiply_as_bf16(op, p);
  else if (is_own(p))
    multiply_in_loops(p);
  else
    multiply_with_onednn(op, p);
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const MatmulOperations MatmulOperations::cpu = {.matmul = cpu::matmul};
const LinearOperations LinearOperations::cpu = {};  // nothing fused

}  // namespace hop::kernels
