// Layer normalisation of rows: y = (x - mean) * rstd * weight + bias, each row with statistics of its own.
//
// Forward and dx are row operations and read like their formulas; rows_device.h keeps a row in registers, so that the
// two passes for the variance (a large mean costs no digits) are two passes over registers.
//
// dweight and dbias are sums over the columns of a matrix that is stored by rows. A thread per column reads well (the
// lanes of a warp read neighbours) but leaves a card idle: 768 columns are 768 threads. So the rows are cut into parts,
// a block sums 32 columns of one part, and a second kernel adds the parts in their order. An atomic addition per block
// would save that kernel and lose the order, that is the last bits.
#include <algorithm>
#include <cmath>

#include "kernels/cuda/operands_internal.h"
#include "kernels/cuda/operations_internal.h"
#include "kernels/cuda/rows_device.h"

namespace hop::kernels::cuda {
namespace {

using std::sqrt;  // of a number

/// Floor: 2 s bytes per value of x (s = sizeof(T)), 2 s per row.
template <class T>
struct LayerNorm {
  const T *x, *weight, *bias;  // weight and bias may be null
  T eps;
  T *y, *mean, *rstd;

  template <class Row>
  __device__ void operator()(const Row& row) const {
    const auto v = row.read(x), w = row.read_vector(weight, T{1}), b = row.read_vector(bias, T{0});
    const T count = static_cast<T>(row.length());
    const T m = row.template reduce<Add>([&](auto i) { return v[i]; }) / count;
    const T variance = row.template reduce<Add>([&](auto i) { return (v[i] - m) * (v[i] - m); }) / count;
    const T r = T{1} / sqrt(variance + eps);
    row.write(y, [&](auto i) { return (v[i] - m) * r * w[i] + b[i]; });
    if (!row.leads()) return;
    mean[row.index()] = m;
    rstd[row.index()] = r;
  }
};

/// With xhat = (x - mean) * rstd and h = g * weight: dx = rstd * (h - mean(h) - xhat * mean(h * xhat)).
/// Floor: 3 s per value.
template <class T>
struct LayerNormGrad {
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

/// Adds the parts; one thread per column.
template <class T>
__global__ void __launch_bounds__(128)
    add_parts(ColumnSums<T> from, std::int64_t parts, std::int64_t columns, ColumnSums<T> to) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  T weight_sum = 0, bias_sum = 0;
#pragma unroll 8
  for (std::int64_t part = 0; part < parts; ++part) {
    weight_sum += from.dweight[part * columns + column];
    bias_sum += from.dbias[part * columns + column];
  }
  to.dweight[column] = weight_sum;
  to.dbias[column] = bias_sum;
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
  if (parts > 1)
    launch(add_parts<T>, dim3(blocks_for(columns, 128)), dim3(128), 0, current_stream(), sums, parts, columns, to);
}

// ---- Host side

Tensor like_or_undefined(const Tensor& x) {
  return x.defined() ? Tensor::empty(x.shape(), x.dtype(), x.device()) : Tensor();
}

}  // namespace

NormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, const Shape& rows) {
  const auto make = [&](const Shape& shape) { return Tensor::empty(shape, x.dtype(), x.device()); };
  const NormResult result{make(x.shape()), make(rows), make(rows)};
  const Tensor from = dense(x), w = dense(weight), b = dense(bias);
  visit_floating(x, [&]<class T>(T) {
    const LayerNorm<T> body{from.data<T>(),     data_or_null<T>(w),    data_or_null<T>(b),   static_cast<T>(eps),
                            result.y.data<T>(), result.mean.data<T>(), result.rstd.data<T>()};
    const bool aligned = all_aligned(body.x, body.weight, body.bias, body.y);
    launch_rows<T>(rows.numel(), x.numel() / rows.numel(), aligned, body);
  });
  return result;
}

NormGrads layer_norm_grad(const Tensor& g, const Tensor& x, const Tensor& weight, const Tensor& mean,
                          const Tensor& rstd) {
  const NormGrads grads{Tensor::empty(x.shape(), x.dtype(), x.device()), like_or_undefined(weight),
                        like_or_undefined(weight)};
  const Tensor from_g = dense(g), from = dense(x), w = dense(weight), m = dense(mean), r = dense(rstd);
  visit_floating(x, [&]<class T>(T) {
    const LayerNormGrad<T> body{from_g.data<T>(), from.data<T>(), data_or_null<T>(w),
                                m.data<T>(),      r.data<T>(),    grads.dx.data<T>()};
    const bool aligned = all_aligned(body.g, body.x, body.weight, body.dx);
    launch_rows<T>(m.numel(), x.numel() / m.numel(), aligned, body);
    if (weight.defined()) launch_column_sums<T>(from_g, from, m, r, {grads.dweight.data<T>(), grads.dbias.data<T>()});
  });
  return grads;
}

}  // namespace hop::kernels::cuda
