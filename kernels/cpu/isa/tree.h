// The reduction tree. It reduces a sequence of packs of sixteen values and depends on the number of packs alone:
//
//   1. lane l of a run of 32 packs combines its values one after the other;
//   2. runs are combined pairwise, neighbours first (a binary counter: no more than log2 of them are open);
//   3. the sixteen lanes are folded: l with l + 8, l + 4, l + 2, l + 1.
//
// So the error of a sum of n values grows with log n, not n, and the bits do not depend on addresses, strides or
// threads. The sixteen lanes lie in one Lanes (a contiguous sequence) or in sixteen (a Tile: sixteen sequences side by
// side). Both combine the same values in the same order. Lanes without a value hold the identity.
#pragma once

#include <type_traits>

#include "kernels/cpu/isa/lanes.h"

namespace hop::kernels::HOP_ISA {

struct Sum {
  template <class T>
  static HOP_INLINE T identity() {
    return 0;
  }
  template <class T>
  static HOP_INLINE T combine(T a, T b) {
    return a + b;
  }
};

/// NaN wins.
struct Max {
  template <class T>
  static HOP_INLINE T identity() {
    return -std::numeric_limits<T>::infinity();
  }
  template <class T>
  static HOP_INLINE Lanes<T> combine(Lanes<T> a, Lanes<T> b) {
    return maximum(a, b);
  }
};

/// Steps 1 and 2 for one V: a Lanes or a Tile. `run` is the open run; close() is due after every kRunLength packs.
template <class Op, class V>
struct Cascade {
  static constexpr int kRunLength = 32;
  static constexpr int kLevels = 32;  // 2^32 runs are 2^41 values: more than fit into memory

  std::uint64_t runs = 0;
  V levels[kLevels];
  static_assert(sizeof(V) * kLevels <= 128 << 10, "it lies on the stack, of which an application may give little");

  [[gnu::noinline]] void close(V run) {
    int level = 0;
    for (std::uint64_t bits = runs; (bits & 1) != 0; bits >>= 1) run = Op::combine(levels[level++], run);
    levels[level] = run;
    ++runs;
  }
  /// Combines the open runs, latest first, with the last, unfinished run.
  [[gnu::noinline]] V finish(V last) const {
    int level = 0;
    for (std::uint64_t bits = runs; bits != 0; bits >>= 1, ++level) {
      if ((bits & 1) != 0) last = Op::combine(levels[level], last);
    }
    return last;
  }
};

/// Step 3.
template <class Op, class T>
HOP_INLINE T fold(Lanes<T> x) {
  x = Op::combine(x, shifted_down<8>(x));
  x = Op::combine(x, shifted_down<4>(x));
  x = Op::combine(x, shifted_down<2>(x));
  x = Op::combine(x, shifted_down<1>(x));
  return x.r[0][0];
}

/// The tree over one sequence in rows. row(r) gives a function pack(j, n): the n <= 16 elements from j on of row r; the
/// other lanes are unspecified. Every row starts a pack.
template <class Op, class T, class Row>
HOP_INLINE T reduce_sequence(std::int64_t row_count, std::int64_t length, const Row& row) {
  Cascade<Op, Lanes<T>> cascade;
  Lanes<T> run(Op::template identity<T>());
  int in_run = 0;
  for (std::int64_t r = 0; r < row_count; ++r) {
    const auto pack = row(r);
    for (std::int64_t j = 0; j < length; j += kLaneCount) {
      const std::int64_t left = length - j;
      if (left >= kLaneCount)
        run = Op::combine(run, pack(j, kLaneCount));
      else
        run = Op::combine(run,
                          first(static_cast<int>(left), pack(j, static_cast<int>(left)), Op::template identity<T>()));
      if (++in_run == cascade.kRunLength) {
        cascade.close(run);
        run = Op::template identity<T>();
        in_run = 0;
      }
    }
  }
  return fold<Op>(cascade.finish(run));
}

/// N values of each of sixteen sequences, for N trees in one walk.
template <class T, int N>
struct Several {
  Lanes<T> of[N];

  Several() = default;
  template <class... Values>
  explicit HOP_INLINE Several(Lanes<T> first, Values... more) : of{first, more...} {
    static_assert(1 + sizeof...(more) == N);
  }
  HOP_INLINE Several(T value) {
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) of[i] = value;
  }
  friend HOP_INLINE Several operator+(const Several& a, const Several& b) {
    Several y;
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) y.of[i] = a.of[i] + b.of[i];
    return y;
  }
};

/// Sixteen sequences side by side: lane[l] holds lane l of each. Values: Lanes or Several.
template <class Values>
struct Tile {
  Values lane[kLaneCount];
};

template <class Op, class Values>
struct TileOp {
  static HOP_INLINE Tile<Values> combine(const Tile<Values>& a, const Tile<Values>& b) {
    Tile<Values> y;
    for (int l = 0; l < kLaneCount; ++l) y.lane[l] = Op::combine(a.lane[l], b.lane[l]);
    return y;
  }
};

/// Step 3, for a tile.
template <class Op, class Values>
[[gnu::noinline]] Values fold(Tile<Values> x) {
  for (int width = kLaneCount / 2; width > 0; width /= 2)
    for (int l = 0; l < width; ++l) x.lane[l] = Op::combine(x.lane[l], x.lane[l + width]);
  return x.lane[0];
}

/// Calls f(l) for the first n lanes of a tile. A tile of Lanes stays in registers if all its indices are constants. A
/// tile of Several lies in memory in any case.
template <class Values, class F>
HOP_INLINE void for_each_lane(std::int64_t n, const F& f) {
  if constexpr (std::is_same_v<Values, Lanes<float>> || std::is_same_v<Values, Lanes<double>>) {
#pragma GCC unroll 16
    for (int l = 0; l < kLaneCount; ++l) {
      if (l < n) f(l);
    }
  } else {
    for (int l = 0; l < kLaneCount && l < n; ++l) f(l);
  }
}

/// The same tree over sixteen sequences at once: row(r) gives a function values(j), which is element j of row r of each
/// sequence.
template <class Op, class T, class Row>
HOP_INLINE auto reduce_sequences(std::int64_t row_count, std::int64_t length, const Row& row) {
  using Values = decltype(row(0)(0));
  Cascade<TileOp<Op, Values>, Tile<Values>> cascade;
  Tile<Values> run;
  const auto clear = [&] {
    for_each_lane<Values>(kLaneCount, [&](int l) { run.lane[l] = Op::template identity<T>(); });
  };
  clear();
  int in_run = 0;
  for (std::int64_t r = 0; r < row_count; ++r) {
    const auto values = row(r);
    for (std::int64_t j = 0; j < length; j += kLaneCount) {
      for_each_lane<Values>(length - j, [&](int l) { run.lane[l] = Op::combine(run.lane[l], values(j + l)); });
      if (++in_run == cascade.kRunLength) {
        cascade.close(run);
        clear();
        in_run = 0;
      }
    }
  }
  return fold<Op>(cascade.finish(run));
}

}  // namespace hop::kernels::HOP_ISA
