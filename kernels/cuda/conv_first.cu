// The forward pass of a first layer, whose image has few channels (a picture has 1 or 3):
//
//   y[n][k][p][q] = bias[k] + sum over c, r, s of x[n][c][h][w] weight[k][c][r][s]     h, w as in conv.cu
//
// x (n, c, h, w), weight (k, c, r, s), bias (k) or none, y (n, k, p, q), all f32 and contiguous. 2 n k p q c r s FLOPs;
// x is read once per 16 filters, y is written once. With 3 channels and 3 x 3 taps that is 54 FLOPs for each 4 bytes of
// y: on a card with 20 FLOPs per byte the sums and the bytes take nearly the same time. So the bias, a pass over y of
// its own elsewhere, is added before y is written.
//
// A block computes 16 filters for a rectangle of up to 512 result pixels. It copies the part of x that these pixels see
// to shared memory, with zeros around the image, and the 16 filters tap by tap. From there on nothing asks whether a
// tap lies inside of the image. A thread has 4 pixels, 128 apart, so that neighbouring threads read neighbouring values
// (no two of them want the same bank) and write neighbouring ones; all threads want the same filter, which is one read.
// A tap costs a thread 4 reads of 4 bytes, 4 of 16 bytes and 64 multiply-adds.
//
// Each sum is one chain over (c, r, s), as in conv_tiles.cu: both give the same bits.
#include <algorithm>
#include <limits>
#include <optional>

#include "kernels/cuda/conv_internal.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/tile_product.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kWarp = 32;
constexpr int kPixels = 4;    // of a thread
constexpr int kFilters = 16;  // of a block, and of each of its threads
constexpr int kMostColumns = 128;
constexpr std::int64_t kMostShared = 40 << 10;  // bytes; every card has 48 KB for a block

struct FirstLayer {
  int c, h, w, k, r, s, p, q;
  int row_step, column_step, row_padding, column_padding, row_dilation, column_dilation;
  int rows, columns;              // result pixels of a block, at most kThreads * kPixels
  int image_rows, image_columns;  // what they see of a channel of x
  int image_floats;               // of all channels, in whole packets
  int blocks_down, blocks_across;
};

/// image[c][i][j] = x[c][first_row + i][first_column + j], zero outside of x. A warp takes a line.
__device__ inline void load_image(const FirstLayer& z, const float* x, int first_row, int first_column, float* image) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int line = static_cast<int>(threadIdx.x) / kWarp; line < z.c * z.image_rows; line += kThreads / kWarp) {
    const int channel = line / z.image_rows, row = first_row + line % z.image_rows;
    const std::int64_t from = (static_cast<std::int64_t>(channel) * z.h + row) * z.w;
    for (int j = lane; j < z.image_columns; j += kWarp) {
      const int column = first_column + j;
      const bool inside = row >= 0 && row < z.h && column >= 0 && column < z.w;
      image[line * z.image_columns + j] = inside ? x[from + column] : 0.0F;
    }
  }
}

/// filters[tap][f] = weight[first + f][tap], zero behind the last filter.
__device__ inline void load_filters(const FirstLayer& z, const float* weight, int first, float* filters) {
  const int taps = z.c * z.r * z.s;
  for (int i = static_cast<int>(threadIdx.x); i < taps * kFilters; i += kThreads) {
    const int filter = first + i % kFilters;
    filters[i] = filter < z.k ? weight[static_cast<std::int64_t>(filter) * taps + i / kFilters] : 0.0F;
  }
}

/// Grid: x = rectangles of all images, y = 16 filters each.
__global__ void __launch_bounds__(kThreads) conv_first_forward(const __grid_constant__ FirstLayer z, const float* x,
                                                               const float* weight, const float* bias, float* y) {
  float* const image = dynamic_shared<float>();
  float* const filters = image + z.image_floats;
  const int blocks = z.blocks_down * z.blocks_across;
  const std::int64_t n = blockIdx.x / static_cast<unsigned>(blocks);
  const int block = static_cast<int>(blockIdx.x % static_cast<unsigned>(blocks));
  const int first_row = block / z.blocks_across * z.rows, first_column = block % z.blocks_across * z.columns;
  const int first_filter = static_cast<int>(blockIdx.y) * kFilters;
  load_image(z, x + n * z.c * z.h * z.w, first_row * z.row_step - z.row_padding,
             first_column * z.column_step - z.column_padding, image);
  load_filters(z, weight, first_filter, filters);
  __syncthreads();

  int corner[kPixels];  // of the window of each pixel, in `image`; pixels behind the last one compute what nobody reads
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
    const int pixel = static_cast<int>(threadIdx.x) + i * kThreads;
    const int row = pixel / z.columns, column = pixel % z.columns;
    corner[i] = row < z.rows ? row * z.row_step * z.image_columns + column * z.column_step : 0;
  }
  float sum[kPixels][kFilters] = {};
  const float* tap = filters;
  for (int c = 0; c < z.c; ++c) {
    for (int r = 0; r < z.r; ++r) {
      const float* const line = image + (c * z.image_rows + r * z.row_dilation) * z.image_columns;
      for (int s = 0; s < z.s; ++s, tap += kFilters) {
        float values[kPixels], weights[kFilters];
        read_own(tap, 4, weights);
#pragma unroll
        for (int i = 0; i < kPixels; ++i) values[i] = line[corner[i] + s * z.column_dilation];
#pragma unroll
        for (int i = 0; i < kPixels; ++i) {
#pragma unroll
          for (int f = 0; f < kFilters; ++f) sum[i][f] = fma(values[i], weights[f], sum[i][f]);
        }
      }
    }
  }

  const std::int64_t plane = static_cast<std::int64_t>(z.p) * z.q;
#pragma unroll
  for (int i = 0; i < kPixels; ++i) {
    const int pixel = static_cast<int>(threadIdx.x) + i * kThreads;
    const int row = first_row + pixel / z.columns, column = first_column + pixel % z.columns;
    if (pixel / z.columns >= z.rows || row >= z.p || column >= z.q) continue;
    float* const out = y + (n * z.k + first_filter) * plane + static_cast<std::int64_t>(row) * z.q + column;
#pragma unroll
    for (int f = 0; f < kFilters; ++f) {
      if (first_filter + f >= z.k) break;
      out[f * plane] = bias == nullptr ? sum[i][f] : sum[i][f] + bias[first_filter + f];
    }
  }
}

std::int64_t quotient_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The shared memory of a block, in bytes.
std::int64_t shared_bytes(const FirstLayer& z) {
  return (z.image_floats + std::int64_t{z.c} * z.r * z.s * kFilters) * std::int64_t{sizeof(float)};
}

/// How the blocks share the work; none if there would be too many blocks, or if shared memory holds the windows of less
/// than half of the pixels that a block can compute.
std::optional<FirstLayer> plan_of(const ConvSizes& z) {
  constexpr std::int64_t kMostFloats = kMostShared / std::int64_t{sizeof(float)};
  const auto& o = z.options;
  const std::int64_t taps = z.c * z.r * z.s;
  if (o.groups != 1 || taps > kMostFloats / kFilters) return std::nullopt;
  const std::int64_t columns = quotient_up(z.q, quotient_up(z.q, kMostColumns));
  const std::int64_t image_columns = (columns - 1) * o.stride[1] + (z.s - 1) * o.dilation[1] + 1;
  const std::int64_t most_rows = std::min(z.p, kThreads * kPixels / columns);
  for (std::int64_t rows = most_rows; rows > 0; rows /= 2) {
    if (rows < most_rows && rows * columns < kThreads * kPixels / 2) break;
    const std::int64_t image_rows = (rows - 1) * o.stride[0] + (z.r - 1) * o.dilation[0] + 1;
    if (image_columns > kMostFloats || image_rows > kMostFloats) continue;
    const std::int64_t floats = quotient_up(z.c * image_rows * image_columns, 4) * 4;
    if (floats + taps * kFilters > kMostFloats) continue;
    const std::int64_t down = quotient_up(z.p, rows), across = quotient_up(z.q, columns);
    const std::int64_t most = std::numeric_limits<int>::max();
    if (down > most / across || z.n > most / (down * across) || quotient_up(z.k, kFilters) > 65535) return std::nullopt;
    const auto narrow = [](std::int64_t size) { return static_cast<int>(size); };
    return FirstLayer{narrow(z.c),           narrow(z.h),           narrow(z.w),          narrow(z.k),
                      narrow(z.r),           narrow(z.s),           narrow(z.p),          narrow(z.q),
                      narrow(o.stride[0]),   narrow(o.stride[1]),   narrow(o.padding[0]), narrow(o.padding[1]),
                      narrow(o.dilation[0]), narrow(o.dilation[1]), narrow(rows),         narrow(columns),
                      narrow(image_rows),    narrow(image_columns), narrow(floats),       narrow(down),
                      narrow(across)};
  }
  return std::nullopt;
}

}  // namespace

bool conv2d_of_first_layer(const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& bias,
                           const Tensor& y) {
  if (y.dtype() != DType::f32 || sizes.c > kFirstLayerChannels) return false;
  const std::optional<FirstLayer> plan = plan_of(sizes);
  if (!plan) return false;
  const dim3 grid(static_cast<unsigned>(sizes.n * plan->blocks_down * plan->blocks_across),
                  static_cast<unsigned>(quotient_up(sizes.k, kFilters)));
  launch(conv_first_forward, grid, dim3(kThreads), static_cast<std::size_t>(shared_bytes(*plan)), current_stream(),
         *plan, x.data<float>(), weight.data<float>(), bias.defined() ? bias.data<float>() : nullptr, y.data<float>());
  return true;
}

}  // namespace hop::kernels::cuda
