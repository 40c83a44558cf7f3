// Pooling of images with channels last: sixteen channels of one output at a time. Every tap (r, s) of the window is one
// load.
#include "kernels/cpu/isa/pool_best.h"
#include "kernels/cpu/pool_loops_internal.h"

namespace hop::kernels::HOP_ISA {
namespace {

/// The taps of one output's window that lie in the image.
struct Window {
  std::int64_t top, bottom, left, right;  ///< in rows top..bottom-1, columns left..right-1
  std::int64_t p, q;                      ///< the output

  HOP_INLINE Window(const PoolShape& z, std::int64_t row, std::int64_t column) : p(row), q(column) {
    top = p * z.row_step - z.row_padding;
    left = q * z.column_step - z.column_padding;
    bottom = top + (z.r - 1) * z.row_dilation + 1;
    right = left + (z.s - 1) * z.column_dilation + 1;
    bottom = bottom < z.h ? bottom : z.h;
    right = right < z.w ? right : z.w;
    top = first_inside(top, z.row_dilation);
    left = first_inside(left, z.column_dilation);
  }
  /// f(place in the plane) for every tap, in order.
  template <class F>
  HOP_INLINE void for_each_tap(const PoolShape& z, const F& f) const {
    for (std::int64_t h = top; h < bottom; h += z.row_dilation) {
      for (std::int64_t w = left; w < right; w += z.column_dilation) f(h * z.w + w);
    }
  }
};

/// f(first channel, n <= 16) over the channels; n is a constant where it is 16.
template <class F>
HOP_INLINE void for_each_block(std::int64_t channels, const F& f) {
  std::int64_t c = 0;
  for (; c + kLaneCount <= channels; c += kLaneCount) f(c, std::integral_constant<int, kLaneCount>{});
  if (c < channels) f(c, static_cast<int>(channels - c));
}

/// What the sum of output (p, q) is divided by.
HOP_INLINE std::int64_t divisor_of(const PoolShape& z, std::int64_t p, std::int64_t q) {
  return z.divisor != 0 ? z.divisor : counted_rows(z, p) * counted_columns(z, q);
}

/// f(window, offset of its image, offset of its output) over output rows begin..end-1 of all images.
template <class F>
HOP_INLINE void for_each_output(const PoolShape& z, std::int64_t channels, std::int64_t begin, std::int64_t end,
                                const F& f) {
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t image = row / z.p;
    for (std::int64_t q = 0; q < z.q; ++q) {
      f(Window(z, row - image * z.p, q), image * z.h * z.w * channels, (row * z.q + q) * channels);
    }
  }
}

/// Places begin..end-1 of an image, with the channels innermost.
template <class T>
HOP_INLINE void clear(T* image, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) image[i] = 0;
}

}  // namespace

template <class T>
void max_pool_columns(const PoolShape& shape, std::int64_t channels, const T* x, T* y, std::int64_t* indices,
                      std::int64_t begin, std::int64_t end) {
  const PoolShape z = shape;
  for_each_output(z, channels, begin, end, [&](const Window& window, std::int64_t image, std::int64_t output) {
    for_each_block(channels, [&](std::int64_t c, auto n) {
      Best<T> best(window.top * z.w + window.left);
      window.for_each_tap(
          z, [&](std::int64_t place) { best.meet(load_up_to(x + image + place * channels + c, n), place, 0); });
      store_up_to(y + output + c, n, best.value);
      best.store_places(indices + output + c, n);
    });
  });
}

template <class T>
void avg_pool_columns(const PoolShape& shape, std::int64_t channels, const T* x, T* y, std::int64_t begin,
                      std::int64_t end) {
  const PoolShape z = shape;
  for_each_output(z, channels, begin, end, [&](const Window& window, std::int64_t image, std::int64_t output) {
    const Lanes<T> count = static_cast<T>(divisor_of(z, window.p, window.q));
    for_each_block(channels, [&](std::int64_t c, auto n) {
      Lanes<T> sum = T{0};
      window.for_each_tap(z, [&](std::int64_t place) { sum = sum + load_up_to(x + image + place * channels + c, n); });
      store_up_to(y + output + c, n, sum / count);
    });
  });
}

template <class T>
void avg_pool_grad_columns(const PoolShape& shape, std::int64_t channels, const T* g, T* dx, std::int64_t begin,
                           std::int64_t end) {
  const PoolShape z = shape;
  const std::int64_t size = z.h * z.w * channels;
  clear(dx + begin * size, (end - begin) * size);
  for_each_output(z, channels, begin * z.p, end * z.p,
                  [&](const Window& window, std::int64_t image, std::int64_t output) {
                    const Lanes<T> count = static_cast<T>(divisor_of(z, window.p, window.q));
                    for_each_block(channels, [&](std::int64_t c, auto n) {
                      const Lanes<T> share = load_up_to(g + output + c, n) / count;
                      window.for_each_tap(z, [&](std::int64_t place) {
                        T* to = dx + image + place * channels + c;
                        store_up_to(to, n, load_up_to(to, n) + share);
                      });
                    });
                  });
}

#define HOP_POOL(T)                                                                                         \
  template void max_pool_columns(const PoolShape&, std::int64_t, const T*, T*, std::int64_t*, std::int64_t, \
                                 std::int64_t);                                                             \
  template void avg_pool_columns(const PoolShape&, std::int64_t, const T*, T*, std::int64_t, std::int64_t); \
  template void avg_pool_grad_columns(const PoolShape&, std::int64_t, const T*, T*, std::int64_t, std::int64_t);
HOP_POOL(float)
HOP_POOL(double)

}  // namespace hop::kernels::HOP_ISA
