// Metrics of numbers.
#include <array>
#include <cmath>
#include <numeric>

#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/view.h"
#include "nn/metric_functions_internal.h"

namespace hop::nn::metric_functions {
namespace {

Tensor error(const Tensor& answer, const Tensor& target) {
  return kernels::sub(kernels::cast(answer, DType::f64), kernels::cast(target, DType::f64));
}

}  // namespace

Tensor weighted(const Tensor& x, const Tensor& weights) {
  if (!weights.defined()) return x;
  return kernels::mul(kernels::cast(x, DType::f64), x.dim() == 1 ? weights : kernels::unsqueeze(weights, 1));
}

Tensor absolute_errors(const Tensor& answer, const Tensor& target, const Tensor& weights) {
  return sum_over(0, weighted(kernels::abs(error(answer, target)), weights));
}

Tensor squared_errors(const Tensor& answer, const Tensor& target, const Tensor& weights) {
  return sum_over(0, weighted(kernels::square(error(answer, target)), weights));
}

Tensor errors_and_moments(const Tensor& answer, const Tensor& target, const Tensor& weights) {
  const Tensor y = kernels::cast(target, DType::f64);
  const std::array parts = {squared_errors(answer, target, weights), sum_over(0, weighted(y, weights)),
                            sum_over(0, weighted(kernels::square(y), weights))};
  return kernels::cat(parts, 0);
}

double mean_error(std::span<const double> sums, std::int64_t rows) {
  return std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(rows) / static_cast<double>(sums.size());
}

double mean_root(std::span<const double> sums, std::int64_t rows) {
  double sum = 0;
  for (const double squares : sums) sum += std::sqrt(squares / static_cast<double>(rows));
  return sum / static_cast<double>(sums.size());
}

// Of a column without variance, which sums of squares show up to their rounding: 1 if it is met, otherwise 0.
double mean_r2(std::span<const double> sums, std::int64_t rows) {
  constexpr double kRounding = 1e-14;
  const std::size_t columns = sums.size() / 3;
  double sum = 0;
  for (std::size_t c = 0; c < columns; ++c) {
    const double errors = sums[c], y = sums[columns + c], squares = sums[2 * columns + c];
    const double variance = squares - y * y / static_cast<double>(rows);
    if (variance > kRounding * squares)
      sum += 1 - errors / variance;
    else if (errors == 0)
      sum += 1;
  }
  return sum / static_cast<double>(columns);
}

}  // namespace hop::nn::metric_functions
