// Every structured operation faces the judgement of op_case.h, over odd shapes.
#include "autograd/ops.h"

#include <algorithm>

#include "tests/autograd/op_case.h"

namespace hop::autograd {
namespace {

Tensor indices(std::initializer_list<std::int64_t> values, const Shape& shape) {
  return Tensor::from<std::int64_t>(values, shape);
}

const std::vector<OpCase>& cases() {
  using Xs = const std::vector<Tensor>&;
  static const std::vector<OpCase> kCases = {
      // reductions
      {"sum", {{{3, 5}}}, [](Xs x) { return sum(x[0]); }},
      {"sum_dims",
       {{{2, 3, 5}}},
       [](Xs x) {
         return sum(x[0], {0, -1});
       }},
      {"sum_keepdim", {{{2, 3, 5}}}, [](Xs x) { return sum(x[0], {1}, true); }},
      {"sum_scalar", {{{}}}, [](Xs x) { return sum(x[0]); }},
      {"sum_to",
       {{{2, 3, 4}}},
       [](Xs x) {
         return sum_to(x[0], {3, 1});
       }},
      {"mean", {{{3, 5}}}, [](Xs x) { return mean(x[0]); }},
      {"mean_dims",
       {{{2, 3, 5}}},
       [](Xs x) {
         return mean(x[0], {-1, 0});
       }},
      {"max", {{{3, 5}}}, [](Xs x) { return max(x[0]); }},
      {"max_dims", {{{2, 3, 5}}}, [](Xs x) { return max(x[0], {1}); }},
      {"min_keepdim",
       {{{2, 3, 5}}},
       [](Xs x) {
         return min(x[0], {0, 2}, true);
       }},
      {"var", {{{3, 5}}}, [](Xs x) { return var(x[0]); }},
      {"var_dims",
       {{{2, 3, 5}}},
       [](Xs x) {
         return var(x[0], {0, 2}, 0, true);
       }},
      // views and copies
      {"reshape",
       {{{2, 3, 4}}},
       [](Xs x) {
         return reshape(x[0], {4, -1});
       }},
      {"flatten", {{{2, 3, 4}}}, [](Xs x) { return flatten(x[0], 1); }},
      {"transpose", {{{2, 3, 4}}}, [](Xs x) { return transpose(x[0], 0, -1); }},
      {"permute",
       {{{2, 3, 4}}},
       [](Xs x) {
         return permute(x[0], {2, 0, -2});
       }},
      {"slice", {{{3, 7}}}, [](Xs x) { return slice(x[0], 1, 1, -1, 2); }},
      {"slice_to_the_end", {{{5, 2}}}, [](Xs x) { return slice(x[0], 0, -2); }},
      {"select", {{{3, 4}}}, [](Xs x) { return select(x[0], 1, -2); }},
      {"squeeze", {{{3, 1, 2}}}, [](Xs x) { return squeeze(x[0], 1); }},
      {"squeeze_nothing", {{{3, 2}}}, [](Xs x) { return squeeze(x[0], 0); }},
      {"unsqueeze", {{{3, 2}}}, [](Xs x) { return unsqueeze(x[0], -1); }},
      {"expand",
       {{{3, 1}}},
       [](Xs x) {
         return expand(x[0], {2, -1, 4});
       }},
      {"contiguous", {{{3, 4}}}, [](Xs x) { return contiguous(transpose(x[0], 0, 1)); }},
      {"clone", {{{3, 4}}}, [](Xs x) { return clone(x[0]); }},
      {"cat", {{{2, 3}}, {{2, 1}}, {{2, 4}}}, [](Xs x) { return cat(x, 1); }},
      {"cat_with_itself",
       {{{2, 3}}},
       [](Xs x) {
         return cat({x[0], x[0]}, -2);
       }},
      {"stack", {{{2, 3}}, {{2, 3}}}, [](Xs x) { return stack(x, 1); }},
      // products
      {"matmul", {{{3, 5}}, {{5, 2}}}, [](Xs x) { return matmul(x[0], x[1]); }},
      {"matmul_vectors", {{{5}}, {{5}}}, [](Xs x) { return matmul(x[0], x[1]); }},
      {"matmul_matrix_vector", {{{3, 5}}, {{5}}}, [](Xs x) { return matmul(x[0], x[1]); }},
      {"matmul_vector_matrix", {{{5}}, {{5, 2}}}, [](Xs x) { return matmul(x[0], x[1]); }},
      {"matmul_batch_matrix", {{{2, 3, 5}}, {{5, 2}}}, [](Xs x) { return matmul(x[0], x[1]); }},
      {"matmul_batch_vector", {{{2, 3, 5}}, {{5}}}, [](Xs x) { return matmul(x[0], x[1]); }},
      {"matmul_matrix_batch", {{{3, 5}}, {{2, 5, 2}}}, [](Xs x) { return matmul(x[0], x[1]); }},
      {"matmul_vector_batch", {{{5}}, {{2, 5, 2}}}, [](Xs x) { return matmul(x[0], x[1]); }},
      {"matmul_broadcast", {{{2, 1, 3, 2}}, {{3, 2, 1}}}, [](Xs x) { return matmul(x[0], x[1]); }},
      {"matmul_square", {{{3, 3}}}, [](Xs x) { return matmul(x[0], transpose(x[0], 0, 1)); }},
      {"linear", {{{3, 5}}, {{2, 5}}, {{2}}}, [](Xs x) { return linear(x[0], x[1], x[2]); }},
      {"linear_without_bias", {{{2, 2, 3}}, {{2, 3}}}, [](Xs x) { return linear(x[0], x[1]); }},
      {"linear_vector", {{{4}}, {{3, 4}}, {{3}}}, [](Xs x) { return linear(x[0], x[1], x[2]); }},
      // convolution and pooling
      {"conv2d", {{{1, 2, 4, 5}}, {{3, 2, 2, 3}}, {{3}}}, [](Xs x) { return conv2d(x[0], x[1], x[2]); }},
      {"conv2d_strided",
       {{{2, 1, 5, 4}}, {{2, 1, 3, 2}}},
       [](Xs x) {
         return conv2d(x[0], x[1], {}, {.stride = {2, 1}, .padding = {1, 0}});
       }},
      {"conv2d_dilated_groups",
       {{{1, 4, 5, 5}}, {{2, 2, 2, 2}}, {{2}}},
       [](Xs x) {
         return conv2d(x[0], x[1], x[2], {.padding = {0, 1}, .dilation = {2, 3}, .groups = 2});
       }},
      {"max_pool2d", {{{1, 2, 5, 4}}}, [](Xs x) { return max_pool2d(x[0]); }},
      {"max_pool2d_overlapping",
       {{{2, 1, 5, 5}}},
       [](Xs x) {
         return max_pool2d(x[0], {.kernel = {3, 3}, .stride = {2, 1}, .padding = {1, 1}});
       }},
      {"avg_pool2d", {{{1, 2, 5, 4}}}, [](Xs x) { return avg_pool2d(x[0]); }},
      {"avg_pool2d_overlapping",
       {{{2, 1, 5, 5}}},
       [](Xs x) {
         return avg_pool2d(x[0], {.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1}});
       }},
      // softmax and losses
      {"softmax", {{{3, 5}}}, [](Xs x) { return softmax(x[0]); }},
      {"softmax_dim0", {{{3, 2, 2}}}, [](Xs x) { return softmax(x[0], 0); }},
      {"log_softmax", {{{3, 5}}}, [](Xs x) { return log_softmax(x[0]); }},
      {"log_softmax_dim1", {{{2, 3, 2}}}, [](Xs x) { return log_softmax(x[0], 1); }},
      {"cross_entropy",
       {{{3, 5}}},
       [](Xs x) {
         return cross_entropy(x[0], indices({4, 0, 2}, {3}));
       }},
      {"nll_loss",
       {{{3, 5}}},
       [](Xs x) {
         return nll_loss(log_softmax(x[0]), indices({4, 0, 2}, {3}));
       }},
      {"mse_loss", {{{3, 5}}, {{3, 5}}}, [](Xs x) { return mse_loss(x[0], x[1]); }},
      // normalisation
      {"layer_norm", {{{3, 5}}, {{5}}, {{5}}}, [](Xs x) { return layer_norm(x[0], {5}, x[1], x[2]); }},
      {"layer_norm_plain", {{{2, 2, 3}}}, [](Xs x) { return layer_norm(x[0], {3}); }},
      {"layer_norm_weight_only", {{{2, 3}}, {{3}}}, [](Xs x) { return layer_norm(x[0], {3}, x[1]); }},
      {"layer_norm_two_dims",
       {{{2, 2, 3}}, {{2, 3}}, {{2, 3}}},
       [](Xs x) {
         return layer_norm(x[0], {2, 3}, x[1], x[2], 1e-3);
       }},
      {"batch_norm", {{{3, 2, 2, 2}}, {{2}}, {{2}}}, [](Xs x) { return batch_norm(x[0], x[1], x[2]).y; }},
      {"batch_norm_plain", {{{4, 3}}}, [](Xs x) { return batch_norm(x[0]).y; }},
      {"batch_norm_bias_only", {{{4, 3}}, {{3}}}, [](Xs x) { return batch_norm(x[0], {}, x[1]).y; }},
      {"batch_norm_relu",
       {{{3, 2, 2, 2}}, {{2}}, {{2}}},
       [](Xs x) { return batch_norm(x[0], x[1], x[2], 1e-5, {.relu = true}).y; }},
      {"batch_norm_residual",
       {{{3, 2, 2, 2}}, {{2}}, {{2}}, {{3, 2, 2, 2}}},
       [](Xs x) { return batch_norm(x[0], x[1], x[2], 1e-5, {.residual = x[3]}).y; }},
      {"batch_norm_residual_relu",
       {{{4, 3}}, {{3}}, {{3}}, {{4, 3}}},
       [](Xs x) { return batch_norm(x[0], x[1], x[2], 1e-5, {.residual = x[3], .relu = true}).y; }},
      {"batch_norm_plain_residual_relu",
       {{{3, 2, 2, 2}}, {{3, 2, 2, 2}}},
       [](Xs x) { return batch_norm(x[0], {}, {}, 1e-5, {.residual = x[1], .relu = true}).y; }},
      {"batch_norm_eval",
       {{{2, 3, 2, 1}}, {{3}}, {{3}}},
       [](Xs x) {
         const auto constant = [&](std::initializer_list<double> v) {
           return kernels::cast(f64(v, {3}), x[0].dtype());
         };
         return batch_norm_eval(x[0], constant({0.5, -1, 0.25}), constant({1, 2, 0.5}), x[1], x[2]);
       }},
      // positions, and elements left out
      {"gather",
       {{{3, 4}}},
       [](Xs x) {
         return gather(x[0], 1, indices({0, 3, 3, 1, 2, 2}, {3, 2}));
       }},
      {"gather_dim0",
       {{{3, 4}}},
       [](Xs x) {
         return gather(x[0], 0, indices({2, 0, 2, 1}, {2, 2}));
       }},
      {"index_select",
       {{{3, 4}}},
       [](Xs x) {
         return index_select(x[0], 1, indices({3, 0, 3}, {3}));
       }},
      {"embedding",
       {{{5, 3}}},
       [](Xs x) {
         return embedding(x[0], indices({4, 0, 4, 1}, {2, 2}));
       }},
      {"embedding_padding",
       {{{5, 3}}},
       [](Xs x) {
         const Tensor at = indices({4, 0, 4, 1}, {2, 2});  // the slope of the word 4 is not that of the gradient
         return where(unsqueeze(eq(at, 4), -1), 0.0, square(embedding(x[0], at, 4)));
       }},
      {"dropout", {{{3, 5}}}, [](Xs x) { return dropout(x[0], 0.4, {.key = 1, .step = 2, .draw = 3}); }},
  };
  return kCases;
}

class Ops : public ::testing::TestWithParam<OpCase> {};

TEST_P(Ops, PassesTheChecks) { judge(GetParam()); }

INSTANTIATE_TEST_SUITE_P(All, Ops, ::testing::ValuesIn(cases()), [](const auto& test) { return test.param.name; });

using Values = std::vector<double>;

TEST(Reduce, TiesShareTheGradientOfAnExtremum) {
  const Tensor x = leaf({3, 1, 3, 0}, {4});
  backward(max(x));
  EXPECT_EQ(values(x.grad()), (Values{0.5, 0, 0.5, 0}));
  const Tensor m = leaf({2, 2, 5, 4, 4, 4}, {2, 3});
  backward(sum(min(m, {1})));
  EXPECT_EQ(values(m.grad()), (Values{0.5, 0.5, 0, 1.0 / 3, 1.0 / 3, 1.0 / 3}));
}

TEST(Reduce, ArgmaxAndIntegerSumsHaveNoGradient) {
  EXPECT_FALSE(argmax(leaf({1, 2}, {2})).requires_grad());
  EXPECT_EQ(sum(indices({1, 2}, {2})).dtype(), DType::i64);
}

TEST(View, SharesMemoryWhereItCan) {
  const Tensor x = random_leaf({3, 4}, 1);
  EXPECT_EQ(reshape(x, {2, 6}).raw_data(), x.raw_data());
  EXPECT_EQ(transpose(x, 0, 1).raw_data(), x.raw_data());
  EXPECT_NE(reshape(transpose(x, 0, 1), {12}).raw_data(), x.raw_data());
  EXPECT_TRUE(contiguous(x).is_same(x));
}

TEST(View, FlattenJoinsDimensions) {
  const Tensor x = random_tensor({2, 3, 4, 5}, 1);
  EXPECT_EQ(flatten(x).shape(), (Shape{120}));
  EXPECT_EQ(flatten(x, 1).shape(), (Shape{2, 60}));
  EXPECT_EQ(flatten(x, 1, -2).shape(), (Shape{2, 12, 5}));
  EXPECT_EQ(flatten(f64({1}, {})).shape(), (Shape{1}));
  EXPECT_TRUE(throws<IndexError>([&] { flatten(x, 2, 1); }, "[flatten] expected start_dim <= end_dim"));
}

TEST(Copy, CastPassesGradientsInTheDtypeTheyCameFrom) {
  const Tensor x = Tensor::from<float>({1, 2}, {2}).set_requires_grad();
  backward(sum(to(x, DType::f64) * 3));
  EXPECT_EQ(x.grad().dtype(), DType::f32);
  EXPECT_EQ(values(x.grad()), (Values{3, 3}));
  EXPECT_FALSE(to(x, DType::i64).requires_grad());
  EXPECT_TRUE(to(x, DType::f32).is_same(x));
}

TEST(Copy, CatPromotesAndGivesEachPartItsDtypeBack) {
  const Tensor a = Tensor::from<float>({1, 2}, {2}).set_requires_grad();
  const Tensor b = leaf({3}, {1});
  const Tensor y = cat({a, b, indices({4}, {1})});
  EXPECT_EQ(y.dtype(), DType::f64);
  EXPECT_EQ(values(y), (Values{1, 2, 3, 4}));
  backward(sum(y * f64({1, 2, 3, 4}, {4})));
  EXPECT_EQ(a.grad().dtype(), DType::f32);
  EXPECT_EQ(values(a.grad()), (Values{1, 2}));
  EXPECT_EQ(values(b.grad()), (Values{3}));
}

TEST(Copy, StackNeedsEqualShapes) {
  EXPECT_TRUE(throws<ShapeError>(
      [] {
        stack({f64({1}, {1}), f64({1, 2}, {2})});
      },
      "[stack] expected equal shapes, got (1)"));
}

TEST(Dropout, ZeroesTheSameElementsInBothDirections) {
  constexpr double kP = 0.4;
  const Tensor x = full({1000}, 1.0, {.dtype = DType::f64, .requires_grad = true});
  const Tensor y = dropout(x, kP, {.key = 1, .step = 2, .draw = 3});
  backward(sum(y));
  EXPECT_EQ(values(x.grad()), values(y));
  const Values v = values(y);
  EXPECT_NEAR(static_cast<double>(std::count(v.begin(), v.end(), 0.0)), 1000 * kP, 60);
  EXPECT_TRUE(dropout(x, kP, {}, false).is_same(x));
  EXPECT_TRUE(throws<ConfigError>([&] { dropout(x, 1.5, {}); }, "[dropout] expected 0 <= p <= 1, got 1.5"));
}

TEST(BatchNorm, GivesTheStatisticsOfTheBatch) {
  const Tensor x = random_leaf({4, 3, 2, 2}, 1);
  const BatchNormResult result = batch_norm(x);
  EXPECT_LT(distance(result.mean, mean(x.detach(), {0, 2, 3})), 1e-12);
  EXPECT_LT(distance(result.var, var(x.detach(), {0, 2, 3}, 0)), 1e-9);
  EXPECT_FALSE(result.mean.requires_grad());
  const Tensor evaluated = batch_norm_eval(x, result.mean, result.var);
  EXPECT_LT(distance(evaluated, result.y), 1e-9);
}

TEST(Loss, CrossEntropyIsTheNegativeLogLikelihoodOfLogSoftmax) {
  const Tensor x = random_leaf({5, 4}, 1);
  const Tensor labels = indices({3, 0, 1, 2, 3}, {5});
  EXPECT_LT(distance(cross_entropy(x, labels), nll_loss(log_softmax(x), labels)), 1e-14);
  EXPECT_TRUE(
      throws<ShapeError>([&] { mse_loss(x, f64({1}, {1})); }, "[mse_loss] expected equal shapes, got (5, 4) and (1)"));
}

TEST(Ops, RecordNothingWithoutNeed) {
  const Tensor x = random_tensor({4, 4}, 1);
  EXPECT_FALSE(matmul(x, x).requires_grad());
  const NoGradGuard no_grad;
  EXPECT_FALSE(matmul(random_leaf({4, 4}, 1), x).requires_grad());
}

}  // namespace
}  // namespace hop::autograd
