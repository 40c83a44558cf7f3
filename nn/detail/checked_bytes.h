// The size of a tensor that a file or a peer describes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "tensor/shape.h"

namespace hop::nn::detail {

/// The bytes of a tensor with these sizes and elements of `element_bytes` (at most 8); none for sizes that no tensor
/// may have (Shape::numel).
inline std::optional<std::uint64_t> checked_bytes(std::span<const std::int64_t> sizes, std::uint64_t element_bytes) {
  std::int64_t elements = 1;
  bool is_empty = false;
  for (const std::int64_t size : sizes) {
    is_empty = is_empty || size == 0;
    const std::int64_t factor = size == 0 ? 1 : size;
    if (size < 0 || __builtin_mul_overflow(elements, factor, &elements) || elements >= kMaxElements) return {};
  }
  return is_empty ? 0 : static_cast<std::uint64_t>(elements) * element_bytes;
}

}  // namespace hop::nn::detail
