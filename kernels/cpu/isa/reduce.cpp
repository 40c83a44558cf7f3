// The loops of kernels/reduce.h for float and double.
#include "kernels/cpu/isa/tree.h"
#include "kernels/cpu/reduce_loops_internal.h"

namespace hop::kernels::HOP_ISA {
namespace {

// Transforms of a value on its way into the tree. A minimum is the negated maximum of -x.
template <class T>
struct Unchanged {
  HOP_INLINE Lanes<T> operator()(Lanes<T> x) const { return x; }
};
template <class T>
struct SquaredDeviation {
  Lanes<T> mean;
  HOP_INLINE Lanes<T> operator()(Lanes<T> x) const { return (x - mean) * (x - mean); }
};
template <class T>
struct Scaled {
  Lanes<T> sign;
  HOP_INLINE Lanes<T> operator()(Lanes<T> x) const { return x * sign; }
};

template <class Op, class T, class Transform>
T reduce_row(const ReducePlan& plan, const T* x, const Transform& transform) {
  return reduce_sequence<Op, T>(plan.outer_count, plan.length, [&](std::int64_t r) {
    return [row = x + plan.outer.offset(r), &transform](std::int64_t j, int n) {
      return transform(load_up_to(row + j, n));
    };
  });
}

/// The trees of n <= 16 neighbouring outputs.
template <class Op, class T, class Transform>
Lanes<T> reduce_block(const ReducePlan& plan, const T* x, int n, const Transform& transform) {
  const std::int64_t stride = plan.stride;
  return reduce_sequences<Op, T>(plan.outer_count, plan.length, [&](std::int64_t r) {
    return [row = x + plan.outer.offset(r), stride, n, &transform](std::int64_t j) {
      return transform(load_up_to(row + j * stride, n));
    };
  });
}

/// The finished outputs: `reduce(op, transform)` is reduce_row or reduce_block, Value its result.
template <class Value, class T, class Reduce>
Value finish(const ReducePlan& plan, const Reduce& reduce) {
  if (plan.op == Reduction::max || plan.op == Reduction::min) {
    const T sign = plan.op == Reduction::max ? T{1} : T{-1};
    return reduce(Max{}, Scaled<T>{sign}) * Value(sign);
  }
  const Value sum = reduce(Sum{}, Unchanged<T>{});
  if (plan.op == Reduction::sum) return sum;
  const Value mean = sum / Value(static_cast<T>(plan.count));
  if (plan.op == Reduction::mean) return mean;
  return reduce(Sum{}, SquaredDeviation<T>{mean}) / Value(static_cast<T>(plan.divisor));
}

template <class T>
T finish_row(const ReducePlan& plan, const T* x) {
  return finish<T, T>(plan, [&]<class Op>(Op, const auto& transform) { return reduce_row<Op>(plan, x, transform); });
}

template <class T>
Lanes<T> finish_block(const ReducePlan& plan, const T* x, int n) {
  return finish<Lanes<T>, T>(
      plan, [&]<class Op>(Op, const auto& transform) { return reduce_block<Op>(plan, x, n, transform); });
}

}  // namespace

template <class T>
void reduce_rows(const ReducePlan& plan, const T* x, T* y, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) y[i] = finish_row(plan, x + plan.kept.offset(i));
}

template <class T>
void reduce_columns(const ReducePlan& plan, const T* x, T* y, std::int64_t begin, std::int64_t end) {
  const std::int64_t blocks = (plan.columns + kLaneCount - 1) / kLaneCount;
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t kept = i / blocks;
    const std::int64_t column = (i - kept * blocks) * kLaneCount;
    const std::int64_t left = plan.columns - column;
    const int n = left < kLaneCount ? static_cast<int>(left) : kLaneCount;
    store(y + kept * plan.columns + column, n, finish_block(plan, x + plan.kept.offset(kept) + column, n));
  }
}

template <class T>
void argmax_rows(const T* x, std::int64_t length, std::int64_t* y, std::int64_t begin, std::int64_t end) {
  ReducePlan plan{};
  plan.op = Reduction::max;
  plan.outer_count = 1;
  plan.length = length;
  for (std::int64_t i = begin; i < end; ++i) {
    const T* row = x + i * length;
    const T best = finish_row(plan, row);
    std::int64_t j = 0;
    while (row[j] != best && row[j] == row[j]) ++j;  // a NaN ends the search: it is the maximum
    y[i] = j;
  }
}

#define HOP_REDUCE(T)                                                                        \
  template void reduce_rows(const ReducePlan&, const T*, T*, std::int64_t, std::int64_t);    \
  template void reduce_columns(const ReducePlan&, const T*, T*, std::int64_t, std::int64_t); \
  template void argmax_rows(const T*, std::int64_t, std::int64_t*, std::int64_t, std::int64_t);
HOP_REDUCE(float)
HOP_REDUCE(double)

}  // namespace hop::kernels::HOP_ISA
