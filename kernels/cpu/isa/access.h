// Loads and stores the lanes of V, a pack of floats or one double, at an address, so that one loop serves both dtypes.
// A count limits the lanes. Only for sources under kernels/cpu/isa/ (see isa_internal.h).
#pragma once

#include "kernels/cpu/isa/pack.h"

namespace hop::kernels::HOP_ISA {

template <class V>
struct Access;
template <>
struct Access<rows::Pack> {
  static constexpr std::int64_t kCount = rows::kLanes;
  template <class... Count>
  static HOP_INLINE rows::Pack load(const float* p, Count... count) {
    return rows::Pack::load(p, count...);
  }
  template <class... Count>
  static HOP_INLINE void store(rows::Pack x, float* p, Count... count) {
    x.store(p, count...);
  }
};
template <>
struct Access<double> {
  static constexpr std::int64_t kCount = 1;
  template <class... Count>
  static HOP_INLINE double load(const double* p, Count...) {
    return *p;
  }
  template <class... Count>
  static HOP_INLINE void store(double x, double* p, Count...) {
    *p = x;
  }
};

/// Calls f(i) for each whole vector of 0..n-1, and f(i, rest) for the last, partial vector.
template <class V, class F>
HOP_INLINE void for_each_vector(std::int64_t n, const F& f) {
  std::int64_t i = 0;
  for (; i + Access<V>::kCount <= n; i += Access<V>::kCount) f(i);
  if (i < n) f(i, n - i);
}

}  // namespace hop::kernels::HOP_ISA
