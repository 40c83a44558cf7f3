#include <algorithm>

#include "kernels/capture_internal.h"
#include "kernels/cpu/as_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/recurrent_loops_internal.h"
#include "kernels/recurrent_operations.h"
#include "kernels/recurrent_rules.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 1024;  // units per thread's turn: some microseconds of exponentials

/// Launches f(zero of the dtype, the cell, rows) for the rows of x (N, H), over threads. f holds addresses by value.
template <class F>
void for_rows(const Tensor& x, RecurrentCell cell, const F& f) {
  const auto run = [&]<class T, class Cell>(T, Cell) {
    launch([f, n = x.size(0), hidden = x.size(1)] {
      parallel_for(n, std::max<std::int64_t>(1, kGrain / hidden), [&](std::int64_t begin, std::int64_t end) {
        f(T{}, Cell{}, RecurrentRows{hidden, begin, end});
      });
    });
  };
  const auto by_cell = [&]<class T>(T) {
    cell == RecurrentCell::lstm ? run(T{}, rules::LstmCell{}) : run(T{}, rules::GruCell{});
  };
  x.dtype() == DType::f32 ? by_cell(float{}) : by_cell(double{});
}

std::byte* address(const Tensor& x) { return x.defined() ? x.raw_data() : nullptr; }

void recurrent_step(const Tensor& x_gates, const Tensor& h_gates, const Tensor& state, const Tensor& kept,
                    const Tensor& h_next, const Tensor& next, RecurrentCell cell) {
  for_rows(h_next, cell,
           [x = address(x_gates), h = address(h_gates), state = address(state), kept = address(kept),
            h_next = address(h_next), next = address(next)]<class T, class Cell>(T, Cell, const RecurrentRows& rows) {
             HOP_PICK(recurrent_step_rows<Cell, T>)
             (rows, {as<T>(x), as<T>(h), as<T>(state), as<T>(kept), as<T>(h_next), as<T>(next)});
           });
}

void recurrent_step_grad(const Tensor& dy, const Tensor& dh, const Tensor& dstate, const Tensor& kept,
                         const Tensor& state, const Tensor& next, const Tensor& dx_gates, const Tensor& dh_gates,
                         RecurrentCell cell) {
  for_rows(dy, cell,
           [dy = address(dy), dh = address(dh), dstate = address(dstate), kept = address(kept), state = address(state),
            next = address(next), dx_gates = address(dx_gates),
            dh_gates = address(dh_gates)]<class T, class Cell>(T, Cell, const RecurrentRows& rows) {
             HOP_PICK(recurrent_grad_rows<Cell, T>)
             (rows, {as<T>(dy), as<T>(dh), as<T>(dstate), as<T>(kept), as<T>(state), as<T>(next), as<T>(dx_gates),
                     as<T>(dh_gates)});
           });
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const RecurrentOperations RecurrentOperations::cpu = {
    .recurrent_step = cpu::recurrent_step,
    .recurrent_step_grad = cpu::recurrent_step_grad,
};

}  // namespace hop::kernels
