// The kernels of all comparisons and predicates, made from the table. Floor: elementwise_kernel.h.
#include "kernels/cuda/elementwise_rows.h"

namespace hop::kernels::cuda {

void add_truth_rows(RowLaunchers* table) {
#define HOP_PREDICATE(name, Name, ...) add_truths<rows::Name>(table);
#define HOP_COMPARE(name, Name, ...) add_truths<rows::Name>(table);
#include "kernels/elementwise.def"
}

}  // namespace hop::kernels::cuda
