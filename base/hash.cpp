#include "base/hash.h"

#include <openssl/evp.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"

namespace hop {
namespace {

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
