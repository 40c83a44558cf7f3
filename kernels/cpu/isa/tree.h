// The reduction tree. What is reduced is a sequence of packs of sixteen values; the tree depends on the number of packs
// alone:
//
//   1. lane l of a run of 32 packs combines its values one after the other;
//   2. runs are combined pairwise, neighbours first (a binary counter: no more than log2 of them are open);
//   3. the sixteen lanes are folded: l with l + 8, l + 4, l + 2, l + 1.
//
// So the error of a sum of n grows with log n, not n, and the bits know neither addresses nor strides nor threads. The
// sixteen lanes may lie in one Lanes (the sequence is contiguous) or in sixteen (a Tile: sixteen sequences side by
// side); both combine the same values in the same order. Lanes that no value reaches hold the identity.
#pragma once

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
  static constexpr int kLevels = 48;  // runs beyond 2^48 do not fit into memory

  std::uint64_t runs = 0;
  V levels[kLevels];

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

/// The tree over one sequence in rows. row(r) gives a function pack(j, n): the n <= 16 elements from j on of row r, and
/// anything in the other lanes. Every row starts a pack.
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

/// Sixteen sequences side by side: lane[l] holds lane l of each.
template <class T>
struct Tile {
  Lanes<T> lane[kLaneCount];
};

template <class Op, class T>
struct TileOp {
  static HOP_INLINE Tile<T> combine(const Tile<T>& a, const Tile<T>& b) {
    Tile<T> y;
    for (int l = 0; l < kLaneCount; ++l) y.lane[l] = Op::combine(a.lane[l], b.lane[l]);
    return y;
  }
};

/// The same tree over sixteen sequences at once: row(r) gives a function values(j), element j of row r of each of them.
template <class Op, class T, class Row>
HOP_INLINE Lanes<T> reduce_sequences(std::int64_t row_count, std::int64_t length, const Row& row) {
  Cascade<TileOp<Op, T>, Tile<T>> cascade;
  Tile<T> run;
  const auto clear = [&] {
#pragma GCC unroll 16
    for (int l = 0; l < kLaneCount; ++l) run.lane[l] = Op::template identity<T>();
  };
  clear();
  int in_run = 0;
  for (std::int64_t r = 0; r < row_count; ++r) {
    const auto values = row(r);
    for (std::int64_t j = 0; j < length; j += kLaneCount) {
      const std::int64_t left = length - j;
#pragma GCC unroll 16
      for (int l = 0; l < kLaneCount; ++l) {  // constant indices keep the tile in registers
        if (l < left) run.lane[l] = Op::combine(run.lane[l], values(j + l));
      }
      if (++in_run == cascade.kRunLength) {
        cascade.close(run);
        clear();
        in_run = 0;
      }
    }
  }
  run = cascade.finish(run);
#pragma GCC unroll 4
  for (int width = kLaneCount / 2; width > 0; width /= 2) {
#pragma GCC unroll 8
    for (int l = 0; l < width; ++l) run.lane[l] = Op::combine(run.lane[l], run.lane[l + width]);
  }
  return run.lane[0];
}

}  // namespace hop::kernels::HOP_ISA
