// The size of a tensor that a file or a peer describes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace hop::nn::detail {

/// The bytes of a tensor with these sizes and elements of `element_bytes`; nothing when a size is negative or a product
/// of sizes passes 2^62 (a size of 0 counts as 1 there, so that no order of multiplication overflows later).
inline std::optional<std::uint64_t> checked_bytes(std::span<const std::int64_t> sizes, std::uint64_t element_bytes) {
  std::uint64_t bytes = element_bytes;
  bool is_empty = false;
  for (const std::int64_t size : sizes) {
    is_empty = is_empty || size == 0;
    const std::uint64_t factor = size == 0 ? 1 : static_cast<std::uint64_t>(size);
    if (size < 0 || __builtin_mul_overflow(bytes, factor, &bytes) || bytes >> 62 != 0) return {};
  }
  return is_empty ? 0 : bytes;
}

}  // namespace hop::nn::detail
