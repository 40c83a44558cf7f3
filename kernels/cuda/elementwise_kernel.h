// The one elementwise kernel: it computes y_i from x_0[i], x_1[i], .. alone.
//
// Floor: the bytes of all inputs and of y, once each; an input that repeats (a bias, a number) costs nothing. The floor
// is reached when a thread moves 16 bytes at a time: lines of neighbouring elements, on aligned addresses, whose
// lengths are multiples of 16 bytes. Other lines go element by element. Neighbouring threads then still touch
// neighbouring elements of y, but an input that runs across memory (a transposed view) costs up to 32 bytes per
// element.
#pragma once

#include <cstring>

#include "kernels/cuda/elementwise_internal.h"
#include "kernels/cuda/grid.h"
#include "kernels/cuda/packet.h"

namespace hop::kernels::cuda {

/// x = `count` elements of the operand from the offset.
template <class T, int V>
__device__ inline void load_operand(const Operand& operand, std::int64_t offset, int count, T (&x)[V]) {
  if (operand.data == nullptr) {
    x[0] = *reinterpret_cast<const T*>(operand.number);
  } else {
    const std::byte* at = operand.data + offset;
    const int loads = operand.repeats ? 1 : count;
    operand.dtype == dtype_of<T>() ? load_stored<T>(at, loads, x) : load_converted(at, operand.dtype, loads, x);
  }
  if (operand.repeats) {
    for (int v = 1; v < V; ++v) x[v] = x[0];
  }
}

/// Blocks per multiprocessor that the compiler plans registers for. By default it plans for four, also for long
/// functions of doubles (erf), and spills.
template <class T>
constexpr int kBlocksAtOnce = sizeof(T) == 8 ? 1 : 4;

/// F has `inputs` and f(const T* x): x has that many elements, and the result converts to Out.
template <class F, class T, class Out, int V>
__global__ void __launch_bounds__(kThreads, kBlocksAtOnce<T>)
    elementwise_kernel(const __grid_constant__ ElementwisePlan plan, F f) {
  constexpr int N = F::inputs;
  for (std::uint32_t unit = blockIdx.x * kThreads + threadIdx.x; unit < plan.units; unit += gridDim.x * kThreads) {
    std::int64_t offset[kMaxOperands + 1];
    plan.walk.locate(unit, offset);
    const std::uint32_t left = plan.n - unit * V;
    const int count = left < V ? static_cast<int>(left) : V;
    T x[N][V] = {};
    for (int k = 0; k < N; ++k) load_operand(plan.in[k], offset[k], count, x[k]);
    Out y[V];
    for (int v = 0; v < V; ++v) {
      T element[N];
      for (int k = 0; k < N; ++k) element[k] = x[k][v];
      y[v] = converted<Out>(f(static_cast<const T*>(element)));
    }
    store_packet(plan.out + offset[kMaxOperands], count, y);
  }
}

template <class F, class T, class Out = T>
void launch_elementwise(const ElementwisePlan& plan, const F& f, cudaStream_t stream) {
  constexpr int kWidth = packet_width(sizeof(T));
  const auto kernel = plan.width == 1 ? elementwise_kernel<F, T, Out, 1> : elementwise_kernel<F, T, Out, kWidth>;
  launch(kernel, blocks_for(plan.units), kThreads, 0, stream, plan, f);
}

}  // namespace hop::kernels::cuda
