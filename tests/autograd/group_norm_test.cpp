// The gradient of group_norm and the gradient's gradient, in every layout (op_case.h).
#include "autograd/group_norm.h"

#include "base/error.h"
#include "tests/autograd/op_case.h"

namespace hop::autograd {
namespace {

using Xs = const std::vector<Tensor>&;

class GroupNormGradient : public ::testing::TestWithParam<OpCase> {};
TEST_P(GroupNormGradient, IsThatOfCentralDifferencesTwice) { judge(GetParam()); }

INSTANTIATE_TEST_SUITE_P(
    All, GroupNormGradient,
    ::testing::Values(
        OpCase{"images", {{{2, 4, 2, 3}}, {{4}}, {{4}}}, [](Xs x) { return group_norm(x[0], 2, x[1], x[2]); }},
        OpCase{"vectors", {{{3, 6}}, {{6}}, {{6}}}, [](Xs x) { return group_norm(x[0], 3, x[1], x[2], 1e-3); }},
        OpCase{"plain", {{{2, 4, 3}}}, [](Xs x) { return group_norm(x[0], 1); }},
        OpCase{"weight_only", {{{2, 3, 3}}, {{3}}}, [](Xs x) { return group_norm(x[0], 3, x[1]); }},
        OpCase{"bias_only", {{{2, 4, 2}}, {{4}}}, [](Xs x) { return group_norm(x[0], 2, {}, x[1]); }}),
    [](const auto& test) { return test.param.name; });

TEST(GroupNorm, OfOneGroupIsLayerNormAndOfOneChannelIsInstanceNorm) {
  const Tensor x = Tensor::from<double>({1, 2, 4, 8, 3, 9, 27, 81}, {1, 2, 4});
  const auto first_mean_of = [](const Tensor& y, int n) {
    double sum = 0;
    for (int i = 0; i < n; ++i) sum += y.data<double>()[i];
    return sum / n;
  };
  EXPECT_NEAR(first_mean_of(group_norm(x, 1), 8), 0, 1e-12);
  EXPECT_GT(std::abs(first_mean_of(group_norm(x, 1), 4)), 0.1);
  EXPECT_NEAR(first_mean_of(group_norm(x, 2), 4), 0, 1e-12);
}

TEST(GroupNorm, ThrowsForAnUndefinedTensor) { EXPECT_THROW(group_norm({}, 1), Error); }

}  // namespace
}  // namespace hop::autograd
