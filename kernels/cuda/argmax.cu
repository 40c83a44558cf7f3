// The place of the maximum of each row. Floor: one read of x.
//
// A warp searches a part of a row. If a row has several parts, a second launch searches their winners.
#include "kernels/cuda/access_device.h"
#include "kernels/cuda/reduce_device.h"
#include "kernels/cuda/reduce_parts.h"
#include "kernels/cuda/runtime.h"

namespace hop::kernels::cuda {
namespace {

/// Whether (a, i) is taken before (b, j): NaN first, then the larger, then the earlier one. There are no ties, so any
/// order of comparisons gives the same result.
template <class T>
__device__ bool before(T a, std::int64_t i, T b, std::int64_t j) {
  const bool a_is_nan = a != a, b_is_nan = b != b;
  if (a_is_nan != b_is_nan) return a_is_nan;
  if (!a_is_nan && a != b) return a > b;
  return i < j;
}

/// One warp per part of a row: y[row][part] = the place of its maximum. If `chosen` is null, all positions are
/// searched; otherwise those in chosen[row][0 .. count-1], the winners of an earlier launch.
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

template <class T>
void argmax_rows(const Tensor& x, std::int64_t length, const Tensor& y) {
  const std::int64_t outputs = y.numel();
  const auto [all_parts, all_count] = choose_parts(outputs, length);
  const auto run = [&](const std::int64_t* chosen, std::int64_t count, std::int64_t parts, std::int64_t part_count,
                       std::int64_t* to) {
    const auto blocks = static_cast<unsigned>(blocks_for(outputs, kRowBlock) * parts);
    launch(argmax_parts<T, Wide<T>>, dim3(blocks), dim3(32, kRowBlock), 0, current_stream(), x.data<T>(), outputs,
           length, chosen, count, parts, part_count, to);
  };
  if (all_parts == 1) return run(nullptr, length, 1, length, y.data<std::int64_t>());
  const Tensor winners = Tensor::empty({outputs * all_parts}, DType::i64, x.device());
  run(nullptr, length, all_parts, all_count, winners.data<std::int64_t>());
  run(winners.data<std::int64_t>(), all_parts, 1, all_parts, y.data<std::int64_t>());
}

}  // namespace

void argmax(const Tensor& x, std::int64_t length, const Tensor& y) {
  visit_dtype(x.dtype(), [&]<class T>(T) { argmax_rows<T>(x, length, y); });
}

}  // namespace hop::kernels::cuda
