// Pooling over planes (H, W). In every kernel one thread writes each element of the result (or one warp each plane), so
// each value has one writer: gradients are gathered, or added in a fixed order, never with atomics. Results equal the
// CPU's to the last bit. Floors: values are read once and written once; overlapping windows read neighbours again, from
// L1. __launch_bounds__(.., 1): by default ptxas plans for more blocks per multiprocessor and spills.
// Long because its six kernels share what a window is.
#include <algorithm>
#include <limits>

#include "kernels/cuda/fault.h"
#include "kernels/cuda/grid.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/operands_internal.h"
#include "kernels/cuda/pool_internal.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/walk.h"
#include "kernels/pool_operations.h"

namespace hop::kernels::cuda {
namespace {

// The CPU adds the shares of a gradient for sixteen outputs of a row at a time, and begins with the last of the
// sixteen.
constexpr std::int64_t kCpuBlock = 16;

/// A place in a plane of width `columns`.
struct Place {
  std::uint32_t plane, row, column;
};
struct Planes {
  FastDivision by_columns, by_rows;

  Planes(std::int64_t rows, std::int64_t columns)
      : by_columns(static_cast<std::uint32_t>(columns)), by_rows(static_cast<std::uint32_t>(rows)) {}
  __device__ Place place(std::uint32_t i) const {
    const std::uint32_t row = by_columns.quotient(i), plane = by_rows.quotient(row);
    return {plane, row - plane * by_rows.divisor, i - row * by_columns.divisor};
  }
};

/// The part of the window of an output, along one dimension, that lies in the image. With a dilation d: every d-th
/// value of begin..end-1.
struct Span {
  std::int64_t window_begin, begin, end;
  __device__ Span(std::int64_t output, std::int64_t step, std::int64_t padding, std::int64_t window, std::int64_t size)
      : window_begin(output * step - padding),
        begin(max(std::int64_t{0}, window_begin)),
        end(min(size, window_begin + window)) {}
  __device__ Span(std::int64_t output, std::int64_t step, std::int64_t padding, std::int64_t window, std::int64_t size,
                  std::int64_t dilation)
      : Span(output, step, padding, spanned(window, dilation), size) {
    if (window_begin < 0) begin = (dilation - -window_begin % dilation) % dilation;
  }
  static __device__ std::int64_t spanned(std::int64_t window, std::int64_t dilation) {
    return (window - 1) * dilation + 1;
  }
};
/// The rows and columns of an output's window.
template <bool kDilated>
__device__ Span rows_of(const PoolShape& z, std::int64_t p) {
  if constexpr (kDilated)
    return Span(p, z.row_step, z.row_padding, z.r, z.h, z.row_dilation);
  else
    return Span(p, z.row_step, z.row_padding, z.r, z.h);
}
template <bool kDilated>
__device__ Span columns_of(const PoolShape& z, std::int64_t q) {
  if constexpr (kDilated)
    return Span(q, z.column_step, z.column_padding, z.s, z.w, z.column_dilation);
  else
    return Span(q, z.column_step, z.column_padding, z.s, z.w);
}

/// What the sum of output (p, q) is divided by. If it is not kConstant, windows differ.
template <bool kConstant>
__device__ std::int64_t divisor_of(const PoolShape& z, std::int64_t p, std::int64_t q) {
  if constexpr (kConstant) return z.divisor;
  const auto counted = [&](std::int64_t begin, std::int64_t window, std::int64_t padding, std::int64_t size) {
    const std::int64_t outside = z.counts_padding ? padding : 0;
    return min(begin + window, size + outside) - max(begin, -outside);
  };
  return counted(p * z.row_step - z.row_padding, z.r, z.row_padding, z.h) *
         counted(q * z.column_step - z.column_padding, z.s, z.column_padding, z.w);
}

/// The outputs whose windows reach over `place`, along one dimension: from the first window that reaches it to the last
/// that starts at or before it.
struct OutputsOf {
  std::int64_t first, last;
  __device__ OutputsOf(std::int64_t place, std::int64_t step, std::int64_t padding, std::int64_t window,
                       std::int64_t outputs)
      : first(max(std::int64_t{0}, (place + padding - window + step) / step)),
        last(min(outputs - 1, (place + padding) / step)) {
    if (place + padding < window) first = 0;  // the quotient above is of a negative number
  }
};

/// Calls f(i) for every i < n in a grid-stride loop.
template <class F>
__device__ void for_each_index(std::uint32_t n, const F& f) {
  for (std::uint32_t i = blockIdx.x * kThreads + threadIdx.x; i < n; i += gridDim.x * kThreads) f(i);
}

/// Calls f(place, window rows, window columns) for each output.
template <bool kDilated, class F>
__device__ void for_each_window(const PoolShape& z, const Planes& outputs, std::uint32_t n, const F& f) {
  for_each_index(n, [&](std::uint32_t i) {
    const Place at = outputs.place(i);
    f(i, at, rows_of<kDilated>(z, at.row), columns_of<kDilated>(z, at.column));
  });
}

/// Floor: s per input, s + 8 per output. A later value replaces the maximum only if it is larger, or is the first NaN.
template <class T, bool kDilated>
__global__ void __launch_bounds__(kThreads, 1) max_pool(const __grid_constant__ PoolShape z, Planes outputs,
                                                        std::uint32_t n, const T* x, T* y, std::int64_t* indices) {
  const std::int64_t row_dilation = kDilated ? z.row_dilation : 1, column_dilation = kDilated ? z.column_dilation : 1;
  for_each_window<kDilated>(
      z, outputs, n, [&](std::uint32_t i, const Place& at, const Span& rows, const Span& columns) {
        const T* plane = x + at.plane * z.h * z.w;
        T best = -std::numeric_limits<T>::infinity();
        std::int64_t place = rows.begin * z.w + columns.begin;  // the result for a window of -infinity
        for (std::int64_t row = rows.begin; row < rows.end; row += row_dilation) {
          for (std::int64_t column = columns.begin; column < columns.end; column += column_dilation) {
            const T value = plane[row * z.w + column];
            if (!(value > best || (value != value && best == best))) continue;
            best = value;
            place = row * z.w + column;
          }
        }
        y[i] = best;
        indices[i] = place;
      });
}

/// Floor: s per input and output. Padding counts as zeros.
template <class T, bool kConstant>
__global__ void __launch_bounds__(kThreads, 1)
    avg_pool(const __grid_constant__ PoolShape z, Planes outputs, std::uint32_t n, const T* x, T* y) {
  for_each_window<false>(z, outputs, n, [&](std::uint32_t i, const Place& at, const Span& rows, const Span& columns) {
    const T* plane = x + at.plane * z.h * z.w;
    const bool is_long = z.r * z.s > kShortSum;
    T sum = 0;
    double total = 0;
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      for (std::int64_t column = columns.begin; column < columns.end; ++column) {
        const bool starts = column == columns.begin || (column - columns.window_begin) % kShortSum == 0;
        if (is_long && starts) {
          total += sum;
          sum = 0;
        }
        sum += plane[row * z.w + column];
      }
    }
    const std::int64_t divisor = divisor_of<kConstant>(z, at.row, at.column);
    if (is_long)
      y[i] = static_cast<T>((total + sum) / static_cast<double>(divisor));
    else
      y[i] = sum / static_cast<T>(divisor);
  });
}

/// Each input gathers from the outputs whose windows contain it. Floor: s per input and output.
template <class T, bool kConstant>
__global__ void __launch_bounds__(kThreads, 1)
    avg_pool_grad(const __grid_constant__ PoolShape z, Planes inputs, std::uint32_t n, const T* g, T* dx) {
  for_each_index(n, [&](std::uint32_t i) {
    const Place at = inputs.place(i);
    const OutputsOf rows(at.row, z.row_step, z.row_padding, z.r, z.p);
    const OutputsOf columns(at.column, z.column_step, z.column_padding, z.s, z.q);
    const T* plane = g + at.plane * z.p * z.q;
    const T count = static_cast<T>(z.divisor);
    T sum = 0;
    for (std::int64_t p = rows.first; p <= rows.last; ++p) {
      std::int64_t first = columns.first;
      while (first <= columns.last) {
        const std::int64_t next = (first / kCpuBlock + 1) * kCpuBlock;
        for (std::int64_t q = min(next - 1, columns.last); q >= first; --q) {
          sum += plane[p * z.q + q] / (kConstant ? count : static_cast<T>(divisor_of<kConstant>(z, p, q)));
        }
        first = next;
      }
    }
    dx[i] = sum;
  });
}

/// Places in planes of `size` values, `outputs` per plane. A place outside its plane is reported.
struct Indexed {
  const std::int64_t* index;
  std::int64_t planes, size, outputs;
  Fault fault;

  /// The place that output i names, or -1.
  __device__ std::int64_t place(std::int64_t i) const {
    const std::int64_t place = index[i];
    if (place >= 0 && place < size) return place;
    report(fault, static_cast<std::uint64_t>(i));
    return -1;
  }
};

/// y = x at the indices. Floor: 2 s + 8 per output.
template <class T>
__global__ void __launch_bounds__(kThreads, 1)
    pool_gather(Indexed indexed, FastDivision by_outputs, std::uint32_t n, const T* x, T* y) {
  for_each_index(n, [&](std::uint32_t i) {
    const std::int64_t place = indexed.place(i);
    y[i] = place < 0 ? std::numeric_limits<T>::quiet_NaN() : x[by_outputs.quotient(i) * indexed.size + place];
  });
}

/// sums[place] += value for the lanes of a warp, in the order of the lanes: lanes with the same place find each other,
/// and the first one adds for all. place < 0 adds nothing.
template <class T>
__device__ void add_in_order(T* sums, int place, T value) {
  const int lane = static_cast<int>(threadIdx.x);
  const unsigned peers = __match_any_sync(kAllLanes, place);
  const bool adds = __ffs(static_cast<int>(peers)) - 1 == lane && place >= 0;
  T sum = adds ? sums[place] : T{0};
  for (unsigned left = peers; __any_sync(kAllLanes, left != 0) != 0; left &= left - 1) {
    const int from = left != 0 ? __ffs(static_cast<int>(left)) - 1 : lane;
    const T other = __shfl_sync(kAllLanes, value, from);
    if (left != 0) sum += other;
  }
  if (adds) sums[place] = sum;
  __syncwarp();  // the next call may read values that another lane has written
}

/// dx = 0, then dx[index] += g, in the order of the outputs: one warp per plane, 32 outputs at a time. If kShared, the
/// plane is summed in shared memory, otherwise in global memory. The indices may come from any windows, or from none.
/// Floor: s + 8 per output, s per input.
template <class T, bool kShared>
__global__ void __launch_bounds__(128) max_pool_grad(Indexed indexed, const T* g, T* dx) {
  const int lane = static_cast<int>(threadIdx.x);
  const std::int64_t plane = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (plane >= indexed.planes) return;  // a whole warp returns, and the code below does not wait for other warps
  T* to = dx + plane * indexed.size;
  T* sums = kShared ? dynamic_shared<T>() + threadIdx.y * indexed.size : to;
  for (std::int64_t i = lane; i < indexed.size; i += 32) sums[i] = 0;
  __syncwarp();
  for (std::int64_t first = plane * indexed.outputs; first < (plane + 1) * indexed.outputs; first += 32) {
    const std::int64_t i = first + lane;
    const bool exists = i < (plane + 1) * indexed.outputs;
    const int place = exists ? static_cast<int>(indexed.place(i)) : -1;
    add_in_order(sums, place, exists ? g[i] : T{0});
  }
  if constexpr (kShared) {
    for (std::int64_t i = lane; i < indexed.size; i += 32) to[i] = sums[i];
  }
}

/// The same for indices that come from known windows: each input gathers from the outputs whose windows contain it, in
/// their order. `first`: the first plane of this launch. Floor: as above.
template <class T, bool kDilated>
__global__ void __launch_bounds__(kThreads, 1)
    max_pool_grad_by_windows(const __grid_constant__ PoolShape z, Planes inputs, std::uint32_t n, std::int64_t first,
                             Indexed indexed, const T* g, T* dx) {
  for_each_index(n, [&](std::uint32_t i) {
    const Place at = inputs.place(i);
    const OutputsOf rows(at.row, z.row_step, z.row_padding, kDilated ? Span::spanned(z.r, z.row_dilation) : z.r, z.p);
    const OutputsOf columns(at.column, z.column_step, z.column_padding,
                            kDilated ? Span::spanned(z.s, z.column_dilation) : z.s, z.q);
    const std::int64_t plane = (first + at.plane) * indexed.outputs, here = std::int64_t{at.row} * z.w + at.column;
    T sum = 0;
    for (std::int64_t p = rows.first; p <= rows.last; ++p) {
      for (std::int64_t q = columns.first; q <= columns.last; ++q) {
        const std::int64_t output = plane + p * z.q + q, place = indexed.index[output];
        if (place == here) sum += g[output];
        // Of all inputs in a window, the first one reports an index out of range.
        const bool is_first = at.row == rows_of<kDilated>(z, p).begin && at.column == columns_of<kDilated>(z, q).begin;
        if (is_first) static_cast<void>(indexed.place(output));
      }
    }
    dx[first * indexed.size + i] = sum;
  });
}

// ---- Host side

/// Calls f(first, planes) for runs of planes with at most kMaxElements values, `most` per plane.
template <class F>
void for_plane_runs(std::int64_t planes, std::int64_t most, const F& f) {
  const std::int64_t run = std::max<std::int64_t>(1, kMaxElements / most);
  for (std::int64_t first = 0; first < planes; first += run) f(first, std::min(run, planes - first));
}

/// Launches kernel(shape, planes of the results, n, pointers ..) over runs of planes; `rows` x `columns` results each.
/// A pointer comes with the number of its elements per plane.
template <class T>
struct PerPlane {
  T* data;
  std::int64_t size;
};
template <class Kernel, class... T>
void launch_planes(Kernel kernel, const PoolShape& z, std::int64_t rows, std::int64_t columns,
                   PerPlane<T>... operands) {
  for_plane_runs(z.planes, std::max(z.h * z.w, z.p * z.q), [&](std::int64_t first, std::int64_t planes) {
    const std::int64_t n = planes * rows * columns;
    launch(kernel, dim3(blocks_for(n)), dim3(kThreads), 0, current_stream(), z, Planes(rows, columns),
           static_cast<std::uint32_t>(n), (operands.data + first * operands.size)...);
  });
}

Indexed indexed_by(const char* op, const Tensor& indices, const Tensor& image) {
  return {indices.data<std::int64_t>(), image.size(0) * image.size(1), image.size(2) * image.size(3),
          indices.size(2) * indices.size(3), fault_of(op)};
}

bool is_dilated(const PoolShape& z) { return z.row_dilation != 1 || z.column_dilation != 1; }

void gather_by_windows(const PoolShape& z, const Tensor& g, const Tensor& indices, const Tensor& dx) {
  if (max_pool_pairs_grad(z, g, indices, dx)) return;
  const Indexed indexed = indexed_by("max_pool2d_grad", indices, dx);
  visit_floating(dx, [&]<class T>(T) {
    for_plane_runs(indexed.planes, indexed.size, [&](std::int64_t first, std::int64_t planes) {
      const std::int64_t n = planes * indexed.size;
      launch(is_dilated(z) ? max_pool_grad_by_windows<T, true> : max_pool_grad_by_windows<T, false>,
             dim3(blocks_for(n)), dim3(kThreads), 0, current_stream(), z, Planes(z.h, z.w),
             static_cast<std::uint32_t>(n), first, indexed, g.data<T>(), dx.data<T>());
    });
  });
}

void max_pool2d(const PoolShape& z, const Tensor& x, const Tensor& y, const Tensor& indices) {
  if (max_pool_pairs(z, x, y, indices)) return;
  visit_floating(x, [&]<class T>(T) {
    launch_planes(is_dilated(z) ? max_pool<T, true> : max_pool<T, false>, z, z.p, z.q,
                  PerPlane<const T>{x.data<T>(), z.h * z.w}, PerPlane<T>{y.data<T>(), z.p * z.q},
                  PerPlane<std::int64_t>{indices.data<std::int64_t>(), z.p * z.q});
  });
}

void avg_pool2d(const PoolShape& z, const Tensor& x, const Tensor& y) {
  if (average_pool_pairs(z, x, y)) return;
  visit_floating(x, [&]<class T>(T) {
    launch_planes(z.divisor != 0 ? avg_pool<T, true> : avg_pool<T, false>, z, z.p, z.q,
                  PerPlane<const T>{x.data<T>(), z.h * z.w}, PerPlane<T>{y.data<T>(), z.p * z.q});
  });
}

void avg_pool2d_grad(const PoolShape& z, const Tensor& g, const Tensor& dx) {
  visit_floating(dx, [&]<class T>(T) {
    launch_planes(z.divisor != 0 ? avg_pool_grad<T, true> : avg_pool_grad<T, false>, z, z.h, z.w,
                  PerPlane<const T>{g.data<T>(), z.p * z.q}, PerPlane<T>{dx.data<T>(), z.h * z.w});
  });
}

void max_pool2d_grad(const PoolShape* windows, const Tensor& g, const Tensor& indices, const Tensor& dx) {
  if (windows != nullptr) return gather_by_windows(*windows, g, indices, dx);
  const Indexed indexed = indexed_by("max_pool2d_grad", indices, dx);
  visit_floating(dx, [&]<class T>(T) {
    constexpr std::int64_t kSharedBytes = 48 << 10;  // available to every launch
    const std::int64_t plane_bytes = indexed.size * static_cast<std::int64_t>(sizeof(T));
    const std::int64_t fitting = kSharedBytes / plane_bytes,
                       warps = fitting == 0 ? 4 : std::min<std::int64_t>(4, fitting);
    const dim3 grid(static_cast<unsigned>((indexed.planes + warps - 1) / warps)),
        block(32, static_cast<unsigned>(warps));
    if (fitting > 0) {
      launch(max_pool_grad<T, true>, grid, block, static_cast<std::size_t>(warps * plane_bytes), current_stream(),
             indexed, g.data<T>(), dx.data<T>());
    } else {
      launch(max_pool_grad<T, false>, grid, block, 0, current_stream(), indexed, g.data<T>(), dx.data<T>());
    }
  });
}

void max_pool2d_gather(const Tensor& x, const Tensor& indices, const Tensor& y) {
  const Indexed all = indexed_by("max_pool2d_gather", indices, x);
  visit_floating(x, [&]<class T>(T) {
    for_plane_runs(all.planes, all.outputs, [&](std::int64_t first, std::int64_t planes) {
      Indexed indexed = all;
      indexed.index += first * all.outputs;
      const std::int64_t n = planes * all.outputs;
      launch(pool_gather<T>, dim3(blocks_for(n)), dim3(kThreads), 0, current_stream(), indexed,
             FastDivision(static_cast<std::uint32_t>(all.outputs)), static_cast<std::uint32_t>(n),
             x.data<T>() + first * all.size, y.data<T>() + first * all.outputs);
    });
  });
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const PoolOperations PoolOperations::cuda = {
    .max_pool2d = cuda::on_device<cuda::max_pool2d>,
    .max_pool2d_grad = cuda::on_device<cuda::max_pool2d_grad>,
    .max_pool2d_gather = cuda::on_device<cuda::max_pool2d_gather>,
    .avg_pool2d = cuda::on_device<cuda::avg_pool2d>,
    .avg_pool2d_grad = cuda::on_device<cuda::avg_pool2d_grad>,
};

}  // namespace hop::kernels
