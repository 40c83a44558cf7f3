// Brings a product into the form that cuBLASLt takes, or hands it to our own kernel. Which of the two, and the
// algorithm, are functions of math(), precision(), dtype and of the operands' shapes and strides; never of addresses.
#include <algorithm>
#include <numeric>

#include "kernels/copy.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/math.h"
#include "kernels/cuda/matmul_internal.h"
#include "kernels/cuda/operations_internal.h"

namespace hop::kernels::cuda {
namespace {

bool is_aligned(const Tensor& x) { return reinterpret_cast<std::uintptr_t>(x.raw_data()) % blas::kAlignment == 0; }

/// A leading dimension of the result, outermost first; strides in elements, 0 where a factor repeats.
struct Level {
  std::int64_t size, a_step, b_step, y_step;
};

std::vector<Level> make_levels(const Tensor& a, const Tensor& b, std::int64_t matrix) {
  const int dims = std::max(a.dim(), b.dim()) - 2;
  const auto own = [&](const Tensor& x, int d) { return d - (dims - (x.dim() - 2)); };
  const auto size_in = [&](const Tensor& x, int d) { return own(x, d) < 0 ? 1 : x.shape()[own(x, d)]; };
  const auto step_in = [&](const Tensor& x, int d) { return size_in(x, d) == 1 ? 0 : x.strides()[own(x, d)]; };
  std::vector<Level> levels;
  for (int d = dims - 1; d >= 0; --d) {
    const std::int64_t size = std::max(size_in(a, d), size_in(b, d));
    if (size == 1) continue;
    const Level level{size, step_in(a, d), step_in(b, d), matrix};
    matrix *= size;
    // Two levels are one where every operand goes on as it did.
    if (!levels.empty() && level.a_step == levels.back().a_step * levels.back().size &&
        level.b_step == levels.back().b_step * levels.back().size) {
      levels.back().size *= size;
    } else {
      levels.push_back(level);
    }
  }
  std::reverse(levels.begin(), levels.end());
  return levels;
}

struct Call {
  blas::Product product;
  Factor a, b;
  std::vector<Level> levels;  // without the one that cuBLASLt walks itself
};

/// The last level becomes more rows where a's matrices lie behind each other and b is one matrix, else cuBLASLt's
/// batch.
Call make_call(const Tensor& a, const Tensor& b, const Tensor& y) {
  Call call{{}, make_factor(a), make_factor(b), {}};
  blas::Product& p = call.product;
  p.m = a.shape()[a.dim() - 2], p.n = b.shape().back(), p.k = a.shape().back();
  p.dtype = y.dtype();
  p.precision = precision();
  p.a_transposed = call.a.transposed, p.b_transposed = call.b.transposed;
  p.a_ld = call.a.ld, p.b_ld = call.b.ld;
  call.levels = make_levels(call.a.tensor, call.b.tensor, p.m * p.n);
  if (!call.levels.empty()) {
    const Level last = call.levels.back();
    call.levels.pop_back();
    if (last.b_step == 0 && last.a_step == p.m * p.a_ld && !p.a_transposed) {
      p.m *= last.size;
    } else {
      p.batch = last.size, p.a_step = last.a_step, p.b_step = last.b_step, p.d_step = last.y_step;
    }
  }
  // What every matrix's address can be divided by; the tensors' own are multiples of blas::kAlignment.
  std::int64_t common = std::gcd(std::gcd(p.a_step, p.b_step), p.d_step);
  for (const Level& l : call.levels) common = std::gcd(common, std::gcd(std::gcd(l.a_step, l.b_step), l.y_step));
  common *= static_cast<std::int64_t>(size_of(p.dtype));
  p.alignment = static_cast<std::int32_t>(std::gcd(common, static_cast<std::int64_t>(blas::kAlignment)));
  return call;
}

/// Calls f(a, b, y) with the element offsets of each step of the levels from `depth` on.
template <class F>
void for_each_step(const std::vector<Level>& levels, std::size_t depth, std::int64_t a, std::int64_t b, std::int64_t y,
                   const F& f) {
  if (depth == levels.size()) return f(a, b, y);
  const Level& l = levels[depth];
  for (std::int64_t i = 0; i < l.size; ++i) {
    for_each_step(levels, depth + 1, a + i * l.a_step, b + i * l.b_step, y + i * l.y_step, f);
  }
}

/// False, and y is not what it should be, where cuBLASLt knows no algorithm.
bool multiply_with_blas(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  Call call = make_call(a, b, y);
  Tensor vector = bias;
  if (bias.defined() && y.dtype() == DType::f64) {  // no epilogue adds doubles: start from the bias
    operations().copy(y, bias);
    call.product.accumulate = true;
    vector = {};
  } else if (bias.defined()) {
    if (!bias.is_contiguous() || !is_aligned(bias)) vector = clone(bias);
    call.product.epilogue = blas::Epilogue::bias;
  }
  const auto size = static_cast<std::int64_t>(size_of(y.dtype()));
  bool done = true;  // of the first step, and so of all: they are the same product
  for_each_step(call.levels, 0, 0, 0, 0, [&](std::int64_t at_a, std::int64_t at_b, std::int64_t at_y) {
    blas::Operands x;
    x.a = call.a.tensor.raw_data() + at_a * size;
    x.b = call.b.tensor.raw_data() + at_b * size;
    x.d = y.raw_data() + at_y * size;
    x.bias = vector.defined() ? vector.raw_data() : nullptr;
    done = done && blas::multiply(call.product, x);
  });
  return done;
}

}  // namespace

void matmul(const char*, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  const bool sums_of_nothing = a.shape().back() == 0;
  const bool may_ask = !sums_of_nothing && !math().own_kernels && blas::available();
  if (may_ask && multiply_with_blas(a, b, bias, y)) return;
  const Tensor dense = bias.defined() && !bias.is_contiguous() ? clone(bias) : bias;
  matmul_in_tiles(a, b, dense, y);
}

}  // namespace hop::kernels::cuda
