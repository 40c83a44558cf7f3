// What happens to the scores of a few queries, between the products. A row is some thousand values at most that lie in
// the cache, so each loop is bound by exp. Sums take the tree of tree.h.
#include "kernels/cpu/attention_loops_internal.h"

#include "kernels/cpu/isa/lanes_math.h"
#include "kernels/cpu/isa/tree.h"
#include "kernels/cpu/isa/uniform.h"

namespace hop::kernels::HOP_ISA {
namespace {

template <class Op, class T, class Pack>
HOP_INLINE T reduce_row(std::int64_t length, const Pack& pack) {
  return reduce_sequence<Op, T>(1, length, [&](std::int64_t) -> const Pack& { return pack; });
}

/// x_j = f(j, n) for the packs of the first `length` values, then zeros up to `end`.
template <class T, class F>
HOP_INLINE void fill_row(std::int64_t length, std::int64_t end, T* x, const F& f) {
  std::int64_t j = 0;
  for (; j + kLaneCount <= length; j += kLaneCount) store(x + j, f(j, kLaneCount));
  if (j < length) store(x + j, static_cast<int>(length - j), f(j, static_cast<int>(length - j)));
  for (j = length; j < end; ++j) x[j] = 0;
}

}  // namespace

template <class T>
void attention_weights(const ScoreRows& rows, T scale, T* scores, T* log_sum) {
  for (std::int64_t r = 0; r < rows.count; ++r) {
    T* const s = scores + r * rows.row;
    const std::int64_t length = rows.seen(r);
    const Lanes<T> factor(scale);
    const T max = reduce_row<Max, T>(length, [&](std::int64_t j, int n) { return load_up_to(s + j, n) * factor; });
    const T sum = reduce_row<Sum, T>(length, [&](std::int64_t j, int n) {
      const Lanes<T> e = exp(load_up_to(s + j, n) * factor - Lanes<T>(max));
      store_up_to(s + j, n, e);
      return e;
    });
    const Lanes<T> share(1 / sum);
    fill_row(length, rows.keys, s, [&](std::int64_t j, int n) { return load_up_to(s + j, n) * share; });
    log_sum[r] = max + log_of(sum);
  }
}

template <class T>
void attention_weights_again(const ScoreRows& rows, T scale, T* scores, const T* log_sum) {
  for (std::int64_t r = 0; r < rows.count; ++r) {
    T* const s = scores + r * rows.row;
    const Lanes<T> factor(scale), base(log_sum[r]);
    fill_row(rows.seen(r), rows.keys, s,
             [&](std::int64_t j, int n) { return exp(load_up_to(s + j, n) * factor - base); });
  }
}

template <class T>
void attention_drop(const ScoreRows& rows, const ScoreDrop<T>& drop, T* x) {
  for (std::int64_t r = 0; r < rows.count; ++r) {
    T* const s = x + r * rows.row;
    const std::uint32_t* const words = drop.words + r * drop.row;
    const std::int64_t length = rows.seen(r);
    for (std::int64_t j = 0; j < length; ++j) {
      const T kept = s[j] * drop.scale;
      s[j] = uniform01(words[j]) < drop.p ? T{0} : kept;
    }
  }
}

template <class T>
void attention_score_grads(const ScoreRows& rows, T scale, const T* weights, const RowPairs<T>& pairs, T* slopes) {
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const T *const a = pairs.a + r * pairs.a_row, *const b = pairs.b + r * pairs.b_row;
    const Lanes<T> dot = reduce_row<Sum, T>(
        pairs.columns, [&](std::int64_t j, int n) { return load_up_to(a + j, n) * load_up_to(b + j, n); });
    const T* const w = weights + r * rows.row;
    T* const d = slopes + r * rows.row;
    const Lanes<T> factor(scale);
    fill_row(rows.seen(r), rows.keys, d,
             [&](std::int64_t j, int n) { return factor * load_up_to(w + j, n) * (load_up_to(d + j, n) - dot); });
  }
}

#define HOP_ATTENTION(T)                                                    \
  template void attention_weights(const ScoreRows&, T, T*, T*);             \
  template void attention_drop(const ScoreRows&, const ScoreDrop<T>&, T*);  \
  template void attention_weights_again(const ScoreRows&, T, T*, const T*); \
  template void attention_score_grads(const ScoreRows&, T, const T*, const RowPairs<T>&, T*);
HOP_ATTENTION(float)
HOP_ATTENTION(double)

}  // namespace hop::kernels::HOP_ISA
