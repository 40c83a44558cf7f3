// The kernels of the gradients of all unary rows, made from the table. Floor: elementwise_kernel.h.
#include "kernels/cuda/elementwise_rows.h"

namespace hop::kernels::cuda {

void add_unary_gradients(RowLaunchers* table) {
#define HOP_UNARY(name, Name, ...) add_gradients<rows::Name>(table);
#include "kernels/elementwise.def"
}

}  // namespace hop::kernels::cuda
