// The optimizer's update of all parameters of a model, in one launch. The formulas are in update_rules.h. Bytes moved
// per f32 parameter, and so the floor: 12 (p and g in, p out), and 8 more for each slot. A launch for each parameter
// would pay a launch's latency of some microseconds dozens of times. A model of 500,000 parameters is updated in less
// than ten microseconds. Averages of weights (average_rules.h) are updated by the same two kernels, as parameters
// without slots and without a learning rate.
//
// Two kernels:
//
// clang-format off
//   prepare   one thread per parameter tensor reads the learning rate, the step and the stop flag, and writes the
//             factors of this step into a table. So the arithmetic in double is done once, not for every element. It
//             also counts the step. The addresses come as its arguments, so a captured graph carries them.
//   update    each block finds its segment in the table by a vote, and updates 2,048 elements of it.
// clang-format on
//
// Bits: sums, products, quotients and roots have the CPU's bits, operation by operation (no fused multiply-add). Only
// pow, in Adam's corrections 1 - beta^step, may differ from the C library's: CUDA's is within 2 units in the last place
// of a double, which after 1 - beta^step is a relative 4.4e-16 / (1 - beta), at most 5e-13 for beta = 0.999. A float of
// the table differs from the CPU's only if this error crosses a rounding boundary, about once in 100,000 steps.
#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/average_rules.h"
#include "kernels/cuda/access_device.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/operands_internal.h"
#include "kernels/cuda/runtime.h"
#include "kernels/optimizer_operations.h"
#include "kernels/update_rules.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kBlock = 256;
constexpr int kValues = 8;  // per thread
constexpr std::int64_t kBlockValues = kBlock * kValues;

template <class Rule>
inline constexpr int kSlots = static_cast<int>(Rule::slots.size());
template <class Rule>
inline constexpr int kSlotRoom = kSlots<Rule> == 0 ? 1 : kSlots<Rule>;  // an array is not empty

/// One parameter, as the host knows it.
template <class Rule>
struct Segment {
  std::byte *p, *g, *slots[kSlotRoom<Rule>];  // a slot that the rule does not keep is null
  std::int64_t n, first_block;
  double lr_scale, weight_decay_scale;
  bool is_float, aligned;
};

template <class Rule>
struct Row {
  Segment<Rule> segment;
  rules::Factors<Rule, float> in_f32;  // of these two, the one of the segment's dtype is filled
  rules::Factors<Rule, double> in_f64;
};

/// The table of a step, in device memory.
template <class Rule>
struct Table {
  Row<Rule>* rows;
  std::int64_t* first_blocks;  // first block of each row, ascending: a block searches these
  std::int64_t* step;          // the number of this step; 0: nothing to do
};

/// As many segments as fit into the arguments of a kernel (4 KB).
constexpr int kChunk = 40;
template <class Rule>
struct Chunk {
  Segment<Rule> segments[kChunk];
  int first, count;
  bool is_last;
};

template <class Rule>
__global__ void __launch_bounds__(kChunk)
    prepare(const __grid_constant__ Chunk<Rule> chunk, const __grid_constant__ Rule rule, const double* lr,
            std::int64_t* step, const double* stop, Table<Rule> table) {
  static_assert(sizeof(Chunk<Rule>) + sizeof(Rule) < 4000);
  const int i = static_cast<int>(threadIdx.x);
  const bool stopped = stop != nullptr && *stop != 0;
  const std::int64_t number = *step + 1;
  if (i < chunk.count) {
    const Segment<Rule>& s = chunk.segments[i];
    Row<Rule>& row = table.rows[chunk.first + i];
    const rules::Step now{lr != nullptr ? *lr * s.lr_scale : 0, s.weight_decay_scale, number};
    table.first_blocks[chunk.first + i] = s.first_block;
    row.segment = s;
    if (s.is_float)
      row.in_f32 = rules::factors<float>(rule, now);
    else
      row.in_f64 = rules::factors<double>(rule, now);
  }
  __syncthreads();  // all have read the step
  if (i != 0 || !chunk.is_last) return;
  *table.step = stopped ? 0 : number;
  if (!stopped) *step = number;
}

/// Whether slot k is there. A slot that the rule always keeps needs no test.
template <class Rule>
__device__ bool is_kept(const Segment<Rule>& s, int k) {
  return rules::always_keeps<Rule>(static_cast<std::size_t>(k)) || s.slots[k] != nullptr;
}

template <class F, class T, int kWidth, std::size_t... k>
__device__ void apply(const F& factors, T& p, const T& g, [[maybe_unused]] Packet<T, kWidth>* slots,
                      [[maybe_unused]] int i, std::index_sequence<k...>) {
  rules::apply(factors, p, g, slots[k].v[i]...);
}

/// Updates kWidth elements from `e` on.
template <int kWidth, class T, class Rule>
__device__ void update_packet(const rules::Factors<Rule, T>& factors, const Segment<Rule>& s, std::int64_t e) {
  const auto at = [e](std::byte* from) { return reinterpret_cast<T*>(from) + e; };
  auto p = load<kWidth>(at(s.p), true);
  const auto g = load<kWidth>(at(s.g), true);
  Packet<T, kWidth> slots[kSlotRoom<Rule>] = {};
#pragma unroll
  for (int k = 0; k < kSlots<Rule>; ++k) {
    if (is_kept(s, k)) slots[k] = load<kWidth>(at(s.slots[k]), true);
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) apply(factors, p.v[i], g.v[i], slots, i, std::make_index_sequence<kSlots<Rule>>());
  store(at(s.p), p, true);
#pragma unroll
  for (int k = 0; k < kSlots<Rule>; ++k) {
    if (is_kept(s, k)) store(at(s.slots[k]), slots[k], true);
  }
}

/// The elements of the calling block. The factors are a copy: stores to parameters cannot change it.
template <class T, class Rule>
__device__ void update_block(const rules::Factors<Rule, T> factors, const Segment<Rule>& s) {
  constexpr int kWidth = kPerAccess<T>;
  const std::int64_t first = (blockIdx.x - s.first_block) * kBlockValues;
#pragma unroll
  for (int k = 0; k < kValues / kWidth; ++k) {
    const std::int64_t e = first + (k * kBlock + static_cast<int>(threadIdx.x)) * kWidth;
    if (s.aligned && e + kWidth <= s.n) {
      update_packet<kWidth, T>(factors, s, e);
    } else {
      for (std::int64_t i = e; i < min(s.n, e + kWidth); ++i) update_packet<1, T>(factors, s, i);
    }
  }
}

/// The last row whose first block is not behind this one. All threads compare rows at once and count by a vote. A
/// binary search by one thread would wait for memory once per halving.
__device__ int row_of_block(const std::int64_t* first_blocks, int rows) {
  int before = 0;
  for (int row = static_cast<int>(threadIdx.x); row - static_cast<int>(threadIdx.x) < rows; row += kBlock)
    before += __syncthreads_count(row < rows && first_blocks[row] <= blockIdx.x);
  return before - 1;
}

// Two blocks of a multiprocessor at once are asked for: if nothing is, ptxas aims at more and spills for it (sm_120).
template <class Rule>
__global__ void __launch_bounds__(kBlock, 2) update_segments(Table<Rule> table, int rows) {
  const Row<Rule>& row = table.rows[row_of_block(table.first_blocks, rows)];
  if (*table.step == 0) return;
  const Segment<Rule> s = row.segment;
  if (s.is_float)
    update_block<float, Rule>(row.in_f32, s);
  else
    update_block<double, Rule>(row.in_f64, s);
}

/// One thread: meter[0] += loss * rows, meter[1] = 1 where the loss is not below the limit.
template <class T>
__global__ void add_loss(const T* loss, double rows, double limit, double* meter) {
  const double value = static_cast<double>(*loss);
  meter[0] += value * rows;
  if (!(value < limit)) meter[1] = 1;
}

// ---- Host side

/// The segments with their blocks, followed by the number of blocks.
template <class Rule>
std::vector<Segment<Rule>> plan_segments(const Rule& rule, std::span<const UpdateSegment> segments,
                                         std::int64_t& blocks) {
  std::vector<Segment<Rule>> plan;
  blocks = 0;
  for (const UpdateSegment& s : segments) {
    Segment<Rule> segment{s.parameter.raw_data(),
                          s.gradient.raw_data(),
                          {},
                          s.parameter.numel(),
                          blocks,
                          s.lr_scale,
                          s.weight_decay_scale,
                          s.parameter.dtype() == DType::f32,
                          all_aligned(s.parameter.raw_data(), s.gradient.raw_data())};
    std::size_t next = 0;
    for (int k = 0; k < kSlots<Rule>; ++k) {
      if (!rules::keeps(rule, static_cast<std::size_t>(k))) continue;
      segment.slots[k] = s.slots[next++].raw_data();
      segment.aligned = segment.aligned && all_aligned(segment.slots[k]);
    }
    plan.push_back(segment);
    blocks += (segment.n + kBlockValues - 1) / kBlockValues;
  }
  return plan;
}

template <class Rule>
void run(const Rule& rule, std::span<const UpdateSegment> segments, const UpdateState& state) {
  std::int64_t blocks = 0;
  const std::vector<Segment<Rule>> plan = plan_segments(rule, segments, blocks);
  const int rows = static_cast<int>(plan.size());
  const Device device = state.step.device();
  const Tensor row_room =
      Tensor::empty({std::max(1, rows), static_cast<std::int64_t>(sizeof(Row<Rule>))}, DType::u8, device);
  const Tensor numbers = Tensor::empty({rows + 1}, DType::i64, device);
  const Table<Rule> table{reinterpret_cast<Row<Rule>*>(row_room.raw_data()), numbers.data<std::int64_t>(),
                          numbers.data<std::int64_t>() + rows};
  int first = 0;
  do {  // at least once, because the step counts also without parameters
    Chunk<Rule> chunk{};
    chunk.first = first;
    chunk.count = std::min(kChunk, rows - first);
    std::copy_n(plan.begin() + first, chunk.count, chunk.segments);
    first += chunk.count;
    chunk.is_last = first == rows;
    launch(prepare<Rule>, dim3(1), dim3(kChunk), 0, current_stream(), chunk, rule, data_or_null<double>(state.lr),
           state.step.data<std::int64_t>(), data_or_null<double>(state.stop), table);
  } while (first < rows);
  if (blocks == 0) return;
  launch(update_segments<Rule>, dim3(static_cast<unsigned>(blocks)), dim3(kBlock), 0, current_stream(), table, rows);
}

void update(const UpdateRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state) {
  use_device(state.step.device().index);  // there may be no segment to tell
  std::visit([&](const auto& r) { run(r, segments, state); }, rule);
}

void update_averages(const AverageRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state) {
  use_device(state.step.device().index);
  std::visit([&](const auto& r) { run(r, segments, state); }, rule);
}

void measure(const Tensor& loss, double rows, double limit, const Tensor& meter) {
  const auto run = [&]<class T>(T) {
    launch(add_loss<T>, dim3(1), dim3(1), 0, current_stream(), loss.data<T>(), rows, limit, meter.data<double>());
  };
  visit_floating(loss, run);
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const OptimizerOperations OptimizerOperations::cuda = {
    .update = cuda::update,
    .update_averages = cuda::update_averages,
    .measure = cuda::on_device<cuda::measure>,
};

}  // namespace hop::kernels
