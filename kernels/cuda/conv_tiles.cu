// Convolution and its gradients as products of matrices that are never stored (implicit GEMM), tile by tile
// (tile_product.h). The top of conv.cu has the three formulas. Here
//
//   y        rows are pixels (n, p, q), columns channels k, steps (c, r, s)
//   dx       rows are pixels (n, h, w), columns channels c, steps (k, r, s)
//   dweight rows are channels k, columns (c, r, s), steps (n, p, q), cut into parts, one per block
//
// of one group. The place of an element of x is the sum of two places, a pixel's corner and a window's tap: offsets are
// added, and so are rows and columns, which tell whether the element is inside of the image. The same holds for a row
// and a step of any other factor. Each block keeps the places of its lines and of the next steps in shared memory. A
// value costs two reads there, five additions and comparisons, and its load.
//
// 2 n k p q (c / groups) r s FLOPs each; a tile of 128 x 64 makes 43 of them per loaded value. Sums over (c, r, s) and
// (k, r, s) are one chain each. dweight's parts are chains, too. The parts are added in one order, which the sizes
// alone decide.
#include <algorithm>

#include "kernels/cuda/conv_internal.h"
#include "kernels/cuda/conv_passes_device.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/tile_product.h"
#include "tensor/storage.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kSteps = 256;  // steps whose places are in shared memory at a time

/// The values of one factor for add_products, found through the places in shared memory.
template <class T, class Tile, int Lines, bool AlongDepth>
struct Loader {
  ConvFactor<T> factor;
  const Place *lines, *steps;
  __device__ static constexpr bool along_depth() { return AlongDepth; }
  template <int N>
  __device__ void fetch(int from, T (&values)[N]) const {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const StripPlace at = strip_place<Tile, Lines>(AlongDepth, i);
      values[i] = factor.load(lines[at.line], steps[from + at.depth]);
    }
  }
};

/// places[i] = of(first + i), or kNowhere from `end` on. Called by all threads of the block; contains no barrier.
template <class Of>
__device__ inline void find_places(Place* places, int count, std::int64_t first, std::int64_t end, int threads,
                                   const Of& of) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += threads)
    places[i] = first + i < end ? of(first + i) : nowhere();
}

/// Grid: x = tiles, z = groups times parts (each block takes every gridDim.z-th). A part is `part_steps` steps, a
/// multiple of kSteps.
template <class T, class Tile, class Pass>
__global__ void __launch_bounds__(Tile::kThreads, 1)
    conv_tiles(const __grid_constant__ Pass pass, int groups, std::int64_t parts, std::int64_t part_steps) {
  __shared__ Strips<T, Tile> strips;
  __shared__ Place row_places[Tile::kRows], column_places[Tile::kColumns];
  __shared__ Place row_steps[kSteps], column_steps[kSteps];
  const std::int64_t across = (pass.columns() + Tile::kColumns - 1) / Tile::kColumns;
  const std::int64_t row = blockIdx.x / across * Tile::kRows, column = blockIdx.x % across * Tile::kColumns;
  for (std::int64_t unit = blockIdx.z; unit < groups * parts; unit += gridDim.z) {
    const int group = static_cast<int>(unit % groups);
    const std::int64_t begin = unit / groups * part_steps, end = min(pass.steps(), begin + part_steps);
    find_places(row_places, Tile::kRows, row, pass.rows(), Tile::kThreads,
                [&](std::int64_t i) { return pass.row(group, i); });
    find_places(column_places, Tile::kColumns, column, pass.columns(), Tile::kThreads,
                [&](std::int64_t i) { return pass.column(group, i); });
    T sum[Tile::kOwnRows][Tile::kOwnColumns] = {};
    for (std::int64_t from = begin; from < end; from += kSteps) {
      find_places(row_steps, kSteps, from, end, Tile::kThreads,
                  [&](std::int64_t i) { return pass.row_step(group, i); });
      find_places(column_steps, kSteps, from, end, Tile::kThreads,
                  [&](std::int64_t i) { return pass.column_step(group, i); });
      __syncthreads();
      const int depth = static_cast<int>(min(std::int64_t{kSteps}, end - from));
      add_products(strips, sum, depth,
                   Loader<T, Tile, Tile::kRows, Pass::kRowsAlongDepth>{pass.row_factor(), row_places, row_steps},
                   Loader<T, Tile, Tile::kColumns, true>{pass.column_factor(), column_places, column_steps});
    }
    T* const out = pass.out(unit / groups);
#pragma unroll
    for (int i = 0; i < Tile::kOwnRows; ++i) {
      const std::int64_t r = row + Tile::row_of(i);
      if (r >= pass.rows()) continue;
      T* const line = out + pass.out_row(r);
#pragma unroll
      for (int j = 0; j < Tile::kOwnColumns; ++j) {
        const std::int64_t c = column + Tile::column_of(j);
        if (c < pass.columns()) line[pass.out_column(group, c)] = sum[i][j];
      }
    }
  }
}

// ---- the parts of dweight

constexpr int kSlices = 32;
constexpr int kSliceWidth = 32;

/// y[i] = the sum of parts[.][i]: 32 chains of every 32nd part, then a tree of the chains.
template <class T>
__global__ void __launch_bounds__(kSlices* kSliceWidth)
    sum_parts(const T* parts, T* y, std::int64_t count, std::int64_t part_count) {
  __shared__ T slices[kSlices][kSliceWidth];
  const int lane = static_cast<int>(threadIdx.x) % kSliceWidth, slice = static_cast<int>(threadIdx.x) / kSliceWidth;
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kSliceWidth + lane;
  T sum = 0;
  if (i < count) {
    for (std::int64_t part = slice; part < part_count; part += kSlices) sum += parts[part * count + i];
  }
  slices[slice][lane] = sum;
  for (int half = kSlices / 2; half > 0; half /= 2) {
    __syncthreads();
    if (slice < half) slices[slice][lane] += slices[slice + half][lane];
  }
  if (slice == 0 && i < count) y[i] = slices[0][lane];
}

constexpr std::int64_t kWantedThreads = 65536;  // half the threads that a large card holds

/// Steps of a part. There are enough parts to make kWantedThreads threads of all tiles, but no part has fewer than
/// kSteps.
std::int64_t part_steps_of(std::int64_t steps, std::int64_t tiles, std::int64_t threads) {
  const std::int64_t parts = std::max<std::int64_t>(1, kWantedThreads / (tiles * threads));
  const std::int64_t even = (steps + parts - 1) / parts;
  return (even + kSteps - 1) / kSteps * kSteps;
}

// ---- launches

DeviceConvSizes device_sizes(const ConvSizes& z) {
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
          narrow(o.stride[0]),
          narrow(o.stride[1]),
          narrow(o.padding[0]),
          narrow(o.padding[1]),
          narrow(o.dilation[0]),
          narrow(o.dilation[1])};
}

template <class Tile>
std::int64_t tiles_of(std::int64_t rows, std::int64_t columns) {
  return (rows + Tile::kRows - 1) / Tile::kRows * ((columns + Tile::kColumns - 1) / Tile::kColumns);
}

template <class T, class Tile, class Pass>
void launch_tiles(const Pass& pass, std::int64_t rows, std::int64_t columns, std::int64_t groups, std::int64_t parts,
                  std::int64_t part_steps) {
  const dim3 grid(static_cast<unsigned>(tiles_of<Tile>(rows, columns)), 1,
                  static_cast<unsigned>(std::min<std::int64_t>(groups * parts, 65535)));
  launch(conv_tiles<T, Tile, Pass>, grid, dim3(Tile::kThreads), 0, current_stream(), pass, static_cast<int>(groups),
         parts, part_steps);
}

/// Forward and the gradient of the image have many rows, so the columns decide the tile.
template <class T, class Pass>
void launch_pixels(const Pass& pass, std::int64_t rows, std::int64_t columns, std::int64_t groups, std::int64_t steps) {
  if constexpr (sizeof(T) == 8) {
    launch_tiles<T, Tile<64, 64, 4, 4>>(pass, rows, columns, groups, 1, steps);
  } else if (columns <= 16) {
    launch_tiles<T, Tile<256, 16, 8, 4>>(pass, rows, columns, groups, 1, steps);
  } else if (columns <= 32) {
    launch_tiles<T, Tile<128, 32, 8, 4>>(pass, rows, columns, groups, 1, steps);
  } else {
    launch_tiles<T, Tile<128, 64, 8, 4>>(pass, rows, columns, groups, 1, steps);
  }
}

template <class T, class Tile>
void weight_grad_in(WeightGrad<T> pass, const ConvSizes& z, const Tensor& dweight) {
  const std::int64_t groups = z.options.groups, columns = z.c / groups * z.r * z.s, steps = z.n * z.p * z.q;
  const std::int64_t part_steps = part_steps_of(steps, tiles_of<Tile>(z.k / groups, columns) * groups, Tile::kThreads);
  const std::int64_t parts = (steps + part_steps - 1) / part_steps;
  const std::int64_t count = dweight.numel();
  const Storage storage(parts == 1 ? 0 : static_cast<std::size_t>(parts * count) * sizeof(T), dweight.device());
  pass.parts = parts == 1 ? dweight.data<T>() : reinterpret_cast<T*>(storage.data());
  launch_tiles<T, Tile>(pass, z.k / groups, columns, groups, parts, part_steps);
  if (parts == 1) return;
  const dim3 grid(static_cast<unsigned>((count + kSliceWidth - 1) / kSliceWidth));
  launch(sum_parts<T>, grid, dim3(kSlices * kSliceWidth), 0, current_stream(), static_cast<const T*>(pass.parts),
         dweight.data<T>(), count, parts);
}

template <class T>
void weight_grad(const WeightGrad<T>& pass, const ConvSizes& z, const Tensor& dweight) {
  const std::int64_t rows = z.k / z.options.groups;
  if constexpr (sizeof(T) == 8) {
    weight_grad_in<T, Tile<64, 64, 4, 4>>(pass, z, dweight);
  } else if (rows <= 16) {
    weight_grad_in<T, Tile<16, 32, 4, 4>>(pass, z, dweight);
  } else if (rows <= 32) {
    weight_grad_in<T, Tile<32, 64, 8, 4>>(pass, z, dweight);
  } else {
    weight_grad_in<T, Tile<64, 64, 8, 4>>(pass, z, dweight);
  }
}

template <class T>
void convolve(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& y) {
  const DeviceConvSizes z = device_sizes(sizes);
  const std::int64_t groups = sizes.options.groups, taps = sizes.r * sizes.s;
  const std::int64_t group_in = sizes.c / groups, group_out = sizes.k / groups;
  switch (pass) {
    case ConvPass::forward:
      return launch_pixels<T>(Forward<T>{z, x.data<T>(), weight.data<T>(), y.data<T>()}, sizes.n * sizes.p * sizes.q,
                              group_out, groups, group_in * taps);
    case ConvPass::input_grad:
      return launch_pixels<T>(InputGrad<T>{z, y.data<T>(), weight.data<T>(), x.data<T>()}, sizes.n * sizes.h * sizes.w,
                              group_in, groups, group_out * taps);
    case ConvPass::weight_grad:
      return weight_grad(WeightGrad<T>{z, y.data<T>(), x.data<T>(), nullptr}, sizes, weight);
  }
}

}  // namespace

void conv2d_in_tiles(ConvPass pass, const ConvSizes& sizes, const Tensor& x, const Tensor& weight, const Tensor& y) {
  (y.dtype() == DType::f64 ? convolve<double> : convolve<float>)(pass, sizes, x, weight, y);
}

}  // namespace hop::kernels::cuda
