// The loops of all comparisons and predicates, made from the table. A bool operand is compared as the byte 0 or 1.
#include "kernels/cpu/isa/line.h"

namespace hop::kernels::HOP_ISA {
namespace {

template <class Row>
void add_row(RowKernels* table) {
  LineKernel* value = table[Row::id].value;
  value[static_cast<int>(DType::f32)] = row_line<Row, Part::value, float, bool>;
  value[static_cast<int>(DType::f64)] = row_line<Row, Part::value, double, bool>;
  value[static_cast<int>(DType::i64)] = row_line<Row, Part::value, std::int64_t, bool>;
  value[static_cast<int>(DType::i32)] = row_line<Row, Part::value, std::int32_t, bool>;
  value[static_cast<int>(DType::u8)] = row_line<Row, Part::value, std::uint8_t, bool>;
  value[static_cast<int>(DType::boolean)] = row_line<Row, Part::value, std::uint8_t, bool>;
}

}  // namespace

void add_truth_rows(RowKernels* table) {
#define HOP_PREDICATE(name, Name, ...) add_row<rows::Name>(table);
#define HOP_COMPARE(name, Name, ...) add_row<rows::Name>(table);
#include "kernels/elementwise.def"
}

}  // namespace hop::kernels::HOP_ISA
