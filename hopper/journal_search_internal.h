// Looks for whole records among damaged bytes.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace hop::hopper {

/// CRC-32C of any range of some bytes, in time that does not depend on the length of the range. The bytes are read
/// once.
class RangeCrc {
 public:
  static constexpr std::size_t kLongest = std::size_t{1} << 21;  ///< longest range

  explicit RangeCrc(ByteView bytes);

  /// The CRC of `size` bytes from `begin`, continuing from `crc`: crc32c(bytes.subspan(begin, size), crc).
  std::uint32_t operator()(std::size_t begin, std::size_t size, std::uint32_t crc) const;

 private:
  static constexpr std::size_t kStride = 64;  // bytes between two prefixes whose CRC is kept
  static constexpr std::size_t kRow = 1024;

  std::uint32_t prefix(std::size_t size) const;

  ByteView bytes_;
  std::vector<std::uint32_t> prefixes_;
  std::array<std::uint32_t, kRow> low_;                  // x^(8 n) modulo the polynomial, for n < 1024
  std::array<std::uint32_t, kLongest / kRow + 1> high_;  // ... and for multiples of 1024
};

}  // namespace hop::hopper
