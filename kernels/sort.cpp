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
  const SortOperations& device = operations<SortOperations>(x);
  if (x.dim() == 0) return zeros(x.shape(), DType::i64, x.device());
  const Tensor lines = contiguous(transpose(widened(x), d, -1));
  const Tensor order = Tensor::empty(lines.shape(), DType::i64, x.device());
  if (order.numel() != 0) device.argsort(lines, descending, order);
  return contiguous(transpose(order, d, -1));
}

}  // namespace hop::kernels
