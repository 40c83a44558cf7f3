// The optimizer's update of all parameters of a model, in one launch. Bytes moved per f32 parameter, and so the floor:
// SGD 12 (p and g in, p out), with momentum 20, Adam 28. A launch for each parameter would pay a launch's latency of
// some microseconds dozens of times. A model of 500,000 parameters is updated in less than ten microseconds.
//
// Two kernels:
//
// clang-format off
//   prepare   one thread per parameter tensor reads the learning rate, the step and the stop flag, and leaves in a
//             table what this step multiplies with: the arithmetic in double that every element would otherwise
//             repeat. It also counts the step. The addresses come as its arguments, so a captured graph carries them.
//   update    each block finds its segment in the table by a vote, and updates 2,048 elements of it.
// clang-format on
//
// Bits: sums, products, quotients and roots have the CPU's bits, operation by operation (no fused multiply-add). Only
// pow, in Adam's corrections 1 - beta^step, may differ from the C library's: CUDA's is within 2 units in the last place
// of a double, which after 1 - beta^step is a relative 4.4e-16 / (1 - beta), at most 5e-13 for beta = 0.999. A float of
// the table differs from the CPU's only if this error crosses a rounding boundary, about once in 100,000 steps.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cuda/access_device.h"
#include "kernels/cuda/operands_internal.h"
#include "kernels/cuda/operations_internal.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

using std::pow;  // the overload for numbers
using std::sqrt;

using Method = UpdateRule::Method;

constexpr int kBlock = 256;
constexpr int kValues = 8;  // per thread
constexpr std::int64_t kBlockValues = kBlock * kValues;

/// One parameter, as the host knows it.
struct Segment {
  std::byte *p, *g, *m, *v;  // m, v: momentum or exp_avg, exp_avg_sq; or null
  std::int64_t n, first_block;
  double lr_scale, weight_decay_scale;
  bool is_float, aligned;
};

/// The constants of one step. sgd uses lr and weight_decay, adam all.
struct Constants {
  double lr, weight_decay;
  double step_size;   // lr / (1 - beta1^step)
  double root_scale;  // 1 / sqrt(1 - beta2^step)
  double shrink;      // AdamW: 1 - lr * weight_decay; else 1
};

struct Row {
  Segment segment;
  Constants constants;
};

/// The table of a step, in device memory.
struct Table {
  Row* rows;
  std::int64_t* first_blocks;  // first block of each row, ascending: a block searches these
  std::int64_t* step;          // the number of this step; 0: nothing to do
};

/// As many segments as fit into the arguments of a kernel (4 KB).
constexpr int kChunk = 40;
struct Chunk {
  Segment segments[kChunk];
  int first, count;
  bool is_last;
};

__device__ Constants constants_of(const UpdateRule& rule, double lr, std::int64_t step, const Segment& s) {
  const double scaled = lr * s.lr_scale, decay = rule.weight_decay * s.weight_decay_scale;
  if (rule.method == Method::sgd) return {scaled, decay, 0, 0, 1};
  const double count = static_cast<double>(step);
  const double bias1 = 1 - pow(rule.beta1, count), root_bias2 = sqrt(1 - pow(rule.beta2, count));
  return {scaled, rule.decoupled ? 0 : decay, scaled / bias1, 1 / root_bias2, rule.decoupled ? 1 - scaled * decay : 1};
}

__global__ void __launch_bounds__(kChunk)
    prepare(const __grid_constant__ Chunk chunk, const __grid_constant__ UpdateRule rule, const double* lr,
            std::int64_t* step, const double* stop, Table table) {
  const int i = static_cast<int>(threadIdx.x);
  const bool stopped = stop != nullptr && *stop != 0;
  const std::int64_t number = *step + 1;
  if (i < chunk.count) {
    const Segment& s = chunk.segments[i];
    table.first_blocks[chunk.first + i] = s.first_block;
    table.rows[chunk.first + i].segment = s;
    table.rows[chunk.first + i].constants = constants_of(rule, *lr, number, s);
  }
  __syncthreads();  // all have read the step
  if (i != 0 || !chunk.is_last) return;
  *table.step = stopped ? 0 : number;
  if (!stopped) *step = number;
}

// ---- One element

template <class T>
struct Sgd {
  T lr, momentum, keep, weight_decay;
  bool nesterov, first_step, has_first, has_second;  // has_first: the momentum

  __device__ Sgd(const UpdateRule& rule, const Constants& c, std::int64_t step)
      : lr(static_cast<T>(c.lr)),
        momentum(static_cast<T>(rule.momentum)),
        keep(static_cast<T>(1 - rule.dampening)),
        weight_decay(static_cast<T>(c.weight_decay)),
        nesterov(rule.nesterov),
        first_step(step == 1),
        has_first(rule.momentum != 0),
        has_second(false) {}
  __device__ void operator()(T& p, T g, T& m, T&) const {
    T d = g + weight_decay * p;
    if (has_first) {
      m = first_step ? d : momentum * m + keep * d;
      d = nesterov ? d + momentum * m : m;
    }
    p = p - lr * d;
  }
};

template <class T>
struct Adam {
  T rest1, beta2, rest2, step_size, root_scale, eps, weight_decay, shrink;
  bool has_first = true, has_second = true;

  __device__ Adam(const UpdateRule& rule, const Constants& c, std::int64_t)
      : rest1(static_cast<T>(1 - rule.beta1)),
        beta2(static_cast<T>(rule.beta2)),
        rest2(static_cast<T>(1 - rule.beta2)),
        step_size(static_cast<T>(c.step_size)),
        root_scale(static_cast<T>(c.root_scale)),
        eps(static_cast<T>(rule.eps)),
        weight_decay(static_cast<T>(c.weight_decay)),
        shrink(static_cast<T>(c.shrink)) {}
  __device__ void operator()(T& p, T g, T& m, T& v) const {
    const T old = shrink * p;
    const T d = g + weight_decay * old;
    m = m + rest1 * (d - m);
    v = beta2 * v + rest2 * d * d;
    p = old - step_size * m / (sqrt(v) * root_scale + eps);
  }
};

// ---- All elements

/// Updates kWidth elements from `e` on.
template <int kWidth, class T, class Rule>
__device__ void update_packet(const Rule& rule, const Segment& s, std::int64_t e) {
  const auto at = [e](std::byte* from) { return reinterpret_cast<T*>(from) + e; };
  auto p = load<kWidth>(at(s.p), true);
  const auto g = load<kWidth>(at(s.g), true);
  Packet<T, kWidth> m = {}, v = {};
  if (rule.has_first) m = load<kWidth>(at(s.m), true);
  if (rule.has_second) v = load<kWidth>(at(s.v), true);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) rule(p.v[i], g.v[i], m.v[i], v.v[i]);
  store(at(s.p), p, true);
  if (rule.has_first) store(at(s.m), m, true);
  if (rule.has_second) store(at(s.v), v, true);
}

/// The elements of the calling block.
template <class T, class Rule>
__device__ void update_block(const Rule& rule, const Segment& s) {
  constexpr int kWidth = kPerAccess<T>;
  const std::int64_t first = (blockIdx.x - s.first_block) * kBlockValues;
#pragma unroll
  for (int k = 0; k < kValues / kWidth; ++k) {
    const std::int64_t e = first + (k * kBlock + static_cast<int>(threadIdx.x)) * kWidth;
    if (s.aligned && e + kWidth <= s.n) {
      update_packet<kWidth, T>(rule, s, e);
    } else {
      for (std::int64_t i = e; i < min(s.n, e + kWidth); ++i) update_packet<1, T>(rule, s, i);
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

template <template <class> class Rule>
__global__ void __launch_bounds__(kBlock)
    update_segments(const __grid_constant__ UpdateRule rule, Table table, int rows) {
  const Row& row = table.rows[row_of_block(table.first_blocks, rows)];
  const std::int64_t step = *table.step;
  if (step == 0) return;
  const Segment s = row.segment;
  if (s.is_float)
    update_block<float>(Rule<float>(rule, row.constants, step), s);
  else
    update_block<double>(Rule<double>(rule, row.constants, step), s);
}

/// One thread: meter[0] += loss * rows, meter[1] = 1 where the loss is not below the limit.
template <class T>
__global__ void add_loss(const T* loss, double rows, double limit, double* meter) {
  const double value = static_cast<double>(*loss);
  meter[0] += value * rows;
  if (!(value < limit)) meter[1] = 1;
}

// ---- Host side

std::byte* bytes_or_null(const Tensor& x) { return x.defined() ? x.raw_data() : nullptr; }

/// The segments with their blocks, followed by the number of blocks.
std::vector<Segment> plan_segments(std::span<const UpdateSegment> segments, std::int64_t& blocks) {
  std::vector<Segment> plan;
  blocks = 0;
  for (const UpdateSegment& s : segments) {
    Segment segment{s.parameter.raw_data(),
                    s.gradient.raw_data(),
                    bytes_or_null(s.slot0),
                    bytes_or_null(s.slot1),
                    s.parameter.numel(),
                    blocks,
                    s.lr_scale,
                    s.weight_decay_scale,
                    s.parameter.dtype() == DType::f32,
                    false};
    segment.aligned = all_aligned(segment.p, segment.g, segment.m, segment.v);
    plan.push_back(segment);
    blocks += (segment.n + kBlockValues - 1) / kBlockValues;
  }
  return plan;
}

}  // namespace

void update(const UpdateRule& rule, std::span<const UpdateSegment> segments, const UpdateState& state) {
  std::int64_t blocks = 0;
  const std::vector<Segment> plan = plan_segments(segments, blocks);
  const int rows = static_cast<int>(plan.size());
  const Device device = state.lr.device();
  const Tensor row_room = Tensor::empty({std::max(1, rows), static_cast<std::int64_t>(sizeof(Row))}, DType::u8, device);
  const Tensor numbers = Tensor::empty({rows + 1}, DType::i64, device);
  const Table table{reinterpret_cast<Row*>(row_room.raw_data()), numbers.data<std::int64_t>(),
                    numbers.data<std::int64_t>() + rows};
  const double* stop = state.stop.defined() ? state.stop.data<double>() : nullptr;
  int first = 0;
  do {  // at least once, because the step counts also without parameters
    Chunk chunk{};
    chunk.first = first;
    chunk.count = std::min(kChunk, rows - first);
    std::copy_n(plan.begin() + first, chunk.count, chunk.segments);
    first += chunk.count;
    chunk.is_last = first == rows;
    launch(prepare, dim3(1), dim3(kChunk), 0, current_stream(), chunk, rule, state.lr.data<double>(),
           state.step.data<std::int64_t>(), stop, table);
  } while (first < rows);
  if (blocks == 0) return;
  const auto kernel = rule.method == Method::sgd ? update_segments<Sgd> : update_segments<Adam>;
  launch(kernel, dim3(static_cast<unsigned>(blocks)), dim3(kBlock), 0, current_stream(), rule, table, rows);
}

void measure(const Tensor& loss, double rows, double limit, const Tensor& meter) {
  const auto run = [&]<class T>(T) {
    launch(add_loss<T>, dim3(1), dim3(1), 0, current_stream(), loss.data<T>(), rows, limit, meter.data<double>());
  };
  visit_floating(loss, run);
}

}  // namespace hop::kernels::cuda
