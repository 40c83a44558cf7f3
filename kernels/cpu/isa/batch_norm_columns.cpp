// Batch normalisation of images with channels last: sixteen channels side by side. Every channel's values meet in the
// tree of isa/norm.cpp, so the bits are those of the same image in planes.
#include "kernels/cpu/isa/batch_norm_tail.h"
#include "kernels/cpu/isa/lanes_math.h"
#include "kernels/cpu/isa/tree.h"
#include "kernels/cpu/norm_loops_internal.h"

namespace hop::kernels::HOP_ISA {
namespace {

/// Neighbouring channels: sixteen, known to the compiler, or the n < 16 behind the last sixteen.
struct Sixteen {
  std::int64_t first;
  static constexpr int n = kLaneCount;
};
struct Fewer {
  std::int64_t first;
  int n;
};

/// f(channels) for channels begin..end-1, sixteen at a time.
template <class F>
HOP_INLINE void for_each_block(std::int64_t begin, std::int64_t end, const F& f) {
  std::int64_t c = begin;
  for (; c + kLaneCount <= end; c += kLaneCount) f(Sixteen{c});
  if (c < end) f(Fewer{c, static_cast<int>(end - c)});
}

template <class T>
HOP_INLINE Lanes<T> count_of(const NormShape& z) {
  return static_cast<T>(z.batch * z.size);
}

template <class T, class Channels>
HOP_INLINE Lanes<T> parameter(const T* p, Channels c, T otherwise) {
  return p == nullptr ? Lanes<T>(otherwise) : load_up_to(p + c.first, c.n);
}

/// The tree over value(offset) of all pixels, for each of the channels.
template <class T, class Channels, class F>
HOP_INLINE Lanes<T> sums_of(const NormShape& z, Channels c, const F& value) {
  return reduce_sequences<Sum, T>(z.batch, z.size, [&](std::int64_t image) {
    return [&value, start = image * z.size * z.channels + c.first, step = z.channels](std::int64_t pixel) {
      return value(start + pixel * step);
    };
  });
}

/// The normalised values of the channels, and xhat, what they are before weight and bias.
template <class T, class Channels>
struct Normalised {
  const T* x;
  Channels c;
  Lanes<T> mean, rstd, weight, bias;

  HOP_INLINE Normalised(const NormInputs<T>& in, NormStatistics<T> given, Channels channels)
      : x(in.x),
        c(channels),
        mean(load_up_to(given.mean + c.first, c.n)),
        rstd(load_up_to(given.rstd + c.first, c.n)),
        weight(parameter(in.weight, c, T{1})),
        bias(parameter(in.bias, c, T{0})) {}
  HOP_INLINE Lanes<T> xhat(std::int64_t at) const { return (load_up_to(x + at, c.n) - mean) * rstd; }
  HOP_INLINE Lanes<T> operator()(std::int64_t at, int) const { return xhat(at) * weight + bias; }
};

/// f(offset) at every row of the channels.
template <class Channels, class F>
HOP_INLINE void for_each_row(const NormShape& z, Channels c, std::int64_t begin, std::int64_t end, const F& f) {
  for (std::int64_t row = begin; row < end; ++row) f(row * z.channels + c.first);
}

}  // namespace

template <class T>
void batch_norm_column_statistics(const NormInputs<T>& in, double eps, NormStatistics<T> out, std::int64_t begin,
                                  std::int64_t end) {
  const NormShape z = in.shape;
  const T* x = in.x;
  const Lanes<T> count = count_of<T>(z);
  for_each_block(begin, end, [&](auto c) {
    const Lanes<T> mean = sums_of<T>(z, c, [=](std::int64_t at) { return load_up_to(x + at, c.n); }) / count;
    const Lanes<T> squares = sums_of<T>(z, c, [=](std::int64_t at) {
      const Lanes<T> d = load_up_to(x + at, c.n) - mean;
      return d * d;
    });
    T var[kLaneCount];
    store(var, squares / count);
    store_up_to(out.mean + c.first, c.n, mean);
    for (int l = 0; l < c.n; ++l) out.rstd[c.first + l] = 1 / rows::sqrt(var[l] + static_cast<T>(eps));
  });
}

template <class T>
void batch_norm_rows(const NormInputs<T>& in, const NormTail<T>& tail, NormStatistics<T> given, T* y,
                     std::int64_t begin, std::int64_t end) {
  for_each_block(0, in.shape.channels, [&](auto c) {
    const Normalised<T, decltype(c)> normalised(in, given, c);
    with_tail(tail, [&](const auto& finish) {
      for_each_row(in.shape, c, begin, end,
                   [=](std::int64_t at) { store_up_to(y + at, c.n, finish(normalised(at, c.n), at, c.n)); });
    });
  });
}

template <class T>
void batch_norm_grad_columns(const NormInputs<T>& in, const T* g, const NormTailGrad<T>& tail, NormStatistics<T> given,
                             NormGradients<T> sums, std::int64_t begin, std::int64_t end) {
  const NormShape z = in.shape;
  for_each_block(begin, end, [&](auto c) {
    const Normalised<T, decltype(c)> normalised(in, given, c);
    with_tail_grad(tail, g, normalised, [&](const auto& first_g, const auto& at_g) {
      store_up_to(sums.dbias + c.first, c.n, sums_of<T>(z, c, [=](std::int64_t at) { return first_g(at, c.n); }));
      store_up_to(sums.dweight + c.first, c.n,
                  sums_of<T>(z, c, [=](std::int64_t at) { return at_g(at, c.n) * normalised.xhat(at); }));
    });
  });
}

template <class T>
void batch_norm_grad_rows(const NormInputs<T>& in, const T* g, const NormTailGrad<T>& tail, NormStatistics<T> given,
                          NormGradients<T> sums, std::int64_t begin, std::int64_t end) {
  const Lanes<T> count = static_cast<T>(in.shape.batch * in.shape.size);
  for_each_block(0, in.shape.channels, [&](auto c) {
    const Normalised<T, decltype(c)> normalised(in, given, c);
    const Lanes<T> scale = normalised.rstd * normalised.weight;
    const Lanes<T> g_mean = load_up_to(sums.dbias + c.first, c.n) / count;
    const Lanes<T> gx_mean = load_up_to(sums.dweight + c.first, c.n) / count;
    with_tail_grad(tail, g, normalised, [&](const auto&, const auto& at_g) {
      for_each_row(in.shape, c, begin, end, [=, dx = sums.dx](std::int64_t at) {
        store_up_to(dx + at, c.n, scale * (at_g(at, c.n) - g_mean - normalised.xhat(at) * gx_mean));
      });
    });
  });
}

#define HOP_NORM(T)                                                                                                \
  template void batch_norm_column_statistics(const NormInputs<T>&, double, NormStatistics<T>, std::int64_t,        \
                                             std::int64_t);                                                        \
  template void batch_norm_rows(const NormInputs<T>&, const NormTail<T>&, NormStatistics<T>, T*, std::int64_t,     \
                                std::int64_t);                                                                     \
  template void batch_norm_grad_columns(const NormInputs<T>&, const T*, const NormTailGrad<T>&, NormStatistics<T>, \
                                        NormGradients<T>, std::int64_t, std::int64_t);                             \
  template void batch_norm_grad_rows(const NormInputs<T>&, const T*, const NormTailGrad<T>&, NormStatistics<T>,    \
                                     NormGradients<T>, std::int64_t, std::int64_t);
HOP_NORM(float)
HOP_NORM(double)

}  // namespace hop::kernels::HOP_ISA
