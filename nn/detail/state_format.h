// The first 64 bytes of a `.hop` file, little-endian. Every bit of a file is checked: the prefix has known values, the
// header and the block have digests, and the padding between them is zero.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/hash.h"

namespace hop::nn::detail {

inline constexpr std::array<char, 8> kStateMagic = {'H', 'O', 'P', 'S', 'T', 'A', 'T', 'E'};
inline constexpr std::uint32_t kStateVersion = 1;
inline constexpr std::uint32_t kMaxHeaderBytes = 64U << 20;
// The limits of a header. A block keeps them from the beginning: no model trains to a state that nobody can read.
inline constexpr std::size_t kMaxSegments = 100'000;
inline constexpr std::size_t kMaxNameBytes = 1'024;

struct StatePrefix {
  std::array<char, 8> magic = kStateMagic;
  std::uint32_t version = kStateVersion;
  std::uint32_t header_bytes = 0;
  std::uint64_t block_offset = 0;  ///< align_up(64 + header_bytes)
  std::uint64_t block_bytes = 0;
  std::uint64_t header_digest_low = 0;  ///< XXH3-128 of the header
  std::uint64_t header_digest_high = 0;
  std::uint64_t reserved[2] = {};
};
static_assert(sizeof(StatePrefix) == kAlignment);

}  // namespace hop::nn::detail
