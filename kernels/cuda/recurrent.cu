// One step of a recurrent cell, between the products: a thread per hidden unit. The gates of a unit lie H values apart,
// and neighbouring threads read neighbouring units, so every access of a warp is a run of 128 bytes. Floor: 60 bytes
// per f32 unit of an LSTM (8 gates and the cell in; 4 kept, h and the cell out), and as many on the way back. A step of
// 32 rows of 128 units is far below a card's capacity: what counts there is one launch instead of a dozen.
#include <string>

#include "base/error.h"
#include "kernels/cuda/grid.h"
#include "kernels/cuda/on_device.h"
#include "kernels/cuda/operands_internal.h"
#include "kernels/cuda/runtime.h"
#include "kernels/cuda/walk.h"
#include "kernels/recurrent_operations.h"
#include "kernels/recurrent_rules.h"

namespace hop::kernels::cuda {
namespace {

/// N rows of H units, and where the values of a unit lie.
struct Units {
  std::int64_t count;
  FastDivision hidden;

  /// Throws DeviceError for more units than a 32-bit index counts.
  explicit Units(const Tensor& x) : count(x.numel()), hidden(static_cast<std::uint32_t>(x.size(1))) {
    if (count > kMaxElements)
      throw DeviceError("[recurrent] expected at most 2^31 - 1 hidden values in a step, got " + std::to_string(count));
  }

  /// The first of the `per_unit` values of a unit, in a tensor (N, per_unit H); the others follow H apart.
  __device__ std::int64_t first(std::uint32_t unit, int per_unit) const {
    const std::uint32_t row = hidden.quotient(unit);
    return std::int64_t{row} * hidden.divisor * (per_unit - 1) + unit;
  }
};

template <class T, int n>
__device__ inline void load_all(T (&v)[n], const T* from, std::uint32_t hidden) {
  for (int k = 0; k < n; ++k) v[k] = from[std::int64_t{k} * hidden];
}
template <class T, int n>
__device__ inline void store_all(const T (&v)[n], T* to, std::uint32_t hidden) {
  for (int k = 0; k < n; ++k) to[std::int64_t{k} * hidden] = v[k];
}

template <class Cell, class T>
__global__ void __launch_bounds__(kThreads)
    step_kernel(Units units, const T* x_gates, const T* h_gates, const T* state, T* kept, T* h_next, T* next) {
  const std::uint32_t hidden = units.hidden.divisor, step = gridDim.x * kThreads;
  for (std::uint32_t u = blockIdx.x * kThreads + threadIdx.x; u < units.count; u += step) {
    const std::int64_t gate = units.first(u, Cell::gates);
    T x[Cell::gates], h[Cell::gates], values[rules::kKept], made, passed;
    load_all(x, x_gates + gate, hidden);
    load_all(h, h_gates + gate, hidden);
    Cell::forward(x, h, state[u], values, made, passed);
    store_all(values, kept + units.first(u, rules::kKept), hidden);
    h_next[u] = made;
    if constexpr (Cell::has_cell) next[u] = passed;
  }
}

template <class Cell, class T>
__global__ void __launch_bounds__(kThreads)
    step_grad_kernel(Units units, const T* dy, const T* dh, T* dstate, const T* kept, const T* state, const T* next,
                     T* dx_gates, T* dh_gates) {
  const std::uint32_t hidden = units.hidden.divisor, step = gridDim.x * kThreads;
  for (std::uint32_t u = blockIdx.x * kThreads + threadIdx.x; u < units.count; u += step) {
    const std::int64_t gate = units.first(u, Cell::gates);
    T values[rules::kKept], dx[Cell::gates], dgates[Cell::gates], before, passed{};
    load_all(values, kept + units.first(u, rules::kKept), hidden);
    if constexpr (Cell::has_cell) passed = next[u];
    Cell::backward(dy[u] + dh[u], dstate[u], values, state[u], passed, dx, dgates, before);
    store_all(dx, dx_gates + gate, hidden);
    if constexpr (!Cell::shares_gradients) store_all(dgates, dh_gates + gate, hidden);
    dstate[u] = before;
  }
}

/// Calls f(zero of the dtype, the cell).
template <class F>
void visit(const Tensor& x, RecurrentCell cell, const F& f) {
  visit_floating(
      x, [&]<class T>(T) { cell == RecurrentCell::lstm ? f(T{}, rules::LstmCell{}) : f(T{}, rules::GruCell{}); });
}

void recurrent_step(const Tensor& x_gates, const Tensor& h_gates, const Tensor& state, const Tensor& kept,
                    const Tensor& h_next, const Tensor& next, RecurrentCell cell) {
  visit(h_next, cell, [&]<class T, class Cell>(T, Cell) {
    launch(step_kernel<Cell, T>, blocks_for(h_next.numel()), kThreads, 0, current_stream(), Units(h_next),
           x_gates.data<T>(), h_gates.data<T>(), state.data<T>(), kept.data<T>(), h_next.data<T>(),
           data_or_null<T>(next));
  });
}

void recurrent_step_grad(const Tensor& dy, const Tensor& dh, const Tensor& dstate, const Tensor& kept,
                         const Tensor& state, const Tensor& next, const Tensor& dx_gates, const Tensor& dh_gates,
                         RecurrentCell cell) {
  visit(dy, cell, [&]<class T, class Cell>(T, Cell) {
    launch(step_grad_kernel<Cell, T>, blocks_for(dy.numel()), kThreads, 0, current_stream(), Units(dy), dy.data<T>(),
           dh.data<T>(), dstate.data<T>(), kept.data<T>(), state.data<T>(), data_or_null<T>(next), dx_gates.data<T>(),
           dh_gates.data<T>());
  });
}

}  // namespace
}  // namespace hop::kernels::cuda

namespace hop::kernels {

const RecurrentOperations RecurrentOperations::cuda = {
    .recurrent = nullptr,
    .recurrent_grad = nullptr,
    .recurrent_step = cuda::on_device<cuda::recurrent_step>,
    .recurrent_step_grad = cuda::on_device<cuda::recurrent_step_grad>,
};

}  // namespace hop::kernels
