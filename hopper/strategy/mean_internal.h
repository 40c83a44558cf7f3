// What the means over replicas have in common. Internal to Hopscotch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "tensor/tensor.h"

namespace hop::hopper {

/// Members say with their values whether their loss is lost.
inline constexpr std::size_t kFlagBytes = sizeof(std::uint64_t);

/// Whether the values can be sent from their place.
inline bool is_here(const Tensor& x) { return x.device().is_cpu() && x.is_contiguous(); }

/// Where so many elements are cut into `parts` parts: their begins, and the end. Parts begin on blocks of 16 elements,
/// which are 64 bytes of f32.
inline std::vector<std::size_t> edges_of(std::size_t elements, std::size_t parts) {
  constexpr std::size_t kBlock = 16;
  const std::size_t blocks = (elements + kBlock - 1) / kBlock;
  std::vector<std::size_t> edges;
  for (std::size_t part = 0; part <= parts; ++part) {
    edges.push_back(std::min(blocks * part / parts * kBlock, elements));
  }
  return edges;
}

/// Of a message in pieces: copies what lies in this piece, whose first byte is byte `at`, of the bytes behind `values`.
inline void copy_end(ByteView piece, std::uint64_t at, std::uint64_t values, std::byte* end) {
  const std::uint64_t from = std::max(values, at), to = at + piece.size();
  if (from < to) std::copy_n(piece.data() + (from - at), to - from, end + (from - values));
}

/// Calls f(k) for each k below n, in any order. f(k) reads and writes no elements but those of place k.
/// The inner loop has a fixed length, because -O2 makes vector code of no other one.
template <class F>
void for_each_element(std::size_t n, const F& f) {
  constexpr std::size_t kRow = 16;
  std::size_t k = 0;
  for (; k + kRow <= n; k += kRow) {
#pragma GCC ivdep
    for (std::size_t j = 0; j < kRow; ++j) f(k + j);
  }
  for (; k < n; ++k) f(k);
}

}  // namespace hop::hopper
