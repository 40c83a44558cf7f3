// The tail of batch normalisation in the same pass, for the loops over planes and over columns. Each kind of tail gets
// its own loop, without a branch per value. Offsets and counts (at, n) are those of load_up_to.
#pragma once

#include "kernels/cpu/isa/lanes.h"
#include "kernels/cpu/norm_loops_internal.h"

namespace hop::kernels::HOP_ISA {

/// value where y is positive (or NaN), 0 elsewhere: the elementwise table's relu for value = y, else its gradient.
template <class T>
HOP_INLINE Lanes<T> where_relu_passes(Lanes<T> y, Lanes<T> value) {
  return map([](auto u, auto v) { return u <= 0 ? decltype(v){} : v; }, y, value);
}

/// Calls f(finish), where finish(value, at, n) applies the tail to a normalised value.
template <class T, class F>
HOP_INLINE void with_tail(const NormTail<T>& tail, const F& f) {
  const auto relu = [](Lanes<T> value) { return where_relu_passes(value, value); };
  const auto add = [r = tail.residual](Lanes<T> value, std::int64_t at, int n) {
    return value + load_up_to(r + at, n);
  };
  if (tail.residual == nullptr) {
    if (tail.relu) return f([=](Lanes<T> value, std::int64_t, int) { return relu(value); });
    return f([](Lanes<T> value, std::int64_t, int) { return value; });
  }
  if (tail.relu) return f([=](Lanes<T> value, std::int64_t at, int n) { return relu(add(value, at, n)); });
  f(add);
}

/// Calls f(first, again), two functions of (at, n, ..) that compute the gradient of normalised(at, n, ..) from g, the
/// gradient of the result. The first walk over the values calls `first`, which writes dresidual. Later walks call
/// `again`.
template <class T, class Normalised, class F>
HOP_INLINE void with_tail_grad(const NormTailGrad<T>& tail, const T* g, const Normalised& normalised, const F& f) {
  const auto load_g = [=](std::int64_t at, int n, auto...) { return load_up_to(g + at, n); };
  if (!tail.relu) return f(load_g, load_g);
  if (tail.y == nullptr) {
    const auto masked = [=](std::int64_t at, int n, auto... more) {
      return where_relu_passes(normalised(at, n, more...), load_g(at, n));
    };
    return f(masked, masked);
  }
  const auto first = [=, y = tail.y, dresidual = tail.dresidual](std::int64_t at, int n, auto...) {
    const Lanes<T> masked = where_relu_passes(load_up_to(y + at, n), load_g(at, n));
    store_up_to(dresidual + at, n, masked);
    return masked;
  };
  f(first, [from = tail.dresidual](std::int64_t at, int n, auto...) { return load_up_to(from + at, n); });
}

}  // namespace hop::kernels::HOP_ISA
