// Whole sequences in one launch. Rows do not meet each other, so a thread takes some of them through all steps, and no
// thread waits for another one. The weight is turned and packed once per sequence: a step reads it panel by panel, a
// panel for all rows of the thread, from the second-level cache. The floor of a step is its product: 2 N G H H FLOPs.
#include <algorithm>

#include "kernels/capture_internal.h"
#include "kernels/cpu/as_internal.h"
#include "kernels/cpu/gemm_loops_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/recurrent_loops_internal.h"
#include "kernels/recurrent_operations.h"
#include "kernels/recurrent_rules.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 19;             // multiply-adds per thread's turn
constexpr std::int64_t kPanel = 3 * kPackedColumns;  // columns of the packed weight that lie side by side

std::int64_t in_sixteens(std::int64_t n) { return (n + kPackedColumns - 1) / kPackedColumns * kPackedColumns; }

std::byte* address(const Tensor& x) { return x.defined() ? x.raw_data() : nullptr; }

/// A sequence of N rows, and step i of its walk.
struct Walk {
  std::int64_t steps, rows, hidden, gates;  // gates: G H values of a row
  bool reverse;

  Walk(const RecurrentInputs& in, std::int64_t step_count, std::int64_t row_count)
      : steps(step_count), rows(row_count), hidden(in.weight.size(1)), gates(in.weight.size(0)), reverse(in.reverse) {}

  std::int64_t step(std::int64_t i) const { return reverse ? steps - 1 - i : i; }
  std::int64_t before(std::int64_t i) const { return reverse ? step(i) + 1 : step(i); }
  std::int64_t after(std::int64_t i) const { return reverse ? step(i) : step(i) + 1; }
  /// The values of all rows.
  std::int64_t states() const { return rows * hidden; }

  /// Calls f(begin, end) for the rows, over threads. The bits of a row do not depend on its neighbours.
  template <class F>
  void for_rows(const F& f) const {
    const std::int64_t share = (rows + compute_threads() - 1) / compute_threads();
    const std::int64_t least = (kGrain + steps * gates * hidden - 1) / (steps * gates * hidden);
    const std::int64_t blocks = (std::max(share, least) + kGemmRows - 1) / kGemmRows;
    parallel_for(rows, blocks * kGemmRows, f);
  }
};

/// c (rows, n) = a (rows, k) times the n columns at b.
template <class T>
Gemm<T> product(const T* a, std::int64_t rows, std::int64_t k, const T* b, std::int64_t b_row, std::int64_t n,
                const T* rest, std::int64_t rest_row, T* c, std::int64_t c_row) {
  return {rows, n, k, a, k, 1, b, b_row, rest, rest_row, nullptr, false, c, c_row, 1, false};
}

template <class T>
void multiply(const Gemm<T>& gemm) {
  HOP_PICK(gemm_rows<T>)(gemm, 0, (gemm.m + kGemmRows - 1) / kGemmRows);
}

/// The way forward. `panels` (H, G H rounded up) and `h_gates` (N, G H) are scratch memory.
template <class Cell, class T>
struct Forward {
  Walk walk;
  std::byte *x_gates, *weight, *bias, *h, *c, *kept, *panels, *h_gates;
  bool keeps;

  void operator()() const {
    for (std::int64_t at = 0; at < walk.gates; at += kPanel) {
      HOP_PICK(pack_turned<T>)
      (as<T>(weight) + at * walk.hidden, walk.hidden, walk.hidden, std::min(kPanel, walk.gates - at), panel(at));
    }
    walk.for_rows([&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = 0; i < walk.steps; ++i) step(i, {walk.hidden, begin, end});
    });
  }

 private:
  T* panel(std::int64_t at) const { return as<T>(panels) + at * walk.hidden; }

  void step(std::int64_t i, const RecurrentRows& rows) const {
    const std::int64_t states = walk.states(), count = rows.end - rows.begin;
    const T* const before = as<T>(h) + walk.before(i) * states;
    for (std::int64_t at = 0; at < walk.gates; at += kPanel) {
      const std::int64_t n = std::min(kPanel, walk.gates - at), row = in_sixteens(n);
      Gemm<T> gemm = product<T>(before + rows.begin * walk.hidden, count, walk.hidden, panel(at), row, n,
                                panel(at) + n / kPackedColumns * kPackedColumns, row,
                                as<T>(h_gates) + rows.begin * walk.gates + at, walk.gates);
      if (bias != nullptr) gemm.bias = as<T>(bias) + at;
      multiply(gemm);
    }
    T* const next = Cell::has_cell ? as<T>(c) : as<T>(h);
    HOP_PICK(recurrent_step_rows<Cell, T>)
    (rows, {as<T>(x_gates) + walk.step(i) * walk.rows * walk.gates, as<T>(h_gates), next + walk.before(i) * states,
            as<T>(kept) + (keeps ? walk.step(i) : 0) * rules::kKept * states, as<T>(h) + walk.after(i) * states,
            next + walk.after(i) * states});
  }
};

/// The way back. `rest` holds the columns of the weight that do not fill sixteen; it is scratch memory.
template <class Cell, class T>
struct Backward {
  Walk walk;
  std::byte *dy, *weight, *h, *c, *kept, *dx_gates, *dh_gates, *dh, *dstate, *rest;

  void operator()() const {
    const std::int64_t last = walk.hidden % kPackedColumns;
    if (last != 0) {
      HOP_PICK(pack_rest<T>)
      (as<T>(weight) + walk.hidden - last, walk.hidden, walk.gates, last, as<T>(rest));
    }
    walk.for_rows([&](std::int64_t begin, std::int64_t end) {
      std::fill(as<T>(dh) + begin * walk.hidden, as<T>(dh) + end * walk.hidden, T{0});
      for (std::int64_t i = walk.steps; i-- > 0;) step(i, {walk.hidden, begin, end});
    });
  }

 private:
  void step(std::int64_t i, const RecurrentRows& rows) const {
    const std::int64_t states = walk.states(), at = walk.step(i) * walk.rows * walk.gates;
    const T *const carried = Cell::has_cell ? as<T>(c) : as<T>(h), *const slopes = as<T>(dh_gates) + at;
    HOP_PICK(recurrent_grad_rows<Cell, T>)
    (rows,
     {as<T>(dy) + walk.step(i) * states, as<T>(dh), as<T>(dstate), as<T>(kept) + walk.step(i) * rules::kKept * states,
      carried + walk.before(i) * states, carried + walk.after(i) * states, as<T>(dx_gates) + at, as<T>(dh_gates) + at});
    multiply(product<T>(slopes + rows.begin * walk.gates, rows.end - rows.begin, walk.gates, as<T>(weight), walk.hidden,
                        walk.hidden, as<T>(rest), kPackedColumns, as<T>(dh) + rows.begin * walk.hidden, walk.hidden));
  }
};

/// Calls f(zero of the dtype, the cell).
template <class F>
void visit(const RecurrentInputs& in, const F& f) {
  const auto by_cell = [&]<class T>(T zero) {
    in.cell == RecurrentCell::lstm ? f(zero, rules::LstmCell{}) : f(zero, rules::GruCell{});
  };
  in.weight.dtype() == DType::f32 ? by_cell(float{}) : by_cell(double{});
}

/// Scratch memory for `count` values of x's dtype. What is launched while it lives may use it (capture.h).
Storage scratch(const Tensor& x, std::int64_t count) {
  return Storage(static_cast<std::size_t>(count) * size_of(x.dtype()), Device::cpu());
}

void recurrent(const Tensor& x_gates, const RecurrentInputs& in, const RecurrentStates& states) {
  const Walk walk(in, x_gates.size(0), x_gates.size(1));
  const Storage panels = scratch(x_gates, walk.hidden * in_sixteens(walk.gates)),
                h_gates = scratch(x_gates, walk.rows * walk.gates);
  visit(in, [&]<class T, class Cell>(T, Cell) {
    launch(Forward<Cell, T>{walk, address(x_gates), address(in.weight), address(in.bias), address(states.h),
                            address(states.c), address(states.kept), panels.data(), h_gates.data(),
                            states.kept.size(0) == walk.steps});
  });
}

void recurrent_grad(const Tensor& dy, const RecurrentInputs& in, const RecurrentStates& states,
                    const RecurrentSlopes& slopes) {
  const Walk walk(in, dy.size(0), dy.size(1));
  const Storage rest = scratch(dy, walk.gates * kPackedColumns);
  visit(in, [&]<class T, class Cell>(T, Cell) {
    launch(Backward<Cell, T>{walk, address(dy), address(in.weight), address(states.h), address(states.c),
                             address(states.kept), address(slopes.dx_gates), address(slopes.dh_gates),
                             address(slopes.dh), address(slopes.dstate), rest.data()});
  });
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const RecurrentOperations RecurrentOperations::cpu = {
    .recurrent = cpu::recurrent,
    .recurrent_grad = cpu::recurrent_grad,
    .recurrent_step = nullptr,
    .recurrent_step_grad = nullptr,
};

}  // namespace hop::kernels
