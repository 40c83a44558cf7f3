#include "kernels/recurrent.h"

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/expect_internal.h"
#include "kernels/matmul.h"
#include "kernels/recurrent_operations.h"
#include "kernels/recurrent_rules.h"
#include "kernels/view.h"

namespace hop::kernels {
namespace {

constexpr const char* kOp = "recurrent";

bool has_cell(RecurrentCell cell) { return cell == RecurrentCell::lstm; }

struct Sizes {
  std::int64_t steps, rows, hidden, gates;
};

Sizes checked(const RecurrentInputs& in) {
  expect_floating(kOp, {&in.x_gates, &in.weight, &in.h_0}, {&in.bias, &in.c_0});
  const std::int64_t gates = gates_of(in.cell);
  if (in.x_gates.dim() != 3 || in.weight.dim() != 2 || in.weight.size(0) != gates * in.weight.size(1)) {
    throw ShapeError("[recurrent] expected x_gates (T, N, G H) and weight (G H, H) with G = " + std::to_string(gates) +
                     ", got " + in.x_gates.shape().to_string() + " and " + in.weight.shape().to_string());
  }
  const Sizes z{in.x_gates.size(0), in.x_gates.size(1), in.weight.size(1), gates};
  expect_shape(kOp, "x_gates", in.x_gates, {z.steps, z.rows, gates * z.hidden});
  if (in.bias.defined()) expect_shape(kOp, "bias", in.bias, {gates * z.hidden});
  expect_shape(kOp, "h_0", in.h_0, {z.rows, z.hidden});
  if (has_cell(in.cell)) {
    expect_defined(kOp, in.c_0);
    expect_shape(kOp, "c_0", in.c_0, {z.rows, z.hidden});
  }
  return z;
}

/// Step i of a walk over `steps` steps, and the places of the states around it.
struct Place {
  std::int64_t step, before, after;
  Place(std::int64_t i, std::int64_t steps, bool reverse)
      : step(reverse ? steps - 1 - i : i), before(reverse ? step + 1 : step), after(reverse ? step : step + 1) {}
};

Tensor at(const Tensor& x, std::int64_t index) { return x.defined() ? select(x, 0, index) : x; }

/// (T + 1, N, H) with `first` where a sequence starts.
Tensor states_from(const Tensor& first, const Sizes& z, bool reverse) {
  if (!first.defined()) return first;
  const Tensor states = Tensor::empty({z.steps + 1, z.rows, z.hidden}, first.dtype(), first.device());
  copy_(at(states, reverse ? z.steps : 0), first);
  return states;
}

/// x dense, or zeros where it is undefined.
Tensor dense_or_zeros(const Tensor& x, const Shape& shape, const Tensor& like) {
  return x.defined() ? contiguous(x) : zeros(shape, like.dtype(), like.device());
}

/// The state that a step passes on directly.
const Tensor& carried(const RecurrentStates& states) { return states.c.defined() ? states.c : states.h; }

void step_by_step(const RecurrentInputs& in, const RecurrentStates& states) {
  const std::int64_t steps = in.x_gates.size(0);
  for (std::int64_t i = 0; i < steps; ++i) {
    const Place place(i, steps, in.reverse);
    const Tensor h_gates = linear(at(states.h, place.before), in.weight, in.bias);
    operations<RecurrentOperations>(in.x_gates)
        .recurrent_step(at(in.x_gates, place.step), h_gates, at(carried(states), place.before),
                        at(states.kept, states.kept.size(0) == steps ? place.step : 0), at(states.h, place.after),
                        at(states.c, place.after), in.cell);
  }
}

void step_by_step_back(const Tensor& dy, const RecurrentInputs& in, const RecurrentStates& states,
                       const RecurrentSlopes& slopes) {
  const std::int64_t steps = dy.size(0);
  fill_(slopes.dh, 0);
  for (std::int64_t i = steps - 1; i >= 0; --i) {
    const Place place(i, steps, in.reverse);
    const Tensor dh_gates = at(slopes.dh_gates, place.step);
    operations<RecurrentOperations>(dy).recurrent_step_grad(
        at(dy, place.step), slopes.dh, slopes.dstate, at(states.kept, place.step), at(carried(states), place.before),
        at(states.c, place.after), at(slopes.dx_gates, place.step), dh_gates, in.cell);
    matmul(dh_gates, in.weight, slopes.dh);
  }
}

}  // namespace

std::int64_t gates_of(RecurrentCell cell) {
  return cell == RecurrentCell::lstm ? rules::LstmCell::gates : rules::GruCell::gates;
}

Tensor RecurrentStates::after(const Tensor& states, bool reverse) const {
  const std::int64_t steps = states.size(0) - 1;
  return reverse ? slice(states, 0, 0, steps) : slice(states, 0, 1, steps + 1);
}

Tensor RecurrentStates::before(const Tensor& states, bool reverse) const { return after(states, !reverse); }

RecurrentStates recurrent(const RecurrentInputs& in, bool keep) {
  const Sizes z = checked(in);
  RecurrentInputs dense = in;
  for (Tensor* x : {&dense.x_gates, &dense.weight, &dense.bias}) {
    if (x->defined()) *x = contiguous(*x);
  }
  const RecurrentStates states{
      states_from(in.h_0, z, in.reverse), has_cell(in.cell) ? states_from(in.c_0, z, in.reverse) : Tensor(),
      Tensor::empty({keep ? z.steps : 1, z.rows, rules::kKept * z.hidden}, in.weight.dtype(), in.weight.device())};
  if (z.rows == 0 || z.hidden == 0 || z.steps == 0) return states;
  const RecurrentOperations& table = operations<RecurrentOperations>(dense.x_gates);
  table.recurrent != nullptr ? table.recurrent(dense.x_gates, dense, states) : step_by_step(dense, states);
  return states;
}

RecurrentGrads recurrent_grad(const RecurrentInputs& in, const RecurrentStates& states, const Tensor& dy,
                              const Tensor& dc) {
  const Sizes z = checked(in);
  const Shape sequence{z.steps, z.rows, z.hidden}, state{z.rows, z.hidden};
  if (dy.defined()) expect_shape("recurrent gradient", "dy", dy, sequence);
  if (dc.defined()) expect_shape("recurrent gradient", "dc", dc, state);
  expect_shape("recurrent gradient", "kept", states.kept, {z.steps, z.rows, rules::kKept * z.hidden});
  const auto empty = [&](const Shape& shape) { return Tensor::empty(shape, in.weight.dtype(), in.weight.device()); };
  const Shape gates{z.steps, z.rows, z.gates * z.hidden};
  const Tensor dx_gates = empty(gates), dh_gates = has_cell(in.cell) ? dx_gates : empty(gates);
  const RecurrentSlopes slopes{dx_gates, dh_gates, empty(state),
                               dc.defined() ? clone(dc) : zeros(state, in.weight.dtype(), in.weight.device())};
  if (z.rows != 0 && z.hidden != 0 && z.steps != 0) {
    RecurrentInputs dense = in;
    dense.weight = contiguous(in.weight);
    const Tensor all_dy = dense_or_zeros(dy, sequence, in.weight);
    const RecurrentOperations& table = operations<RecurrentOperations>(all_dy);
    table.recurrent_grad != nullptr ? table.recurrent_grad(all_dy, dense, states, slopes)
                                    : step_by_step_back(all_dy, dense, states, slopes);
  } else {
    fill_(slopes.dh, 0);
  }
  if (has_cell(in.cell)) return {dx_gates, dh_gates, slopes.dh, slopes.dstate};
  return {dx_gates, dh_gates, add(slopes.dh, slopes.dstate), {}};
}

}  // namespace hop::kernels
