#include "tests/autograd/op_case.h"

namespace hop::autograd {
namespace {

constexpr std::uint64_t kSeed = 2026;

std::vector<Tensor> leaves(const OpCase& op, Layout layout) {
  std::vector<Tensor> list;
  for (const Argument& argument : op.arguments) {
    list.push_back(random_leaf(argument.shape, kSeed + list.size(), layout, argument.range));
  }
  return list;
}

// The operation on leaves of `layout`. In every layout but the plain one its gradient comes in strided too.
testing::DifferentiableFunction function_of(const OpCase& op, Layout layout) {
  return [&op, layout](const std::vector<Tensor>& list) {
    std::vector<Tensor> operands;
    for (std::size_t i = 0; i < list.size(); ++i) operands.push_back(as_used(list[i], op.arguments[i].shape));
    Tensor y = op.op(operands);
    if (layout != Layout::contiguous && y.dim() > 1) y = transpose(y, 0, -1);
    return std::vector<Tensor>{y};
  };
}

struct Outcome {
  Tensor y;
  std::vector<Tensor> grads;
};

Outcome run(const OpCase& op, const std::vector<Tensor>& operands, DType dtype) {
  std::vector<Tensor> list;
  for (const Tensor& x : operands) list.push_back(kernels::cast(x.detach(), dtype).detach().set_requires_grad());
  const Tensor y = op.op(list);
  const Tensor g = kernels::cast(random_tensor(y.shape(), kSeed, Layout::contiguous), dtype);
  return {y, grad({y}, list, {.grad_outputs = {g}, .allow_unused = true})};
}

// Values that f32 holds exactly, so that both precisions start from the same numbers.
void expect_f32_agrees(const OpCase& op) {
  constexpr double kTolerance = 2e-5;
  std::vector<Tensor> operands;
  for (const Tensor& x : leaves(op, Layout::contiguous)) {
    operands.push_back(kernels::cast(kernels::cast(x.detach(), DType::f32), DType::f64));
  }
  const Outcome single = run(op, operands, DType::f32);
  const Outcome reference = run(op, operands, DType::f64);
  EXPECT_EQ(single.y.dtype(), DType::f32);
  EXPECT_LT(distance(single.y, reference.y), kTolerance) << op.name;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (!reference.grads[i].defined()) continue;
    ASSERT_TRUE(single.grads[i].defined()) << op.name;
    EXPECT_EQ(single.grads[i].dtype(), DType::f32) << op.name;
    EXPECT_LT(distance(single.grads[i], reference.grads[i]), kTolerance) << op.name << ", gradient " << i;
  }
}

}  // namespace

void judge(const OpCase& op) {
  for (const Layout layout : kLayouts) {
    const auto fn = function_of(op, layout);
    const auto once = testing::gradcheck(fn, leaves(op, layout));
    EXPECT_TRUE(once.ok) << op.name << ", " << name(layout) << ": " << once.message;
    if (!op.twice) continue;
    const auto twice = testing::gradgradcheck(fn, leaves(op, layout));
    EXPECT_TRUE(twice.ok) << op.name << ", twice, " << name(layout) << ": " << twice.message;
  }
  expect_f32_agrees(op);
}

}  // namespace hop::autograd
