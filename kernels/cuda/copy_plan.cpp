#include <algorithm>
#include <cstdlib>

#include "kernels/cuda/copy_internal.h"
#include "kernels/cuda/packet.h"
#include "kernels/layout_internal.h"

namespace hop::kernels::cuda {
namespace {

// A narrower tile would move less than a whole 32-byte sector per line and gain nothing.
constexpr std::int64_t kNarrowest = 8;

/// The steps of both arrays over y's shape, in bytes. y's dimensions are ordered by their steps, the largest first.
Steps<2> steps_in_memory_order(const ArrayView& y, const ArrayView& x) {
  const Strides of_y = broadcast_strides(y.shape, y.strides, y.size, y.shape);
  const Strides of_x = broadcast_strides(x.shape, x.strides, x.size, y.shape);
  const int dims = static_cast<int>(y.shape.size());
  std::array<int, kMaxDims> order{};
  for (int d = 0; d < dims; ++d) order[static_cast<std::size_t>(d)] = d;
  std::stable_sort(order.begin(), order.begin() + dims,
                   [&](int a, int b) { return std::abs(of_y[a]) > std::abs(of_y[b]); });
  Shape shape = y.shape;
  std::array<Strides, 2> strides = {of_y, of_x};
  for (int d = 0; d < dims; ++d) {
    const int from = order[static_cast<std::size_t>(d)];
    shape[d] = y.shape[from];
    strides[0][d] = of_y[from];
    strides[1][d] = of_x[from];
  }
  return Steps<2>(Walk<2>(shape, strides, 2));
}

/// The dimension along which x's elements are neighbours, if it is not y's line; otherwise -1.
int crossing_row(const Steps<2>& steps, std::int64_t y_size, std::int64_t x_size) {
  if (steps.line_stride(0) != y_size || steps.line_stride(1) == x_size || steps.line_stride(1) == 0) return -1;
  if (steps.line() < kNarrowest) return -1;
  for (int d = steps.rank - 2; d >= 0; --d) {
    if (steps.stride[1][d] == x_size && steps.size[d] >= kNarrowest) return d;
  }
  return -1;
}

}  // namespace

CopyPlan::CopyPlan(const ArrayView& y, const ArrayView& x, Conversion conversion) : steps(steps_in_memory_order(y, x)) {
  const auto y_size = static_cast<std::int64_t>(y.size), x_size = static_cast<std::int64_t>(x.size);
  if (conversion == Conversion::none && steps.rank == 1 && steps.line_stride(0) == y_size &&
      steps.line_stride(1) == x_size) {
    way = CopyWay::bytes;
    return;
  }
  const int packet = packet_width(std::max(y.size, x.size));
  if (steps.takes_packets(0, y.data, y_size, packet) && steps.takes_packets(1, x.data, x_size, packet)) {
    way = CopyWay::packets;
    width = packet;
    return;
  }
  if (conversion != Conversion::of_elements) row = crossing_row(steps, y_size, x_size);
  if (row >= 0) way = CopyWay::tiles;
}

HalfImage::HalfImage(const Shape& shape, DType dtype, Device device)
    : storage_(static_cast<std::size_t>(shape.numel()) * size_of(dtype), device), shape_(shape), dtype_(dtype) {}

ArrayView HalfImage::view() const { return {shape_, channels_last_strides(shape_), size_of(dtype_), data()}; }

}  // namespace hop::kernels::cuda
