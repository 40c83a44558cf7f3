// Reductions over any dimensions and strides, and argmax. Floor: one read of x.
//
// The n values of an output, in row-major order of the reduced dimensions, are cut into parts. A part is reduced by 32
// lanes: lane l takes values 4 l .. 4 l + 3 of every 128, one after the other, then the lanes fold pairwise
// (warp_reduce). If there are several parts, a second launch reduces their results in the same way. This tree, and so
// the bits, is a function of n and the number of outputs: not of strides, addresses or the card.
//
// What may differ is who the 32 lanes are, because memory wants neighbouring threads to read neighbouring values:
//
//   rows      the reduced values are neighbours: the lanes of a warp. 16-byte loads where all runs allow it. Of at
//             most 32 values but 8 lanes find any, so then four outputs share a warp.
//   columns   the outputs are neighbours: 32 outputs per block, one per threadIdx.x, and threadIdx.y is the lane.
//             At the end a tile in shared memory turns the 32 lanes of each output into a warp for the fold.
//
// A sum of all values is why there are parts at all: one warp reads some 10 GB/s, a card a hundred times more.
#include <algorithm>

#include "kernels/cuda/access_device.h"
#include "kernels/cuda/operations_internal.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/walk.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kGroup = 4;     // neighbouring values of a lane
constexpr int kRowBlock = 8;  // warps
constexpr int kFewLanes = 8;

/// Nested loops over elements, outermost first; strides in elements.
struct Nest {
  int dims = 0;
  std::int64_t size[kMaxDims];
  std::int64_t stride[kMaxDims];

  /// Merged with the loop before where one stride covers both.
  void add(std::int64_t count, std::int64_t step) {
    if (count == 1) return;
    if (dims > 0 && stride[dims - 1] == count * step) {
      size[dims - 1] *= count;
      stride[dims - 1] = step;
      return;
    }
    size[dims] = count;
    stride[dims++] = step;
  }
  __host__ __device__ std::int64_t inner_stride() const { return dims > 0 ? stride[dims - 1] : 0; }

  /// Where step `index` (row-major) lies.
  __device__ std::int64_t offset(std::int64_t index) const {
    std::int64_t sum = 0;
    for (int d = dims - 1; d > 0; --d) {
      const std::int64_t rest = index / size[d];
      sum += (index - rest * size[d]) * stride[d];
      index = rest;
    }
    return dims > 0 ? sum + index * stride[0] : 0;
  }
};

struct Plan {
  Nest kept, reduced;
  std::int64_t outputs, count;     // count: values per output
  std::int64_t parts, part_count;  // part_count: values per part, a multiple of 128
  bool packs;                      // each kGroup values lie side by side, and count < 2^31
  bool runs;                       // two reduced dimensions, and count < 2^31
  int lanes;                       // that read an output: 32, or 8
  FastDivision inner;              // by the innermost reduced size, if packs or runs: GPUs divide slowly
  bool divide;
  double divisor;

  /// Where value j lies, if `packs`.
  __device__ std::int64_t pack_offset(std::int64_t j) const {
    if (reduced.dims == 1) return j;
    const std::uint32_t run = inner.quotient(static_cast<std::uint32_t>(j));
    return j - std::int64_t{run} * inner.divisor + run * reduced.stride[0];
  }
  /// The same if `runs`.
  __device__ std::int64_t run_offset(std::int64_t j) const {
    const std::uint32_t run = inner.quotient(static_cast<std::uint32_t>(j));
    return (j - std::int64_t{run} * inner.divisor) * reduced.stride[1] + run * reduced.stride[0];
  }
};

/// One lane's values of a part, in order. mean null: the values; else their squared deviations from it.
template <class Op, bool kColumns, class In, class Acc>
__device__ Acc reduce_lane(const Plan& plan, const In* x, std::int64_t part, int lane, const Acc* mean) {
  const auto transformed = [mean](In value) {
    const Acc v = static_cast<Acc>(value);
    if (mean == nullptr) return v;
    const Acc d = v - *mean;
    return d * d;
  };
  const std::int64_t end = min(plan.count, (part + 1) * plan.part_count);
  std::int64_t j = part * plan.part_count + lane * kGroup;
  Acc result = Op::template identity<Acc>();
  const auto combine = [&](In value) { result = Op::combine(result, transformed(value)); };
  constexpr int kStep = 32 * kGroup;
  if (!kColumns && plan.packs) {
#pragma unroll 4
    for (; j < end; j += kStep) {
      const auto packet = load<kGroup>(x + plan.pack_offset(j), true);
#pragma unroll
      for (int i = 0; i < kGroup; ++i) combine(packet.v[i]);
    }
  } else if (plan.reduced.dims <= 1) {
    const std::int64_t stride = plan.reduced.inner_stride();
#pragma unroll 1  // 1,024 threads have 64 registers each, and warps enough to hide the waiting
    for (; j < end; j += kStep) {
#pragma unroll
      for (int i = 0; i < kGroup; ++i) {
        if (j + i < end) combine(x[(j + i) * stride]);
      }
    }
  } else if (plan.runs) {
    // All loads of two steps before the first addition, so that they wait together; the additions keep their order.
    constexpr int kSteps = kColumns ? 1 : 2;  // 1,024 threads have 64 registers each
#pragma unroll 1
    for (; j < end; j += kSteps * kStep) {
      In values[kSteps][kGroup] = {};
#pragma unroll
      for (int s = 0; s < kSteps; ++s) {
#pragma unroll
        for (int i = 0; i < kGroup; ++i) {
          const std::int64_t e = j + s * kStep + i;
          if (e < end) values[s][i] = x[plan.run_offset(e)];
        }
      }
#pragma unroll
      for (int s = 0; s < kSteps; ++s) {
#pragma unroll
        for (int i = 0; i < kGroup; ++i) {
          if (j + s * kStep + i < end) combine(values[s][i]);
        }
      }
    }
  } else {
#pragma unroll 1
    for (; j < end; j += kStep) {
#pragma unroll 1
      for (std::int64_t e = j; e < min(end, j + kGroup); ++e) combine(x[plan.reduced.offset(e)]);
    }
  }
  return result;
}

/// y[output][part] of every part. `means` null, or one per output.
template <class Op, bool kColumns, class In, class Acc, class Out>
__global__ void __launch_bounds__(kColumns ? 1024 : 32 * kRowBlock, 1)
    reduce_parts(const __grid_constant__ Plan plan, const In* x, const Acc* means, Out* y) {
  const std::int64_t part = blockIdx.x % plan.parts, group = blockIdx.x / plan.parts;
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const int lanes = kColumns ? 32 : plan.lanes, lane = kColumns ? ty : tx % lanes;
  std::int64_t output = kColumns ? group * 32 + tx : (group * kRowBlock + ty) * (32 / lanes) + tx / lanes;

  Acc value = Op::template identity<Acc>();
  if (output < plan.outputs) {
    const In* start = x + plan.kept.offset(output);
    value = reduce_lane<Op, kColumns>(plan, start, part, lane, means == nullptr ? nullptr : means + output);
  }
  if constexpr (kColumns) {
    __shared__ Acc tile[32][33];  // 33: else the reads below would all hit one memory bank
    tile[lane][tx] = value;
    __syncthreads();
    value = tile[tx][ty];
    output = group * 32 + ty;
  }
  // With 8 lanes the bits are those of 32: the others would bring what changes nothing.
  value = lanes == kFewLanes ? warp_reduce<Op, kFewLanes>(value) : warp_reduce<Op>(value);
  if (tx % lanes != 0 || output >= plan.outputs) return;
  if (plan.divide) value /= static_cast<Acc>(plan.divisor);
  y[output * plan.parts + part] = static_cast<Out>(value);
}

/// Enough parts to fill a card, none so small that a warp's start weighs, none so large that its sum loses digits.
void choose_parts(Plan& plan) {
  const auto ceil_div = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  const std::int64_t wanted = std::min(ceil_div(plan.count, 1024), std::max<std::int64_t>(1, 8192 / plan.outputs));
  const std::int64_t parts = std::max(wanted, ceil_div(plan.count, 16384));
  plan.part_count = ceil_div(ceil_div(plan.count, parts), 32 * kGroup) * 32 * kGroup;
  plan.parts = ceil_div(plan.count, plan.part_count);
}

Plan make_plan(const Tensor& x, const DimSet& dims, std::int64_t outputs) {
  Plan plan{};
  for (int d = 0; d < x.dim(); ++d) {
    (dims[static_cast<std::size_t>(d)] ? plan.reduced : plan.kept).add(x.shape()[d], x.strides()[d]);
  }
  plan.outputs = outputs;
  plan.count = x.numel() / outputs;
  choose_parts(plan);
  return plan;
}

/// Whether every group of kGroup values is one pack, for values of `size` bytes.
bool can_use_packs(const Plan& plan, const void* x, std::size_t size) {
  const auto whole = [](std::int64_t n) { return n % kGroup == 0; };
  const Nest &kept = plan.kept, &reduced = plan.reduced;
  if (reduced.inner_stride() != 1 || reduced.dims > 2 || plan.count > kMaxElements) return false;
  if (!whole(reduced.size[reduced.dims - 1])) return false;
  return std::all_of(kept.stride, kept.stride + kept.dims, whole) &&
         std::all_of(reduced.stride, reduced.stride + reduced.dims - 1, whole) &&
         reinterpret_cast<std::uintptr_t>(x) % (kGroup * size) == 0;
}

template <class Op, class In, class Acc, class Out>
void launch_stage(Plan plan, const In* x, const Acc* means, Out* y) {
  plan.packs = can_use_packs(plan, x, sizeof(In));
  plan.runs = plan.reduced.dims == 2 && plan.count <= kMaxElements;
  if (plan.packs || plan.runs)
    plan.inner = FastDivision(static_cast<std::uint32_t>(plan.reduced.size[plan.reduced.dims - 1]));
  plan.lanes = plan.count <= kFewLanes * kGroup ? kFewLanes : 32;
  const bool columns = plan.reduced.inner_stride() != 1 && plan.kept.inner_stride() == 1;
  if (columns) {
    const auto blocks = static_cast<unsigned>(blocks_for(plan.outputs, 32) * plan.parts);
    launch(reduce_parts<Op, true, In, Acc, Out>, dim3(blocks), dim3(32, 32), 0, current_stream(), plan, x, means, y);
  } else {
    const auto blocks = static_cast<unsigned>(blocks_for(plan.outputs, kRowBlock * 32 / plan.lanes) * plan.parts);
    launch(reduce_parts<Op, false, In, Acc, Out>, dim3(blocks), dim3(32, kRowBlock), 0, current_stream(), plan, x,
           means, y);
  }
}

template <class Op, class In, class Acc, class Out>
void reduce_stages(const Plan& plan, const Tensor& x, const Acc* means, Out* y) {
  if (plan.parts == 1) return launch_stage<Op, In, Acc, Out>(plan, x.data<In>(), means, y);
  // As doubles: room for any Acc.
  const Tensor room = Tensor::empty({plan.outputs * plan.parts}, DType::f64, x.device());
  Acc* partial = reinterpret_cast<Acc*>(room.raw_data());
  Plan first = plan;
  first.divide = false;
  launch_stage<Op, In, Acc, Acc>(first, x.data<In>(), means, partial);

  Plan second{};
  second.kept.add(plan.outputs, plan.parts);
  second.reduced.add(plan.parts, 1);
  second.outputs = plan.outputs;
  second.count = second.part_count = plan.parts;
  second.parts = 1;
  second.divide = plan.divide;
  second.divisor = plan.divisor;
  launch_stage<Op, Acc, Acc, Out>(second, partial, nullptr, y);
}

template <class T>
void reduce_floating(Reduction op, Plan plan, const Tensor& x, const Tensor& y, double var_divisor) {
  if (op == Reduction::sum) return reduce_stages<Add, T, T, T>(plan, x, nullptr, y.data<T>());
  plan.divide = true;
  plan.divisor = static_cast<double>(plan.count);
  if (op == Reduction::mean) return reduce_stages<Add, T, T, T>(plan, x, nullptr, y.data<T>());
  const Tensor means = Tensor::empty({plan.outputs}, x.dtype(), x.device());  // two passes keep the digits of far means
  reduce_stages<Add, T, T, T>(plan, x, nullptr, means.data<T>());
  plan.divisor = var_divisor;
  reduce_stages<Add, T, T, T>(plan, x, means.data<T>(), y.data<T>());
}

// ---- argmax

/// Whether (a, i) is taken before (b, j): NaN first, then the larger, then the earlier one. No tie is left, so any
/// order of comparing gives the same.
template <class T>
__device__ bool before(T a, std::int64_t i, T b, std::int64_t j) {
  const bool a_is_nan = a != a, b_is_nan = b != b;
  if (a_is_nan != b_is_nan) return a_is_nan;
  if (!a_is_nan && a != b) return a > b;
  return i < j;
}

/// One warp per part of a row: y[row][part] = where its maximum stands. `chosen` null: all positions are looked at;
/// else those in chosen[row][0 .. count-1], the winners of an earlier launch.
template <class T, class Value>
__global__ void __launch_bounds__(32 * kRowBlock)
    argmax_parts(const T* x, std::int64_t rows, std::int64_t length, const std::int64_t* chosen, std::int64_t count,
                 std::int64_t parts, std::int64_t part_count, std::int64_t* y) {
  const std::int64_t part = blockIdx.x % parts, row = blockIdx.x / parts * kRowBlock + threadIdx.y;
  const std::int64_t end = row < rows ? min(count, (part + 1) * part_count) : 0;
  Value best = Max::identity<Value>();
  std::int64_t index = std::numeric_limits<std::int64_t>::max();
#pragma unroll 4
  for (std::int64_t k = part * part_count + threadIdx.x; k < end; k += 32) {
    const std::int64_t j = chosen == nullptr ? k : chosen[row * count + k];
    const Value value = static_cast<Value>(x[row * length + j]);
    if (!before(value, j, best, index)) continue;
    best = value;
    index = j;
  }
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    const Value value = __shfl_xor_sync(kAllLanes, best, distance);
    const auto j = static_cast<std::int64_t>(__shfl_xor_sync(kAllLanes, static_cast<long long>(index), distance));
    if (!before(value, j, best, index)) continue;
    best = value;
    index = j;
  }
  if (threadIdx.x == 0 && row < rows) y[row * parts + part] = index;
}

/// What T is compared and added in: shuffles move 4 or 8 bytes.
template <class T>
using Wide = std::conditional_t<(sizeof(T) < 4), int, T>;

template <class T>
void argmax_rows(const Tensor& x, std::int64_t length, const Tensor& y) {
  Plan plan{};
  plan.outputs = y.numel();
  plan.count = length;
  choose_parts(plan);
  const auto run = [&](const std::int64_t* chosen, std::int64_t count, std::int64_t parts, std::int64_t part_count,
                       std::int64_t* to) {
    const auto blocks = static_cast<unsigned>(blocks_for(plan.outputs, kRowBlock) * parts);
    launch(argmax_parts<T, Wide<T>>, dim3(blocks), dim3(32, kRowBlock), 0, current_stream(), x.data<T>(), plan.outputs,
           length, chosen, count, parts, part_count, to);
  };
  if (plan.parts == 1) return run(nullptr, length, 1, length, y.data<std::int64_t>());
  const Tensor winners = Tensor::empty({plan.outputs * plan.parts}, DType::i64, x.device());
  run(nullptr, length, plan.parts, plan.part_count, winners.data<std::int64_t>());
  run(winners.data<std::int64_t>(), plan.parts, 1, plan.parts, y.data<std::int64_t>());
}

/// What a reduction over no values gives: 0, or NaN, which is what a float of ones only is.
void fill_empty(Reduction op, const Tensor& y) {
  const auto bytes = static_cast<std::size_t>(y.numel()) * size_of(y.dtype());
  check(cudaMemsetAsync(y.raw_data(), op == Reduction::sum ? 0 : 0xff, bytes, current_stream()), "cudaMemsetAsync");
}

}  // namespace

void reduce(Reduction op, const Tensor& x, const DimSet& dims, const Tensor& y, std::int64_t correction) {
  if (x.numel() == 0) return fill_empty(op, y);
  const Plan plan = make_plan(x, dims, y.numel());
  visit_dtype(x.dtype(), [&]<class T>(T) {
    if (op == Reduction::max) return reduce_stages<Max, T, Wide<T>, T>(plan, x, nullptr, y.data<T>());
    if (op == Reduction::min) return reduce_stages<Min, T, Wide<T>, T>(plan, x, nullptr, y.data<T>());
    if constexpr (std::is_floating_point_v<T>) {
      const auto divisor = static_cast<double>(std::max<std::int64_t>(0, plan.count - correction));
      reduce_floating<T>(op, plan, x, y, divisor);
    } else {
      reduce_stages<Add, T, std::int64_t, std::int64_t>(plan, x, nullptr, y.data<std::int64_t>());
    }
  });
}

void argmax(const Tensor& x, std::int64_t length, const Tensor& y) {
  visit_dtype(x.dtype(), [&]<class T>(T) { argmax_rows<T>(x, length, y); });
}

}  // namespace hop::kernels::cuda
