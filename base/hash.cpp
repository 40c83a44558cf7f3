#include "base/hash.h"

#include <openssl/evp.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"

namespace hop {
namespace {

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1U) != 0 ? (c >> 1) ^ 0x82F63B78U : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

std::uint32_t crc32c_table(ByteView bytes, std::uint32_t crc) {
  for (const std::byte b : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xFFU];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(ByteView bytes, std::uint32_t crc) {
  std::uint64_t c = crc;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    c = __builtin_ia32_crc32di(c, word);
  }
  for (; i < bytes.size(); ++i) {
    c = __builtin_ia32_crc32qi(static_cast<std::uint32_t>(c), std::to_integer<unsigned char>(bytes[i]));
  }
  return static_cast<std::uint32_t>(c);
}
#endif

std::string hex(const unsigned char* bytes, std::size_t n) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(2 * n, '0');
  for (std::size_t i = 0; i < n; ++i) {
    text[2 * i] = kDigits[bytes[i] >> 4];
    text[2 * i + 1] = kDigits[bytes[i] & 15U];
  }
  return text;
}

}  // namespace

std::uint32_t crc32c(ByteView bytes, std::uint32_t crc) {
#if defined(__x86_64__)
  static const bool has_sse42 = __builtin_cpu_supports("sse4.2") != 0;
  if (has_sse42) return ~crc32c_sse42(bytes, ~crc);
#endif
  return ~crc32c_table(bytes, ~crc);
}

std::string Digest::hex() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, {low, high});
  return hop::hex(canonical.digest, sizeof canonical.digest);
}

Digest xxh3_128(ByteView bytes) {
  const XXH128_hash_t h = XXH3_128bits(bytes.data(), bytes.size());
  return {h.low64, h.high64};
}

struct DigestStream::State {
  XXH3_state_t xxh;
};

DigestStream::DigestStream() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->xxh); }
DigestStream::~DigestStream() = default;
void DigestStream::update(ByteView bytes) { XXH3_128bits_update(&state_->xxh, bytes.data(), bytes.size()); }
Digest DigestStream::digest() const {
  const XXH128_hash_t h = XXH3_128bits_digest(&state_->xxh);
  return {h.low64, h.high64};
}

std::string sha256_hex(ByteView bytes) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), out, &size, EVP_sha256(), nullptr) != 1) {
    throw Error("[sha256] OpenSSL refused to compute the digest");
  }
  return hop::hex(out, size);
}

std::uint64_t hash64(std::uint64_t seed, std::string_view name, std::initializer_list<std::uint64_t> numbers) {
  std::uint64_t h = XXH3_64bits_withSeed(name.data(), name.size(), seed);
  for (const std::uint64_t n : numbers) h = XXH3_64bits_withSeed(&n, sizeof n, h);
  return h;
}

}  // namespace hop
