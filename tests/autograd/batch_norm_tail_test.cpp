// batch_norm with its tail, relu(batch_norm(x) + residual) in one operation, against the operations one after the
// other: bits of values and gradients. Whether the gradients are right is judged by ops_test.
#include <cmath>
#include <vector>

#include "kernels/capture.h"
#include "kernels/layout_internal.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

/// Leaves of one batch normalisation; `residual` may be undefined.
struct Operands {
  Tensor x, weight, bias, residual;
  std::vector<Tensor> leaves() const {
    std::vector<Tensor> all{x, weight, bias};
    if (residual.defined()) all.push_back(residual);
    return all;
  }
};

Operands operands(const Shape& shape, DType dtype, bool last, bool with_residual) {
  std::uint64_t seed = 0;
  const auto leaf_of = [&](const Shape& s) {
    Tensor t = kernels::cast(random_tensor(s, ++seed), dtype);
    if (last && s.size() == 4) t = kernels::in_layout(kernels::Layout::channels_last, t);
    return t.detach().set_requires_grad();
  };
  const Shape channels{shape[1]};
  return {leaf_of(shape), leaf_of(channels), leaf_of(channels), with_residual ? leaf_of(shape) : Tensor()};
}

using Operation = Tensor (*)(const Operands&, bool relu);
Tensor one_by_one(const Operands& o, bool with_relu) {
  Tensor y = batch_norm(o.x, o.weight, o.bias).y;
  if (o.residual.defined()) y = y + o.residual;
  return with_relu ? relu(y) : y;
}
Tensor in_one_pass(const Operands& o, bool with_relu) {
  return batch_norm(o.x, o.weight, o.bias, 1e-5, {.residual = o.residual, .relu = with_relu}).y;
}

/// y and the gradients of all leaves of sum(y^3): of y used twice, so that its gradient is a sum.
std::vector<Tensor> results(Operation operation, const Operands& o, bool with_relu) {
  const Tensor y = operation(o, with_relu);
  std::vector<Tensor> all = grad({sum(y * y * y)}, o.leaves());
  all.insert(all.begin(), y);
  return all;
}

void expect_same_results(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(same_bits(a[i], b[i])) << "result " << i;
}

TEST(BatchNormTail, GivesTheBitsOfTheOperationsOneAfterTheOther) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : {Shape{3, 2, 5, 7}, {20, 3}, {2, 17, 3, 3}, {5, 16, 4, 3}, {1, 5, 1, 9}}) {
      for (const bool last : {false, true}) {
        for (const bool with_residual : {false, true}) {
          for (const bool with_relu : {false, true}) {
            SCOPED_TRACE(shape.to_string() + (last ? " last" : "") + (with_residual ? " residual" : ""));
            const Operands o = operands(shape, dtype, last, with_residual);
            expect_same_results(results(in_one_pass, o, with_relu), results(one_by_one, o, with_relu));
          }
        }
      }
    }
  }
}

TEST(BatchNormTail, LetsNanAndInfinitiesPassAsReluDoes) {
  for (const bool last : {false, true}) {
    const Operands o = operands({3, 5, 4, 4}, DType::f32, last, true);
    const Tensor odd = o.residual.detach();
    const float kOdd[] = {NAN, HUGE_VALF, -HUGE_VALF};
    for (int i = 0; i < 3; ++i) odd.data<float>()[17 * i + 5] = kOdd[i];
    const auto value = [&](Operation operation) { return operation(o, true); };
    const Tensor y = value(in_one_pass);
    EXPECT_TRUE(same_bits(y, value(one_by_one)));
    EXPECT_TRUE(std::isnan(sum(y).item<float>()));
    const auto gradients = [&](Operation operation) { return grad({sum(value(operation))}, o.leaves()); };
    expect_same_results(gradients(in_one_pass), gradients(one_by_one));
  }
}

TEST(BatchNormTail, LeavesAGradientThatOthersHoldAsItIs) {
  for (const bool last : {false, true}) {  // of g as well: a g that lies otherwise is copied first
    for (const bool with_residual : {false, true}) {
      for (const bool with_relu : {false, true}) {
        const Operands o = operands({3, 5, 4, 4}, DType::f32, last, with_residual);
        const Tensor g = kernels::in_layout(last ? kernels::Layout::channels_last : kernels::Layout::contiguous,
                                            kernels::cast(random_tensor({3, 5, 4, 4}, 9), DType::f32));
        const Tensor before = kernels::clone(g), y = in_one_pass(o, with_relu), z = y * 1.0;
        grad({y}, o.leaves(), {.grad_outputs = {g}, .retain_graph = true});
        EXPECT_TRUE(same_bits(g, before)) << "a caller's";

        Tensor kept;
        const HookHandle hook = register_hook(y, [&](const Tensor& given) {
          kept = with_relu ? given : slice(given, 0, 1, 3);
          return Tensor();
        });
        grad({z}, o.leaves(), {.grad_outputs = {g}});
        EXPECT_TRUE(same_bits(kept, with_relu ? before : slice(before, 0, 1, 3))) << "a hook's, whole or a view";
      }
    }
  }
}

/// x beside itself, as in a residual net, through two tails.
Tensor block(const Tensor& x, const Operands& o, Operation operation) {
  Operands first = o, second = o;
  first.x = x;
  first.residual = {};
  second.x = operation(first, true);
  second.residual = x;
  return operation(second, true);
}

TEST(BatchNormTail, GivesTheBitsOfABlockWhoseShortcutIsItsInput) {
  for (const bool last : {false, true}) {
    const Operands o = operands({4, 6, 5, 3}, DType::f32, last, false);
    const auto run = [&](Operation operation) {
      std::vector<Tensor> all{block(block(o.x, o, operation), o, operation)};
      for (const Tensor& g : grad({sum(all[0])}, o.leaves())) all.push_back(g);
      return all;
    };
    expect_same_results(run(in_one_pass), run(one_by_one));
  }
}

TEST(BatchNormTail, GivesTheSameBitsWhenItIsReplayed) {
  const Operands o = operands({4, 6, 5, 3}, DType::f32, true, false);
  const auto step = [&](std::span<const Tensor> in) {
    for (const Tensor& leaf : o.leaves()) {
      if (leaf.grad().defined()) zero_(leaf.grad());
    }
    const Tensor loss = sum(block(in[0], o, in_one_pass));
    backward(loss);
    return std::vector{loss.detach(), o.weight.grad(), o.bias.grad()};
  };
  CapturedFunction captured(step);
  for (std::uint64_t i = 0; i < 4; ++i) {
    const Tensor batch[] = {kernels::cast(random_tensor({4, 6, 5, 3}, 20 + i), DType::f32)};
    std::vector<Tensor> expected;
    for (const Tensor& t : step(batch)) expected.push_back(kernels::clone(t));
    expect_same_results(captured({batch[0]}), expected);
  }
}

}  // namespace
}  // namespace hop::autograd
