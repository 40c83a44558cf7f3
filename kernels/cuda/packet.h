// Packets: a few neighbouring elements that a thread moves with one memory instruction (16 bytes of the type in which a
// kernel computes). Elements that are stored as another type are converted on the way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/language.h"
#include "tensor/dtype.h"

namespace hop::kernels::cuda {

/// Elements per packet: 16 bytes' worth, but only 8 single bytes, because a thread keeps each element in a register.
constexpr int packet_width(std::size_t size) { return size == 1 ? 8 : static_cast<int>(16 / size); }

/// V elements, aligned as a whole. Up to 16 bytes are one load or store; more (four doubles) are several, side by side.
template <class T, int V>
struct alignas(sizeof(T) * V) Packet {
  T v[V];
};

/// Float to integer truncates; anything to bool is != 0; to bf16 and f16 rounds by way of f32 (tensor/half.h).
template <class To, class Stored>
__device__ inline To converted(Stored value) {
  if constexpr (std::is_same_v<To, Stored>)
    return value;
  else if constexpr (is_half_type<Stored>)
    return converted<To>(static_cast<float>(value));
  else if constexpr (std::is_same_v<To, bool>)
    return value != Stored{0};
  else
    return static_cast<To>(value);
}

/// x[0 .. count - 1] = the elements at `at`, stored as Stored. A whole packet of V elements takes one load.
template <class Stored, class T, int V>
__device__ inline void load_stored(const std::byte* at, int count, T (&x)[V]) {
  if (count == V) {
    const auto packet = *reinterpret_cast<const Packet<Stored, V>*>(at);
    for (int v = 0; v < V; ++v) x[v] = converted<T>(packet.v[v]);
    return;
  }
  const auto* elements = reinterpret_cast<const Stored*>(at);
  for (int v = 0; v < V; ++v) {
    if (v < count) x[v] = converted<T>(elements[v]);
  }
}

/// The same for elements of another dtype than T: for packets only dtypes of one byte, otherwise all. A bool is read as
/// a byte, so that foreign bytes other than 0 and 1 do no harm.
template <class T, int V>
__device__ inline void load_converted(const std::byte* at, DType dtype, int count, T (&x)[V]) {
  if constexpr (V == 1) {
    if (dtype == DType::f32) return load_stored<float>(at, count, x);
    if (dtype == DType::f64) return load_stored<double>(at, count, x);
    if (dtype == DType::i64) return load_stored<std::int64_t>(at, count, x);
    if (dtype == DType::i32) return load_stored<std::int32_t>(at, count, x);
  }
  load_stored<std::uint8_t>(at, count, x);
  if (dtype != DType::boolean) return;
  for (int v = 0; v < V; ++v) x[v] = static_cast<T>(x[v] != T{0});
}

/// Stores the first `count` elements of y. A whole packet of V elements takes one store.
template <class T, int V>
__device__ inline void store_packet(std::byte* at, int count, const T (&y)[V]) {
  if (count == V) {
    Packet<T, V> packet;
    for (int v = 0; v < V; ++v) packet.v[v] = y[v];
    *reinterpret_cast<Packet<T, V>*>(at) = packet;
    return;
  }
  for (int v = 0; v < V; ++v) {
    if (v < count) reinterpret_cast<T*>(at)[v] = y[v];
  }
}

}  // namespace hop::kernels::cuda
