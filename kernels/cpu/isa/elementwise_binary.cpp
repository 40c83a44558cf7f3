// The loops of all binary and ternary rows, made from the table.
#include "kernels/cpu/isa/line.h"

namespace hop::kernels::HOP_ISA {
namespace {

constexpr int index(DType dtype) { return static_cast<int>(dtype); }

template <class Row>
void add_row(RowKernels* table) {
  RowKernels& row = table[Row::id];
  row.value[index(DType::f32)] = row_line<Row, Part::value, float, float>;
  row.value[index(DType::f64)] = row_line<Row, Part::value, double, double>;
  row.gradient_a[index(DType::f32)] = row_line<Row, Part::gradient_a, float, float>;
  row.gradient_a[index(DType::f64)] = row_line<Row, Part::gradient_a, double, double>;
  row.gradient_b[index(DType::f32)] = row_line<Row, Part::gradient_b, float, float>;
  row.gradient_b[index(DType::f64)] = row_line<Row, Part::gradient_b, double, double>;
  if constexpr (Row::dtypes != rows::Dtypes::real) {
    row.value[index(DType::i64)] = row_line<Row, Part::value, std::int64_t, std::int64_t>;
    row.value[index(DType::i32)] = row_line<Row, Part::value, std::int32_t, std::int32_t>;
    row.value[index(DType::u8)] = row_line<Row, Part::value, std::uint8_t, std::uint8_t>;
  }
  if constexpr (Row::dtypes == rows::Dtypes::any) {
    row.value[index(DType::boolean)] = row_line<Row, Part::value, std::uint8_t, bool>;
  }
}

}  // namespace

void add_binary_rows(RowKernels* table) {
#define HOP_BINARY(name, Name, ...) add_row<rows::Name>(table);
#define HOP_TERNARY(name, Name, ...) add_row<rows::Name>(table);
#include "kernels/elementwise.def"
}

}  // namespace hop::kernels::HOP_ISA
