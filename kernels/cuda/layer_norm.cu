// Layer normalisation of rows: y = (x - mean) * rstd * weight + bias, with separate statistics for each row.
//
// Forward and dx are row operations and read like their formulas; rows_device.h keeps a row in registers, so that the
// two passes for the variance (a large mean costs no digits) are two passes over registers.
//
// dweight and dbias are sums over the columns of a matrix that is stored by rows. A thread per column reads well (the
// lanes of a warp read neighbours) but leaves a card idle: 768 columns are 768 threads. So the rows are cut into parts,
// each part is summed by a block, and a second kernel adds the parts in a fixed order. An atomic addition per block
// would save that kernel and lose the order, that is the last bits. If a block can hold a row (f32, up to 8,192 values
// in packets), it keeps the sums of its columns in registers while it walks the rows for dx, and g and x are read once.
// Otherwise dx and the sums are separate kernels, and g and x are read twice.
#include <algorithm>
#include <cmath>

#include "kernels/cuda/on_device.h"
#include "kernels/cuda/operands_internal.h"
#include "kernels/cuda/rows_device.h"
#include "kernels/layer_norm_operations.h"

namespace hop::kernels::cuda {
namespace {

using std::sqrt;  // the overload for numbers

/// Floor: 2 s bytes per value of x (s = sizeof(T)), 2 s per row.
template <class T>
struct LayerNorm {
  const T *x, *weight, *bias;  // weight and bias may be null
  T eps;
  T *y, *mean, *rstd;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const auto v = row.read(x);
    const T count = static_cast<T>(row.length());
    const T m = row.template reduce<Add>([&](auto i) { return v[i]; }) / count;
    const T variance = row.template reduce<Add>([&](auto i) { return (v[i] - m) * (v[i] - m); }) / count;
    const T r = T{1} / sqrt(variance + eps);
    row.write(
        y, [&](auto i, T w, T b) { return (v[i] - m) * r * w + b; }, Shared<T>{weight, T{1}}, Shared<T>{bias, T{0}});
    if (!row.leads()) return;
    mean[row.index()] = m;
    rstd[row.index()] = r;
  }
};

/// With xhat = (x - mean) * rstd and h = g * weight: dx = rstd * (h - mean(h) - xhat * mean(h * xhat)).
/// Floor: 3 s per value.
template <class T>
struct LayerNormGrad {
  enum { kKeepsMuch };  // see rows_device.h
  const T *g, *x, *weight, *mean, *rstd;
  T* dx;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const auto slope = row.read(g), v = row.read(x), w = row.read_vector(weight, T{1});
    const T m = row.exists() ? mean[row.index()] : T{0}, r = row.exists() ? rstd[row.index()] : T{0};
    const T count = static_cast<T>(row.length());
    const auto h = [&](auto i) { return slope[i] * w[i]; };
    const auto xhat = [&](auto i) { return (v[i] - m) * r; };
    const T h_mean = row.template reduce<Add>(h) / count;
    const T hx_mean = row.template reduce<Add>([&](auto i) { return h(i) * xhat(i); }) / count;
    row.write(dx, [&](auto i) { return r * (h(i) - h_mean - xhat(i) * hx_mean); });
  }
};

// ---- dweight = sum of g * xhat, dbias = sum of g over the rows

constexpr int kColumns = 32;  // per block: a warp reads 128 bytes of a row
constexpr int kRowsAtOnce = 8;

template <class T>
struct ColumnSums {
  T *dweight, *dbias;
};

/// Adds the rows of part blockIdx.y. sums: (parts, columns) each. Floor: 2 s per value of x.
template <class T>
__global__ void __launch_bounds__(kColumns* kRowsAtOnce)
    sum_columns(const T* g, const T* x, const T* mean, const T* rstd, std::int64_t rows, std::int64_t columns,
                std::int64_t part_rows, ColumnSums<T> sums) {
  __shared__ T weight_sums[kRowsAtOnce][kColumns], bias_sums[kRowsAtOnce][kColumns];
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kColumns + tx, part = blockIdx.y;
  const std::int64_t end = column < columns ? min(rows, (part + 1) * part_rows) : 0;
  T weight_sum = 0, bias_sum = 0;
#pragma unroll 4
  for (std::int64_t row = part * part_rows + ty; row < end; row += kRowsAtOnce) {
    const std::int64_t at = row * columns + column;
    weight_sum += g[at] * ((x[at] - mean[row]) * rstd[row]);
    bias_sum += g[at];
  }
  weight_sums[ty][tx] = weight_sum;
  bias_sums[ty][tx] = bias_sum;
  __syncthreads();
  if (ty != 0 || column >= columns) return;
  for (int i = 1; i < kRowsAtOnce; ++i) {
    weight_sum += weight_sums[i][tx];
    bias_sum += bias_sums[i][tx];
  }
  sums.dweight[part * columns + column] = weight_sum;
  sums.dbias[part * columns + column] = bias_sum;
}

constexpr int kPartLanes = 16;  // lanes that add the parts of a column

/// Adds the parts: lane l the parts l, l + 16, .., then the lanes in their order.
template <class T>
__global__ void __launch_bounds__(kColumns* kPartLanes)
    add_parts(ColumnSums<T> from, std::int64_t parts, std::int64_t columns, ColumnSums<T> to) {
  __shared__ T weight_sums[kPartLanes][kColumns], bias_sums[kPartLanes][kColumns];
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kColumns + tx;
  T weight_sum = 0, bias_sum = 0;
#pragma unroll 8
  for (std::int64_t part = ty; part < (column < columns ? parts : 0); part += kPartLanes) {
    weight_sum += from.dweight[part * columns + column];
    bias_sum += from.dbias[part * columns + column];
  }
  weight_sums[ty][tx] = weight_sum;
  bias_sums[ty][tx] = bias_sum;
  __syncthreads();
  if (ty != 0 || column >= columns) return;
  for (int i = 1; i < kPartLanes; ++i) {
    weight_sum += weight_sums[i][tx];
    bias_sum += bias_sums[i][tx];
  }
  to.dweight[column] = weight_sum;
  to.dbias[column] = bias_sum;
}

template <class T>
void launch_add_parts(const ColumnSums<T>& from, std::int64_t parts, std::int64_t columns, const ColumnSums<T>& to) {
  launch(add_parts<T>, dim3(blocks_for(columns, kColumns)), dim3(kColumns, kPartLanes), 0, current_stream(), from,
         parts, columns, to);
}

// ---- dx, dweight and dbias in one walk over the rows

constexpr int kHeld = 8, kPacket = 4;  // values of a row that a thread holds; per access

/// Two sums over a block, for all threads. `turn` alternates, so that one barrier is enough to separate reads from
/// writes.
template <int kBlock>
__device__ void sum_pair(float& a, float& b, int turn) {
  constexpr int kWarps = kBlock / 32;
  __shared__ float partial[2][2][32];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  a = warp_reduce<Add>(a);
  b = warp_reduce<Add>(b);
  if (lane == 0) {
    partial[turn][0][warp] = a;
    partial[turn][1][warp] = b;
  }
  __syncthreads();
  a = warp_reduce<Add>(lane < kWarps ? partial[turn][0][lane] : 0.0F);
  b = warp_reduce<Add>(lane < kWarps ? partial[turn][1][lane] : 0.0F);
}

/// The rows of part blockIdx.x. dx as LayerNormGrad; sums as sum_columns, each column's rows in order. Floor: 3 s per
/// value.
template <int kBlock>
__global__ void __launch_bounds__(kBlock, 1024 / kBlock)
    layer_norm_grad_rows(LayerNormGrad<float> z, std::int64_t rows, std::int64_t length, std::int64_t part_rows,
                         ColumnSums<float> sums) {
  const std::int64_t part = blockIdx.x, end = min(rows, (part + 1) * part_rows);
  const auto at = [](int k) { return std::int64_t{k * kBlock + static_cast<int>(threadIdx.x)} * kPacket; };
  float weight_sum[kHeld] = {}, bias_sum[kHeld] = {};
#pragma unroll 1
  for (std::int64_t row = part * part_rows; row < end; ++row) {
    Packet<float, kPacket> g[kHeld / kPacket] = {}, x[kHeld / kPacket] = {};
    const std::int64_t start = row * length;
#pragma unroll
    for (int k = 0; k < kHeld / kPacket; ++k) {
      if (at(k) >= length) continue;
      g[k] = load<kPacket>(z.g + start + at(k), true);
      x[k] = load<kPacket>(z.x + start + at(k), true);
    }
    const float mean = z.mean[row], rstd = z.rstd[row], count = static_cast<float>(length);
    float h_mean = 0, hx_mean = 0;
#pragma unroll
    for (int k = 0; k < kHeld / kPacket; ++k) {
      if (at(k) >= length) continue;
      const auto w = load<kPacket>(z.weight + at(k), true);
#pragma unroll
      for (int i = 0; i < kPacket; ++i) {
        const float xhat = (x[k].v[i] - mean) * rstd, h = g[k].v[i] * w.v[i];
        weight_sum[k * kPacket + i] += g[k].v[i] * xhat;
        bias_sum[k * kPacket + i] += g[k].v[i];
        h_mean += h;
        hx_mean += h * xhat;
        x[k].v[i] = xhat;
        g[k].v[i] = h;
      }
    }
    sum_pair<kBlock>(h_mean, hx_mean, static_cast<int>(row & 1));
    h_mean /= count;
    hx_mean /= count;
#pragma unroll
    for (int k = 0; k < kHeld / kPacket; ++k) {
      if (at(k) >= length) continue;
#pragma unroll
      for (int i = 0; i < kPacket; ++i) g[k].v[i] = rstd * (g[k].v[i] - h_mean - x[k].v[i] * hx_mean);
      store(z.dx + start + at(k), g[k], true);
    }
  }
#pragma unroll
  for (int k = 0; k < kHeld / kPacket; ++k) {
    if (at(k) >= length) continue;
    Packet<float, kPacket> w, b;
#pragma unroll
    for (int i = 0; i < kPacket; ++i) {
      w.v[i] = weight_sum[k * kPacket + i];
      b.v[i] = bias_sum[k * kPacket + i];
    }
    store(sums.dweight + part * length + at(k), w, true);
    store(sums.dbias + part * length + at(k), b, true);
  }
}

/// Whether a block holds a row. Depends on the row alone, because the bits follow from the answer.
bool is_held(const Tensor& x, std::int64_t length) {
  return x.dtype() == DType::f32 && length % kPacket == 0 && length <= 1024 * kHeld;
}
/// x, or a copy that is aligned to 16 bytes.
Tensor on_packets(const Tensor& x) { return all_aligned(x.raw_data()) ? x : clone(x); }

/// All pointers are aligned to 16 bytes.
void launch_grad_rows(const LayerNormGrad<float>& z, std::int64_t rows, std::int64_t length, const Tensor& like,
                      const ColumnSums<float>& to) {
  const auto run = [&]<int kBlock>(std::integral_constant<int, kBlock>) {
    // A function of the shape alone: two thousand threads for each multiprocessor of a large card, or 512 parts.
    const std::int64_t wanted = std::min<std::int64_t>(512, 128 * 1024 / kBlock);
    const std::int64_t part_rows = std::max<std::int64_t>(4, (rows + wanted - 1) / wanted);
    const std::int64_t parts = (rows + part_rows - 1) / part_rows;
    const Tensor room = parts == 1 ? Tensor() : Tensor::empty({2, parts, length}, like.dtype(), like.device());
    const ColumnSums<float> sums =
        parts == 1 ? to : ColumnSums<float>{room.data<float>(), room.data<float>() + parts * length};
    launch(layer_norm_grad_rows<kBlock>, dim3(static_cast<unsigned>(parts)), dim3(kBlock), 0, current_stream(), z, rows,
           length, part_rows, sums);
    if (parts > 1) launch_add_parts(sums, parts, length, to);
  };
  if (length <= 128 * kHeld)
    run(std::integral_constant<int, 128>{});
  else if (length <= 256 * kHeld)
    run(std::integral_constant<int, 256>{});
  else if (length <= 512 * kHeld)
    run(std::integral_constant<int, 512>{});
  else
    run(std::integral_constant<int, 1024>{});
}

template <class T>
void launch_column_sums(const Tensor& g, const Tensor& x, const Tensor& mean, const Tensor& rstd,
                        const ColumnSums<T>& to) {
  const std::int64_t rows = mean.numel(), columns = x.numel() / rows;
  const unsigned tiles = blocks_for(columns, kColumns);
  // A function of the shape alone. Enough blocks to fill a card; few enough parts for one thread to add them.
  const std::int64_t wanted = std::clamp<std::int64_t>(1024 / tiles, 1, 64);
  const std::int64_t part_rows = std::max<std::int64_t>(8 * kRowsAtOnce, (rows + wanted - 1) / wanted);
  const std::int64_t parts = (rows + part_rows - 1) / part_rows;
  const Tensor room = parts == 1 ? Tensor() : Tensor::empty({2, parts, columns}, x.dtype(), x.device());
  const ColumnSums<T> sums = parts == 1 ? to : ColumnSums<T>{room.data<T>(), room.data<T>() + parts * columns};
  launch(sum_columns<T>, dim3(tiles, static_cast<unsigned>(parts)), dim3(kColumns, kRowsAtOnce), 0, current_stream(),
         g.data<T>(), x.data<T>(), mean.data<T>(), rstd.data<T>(), rows, columns, part_rows, sums);
  if (parts > 1) launch_add_parts(sums, parts, columns, to);
}

// ---- Host side

void layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const NormResult& result) {
  const std::int64_t rows = result.mean.numel();
  const Tensor from = dense(x), w = dense(weight), b = dense(bias);
  visit_floating(x, [&]<class T>(T) {
    const LayerNorm<T> body{from.data<T>(),     data_or_null<T>(w),    data_or_null<T>(b),   static_cast<T>(eps),
                            result.y.data<T>(), result.mean.data<T>(), result.rstd.data<T>()};
    const bool aligned = all_aligned(body.x, body.weight, body.bias, body.y);
    launch_rows<T>(rows, x.numel() / rows, aligned, body);
  });
}

void layer_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                     const NormGrads& grads) {
  const std::int64_t length = x.numel() / mean.numel();
  const bool in_one_walk = weight.defined() && is_held(x, length);
  const auto operand = [&](const Tensor& t) { return in_one_walk ? on_packets(dense(t)) : dense(t); };
  const Tensor from_g = operand(g), from = operand(x), w = operand(weight), m = dense(mean), r = dense(rstd);
  visit_floating(x, [&]<class T>(T) {
    const LayerNormGrad<T> body{from_g.data<T>(), from.data<T>(), data_or_null<T>(w),
                                m.data<T>(),      r.data<T>(),    grads.dx.data<T>()};
    if constexpr (std::is_same_v<T, float>) {
      if (in_one_walk)
        return launch_grad_rows(body, m.numel(), length, from, {grads.dweight.data<T>(), grads.dbias.data<T>()});
    }
    const bool aligned = all_aligned(body.g, body.x, body.weight, body.dx);
    launch_rows<T>(m.numel(), length, aligned, body);
    if (weight.defined()) launch_column_sums<T>(from_g, from, m, r, {grads.dweight.data<T>(), grads.dbias.data<T>()});
  });
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const LayerNormOperations LayerNormOperations::cuda = {
    .layer_norm = cuda::on_device<cuda::layer_norm>,
    .layer_norm_grad = cuda::on_device<cuda::layer_norm_grad>,
};

}  // namespace hop::kernels
