// The four hashes: CRC-32C finds damage, XXH3-128 names a state cheaply, SHA-256 names it for the world, and
// `hash64` turns a tuple of names and numbers into a random key.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hop {

/// CRC-32C (Castagnoli) of `bytes`, continuing from `crc` (0 to start). crc32c("123456789") = 0xE3069283.
std::uint32_t crc32c(ByteView bytes, std::uint32_t crc = 0);

/// The digest of a model state: XXH3-128. Equal digests mean equal bytes; not a defence against an attacker.
struct Digest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  auto operator<=>(const Digest&) const = default;
  /// 32 lower-case hex digits, most significant first.
  std::string hex() const;
};

Digest xxh3_128(ByteView bytes);

/// XXH3-128 of bytes that arrive in pieces; equals the digest of the whole.
class DigestStream {
 public:
  DigestStream();
  ~DigestStream();
  DigestStream(const DigestStream&) = delete;
  DigestStream& operator=(const DigestStream&) = delete;
  void update(ByteView bytes);
  Digest digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 of `bytes` as 64 lower-case hex digits.
std::string sha256_hex(ByteView bytes);

/// A 64-bit key from a seed, a name and numbers. Order matters; the same on every machine.
std::uint64_t hash64(std::uint64_t seed, std::string_view name, std::initializer_list<std::uint64_t> numbers = {});

}  // namespace hop
