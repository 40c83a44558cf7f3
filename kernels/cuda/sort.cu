// Orders of lines of neighbours. A value becomes a key, an unsigned number of the same order: the sign bit of an
// integer is turned round; a negative float has all bits turned round, a positive one its sign bit; both zeros have one
// key, and every NaN has the largest. To descend, all bits of the key are turned round. So no comparison knows the
// dtype.
//
// Short lines: a block has a line in shared memory and sorts pairs (key, place) by a bitonic network (Batcher, "Sorting
// networks and their applications", 1968). Places are distinct, so no two pairs are equal and the order is the stable
// one. log2(n) (log2(n) + 1) / 2 steps with a barrier each; one read of x and one write of the order.
//
// Long lines: a radix sort (radix_device.h), as many passes as a key has bytes.
#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "kernels/cuda/grid.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/radix_device.h"
#include "kernels/cuda/runtime.h"
#include "kernels/sort_operations.h"

namespace hop::kernels::cuda {
namespace {

constexpr int kShort = 2048;  // values of a line that a block sorts in 24 KB

template <class T>
using KeyOf = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

template <class T>
__device__ inline KeyOf<T> key_of(T x, bool descending) {
  using Key = KeyOf<T>;
  constexpr Key kSign = Key{1} << (8 * sizeof(Key) - 1);
  Key key = 0;
  if constexpr (std::is_floating_point_v<T>) {
    const T value = x == T{0} ? T{0} : x;
    memcpy(&key, &value, sizeof key);
    key = x != x ? ~Key{0} : (key & kSign) != 0 ? ~key : key | kSign;
  } else if constexpr (std::is_signed_v<T>) {
    key = static_cast<Key>(x) ^ kSign;
  } else {
    key = static_cast<Key>(x);
  }
  return descending ? ~key : key;
}

/// `padded` >= n is a power of two: the places from n on come last.
template <class T>
__global__ void __launch_bounds__(kThreads, 4)  // if no number is asked for, ptxas spills for a higher one (sm_120)
    sort_short_lines(const T* x, std::int64_t* order, std::int64_t lines, int n, int padded, bool descending) {
  using Key = KeyOf<T>;
  __shared__ Key keys[kShort];
  __shared__ int places[kShort];
  const int thread = static_cast<int>(threadIdx.x);
  for (std::int64_t line = blockIdx.x; line < lines; line += gridDim.x) {
    for (int i = thread; i < padded; i += kThreads) {
      keys[i] = i < n ? key_of(x[line * n + i], descending) : ~Key{0};
      places[i] = i;
    }
    __syncthreads();
    for (int run = 2; run <= padded; run *= 2) {
      for (int step = run / 2; step > 0; step /= 2) {
        for (int pair = thread; pair < padded / 2; pair += kThreads) {
          const int low = 2 * pair - (pair & (step - 1)), high = low + step;
          const Key a = keys[low], b = keys[high];
          const int at_a = places[low], at_b = places[high];
          const bool is_wrong = b < a || (b == a && at_b < at_a), rises = (low & run) == 0;
          if (is_wrong != rises) continue;
          keys[low] = b, keys[high] = a;
          places[low] = at_b, places[high] = at_a;
        }
        __syncthreads();
      }
    }
    for (int i = thread; i < n; i += kThreads) order[line * n + i] = places[i];
    __syncthreads();  // all have read the line
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    make_keys(const T* x, radix::Lines lines, bool descending, radix::Pairs<KeyOf<T>, std::int64_t> pairs) {
  const std::int64_t all = lines.count * lines.n, step = std::int64_t{gridDim.x} * kThreads;
  for (std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; i < all; i += step) {
    pairs.keys[i] = key_of(x[i], descending);
    pairs.positions[i] = i % lines.n;
  }
}

/// After an even number of passes the pairs lie where they began, so the first ones lie with `order` or beside it.
template <class T>
void sort_long_lines(const Tensor& x, radix::Lines lines, bool descending, const Tensor& order) {
  using Key = KeyOf<T>;
  using Pairs = radix::Pairs<Key, std::int64_t>;
  constexpr int kPasses = static_cast<int>(sizeof(T));
  const auto scratch = [&](DType dtype) { return Tensor::empty({x.numel()}, dtype, x.device()); };
  constexpr DType kKeys = sizeof(Key) == 8 ? DType::i64 : DType::i32;
  const Tensor keys = scratch(kKeys), other_keys = scratch(kKeys), positions = scratch(DType::i64);
  const Tensor counts =
      Tensor::empty({lines.count * radix::tiles_of(lines.n) * radix::kDigits}, DType::i32, x.device());
  Pairs from{reinterpret_cast<Key*>(keys.raw_data()), order.data<std::int64_t>()},
      to{reinterpret_cast<Key*>(other_keys.raw_data()), positions.data<std::int64_t>()};
  if (kPasses % 2 != 0) std::swap(from.positions, to.positions);
  launch(make_keys<T>, blocks_for(x.numel()), kThreads, 0, current_stream(), x.data<T>(), lines, descending, from);
  for (int p = 0; p < kPasses; ++p) {
    radix::pass(lines, from, to, 8 * p, counts.data<int>());
    std::swap(from, to);
  }
}

void argsort(const Tensor& x, bool descending, const Tensor& order) {
  const std::int64_t n = x.size(-1), lines = x.numel() / n;
  if (n >= std::int64_t{1} << 30)
    throw ShapeError("[sort] expected lines of fewer than 2^30 values on CUDA, got " + std::to_string(n));
  visit_dtype(x.dtype(), [&]<class T>(T) {
    if (n > kShort) return sort_long_lines<T>(x, {static_cast<int>(n), lines}, descending, order);
    const int size = static_cast<int>(n), padded = static_cast<int>(std::bit_ceil(static_cast<unsigned>(size)));
    const auto blocks = static_cast<unsigned>(std::min(lines, max_blocks));
    launch(sort_short_lines<T>, blocks, kThreads, 0, current_stream(), x.data<T>(), order.data<std::int64_t>(), lines,
           size, padded, descending);
  });
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const SortOperations SortOperations::cuda = {.argsort = cuda::on_device<cuda::argsort>};

}  // namespace hop::kernels
