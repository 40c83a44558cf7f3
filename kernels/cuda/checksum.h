// The checksum that a model's state carries from device to device. A CRC or XXH3 runs through the bytes in order; this
// one is a sum, so that thousands of threads can take part and any order gives the same value: every 8-byte word is
// hashed together with its position, and the hashes are added modulo 2^64. A changed word always changes the checksum,
// because the hash is a bijection. Exchanged or shifted words change it except with probability 2^-64. It is no defence
// against an attacker.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"
#include "tensor/tensor.h"

namespace hop::kernels::cuda {

/// The finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
constexpr std::uint64_t mixed(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

/// The share of word number `index` in a checksum. Multiples of 2^64 / golden ratio differ in about half of their bits.
constexpr std::uint64_t word_hash(std::uint64_t word, std::uint64_t index) {
  return mixed(word ^ (index + 1) * 0x9E3779B97F4A7C15U);
}

/// The checksum of bytes on the host: little-endian words, the last one padded with zeros, and the number of bytes.
inline std::uint64_t checksum(ByteView bytes) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t sum = mixed(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, bytes.size() - i < 8 ? bytes.size() - i : 8);
    sum += word_hash(word, i / 8);
  }
  return sum;
}

/// The checksum of `bytes` on the current device, aligned to 16, into `result` (1) i64 there. On the current stream.
void checksum(ByteView bytes, const Tensor& result);

/// A range of bytes on the device and its place in a packed block.
struct PackedPart {
  const std::byte* from;
  std::size_t offset;  ///< in the block: a multiple of 16, after the part before
  std::size_t size;
};

/// Gathers `parts` into `block` (aligned to 16), with zeros between them, and writes the block's checksum to `result`
/// (1) i64, in one pass: for a state whose tensors do not lie together yet. All on the current device and stream.
/// Throws ShapeError for parts that overlap or do not fit.
void pack(std::span<const PackedPart> parts, MutableByteView block, const Tensor& result);

}  // namespace hop::kernels::cuda
