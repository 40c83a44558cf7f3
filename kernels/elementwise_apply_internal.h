// Calls a row's value or gradient with an array of inputs. For loops and kernels, which treat all rows alike.
#pragma once

#include "kernels/elementwise_rows.h"

namespace HOP_ROWS_NAMESPACE {

template <class Row, Part part>
constexpr Probe part_probe() {
  if constexpr (Row::arity == 1)
    return probe<Row>;
  else if constexpr (part == Part::gradient_a)
    return probe_a<Row>;
  else
    return probe_b<Row>;
}

/// How many inputs a row's function reads: its operands, or g and the inputs that the probe found.
template <class Row, Part part>
constexpr int input_count() {
  if constexpr (part == Part::value)
    return Row::arity;
  else {
    constexpr Probe p = part_probe<Row, part>();
    return 1 + p.reads(Probe::kCondition) + p.reads(Probe::kA) + p.reads(Probe::kB) + p.reads(Probe::kY);
  }
}

/// The row's function of in[0..]. g stands in for inputs that the function does not read.
template <class Row, Part part, class V>
HOP_INLINE auto apply(const Row& row, const V* in) {
  if constexpr (part == Part::value) {
    if constexpr (Row::arity == 1)
      return row.value(in[0]);
    else if constexpr (Row::arity == 2)
      return row.value(in[0], in[1]);
    else
      return row.value(in[0], in[1], in[2]);
  } else {
    constexpr Probe p = part_probe<Row, part>();
    constexpr int condition = p.reads(Probe::kCondition), a = condition + p.reads(Probe::kA),
                  b = a + p.reads(Probe::kB), y = b + p.reads(Probe::kY);
    if constexpr (Row::arity == 1)
      return row.gradient(in[0], in[a], in[y]);
    else if constexpr (Row::arity == 2 && part == Part::gradient_a)
      return row.gradient_a(in[0], in[a], in[b], in[y]);
    else if constexpr (Row::arity == 2)
      return row.gradient_b(in[0], in[a], in[b], in[y]);
    else if constexpr (part == Part::gradient_a)
      return row.gradient_a(in[0], in[condition], in[a], in[b], in[y]);
    else
      return row.gradient_b(in[0], in[condition], in[a], in[b], in[y]);
  }
}

}  // namespace HOP_ROWS_NAMESPACE
