#include "nn/mixup.h"

#include <cmath>

#include "autograd/half_internal.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/expect_internal.h"
#include "kernels/random.h"

namespace hop::nn {
namespace {

constexpr std::size_t kCells = 1024;  // a power of two: places in the table are exact in f32

// Draws of a step from here on belong to Mixup: layers count theirs from 0.
constexpr std::uint32_t kFirstDraw = std::uint32_t{1} << 31;

// The continued fraction of the incomplete beta function for a = b (DLMF 8.17.22, by Lentz's method), 0 < x <= 1/2.
double fraction(double a, double x) {
  double c = 1, d = 1 / (1 - 2 * a * x / (a + 1)), value = d;
  const auto take = [&](double term) {
    d = 1 / (1 + term * d);
    c = 1 + term / c;
    value *= d * c;
    return std::abs(d * c - 1);
  };
  constexpr int kMostTerms = 10'000;
  for (int m = 1; m < kMostTerms; ++m) {
    take(m * (a - m) * x / ((a + 2 * m - 1) * (a + 2 * m)));
    if (take(-(a + m) * (2 * a + m) * x / ((a + 2 * m) * (a + 2 * m + 1))) < 1e-15) break;
  }
  return value;
}

// Proportional to the probability that Beta(a, a) lies below x <= 1/2.
double below(double a, double x) { return std::pow(4 * x * (1 - x), a) * fraction(a, x); }

}  // namespace

// Beta(alpha, alpha) is symmetric: below 1/2 it lies with probability 1/2, so no gamma function is needed, and the
// upper half mirrors the lower one.
std::vector<double> beta_quantiles(double alpha, std::size_t cells) {
  std::vector<double> quantiles(cells + 1);
  quantiles[cells / 2] = 0.5;
  const double half = below(alpha, 0.5);
  for (std::size_t i = 1; i < cells / 2; ++i) {
    const double wanted = 2 * half * static_cast<double>(i) / static_cast<double>(cells);
    double low = 0, high = 0.5;
    for (int step = 0; step < 60; ++step) {
      const double middle = (low + high) / 2;
      (below(alpha, middle) < wanted ? low : high) = middle;
    }
    quantiles[i] = high;
    quantiles[cells - i] = 1 - high;
  }
  // Close to 0 the quantile of u is as u^(1 / alpha). With this end, even numbers have the mean of the tail.
  quantiles[0] = alpha > 1 ? quantiles[1] * (alpha - 1) / (alpha + 1) : 0;
  quantiles[cells] = 1 - quantiles[0];
  return quantiles;
}

Tensor Mixed::loss(const Loss& loss_of, const Tensor& output) const {
  return share * loss_of(output, y) + (1 - share) * loss_of(output, other);
}

Mixup::Mixup(double alpha)
    : alpha_(alpha), quantiles_(register_buffer("quantiles", [&] {
        if (!(alpha > 0 && alpha <= kMostMixup)) {
          throw ConfigError("[Mixup] expected 0 < alpha <= " + shortest(kMostMixup) + ", got " + shortest(alpha));
        }
        std::vector<float> values;
        for (const double value : beta_quantiles(alpha, kCells)) values.push_back(static_cast<float>(value));
        return Tensor::from(std::span<const float>(values), {static_cast<std::int64_t>(values.size())});
      }())) {}

// Inversion: the quantile of an even number is a number of the distribution. The table of quantiles was made on the
// host, once, so the same two gathers serve every alpha, on every device and in each replay; between two of its values
// the distribution counts as even. (Rejection, as in Johnk's algorithm, would need a number of tries that no recorded
// step can know.) alpha = 1 gives the even number itself.
Tensor Mixup::share_of(const Tensor& uniform) const {
  const Tensor place = uniform * static_cast<double>(kCells);
  const Tensor cell = to(place, DType::i64);
  const Tensor low = index_select(quantiles_, 0, cell), high = index_select(quantiles_, 0, cell + 1);
  return low + (high - low) * (place - to(cell, DType::f32));
}

Mixed Mixup::mix(const Tensor& x, const Tensor& y) {
  kernels::expect_defined("Mixup", x);
  kernels::expect_defined("Mixup", y);
  if (x.dim() < 1 || y.dim() < 1 || x.size(0) != y.size(0) || x.size(0) < 1) {
    throw ShapeError("[Mixup] expected rows (N, ..) and labels (N, ..) with N >= 1, got " + x.shape().to_string() +
                     " and " + y.shape().to_string());
  }
  const std::int64_t n = x.size(0);
  const Tensor numbers = Tensor::empty({2}, DType::f32, x.device());
  RandomAddress address = next_random();
  address.draw += kFirstDraw;
  kernels::uniform_(numbers, 0, 1, address);
  const Tensor share = reshape(share_of(slice(numbers, 0, 0, 1)), {});
  const Tensor moved =
      arange(n, DType::i64, x.device()) + to(slice(numbers, 0, 1, 2) * static_cast<double>(n), DType::i64);
  const Tensor partner = where(moved < n, moved, moved - n);
  const Tensor wide = autograd::in_f32(x), mixed = wide * share + index_select(wide, 0, partner) * (1 - share);
  return {.x = autograd::any_half(x) ? to(mixed, x.dtype()) : mixed,
          .y = y,
          .other = index_select(y, 0, partner),
          .share = share};
}

std::string Mixup::extra_repr() const { return "alpha=" + shortest(alpha_); }

}  // namespace hop::nn
