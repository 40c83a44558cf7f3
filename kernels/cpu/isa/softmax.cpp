// Softmax row by row: the maximum, then exp and sum in one pass, then the quotient. Sums take the tree of tree.h.
#include "kernels/cpu/softmax_loops_internal.h"

#include "kernels/cpu/isa/lanes_math.h"
#include "kernels/cpu/isa/tree.h"

namespace hop::kernels::HOP_ISA {
namespace {

/// The tree over a row: pack(j, n) gives the n <= 16 values from j on; further lanes are unspecified.
template <class Op, class T, class Pack>
HOP_INLINE T reduce_row(std::int64_t length, const Pack& pack) {
  return reduce_sequence<Op, T>(1, length, [&](std::int64_t) -> const Pack& { return pack; });
}

/// y_j = f(j, n) for the packs of a row.
template <class T, class F>
HOP_INLINE void fill_row(std::int64_t length, T* y, const F& f) {
  std::int64_t j = 0;
  for (; j + kLaneCount <= length; j += kLaneCount) store(y + j, f(j, kLaneCount));
  if (j < length) store(y + j, static_cast<int>(length - j), f(j, static_cast<int>(length - j)));
}

template <class T>
T maximum_of(const T* x, std::int64_t length) {
  return reduce_row<Max, T>(length, [&](std::int64_t j, int n) { return load_up_to(x + j, n); });
}

}  // namespace

template <class T>
void softmax_rows(Rows rows, const T* x, T* y) {
  for (std::int64_t i = rows.begin; i < rows.end; ++i) {
    const T* from = x + i * rows.length;
    T* to = y + i * rows.length;
    const Lanes<T> max = maximum_of(from, rows.length);
    const Lanes<T> sum = reduce_row<Sum, T>(rows.length, [&](std::int64_t j, int n) {
      const Lanes<T> e = exp(load_up_to(from + j, n) - max);
      store_up_to(to + j, n, e);
      return e;
    });
    fill_row(rows.length, to, [&](std::int64_t j, int n) { return load_up_to(to + j, n) / sum; });
  }
}

template <class T>
void softmax_grad_rows(Rows rows, const T* g, const T* y, T* dx) {
  for (std::int64_t i = rows.begin; i < rows.end; ++i) {
    const std::int64_t row = i * rows.length;
    const auto at = [row](const T* p, std::int64_t j, int n) { return load_up_to(p + row + j, n); };
    const Lanes<T> dot =
        reduce_row<Sum, T>(rows.length, [&](std::int64_t j, int n) { return at(g, j, n) * at(y, j, n); });
    fill_row(rows.length, dx + row, [&](std::int64_t j, int n) { return at(y, j, n) * (at(g, j, n) - dot); });
  }
}

template <class T>
void log_softmax_rows(Rows rows, const T* x, T* y) {
  for (std::int64_t i = rows.begin; i < rows.end; ++i) {
    const T* from = x + i * rows.length;
    const Lanes<T> max = maximum_of(from, rows.length);
    const T sum =
        reduce_row<Sum, T>(rows.length, [&](std::int64_t j, int n) { return exp(load_up_to(from + j, n) - max); });
    const Lanes<T> log_sum = log_of(sum);
    fill_row(rows.length, y + i * rows.length,
             [&](std::int64_t j, int n) { return load_up_to(from + j, n) - max - log_sum; });
  }
}

template <class T>
void log_softmax_grad_rows(Rows rows, const T* g, const T* y, T* dx) {
  for (std::int64_t i = rows.begin; i < rows.end; ++i) {
    const std::int64_t row = i * rows.length;
    const auto at = [row](const T* p, std::int64_t j, int n) { return load_up_to(p + row + j, n); };
    const Lanes<T> sum = reduce_row<Sum, T>(rows.length, [&](std::int64_t j, int n) { return at(g, j, n); });
    fill_row(rows.length, dx + row, [&](std::int64_t j, int n) { return at(g, j, n) - exp(at(y, j, n)) * sum; });
  }
}

template <class T>
void cross_entropy_grad_rows(Rows rows, T scale, const T* y, const std::int64_t* labels, T* dx) {
  for (std::int64_t i = rows.begin; i < rows.end; ++i) {
    const T* from = y + i * rows.length;
    T* to = dx + i * rows.length;
    fill_row(rows.length, to, [&](std::int64_t j, int n) { return Lanes<T>(scale) * exp(load_up_to(from + j, n)); });
    to[labels[i]] -= scale;
  }
}

#define HOP_SOFTMAX(T)                                               \
  template void softmax_rows(Rows, const T*, T*);                    \
  template void softmax_grad_rows(Rows, const T*, const T*, T*);     \
  template void log_softmax_rows(Rows, const T*, T*);                \
  template void log_softmax_grad_rows(Rows, const T*, const T*, T*); \
  template void cross_entropy_grad_rows(Rows, T, const T*, const std::int64_t*, T*);
HOP_SOFTMAX(float)
HOP_SOFTMAX(double)

}  // namespace hop::kernels::HOP_ISA
