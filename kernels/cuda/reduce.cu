// Reductions over any dimensions and strides. Floor: one read of x. Long because all ways of reading share one tree.
//
// The n values of an output, in row-major order of the reduced dimensions, are cut into parts. A part is reduced by 32
// lanes: lane l takes values 4 l .. 4 l + 3 of every 128, one after the other, then the lanes fold pairwise
// (warp_reduce). If there are several parts, a second launch reduces their results in the same way. This tree, and so
// the bits, is a function of n and the number of outputs: not of strides, addresses or the card.
//
// Only the assignment of threads to the 32 lanes differs, because neighbouring threads should read neighbouring values:
//
//   rows      the reduced values are neighbours: the lanes of a warp. 16-byte loads where all runs allow it. With
//             32 values or fewer only 8 lanes have work, so four outputs share a warp.
//   columns   the outputs are neighbours: 32 outputs per block, one per threadIdx.x, and threadIdx.y is the lane.
//             At the end a tile in shared memory turns the 32 lanes of each output into a warp for the fold.
//   packets as columns, if 16 bytes hold outputs side by side: a thread has all outputs of a packet and eight packets
//   in flight, with a quarter of the threads. In 4-byte steps a multiprocessor does not have 20 KB in flight.
//
// Parts exist because of sums over all values: one warp reads some 10 GB/s, a card a hundred times more.
#include <algorithm>

#include "kernels/cuda/access_device.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/reduce_parts.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/walk.h"
#include "kernels/reduce_operations.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kGroup = 4;  // neighbouring values of a lane
constexpr int kFewLanes = 8;

/// Nested loops over elements, outermost first; strides in elements.
struct Nest {
  int dims = 0;
  std::int64_t size[kMaxDims];
  std::int64_t stride[kMaxDims];

  /// Adds a loop, merged with the loop before if one stride covers both.
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

  /// The offset of step `index` (row-major).
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

struct Plan : Parts {
  Nest kept, reduced;
  std::int64_t outputs, count;  // count: values per output
  bool packs;                   // each kGroup values lie side by side, and count < 2^31
  bool runs;                    // two reduced dimensions, and count < 2^31
  int lanes;                    // lanes that read an output: 32 or 8
  FastDivision inner;           // by the innermost reduced size, if packs or runs: GPUs divide slowly
  bool divide;
  double divisor;

  /// The offset of value j, if `packs`.
  __device__ std::int64_t pack_offset(std::int64_t j) const {
    if (reduced.dims == 1) return j;
    const std::uint32_t run = inner.quotient(static_cast<std::uint32_t>(j));
    return j - std::int64_t{run} * inner.divisor + run * reduced.stride[0];
  }
  /// The offset of value j, if `runs`.
  __device__ std::int64_t run_offset(std::int64_t j) const {
    const std::uint32_t run = inner.quotient(static_cast<std::uint32_t>(j));
    return (j - std::int64_t{run} * inner.divisor) * reduced.stride[1] + run * reduced.stride[0];
  }
};

/// One lane's values of a part, in order. If `mean` is not null, their squared deviations from it.
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
#pragma unroll 8
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
    // Issues all loads of two steps before the first addition, so that they wait together. The additions keep their
    // order.
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

/// Packets of neighbouring outputs.
template <class In>
struct Packets {
  static constexpr int kWidth = kPerAccess<In>;
  static constexpr int kAcross = 32 / kWidth;          ///< threads per row of 32 outputs
  static constexpr int kBlock = kAcross * 32;          ///< with 32 lanes
  static constexpr int kOutputs = 32 / (kBlock / 32);  ///< outputs that a warp folds at the end
};

/// y[output][part] of every part, by packets of outputs. One dimension is reduced.
template <class Op, class In, class Acc, class Out>
__global__ void __launch_bounds__(Packets<In>::kBlock)
    reduce_packets(const __grid_constant__ Plan plan, const In* x, const Acc* means, Out* y) {
  constexpr int kWidth = Packets<In>::kWidth, kAcross = Packets<In>::kAcross;
  const std::int64_t part = blockIdx.x % plan.parts, first = blockIdx.x / plan.parts * 32;
  const int across = static_cast<int>(threadIdx.x) % kAcross, lane = static_cast<int>(threadIdx.x) / kAcross;
  const std::int64_t output = first + across * kWidth;

  Acc sums[kWidth], mean[kWidth] = {};
#pragma unroll
  for (int i = 0; i < kWidth; ++i) sums[i] = Op::template identity<Acc>();
  if (output < plan.outputs) {
    if (means != nullptr) {
#pragma unroll
      for (int i = 0; i < kWidth; ++i) mean[i] = means[output + i];
    }
    const In* start = x + plan.kept.offset(output);
    const std::int64_t stride = plan.reduced.inner_stride(), end = min(plan.count, (part + 1) * plan.part_count);
    constexpr int kStep = 32 * kGroup, kSteps = 2;
#pragma unroll 1
    for (std::int64_t j = part * plan.part_count + lane * kGroup; j < end; j += kSteps * kStep) {
      Packet<In, kWidth> held[kSteps][kGroup] = {};
#pragma unroll
      for (int s = 0; s < kSteps * kGroup; ++s) {
        const std::int64_t e = j + s / kGroup * kStep + s % kGroup;
        if (e < end) held[s / kGroup][s % kGroup] = load<kWidth>(start + e * stride, true);
      }
#pragma unroll
      for (int s = 0; s < kSteps * kGroup; ++s) {
        if (j + s / kGroup * kStep + s % kGroup >= end) continue;
#pragma unroll
        for (int i = 0; i < kWidth; ++i) {
          Acc v = static_cast<Acc>(held[s / kGroup][s % kGroup].v[i]);
          if (means != nullptr) v = (v - mean[i]) * (v - mean[i]);
          sums[i] = Op::combine(sums[i], v);
        }
      }
    }
  }
  __shared__ Acc tile[32][33];  // 33 columns: with 32 the reads below would all hit one bank
#pragma unroll
  for (int i = 0; i < kWidth; ++i) tile[lane][across * kWidth + i] = sums[i];
  __syncthreads();
  const int tx = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
#pragma unroll
  for (int i = 0; i < Packets<In>::kOutputs; ++i) {
    const int mine = warp * Packets<In>::kOutputs + i;
    Acc value = warp_reduce<Op>(tile[tx][mine]);
    if (tx != 0 || first + mine >= plan.outputs) continue;
    if (plan.divide) value /= static_cast<Acc>(plan.divisor);
    y[(first + mine) * plan.parts + part] = static_cast<Out>(value);
  }
}

/// y[output][part] of every part. `means` null, or one per output.
template <class Op, bool kColumns, class In, class Acc, class Out>
__global__ void __launch_bounds__(kColumns ? 1024 : 32 * kRowBlock, 1)
    reduce_parts(const __grid_constant__ Plan plan, const In* x, const Acc* means, Out* y) {
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const int lanes = kColumns ? 32 : plan.lanes, lane = kColumns ? ty : tx % lanes;
  // Columns: a block has a part of 32 outputs. Rows: warps in a row have the parts of an output, then of the next one.
  const std::int64_t job =
      kColumns ? blockIdx.x : (std::int64_t{blockIdx.x} * kRowBlock + ty) * (32 / lanes) + tx / lanes;
  const std::int64_t part = job % plan.parts, group = job / plan.parts;
  std::int64_t output = kColumns ? group * 32 + tx : group;

  Acc value = Op::template identity<Acc>();
  if (output < plan.outputs) {
    const In* start = x + plan.kept.offset(output);
    value = reduce_lane<Op, kColumns>(plan, start, part, lane, means == nullptr ? nullptr : means + output);
  }
  if constexpr (kColumns) {
    __shared__ Acc tile[32][33];  // 33 columns: with 32 the reads below would all hit one bank
    tile[lane][tx] = value;
    __syncthreads();
    value = tile[tx][ty];
    output = group * 32 + ty;
  }
  // With 8 lanes the bits are those of 32: the other lanes would add the neutral value.
  value = lanes == kFewLanes ? warp_reduce<Op, kFewLanes>(value) : warp_reduce<Op>(value);
  if (tx % lanes != 0 || output >= plan.outputs) return;
  if (plan.divide) value /= static_cast<Acc>(plan.divisor);
  y[output * plan.parts + part] = static_cast<Out>(value);
}

Plan make_plan(const Tensor& x, const DimSet& dims, std::int64_t outputs) {
  Plan plan{};
  for (int d = 0; d < x.dim(); ++d) {
    (dims[static_cast<std::size_t>(d)] ? plan.reduced : plan.kept).add(x.shape()[d], x.strides()[d]);
  }
  plan.outputs = outputs;
  plan.count = x.numel() / outputs;
  static_cast<Parts&>(plan) = choose_parts(plan.outputs, plan.count);
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

/// Whether 16 bytes hold outputs side by side everywhere, and one dimension is reduced.
template <class In>
bool can_use_packets(const Plan& plan, const In* x) {
  const auto whole = [](std::int64_t n) { return n % kPerAccess<In> == 0; };
  const Nest& kept = plan.kept;
  return plan.reduced.dims == 1 && whole(kept.size[kept.dims - 1]) && whole(plan.reduced.stride[0]) &&
         std::all_of(kept.stride, kept.stride + kept.dims - 1, whole) && all_aligned(x);
}

template <class Op, class In, class Acc, class Out>
void launch_stage(Plan plan, const In* x, const Acc* means, Out* y) {
  plan.packs = can_use_packs(plan, x, sizeof(In));
  plan.runs = plan.reduced.dims == 2 && plan.count <= kMaxElements;
  if (plan.packs || plan.runs)
    plan.inner = FastDivision(static_cast<std::uint32_t>(plan.reduced.size[plan.reduced.dims - 1]));
  plan.lanes = plan.count <= kFewLanes * kGroup ? kFewLanes : 32;
  const bool columns = plan.reduced.inner_stride() != 1 && plan.kept.inner_stride() == 1;
  if constexpr (sizeof(In) >= 4) {
    if (columns && can_use_packets<In>(plan, x)) {
      const auto blocks = static_cast<unsigned>(blocks_for(plan.outputs, 32) * plan.parts);
      return launch(reduce_packets<Op, In, Acc, Out>, dim3(blocks), dim3(Packets<In>::kBlock), 0, current_stream(),
                    plan, x, means, y);
    }
  }
  if (columns) {
    const auto blocks = static_cast<unsigned>(blocks_for(plan.outputs, 32) * plan.parts);
    launch(reduce_parts<Op, true, In, Acc, Out>, dim3(blocks), dim3(32, 32), 0, current_stream(), plan, x, means, y);
  } else {
    const unsigned blocks = blocks_for(plan.outputs * plan.parts, kRowBlock * 32 / plan.lanes);
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

/// Writes the result of a reduction over no values: 0 or NaN (a float whose bits are all 1).
void fill_empty(Reduction op, const Tensor& y) {
  const auto bytes = static_cast<std::size_t>(y.numel()) * size_of(y.dtype());
  check(cudaMemsetAsync(y.raw_data(), op == Reduction::sum ? 0 : 0xff, bytes, current_stream()), "cudaMemsetAsync");
}

void reduce(Reduction op, const Tensor& x, const DimSet& dims, const Tensor& y, double correction) {
  if (x.numel() == 0) return fill_empty(op, y);
  const Plan plan = make_plan(x, dims, y.numel());
  visit_dtype(x.dtype(), [&]<class T>(T) {
    if (op == Reduction::max) return reduce_stages<Max, T, Wide<T>, T>(plan, x, nullptr, y.data<T>());
    if (op == Reduction::min) return reduce_stages<Min, T, Wide<T>, T>(plan, x, nullptr, y.data<T>());
    if constexpr (std::is_floating_point_v<T>) {
      const double divisor = std::max(0.0, static_cast<double>(plan.count) - correction);
      reduce_floating<T>(op, plan, x, y, divisor);
    } else {
      reduce_stages<Add, T, std::int64_t, std::int64_t>(plan, x, nullptr, y.data<std::int64_t>());
    }
  });
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const ReduceOperations ReduceOperations::cuda = {
    .reduce = cuda::on_device<cuda::reduce>,
    .argmax = cuda::on_device<cuda::argmax>,
};

}  // namespace hop::kernels
