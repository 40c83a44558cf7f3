// The loops over rows of scores. Row r belongs to query first_query + r and has `keys` scores, of which a causal
// query sees those up to its own number; rows lie `row` apart. T is float or double.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"

namespace hop::kernels {

struct ScoreRows {
  std::int64_t count, keys, row, first_query;
  bool is_causal;

  [[gnu::always_inline]] std::int64_t seen(std::int64_t r) const {
    return is_causal && first_query + r + 1 < keys ? first_query + r + 1 : keys;
  }
};

/// Rows of two matrices, of `columns` values.
template <class T>
struct RowPairs {
  const T *a, *b;
  std::int64_t a_row, b_row, columns;
};

/// Which of the scores are dropped. Row r's random words begin at words + r * row.
template <class T>
struct ScoreDrop {
  const std::uint32_t* words;
  std::int64_t row;
  float p;
  T scale;  ///< of the others
};

HOP_EACH_ISA(
    /// Scores become weights, exp(scale s) over their sum; 0 where a query may not look. log_sum: of each row.
    template <class T> void attention_weights(const ScoreRows& rows, T scale, T* scores, T* log_sum);
    /// The same weights from log_sum.
    template <class T> void attention_weights_again(const ScoreRows& rows, T scale, T* scores, const T* log_sum);
    /// x = x * drop.scale, or 0 where the word says so. x lies as scores do.
    template <class T> void attention_drop(const ScoreRows& rows, const ScoreDrop<T>& drop, T* x);
    /// slopes, the gradients of weights, become those of scores: scale w (slope - sum(g y)), g and y the rows of
    /// `pairs`.
    template <class T>
    void attention_score_grads(const ScoreRows& rows, T scale, const T* weights, const RowPairs<T>& pairs, T* slopes);)

}  // namespace hop::kernels
