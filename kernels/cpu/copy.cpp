#include "kernels/cpu/copy_internal.h"

#include <cstring>

#include "kernels/cpu/line_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/walk_internal.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 65536;  // elements per thread's turn

// y's lines from `from`, of which x's element at y's position lies `steps` away; null steps: one value for all.
void copy_lines(const Tensor& y, DType dtype, const std::byte* from, const Strides& steps) {
  if (y.numel() == 0) return;
  const std::size_t size = size_of(y.dtype());
  const Walk<2> walk(y.shape(), {broadcast_strides(y.shape(), y.strides(), size, y.shape()), steps}, 2);
  const bool bytes_only = dtype == y.dtype() && walk.line_stride(0) == static_cast<std::int64_t>(size) &&
                          walk.line_stride(1) == static_cast<std::int64_t>(size);
  const auto convert = bytes_only ? nullptr : &HOP_PICK(convert_line);
  parallel_for(y.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    walk.for_each_line(begin, end, [&](const std::int64_t* offset, std::int64_t n) {
      std::byte* to = y.raw_data() + offset[0];
      const std::byte* in = from + offset[1];
      if (bytes_only)
        std::memcpy(to, in, static_cast<std::size_t>(n) * size);
      else
        convert(dtype, in, walk.line_stride(1), y.dtype(), to, walk.line_stride(0), n);
    });
  });
}

}  // namespace

void copy(const Tensor& y, const Tensor& x) {
  copy_lines(y, x.dtype(), x.raw_data(), broadcast_strides(x.shape(), x.strides(), size_of(x.dtype()), y.shape()));
}

void fill(const Tensor& y, Scalar value) {
  Strides none;
  none.resize(y.dim(), 0);
  visit_dtype(value.dtype(), [&]<class T>(T) {
    const T number = value.to<T>();
    copy_lines(y, value.dtype(), reinterpret_cast<const std::byte*>(&number), none);
  });
}

}  // namespace hop::kernels::cpu
