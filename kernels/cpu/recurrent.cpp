// Whole sequences in one launch. Rows do not meet each other, so a thread takes some of them through all steps, and no
// thread waits for another one. If there are too few rows for all threads, the threads share the columns of each step's
// product instead. The weight is turned and packed once per sequence: a step reads it panel by panel, a panel for all
// rows of the thread, from the second-level cache. A single step of few rows turns its states instead and reads the
// weight once, in place. The floor of a step is its product: 2 N G H H FLOPs. Each sum is one chain over the hidden
// units in their order, so all these ways have the same bits.
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
constexpr std::int64_t kPackGrain = 1 << 16;         // values that a thread packs in its turn
constexpr std::int64_t kPanel = 3 * kPackedColumns;  // columns of the packed weight that lie side by side

std::int64_t quotient_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
std::int64_t in_sixteens(std::int64_t n) { return quotient_up(n, kPackedColumns) * kPackedColumns; }

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

  /// Whether the way forward packs the weight. If not, it turns the states of a single step, fewer than sixteen rows: a
  /// read of the weight in place takes as long as packing it.
  bool packs() const { return steps > 1 || rows >= kPackedColumns; }

  /// Rows of a thread's turn: they go through all steps.
  std::int64_t row_grain() const {
    const std::int64_t share = quotient_up(rows, compute_threads());
    const std::int64_t least = quotient_up(kGrain, steps * gates * hidden);
    return quotient_up(std::max(share, least), kGemmRows) * kGemmRows;
  }
  /// Panels of a thread's turn in one step, whose sums have `depth` terms.
  std::int64_t panel_grain(std::int64_t depth) const { return quotient_up(kGrain, kPanel * depth * rows); }
  /// Whether more threads find work if they share the columns of each step's product (rows, depth) (depth, columns).
  bool by_panels(std::int64_t columns, std::int64_t depth) const {
    const std::int64_t by_rows = quotient_up(rows, row_grain());
    return by_rows < compute_threads() && quotient_up(quotient_up(columns, kPanel), panel_grain(depth)) > by_rows;
  }

  /// Calls f(at, n) for panels of n columns from `at`, over threads.
  template <class F>
  static void for_panels(std::int64_t columns, std::int64_t grain, const F& f) {
    parallel_for(quotient_up(columns, kPanel), grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t at = begin * kPanel; at < std::min(columns, end * kPanel); at += kPanel)
        f(at, std::min(kPanel, columns - at));
    });
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
  HOP_PICK(gemm_rows<T>)(gemm, 0, quotient_up(gemm.m, kGemmRows));
}

/// The way forward. `packed` is scratch memory for the weight (H, G H rounded up), or for the states (H, 16) if the
/// weight is not packed; `h_gates` (N, G H) is scratch memory, too.
template <class Cell, class T>
struct Forward {
  Walk walk;
  std::byte *x_gates, *weight, *bias, *h, *c, *kept, *packed, *h_gates;
  bool keeps;

  void operator()() const {
    const RecurrentRows all{walk.hidden, 0, walk.rows};
    if (!walk.packs()) {
      multiply_in_place();
      return finish(0, all);
    }
    Walk::for_panels(walk.gates, quotient_up(kPackGrain, kPanel * walk.hidden), [&](std::int64_t at, std::int64_t n) {
      HOP_PICK(pack_turned<T>)(as<T>(weight) + at * walk.hidden, walk.hidden, walk.hidden, n, panel(at));
    });
    if (walk.by_panels(walk.gates, walk.hidden)) {
      for (std::int64_t i = 0; i < walk.steps; ++i) {
        Walk::for_panels(walk.gates, walk.panel_grain(walk.hidden),
                         [&](std::int64_t at, std::int64_t n) { multiply_panel(i, all, at, n); });
        finish(i, all);
      }
      return;
    }
    parallel_for(walk.rows, walk.row_grain(), [&](std::int64_t begin, std::int64_t end) {
      const RecurrentRows own{walk.hidden, begin, end};
      for (std::int64_t i = 0; i < walk.steps; ++i) {
        for (std::int64_t at = 0; at < walk.gates; at += kPanel)
          multiply_panel(i, own, at, std::min(kPanel, walk.gates - at));
        finish(i, own);
      }
    });
  }

 private:
  T* panel(std::int64_t at) const { return as<T>(packed) + at * walk.hidden; }
  const T* before(std::int64_t i) const { return as<T>(h) + walk.before(i) * walk.states(); }

  /// n columns of h_gates, from `at`.
  void multiply_panel(std::int64_t i, const RecurrentRows& rows, std::int64_t at, std::int64_t n) const {
    const std::int64_t row = in_sixteens(n);
    Gemm<T> gemm = product<T>(before(i) + rows.begin * walk.hidden, rows.end - rows.begin, walk.hidden, panel(at), row,
                              n, panel(at) + n / kPackedColumns * kPackedColumns, row,
                              as<T>(h_gates) + rows.begin * walk.gates + at, walk.gates);
    if (bias != nullptr) gemm.bias = as<T>(bias) + at;
    multiply(gemm);
  }

  /// h_gates of the only step, as the transpose of weight (G H, H) times the turned states (H, N).
  void multiply_in_place() const {
    HOP_PICK(pack_turned<T>)(before(0), walk.hidden, walk.hidden, walk.rows, as<T>(packed));
    Gemm<T> gemm = product<T>(as<T>(weight), walk.gates, walk.hidden, as<T>(packed), kPackedColumns, walk.rows,
                              as<T>(packed), kPackedColumns, as<T>(h_gates), 1);
    gemm.c_column = walk.gates;
    gemm.bias = bias != nullptr ? as<T>(bias) : nullptr;
    gemm.bias_of_rows = true;
    const std::int64_t grain = quotient_up(kGrain, kGemmRows * walk.hidden * kPackedColumns);
    parallel_for(quotient_up(walk.gates, kGemmRows), grain, [&](std::int64_t begin, std::int64_t end) {
      HOP_PICK(gemm_rows<T>)(gemm, begin, end);
    });
  }

  /// The formula of all gates.
  void finish(std::int64_t i, const RecurrentRows& rows) const {
    const std::int64_t states = walk.states();
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
    if (walk.by_panels(walk.hidden, walk.gates)) {
      const RecurrentRows all{walk.hidden, 0, walk.rows};
      clear(all);
      for (std::int64_t i = walk.steps; i-- > 0;) {
        start(i, all);
        Walk::for_panels(walk.hidden, walk.panel_grain(walk.gates),
                         [&](std::int64_t at, std::int64_t n) { multiply_columns(i, all, at, n); });
      }
      return;
    }
    parallel_for(walk.rows, walk.row_grain(), [&](std::int64_t begin, std::int64_t end) {
      const RecurrentRows own{walk.hidden, begin, end};
      clear(own);
      for (std::int64_t i = walk.steps; i-- > 0;) {
        start(i, own);
        multiply_columns(i, own, 0, walk.hidden);
      }
    });
  }

 private:
  void clear(const RecurrentRows& rows) const {
    std::fill(as<T>(dh) + rows.begin * walk.hidden, as<T>(dh) + rows.end * walk.hidden, T{0});
  }

  /// The gradient of the gates.
  void start(std::int64_t i, const RecurrentRows& rows) const {
    const std::int64_t states = walk.states(), at = walk.step(i) * walk.rows * walk.gates;
    const T* const carried = Cell::has_cell ? as<T>(c) : as<T>(h);
    HOP_PICK(recurrent_grad_rows<Cell, T>)
    (rows,
     {as<T>(dy) + walk.step(i) * states, as<T>(dh), as<T>(dstate), as<T>(kept) + walk.step(i) * rules::kKept * states,
      carried + walk.before(i) * states, carried + walk.after(i) * states, as<T>(dx_gates) + at, as<T>(dh_gates) + at});
  }

  /// n columns of dh, from `at`: a multiple of sixteen of them, or all up to the last one.
  void multiply_columns(std::int64_t i, const RecurrentRows& rows, std::int64_t at, std::int64_t n) const {
    const T* const slopes = as<T>(dh_gates) + (walk.step(i) * walk.rows + rows.begin) * walk.gates;
    multiply(product<T>(slopes, rows.end - rows.begin, walk.gates, as<T>(weight) + at, walk.hidden, n, as<T>(rest),
                        kPackedColumns, as<T>(dh) + rows.begin * walk.hidden + at, walk.hidden));
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
  const Storage packed = scratch(x_gates, walk.hidden * (walk.packs() ? in_sixteens(walk.gates) : kPackedColumns)),
                h_gates = scratch(x_gates, walk.rows * walk.gates);
  visit(in, [&]<class T, class Cell>(T, Cell) {
    launch(Forward<Cell, T>{walk, address(x_gates), address(in.weight), address(in.bias), address(states.h),
                            address(states.c), address(states.kept), packed.data(), h_gates.data(),
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
