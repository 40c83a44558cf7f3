// y (m, n) = a (m, k) b (k, n) + bias (n), any strides, f32 and f64: our own product, tile by tile (tile_product.h).
//
// 2 m n k FLOPs. A block reads 256 k values for its 128 x 128 results, so m n k / 64 values of global memory are read
// in all. A thread makes 64 products from 16 values of shared memory. Products of few tiles, and f64, take tiles of 64
// x 64, which gives four times the blocks. An element's sum is one chain in the order of k for every tile. cuBLASLt is
// the fast path.
#include <algorithm>
#include <type_traits>

#include "kernels/cuda/language.h"
#include "kernels/cuda/matmul_internal.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/tile_product.h"

namespace hop::kernels::cuda {
namespace {

using Large = Tile<128, 128, 8, 8>;
using Small = Tile<64, 64, 4, 4>;
constexpr std::int64_t kEnoughTiles = 66;  // large tiles: half the number that an H100 computes at a time
constexpr int kMaxBatch = kMaxDims - 2;

/// The leading dimensions: a step of the batch is an index of `sizes`, the last fastest.
struct Batch {
  int dims;
  int sizes[kMaxBatch];
  std::int64_t a_strides[kMaxBatch];
  std::int64_t b_strides[kMaxBatch];
  std::int64_t steps;
};

template <class T>
struct Product {
  const T* a;
  const T* b;
  const T* bias;  // or null
  T* y;
  int m, n, k;
  std::int64_t a_row, a_column, b_row, b_column;  // strides
  Batch batch;
};

/// The lines of a factor that a tile needs: rows of a, columns of b. A thread's values of a strip are evenly spaced.
template <class T, class Tile, int Lines>
class Factor {
 public:
  __device__ Factor(const T* from, int lines, int depth, std::int64_t line_stride, std::int64_t depth_stride)
      : along_depth_(depth_stride == 1), first_(place(0)), lines_(lines), depth_(depth), depth_stride_(depth_stride) {
    at_ = from + first_.line * line_stride + first_.depth * depth_stride;
    step_ = (place(1).line - first_.line) * line_stride + (place(1).depth - first_.depth) * depth_stride;
  }
  __device__ bool along_depth() const { return along_depth_; }
  template <int N>
  __device__ void fetch(int from, T (&x)[N]) const {
    const T* const at = at_ + from * depth_stride_;
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = place(i).line < lines_ && from + place(i).depth < depth_ ? at[i * step_] : T{0};
  }

 private:
  __device__ StripPlace place(int i) const { return strip_place<Tile, Lines>(along_depth_, i); }

  bool along_depth_;
  StripPlace first_;
  int lines_, depth_;
  std::int64_t depth_stride_, step_;
  const T* at_;
};

template <class T, class Tile>
__device__ void multiply_tile(const Product<T>& p, const T* a, const T* b, T* y, int row, int column) {
  __shared__ Strips<T, Tile> strips;
  const Factor<T, Tile, Tile::kRows> rows(a + row * p.a_row, p.m - row, p.k, p.a_row, p.a_column);
  const Factor<T, Tile, Tile::kColumns> columns(b + column * p.b_column, p.n - column, p.k, p.b_column, p.b_row);
  T sum[Tile::kOwnRows][Tile::kOwnColumns] = {};
  add_products(strips, sum, p.k, rows, columns);
#pragma unroll
  for (int i = 0; i < Tile::kOwnRows; ++i) {
#pragma unroll
    for (int j = 0; j < Tile::kOwnColumns; ++j) {
      const int r = row + Tile::row_of(i), c = column + Tile::column_of(j);
      if (r < p.m && c < p.n) {
        y[static_cast<std::int64_t>(r) * p.n + c] = p.bias != nullptr ? sum[i][j] + p.bias[c] : sum[i][j];
      }
    }
  }
}

/// Grid: x = tiles of one matrix, z = steps of the batch (each block takes every gridDim.z-th).
template <class T, class Tile>
__global__ void __launch_bounds__(Tile::kThreads, 1) matmul_tiles(Product<T> p) {
  const int tiles_across = (p.n + Tile::kColumns - 1) / Tile::kColumns;
  const int row = static_cast<int>(blockIdx.x) / tiles_across * Tile::kRows;
  const int column = static_cast<int>(blockIdx.x) % tiles_across * Tile::kColumns;
  for (std::int64_t step = blockIdx.z; step < p.batch.steps; step += gridDim.z) {
    const T* a = p.a;
    const T* b = p.b;
    std::int64_t rest = step;
    for (int d = p.batch.dims - 1; d >= 0; --d) {
      const std::int64_t at = rest % p.batch.sizes[d];
      rest /= p.batch.sizes[d];
      a += at * p.batch.a_strides[d];
      b += at * p.batch.b_strides[d];
    }
    multiply_tile<T, Tile>(p, a, b, p.y + step * p.m * p.n, row, column);
  }
}

/// The stride of x's leading dimension `d` of `dims`, counted from the back; 0 if x repeats.
std::int64_t batch_stride(const Tensor& x, int d, int dims) {
  const int own = d - (dims - (x.dim() - 2));
  return own < 0 || x.shape()[own] == 1 ? 0 : x.strides()[own];
}

Batch make_batch(const Tensor& a, const Tensor& b) {
  Batch batch{};
  batch.dims = std::max(a.dim(), b.dim()) - 2;
  batch.steps = 1;
  for (int d = 0; d < batch.dims; ++d) {
    const auto size_in = [&](const Tensor& x) {
      const int own = d - (batch.dims - (x.dim() - 2));
      return own < 0 ? 1 : x.shape()[own];
    };
    batch.sizes[d] = static_cast<int>(size_in(a) == 1 ? size_in(b) : size_in(a));
    batch.a_strides[d] = batch_stride(a, d, batch.dims);
    batch.b_strides[d] = batch_stride(b, d, batch.dims);
    batch.steps *= batch.sizes[d];
  }
  return batch;
}

template <class Tile>
std::int64_t tiles_of(std::int64_t m, std::int64_t n) {
  return (m + Tile::kRows - 1) / Tile::kRows * ((n + Tile::kColumns - 1) / Tile::kColumns);
}

template <class T, class Tile>
void launch_tiles(const Product<T>& p) {
  const dim3 grid(static_cast<unsigned>(tiles_of<Tile>(p.m, p.n)), 1,
                  static_cast<unsigned>(std::min<std::int64_t>(p.batch.steps, 65535)));
  launch(matmul_tiles<T, Tile>, grid, dim3(Tile::kThreads), 0, current_stream(), p);
}

template <class T>
void multiply(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  const int rows = a.dim() - 2, columns = b.dim() - 1;
  Product<T> p{};
  p.a = a.data<T>(), p.b = b.data<T>(), p.y = y.data<T>();
  p.bias = bias.defined() ? bias.data<T>() : nullptr;
  p.m = static_cast<int>(a.shape()[rows]);
  p.n = static_cast<int>(b.shape()[columns]);
  p.k = static_cast<int>(a.shape()[rows + 1]);
  p.a_row = a.strides()[rows], p.a_column = a.strides()[rows + 1];
  p.b_row = b.strides()[columns - 1], p.b_column = b.strides()[columns];
  p.batch = make_batch(a, b);
  if constexpr (std::is_same_v<T, float>) {
    if (tiles_of<Large>(p.m, p.n) * p.batch.steps >= kEnoughTiles) return launch_tiles<T, Large>(p);
  }
  launch_tiles<T, Small>(p);
}

}  // namespace

void matmul_in_tiles(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  y.dtype() == DType::f64 ? multiply<double>(a, b, bias, y) : multiply<float>(a, b, bias, y);
}

}  // namespace hop::kernels::cuda
