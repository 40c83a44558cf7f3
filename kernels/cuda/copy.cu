// Copies of any layout and dtype, fills, counting. Floor: one read of x and one write of y; a layout change through
// tiles comes close to the floor, because both sides then move whole sectors of 32 bytes.
#include <bit>

#include "kernels/copy_operations.h"
#include "kernels/cuda/copy_internal.h"
#include "kernels/cuda/grid.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/packet.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

// ---- Element by element or in packets

struct CopyLaunch {
  std::uint32_t n, units;
  IndexWalk<2> walk;
  std::byte* y;
  const std::byte* x;
};

/// y = x converted. A bool is read as a byte, so that foreign bytes other than 0 and 1 do no harm.
template <class To, class From, int V>
__global__ void __launch_bounds__(kThreads) copy_kernel(const __grid_constant__ CopyLaunch c) {
  for (std::uint32_t unit = blockIdx.x * kThreads + threadIdx.x; unit < c.units; unit += gridDim.x * kThreads) {
    std::int64_t offset[2];
    c.walk.locate(unit, offset);
    const std::uint32_t left = c.n - unit * V;
    const int count = left < V ? static_cast<int>(left) : V;
    To y[V] = {};
    if constexpr (std::is_same_v<From, bool>) {
      bool x[V] = {};
      load_stored<std::uint8_t>(c.x + offset[1], count, x);
      for (int v = 0; v < V; ++v) y[v] = converted<To>(x[v]);
    } else {
      load_stored<From>(c.x + offset[1], count, y);
    }
    store_packet(c.y + offset[0], count, y);
  }
}

/// y = value.
template <class T, int V>
__global__ void __launch_bounds__(kThreads) fill_kernel(const __grid_constant__ CopyLaunch c, T value) {
  T y[V];
  for (int v = 0; v < V; ++v) y[v] = value;
  for (std::uint32_t unit = blockIdx.x * kThreads + threadIdx.x; unit < c.units; unit += gridDim.x * kThreads) {
    std::int64_t offset[2];
    c.walk.locate(unit, offset);
    const std::uint32_t left = c.n - unit * V;
    store_packet(c.y + offset[0], left < V ? static_cast<int>(left) : V, y);
  }
}

/// Calls launch_part(CopyLaunch) for as many parts as 32-bit indices need.
template <class F>
void for_each_launch(const CopyPlan& plan, std::byte* y, const std::byte* x, const F& launch_part) {
  const std::int64_t start[2] = {};
  for_each_part(plan.steps, kMaxElements, plan.width, start, [&](const Steps<2>& part, const std::int64_t(&at)[2]) {
    const auto n = static_cast<std::uint32_t>(part.elements()), width = static_cast<std::uint32_t>(plan.width);
    launch_part(CopyLaunch{n, (n + width - 1) / width, part.in_units(plan.width), y + at[0], x + at[1]});
  });
}

template <class To, class From>
void copy_items(const CopyPlan& plan, std::byte* y, const std::byte* x) {
  constexpr int kWidth = packet_width(sizeof(To) > sizeof(From) ? sizeof(To) : sizeof(From));
  const auto kernel = plan.width == 1 ? copy_kernel<To, From, 1> : copy_kernel<To, From, kWidth>;
  for_each_launch(plan, y, x,
                  [&](const CopyLaunch& c) { launch(kernel, blocks_for(c.units), kThreads, 0, current_stream(), c); });
}

/// Calls f(unsigned integer of `size` bytes): for elements that are moved without conversion.
template <class F>
void visit_size(std::size_t size, const F& f) {
  if (size == 1) return f(std::uint8_t{});
  if (size == 2) return f(std::uint16_t{});
  if (size == 4) return f(std::uint32_t{});
  f(std::uint64_t{});
}

// ---- Tiles

constexpr int kTile = 32, kTileRows = 8;
constexpr int kOwn = kTile / kTileRows;  // values of a square that a thread holds
constexpr std::uint32_t kBand = 16;      // squares

/// Matrices y[r][c] = x[c][r]; strides in bytes.
///
/// Blocks that run at the same time should use whole pages of the memory chips on both sides. Squares one after the
/// other along y would read 128 bytes of every line of x. So the squares of a matrix are numbered in bands of kBand
/// rows, within a band column by column: a thousand squares then read 2 KB of each of their lines of x and write 8 KB
/// of each of their lines of y.
struct TransposeLaunch {
  std::uint32_t tiles;
  FastDivision tiles_per_matrix, tiles_per_band, rows_of_last_band;
  IndexWalk<2> matrices;
  std::int64_t rows, columns, y_stride, x_stride;
  std::byte* y;
  const std::byte* x;

  /// A square: its first row and column in y, and the offsets of its matrix in y and x.
  struct Square {
    std::int64_t row, column, offset[2];
  };
  __device__ Square square(std::uint32_t tile) const {
    const std::uint32_t matrix = tiles_per_matrix.quotient(tile);
    const std::uint32_t within = tile - matrix * tiles_per_matrix.divisor;
    const std::uint32_t band = tiles_per_band.quotient(within);
    const std::uint32_t of_band = within - band * tiles_per_band.divisor;
    const bool is_last = (band + 1) * tiles_per_band.divisor >= tiles_per_matrix.divisor;
    const std::uint32_t height = is_last ? rows_of_last_band.divisor : kBand;
    const std::uint32_t column = is_last ? rows_of_last_band.quotient(of_band) : of_band / kBand;
    Square s{std::int64_t{kTile} * (band * kBand + of_band - column * height), std::int64_t{kTile} * column, {}};
    matrices.locate(matrix, s.offset);
    return s;
  }
};

/// A square on its way, in a struct: g++ guards the first use of a bare array of 16-bit numbers, and the race check
/// sees it.
template <class From>
struct SquareBuffer {
  From lines[kTile][kTile + 1];
};

/// One square per block and turn: x's lines are read along x, y's are written along y. A line of the buffer has one
/// element more than the square, so that a column of it falls into 32 different banks of shared memory. The loads of
/// the next square are issued before this one is written.
template <class To, class From>
__global__ void __launch_bounds__(kTile* kTileRows) transpose_kernel(const __grid_constant__ TransposeLaunch t) {
  __shared__ SquareBuffer<From> buffer;
  const int lane = static_cast<int>(threadIdx.x), first = static_cast<int>(threadIdx.y);
  From held[kOwn] = {};
  const auto read = [&](const TransposeLaunch::Square& s) {
#pragma unroll
    for (int k = 0; k < kOwn; ++k) {
      const std::int64_t c = s.column + first + k * kTileRows;
      if (s.row + lane < t.rows && c < t.columns)
        held[k] = reinterpret_cast<const From*>(t.x + s.offset[1] + c * t.x_stride)[s.row + lane];
    }
  };
  const auto write = [&](const TransposeLaunch::Square& s) {
#pragma unroll
    for (int k = first; k < kTile; k += kTileRows) {
      auto* line = reinterpret_cast<To*>(t.y + s.offset[0] + (s.row + k) * t.y_stride);
      if (s.row + k < t.rows && s.column + lane < t.columns)
        line[s.column + lane] = converted<To>(buffer.lines[lane][k]);
    }
  };

  TransposeLaunch::Square next = t.square(blockIdx.x);
  read(next);
  for (std::uint32_t tile = blockIdx.x; tile < t.tiles; tile += gridDim.x) {
#pragma unroll
    for (int k = 0; k < kOwn; ++k) buffer.lines[first + k * kTileRows][lane] = held[k];
    __syncthreads();
    const TransposeLaunch::Square here = next;
    if (tile + gridDim.x < t.tiles) {
      next = t.square(tile + gridDim.x);
      read(next);
    }
    write(here);
    __syncthreads();  // before the next square overwrites the buffer
  }
}

/// Tiles over dimension plan.row of the steps and their line, for every index of the other dimensions.
template <class To, class From>
void copy_tiles(const CopyPlan& plan, std::byte* y, const std::byte* x) {
  const Steps<2>& steps = plan.steps;
  const int line = steps.rank - 1;
  Steps<2> others;
  others.rank = 0;
  for (int d = 0; d < line; ++d) {
    if (d == plan.row) continue;
    others.size[others.rank] = steps.size[d];
    for (int k = 0; k < 2; ++k) others.stride[k][others.rank] = steps.stride[k][d];
    ++others.rank;
  }
  if (others.rank == 0) others.size[others.rank++] = 1;
  const auto tiles_along = [](std::int64_t n) { return static_cast<std::uint32_t>((n + kTile - 1) / kTile); };

  TransposeLaunch t{};
  t.rows = steps.size[plan.row];
  t.columns = steps.size[line];
  const std::uint32_t down = tiles_along(t.rows), across = tiles_along(t.columns);
  t.tiles_per_matrix = FastDivision(down * across);
  t.tiles_per_band = FastDivision(kBand * across);
  t.rows_of_last_band = FastDivision((down - 1) % kBand + 1);
  t.tiles = static_cast<std::uint32_t>(others.elements()) * t.tiles_per_matrix.divisor;
  t.matrices = others.in_units(1);
  t.y_stride = steps.stride[0][plan.row];
  t.x_stride = steps.stride[1][line];
  t.y = y;
  t.x = x;
  launch(transpose_kernel<To, From>, static_cast<unsigned>(std::min<std::int64_t>(t.tiles, max_blocks)),
         dim3(kTile, kTileRows), 0, current_stream(), t);
}

template <class To, class From>
void copy_tiles_or_items(const CopyPlan& plan, std::byte* y, const std::byte* x) {
  if (plan.way == CopyWay::tiles) return copy_tiles<To, From>(plan, y, x);
  copy_items<To, From>(plan, y, x);
}

// ---- Counting

/// y_i = i. Floor: one write of y.
template <class T>
__global__ void __launch_bounds__(kThreads) arange_kernel(T* y, std::int64_t n) {
  const std::int64_t step = std::int64_t{gridDim.x} * kThreads;
  for (std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n; i += step) y[i] = converted<T>(i);
}

bool is_zero(Scalar value) {
  return value.dtype() != DType::f64 ? value.to<std::int64_t>() == 0
                                     : std::bit_cast<std::uint64_t>(value.to<double>()) == 0;
}

std::size_t bytes_of(const Tensor& y) { return static_cast<std::size_t>(y.numel()) * size_of(y.dtype()); }

void copy_tensor(const Tensor& y, const Tensor& x) {
  if (y.numel() == 0) return;
  const CopyPlan plan(y, x);
  if (plan.way == CopyWay::bytes) {
    check(cudaMemcpyAsync(y.raw_data(), x.raw_data(), bytes_of(y), cudaMemcpyDeviceToDevice, current_stream()),
          "cudaMemcpyAsync");
  } else if (y.dtype() == x.dtype()) {
    visit_size(size_of(y.dtype()), [&]<class T>(T) { copy_tiles_or_items<T, T>(plan, y.raw_data(), x.raw_data()); });
  } else {
    visit_stored_dtype(y.dtype(), [&]<class To>(To) {
      visit_stored_dtype(x.dtype(), [&]<class From>(From) {
        if constexpr (!std::is_same_v<To, From>) copy_items<To, From>(plan, y.raw_data(), x.raw_data());
      });
    });
  }
}

void fill(const Tensor& y, Scalar value) {
  if (y.numel() == 0) return;
  if (y.is_contiguous() && is_zero(value))
    return check(cudaMemsetAsync(y.raw_data(), 0, bytes_of(y), current_stream()), "cudaMemsetAsync");
  CopyPlan plan(y, y);  // y's own memory order; nothing is read
  const auto size = static_cast<std::int64_t>(size_of(y.dtype()));
  const int packet = packet_width(size_of(y.dtype()));
  plan.width = plan.steps.takes_packets(0, y.raw_data(), size, packet) ? packet : 1;
  visit_stored_dtype(y.dtype(), [&]<class T>(T) {
    const T number = value.to<T>();
    const auto kernel = plan.width == 1 ? fill_kernel<T, 1> : fill_kernel<T, packet_width(sizeof(T))>;
    for_each_launch(plan, y.raw_data(), y.raw_data(), [&](const CopyLaunch& c) {
      launch(kernel, blocks_for(c.units), kThreads, 0, current_stream(), c, number);
    });
  });
}

void arange(const Tensor& y) {
  visit_stored_dtype(y.dtype(), [&]<class T>(T) {
    launch(arange_kernel<T>, blocks_for(y.numel()), kThreads, 0, current_stream(), y.data<T>(), y.numel());
  });
}

}  // namespace

void copy(const HalfImage& y, const Tensor& x) {
  const CopyPlan plan(y.view(), x, Conversion::of_tiles);
  if (y.dtype() == DType::f16) return copy_tiles_or_items<Half, float>(plan, y.data(), x.raw_data());
  copy_tiles_or_items<BFloat16, float>(plan, y.data(), x.raw_data());
}

void copy(const Tensor& y, const HalfImage& x) {
  const CopyPlan plan(y, x.view(), Conversion::of_tiles);
  if (x.dtype() == DType::f16) return copy_tiles_or_items<float, Half>(plan, y.raw_data(), x.data());
  copy_tiles_or_items<float, BFloat16>(plan, y.raw_data(), x.data());
}

}  // namespace hop::kernels::cuda

namespace hop::kernels {

const CopyOperations CopyOperations::cuda = {
    .copy = cuda::on_device<cuda::copy_tensor>,
    .fill = cuda::on_device<cuda::fill>,
    .arange = cuda::on_device<cuda::arange>,
};

}  // namespace hop::kernels
