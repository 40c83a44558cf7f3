// A shuffle of two vector registers whose pattern is known at compile time: the form that both g++ and clang compile.
#pragma once

#include <utility>

#include "kernels/cpu/isa/intrinsics.h"
#include "kernels/elementwise_vocabulary.h"

namespace hop::kernels::HOP_ISA {
namespace detail {

template <class Vector, class Index, int... lane>
HOP_INLINE Vector shuffled(Vector a, Vector b, Index, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(a, b, Index{}(lane)...);
}

}  // namespace detail

/// Lane l gets lane index(l) of a and b in a row: a has lanes 0 .. n - 1, b has lanes n .. 2 n - 1. `index` is a lambda
/// without captures.
template <class Vector, class Index>
HOP_INLINE Vector shuffled(Vector a, Vector b, Index index) {
  constexpr int kLanesOfVector = static_cast<int>(sizeof(Vector) / sizeof(a[0]));
  return detail::shuffled(a, b, index, std::make_integer_sequence<int, kLanesOfVector>{});
}

}  // namespace hop::kernels::HOP_ISA
