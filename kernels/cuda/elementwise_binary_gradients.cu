// The kernels of the gradients of all binary and ternary rows, made from the table. Floor: elementwise_kernel.h.
#include "kernels/cuda/elementwise_rows.h"

namespace hop::kernels::cuda {

void add_binary_gradients(RowLaunchers* table) {
#define HOP_BINARY(name, Name, ...) add_gradients<rows::Name>(table);
#define HOP_TERNARY(name, Name, ...) add_gradients<rows::Name>(table);
#include "kernels/elementwise.def"
}

}  // namespace hop::kernels::cuda
