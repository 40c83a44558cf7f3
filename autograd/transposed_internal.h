// Transposed convolutions whose output_padding is not below the stride.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace hop::autograd {

/// A transposed convolution with the same result: of an input with zeros at its end, and with smaller output_paddings.
template <class Options>
struct LargerInput {
  std::vector<std::int64_t> pads{};  ///< as those of pad()
  Options options{};
};

/// Null if each output_padding is below its stride. Strides are at least 1.
template <class Options>
std::optional<LargerInput<Options>> zeros_for_output_padding(const Options& options) {
  LargerInput<Options> larger{{}, options};
  bool is_larger = false;
  for (std::size_t d = options.stride.size(); d > 0; --d) {
    const std::int64_t zeros = options.output_padding[d - 1] / options.stride[d - 1];
    larger.pads.insert(larger.pads.end(), {0, zeros});
    larger.options.output_padding[d - 1] -= zeros * options.stride[d - 1];
    is_larger |= zeros > 0;
  }
  return is_larger ? std::optional(larger) : std::nullopt;
}

}  // namespace hop::autograd
