// Normalisation: mean, then variance around it (two passes, so that a large mean costs no digits), then the values.
// With xhat = (x - mean) * rstd and n values: dx = rstd * (h - mean(h) - xhat * mean(h * xhat)), h = g * weight.
#include "kernels/cpu/norm_loops_internal.h"

#include "kernels/cpu/isa/batch_norm_tail.h"
#include "kernels/cpu/isa/lanes_math.h"
#include "kernels/cpu/isa/tree.h"

namespace hop::kernels::HOP_ISA {
namespace {

/// Runs of a sequence that lie `step` apart: the rows of one channel, or a single row.
struct Runs {
  std::int64_t count, length, step;
};

/// The tree over f(offset, n), the packs of the runs that start at `first`.
template <class T, class F>
HOP_INLINE T sum_of(Runs runs, std::int64_t first, const F& f) {
  return reduce_sequence<Sum, T>(runs.count, runs.length, [&](std::int64_t r) {
    return [&f, start = first + r * runs.step](std::int64_t j, int n) { return f(start + j, n); };
  });
}

/// Writes y = f(offset, n) over the runs.
template <class T, class F>
HOP_INLINE void fill(Runs runs, std::int64_t first, T* y, const F& f) {
  for (std::int64_t r = 0; r < runs.count; ++r) {
    const std::int64_t start = first + r * runs.step;
    for (std::int64_t j = 0; j < runs.length; j += kLaneCount) {
      const std::int64_t left = runs.length - j;
      const int n = left < kLaneCount ? static_cast<int>(left) : kLaneCount;
      store_up_to(y + start + j, n, f(start + j, n));
    }
  }
}

/// Mean, 1 / standard deviation and variance of the runs.
template <class T>
struct Moments {
  Lanes<T> mean, rstd;
  T var = 0;
};
template <class T>
Moments<T> moments_of(Runs runs, std::int64_t first, const T* x, double eps) {
  const T count = static_cast<T>(runs.count * runs.length);
  const Lanes<T> mean = sum_of<T>(runs, first, [x](std::int64_t at, int n) { return load_up_to(x + at, n); }) / count;
  const T var = sum_of<T>(runs, first,
                          [x, mean](std::int64_t at, int n) {
                            const Lanes<T> d = load_up_to(x + at, n) - mean;
                            return d * d;
                          }) /
                count;
  return {mean, 1 / rows::sqrt(var + static_cast<T>(eps)), var};
}

/// weight or bias at a position, or its default if it is absent.
template <class T>
HOP_INLINE Lanes<T> parameter(const T* p, std::int64_t at, int n, T otherwise) {
  return p == nullptr ? Lanes<T>(otherwise) : load_up_to(p + at, n);
}

template <class T>
Runs row_of(const NormInputs<T>& in) {
  return {1, in.shape.size, in.shape.size};
}
template <class T>
Runs channel_of(const NormInputs<T>& in) {
  return {in.shape.batch, in.shape.size, in.shape.channels * in.shape.size};
}

/// weight and bias of a channel.
template <class T>
struct Scale {
  Lanes<T> weight, bias;
};
template <class T>
HOP_INLINE Scale<T> scale_of(const NormInputs<T>& in, std::int64_t c) {
  return {in.weight == nullptr ? T{1} : in.weight[c], in.bias == nullptr ? T{0} : in.bias[c]};
}

/// y of one channel, for training and evaluation alike.
template <class T>
void normalize_channel(const NormInputs<T>& in, std::int64_t c, Moments<T> m, const NormTail<T>& tail, T* y) {
  const Scale<T> scale = scale_of(in, c);
  with_tail(tail, [&](const auto& finish) {
    fill(channel_of(in), c * in.shape.size, y, [&](std::int64_t at, int n) {
      return finish((load_up_to(in.x + at, n) - m.mean) * m.rstd * scale.weight + scale.bias, at, n);
    });
  });
}

}  // namespace

template <class T>
void layer_norm_rows(const NormInputs<T>& in, double eps, NormStatistics<T> out, T* y, std::int64_t begin,
                     std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t row = i * in.shape.size;
    const Moments<T> m = moments_of(row_of(in), row, in.x, eps);
    fill(row_of(in), row, y, [&](std::int64_t at, int n) {
      return (load_up_to(in.x + at, n) - m.mean) * m.rstd * parameter(in.weight, at - row, n, T{1}) +
             parameter(in.bias, at - row, n, T{0});
    });
    out.mean[i] = m.mean.r[0][0];
    out.rstd[i] = m.rstd.r[0][0];
  }
}

template <class T>
void layer_norm_grad_rows(const NormInputs<T>& in, const T* g, NormStatistics<T> given, T* dx, std::int64_t begin,
                          std::int64_t end) {
  const T count = static_cast<T>(in.shape.size);
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t row = i * in.shape.size;
    const Lanes<T> mean = given.mean[i];
    const Lanes<T> rstd = given.rstd[i];
    const auto h = [&](std::int64_t at, int n) {
      return load_up_to(g + at, n) * parameter(in.weight, at - row, n, T{1});
    };
    const auto xhat = [&](std::int64_t at, int n) { return (load_up_to(in.x + at, n) - mean) * rstd; };
    const Lanes<T> h_mean = sum_of<T>(row_of(in), row, h) / count;
    const Lanes<T> hx_mean =
        sum_of<T>(row_of(in), row, [&](std::int64_t at, int n) { return h(at, n) * xhat(at, n); }) / count;
    fill(row_of(in), row, dx,
         [&](std::int64_t at, int n) { return rstd * (h(at, n) - h_mean - xhat(at, n) * hx_mean); });
  }
}

template <class T>
void layer_norm_grad_columns(const NormInputs<T>& in, const T* g, NormStatistics<T> given, NormGradients<T> out,
                             std::int64_t begin, std::int64_t end) {
  const std::int64_t size = in.shape.size;
  for (std::int64_t block = begin; block < end; ++block) {
    const std::int64_t column = block * kLaneCount;
    const int n = size - column < kLaneCount ? static_cast<int>(size - column) : kLaneCount;
    const auto sum = [&](const auto& value) {
      return reduce_sequences<Sum, T>(1, in.shape.batch, [&](std::int64_t) { return value; });
    };
    store(out.dbias + column, n, sum([&](std::int64_t i) { return load_up_to(g + i * size + column, n); }));
    store(out.dweight + column, n, sum([&](std::int64_t i) {
            const std::int64_t at = i * size + column;
            return load_up_to(g + at, n) *
                   ((load_up_to(in.x + at, n) - Lanes<T>(given.mean[i])) * Lanes<T>(given.rstd[i]));
          }));
  }
}

template <class T>
void batch_norm_channels(const NormInputs<T>& in, double eps, const NormTail<T>& tail, NormStatistics<T> out, T* y,
                         std::int64_t begin, std::int64_t end) {
  for (std::int64_t c = begin; c < end; ++c) {
    const Moments<T> m = moments_of(channel_of(in), c * in.shape.size, in.x, eps);
    normalize_channel(in, c, m, tail, y);
    out.mean[c] = m.mean.r[0][0];
    out.rstd[c] = m.rstd.r[0][0];
    out.var[c] = m.var;
  }
}

template <class T>
void batch_norm_apply_channels(const NormInputs<T>& in, NormStatistics<T> given, T* y, std::int64_t begin,
                               std::int64_t end) {
  for (std::int64_t c = begin; c < end; ++c) normalize_channel(in, c, {given.mean[c], given.rstd[c]}, {}, y);
}

template <class T>
void batch_norm_grad_channels(const NormInputs<T>& in, const T* g, const NormTailGrad<T>& tail, NormStatistics<T> given,
                              NormGradients<T> out, std::int64_t begin, std::int64_t end) {
  const Runs runs = channel_of(in);
  const T count = static_cast<T>(in.shape.batch * in.shape.size);
  for (std::int64_t c = begin; c < end; ++c) {
    const std::int64_t from = c * in.shape.size;
    const Scale<T> scale = scale_of(in, c);
    const Lanes<T> mean = given.mean[c], rstd = given.rstd[c];
    const auto xhat = [&](std::int64_t at, int n) { return (load_up_to(in.x + at, n) - mean) * rstd; };
    const auto normalised = [&](std::int64_t at, int n) { return xhat(at, n) * scale.weight + scale.bias; };
    with_tail_grad(tail, g, normalised, [&](const auto& first_g, const auto& at_g) {
      const T g_sum = sum_of<T>(runs, from, first_g);
      const T gx_sum = sum_of<T>(runs, from, [&](std::int64_t at, int n) { return at_g(at, n) * xhat(at, n); });
      const Lanes<T> factor = rstd * scale.weight, g_mean = g_sum / count, gx_mean = gx_sum / count;
      fill(runs, from, out.dx,
           [&](std::int64_t at, int n) { return factor * (at_g(at, n) - g_mean - xhat(at, n) * gx_mean); });
      if (out.dweight != nullptr) out.dweight[c] = gx_sum;
      if (out.dbias != nullptr) out.dbias[c] = g_sum;
    });
  }
}

#define HOP_NORM(T)                                                                                                 \
  template void layer_norm_rows(const NormInputs<T>&, double, NormStatistics<T>, T*, std::int64_t, std::int64_t);   \
  template void layer_norm_grad_rows(const NormInputs<T>&, const T*, NormStatistics<T>, T*, std::int64_t,           \
                                     std::int64_t);                                                                 \
  template void layer_norm_grad_columns(const NormInputs<T>&, const T*, NormStatistics<T>, NormGradients<T>,        \
                                        std::int64_t, std::int64_t);                                                \
  template void batch_norm_channels(const NormInputs<T>&, double, const NormTail<T>&, NormStatistics<T>, T*,        \
                                    std::int64_t, std::int64_t);                                                    \
  template void batch_norm_apply_channels(const NormInputs<T>&, NormStatistics<T>, T*, std::int64_t, std::int64_t); \
  template void batch_norm_grad_channels(const NormInputs<T>&, const T*, const NormTailGrad<T>&, NormStatistics<T>, \
                                         NormGradients<T>, std::int64_t, std::int64_t);
HOP_NORM(float)
HOP_NORM(double)

}  // namespace hop::kernels::HOP_ISA
