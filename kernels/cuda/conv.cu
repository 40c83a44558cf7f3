// Convolution and its gradients by the definition, as gathers: one thread or one warp computes each result and reads
// all values that the result needs. Nothing is scattered, so there are no atomics, and every sum has one order:
//
//   y[n][k][i][j]      = sum over c, r, s    of x[n][c][h][w] weight[k][c][r][s]     one thread
//   dx[n][c][h][w]     = sum over k, r, s    of g[n][k][i][j] weight[k][c][r][s]     one thread
//   dweight[k][c][r][s] = sum over n, i, j    of g[n][k][i][j] x[n][c][h][w]          one warp: 32 sums, then a tree
//
// with h = i stride + r dilation - padding and w likewise; c runs over the channels of k's group. 2 n k p q (c /
// groups) r s FLOPs each. Every operand is read again for each use, from the caches if they hold it, so these kernels
// suit groups of few channels. Other groups use tiles (conv_tiles.cu). The fast path is cuDNN.
#include <algorithm>

#include "kernels/cuda/conv_internal.h"
#include "kernels/cuda/language.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarp = 32;
constexpr int kMaxBlocks = 1 << 16;  // beyond it, each thread takes several results

/// The sizes in the types of index arithmetic on the device. A tensor may have more than 2^31 elements, but each side
/// is shorter.
struct Sizes {
  int n, c, h, w, k, r, s, p, q;
  int group_in, group_out;  // channels per group
  int stride[2], padding[2], dilation[2];
};

/// An index split into its parts, the last fastest.
struct Index4 {
  int n, c, h, w;
};
__device__ inline Index4 split(std::int64_t i, int channels, int rows, int columns) {
  Index4 at;
  at.w = static_cast<int>(i % columns);
  i /= columns;
  at.h = static_cast<int>(i % rows);
  i /= rows;
  at.c = static_cast<int>(i % channels);
  at.n = static_cast<int>(i / channels);
  return at;
}
__device__ inline std::int64_t join(int n, int c, int h, int w, int channels, int rows, int columns) {
  return ((static_cast<std::int64_t>(n) * channels + c) * rows + h) * columns + w;
}

template <class T>
__global__ void conv_forward(Sizes z, const T* x, const T* weight, T* y) {
  const std::int64_t count = static_cast<std::int64_t>(z.n) * z.k * z.p * z.q;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; at < count; at += step) {
    const Index4 out = split(at, z.k, z.p, z.q);
    const int first = out.c / z.group_out * z.group_in;
    T sum = 0;
    for (int c = 0; c < z.group_in; ++c) {
      for (int r = 0; r < z.r; ++r) {
        const int h = out.h * z.stride[0] + r * z.dilation[0] - z.padding[0];
        if (h < 0 || h >= z.h) continue;
        for (int s = 0; s < z.s; ++s) {
          const int w = out.w * z.stride[1] + s * z.dilation[1] - z.padding[1];
          if (w < 0 || w >= z.w) continue;
          sum = fma(x[join(out.n, first + c, h, w, z.c, z.h, z.w)], weight[join(out.c, c, r, s, z.group_in, z.r, z.s)],
                    sum);
        }
      }
    }
    y[at] = sum;
  }
}

/// The result index i whose window has input `at` under tap `tap`, or -1 if there is none: at = i stride + tap dilation
/// - padding.
__device__ inline int window_of(int at, int tap, int stride, int dilation, int padding, int windows) {
  const int from = at + padding - tap * dilation;
  return from >= 0 && from % stride == 0 && from / stride < windows ? from / stride : -1;
}

template <class T>
__global__ void conv_input_grad(Sizes z, const T* g, const T* weight, T* dx) {
  const std::int64_t count = static_cast<std::int64_t>(z.n) * z.c * z.h * z.w;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; at < count; at += step) {
    const Index4 in = split(at, z.c, z.h, z.w);
    const int group = in.c / z.group_in;
    T sum = 0;
    for (int k = group * z.group_out; k < (group + 1) * z.group_out; ++k) {
      for (int r = 0; r < z.r; ++r) {
        const int i = window_of(in.h, r, z.stride[0], z.dilation[0], z.padding[0], z.p);
        if (i < 0) continue;
        for (int s = 0; s < z.s; ++s) {
          const int j = window_of(in.w, s, z.stride[1], z.dilation[1], z.padding[1], z.q);
          if (j < 0) continue;
          sum = fma(g[join(in.n, k, i, j, z.k, z.p, z.q)],
                    weight[join(k, in.c - group * z.group_in, r, s, z.group_in, z.r, z.s)], sum);
        }
      }
    }
    dx[at] = sum;
  }
}

template <class T>
__global__ void conv_weight_grad(Sizes z, const T* g, const T* x, T* dweight) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  constexpr int kWarps = kThreads / kWarp;
  const std::int64_t count = static_cast<std::int64_t>(z.k) * z.group_in * z.r * z.s;
  const std::int64_t terms = static_cast<std::int64_t>(z.n) * z.p * z.q;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kWarps;
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp; at < count; at += step) {
    const Index4 tap = split(at, z.group_in, z.r, z.s);  // n is our k
    const int channel = tap.n / z.group_out * z.group_in + tap.c;
    T sum = 0;
    for (std::int64_t term = lane; term < terms; term += kWarp) {
      const Index4 out = split(term, 1, z.p, z.q);
      const int h = out.h * z.stride[0] + tap.h * z.dilation[0] - z.padding[0];
      const int w = out.w * z.stride[1] + tap.w * z.dilation[1] - z.padding[1];
      if (h < 0 || h >= z.h || w < 0 || w >= z.w) continue;
      sum = fma(g[join(out.n, tap.n, out.h, out.w, z.k, z.p, z.q)], x[join(out.n, channel, h, w, z.c, z.h, z.w)], sum);
    }
    for (int distance = kWarp / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(~0U, sum, distance);
    if (lane == 0) dweight[at] = sum;
  }
}

dim3 blocks_for(std::int64_t results, int per_block) {
  return dim3(static_cast<unsigned>(std::min<std::int64_t>((results + per_block - 1) / per_block, kMaxBlocks)));
}

Sizes device_sizes(const ConvSizes& z) {
  const auto narrow = [](std::int64_t size) { return static_cast<int>(size); };
  const auto& o = z.options;
  return {narrow(z.n),
          narrow(z.c),
          narrow(z.h),
          narrow(z.w),
          narrow(z.k),
          narrow(z.r),
          narrow(z.s),
          narrow(z.p),
          narrow(z.q),
          narrow(z.c / o.groups),
          narrow(z.k / o.groups),
          {narrow(o.stride[0]), narrow(o.stride[1])},
          {narrow(o.padding[0]), narrow(o.padding[1])},
          {narrow(o.dilation[0]), narrow(o.dilation[1])}};
}

template <class T>
void convolve(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& y) {
  const Sizes z = device_sizes(sizes);
  const cudaStream_t stream = current_stream();
  switch (pass) {
    case ConvPass::forward:
      return launch(conv_forward<T>, blocks_for(y.numel(), kThreads), dim3(kThreads), 0, stream, z, x.data<T>(),
                    weight.data<T>(), y.data<T>());
    case ConvPass::input_grad:
      return launch(conv_input_grad<T>, blocks_for(x.numel(), kThreads), dim3(kThreads), 0, stream, z, y.data<T>(),
                    weight.data<T>(), x.data<T>());
    case ConvPass::weight_grad:
      return launch(conv_weight_grad<T>, blocks_for(weight.numel(), kThreads / kWarp), dim3(kThreads), 0, stream, z,
                    y.data<T>(), x.data<T>(), weight.data<T>());
  }
}

}  // namespace

void conv2d_in_loops(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& y) {
  (y.dtype() == DType::f64 ? convolve<double> : convolve<float>)(pass, sizes, x, weight, y);
}

}  // namespace hop::kernels::cuda
