// Pooling by rows of outputs, sixteen at a time. For every tap (r, s) of the window, the sixteen values x[h][q *
// column_step + s - padding] take one load, or two loads and a shuffle if the step is 2.
#include "kernels/cpu/pool_loops_internal.h"

#include "kernels/cpu/isa/pool_best.h"

namespace hop::kernels::HOP_ISA {
namespace {

/// p[0], p[2], .., p[30]; p[31] is read too.
template <class T>
HOP_INLINE Lanes<T> load_even(const T* p) {
  constexpr int kRegisters = Lanes<T>::kRegisters;
  constexpr auto kEven = [](int lane) { return 2 * lane; };
  const Lanes<T> parts[2] = {load(p), load(p + kLaneCount)};
  Lanes<T> y;
#pragma GCC unroll 16
  for (int i = 0; i < kRegisters; ++i) {  // register i comes from registers 2 i and 2 i + 1 of both parts
    const int next = 2 * i + 1;
    y.r[i] =
        shuffled(parts[2 * i / kRegisters].r[2 * i % kRegisters], parts[next / kRegisters].r[next % kRegisters], kEven);
  }
  return y;
}

/// n <= 16 neighbouring outputs of one row of a plane, from (p, q) on.
struct Block {
  std::int64_t plane, p, q;
  int n;
};

/// The values of one tap for a block: the elements at `column`, `column` + step, .. of a row of the plane.
struct Tap {
  std::int64_t row;     ///< where the row starts in the plane
  std::int64_t column;  ///< of the block's first output; may lie in the padding
  std::int64_t s;       ///< the tap's column in the window
};

/// Calls f(tap) for every tap of the block's windows, in order; rows of padding are left out. With kDilated the taps
/// lie as far apart as the shape says.
template <bool kDilated = false, class F>
HOP_INLINE void for_each_tap(const PoolShape& z, const Block& b, const F& f) {
  const std::int64_t left = b.q * z.column_step - z.column_padding;
  for (std::int64_t r = 0; r < z.r; ++r) {
    const std::int64_t h = b.p * z.row_step + (kDilated ? r * z.row_dilation : r) - z.row_padding;
    if (h < 0 || h >= z.h) continue;
    for (std::int64_t s = 0; s < z.s; ++s) f(Tap{h * z.w, left + (kDilated ? s * z.column_dilation : s), s});
  }
}

/// Whether none of the block's outputs meets the padding.
HOP_INLINE bool inside(const PoolShape& z, const Block& b, const Tap& tap) {
  return tap.column >= 0 && tap.column + (b.n - 1) * z.column_step < z.w;
}

/// The values of a tap for the block's outputs, one by one, with `padding` outside the image. (Not inlined: its sixteen
/// columns would take the registers that load_tap needs.)
template <class T>
[[gnu::noinline]] Lanes<T> gather_tap(const PoolShape& z, const T* plane, const Block& b, const Tap& tap, T padding) {
  T values[kLaneCount];
  for (int i = 0; i < kLaneCount; ++i) {
    const std::int64_t column = i < b.n ? tap.column + i * z.column_step : -1;  // a huge step may overflow behind n
    values[i] = column >= 0 && column < z.w ? plane[tap.row + column] : padding;
  }
  return load(values);
}

/// The values of a tap, sixteen at a time if they lie in the image. Lanes behind n are unspecified.
template <int kStep, class T>
HOP_INLINE Lanes<T> load_tap(const PoolShape& z, const T* image, const Block& b, const Tap& tap, T padding) {
  const T* plane = image + b.plane * z.h * z.w;
  const T* from = plane + tap.row + tap.column;
  const bool readable = from + kLaneCount * kStep <= image + z.planes * z.h * z.w;
  if (kStep == 0 || !readable || !inside(z, b, tap)) return gather_tap(z, plane, b, tap, padding);
  return kStep == 1 ? load(from) : load_even(from);
}

/// f(block) for all outputs of planes begin..end-1.
template <class F>
HOP_INLINE void for_each_block(const PoolShape& z, std::int64_t begin, std::int64_t end, const F& f) {
  for (std::int64_t plane = begin; plane < end; ++plane) {
    for (std::int64_t p = 0; p < z.p; ++p) {
      for (std::int64_t q = 0; q < z.q; q += kLaneCount) {
        f(Block{plane, p, q, z.q - q < kLaneCount ? static_cast<int>(z.q - q) : kLaneCount});
      }
    }
  }
}

template <class T>
HOP_INLINE void add_to(double (&total)[kLaneCount], const Lanes<T>& sum) {
  T values[kLaneCount];
  store(values, sum);
  for (int i = 0; i < kLaneCount; ++i) total[i] += static_cast<double>(values[i]);
}

/// What the sums of a block are divided by where windows differ. (Not inlined, as above.)
template <class T>
[[gnu::noinline]] Lanes<T> divisors(const PoolShape& z, const Block& b) {
  const std::int64_t rows = counted_rows(z, b.p);
  T values[kLaneCount];
  for (int i = 0; i < kLaneCount; ++i) values[i] = i < b.n ? static_cast<T>(rows * counted_columns(z, b.q + i)) : T{1};
  return load(values);
}

/// Where the maxima of a block start: at the first value of each window, so that a window of -infinity names it.
template <class T>
[[gnu::noinline]] Best<T> dilated_start(const PoolShape& z, const Block& b) {
  Place<T> columns[kLaneCount] = {};
  for (int i = 0; i < b.n; ++i) {
    const std::int64_t begin = (b.q + i) * z.column_step - z.column_padding;
    columns[i] = static_cast<Place<T>>(first_inside(begin, z.column_dilation));
  }
  return Best<T>(first_inside(b.p * z.row_step - z.row_padding, z.row_dilation) * z.w, columns);
}

/// The offset of a block's first output.
HOP_INLINE std::int64_t output_of(const PoolShape& z, const Block& b) { return (b.plane * z.p + b.p) * z.q + b.q; }
/// f(step): the common steps as constants; 0 stands for any other.
template <class F>
HOP_INLINE void with_step(std::int64_t step, const F& f) {
  if (step == 1) return f(std::integral_constant<int, 1>{});
  if (step == 2) return f(std::integral_constant<int, 2>{});
  f(std::integral_constant<int, 0>{});
}

}  // namespace

template <class T>
void max_pool_planes(const PoolShape& shape, const T* x, T* y, std::int64_t* indices, std::int64_t begin,
                     std::int64_t end) {
  const PoolShape z = shape;  // a local copy stays in registers, because no store can alias it
  if (z.row_dilation != 1 || z.column_dilation != 1) {
    return for_each_block(z, begin, end, [&](const Block& b) {
      Best<T> best = dilated_start<T>(z, b);
      for_each_tap<true>(z, b, [&](const Tap& tap) {
        const T padding = -std::numeric_limits<T>::infinity();
        const Lanes<T> values = gather_tap(z, x + b.plane * z.h * z.w, b, tap, padding);
        best.meet(values, tap.row + tap.column, z.column_step);
      });
      store_up_to(y + output_of(z, b), b.n, best.value);
      best.store_places(indices + output_of(z, b), b.n);
    });
  }
  with_step(z.column_step, [&](auto step) {
    for_each_block(z, begin, end, [&](const Block& b) {
      const std::int64_t top = b.p * z.row_step - z.row_padding;
      Best<T> best((top < 0 ? 0 : top) * z.w, b.q * z.column_step - z.column_padding, z.column_step);
      for_each_tap(z, b, [&](const Tap& tap) {
        const T padding = -std::numeric_limits<T>::infinity();
        best.meet(load_tap<step.value>(z, x, b, tap, padding), tap.row + tap.column, z.column_step);
      });
      store_up_to(y + output_of(z, b), b.n, best.value);
      best.store_places(indices + output_of(z, b), b.n);
    });
  });
}

template <class T>
void avg_pool_planes(const PoolShape& shape, const T* x, T* y, std::int64_t begin, std::int64_t end) {
  const PoolShape z = shape;
  const Lanes<T> count = static_cast<T>(z.divisor);
  const bool is_long = z.r * z.s > kShortSum, is_constant = z.divisor != 0;
  with_step(z.column_step, [&](auto step) {
    for_each_block(z, begin, end, [&](const Block& b) {
      Lanes<T> sum = T{0};
      double total[kLaneCount] = {};
      for_each_tap(z, b, [&](const Tap& tap) {
        if (is_long && tap.s % kShortSum == 0) {
          add_to(total, sum);
          sum = T{0};
        }
        sum = sum + load_tap<step.value>(z, x, b, tap, T{0});
      });
      if (!is_long) return store_up_to(y + output_of(z, b), b.n, sum / (is_constant ? count : divisors<T>(z, b)));
      add_to(total, sum);
      const std::int64_t rows = is_constant ? 0 : counted_rows(z, b.p);
      for (int i = 0; i < b.n; ++i) {
        const std::int64_t values = is_constant ? z.divisor : rows * counted_columns(z, b.q + i);
        y[output_of(z, b) + i] = static_cast<T>(total[i] / static_cast<double>(values));
      }
    });
  });
}

template <class T>
void avg_pool_grad_planes(const PoolShape& shape, const T* g, T* dx, std::int64_t begin, std::int64_t end) {
  const PoolShape z = shape;
  const Lanes<T> count = static_cast<T>(z.divisor);
  for (std::int64_t i = begin * z.h * z.w; i < end * z.h * z.w; ++i) dx[i] = 0;
  with_step(z.column_step, [&](auto constant) {
    const std::int64_t step = constant.value == 0 ? z.column_step : constant.value;
    for_each_block(z, begin, end, [&](const Block& b) {
      T share[kLaneCount];
      store(share, load_up_to(g + output_of(z, b), b.n) / (z.divisor != 0 ? count : divisors<T>(z, b)));
      for_each_tap(z, b, [&](const Tap& tap) {
        T* row = dx + b.plane * z.h * z.w + tap.row;
        const bool whole = inside(z, b, tap);
        for (int i = 0; i < b.n; ++i) {
          const std::int64_t column = tap.column + i * step;
          if (whole || (column >= 0 && column < z.w)) row[column] += share[i];
        }
      });
    });
  });
}

#define HOP_POOL(T)                                                                                         \
  template void max_pool_planes(const PoolShape&, const T*, T*, std::int64_t*, std::int64_t, std::int64_t); \
  template void avg_pool_planes(const PoolShape&, const T*, T*, std::int64_t, std::int64_t);                \
  template void avg_pool_grad_planes(const PoolShape&, const T*, T*, std::int64_t, std::int64_t);
HOP_POOL(float)
HOP_POOL(double)

}  // namespace hop::kernels::HOP_ISA
