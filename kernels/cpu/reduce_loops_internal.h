// The plan that the vectorised loops of reductions follow. Shared by the two builds of kernels/cpu/isa/ and their
// callers: plain data.
#pragma once

#include <cstdint>

#include "kernels/cpu/isa_internal.h"
#include "kernels/elementwise_vocabulary.h"
#include "kernels/shapes_internal.h"
#include "tensor/shape.h"

namespace hop::kernels {

/// Nested loops over a tensor's elements, outermost first; strides in elements.
struct LoopNest {
  int dims = 0;
  std::int64_t size[kMaxDims];
  std::int64_t stride[kMaxDims];

  /// The offset of step `index` of the nest (row-major).
  HOP_INLINE std::int64_t offset(std::int64_t index) const {
    std::int64_t sum = 0;
#pragma GCC unroll 1
    for (int d = dims - 1; d > 0; --d) {
      const std::int64_t rest = index / size[d];
      sum += (index - rest * size[d]) * stride[d];
      index = rest;
    }
    return dims > 0 ? sum + index * stride[0] : sum;
  }
};

/// One sequence of values per output: `outer_count` runs of `length` values along the last group of reduced dimensions.
/// The tree (isa/tree.h) is a function of outer_count and length, and so of the shape and the reduced dimensions alone.
struct ReducePlan {
  Reduction op;
  LoopNest kept;             ///< one step per output; with columns, one step per `columns` outputs
  LoopNest outer;            ///< the reduced dimensions before the last group
  std::int64_t outer_count;  ///< its number of steps
  std::int64_t length;       ///< elements of the last group
  std::int64_t stride;       ///< between them
  std::int64_t columns;  ///< the innermost kept dimension, of stride 1, taken sixteen at a time; 0: outputs one by one
  double count;          ///< values per output: outer_count * length
  double divisor;        ///< of var: max(0, count - correction)
};

HOP_EACH_ISA(
    /// Outputs begin..end-1, where plan.stride is 1. T is float or double.
    template <class T> void reduce_rows(const ReducePlan& plan, const T* x, T* y, std::int64_t begin, std::int64_t end);
    /// Blocks begin..end-1 of sixteen neighbouring columns (the last block of each row of columns may be smaller).
    template <class T>
    void reduce_columns(const ReducePlan& plan, const T* x, T* y, std::int64_t begin, std::int64_t end);
    /// y_i = index of the first maximum of row i of x (.., length), length > 0. A NaN is the maximum.
    template <class T>
    void argmax_rows(const T* x, std::int64_t length, std::int64_t* y, std::int64_t begin, std::int64_t end);)

}  // namespace hop::kernels
