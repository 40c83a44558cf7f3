// Pooling by windows of 2 x 2 side by side, the most common pooling: windows share no values, so a thread reads a
// packet of 16 bytes from each of the two rows of its windows and writes packets, forward and backward. A thread per
// value, as in pool.cu, moves only 4 bytes at a time and skips every second value of a line, which keeps too few bytes
// in flight.
//
// Floors, as in pool.cu: max pooling s per input and s + 8 per output, each way; average pooling s per input and
// output.
#include <limits>

#include "kernels/cuda/access_device.h"
#include "kernels/cuda/fault.h"
#include "kernels/cuda/grid.h"
#include "kernels/cuda/operands_internal.h"
#include "kernels/cuda/pool_internal.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/walk.h"

namespace hop::kernels::cuda {
namespace {

template <class T>
inline constexpr int kOutputs = kPerAccess<T> / 2;  // outputs of a thread

/// The part that a launch covers: `n` threads, each with kOutputs<T> outputs of a row, of the planes from `plane` on.
struct Pairs {
  std::int64_t plane, h, w, p, q;
  std::uint32_t n;
  FastDivision packets, rows;  // packets of a row, rows of a plane

  struct Place {
    std::int64_t plane, row, column;  // of the first output
  };
  template <class T>
  __device__ Place place(std::uint32_t i) const {
    const std::uint32_t row = packets.quotient(i), of_run = rows.quotient(row);
    return {plane + of_run, row - of_run * rows.divisor, std::int64_t{i - row * packets.divisor} * kOutputs<T>};
  }
  __device__ std::int64_t input(const Place& at) const { return (at.plane * h + 2 * at.row) * w + 2 * at.column; }
  __device__ std::int64_t output(const Place& at) const { return (at.plane * p + at.row) * q + at.column; }
};

/// Calls f(place) for each thread's outputs.
template <class T, class F>
__device__ void for_each_pair(const Pairs& z, const F& f) {
  for (std::uint32_t i = blockIdx.x * kThreads + threadIdx.x; i < z.n; i += gridDim.x * kThreads)
    f(z.template place<T>(i));
}

/// An earlier value stays unless a larger one, or the first NaN, comes.
template <class T>
__global__ void __launch_bounds__(kThreads)
    max_pairs(const __grid_constant__ Pairs z, const T* x, T* y, std::int64_t* indices) {
  for_each_pair<T>(z, [&](const Pairs::Place& at) {
    const T* from = x + z.input(at);
    const auto upper = load<kPerAccess<T>>(from, true), lower = load<kPerAccess<T>>(from + z.w, true);
    Packet<T, kOutputs<T>> best;
    Packet<std::int64_t, kOutputs<T>> place;
#pragma unroll
    for (int i = 0; i < kOutputs<T>; ++i) {
      const std::int64_t first = 2 * at.row * z.w + 2 * (at.column + i);
      best.v[i] = -std::numeric_limits<T>::infinity();
      place.v[i] = first;
      const auto meet = [&](T value, std::int64_t where) {
        if (!(value > best.v[i] || (value != value && best.v[i] == best.v[i]))) return;
        best.v[i] = value;
        place.v[i] = where;
      };
      meet(upper.v[2 * i], first);
      meet(upper.v[2 * i + 1], first + 1);
      meet(lower.v[2 * i], first + z.w);
      meet(lower.v[2 * i + 1], first + z.w + 1);
    }
    store(y + z.output(at), best, true);
    store(indices + z.output(at), place, true);
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads) average_pairs(const __grid_constant__ Pairs z, const T* x, T* y) {
  for_each_pair<T>(z, [&](const Pairs::Place& at) {
    const T* from = x + z.input(at);
    const auto upper = load<kPerAccess<T>>(from, true), lower = load<kPerAccess<T>>(from + z.w, true);
    Packet<T, kOutputs<T>> means;
#pragma unroll
    for (int i = 0; i < kOutputs<T>; ++i) {
      T sum = 0;
      for (const T value : {upper.v[2 * i], upper.v[2 * i + 1], lower.v[2 * i], lower.v[2 * i + 1]}) sum += value;
      means.v[i] = sum / T{4};
    }
    store(y + z.output(at), means, true);
  });
}

/// If an image has an odd number of rows, the last one lies in no window. Threads then have an extra row of outputs,
/// which exists only in dx.
template <class T>
__global__ void __launch_bounds__(kThreads)
    max_pairs_grad(const __grid_constant__ Pairs z, const T* g, const std::int64_t* indices, Fault fault, T* dx) {
  for_each_pair<T>(z, [&](const Pairs::Place& at) {
    Packet<T, kPerAccess<T>> upper{}, lower{};
    T* to = dx + z.input(at);
    if (at.row < z.p) {
      const auto slope = load<kOutputs<T>>(g + z.output(at), true);
      const auto place = load<kOutputs<T>>(indices + z.output(at), true);
#pragma unroll
      for (int i = 0; i < kOutputs<T>; ++i) {
        const std::int64_t first = 2 * at.row * z.w + 2 * (at.column + i);
        if (place.v[i] < 0 || place.v[i] >= z.h * z.w) report(fault, static_cast<std::uint64_t>(z.output(at) + i));
        const auto share = [&](std::int64_t where) { return place.v[i] == where ? T{0} + slope.v[i] : T{0}; };
        upper.v[2 * i] = share(first);
        upper.v[2 * i + 1] = share(first + 1);
        lower.v[2 * i] = share(first + z.w);
        lower.v[2 * i + 1] = share(first + z.w + 1);
      }
      store(to + z.w, lower, true);
    }
    store(to, upper, true);
  });
}

/// Calls launch_run(Pairs) for planes with `rows` rows of outputs each, as many at a time as 32-bit indices can count.
template <class T, class F>
void for_each_run(const PoolShape& z, std::int64_t rows, const F& launch_run) {
  const std::int64_t packets = z.q / kOutputs<T>, run = std::max<std::int64_t>(1, kMaxElements / (rows * packets));
  for (std::int64_t first = 0; first < z.planes; first += run) {
    const std::int64_t n = std::min(run, z.planes - first) * rows * packets;
    launch_run(Pairs{first, z.h, z.w, z.p, z.q, static_cast<std::uint32_t>(n),
                     FastDivision(static_cast<std::uint32_t>(packets)),
                     FastDivision(static_cast<std::uint32_t>(rows))});
  }
}

template <class T>
bool are_pairs(const PoolShape& z) {
  return z.r == 2 && z.s == 2 && z.row_step == 2 && z.column_step == 2 && z.row_padding == 0 && z.column_padding == 0 &&
         z.row_dilation == 1 && z.column_dilation == 1 && 2 * z.p <= z.h && z.w % kPerAccess<T> == 0;
}

}  // namespace

bool max_pool_pairs(const PoolShape& z, const Tensor& x, const Tensor& y, const Tensor& indices) {
  bool done = false;
  visit_floating(x, [&]<class T>(T) {
    if (!are_pairs<T>(z) || !all_aligned(x.raw_data(), y.raw_data(), indices.raw_data())) return;
    for_each_run<T>(z, z.p, [&](const Pairs& pairs) {
      launch(max_pairs<T>, dim3(blocks_for(pairs.n)), dim3(kThreads), 0, current_stream(), pairs, x.data<T>(),
             y.data<T>(), indices.data<std::int64_t>());
    });
    done = true;
  });
  return done;
}

bool average_pool_pairs(const PoolShape& z, const Tensor& x, const Tensor& y) {
  bool done = false;
  visit_floating(x, [&]<class T>(T) {
    if (!are_pairs<T>(z) || z.divisor != 4 || !all_aligned(x.raw_data(), y.raw_data())) return;
    for_each_run<T>(z, z.p, [&](const Pairs& pairs) {
      launch(average_pairs<T>, dim3(blocks_for(pairs.n)), dim3(kThreads), 0, current_stream(), pairs, x.data<T>(),
             y.data<T>());
    });
    done = true;
  });
  return done;
}

bool max_pool_pairs_grad(const PoolShape& z, const Tensor& g, const Tensor& indices, const Tensor& dx) {
  bool done = false;
  visit_floating(dx, [&]<class T>(T) {
    if (!are_pairs<T>(z) || !all_aligned(g.raw_data(), indices.raw_data(), dx.raw_data())) return;
    for_each_run<T>(z, (z.h + 1) / 2, [&](const Pairs& pairs) {
      launch(max_pairs_grad<T>, dim3(blocks_for(pairs.n)), dim3(kThreads), 0, current_stream(), pairs, g.data<T>(),
             indices.data<std::int64_t>(), fault_of("max_pool2d_grad"), dx.data<T>());
    });
    done = true;
  });
  return done;
}

}  // namespace hop::kernels::cuda
