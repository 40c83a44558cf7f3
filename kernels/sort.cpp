#include "kernels/sort.h"

#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/half_internal.h"
#include "kernels/sort_operations.h"
#include "kernels/view.h"

namespace hop::kernels {

Tensor argsort(const Tensor& x, std::int64_t dim, bool descending) {
  expect_defined("sort", x);
  const int d = normalize_dim(dim, x.dim(), "sort");
  if (!x.device().is_cpu()) {
    throw DeviceError("[sort] expected a tensor on the CPU, because no kernel sorts on a GPU yet, got " + x.describe() +
                      "; sort to(x, Device::cpu())");
  }
  if (hop::detail::collecting != nullptr) expect_captured_on(x.device());
  if (x.dim() == 0) return zeros(x.shape(), DType::i64);
  const Tensor lines = contiguous(transpose(widened(x), d, -1));
  const Tensor order = Tensor::empty(lines.shape(), DType::i64);
  if (order.numel() != 0) SortOperations::cpu.argsort(lines, descending, order);
  return contiguous(transpose(order, d, -1));
}

}  // namespace hop::kernels
