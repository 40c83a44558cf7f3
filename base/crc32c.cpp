// CRC-32C at the speed of the memory: the processor's own instruction (SSE 4.2) takes 8 bytes per cycle but has a
// latency of three cycles. So three stretches run side by side and are joined at the end. A CRC is a polynomial modulo
// the generator: appending n bytes multiplies it by x^(8n). If the processor multiplies polynomials in 512-bit
// registers, 256 bytes at a time are folded onto the next 256 until 256 are left, which is as fast as the cache (Gopal
// et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009).
#include <array>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/crc32c_internal.h"
#include "base/hash.h"

namespace hop {
namespace {

constexpr std::uint32_t kGenerator = 0x82F63B78U;  // Castagnoli, bit-reversed: bit 31 is x^0, bit 0 is x^31

constexpr std::uint32_t times_x(std::uint32_t a) { return (a & 1U) != 0 ? (a >> 1) ^ kGenerator : a >> 1; }

using ByteTable = std::array<std::uint32_t, 256>;

constexpr ByteTable make_byte_table() {
  ByteTable table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = times_x(c);
    table[i] = c;
  }
  return table;
}
constexpr ByteTable kByteTable = make_byte_table();

std::uint32_t by_table(ByteView bytes, std::uint32_t crc) {
  for (const std::byte b : bytes) crc = (crc >> 8) ^ kByteTable[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xFFU];
  return crc;
}

#if defined(__x86_64__)
constexpr std::size_t kStretch = 1024;  // long enough to hide the cost of the joins
constexpr std::size_t kAhead = 4096;    // bytes to prefetch: the processor predicts one stream, not three
constexpr std::size_t kCacheLine = 64;

constexpr std::uint32_t times(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (std::uint32_t bit = 1U << 31; bit != 0; bit >>= 1, b = times_x(b)) {
    if ((a & bit) != 0) product ^= b;
  }
  return product;
}

constexpr std::uint32_t power_of_x(std::size_t exponent) {
  std::uint32_t result = 1U << 31, square = 1U << 30;  // 1 and x
  for (; exponent != 0; exponent >>= 1, square = times(square, square)) {
    if ((exponent & 1U) != 0) result = times(result, square);
  }
  return result;
}

// The product with x^(8 kStretch), one table for each byte of the CRC.
constexpr std::array<ByteTable, 4> make_shift_tables() {
  std::array<ByteTable, 4> tables{};
  const std::uint32_t shift = power_of_x(8 * kStretch);
  for (std::uint32_t k = 0; k < 4; ++k) {
    for (std::uint32_t i = 0; i < 256; ++i) tables[k][i] = times(shift, i << (8 * k));
  }
  return tables;
}
constexpr std::array<ByteTable, 4> kShift = make_shift_tables();

std::uint32_t shifted(std::uint32_t crc) {
  return kShift[0][crc & 0xFFU] ^ kShift[1][(crc >> 8) & 0xFFU] ^ kShift[2][(crc >> 16) & 0xFFU] ^ kShift[3][crc >> 24];
}

std::uint64_t word_at(const std::byte* p) {
  std::uint64_t word = 0;
  std::memcpy(&word, p, sizeof word);
  return word;
}

__attribute__((target("sse4.2"))) std::uint32_t three_stretches(const std::byte* p, std::uint32_t crc) {
  std::uint64_t a = crc, b = 0, c = 0;
  for (std::size_t line = 0; line < kStretch; line += kCacheLine) {
    for (std::size_t k = 0; k < 3; ++k) __builtin_prefetch(p + 3 * line + k * kCacheLine + kAhead);
    for (std::size_t i = line; i < line + kCacheLine; i += 8) {
      a = __builtin_ia32_crc32di(a, word_at(p + i));
      b = __builtin_ia32_crc32di(b, word_at(p + kStretch + i));
      c = __builtin_ia32_crc32di(c, word_at(p + 2 * kStretch + i));
    }
  }
  const std::uint32_t ab = shifted(static_cast<std::uint32_t>(a)) ^ static_cast<std::uint32_t>(b);
  return shifted(ab) ^ static_cast<std::uint32_t>(c);
}

// Sixteen numbers of 128 bits, four to a register; two halves of 64 each.
using Halves = long long __attribute__((vector_size(64)));
constexpr std::size_t kFolded = 4 * sizeof(Halves);

// The factors that move a half kFolded bytes further. The polynomials are reflected: their bits run the other way, and
// a product of two comes out one place short.
constexpr long long kLowAhead = static_cast<long long>(power_of_x(8 * kFolded + 32)) << 1;
constexpr long long kHighAhead = static_cast<long long>(power_of_x(8 * kFolded - 32)) << 1;

// The CRC of a whole number of kFolded-byte pieces, at least two.
__attribute__((target("avx512f,vpclmulqdq,sse4.2"))) std::uint32_t by_folding(const std::byte* p, std::size_t size,
                                                                              std::uint32_t crc) {
  constexpr Halves kAheadBy = {kLowAhead, kHighAhead, kLowAhead, kHighAhead,
                               kLowAhead, kHighAhead, kLowAhead, kHighAhead};
  Halves sums[4];
  std::memcpy(sums, p, sizeof sums);
  sums[0] ^= Halves{crc};
  for (std::size_t i = kFolded; i < size; i += kFolded) {
    Halves next[4];
    std::memcpy(next, p + i, sizeof next);
#pragma GCC unroll 4
    for (std::size_t k = 0; k < 4; ++k) {
      __builtin_prefetch(p + i + k * kCacheLine + kAhead);
      sums[k] = _mm512_clmulepi64_epi128(sums[k], kAheadBy, 0x00) ^ _mm512_clmulepi64_epi128(sums[k], kAheadBy, 0x11) ^
                next[k];
    }
  }
  std::byte rest[kFolded];  // its CRC is the CRC of everything folded into it
  std::memcpy(rest, sums, sizeof rest);
  std::uint64_t c = 0;
  for (std::size_t i = 0; i < kFolded; i += 8) c = __builtin_ia32_crc32di(c, word_at(rest + i));
  return static_cast<std::uint32_t>(c);
}

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(ByteView bytes, std::uint32_t crc) {
  std::size_t i = 0;
  for (; bytes.size() - i >= 3 * kStretch; i += 3 * kStretch) crc = three_stretches(bytes.data() + i, crc);
  std::uint64_t c = crc;
  for (; bytes.size() - i >= 8; i += 8) c = __builtin_ia32_crc32di(c, word_at(bytes.data() + i));
  crc = static_cast<std::uint32_t>(c);
  for (; i < bytes.size(); ++i) crc = __builtin_ia32_crc32qi(crc, std::to_integer<unsigned char>(bytes[i]));
  return crc;
}
// Folds the whole blocks if there are enough of them to pay for the setup and the end.
std::uint32_t by_folding_first(ByteView bytes, std::uint32_t crc) {
  if (bytes.size() < 4 * kFolded) return by_instruction(bytes, crc);
  const std::size_t whole = bytes.size() / kFolded * kFolded;
  return by_instruction(bytes.subspan(whole), by_folding(bytes.data(), whole, crc));
}
#endif

}  // namespace

namespace detail {

std::span<const CrcMethod> crc_methods() {
  static constexpr std::array kAll = {CrcMethod::table, CrcMethod::instruction, CrcMethod::folding};
  static const std::size_t count = []() -> std::size_t {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2") == 0) return 1;
    return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("vpclmulqdq") != 0 ? 3 : 2;
#else
    return 1;
#endif
  }();
  return std::span(kAll).first(count);
}

std::uint32_t crc32c_by(CrcMethod method, ByteView bytes, std::uint32_t crc) {
#if defined(__x86_64__)
  if (method == CrcMethod::folding) return ~by_folding_first(bytes, ~crc);
  if (method == CrcMethod::instruction) return ~by_instruction(bytes, ~crc);
#endif
  static_cast<void>(method);
  return ~by_table(bytes, ~crc);
}

}  // namespace detail

std::uint32_t crc32c(ByteView bytes, std::uint32_t crc) {
  static const detail::CrcMethod fastest = detail::crc_methods().back();
  return detail::crc32c_by(fastest, bytes, crc);
}

}  // namespace hop
