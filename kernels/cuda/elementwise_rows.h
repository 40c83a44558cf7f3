// The rows of elementwise.def as functions of the elementwise kernel.
#pragma once

#include "kernels/cuda/elementwise_kernel.h"
#include "kernels/elementwise_apply_internal.h"

namespace hop::kernels::cuda {

using rows::Part;

/// One function of one row, with its attributes.
template <class Row, Part part>
struct RowFunction {
  static constexpr int inputs = rows::input_count<Row, part>();
  Row row;

  template <class T>
  __device__ auto operator()(const T* x) const {
    return rows::apply<Row, part>(row, x);
  }
};

/// The launcher of one function of one row in T, giving Out.
template <class Row, Part part, class T, class Out = T>
void launch_row(const ElementwisePlan& plan, const void* row, cudaStream_t stream) {
  launch_elementwise<RowFunction<Row, part>, T, Out>(plan, {*static_cast<const Row*>(row)}, stream);
}

template <class Row, Part part, class... T>
void add_dtypes(Launcher* by_dtype) {
  ((by_dtype[static_cast<int>(dtype_of<T>())] = launch_row<Row, part, T>), ...);
}

/// The values of a row whose result has the dtype of its operands.
template <class Row>
void add_values(RowLaunchers* table) {
  Launcher* value = table[Row::id].value;
  add_dtypes<Row, Part::value, float, double>(value);
  if constexpr (Row::dtypes != rows::Dtypes::real)
    add_dtypes<Row, Part::value, std::int64_t, std::int32_t, std::uint8_t>(value);
  if constexpr (Row::dtypes == rows::Dtypes::any)  // a bool is computed as the byte 0 or 1
    value[static_cast<int>(DType::boolean)] = launch_row<Row, Part::value, std::uint8_t, bool>;
}

/// The values of a comparison or predicate.
template <class Row>
void add_truths(RowLaunchers* table) {
  Launcher* value = table[Row::id].value;
  value[static_cast<int>(DType::f32)] = launch_row<Row, Part::value, float, bool>;
  value[static_cast<int>(DType::f64)] = launch_row<Row, Part::value, double, bool>;
  value[static_cast<int>(DType::i64)] = launch_row<Row, Part::value, std::int64_t, bool>;
  value[static_cast<int>(DType::i32)] = launch_row<Row, Part::value, std::int32_t, bool>;
  value[static_cast<int>(DType::u8)] = launch_row<Row, Part::value, std::uint8_t, bool>;
  value[static_cast<int>(DType::boolean)] = launch_row<Row, Part::value, std::uint8_t, bool>;
}

/// The gradients of a row. A gradient that is g itself needs no kernel.
template <class Row>
void add_gradients(RowLaunchers* table) {
  if constexpr (!rows::part_probe<Row, Part::gradient_a>().is_g())
    add_dtypes<Row, Part::gradient_a, float, double>(table[Row::id].gradient_a);
  if constexpr (Row::arity > 1 && !rows::part_probe<Row, Part::gradient_b>().is_g())
    add_dtypes<Row, Part::gradient_b, float, double>(table[Row::id].gradient_b);
}

}  // namespace hop::kernels::cuda
