#include "nn/layers/fractional_pool.h"

#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "base/words.h"
#include "kernels/expect_internal.h"
#include "kernels/random.h"
#include "nn/detail/layer.h"

namespace hop::nn {
namespace {

template <std::size_t N>
using Counts = std::array<std::int64_t, N>;

template <std::size_t N>
Counts<N> checked_kernel(const char* op, const Counts<N>& kernel) {
  for (const std::int64_t size : kernel) detail::check_positive(op, {{"kernel_size", size}});
  return kernel;
}

/// The ratio, or zeros where a size is given.
template <std::size_t N>
std::array<double, N> checked_ratio(const char* op, const std::optional<Counts<N>>& size,
                                    const std::optional<std::array<double, N>>& ratio) {
  if (size.has_value() == ratio.has_value()) {
    throw ConfigError("[" + std::string(op) + "] expected either output_size or output_ratio, got " +
                      (ratio ? "both" : "none of them"));
  }
  if (size) {
    for (const std::int64_t n : *size) detail::check_positive(op, {{"output_size", n}});
    return {};
  }
  for (const double r : *ratio) {
    if (r > 0 && r < 1) continue;
    throw ConfigError("[" + std::string(op) + "] expected an output_ratio above 0 and below 1, got " + shortest(r));
  }
  return *ratio;
}

/// The sizes of the result for x (N, C, ..).
template <std::size_t N>
Counts<N> output_of(const char* op, const Tensor& x, const std::optional<Counts<N>>& size,
                    const std::array<double, N>& ratio) {
  kernels::expect_any_floating(op, x);
  const int rank = static_cast<int>(N);
  if (x.dim() != rank + 2 && x.dim() != rank + 1) {
    throw ShapeError("[" + std::string(op) + "] expected " +
                     (N == 2 ? "(N, C, H, W) or (C, H, W)" : "(N, C, D, H, W) or (C, D, H, W)") + ", got " +
                     x.shape().to_string());
  }
  if (size) return *size;
  Counts<N> sizes;
  for (std::size_t d = 0; d < N; ++d) {
    sizes[d] = static_cast<std::int64_t>(static_cast<double>(x.size(x.dim() - rank + static_cast<int>(d))) * ratio[d]);
  }
  return sizes;
}

Tensor samples_at(RandomAddress address, const Tensor& x, std::int64_t count) {
  const bool is_batch = x.dim() == static_cast<int>(count) + 2;
  const Tensor samples =
      Tensor::empty({is_batch ? x.size(0) : 1, x.size(is_batch ? 1 : 0), count}, widened(x.dtype()), x.device());
  kernels::uniform_(samples, 0, 1, address);
  return samples;
}

std::optional<Counts<2>> counts(const std::optional<Size2d>& size) {
  return size ? std::optional(size->array()) : std::nullopt;
}
std::optional<Counts<3>> counts(const std::optional<Size3d>& size) {
  return size ? std::optional(size->sizes) : std::nullopt;
}

}  // namespace

FractionalMaxPool2d::FractionalMaxPool2d(Size2d kernel_size, const FractionalPool2dOptions& options)
    : kernel_(checked_kernel("FractionalMaxPool2d", kernel_size.array())),
      output_size_(counts(options.output_size)),
      output_ratio_(checked_ratio("FractionalMaxPool2d", output_size_, options.output_ratio)),
      random_samples_(options.random_samples.defined() ? register_buffer("_random_samples", options.random_samples)
                                                       : Buffer()) {}

PooledMaxima FractionalMaxPool2d::with_indices(const Tensor& x) {
  const Counts<2> sizes = output_of("FractionalMaxPool2d", x, output_size_, output_ratio_);
  if (random_samples_.defined()) return fractional_max_pool2d_with_indices(x, kernel_, sizes, random_samples_);
  return fractional_max_pool2d_with_indices(x, kernel_, sizes, samples_at(next_random(), x, 2));
}

FractionalMaxPool3d::FractionalMaxPool3d(Size3d kernel_size, const FractionalPool3dOptions& options)
    : kernel_(checked_kernel("FractionalMaxPool3d", kernel_size.sizes)),
      output_size_(counts(options.output_size)),
      output_ratio_(checked_ratio("FractionalMaxPool3d", output_size_, options.output_ratio)),
      random_samples_(options.random_samples.defined() ? register_buffer("_random_samples", options.random_samples)
                                                       : Buffer()) {}

PooledMaxima FractionalMaxPool3d::with_indices(const Tensor& x) {
  const Counts<3> sizes = output_of("FractionalMaxPool3d", x, output_size_, output_ratio_);
  if (random_samples_.defined()) return fractional_max_pool3d_with_indices(x, kernel_, sizes, random_samples_);
  return fractional_max_pool3d_with_indices(x, kernel_, sizes, samples_at(next_random(), x, 3));
}

}  // namespace hop::nn
