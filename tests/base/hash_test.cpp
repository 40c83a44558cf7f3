#include "base/hash.h"

#include "base/crc32c_internal.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/ids.h"

namespace hop {
namespace {

TEST(Crc32c, MatchesTheCastagnoliCheckValue) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283U);
  EXPECT_EQ(crc32c({}), 0U);
}

TEST(Crc32c, ContinuesOverAnySplit) {
  const std::string text(1031, 'x');
  const std::uint32_t whole = crc32c(as_bytes(text));
  for (const std::size_t cut : {0UL, 1UL, 7UL, 8UL, 513UL, 1031UL}) {
    const auto bytes = as_bytes(text);
    EXPECT_EQ(crc32c(bytes.subspan(cut), crc32c(bytes.first(cut))), whole) << cut;
  }
}

// One bit at a time, from the definition.
std::uint32_t crc32c_of_bits(ByteView bytes) {
  std::uint32_t crc = ~0U;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? (crc >> 1) ^ 0x82F63B78U : crc >> 1;
  }
  return ~crc;
}

// Long ranges are summed in three stretches of 1024 bytes side by side, then joined; or folded, 256 bytes at a time.
TEST(Crc32c, EqualsTheDefinitionAroundTheBoundariesOfItsBlocks) {
  std::vector<std::byte> bytes(4 * 3 * 1024 + 100);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(hash64(i, "crc"));
  for (const std::size_t size : {1023UL, 1024UL, 1025UL, 1279UL, 1280UL, 1287UL, 3071UL, 3072UL, 3073UL, 3079UL, 6144UL,
                                 6151UL, 9216UL, 12345UL}) {
    for (const std::size_t start : {0UL, 1UL}) {
      const ByteView range = ByteView(bytes).subspan(start, size);
      EXPECT_EQ(crc32c(range), crc32c_of_bits(range)) << size << " from " << start;
      for (const detail::CrcMethod method : detail::crc_methods()) {
        const auto crc = [method](ByteView part, std::uint32_t before = 0) {
          return detail::crc32c_by(method, part, before);
        };
        EXPECT_EQ(crc(range), crc32c_of_bits(range)) << size << " from " << start << " by " << static_cast<int>(method);
        EXPECT_EQ(crc(range.subspan(1300 % size), crc(range.first(1300 % size))), crc32c_of_bits(range)) << size;
      }
    }
  }
}

TEST(Sha256, MatchesTheStandardsExample) {
  EXPECT_EQ(sha256_hex(as_bytes("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, OfPiecesEqualsTheDigestOfTheWhole) {
  std::vector<std::byte> bytes(5000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7);
  DigestStream stream;
  stream.update(ByteView(bytes).first(1234));
  stream.update(ByteView(bytes).subspan(1234));
  EXPECT_EQ(stream.digest(), xxh3_128(bytes));
  EXPECT_EQ(xxh3_128({}).hex(), "99aa06d3014798d86001c324468d497f");
}

TEST(Hash64, DependsOnSeedNameAndEveryNumber) {
  const auto base = hash64(1, "init", {3, 4});
  EXPECT_EQ(base, hash64(1, "init", {3, 4}));
  EXPECT_NE(base, hash64(2, "init", {3, 4}));
  EXPECT_NE(base, hash64(1, "drop", {3, 4}));
  EXPECT_NE(base, hash64(1, "init", {4, 3}));
}

static_assert(!std::is_convertible_v<ModelId, PartitionId>);

}  // namespace
}  // namespace hop
