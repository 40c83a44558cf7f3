// Accesses of 16 bytes. One instruction of a warp then moves 512 bytes, so that fewer instructions keep more bytes on
// their way: a memory-bound kernel needs some 20 KB in flight per multiprocessor (latency times bandwidth) to be at its
// floor.
#pragma once

#include <cstdint>

#include "kernels/cuda/packet.h"

namespace hop::kernels::cuda {

/// How many T go into 16 bytes.
template <class T>
inline constexpr int kPerAccess = 16 / static_cast<int>(sizeof(T));

/// kWidth values from `p`. Where `p` may be no multiple of 16 bytes (`aligned` false) they come one by one: the
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

/// Whether all of them (null pointers too) lie on 16 bytes.
template <class... P>
bool all_aligned(const P*... p) {
  return ((reinterpret_cast<std::uintptr_t>(p) % 16 == 0) && ...);
}

/// The number of blocks that cover n when each covers `size`.
inline unsigned blocks_for(std::int64_t n, std::int64_t size) { return static_cast<unsigned>((n + size - 1) / size); }

}  // namespace hop::kernels::cuda
