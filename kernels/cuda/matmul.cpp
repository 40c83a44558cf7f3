// Brings a product into cuBLASLt's form, or hands it to a kernel of ours: one for few rows, or one for every product.
// The choice between them, and the algorithm, are functions of math(), precision(), dtype and the operands' shapes and
// strides, never of addresses.
#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "kernels/copy.h"
#include "kernels/copy_operations.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/copy_internal.h"
#include "kernels/cuda/math.h"
#include "kernels/cuda/matmul_internal.h"
#include "kernels/cuda/on_device.h"
#include "kernels/elementwise.h"
#include "kernels/half_internal.h"
#include "kernels/matmul_operations.h"

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
    // Two levels become one if every operand continues with the same step.
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
  std::vector<Level> levels;  // without the level that cuBLASLt walks itself
};

/// If a's matrices lie one after the other and b is one matrix, the last level becomes more rows; otherwise it becomes
/// cuBLASLt's batch.
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
  return call;
}

/// The alignment of every matrix's address. The arrays themselves are aligned to blas::kAlignment.
std::int32_t alignment_of(const Call& call) {
  const blas::Product& p = call.product;
  std::int64_t factors = std::gcd(p.a_step, p.b_step), results = p.d_step;
  for (const Level& l : call.levels) {
    factors = std::gcd(factors, std::gcd(l.a_step, l.b_step));
    results = std::gcd(results, l.y_step);
  }
  const auto size = static_cast<std::int64_t>(size_of(p.dtype));
  const std::int64_t common = std::gcd(factors * (p.rounded_factors ? 2 : size), results * size);
  return static_cast<std::int32_t>(std::gcd(common, static_cast<std::int64_t>(blas::kAlignment)));
}

/// Whether x's elements lie side by side, in any order.
bool is_packed(const Tensor& x) {
  std::int64_t last = 0;
  for (int d = 0; d < x.dim(); ++d) last += (x.shape()[d] - 1) * x.strides()[d];
  return last + 1 == x.numel();
}

/// x's elements in the order of memory, rounded.
HalfImage rounded(const Tensor& x, DType dtype) {
  const Shape flat{1, 1, 1, x.numel()};
  HalfImage image(flat, dtype, x.device());
  copy(image, x.as_strided(flat, {x.numel(), x.numel(), x.numel(), 1}, x.storage_offset()));
  return image;
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

}  // namespace

// Microseconds of an H100, measured: the library's products of f32 factors in bf16 (and in f16, which the tensor
// cores take at the same rate) run at 344 TFLOP/s, of bf16 factors
// at 750, a pass reads and writes 6 bytes per element at 3 TB/s, and two launches more cost 2.
bool pays_to_round(std::int64_t products, std::int64_t elements) {
  constexpr double kSavedPerProduct = 2e-6 / 344 - 2e-6 / 750, kPerElement = 2e-6, kLaunches = 2;
  return static_cast<double>(products) * kSavedPerProduct > static_cast<double>(elements) * kPerElement + kLaunches;
}

bool multiply_with(const Multiply& multiply, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  Call call = make_call(a, b, y);
  const Tensor &u = call.a.tensor, &v = call.b.tensor;
  std::optional<HalfImage> narrow_u, narrow_v;
  const std::optional<DType> half = half_of(call.product.precision);
  if (y.dtype() == DType::f32 && half && is_packed(u) && is_packed(v) &&
      pays_to_round(y.numel() * call.product.k, u.numel() + v.numel())) {
    narrow_u = rounded(u, *half), narrow_v = rounded(v, *half);
    call.product.rounded_factors = true;
  }
  call.product.alignment = alignment_of(call);
  Tensor vector = bias;
  if (bias.defined() && y.dtype() == DType::f64) {  // no epilogue adds doubles, so the sum starts from the bias
    CopyOperations::cuda.copy(y, bias);
    call.product.accumulate = true;
    vector = {};
  } else if (bias.defined()) {
    if (!bias.is_contiguous() || !is_aligned(bias)) vector = clone(bias);
    call.product.epilogue = blas::Epilogue::bias;
  }
  const auto size = static_cast<std::int64_t>(size_of(y.dtype()));
  const std::int64_t factor_size = narrow_u ? 2 : size;
  const std::byte* const first_a = narrow_u ? narrow_u->data() : u.raw_data();
  const std::byte* const first_b = narrow_v ? narrow_v->data() : v.raw_data();
  const auto multiply_all = [&] {
    bool done = true;  // the result of the first step, and so of all steps: they are the same product
    for_each_step(call.levels, 0, 0, 0, 0, [&](std::int64_t at_a, std::int64_t at_b, std::int64_t at_y) {
      blas::Operands x;
      x.a = first_a + at_a * factor_size;
      x.b = first_b + at_b * factor_size;
      x.d = y.raw_data() + at_y * size;
      x.bias = vector.defined() ? vector.raw_data() : nullptr;
      done = done && multiply(call.product, x);
    });
    return done;
  };
  if (multiply_all()) return true;
  if (!vector.defined()) return false;
  call.product.epilogue = blas::Epilogue::none;
  const Tensor row = std::exchange(vector, {});
  if (!multiply_all()) return false;
  evaluate_into(y, rows::Add{}, y, row);
  return true;
}

// Beyond 2^24 multiply-adds the blocks' reads of `a` cost more than a second launch of the library. A warp adds all
// terms of its sums, so long sums, such as the dot product of all parameters, are left to the library.
bool takes_few_rows(const Tensor& a, const Tensor& b) {
  constexpr std::int64_t kMostProducts = std::int64_t{1} << 24, kMostTerms = 4096;
  if (a.dtype() != DType::f32 || precision() != Precision::strict || a.dim() != 2 || b.dim() != 2) return false;
  const std::int64_t m = a.shape()[0], k = a.shape()[1], n = b.shape()[1];
  return m > 0 && m <= kMostFewRows && k > 0 && k <= kMostTerms && n <= kMostProducts / (m * k) &&
         a.strides()[1] == 1 && b.strides()[0] == 1;
}

static void matmul(const char*, const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  const bool sums_of_nothing = a.shape().back() == 0;
  if (!math().own_kernels && takes_few_rows(a, b)) {
    return matmul_of_few_rows(a, b, bias.defined() && !bias.is_contiguous() ? clone(bias) : bias, y);
  }
  const bool may_ask = !sums_of_nothing && !math().own_kernels && blas::available();
  if (may_ask && multiply_with(blas::multiply, a, b, bias, y)) return;
  const Tensor dense = bias.defined() && !bias.is_contiguous() ? clone(bias) : bias;
  matmul_in_tiles(a, b, dense, y);
}

}  // namespace hop::kernels::cuda

namespace hop::kernels {

const MatmulOperations MatmulOperations::cuda = {
    .matmul = cuda::on_device<cuda::matmul>,
};

}  // namespace hop::kernels
