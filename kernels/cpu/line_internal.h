// The argument of an elementwise loop, one line of elements, and the table of these loops. Shared by the two builds of
// kernels/cpu/isa/ and their callers, so plain data only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/isa_internal.h"
#include "tensor/dtype.h"

namespace hop::kernels {

inline constexpr int kMaxInputs = 5;  ///< the gradient of a ternary row: g, condition, a, b, y

/// y_i = f(in_0[i], in_1[i], ..) for i < n. The output is contiguous. Inputs have any stride (in bytes; 0: one value
/// for all elements) and any dtype. Inputs that are not contiguous elements of the loop's own type are converted on the
/// way, a buffer at a time.
struct Line {
  std::int64_t n;
  std::byte* out;
  const std::byte* in[kMaxInputs];
  std::int64_t stride[kMaxInputs];
  DType dtype[kMaxInputs];
};

/// `row` points to the row (its attributes).
using LineKernel = void (*)(const Line& line, const void* row);

/// The loops of one row, by the dtype in which it computes; null if the row has none.
struct RowKernels {
  LineKernel value[kComputeDTypeCount];
  LineKernel gradient_a[kComputeDTypeCount];
  LineKernel gradient_b[kComputeDTypeCount];
};

// Each function fills in the rows of its kind, at their ids. `table` has rows::kRowCount entries.
HOP_EACH_ISA(void add_unary_rows(RowKernels* table); void add_binary_rows(RowKernels* table);
             void add_truth_rows(RowKernels* table);)

// out[i] = in[i] converted, with strides in bytes: float to integer truncates, anything to bool is != 0.
HOP_EACH_ISA(void convert_line(DType from, const std::byte* in, std::int64_t in_stride, DType to, std::byte* out,
                               std::int64_t out_stride, std::int64_t n);)

}  // namespace hop::kernels
