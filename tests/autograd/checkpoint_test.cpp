// Computed again, the same bits.
#include "autograd/checkpoint.h"

#include "tensor/allocator.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

struct Block {
  Tensor w1 = random_leaf({5, 4}, 1), w2 = random_leaf({3, 5}, 2);
  int runs = 0;

  Tensor operator()(const Tensor& x) {
    ++runs;
    return linear(dropout(tanh(linear(x, w1)), 0.3, {.key = 7, .step = 1, .draw = 2}), w2);
  }
};

struct Gradients {
  Tensor y, x, w1, w2;
};

Gradients train(Block& block, const Tensor& x, bool checkpointed) {
  for (const Tensor& t : {x, block.w1, block.w2}) t.set_grad(Tensor());
  const Tensor y = checkpointed ? checkpoint([&](const Tensor& t) { return block(t); }, x) : block(x);
  backward(sum(y * y));
  return {y, x.grad(), block.w1.grad(), block.w2.grad()};
}

TEST(Checkpoint, GivesTheBitsOfThePlainComputation) {
  Block block;
  const Tensor x = random_leaf({6, 4}, 3);
  const Gradients plain = train(block, x, false);
  const Gradients again = train(block, x, true);
  EXPECT_TRUE(same_bits(plain.y, again.y));
  EXPECT_TRUE(same_bits(plain.x, again.x));
  EXPECT_TRUE(same_bits(plain.w1, again.w1));
  EXPECT_TRUE(same_bits(plain.w2, again.w2));
  EXPECT_EQ(block.runs, 3);
}

TEST(Checkpoint, ReachesParametersWhenNoInputRequiresAGradient) {
  Block block;
  const Tensor x = random_tensor({6, 4}, 3);
  const Tensor y = checkpoint([&](const Tensor& t) { return block(t); }, x);
  backward(sum(y));
  EXPECT_TRUE(block.w1.grad().defined());
  EXPECT_TRUE(block.w2.grad().defined());
}

TEST(Checkpoint, IsSearchedByGradForWhatItCaptured) {
  Block block;
  const Tensor x = random_leaf({6, 4}, 3);
  const auto body = [&](const Tensor& t) { return block(t); };
  const Tensor inside = grad({sum(checkpoint(body, x))}, {block.w1})[0];
  EXPECT_TRUE(same_bits(inside, grad({sum(body(x))}, {block.w1})[0]));
  EXPECT_FALSE(block.w2.grad().defined());
}

TEST(Checkpoint, WritesParameterGradientsIntoTheirMemory) {
  Block block;
  const Tensor bound = zeros_like(block.w1);
  block.w1.set_grad(bound);
  backward(sum(checkpoint([&](const Tensor& t) { return block(t); }, random_leaf({6, 4}, 3))));
  EXPECT_TRUE(block.w1.grad().is_same(bound));
  EXPECT_GT(distance(bound, zeros_like(bound)), 0);
}

TEST(Checkpoint, KeepsNothingButItsInputs) {
  const Tensor x = random_leaf({1000}, 1);
  const auto body = [](const Tensor& t) { return sum(tanh(sigmoid(exp(tanh(t))))); };
  const std::size_t before = memory::active();
  const Tensor kept = body(x);
  const std::size_t plain = memory::active() - before;
  const Tensor light = checkpoint(body, x);
  EXPECT_LT(memory::active() - before - plain, plain / 10);
}

// The body of an evaluated dropout returns its argument itself.
TEST(Checkpoint, LeavesTheHandlesOfItsCallerAsTheyAre) {
  const Tensor x = ones({4}), w = random_leaf({4}, 1);
  for (int step = 0; step < 2; ++step) {
    const Tensor y = checkpoint([](const Tensor& t) { return t; }, x);
    EXPECT_FALSE(x.requires_grad());
    backward(sum(y * w));
    backward(sum(x * w));
  }
}

TEST(Checkpoint, Nests) {
  const auto inner = [](const Tensor& t) { return checkpoint([](const Tensor& u) { return tanh(u * u); }, t); };
  const auto outer = [&](const Tensor& t) { return exp(inner(inner(t))); };
  const Tensor x = random_leaf({4}, 1);
  const Tensor nested = grad({sum(checkpoint(outer, x))}, {x})[0];
  const Tensor plain = grad({sum(exp(tanh(square(tanh(square(x))))))}, {x})[0];
  EXPECT_LT(distance(nested, plain), 1e-14);
}

TEST(Checkpoint, CanBeDifferentiatedTwice) {
  const auto fn = [](const std::vector<Tensor>& x) {
    const auto product = [](const Tensor& a, const Tensor& b) { return tanh(a * b) * a; };
    return std::vector<Tensor>{checkpoint(product, x[0], exp(x[1]))};
  };
  const std::vector<Tensor> inputs = {random_leaf({3, 2}, 1), random_leaf({2}, 2)};
  const auto once = testing::gradcheck(fn, inputs);
  EXPECT_TRUE(once.ok) << once.message;
  const auto twice = testing::gradgradcheck(fn, inputs);
  EXPECT_TRUE(twice.ok) << twice.message;
}

TEST(Checkpoint, NoticesAWriteInPlaceToItsInput) {
  const Tensor x = f64({1, 2}, {2});
  const Tensor w = leaf({3, 4}, {2});
  const Tensor y = checkpoint([](const Tensor& a, const Tensor& b) { return a * b; }, x, w);
  fill_(x, 0);
  EXPECT_TRUE(throws<AutogradError>([&] { backward(sum(y)); }, "[checkpoint] a tensor that its gradient needs"));
}

TEST(Checkpoint, OfIntegersHasNoGradient) {
  const Tensor y = checkpoint([](const Tensor& t) { return argmax(t, 1); }, random_leaf({6, 4}, 3));
  EXPECT_EQ(y.dtype(), DType::i64);
  EXPECT_FALSE(y.requires_grad());
}

TEST(Checkpoint, RunsPlainlyUnderNoGradGuard) {
  Block block;
  const NoGradGuard no_grad;
  EXPECT_FALSE(checkpoint([&](const Tensor& t) { return block(t); }, random_leaf({6, 4}, 3)).requires_grad());
  EXPECT_EQ(block.runs, 1);
}

}  // namespace
}  // namespace hop::autograd
