// The fused backward steps. Under create_graph the same formulas (kernels/recurrent_rules.h) run on recorded tensors,
// first forward, to make the states functions of the inputs, then back.
#include "autograd/recurrent.h"

#include <utility>
#include <vector>

#include "autograd/arrange.h"
#include "autograd/as_rows_internal.h"
#include "autograd/copy.h"
#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/matmul.h"
#include "autograd/record.h"
#include "autograd/reduce.h"
#include "autograd/view.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/matmul.h"
#include "kernels/recurrent.h"
#include "kernels/recurrent_rules.h"
#include "kernels/reduce.h"

namespace hop {
namespace {

using autograd::any_half;
using autograd::as_rows;
using autograd::BackwardContext;
using autograd::in_f32;
using autograd::rounded_like;
using autograd::SavedTensor;
using kernels::RecurrentCell;
using kernels::RecurrentInputs;
using kernels::RecurrentStates;

enum Input : std::size_t { kXGates, kWeight, kBias, kH0, kC0 };
enum Output : std::size_t { kH, kLastCell };

/// The inputs and what the kernels kept, while the node waits.
struct Saved {
  RecurrentCell cell;
  bool reverse;
  SavedTensor x_gates, weight, bias, h_0, c_0, h, c, kept;

  Saved(const RecurrentInputs& in, const RecurrentStates& states)
      : cell(in.cell),
        reverse(in.reverse),
        x_gates(in.x_gates),
        weight(in.weight),
        bias(in.bias),
        h_0(in.h_0),
        c_0(in.c_0),
        h(states.h),
        c(states.c),
        kept(states.kept) {}

  RecurrentInputs inputs(const BackwardContext& context) const {
    const auto value = [&](const SavedTensor& x) { return x.defined() ? context.value(x) : Tensor(); };
    return {cell, reverse, value(x_gates), value(weight), value(bias), value(h_0), value(c_0)};
  }
  RecurrentStates states(const BackwardContext& context) const {
    return {context.value(h), c.defined() ? context.value(c) : Tensor(), context.value(kept)};
  }
};

/// (T, N, columns) as (T N, columns)

/// The gradients of weight and bias, from those of all products with the hidden states `before` each step.
void set_parameters(BackwardContext& c, const Tensor& h_gates, const Tensor& before) {
  const bool plain = !is_grad_enabled();
  const Tensor rows = as_rows(h_gates), rows_before = as_rows(before);
  if (c.wants(kWeight)) {
    const Tensor gt = transpose(rows, 0, 1);
    c.set(kWeight, plain ? kernels::matmul(gt, rows_before, c.target(kWeight)) : matmul(gt, rows_before));
  }
  if (c.wants(kBias)) {
    const Shape shape{rows.size(1)};
    c.set(kBias, plain ? kernels::sum_to(rows, shape, c.target(kBias)) : sum_to(rows, shape));
  }
}

void fused_gradients(BackwardContext& c, const RecurrentInputs& in, const RecurrentStates& states, const Tensor& dc) {
  kernels::RecurrentGrads grads = kernels::recurrent_grad(in, states, c.grad(kH), dc);
  set_parameters(c, grads.h_gates, states.before(states.h, in.reverse));
  c.set(kXGates, std::move(grads.x_gates));
  c.set(kH0, std::move(grads.h_0));
  if (in.c_0.defined()) c.set(kC0, std::move(grads.c_0));
}

/// One step, as recorded tensors. `state` is the cell, or h where the rule has none.
template <class Cell>
struct Step {
  Tensor kept[kernels::rules::kKept];
  Tensor h_before, state, h_next, next;
};

template <class Cell, std::size_t... k>
void differentiable_gradients(BackwardContext& c, const RecurrentInputs& in, const Tensor& dc,
                              std::index_sequence<k...>) {
  const std::vector<Tensor> x_gates = unbind(in.x_gates);
  const std::size_t count = x_gates.size();
  const auto time = [&](std::size_t i) { return in.reverse ? count - 1 - i : i; };
  std::vector<Step<Cell>> steps(count);
  Tensor h = in.h_0, state = Cell::has_cell ? in.c_0 : in.h_0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::vector<Tensor> x = chunk(x_gates[time(i)], Cell::gates, -1),
                              from_h = chunk(linear(h, in.weight, in.bias), Cell::gates, -1);
    const Tensor xs[] = {x[k]...}, hs[] = {from_h[k]...};
    Step<Cell>& step = steps[i];
    step.h_before = h;
    step.state = state;
    Cell::forward(xs, hs, state, step.kept, step.h_next, step.next);
    h = step.h_next;
    state = step.next;
  }
  const Tensor zero = kernels::zeros(in.h_0.shape(), in.h_0.dtype(), in.h_0.device());
  const std::vector<Tensor> dy = c.grad(kH).defined() ? unbind(c.grad(kH)) : std::vector<Tensor>(count, zero);
  std::vector<Tensor> dx_gates(count), dh_gates(count), before(count);
  Tensor dh = zero, dstate = dc.defined() ? dc : zero;
  for (std::size_t i = count; i-- > 0;) {
    const Step<Cell>& step = steps[i];
    const std::size_t t = time(i);
    Tensor dx[Cell::gates], dgates[Cell::gates], dbefore;
    Cell::backward(dy[t] + dh, dstate, step.kept, step.state, step.next, dx, dgates, dbefore);
    dx_gates[t] = cat(std::vector<Tensor>{dx[k]...}, -1);
    dh_gates[t] = Cell::shares_gradients ? dx_gates[t] : cat(std::vector<Tensor>{dgates[k]...}, -1);
    before[t] = step.h_before;
    dh = matmul(dh_gates[t], in.weight);
    dstate = dbefore;
  }
  c.set(kXGates, stack(dx_gates));
  set_parameters(c, stack(dh_gates), stack(before));
  c.set(kH0, Cell::has_cell ? dh : dh + dstate);
  if (Cell::has_cell) c.set(kC0, dstate);
}

template <class Cell>
void differentiable_gradients(BackwardContext& c, const RecurrentInputs& in, const Tensor& dc) {
  differentiable_gradients<Cell>(c, in, dc, std::make_index_sequence<Cell::gates>());
}

/// The hidden states of each step and, with a cell, the last cell.
std::vector<Tensor> sequence(const RecurrentInputs& in) {
  const bool is_recorded = autograd::is_recorded(in.x_gates, in.weight, in.bias, in.h_0, in.c_0);
  const RecurrentStates states = kernels::recurrent(in, is_recorded);
  std::vector<Tensor> outputs = {states.after(states.h, in.reverse)};
  if (states.c.defined()) outputs.push_back(select(states.c, 0, in.reverse ? 0 : states.c.size(0) - 1));
  if (!is_recorded) return outputs;
  std::vector<Tensor> inputs = {in.x_gates, in.weight, in.bias, in.h_0};
  if (in.c_0.defined()) inputs.push_back(in.c_0);
  const auto count = static_cast<std::uint32_t>(outputs.size());
  const auto node =
      autograd::record_node("recurrent", count, inputs, [saved = Saved(in, states), count](BackwardContext& c) {
        const RecurrentInputs now = saved.inputs(c);
        const Tensor dc = count > 1 ? c.grad(kLastCell) : Tensor();
        if (!is_grad_enabled()) return fused_gradients(c, now, saved.states(c), dc);
        now.cell == RecurrentCell::lstm ? differentiable_gradients<kernels::rules::LstmCell>(c, now, dc)
                                        : differentiable_gradients<kernels::rules::GruCell>(c, now, dc);
      });
  for (std::uint32_t i = 0; i < count; ++i) outputs[i] = attach(std::move(outputs[i]), node, i);
  return outputs;
}

}  // namespace

LstmSequence lstm_sequence(const Tensor& x_gates, const Tensor& weight, const Tensor& bias, const Tensor& h_0,
                           const Tensor& c_0, bool reverse) {
  kernels::expect_same_device("lstm_sequence", {&x_gates, &weight, &h_0, &c_0});
  if (any_half(x_gates, weight, bias, h_0, c_0)) {
    const LstmSequence wide =
        lstm_sequence(in_f32(x_gates), in_f32(weight), in_f32(bias), in_f32(h_0), in_f32(c_0), reverse);
    return {rounded_like(wide.h, x_gates), rounded_like(wide.c_n, x_gates)};
  }
  std::vector<Tensor> outputs = sequence({RecurrentCell::lstm, reverse, x_gates, weight, bias, h_0, c_0});
  return {std::move(outputs[kH]), std::move(outputs[kLastCell])};
}

Tensor gru_sequence(const Tensor& x_gates, const Tensor& weight, const Tensor& bias, const Tensor& h_0, bool reverse) {
  kernels::expect_same_device("gru_sequence", {&x_gates, &weight, &h_0});
  if (any_half(x_gates, weight, bias, h_0)) {
    return rounded_like(gru_sequence(in_f32(x_gates), in_f32(weight), in_f32(bias), in_f32(h_0), reverse), x_gates);
  }
  return std::move(sequence({RecurrentCell::gru, reverse, x_gates, weight, bias, h_0, {}})[kH]);
}

}  // namespace hop
