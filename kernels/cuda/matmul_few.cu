// y (m, n) = a (m, k) b (k, n) + bias (n), f32, for at most 32 rows, where both factors lie along k: the rows of a and
// the columns of b, as x and W^T of a linear layer.
//
// 2 m n k FLOPs; 4 (m k + k n + m n) bytes, most of them of b. A library cuts such a product along k, so that it has
// enough blocks, and needs a second launch to add the parts. Here the lanes of a warp share k and add their parts in
// registers: one launch. A warp makes 8 x 4 sums from packets of four values: 12 loads of 16 bytes for 128
// multiply-adds of a lane. The warps of a block take other rows and the same columns, so b is read from memory once.
// Every block reads a, m n k bytes in all, from the L2 cache. So a large product is left to the library
// (takes_few_rows).
//
// An element's sum: lane l adds the terms of the packets l, l + 32, .. in the order of k, in one chain of fused
// multiply-adds; lanes are added in pairs of distance 16, 8, 4, 2, 1. So its bits are a function of its own row and
// column: not of m, n, strides or addresses.
#include <cstdint>

#include "kernels/cuda/language.h"
#include "kernels/cuda/matmul_internal.h"
#include "kernels/cuda/packet.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kPack = 4;                      // values of one load
constexpr int kOwnRows = 8, kOwnColumns = 4;  // sums of a warp: one for each lane in the end
constexpr int kSums = kOwnRows * kOwnColumns;
constexpr int kLanes = 32;
static_assert(kSums == kLanes);

struct FewRows {
  const float* a;
  const float* b;
  const float* bias;  // or null
  float* y;
  int m, n, k;
  std::int64_t a_row, b_column;  // strides
};

/// The values at, at + 1, .. of a line of k, and zeros behind it.
template <bool kWhole>
__device__ inline Packet<float, kPack> fetch(const float* line, int at, int k) {
  if constexpr (kWhole) {
    return *reinterpret_cast<const Packet<float, kPack>*>(line + at);
  } else {
    Packet<float, kPack> x;
#pragma unroll
    for (int d = 0; d < kPack; ++d) x.v[d] = at + d < k ? line[at + d] : 0;
    return x;
  }
}

/// Adds the lanes' sums: lane l gets the total of sum l. Each step halves the sums that a lane still has a part of.
template <int kDistance = kLanes / 2>
__device__ inline float fold(float (&sum)[kSums], int lane) {
#pragma unroll
  for (int i = 0; i < kDistance; ++i) {
    const bool is_upper = (lane & kDistance) != 0;
    const float kept = is_upper ? sum[i + kDistance] : sum[i], given = is_upper ? sum[i] : sum[i + kDistance];
    sum[i] = kept + __shfl_xor_sync(kAllLanes, given, kDistance);
  }
  if constexpr (kDistance > 1) return fold<kDistance / 2>(sum, lane);
  return sum[0];
}

/// kWhole: lines are whole packets on boundaries of 16 bytes. Grid: groups of columns; block: a warp per group of rows.
template <bool kWhole>
__global__ void __launch_bounds__(kMostFewRows / kOwnRows * kLanes) few_rows(FewRows p) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes, warp = static_cast<int>(threadIdx.x) / kLanes;
  const int row = warp * kOwnRows, column = static_cast<int>(blockIdx.x) * kOwnColumns;
  const float *a[kOwnRows], *b[kOwnColumns];  // lines beyond the last one are the last one: their sums go nowhere
#pragma unroll
  for (int i = 0; i < kOwnRows; ++i) a[i] = p.a + min(row + i, p.m - 1) * p.a_row;
#pragma unroll
  for (int j = 0; j < kOwnColumns; ++j) b[j] = p.b + min(column + j, p.n - 1) * p.b_column;
  float sum[kSums] = {};
#pragma unroll 1  // unrolling would cost registers
  for (int at = lane * kPack; at < p.k; at += kLanes * kPack) {
    Packet<float, kPack> u[kOwnRows], v[kOwnColumns];
#pragma unroll
    for (int i = 0; i < kOwnRows; ++i) u[i] = fetch<kWhole>(a[i], at, p.k);
#pragma unroll
    for (int j = 0; j < kOwnColumns; ++j) v[j] = fetch<kWhole>(b[j], at, p.k);
#pragma unroll
    for (int d = 0; d < kPack; ++d) {
#pragma unroll
      for (int i = 0; i < kSums; ++i) sum[i] = fma(u[i / kOwnColumns].v[d], v[i % kOwnColumns].v[d], sum[i]);
    }
  }
  const float total = fold(sum, lane);
  const int r = row + lane / kOwnColumns, c = column + lane % kOwnColumns;
  if (r >= p.m || c >= p.n) return;
  p.y[static_cast<std::int64_t>(r) * p.n + c] = p.bias != nullptr ? total + p.bias[c] : total;
}

bool is_whole(const float* lines, std::int64_t stride, std::int64_t k) {
  return stride % kPack == 0 && k % kPack == 0 &&
         reinterpret_cast<std::uintptr_t>(lines) % sizeof(Packet<float, kPack>) == 0;
}

}  // namespace

void matmul_of_few_rows(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  FewRows p{};
  p.a = a.data<float>(), p.b = b.data<float>(), p.y = y.data<float>();
  p.bias = bias.defined() ? bias.data<float>() : nullptr;
  p.m = static_cast<int>(a.shape()[0]), p.n = static_cast<int>(b.shape()[1]), p.k = static_cast<int>(a.shape()[1]);
  p.a_row = a.strides()[0], p.b_column = b.strides()[1];
  const dim3 grid(static_cast<unsigned>((p.n + kOwnColumns - 1) / kOwnColumns));
  const dim3 block(static_cast<unsigned>((p.m + kOwnRows - 1) / kOwnRows * kLanes));
  if (is_whole(p.a, p.a_row, p.k) && is_whole(p.b, p.b_column, p.k))
    launch(few_rows<true>, grid, block, 0, current_stream(), p);
  else
    launch(few_rows<false>, grid, block, 0, current_stream(), p);
}

}  // namespace hop::kernels::cuda
