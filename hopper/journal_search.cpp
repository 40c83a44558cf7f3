#include "base/hash.h"
#include "hopper/journal_search_internal.h"

namespace hop::hopper {
namespace {

// Polynomials over GF(2) of degree below 32, with the coefficient of x^0 in the highest bit, as in CRC-32C.
constexpr std::uint32_t kOne = 0x80000000U;
constexpr std::uint32_t kByte = kOne >> 8;          // x^8
constexpr std::uint32_t kPolynomial = 0x82F63B78U;  // of CRC-32C, without x^32

// a b modulo the polynomial.
std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (; a != 0; a <<= 1) {
    if ((a & kOne) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? kPolynomial : 0);
  }
  return product;
}

template <std::size_t N>
std::array<std::uint32_t, N> powers(std::uint32_t of) {
  std::array<std::uint32_t, N> table{kOne};
  for (std::size_t i = 1; i < N; ++i) table[i] = multiply(table[i - 1], of);
  return table;
}

}  // namespace

// A CRC is the remainder of the bytes as a polynomial. So crc(A B) = crc(A) x^(8 |B|) + crc(B), and the CRC of B
// follows from the CRCs of two prefixes, A and A B.
RangeCrc::RangeCrc(ByteView bytes)
    : bytes_(bytes), low_(powers<kRow>(kByte)), high_(powers<kLongest / kRow + 1>(multiply(low_[kRow - 1], kByte))) {
  prefixes_.push_back(0);
  for (std::size_t i = kStride; i <= bytes.size(); i += kStride) {
    prefixes_.push_back(crc32c(bytes.subspan(i - kStride, kStride), prefixes_.back()));
  }
}

std::uint32_t RangeCrc::prefix(std::size_t size) const {
  const std::size_t known = size / kStride;
  return crc32c(bytes_.subspan(known * kStride, size % kStride), prefixes_[known]);
}

std::uint32_t RangeCrc::operator()(std::size_t begin, std::size_t size, std::uint32_t crc) const {
  const std::uint32_t shift = multiply(low_[size % kRow], high_[size / kRow]);
  return multiply(crc ^ prefix(begin), shift) ^ prefix(begin + size);
}

}  // namespace hop::hopper
