// What the convolutions of 1, 2 and 3 dimensions and their transposes have in common.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "autograd/pad.h"
#include "autograd/same_padding_internal.h"
#include "nn/detail/layer.h"
#include "nn/init.h"
#include "nn/parameter.h"

namespace hop::nn::detail {

/// Throws ConfigError for numbers below 1 and for channels that groups do not divide.
inline void check_channels(const char* op, std::int64_t in_channels, std::int64_t out_channels, std::int64_t groups) {
  check_positive(op, {{"in_channels", in_channels}, {"out_channels", out_channels}, {"groups", groups}});
  if (in_channels % groups == 0 && out_channels % groups == 0) return;
  throw ConfigError("[" + std::string(op) + "] expected channels divisible by groups, got " +
                    std::to_string(in_channels) + " and " + std::to_string(out_channels) + " for " +
                    std::to_string(groups) + " groups");
}

/// Throws ConfigError for kSame with another stride than 1.
inline void check_same(const char* op, bool has_stride_of_one) {
  if (has_stride_of_one) return;
  throw ConfigError("[" + std::string(op) + "] expected a stride of 1 with padding = kSame, got another");
}

/// What stands around the input of a convolution: zeros that it adds itself, or what pad() adds before.
template <std::size_t N>
struct Surroundings {
  std::array<std::int64_t, N> padding{};  ///< of the convolution
  std::vector<std::int64_t> pads{};       ///< those of pad(); empty: none

  /// With is_same `size` does not count. Throws ConfigError for a negative size in another mode than zeros.
  Surroundings(const char* op, const std::array<std::int64_t, N>& size, bool is_same, PadMode mode,
               const std::array<std::int64_t, N>& kernel, const std::array<std::int64_t, N>& dilation) {
    if (is_same) {
      const autograd::SameZeros<N> zeros(op, kernel, dilation);
      if (mode == PadMode::constant && zeros.is_even())
        padding = zeros.before;
      else
        pads = zeros.pads();
    } else if (mode == PadMode::constant) {
      padding = size;
    } else {
      for (std::size_t d = N; d > 0; --d) {
        if (size[d - 1] < 0)
          throw ConfigError("[" + std::string(op) + "] expected padding of at least 0, got " +
                            std::to_string(size[d - 1]));
        pads.insert(pads.end(), {size[d - 1], size[d - 1]});
      }
    }
  }
};
inline Tensor surrounded(const Tensor& x, const std::vector<std::int64_t>& pads, PadMode mode) {
  return pads.empty() ? x : pad(x, pads, mode);
}

/// PyTorch's names of padding modes, in PadMode's order.
inline constexpr std::string_view kPaddingModes[] = {"zeros", "reflect", "replicate", "circular"};

/// ", padding_mode=reflect", or nothing for zeros.
inline std::string padding_mode_text(PadMode mode) {
  if (mode == PadMode::constant) return "";
  return ", padding_mode=" + std::string(kPaddingModes[static_cast<std::size_t>(mode)]);
}

/// The output_padding with which a transposed convolution makes a result of `size`, PyTorch's output_size. `inputs`:
/// the sizes of its input; `options`: its own, with arrays. Throws ShapeError for a size that it cannot make.
template <class Options, std::size_t N>
Options for_output_size(const char* op, Options options, const std::array<std::int64_t, N>& inputs,
                        const std::array<std::int64_t, N>& kernel, const std::array<std::int64_t, N>& size) {
  for (std::size_t d = 0; d < N; ++d) {
    const std::int64_t reach = checked_add(checked_mul(options.dilation[d], kernel[d] - 1, op), 1, op);
    const std::int64_t whole = checked_add(checked_mul(inputs[d] - 1, options.stride[d], op), reach, op);
    const std::int64_t least = checked_add(whole, -checked_mul(2, options.padding[d], op), op);
    const std::int64_t most = checked_add(least, options.stride[d] - 1, op);
    if (size[d] < least || size[d] > most) {
      throw ShapeError("[" + std::string(op) + "] expected an output_size from " + std::to_string(least) + " to " +
                       std::to_string(most) + " along dimension " + std::to_string(d + 2) + ", got " +
                       std::to_string(size[d]));
    }
    options.output_padding[d] = size[d] - least;
  }
  return options;
}

/// The last N sizes of x. Throws ShapeError for an x with fewer than N + 1 dimensions.
template <std::size_t N>
std::array<std::int64_t, N> last_sizes(const char* op, const Tensor& x) {
  kernels::expect_defined(op, x);
  if (x.dim() <= static_cast<int>(N)) {
    throw ShapeError("[" + std::string(op) + "] expected at least " + std::to_string(N + 1) + " dimensions, got " +
                     x.shape().to_string());
  }
  std::array<std::int64_t, N> sizes;
  for (std::size_t d = 0; d < N; ++d) sizes[d] = x.size(x.dim() - static_cast<int>(N - d));
  return sizes;
}

/// As PyTorch's, which takes the fans of a transposed weight as those of any weight: Kaiming uniform with a = sqrt 5;
/// the bias uniform in +-1 / sqrt(fan_in).
inline void reset_convolution(const Parameter& weight, const Parameter& bias, const ParameterKeys& keys) {
  init::kaiming_uniform_(weight, keys["weight"], {.a = std::sqrt(5.0)});
  if (!bias.defined()) return;
  const double bound = 1 / std::sqrt(static_cast<double>(weight.numel() / weight.size(0)));
  init::uniform_(bias, keys["bias"], -bound, bound);
}

}  // namespace hop::nn::detail
