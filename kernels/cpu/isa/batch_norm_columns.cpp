// Batch normalisation of images with channels last. Every channel's values are summed in the tree of isa/norm.cpp, so
// the bits equal those of the same image in planes. Up to 64 neighbouring channels are walked together (32 if each has
// two sums), which walks memory in its order. A walk of sixteen channels at a time used one cache line in two or four
// and took up to four times as long.
#include "kernels/cpu/isa/batch_norm_tail.h"
#include "kernels/cpu/isa/lanes_math.h"
#include "kernels/cpu/isa/tree.h"
#include "kernels/cpu/norm_loops_internal.h"

namespace hop::kernels::HOP_ISA {
namespace {

/// Neighbouring channels: `count` packs of sixteen, or the n < 16 channels behind the last pack.
template <int count>
struct Packs {
  std::int64_t first;
  static constexpr int kCount = count;
  static constexpr int n = kLaneCount;  // of each
};
struct PartOfAPack {
  std::int64_t first;
  static constexpr int kCount = 1;
  int n;
};

/// Calls f(channels) for channels begin..end-1, at most `packs` of sixteen at a time. In f64, which is not for
/// training, one pack is fast enough.
template <class T, int packs, class F>
HOP_INLINE void for_each_group(std::int64_t begin, std::int64_t end, const F& f) {
  std::int64_t c = begin;
  if constexpr (sizeof(T) == sizeof(float)) {
    if constexpr (packs >= 4)
      for (; c + 4 * kLaneCount <= end; c += 4 * kLaneCount) f(Packs<4>{c});
    for (; c + 2 * kLaneCount <= end; c += 2 * kLaneCount) f(Packs<2>{c});
  }
  for (; c + kLaneCount <= end; c += kLaneCount) f(Packs<1>{c});
  if (c < end) f(PartOfAPack{c, static_cast<int>(end - c)});
}

/// f(p, offset) for each pack of the channels.
template <class Channels, class F>
HOP_INLINE void for_each_pack(Channels, const F& f) {
#pragma GCC unroll 4
  for (int p = 0; p < Channels::kCount; ++p) f(p, std::int64_t{p * kLaneCount});
}

/// One value per channel, in packs.
template <class T, class Channels>
struct PerChannel {
  Lanes<T> pack[Channels::kCount];

  PerChannel() = default;
  HOP_INLINE PerChannel(const T* p, Channels c) {
    for_each_pack(c, [&](int i, std::int64_t offset) { pack[i] = load_up_to(p + c.first + offset, c.n); });
  }
  /// The values of an optional parameter; `other` if it is absent.
  HOP_INLINE PerChannel(const T* p, Channels c, T otherwise) {
    for_each_pack(c, [&](int i, std::int64_t offset) {
      pack[i] = p == nullptr ? Lanes<T>(otherwise) : load_up_to(p + c.first + offset, c.n);
    });
  }
  HOP_INLINE Lanes<T> operator[](int p) const { return pack[p]; }
};

template <class T>
HOP_INLINE Lanes<T> count_of(const NormShape& z) {
  return static_cast<T>(z.batch * z.size);
}

/// N trees for each of the channels over all pixels: value(at, p) are the N values of pack p, which lies at `at`. Sum i
/// of pack p becomes of[p * N + i].
template <class T, int N, class Channels, class F>
HOP_INLINE auto sums_of(const NormShape& z, Channels c, const F& value) {
  return reduce_sequences<Sum, T>(z.batch, z.size, [&](std::int64_t image) {
    return [&value, c, start = image * z.size * z.channels + c.first, step = z.channels](std::int64_t pixel) {
      Several<T, N * Channels::kCount> all;
      for_each_pack(c, [&](int p, std::int64_t offset) {
        const Several<T, N> some = value(start + pixel * step + offset, p);
#pragma GCC unroll 2
        for (int i = 0; i < N; ++i) all.of[p * N + i] = some.of[i];
      });
      return all;
    };
  });
}

/// f(at, p) for every pack of the channels in every row.
template <class Channels, class F>
HOP_INLINE void for_each_row(const NormShape& z, Channels c, std::int64_t begin, std::int64_t end, const F& f) {
  for (std::int64_t row = begin; row < end; ++row) {
    for_each_pack(c, [&](int p, std::int64_t offset) { f(row * z.channels + c.first + offset, p); });
  }
}

/// The normalised values of the channels, and xhat, their values before weight and bias.
template <class T, class Channels>
struct Normalised {
  const T* x;
  Channels c;
  PerChannel<T, Channels> mean, rstd, weight, bias;

  HOP_INLINE Normalised(const NormInputs<T>& in, NormStatistics<T> given, Channels channels)
      : x(in.x),
        c(channels),
        mean(given.mean, c),
        rstd(given.rstd, c),
        weight(in.weight, c, T{1}),
        bias(in.bias, c, T{0}) {}
  HOP_INLINE Lanes<T> xhat(std::int64_t at, int p) const { return (load_up_to(x + at, c.n) - mean[p]) * rstd[p]; }
  HOP_INLINE Lanes<T> operator()(std::int64_t at, int, int p) const { return xhat(at, p) * weight[p] + bias[p]; }
};

}  // namespace

template <class T>
void batch_norm_column_statistics(const NormInputs<T>& in, double eps, NormStatistics<T> out, std::int64_t begin,
                                  std::int64_t end) {
  const NormShape z = in.shape;
  const T* x = in.x;
  const Lanes<T> count = count_of<T>(z);
  for_each_group<T, 4>(begin, end, [&](auto c) {
    const auto values = [=](std::int64_t at) { return load_up_to(x + at, c.n); };
    const auto sums = sums_of<T, 1>(z, c, [=](std::int64_t at, int) { return Several<T, 1>(values(at)); });
    PerChannel<T, decltype(c)> mean;
    for_each_pack(c, [&](int p, std::int64_t) { mean.pack[p] = sums.of[p] / count; });
    const auto squares = sums_of<T, 1>(z, c, [=](std::int64_t at, int p) {
      const Lanes<T> d = values(at) - mean[p];
      return Several<T, 1>(d * d);
    });
    for_each_pack(c, [&](int p, std::int64_t offset) {
      T var[kLaneCount];
      store(var, squares.of[p] / count);
      store_up_to(out.mean + c.first + offset, c.n, mean[p]);
      for (int l = 0; l < c.n; ++l) {
        out.rstd[c.first + offset + l] = 1 / rows::sqrt(var[l] + static_cast<T>(eps));
        out.var[c.first + offset + l] = var[l];
      }
    });
  });
}

template <class T>
void batch_norm_rows(const NormInputs<T>& in, const NormTail<T>& tail, NormStatistics<T> given, T* y,
                     std::int64_t begin, std::int64_t end) {
  for_each_group<T, 4>(0, in.shape.channels, [&](auto c) {
    const Normalised<T, decltype(c)> normalised(in, given, c);
    with_tail(tail, [&](const auto& finish) {
      for_each_row(in.shape, c, begin, end,
                   [=](std::int64_t at, int p) { store_up_to(y + at, c.n, finish(normalised(at, c.n, p), at, c.n)); });
    });
  });
}

template <class T>
void batch_norm_grad_columns(const NormInputs<T>& in, const T* g, const NormTailGrad<T>& tail, NormStatistics<T> given,
                             NormGradients<T> sums, std::int64_t begin, std::int64_t end) {
  const NormShape z = in.shape;
  for_each_group<T, 2>(begin, end, [&](auto c) {
    const Normalised<T, decltype(c)> normalised(in, given, c);
    with_tail_grad(tail, g, normalised, [&](const auto& first_g, const auto&) {
      const auto both = sums_of<T, 2>(z, c, [=](std::int64_t at, int p) {
        const Lanes<T> slope = first_g(at, c.n, p);
        return Several<T, 2>(slope, slope * normalised.xhat(at, p));
      });
      for_each_pack(c, [&](int p, std::int64_t offset) {
        store_up_to(sums.dbias + c.first + offset, c.n, both.of[2 * p]);
        store_up_to(sums.dweight + c.first + offset, c.n, both.of[2 * p + 1]);
      });
    });
  });
}

template <class T>
void batch_norm_grad_rows(const NormInputs<T>& in, const T* g, const NormTailGrad<T>& tail, NormStatistics<T> given,
                          NormGradients<T> sums, std::int64_t begin, std::int64_t end) {
  const Lanes<T> count = count_of<T>(in.shape);
  for_each_group<T, 4>(0, in.shape.channels, [&](auto c) {
    const Normalised<T, decltype(c)> normalised(in, given, c);
    PerChannel<T, decltype(c)> scale, g_mean(sums.dbias, c), gx_mean(sums.dweight, c);
    for_each_pack(c, [&](int p, std::int64_t) {
      scale.pack[p] = normalised.rstd[p] * normalised.weight[p];
      g_mean.pack[p] = g_mean[p] / count;
      gx_mean.pack[p] = gx_mean[p] / count;
    });
    with_tail_grad(tail, g, normalised, [&](const auto&, const auto& at_g) {
      for_each_row(in.shape, c, begin, end, [=, dx = sums.dx](std::int64_t at, int p) {
        store_up_to(dx + at, c.n, scale[p] * (at_g(at, c.n, p) - g_mean[p] - normalised.xhat(at, p) * gx_mean[p]));
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
