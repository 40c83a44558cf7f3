#include "kernels/copy.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/matmul_internal.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

/// The distance from the first element to the last, both included.
std::int64_t span_of(const Tensor& x) {
  std::int64_t last = 0;
  for (int d = 0; d < x.dim(); ++d) last += (x.shape()[d] - 1) * x.strides()[d];
  return last + 1;
}

/// Whether the elements span far more memory than they fill. If so, they are gathered, at any alignment.
bool is_spread_out(const Tensor& x) {
  constexpr std::int64_t kMost = 4;  // query, key or value of one packed tensor spans 3 times its size
  std::int64_t elements = 1;
  for (int d = 0; d < x.dim(); ++d) {
    if (x.strides()[d] != 0) elements *= x.shape()[d];
  }
  return span_of(x) > kMost * elements;
}

/// A copy that includes the gaps between the elements.
Tensor copied_as_it_lies(const Tensor& x) {
  const Storage storage(static_cast<std::size_t>(span_of(x)) * size_of(x.dtype()), x.device());
  check(cudaMemcpyAsync(storage.data(), x.raw_data(), storage.size(), cudaMemcpyDeviceToDevice, current_stream()),
        "cudaMemcpyAsync");
  return Tensor::view(storage, x.dtype(), x.shape(), x.strides(), 0);
}

}  // namespace

Factor make_factor(const Tensor& x) {
  const int r = x.dim() - 2, c = x.dim() - 1;
  const Shape& size = x.shape();
  const Strides& stride = x.strides();
  // The elements from one row to the next if the columns of a row lie side by side, otherwise 0.
  const auto leading = [&](int rows, int columns) -> std::int64_t {
    if (size[columns] != 1 && stride[columns] != 1) return 0;
    if (size[rows] == 1) return size[columns];
    return stride[rows] >= size[columns] ? stride[rows] : 0;
  };
  const std::int64_t by_rows = leading(r, c), by_columns = leading(c, r);
  const bool is_dense = by_rows == size[c], is_dense_transposed = by_columns == size[r];
  const bool transposed = !is_dense && (is_dense_transposed || by_rows == 0);
  const std::int64_t ld = transposed ? by_columns : by_rows;
  if (ld == 0 || is_spread_out(x)) return {clone(x), false, size[c]};
  const bool is_aligned = reinterpret_cast<std::uintptr_t>(x.raw_data()) % blas::kAlignment == 0;
  return {is_aligned ? x : copied_as_it_lies(x), transposed, ld};
}

}  // namespace hop::kernels::cuda
