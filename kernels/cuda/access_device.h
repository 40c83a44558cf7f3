// Accesses of 16 bytes. One instruction of a warp then moves 512 bytes, so fewer instructions keep more bytes in
// flight: a memory-bound kernel needs some 20 KB in flight per multiprocessor (latency times bandwidth) to reach its
// floor.
#pragma once

#include <cstdint>

#include "kernels/cuda/packet.h"

namespace hop::kernels::cuda {

/// How many T go into 16 bytes.
template <class T>
inline constexpr int kPerAccess = 16 / static_cast<int>(sizeof(T));

/// kWidth values from `p`. If `p` may not be a multiple of 16 bytes (`aligned` false), they are read one by one. The
/// caller's order of values, and so its bits, is the same.
template <int kWidth, class T>
__device__ __forceinline__ Packet<T, kWidth> load(const T* p, bool aligned) {
  if (aligned) return *reinterpret_cast<const Packet<T, kWidth>*>(p);
  Packet<T, kWidth> packet;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) packet.v[i] = p[i];
  return packet;
}

template <int kWidth, class T>
__device__ __forceinline__ void store(T* p, const Packet<T, kWidth>& packet, bool aligned) {
  if (aligned) {
    *reinterpret_cast<Packet<T, kWidth>*>(p) = packet;
    return;
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) p[i] = packet.v[i];
}

/// Whether all pointers are multiples of 16 bytes; a null pointer is.
template <class... P>
bool all_aligned(const P*... p) {
  return ((reinterpret_cast<std::uintptr_t>(p) % 16 == 0) && ...);
}

/// The number of blocks that cover n items if each covers `size`.
inline unsigned blocks_for(std::int64_t n, std::int64_t size) { return static_cast<unsigned>((n + size - 1) / size); }

}  // namespace hop::kernels::cuda
