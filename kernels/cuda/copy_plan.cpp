#include <algorithm>
#include <cstdlib>

#include "kernels/cuda/copy_internal.h"
#include "kernels/cuda/packet.h"

namespace hop::kernels::cuda {
namespace {

// A tile narrower than this moves less than a whole 32-byte sector per line: then it gains nothing.
constexpr std::int64_t kNarrowest = 8;

/// Both tensors' steps over y's shape, in bytes, with y's dimensions ordered by their step: the largest first.
Steps<2> steps_in_memory_order(const Tensor& y, const Tensor& x) {
  const Strides of_y = broadcast_strides(y.shape(), y.strides(), size_of(y.dtype()), y.shape());
  const Strides of_x = broadcast_strides(x.shape(), x.strides(), size_of(x.dtype()), y.shape());
  std::array<int, kMaxDims> order{};
  for (int d = 0; d < y.dim(); ++d) order[static_cast<std::size_t>(d)] = d;
  std::stable_sort(order.begin(), order.begin() + y.dim(),
                   [&](int a, int b) { return std::abs(of_y[a]) > std::abs(of_y[b]); });
  Shape shape = y.shape();
  std::array<Strides, 2> strides = {of_y, of_x};
  for (int d = 0; d < y.dim(); ++d) {
    const int from = order[static_cast<std::size_t>(d)];
    shape[d] = y.shape()[from];
    strides[0][d] = of_y[from];
    strides[1][d] = of_x[from];
  }
  return Steps<2>(Walk<2>(shape, strides, 2));
}

/// The dimension whose neighbours are neighbours in x, if that is not y's line; else -1.
int crossing_row(const Steps<2>& steps, std::int64_t size) {
  if (steps.line_stride(0) != size || steps.line_stride(1) == size || steps.line_stride(1) == 0) return -1;
  if (steps.line() < kNarrowest) return -1;
  for (int d = steps.rank - 2; d >= 0; --d) {
    if (steps.stride[1][d] == size && steps.size[d] >= kNarrowest) return d;
  }
  return -1;
}

}  // namespace

CopyPlan::CopyPlan(const Tensor& y, const Tensor& x) : steps(steps_in_memory_order(y, x)) {
  const auto y_size = static_cast<std::int64_t>(size_of(y.dtype())),
             x_size = static_cast<std::int64_t>(size_of(x.dtype()));
  const bool converts = y.dtype() != x.dtype();
  if (!converts && steps.rank == 1 && steps.line_stride(0) == y_size && steps.line_stride(1) == x_size) {
    way = CopyWay::bytes;
    return;
  }
  const int packet = packet_width(static_cast<std::size_t>(std::max(y_size, x_size)));
  if (steps.takes_packets(0, y.raw_data(), y_size, packet) && steps.takes_packets(1, x.raw_data(), x_size, packet)) {
    way = CopyWay::packets;
    width = packet;
    return;
  }
  row = converts ? -1 : crossing_row(steps, y_size);
  if (row >= 0) way = CopyWay::tiles;
}

}  // namespace hop::kernels::cuda
