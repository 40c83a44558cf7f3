#include "kernels/copy.h"
#include "kernels/copy_operations.h"
#include "kernels/layout_internal.h"

namespace hop::kernels {

Strides channels_last_strides(const Shape& shape) {
  Strides strides;
  strides.resize(4);
  strides[1] = 1;
  strides[3] = shape[1];
  strides[2] = shape[1] * shape[3];
  strides[0] = strides[2] * shape[2];
  return strides;
}

bool is_channels_last(const Tensor& x) {
  if (x.is_contiguous() || x.dim() != 4) return false;
  const Strides wanted = channels_last_strides(x.shape());
  for (int d = 0; d < 4; ++d) {
    if (x.shape()[d] != 1 && x.strides()[d] != wanted[d]) return false;
  }
  return true;
}

bool has_channels_innermost(const Tensor& x) {
  if (x.is_contiguous() || x.dim() != 4) return false;
  const Shape& n = x.shape();
  const Strides& step = x.strides();
  if (lies_both_ways(n) || step[1] != 1) return false;
  std::int64_t reach = n[1];  // elements that the finer dimensions span
  for (const int d : {3, 2, 0}) {
    if (n[d] == 1) continue;
    if (step[d] < reach) return false;
    reach += (n[d] - 1) * step[d];
  }
  return true;
}

Tensor empty_in(Layout layout, const Shape& shape, DType dtype, Device device) {
  if (layout == Layout::contiguous || lies_both_ways(shape)) return Tensor::empty(shape, dtype, device);
  const auto bytes = static_cast<std::size_t>(shape.numel()) * size_of(dtype);
  return Tensor::view(Storage(bytes, device), dtype, shape, channels_last_strides(shape));
}

Tensor in_layout(Layout layout, const Tensor& x) {
  if (layout == Layout::contiguous) return contiguous(x);
  if (is_channels_last(x)) return x;
  const Tensor y = empty_in(layout, x.shape(), x.dtype(), x.device());
  if (y.is_contiguous()) return contiguous(x);
  operations<CopyOperations>(x).copy(y, x);
  return y;
}

}  // namespace hop::kernels
