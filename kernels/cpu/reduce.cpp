// Chooses how the elements are walked. The tree decides in which order values are combined (isa/tree.h).
#include <algorithm>
#include <limits>

#include "kernels/capture_internal.h"
#include "kernels/copy.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/reduce_loops_internal.h"
#include "kernels/reduce_operations.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 32768;  // elements per thread's turn

/// Appends a loop, merged with the one before where one stride covers both.
void add_loop(LoopNest& nest, std::int64_t size, std::int64_t stride) {
  const int last = nest.dims - 1;
  if (last >= 0 && nest.stride[last] == size * stride) {
    nest.size[last] *= size;
    nest.stride[last] = stride;
    return;
  }
  nest.size[nest.dims] = size;
  nest.stride[nest.dims++] = stride;
}

/// The plan for x in its layout. If the last group of reduced dimensions needs more than one stride, a plan without
/// length.
ReducePlan make_plan(Reduction op, const Tensor& x, const DimSet& dims) {
  ReducePlan plan{};
  plan.op = op;
  plan.outer_count = 1;
  const Shape& shape = x.shape();
  int last = x.dim() - 1;  // the last dimension of the last group; dimensions of size 1 belong to every group
  while (last >= 0 && (!dims[static_cast<std::size_t>(last)] || shape[last] == 1)) --last;
  int first = last;
  while (first > 0 && (dims[static_cast<std::size_t>(first - 1)] || shape[first - 1] == 1)) --first;
  LoopNest group;
  for (int d = 0; d < x.dim(); ++d) {
    if (shape[d] == 1) continue;
    if (!dims[static_cast<std::size_t>(d)]) {
      add_loop(plan.kept, shape[d], x.strides()[d]);
    } else if (d >= first) {
      add_loop(group, shape[d], x.strides()[d]);
    } else {
      add_loop(plan.outer, shape[d], x.strides()[d]);
      plan.outer_count *= shape[d];
    }
  }
  plan.length = group.dims == 0 ? 1 : group.dims == 1 ? group.size[0] : 0;
  plan.stride = group.dims == 1 ? group.stride[0] : 1;
  return plan;
}

/// Makes the innermost kept dimension the columns if its elements are neighbours.
bool use_columns(ReducePlan& plan) {
  const int last = plan.kept.dims - 1;
  if (last < 0 || plan.kept.stride[last] != 1) return false;
  plan.columns = plan.kept.size[last];
  --plan.kept.dims;
  return true;
}

template <class T>
void reduce_floating(const ReducePlan& plan, const Tensor& x, const Tensor& y) {
  const auto values = static_cast<std::int64_t>(plan.count);
  const std::int64_t n = plan.columns == 0 ? y.numel() : y.numel() / plan.columns * ((plan.columns + 15) / 16);
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / (plan.columns == 0 ? values : 16 * values));
  launch([plan, from = x.data<T>(), to = y.data<T>(), n, grain] {
    parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
      plan.columns == 0 ? HOP_PICK(reduce_rows<T>)(plan, from, to, begin, end)
                        : HOP_PICK(reduce_columns<T>)(plan, from, to, begin, end);
    });
  });
}

// Integers have no rounding, so the order does not matter.
template <class S, class T>
void reduce_integers(const ReducePlan& plan, const S* from, T* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const S* start = from + plan.kept.offset(i);
    T value = plan.op == Reduction::sum ? T{0} : static_cast<T>(*start);
    for (std::int64_t r = 0; r < plan.outer_count; ++r) {
      const S* run = start + plan.outer.offset(r);
      for (std::int64_t j = 0; j < plan.length; ++j) {
        const T v = static_cast<T>(run[j * plan.stride]);
        if (plan.op == Reduction::sum)
          value = static_cast<T>(value + v);
        else
          value = plan.op == Reduction::max ? std::max(value, v) : std::min(value, v);
      }
    }
    to[i] = value;
  }
}

template <class S, class T>
void launch_integers(const ReducePlan& plan, const Tensor& x, const Tensor& y) {
  launch([plan, from = x.data<S>(), to = y.data<T>(), n = y.numel()] { reduce_integers<S, T>(plan, from, to, n); });
}

/// Writes the result of a reduction over no values.
void fill_empty(Reduction op, const Tensor& y) {
  if (op == Reduction::sum) return fill_(y, 0);
  fill_(y, std::numeric_limits<double>::quiet_NaN());
}

void reduce(Reduction op, const Tensor& x, const DimSet& dims, const Tensor& y, double correction) {
  if (x.numel() == 0) return fill_empty(op, y);
  ReducePlan plan = make_plan(op, x, dims);
  if (plan.length == 0) return reduce(op, contiguous(x), dims, y, correction);

  const std::int64_t count = x.numel() / y.numel();
  plan.count = static_cast<double>(count);
  plan.divisor = std::max(0.0, plan.count - correction);
  if (!is_floating(x.dtype())) {
    return visit_dtype(x.dtype(), [&]<class S>(S) {
      op == Reduction::sum ? launch_integers<S, std::int64_t>(plan, x, y) : launch_integers<S, S>(plan, x, y);
    });
  }
  const bool rows = plan.stride == 1 && plan.length > 1;
  if (!rows && !use_columns(plan) && plan.stride != 1) return reduce(op, contiguous(x), dims, y, correction);
  x.dtype() == DType::f32 ? reduce_floating<float>(plan, x, y) : reduce_floating<double>(plan, x, y);
}

void argmax(const Tensor& x, std::int64_t length, const Tensor& y) {
  visit_dtype(x.dtype(), [&]<class T>(T) {
    launch([from = x.data<T>(), length, to = y.data<std::int64_t>(), n = y.numel()] {
      if constexpr (std::is_floating_point_v<T>) {
        parallel_for(n, std::max<std::int64_t>(1, kGrain / length), [&](std::int64_t begin, std::int64_t end) {
          HOP_PICK(argmax_rows<T>)(from, length, to, begin, end);
        });
      } else {
        for (std::int64_t i = 0; i < n; ++i) {
          const T* row = from + i * length;
          to[i] = std::max_element(row, row + length) - row;
        }
      }
    });
  });
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const ReduceOperations ReduceOperations::cpu = {
    .reduce = cpu::reduce,
    .argmax = cpu::argmax,
};

}  // namespace hop::kernels
