// y (m, n) = a (m, k) b (k, n) + bias (n), any strides, f32 and f64: our own product. Two levels of tiles: a block
// computes 64 x 64 results from strips of a and b in shared memory, a thread 4 x 4 of them in registers
// (kernels/cuda/lessons climbs here step by step).
//
// 2 m n k FLOPs. A block reads 128 k values for its 64 x 64 results, so m n k / 32 values of global memory are read in
// all; a thread makes 16 products from 8 values of shared memory. Half to two thirds of the f32 peak is what this form
// can give; cuBLASLt is the fast path.
#include <algorithm>

#include "kernels/cuda/language.h"
#include "kernels/cuda/matmul_internal.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kTile = 64;      // results per block, each way
constexpr int kDepth = 16;     // of the strips in shared memory
constexpr int kPerThread = 4;  // results per thread, each way
constexpr int kSide = kTile / kPerThread;
constexpr int kThreads = kSide * kSide;
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

/// One strip, `kTile` lines of `kDepth` values from (line, depth), into shared memory as strip[depth][line].
/// Neighbouring threads read neighbouring addresses, whichever stride is 1. What lies outside is 0.
template <class T>
__device__ void load_strip(T (&strip)[kDepth][kTile + 1], const T* from, int line, int lines, std::int64_t line_stride,
                           int depth, int depths, std::int64_t depth_stride) {
  const bool along_depth = depth_stride == 1;
  for (int i = static_cast<int>(threadIdx.x); i < kTile * kDepth; i += kThreads) {
    const int d = along_depth ? i % kDepth : i / kTile;
    const int l = along_depth ? i / kDepth : i % kTile;
    const bool inside = line + l < lines && depth + d < depths;
    strip[d][l] = inside ? from[(line + l) * line_stride + (depth + d) * depth_stride] : T(0);
  }
}

template <class T>
__device__ void multiply_tile(const Product<T>& p, const T* a, const T* b, T* y, int row, int column) {
  __shared__ T a_strip[kDepth][kTile + 1];
  __shared__ T b_strip[kDepth][kTile + 1];
  // A thread's results lie kSide apart, so that the threads of a warp read neighbouring words of a strip.
  const int thread_row = static_cast<int>(threadIdx.x) / kSide;
  const int thread_column = static_cast<int>(threadIdx.x) % kSide;
  T sum[kPerThread][kPerThread] = {};

  for (int depth = 0; depth < p.k; depth += kDepth) {
    load_strip(a_strip, a, row, p.m, p.a_row, depth, p.k, p.a_column);
    load_strip(b_strip, b, column, p.n, p.b_column, depth, p.k, p.b_row);
    __syncthreads();
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      T x[kPerThread], w[kPerThread];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i) x[i] = a_strip[d][thread_row + i * kSide];
#pragma unroll
      for (int j = 0; j < kPerThread; ++j) w[j] = b_strip[d][thread_column + j * kSide];
#pragma unroll
      for (int i = 0; i < kPerThread; ++i) {
#pragma unroll
        for (int j = 0; j < kPerThread; ++j) sum[i][j] = fma(x[i], w[j], sum[i][j]);
      }
    }
    __syncthreads();  // before the next strips overwrite these
  }

#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
#pragma unroll
    for (int j = 0; j < kPerThread; ++j) {
      const int r = row + thread_row + i * kSide, c = column + thread_column + j * kSide;
      if (r < p.m && c < p.n) {
        y[static_cast<std::int64_t>(r) * p.n + c] = p.bias != nullptr ? sum[i][j] + p.bias[c] : sum[i][j];
      }
    }
  }
}

/// Grid: x = tiles of one matrix, z = steps of the batch (each block takes every gridDim.z-th).
template <class T>
__global__ void __launch_bounds__(kThreads) matmul_tiles(Product<T> p) {
  const int tiles_across = (p.n + kTile - 1) / kTile;
  const int row = static_cast<int>(blockIdx.x) / tiles_across * kTile;
  const int column = static_cast<int>(blockIdx.x) % tiles_across * kTile;
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
    multiply_tile(p, a, b, p.y + step * p.m * p.n, row, column);
  }
}

/// The stride of x's leading dimension `d` of `dims`, counted from the back; 0 where x repeats.
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
  const auto tiles = [](int size) { return static_cast<unsigned>((size + kTile - 1) / kTile); };
  const dim3 grid(tiles(p.m) * tiles(p.n), 1, static_cast<unsigned>(std::min<std::int64_t>(p.batch.steps, 65535)));
  launch(matmul_tiles<T>, grid, dim3(kThreads), 0, current_stream(), p);
}

}  // namespace

void matmul_in_tiles(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& y) {
  y.dtype() == DType::f64 ? multiply<double>(a, b, bias, y) : multiply<float>(a, b, bias, y);
}

}  // namespace hop::kernels::cuda
