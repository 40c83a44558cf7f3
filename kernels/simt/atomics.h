// CUDA's atomic operations: relaxed, returning the old value. As in CUDA, they order nothing else. So ThreadSanitizer
// finds a kernel that needs order without a fence or barrier.
#pragma once

#include <concepts>
#include <type_traits>

namespace hop::simt {

/// The integers that CUDA's atomics take.
template <class T>
concept AtomicInteger = std::same_as<T, int> || std::same_as<T, unsigned> || std::same_as<T, unsigned long long>;
template <class T>
concept AtomicOrdered = AtomicInteger<T> || std::same_as<T, long long>;

/// *address = change(*address), as one step. Returns the old value.
template <class T, class Change>
T atomic_update(T* address, Change change) {
  T old;
  __atomic_load(address, &old, __ATOMIC_RELAXED);
  T desired = change(old);
  while (!__atomic_compare_exchange(address, &old, &desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    desired = change(old);
  }
  return old;
}

}  // namespace hop::simt

template <hop::simt::AtomicInteger T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}
/// For completeness, because CUDA has it. Our kernels must not use it: the order of the additions decides the last
/// bits.
template <std::floating_point T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  return hop::simt::atomic_update(address, [value](T old) { return old + value; });
}
template <hop::simt::AtomicInteger T>
T atomicSub(T* address, std::type_identity_t<T> value) requires(sizeof(T) == 4) {
  return __atomic_fetch_sub(address, value, __ATOMIC_RELAXED);
}
template <hop::simt::AtomicOrdered T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  return hop::simt::atomic_update(address, [value](T old) { return old < value ? value : old; });
}
template <hop::simt::AtomicOrdered T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  return hop::simt::atomic_update(address, [value](T old) { return value < old ? value : old; });
}
template <hop::simt::AtomicInteger T>
T atomicAnd(T* address, std::type_identity_t<T> value) {
  return __atomic_fetch_and(address, value, __ATOMIC_RELAXED);
}
template <hop::simt::AtomicInteger T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  return __atomic_fetch_or(address, value, __ATOMIC_RELAXED);
}
template <hop::simt::AtomicInteger T>
T atomicXor(T* address, std::type_identity_t<T> value) {
  return __atomic_fetch_xor(address, value, __ATOMIC_RELAXED);
}
template <class T>
requires(hop::simt::AtomicInteger<T> || std::same_as<T, float>) T
    atomicExch(T* address, std::type_identity_t<T> value) {
  return hop::simt::atomic_update(address, [value](T) { return value; });
}
template <hop::simt::AtomicInteger T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> desired) {
  __atomic_compare_exchange_n(address, &expected, desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
/// Counts 0 .. limit and begins again.
inline unsigned atomicInc(unsigned* address, unsigned limit) {
  return hop::simt::atomic_update(address, [limit](unsigned old) { return old >= limit ? 0U : old + 1; });
}
