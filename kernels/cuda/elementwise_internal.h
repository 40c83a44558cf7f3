// The host side of the elementwise kernels: the argument of a launch, and the table of launchers by row and dtype. One
// kernel (elementwise_kernel.h) serves all rows, both their values and gradients.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/walk.h"
#include "kernels/elementwise.h"

namespace hop::kernels::cuda {

inline constexpr int kMaxOperands = 5;  ///< the gradient of a ternary row: g, condition, a, b, y

/// One input: a tensor's elements, or a number if `data` is null.
struct Operand {
  const std::byte* data;
  DType dtype;
  bool repeats;                    ///< one element along a whole line
  alignas(8) std::byte number[8];  ///< in the dtype that the kernel computes in
};

/// One launch: y_i = f(x_0[i], x_1[i], ..) for i < n, in units of `width` neighbours.
struct ElementwisePlan {
  std::uint32_t n, units;
  int width;                         ///< elements per thread and turn: 1 or packet_width()
  IndexWalk<kMaxOperands + 1> walk;  ///< the inputs, then y
  Operand in[kMaxOperands];
  std::byte* out;
};

/// Launches one row's function on `stream`; `row` points to the row (its attributes).
using Launcher = void (*)(const ElementwisePlan& plan, const void* row, cudaStream_t stream);

/// The launchers of one row, by the dtype in which it computes; null if the row has none.
struct RowLaunchers {
  Launcher value[kComputeDTypeCount];
  Launcher gradient_a[kComputeDTypeCount];
  Launcher gradient_b[kComputeDTypeCount];
};

// Each function fills in the rows of its kind, at their ids. `table` has rows::kRowCount entries.
void add_unary_rows(RowLaunchers* table);
void add_unary_gradients(RowLaunchers* table);
void add_binary_rows(RowLaunchers* table);
void add_binary_gradients(RowLaunchers* table);
void add_truth_rows(RowLaunchers* table);

}  // namespace hop::kernels::cuda
