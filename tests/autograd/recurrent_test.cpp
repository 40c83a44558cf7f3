// The gradients of whole sequences and the gradients' gradients, in every layout (op_case.h). PyTorch judges the layers
// (tests/nn/golden_modules_test.cpp).
#include "autograd/recurrent.h"

#include "base/error.h"
#include "tests/autograd/op_case.h"

namespace hop::autograd {
namespace {

using Xs = const std::vector<Tensor>&;

class RecurrentGradient : public ::testing::TestWithParam<OpCase> {};
TEST_P(RecurrentGradient, IsThatOfCentralDifferencesTwice) { judge(GetParam()); }

INSTANTIATE_TEST_SUITE_P(All, RecurrentGradient,
                         ::testing::Values(OpCase{"lstm",
                                                  {{{3, 2, 8}}, {{8, 2}}, {{8}}, {{2, 2}}, {{2, 2}}},
                                                  [](Xs x) { return lstm_sequence(x[0], x[1], x[2], x[3], x[4]).h; }},
                                           OpCase{
                                               "lstm_reverse_without_bias",
                                               {{{2, 1, 12}}, {{12, 3}}, {{1, 3}}, {{1, 3}}},
                                               [](Xs x) { return lstm_sequence(x[0], x[1], {}, x[2], x[3], true).h; }},
                                           OpCase{"lstm_last_cell",
                                                  {{{2, 2, 8}}, {{8, 2}}, {{8}}, {{2, 2}}, {{2, 2}}},
                                                  [](Xs x) { return lstm_sequence(x[0], x[1], x[2], x[3], x[4]).c_n; }},
                                           OpCase{"lstm_both_outputs",
                                                  {{{2, 2, 4}}, {{4, 1}}, {{4}}, {{2, 1}}, {{2, 1}}},
                                                  [](Xs x) {
                                                    const LstmSequence y =
                                                        lstm_sequence(x[0], x[1], x[2], x[3], x[4], true);
                                                    return sum(y.h, {0}) * y.c_n;
                                                  }},
                                           OpCase{"gru",
                                                  {{{3, 2, 6}}, {{6, 2}}, {{6}}, {{2, 2}}},
                                                  [](Xs x) { return gru_sequence(x[0], x[1], x[2], x[3]); }},
                                           OpCase{"gru_reverse_without_bias",
                                                  {{{2, 1, 9}}, {{9, 3}}, {{1, 3}}},
                                                  [](Xs x) { return gru_sequence(x[0], x[1], {}, x[2], true); }}),
                         [](const auto& test) { return test.param.name; });

// The weight's gradient goes into the leaf's own tensor, and a second pass adds to it.
TEST(Recurrent, AddsToGradientsThatAreThere) {
  const Tensor x = random_tensor({3, 2, 6}, 1), h = random_tensor({2, 2}, 2), w = random_leaf({6, 2}, 3);
  const auto once = [&] { backward(sum(gru_sequence(x, w, {}, h))); };
  once();
  const std::vector<double> first = values(w.grad());
  once();
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_NEAR(values(w.grad())[i], 2 * first[i], 1e-12);
}

TEST(Recurrent, RefusesToGoBackOverAnOutputThatWasWritten) {
  const Tensor x = random_tensor({3, 2, 6}, 1), h = random_tensor({2, 2}, 2), w = random_leaf({6, 2}, 3);
  const Tensor y = gru_sequence(x, w, {}, h), loss = sum(y * y);
  {
    const NoGradGuard no_grad;
    fill_(y, 0);
  }
  EXPECT_TRUE(throws<AutogradError>([&] { backward(loss); }, "in place"));
}

TEST(Recurrent, FreesItsGraph) {
  const Tensor x = random_tensor({3, 2, 8}, 1), h = random_tensor({2, 2}, 2), w = random_leaf({8, 2}, 3);
  const Tensor loss = sum(lstm_sequence(x, w, {}, h, h).h);
  backward(loss);
  EXPECT_THROW(backward(loss), AutogradError);
}

TEST(Recurrent, ThrowsForUndefinedTensors) {
  const Tensor x = random_tensor({3, 2, 8}, 1), h = random_tensor({2, 2}, 2), w = random_tensor({8, 2}, 3);
  EXPECT_THROW(lstm_sequence({}, w, {}, h, h), Error);
  EXPECT_THROW(lstm_sequence(x, {}, {}, h, h), Error);
  EXPECT_THROW(lstm_sequence(x, w, {}, {}, h), Error);
  EXPECT_THROW(lstm_sequence(x, w, {}, h, {}), Error);
  EXPECT_THROW(gru_sequence({}, w, {}, h), Error);
  EXPECT_THROW(gru_sequence(x, w, {}, {}), Error);
}

}  // namespace
}  // namespace hop::autograd
