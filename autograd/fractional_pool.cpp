#include "autograd/fractional_pool.h"

#include <span>
#include <string>

#include "autograd/arrange.h"
#include "autograd/batch_internal.h"
#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/grad_mode.h"
#include "autograd/half_internal.h"
#include "autograd/index_internal.h"
#include "autograd/reduce.h"
#include "autograd/view.h"
#include "kernels/copy.h"

namespace hop {

using autograd::expected;

namespace {

using Sizes = std::span<const std::int64_t>;

void check(const char* op, const Tensor& x, Sizes kernel, Sizes output, const Tensor& samples) {
  kernels::expect_floating(op, {&x, &samples});
  const int rank = static_cast<int>(kernel.size());
  if (x.dim() != rank + 2 || samples.shape() != Shape{x.size(0), x.size(1), rank}) {
    throw ShapeError(expected(op) + "x (N, C, ..) with " + std::to_string(rank) +
                     " more dimensions and random samples (N, C, " + std::to_string(rank) + "), got " +
                     x.shape().to_string() + " and " + samples.shape().to_string());
  }
  for (int d = 0; d < rank; ++d) {
    const auto i = static_cast<std::size_t>(d);
    // The first and the last window begin at different values, so that many windows need as many places.
    if (kernel[i] >= 1 && output[i] >= 1 && kernel[i] <= x.size(d + 2) && output[i] - 1 <= x.size(d + 2) - kernel[i])
      continue;
    throw ShapeError(expected(op) + "a kernel and an output size of at least 1 and together at most " +
                     std::to_string(x.size(d + 2)) + " + 1, got " + std::to_string(kernel[i]) + " and " +
                     std::to_string(output[i]) + " along dimension " + std::to_string(d + 2));
  }
}

/// a / b in the arithmetic of x, as a number.
double divided(std::int64_t a, std::int64_t b, const Tensor& x) {
  if (x.dtype() == DType::f64) return static_cast<double>(a) / static_cast<double>(b);
  return static_cast<double>(static_cast<float>(a) / static_cast<float>(b));
}

/// Where windows begin (N, C, count) i64, for samples (N, C, 1).
Tensor starts(const Tensor& samples, std::int64_t values, std::int64_t kernel, std::int64_t count) {
  const std::int64_t last = values - kernel;
  const Tensor end = kernels::full({samples.size(0), samples.size(1), 1}, last, DType::i64, samples.device());
  if (count == 1) return end;
  const double step = divided(last, count - 1, samples);
  const Tensor numbers = kernels::arange(count - 1, samples.dtype(), samples.device());
  const auto whole = [](const Tensor& x) { return to(x, DType::i64); };  // towards 0
  return cat({whole((numbers + samples) * step) - whole(samples * step), end}, 2);
}

/// The places of all windows' values: (N, C, windows, values of a window) i64. samples_of[d]: which sample is that of
/// dimension d.
Tensor places_of(const Tensor& x, Sizes kernel, Sizes output, const Tensor& samples, std::span<const int> samples_of) {
  const std::size_t rank = kernel.size();
  Tensor places = kernels::zeros({1}, DType::i64, x.device());
  std::int64_t windows = 1, values = 1;
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t size = x.size(static_cast<int>(d) + 2);
    const Tensor first = starts(slice(samples, 2, samples_of[d], samples_of[d] + 1), size, kernel[d], output[d]);
    Shape shape{x.size(0), x.size(1)}, offsets;  // (N, C, 1, .., count, .., 1) and (1, .., kernel, .., 1)
    for (std::size_t e = 0; e < rank; ++e) shape.push_back(e == d ? output[e] : 1);
    for (std::size_t e = 0; e < rank; ++e) {
      shape.push_back(1);
      offsets.push_back(e == d ? kernel[e] : 1);
    }
    const Tensor place = reshape(first, shape) + reshape(kernels::arange(kernel[d], DType::i64, x.device()), offsets);
    places = places * size + place;
    windows *= output[d];
    values *= kernel[d];
  }
  return reshape(places, {x.size(0), x.size(1), windows, values});
}

PooledMaxima pool(const char* op, const Tensor& x, Sizes kernel, Sizes output, const Tensor& samples,
                  std::span<const int> samples_of) {
  if (autograd::any_half(x, samples)) {
    const PooledMaxima wide = pool(op, autograd::in_f32(x), kernel, output, autograd::in_f32(samples), samples_of);
    return {autograd::rounded_like(wide.values, x), wide.indices};
  }
  if (const int dims = static_cast<int>(kernel.size()) + 2; autograd::lacks_batch(x, dims)) {
    return autograd::without_batch(pool(op, autograd::with_batch_of_one(x), kernel, output,
                                        samples.dim() == 3 ? slice(samples, 0, 0, 1) : samples, samples_of));
  }
  check(op, x, kernel, output, samples);
  std::int64_t all = 1;
  for (int d = 2; d < x.dim(); ++d) all *= x.size(d);
  const Tensor line = reshape(x, {x.size(0), x.size(1), all});
  Tensor at;
  {
    const NoGradGuard no_grad;
    const Tensor places = places_of(x, kernel, output, samples, samples_of);
    const Shape flat{x.size(0), x.size(1), places.size(2) * places.size(3)};
    const Tensor values = reshape(autograd::gather_for(op, line, 2, reshape(places, flat)), places.shape());
    at = squeeze(autograd::gather_for(op, places, 3, argmax(values, 3, true)), 3);
  }
  Shape shape{x.size(0), x.size(1)};
  for (const std::int64_t size : output) shape.push_back(size);
  return {reshape(autograd::gather_for(op, line, 2, at), shape), reshape(at, shape)};
}

// Which of a channel's samples is of which dimension: PyTorch's order.
constexpr int kOfTwo[] = {1, 0}, kOfThree[] = {0, 1, 2};

}  // namespace

PooledMaxima fractional_max_pool2d_with_indices(const Tensor& x, const std::array<std::int64_t, 2>& kernel,
                                                const std::array<std::int64_t, 2>& output_size,
                                                const Tensor& random_samples) {
  return pool("fractional_max_pool2d_with_indices", x, kernel, output_size, random_samples, kOfTwo);
}

Tensor fractional_max_pool2d(const Tensor& x, const std::array<std::int64_t, 2>& kernel,
                             const std::array<std::int64_t, 2>& output_size, const Tensor& random_samples) {
  return pool("fractional_max_pool2d", x, kernel, output_size, random_samples, kOfTwo).values;
}

PooledMaxima fractional_max_pool3d_with_indices(const Tensor& x, const std::array<std::int64_t, 3>& kernel,
                                                const std::array<std::int64_t, 3>& output_size,
                                                const Tensor& random_samples) {
  return pool("fractional_max_pool3d_with_indices", x, kernel, output_size, random_samples, kOfThree);
}

Tensor fractional_max_pool3d(const Tensor& x, const std::array<std::int64_t, 3>& kernel,
                             const std::array<std::int64_t, 3>& output_size, const Tensor& random_samples) {
  return pool("fractional_max_pool3d", x, kernel, output_size, random_samples, kOfThree).values;
}

}  // namespace hop
