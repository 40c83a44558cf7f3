// Gathering and scattering by an index. Sums run in the order of the index, as on the CPU, so their bits are the same.
// No atomics add. A value outside the dimension is reported (fault.h); its element is 0 or left out.
#include "kernels/copy_operations.h"
#include "kernels/cuda/fault.h"
#include "kernels/cuda/grid.h"
#include "kernels/cuda/index_sort.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/packet.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/walk.h"
#include "kernels/index_operations.h"

namespace hop::kernels::cuda {
namespace {

/// The index of a launch. A value outside 0 .. size - 1 is reported.
struct CheckedIndex {
  const std::int64_t* values;
  std::int64_t size;
  Fault fault;

  /// The value at `position`, or -1.
  __device__ std::int64_t at(std::int64_t position) const {
    const std::int64_t value = values[position];
    if (value >= 0 && value < size) return value;
    report(fault, static_cast<std::uint64_t>(position));
    return -1;
  }
};

/// The items of a walk: n items with N offsets each. This launch begins at item `first`.
template <int N>
struct Items {
  std::uint32_t n;
  IndexWalk<N> walk;
  std::int64_t first[N];

  __device__ void locate(std::uint32_t i, std::int64_t (&offset)[N]) const {
    walk.locate(i, offset);
    for (int k = 0; k < N; ++k) offset[k] += first[k];
  }
};

/// Calls launch_part(Items) for as many parts as 32-bit indices need. strides[k] are steps over `shape`, in units of
/// the kernel's choice.
template <int N, class F>
void for_each_launch(const Shape& shape, const std::array<Strides, N>& strides, const F& launch_part) {
  const std::int64_t start[N] = {};
  const Steps<N> steps{Walk<N>(shape, strides, N)};
  for_each_part(steps, kMaxElements, 1, start, [&](const Steps<N>& part, const std::int64_t(&first)[N]) {
    Items<N> items{static_cast<std::uint32_t>(part.elements()), part.in_units(1), {}};
    for (int k = 0; k < N; ++k) items.first[k] = first[k];
    launch_part(items);
  });
}

Strides without(Strides strides, int dim) {
  strides[dim] = 0;
  return strides;
}

// ---- gather. Floor: the index, one element of x each (a sector of 32 bytes where they lie apart), y

/// Offsets: of x in elements, without the indexed dimension; of the index and y.
template <class T>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const __grid_constant__ Items<2> items, CheckedIndex index, const T* x, std::int64_t step, T* y) {
  for (std::uint32_t i = blockIdx.x * kThreads + threadIdx.x; i < items.n; i += gridDim.x * kThreads) {
    std::int64_t offset[2];
    items.locate(i, offset);
    const std::int64_t value = index.at(offset[1]);
    y[offset[1]] = value < 0 ? T{0} : x[offset[0] + value * step];
  }
}

// ---- scatter_add. Floor: as gather, and the zeros

/// One line of the index along the dimension per thread, from its first element to its last: lines never meet. Offsets:
/// of y in elements, of the line's start in the index and g.
template <class T>
__global__ void __launch_bounds__(kThreads)
    scatter_add_kernel(const __grid_constant__ Items<2> lines, CheckedIndex index, const T* g, std::int64_t length,
                       std::int64_t index_step, T* y, std::int64_t y_step) {
  for (std::uint32_t i = blockIdx.x * kThreads + threadIdx.x; i < lines.n; i += gridDim.x * kThreads) {
    std::int64_t offset[2];
    lines.locate(i, offset);
    for (std::int64_t j = 0; j < length; ++j) {
      const std::int64_t position = offset[1] + j * index_step, value = index.at(position);
      if (value >= 0) y[offset[0] + value * y_step] += g[position];
    }
  }
}

// ---- index_select. Floor: the rows read and written once, 16 bytes at a time where rows are made of them

/// Offsets: of x in units, without the indexed dimension; of the index; of y.
template <class Unit>
__global__ void __launch_bounds__(kThreads)
    index_select_kernel(const __grid_constant__ Items<3> items, CheckedIndex index, const Unit* x, std::int64_t step,
                        Unit* y) {
  for (std::uint32_t i = blockIdx.x * kThreads + threadIdx.x; i < items.n; i += gridDim.x * kThreads) {
    std::int64_t offset[3];
    items.locate(i, offset);
    const std::int64_t value = index.at(offset[1]);
    y[offset[2]] = value < 0 ? Unit{} : x[offset[0] + value * step];
  }
}

// ---- index_add. Floor: g read once, y written once, and the sort of the index

/// The starts of the keys of each destination 0 .. size - 1 in the sorted index; entry `size` is the end.
__global__ void __launch_bounds__(kThreads)
    find_runs(const std::int32_t* keys, std::int64_t n, std::int64_t size, std::int32_t* begins) {
  for (std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; i <= size; i += gridDim.x * kThreads) {
    std::int64_t below = 0, above = n;  // keys before `below` are less than i, keys from `above` on are not
    while (below < above) {
      const std::int64_t middle = below + (above - below) / 2;
      if (keys[middle] < i)
        below = middle + 1;
      else
        above = middle;
    }
    begins[i] = static_cast<std::int32_t>(below);
  }
}

/// One destination and V neighbouring columns per thread and turn. The thread adds the destination's whole run, in
/// order, eight loads on their way. A destination without a run gets zeros. Most runs are short, and where a run lies
/// takes two loads, one behind the other: those of the next turn are issued while the terms of this one are on their
/// way. Offsets: the destination; of g and y in packets, without the row.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    index_add_kernel(const __grid_constant__ Items<3> items, const std::int32_t* begins, const std::int32_t* positions,
                     std::int64_t row, const Packet<T, V>* g, Packet<T, V>* y) {
  struct Run {
    std::int64_t from, to;      // of the columns in g and y
    int begin, end, first = 0;  // in the sorted index; the position of the first term
  };
  const auto find = [&](std::uint32_t i) {
    std::int64_t offset[3];
    items.locate(i, offset);
    Run run{offset[1], offset[2] + offset[0] * row, begins[offset[0]], begins[offset[0] + 1]};
    if (run.begin < run.end) run.first = positions[run.begin];
    return run;
  };
  constexpr int kAhead = 8;
  Packet<T, V> terms[kAhead] = {};
  double sums[V] = {};  // doubles for f32: the additions lose nothing, and the sum is rounded once, as on the CPU
  const auto fetch = [&](const Run& run, int s, int position) {
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      if (s + k < run.end) terms[k] = g[run.from + (k == 0 ? position : positions[s + k]) * row];
    }
  };
  const auto add = [&](const Run& run, int s) {
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      if (s + k >= run.end) break;
      for (int v = 0; v < V; ++v) sums[v] += static_cast<double>(terms[k].v[v]);
    }
  };

  const std::uint32_t first = blockIdx.x * kThreads + threadIdx.x, step = gridDim.x * kThreads;
  if (first >= items.n) return;
  Run next = find(first);
  for (std::uint32_t i = first; i < items.n; i += step) {
    const Run run = next;
    for (int v = 0; v < V; ++v) sums[v] = 0;
    fetch(run, run.begin, run.first);
    if (i + step < items.n) next = find(i + step);
    add(run, run.begin);
    for (int s = run.begin + kAhead; s < run.end; s += kAhead) {
      fetch(run, s, positions[s]);
      add(run, s);
    }
    Packet<T, V> sum;
    for (int v = 0; v < V; ++v) sum.v[v] = static_cast<T>(sums[v]);
    y[run.to] = sum;
  }
}

/// A contiguous tensor around one dimension: (outer, size, inner).
struct Around {
  std::int64_t outer = 1, size = 1, inner = 1;
  Around(const Shape& shape, int dim) : size(shape[dim]) {
    for (int d = 0; d < dim; ++d) outer *= shape[d];
    for (int d = dim + 1; d < shape.size(); ++d) inner *= shape[d];
  }
};

CheckedIndex checked(const char* op, const Tensor& index, std::int64_t size) {
  return {index.data<std::int64_t>(), size, fault_of(op)};
}

/// Whether rows of `bytes` at both addresses consist of whole aligned units.
bool divides(std::size_t unit, std::size_t bytes, const Tensor& a, const Tensor& b) {
  const auto starts = [&](const Tensor& t) { return reinterpret_cast<std::uintptr_t>(t.raw_data()) % unit == 0; };
  return bytes % unit == 0 && starts(a) && starts(b);
}

template <class Unit>
void select_units(const char* op, const Around& around, std::int64_t width, const Tensor& x, const Tensor& index,
                  const Tensor& y) {
  const std::int64_t n = index.numel();
  const std::array<Strides, 3> strides = {Strides{around.size * width, 0, 1}, Strides{0, 1, 0},
                                          Strides{n * width, width, 1}};
  for_each_launch<3>({around.outer, n, width}, strides, [&](const Items<3>& items) {
    launch(index_select_kernel<Unit>, blocks_for(items.n), kThreads, 0, current_stream(), items,
           checked(op, index, around.size), reinterpret_cast<const Unit*>(x.raw_data()), width,
           reinterpret_cast<Unit*>(y.raw_data()));
  });
}

template <class T, int V>
void add_packets(const Around& around, const Tensor& begins, const Tensor& positions, const Tensor& g,
                 const Tensor& y) {
  const std::int64_t n = positions.numel(), width = around.inner / V;
  const std::array<Strides, 3> strides = {Strides{1, 0, 0}, Strides{0, n * width, 1},
                                          Strides{0, around.size * width, 1}};
  for_each_launch<3>({around.size, around.outer, width}, strides, [&](const Items<3>& items) {
    launch(index_add_kernel<T, V>, blocks_for(items.n), kThreads, 0, current_stream(), items,
           begins.data<std::int32_t>(), positions.data<std::int32_t>(), width,
           reinterpret_cast<const Packet<T, V>*>(g.raw_data()), reinterpret_cast<Packet<T, V>*>(y.raw_data()));
  });
}

void add_sorted(const char* op, const Tensor& g, int dim, const Tensor& index, const Tensor& y) {
  if (y.numel() == 0) return;
  if (g.numel() == 0) return CopyOperations::cuda.fill(y, 0);
  const Around around(y.shape(), dim);
  const SortedIndex sorted = sort_index(index, around.size, op);
  const Tensor begins = Tensor::empty({around.size + 1}, DType::i32, y.device());
  launch(find_runs, blocks_for(around.size + 1), kThreads, 0, current_stream(), sorted.keys.data<std::int32_t>(),
         sorted.keys.numel(), around.size, begins.data<std::int32_t>());
  const auto run = [&]<class T>(T) {
    constexpr int kWidth = packet_width(sizeof(T));
    if (divides(16, static_cast<std::size_t>(around.inner) * sizeof(T), g, y))
      add_packets<T, kWidth>(around, begins, sorted.positions, g, y);
    else
      add_packets<T, 1>(around, begins, sorted.positions, g, y);
  };
  y.dtype() == DType::f32 ? run(float{}) : run(double{});
}

void gather(const char* op, const Tensor& x, int dim, const Tensor& index, const Tensor& y) {
  const std::array<Strides, 2> strides = {without(x.strides(), dim), contiguous_strides(y.shape())};
  const auto run = [&]<class T>(T) {
    for_each_launch<2>(y.shape(), strides, [&](const Items<2>& items) {
      launch(gather_kernel<T>, blocks_for(items.n), kThreads, 0, current_stream(), items,
             checked(op, index, x.shape()[dim]), reinterpret_cast<const T*>(x.raw_data()), x.strides()[dim],
             reinterpret_cast<T*>(y.raw_data()));
    });
  };
  const std::size_t size = size_of(x.dtype());
  if (size == 1) return run(std::uint8_t{});
  if (size == 2) return run(std::uint16_t{});
  size == 4 ? run(std::uint32_t{}) : run(std::uint64_t{});
}

void scatter_add(const char* op, const Tensor& g, int dim, const Tensor& index, const Tensor& y) {
  if (y.dim() == 1) return add_sorted(op, g, dim, index, y);  // one line: sort instead of a long walk
  CopyOperations::cuda.fill(y, 0);
  if (g.numel() == 0) return;
  const Strides of_index = contiguous_strides(index.shape());
  const std::array<Strides, 2> strides = {without(y.strides(), dim), of_index};
  Shape lines = index.shape();
  lines[dim] = 1;
  const auto run = [&]<class T>(T) {
    for_each_launch<2>(lines, strides, [&](const Items<2>& items) {
      launch(scatter_add_kernel<T>, blocks_for(items.n), kThreads, 0, current_stream(), items,
             checked(op, index, y.shape()[dim]), g.data<T>(), index.shape()[dim], of_index[dim], y.data<T>(),
             y.strides()[dim]);
    });
  };
  g.dtype() == DType::f32 ? run(float{}) : run(double{});
}

void index_select(const char* op, const Tensor& x, int dim, const Tensor& index, const Tensor& y) {
  const Around around(x.shape(), dim);
  const std::size_t bytes = static_cast<std::size_t>(around.inner) * size_of(x.dtype());
  const auto run = [&]<class Unit>(Unit) {
    select_units<Unit>(op, around, static_cast<std::int64_t>(bytes / sizeof(Unit)), x, index, y);
  };
  if (divides(16, bytes, x, y))
    run(Packet<std::uint32_t, 4>{});
  else if (divides(8, bytes, x, y))
    run(std::uint64_t{});
  else if (divides(4, bytes, x, y))
    run(std::uint32_t{});
  else
    run(std::uint8_t{});
}

void index_add(const char* op, const Tensor& g, int dim, const Tensor& index, const Tensor& y) {
  add_sorted(op, g, dim, index, y);
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const IndexOperations IndexOperations::cuda = {
    .gather = cuda::on_device<cuda::gather>,
    .scatter_add = cuda::on_device<cuda::scatter_add>,
    .index_select = cuda::on_device<cuda::index_select>,
    .index_add = cuda::on_device<cuda::index_add>,
};

}  // namespace hop::kernels
