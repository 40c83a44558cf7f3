// How a row of the table is recorded. The gradient has two forms: one fused kernel, or, under create_graph, the row's
// own rule with tensors in place of numbers, which records itself.
#include "autograd/elementwise.h"

#include "autograd/copy.h"
#include "autograd/operand_internal.h"
#include "autograd/record.h"

namespace hop {

// Two words of the table's vocabulary; the other words are the table's own functions.
static Tensor zero_like(const Tensor& x) { return zeros_like(x); }
static Tensor one_like(const Tensor& x) { return ones_like(x); }

namespace autograd {
namespace rows = kernels::rows;
using kernels::Input;
using rows::Probe;

/// g itself if the gradient may overwrite it, otherwise undefined. No other handle may see g, and g must have the
/// layout of the other operands, so that the result has its usual layout. Overwriting saves a third of the memory
/// traffic.
static Tensor reusable(const Tensor& g, const Tensor& x, const Tensor& y) {
  const auto lies_like_g = [&g](const Tensor& t) { return !t.defined() || t.strides() == g.strides(); };
  return g.is_unique() && kernels::can_evaluate_into(g) && lies_like_g(x) && lies_like_g(y) ? g : Tensor();
}

template <class Row>
Tensor unary(const Row& row, const Tensor& x) {
  Tensor y = kernels::evaluate(row, x);
  if (!is_recorded(x)) return y;
  const SavedTensor saved_x = save_if(rows::reads_x<Row>, x);
  const SavedTensor saved_y = rows::reads_y<Row> ? save_output(y) : SavedTensor();
  return record(Row::name, std::move(y), {x}, [row, saved_x, saved_y](BackwardContext& context) {
    const Tensor& g = context.grad();
    const Tensor ux = context.value(saved_x);
    const Tensor uy = context.value(saved_y);
    context.set(0,
                is_grad_enabled() ? row.gradient(g, ux, uy) : kernels::gradient(row, g, ux, uy, reusable(g, ux, uy)));
  });
}

template <class Row>
Tensor binary(const Row& row, Input a, Input b) {
  Tensor y = kernels::evaluate(row, a, b);
  const bool needs_a = requires_grad(a);
  const bool needs_b = requires_grad(b);
  if (!is_grad_enabled() || !(needs_a || needs_b)) return y;
  const auto is_read = [&](Probe::Source source) {
    return (needs_a && rows::probe_a<Row>.reads(source)) || (needs_b && rows::probe_b<Row>.reads(source));
  };
  auto gradient = [row, saved_a = SavedOperand(a, y, is_read(Probe::kA)),
                   saved_b = SavedOperand(b, y, is_read(Probe::kB)),
                   saved_y = is_read(Probe::kY) ? save_output(y) : SavedTensor()](BackwardContext& context) {
    const Tensor& g = context.grad();
    const Unpacked ua(saved_a, context, g.dtype());
    const Unpacked ub(saved_b, context, g.dtype());
    const Tensor uy = context.value(saved_y);
    if (context.wants(0)) {
      context.set(0, saved_a.restore(is_grad_enabled() ? row.gradient_a(g, ua.tensor(), ub.tensor(), uy)
                                                       : kernels::gradient_a(row, g, ua.input(), ub.input(), uy)));
    }
    if (context.wants(1)) {
      context.set(1, saved_b.restore(is_grad_enabled() ? row.gradient_b(g, ua.tensor(), ub.tensor(), uy)
                                                       : kernels::gradient_b(row, g, ua.input(), ub.input(), uy)));
    }
  };
  const Tensor none;
  return record(Row::name, std::move(y), {a.is_tensor() ? a.tensor() : none, b.is_tensor() ? b.tensor() : none},
                std::move(gradient));
}

template <class Row>
Tensor ternary(const Row& row, Input condition, Input a, Input b) {
  constexpr auto kReadsOnlyCondition = [](Probe probe) {
    return !probe.reads(Probe::kA) && !probe.reads(Probe::kB) && !probe.reads(Probe::kY);
  };
  static_assert(kReadsOnlyCondition(rows::probe_a<Row>) && kReadsOnlyCondition(rows::probe_b<Row>));
  Tensor y = kernels::evaluate(row, condition, a, b);
  if (!is_grad_enabled() || !(requires_grad(a) || requires_grad(b))) return y;
  auto gradient = [row, saved_condition = SavedOperand(condition, y, true), saved_a = SavedOperand(a, y, false),
                   saved_b = SavedOperand(b, y, false), none = Tensor()](BackwardContext& context) {
    const Tensor& g = context.grad();
    const Unpacked uc(saved_condition, context, DType::boolean);
    if (context.wants(0)) {
      context.set(0, saved_a.restore(is_grad_enabled() ? row.gradient_a(g, uc.tensor(), none, none, none)
                                                       : kernels::gradient_a(row, g, uc.input(), none, none, none)));
    }
    if (context.wants(1)) {
      context.set(1, saved_b.restore(is_grad_enabled() ? row.gradient_b(g, uc.tensor(), none, none, none)
                                                       : kernels::gradient_b(row, g, uc.input(), none, none, none)));
    }
  };
  const Tensor none;
  return record(Row::name, std::move(y), {a.is_tensor() ? a.tensor() : none, b.is_tensor() ? b.tensor() : none},
                std::move(gradient));
}

#define HOP_UNARY(name, Name, ...) template Tensor unary(const rows::Name&, const Tensor&);
#define HOP_BINARY(name, Name, ...) template Tensor binary(const rows::Name&, Input, Input);
#define HOP_TERNARY(name, Name, ...) template Tensor ternary(const rows::Name&, Input, Input, Input);
#define HOP_PREDICATE(...)
#define HOP_COMPARE(...)
#include "kernels/elementwise.def"

}  // namespace autograd
}  // namespace hop
