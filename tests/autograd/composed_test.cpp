// Every operation that is composed of others faces the judgement of op_case.h, over odd shapes.
// (tests/nn/golden_breadth_test.cpp compares these operations with PyTorch.)
#include <cmath>

#include "tests/autograd/op_case.h"

namespace hop::autograd {
namespace {

Tensor truths(std::initializer_list<bool> values, const Shape& shape) { return Tensor::from<bool>(values, shape); }

Tensor words(std::initializer_list<std::int64_t> values) {
  return Tensor::from<std::int64_t>(values, {static_cast<std::int64_t>(values.size())});
}

const std::vector<OpCase>& cases() {
  using Xs = const std::vector<Tensor>&;
  static const std::vector<OpCase> kCases = {
      // shapes
      {"split",
       {{{2, 5}}},
       [](Xs x) {
         const auto parts = split(x[0], {1, 3, 1}, -1);
         return cat({parts[2] * parts[0], parts[1]}, 1);
       }},
      {"chunk",
       {{{5, 2}}},
       [](Xs x) {
         const auto parts = chunk(x[0], 2);
         return matmul(parts[0], transpose(parts[1], 0, 1));
       }},
      {"unbind",
       {{{3, 4}}},
       [](Xs x) {
         const auto rows = unbind(x[0]);
         return rows[0] * rows[2];
       }},
      {"flip",
       {{{3, 2, 4}}},
       [](Xs x) {
         return flip(x[0], {-1, 0});
       }},
      {"roll",
       {{{3, 4}}},
       [](Xs x) {
         return roll(x[0], {1, -3}, {0, 1});
       }},
      {"repeat",
       {{{2, 3}}},
       [](Xs x) {
         return repeat(x[0], {2, 3, 2});
       }},
      {"tile", {{{2, 3}}}, [](Xs x) { return square(tile(x[0], {2})); }},
      {"repeat_interleave", {{{2, 3}}}, [](Xs x) { return repeat_interleave(x[0], 2, -1); }},
      {"diagonal", {{{3, 2, 4}}}, [](Xs x) { return diagonal(x[0], 1, 0, -1); }},
      {"meshgrid",
       {{{2}}, {{3}}},
       [](Xs x) {
         const auto grids = meshgrid(x, MeshIndexing::xy);
         return grids[0] * grids[1];
       }},
      {"pad",
       {{{2, 3}}},
       [](Xs x) {
         return pad(x[0], {2, -1, 0, 1}, PadMode::constant, 0.5);
       }},
      {"pad_reflect",
       {{{3, 4}}},
       [](Xs x) {
         return pad(x[0], {3, 1, 1, 2}, PadMode::reflect);
       }},
      {"pad_replicate",
       {{{3, 2}}},
       [](Xs x) {
         return pad(x[0], {3, 1, 1, 0}, PadMode::replicate);
       }},
      {"pad_circular",
       {{{3, 2}}},
       [](Xs x) {
         return pad(x[0], {2, 1, 1, 0}, PadMode::circular);
       }},
      // masks
      {"masked_fill",
       {{{2, 3}}, {{}}},
       [](Xs x) {
         return masked_fill(x[0], truths({true, false, true}, {3}), x[1]);
       }},
      {"masked_select",
       {{{2, 3}}},
       [](Xs x) {
         return masked_select(x[0], truths({true, false, true, false, true, true}, {2, 3}));
       }},
      {"tril", {{{3, 4}}}, [](Xs x) { return tril(x[0], 1); }},
      {"triu", {{{2, 3, 3}}}, [](Xs x) { return triu(x[0]); }},
      {"nan_to_num", {{{2, 3}}}, [](Xs x) { return nan_to_num(x[0]); }},
      // summaries
      {"norm_1", {{{3, 4}}}, [](Xs x) { return norm(x[0], 1, {1}); }},
      {"norm_2", {{{3, 4}}}, [](Xs x) { return norm(x[0]); }},
      {"norm_3", {{{3, 4}}}, [](Xs x) { return norm(x[0], 3, {-1}, true); }},
      {"norm_half", {{{3, 4}}}, [](Xs x) { return norm(x[0], 0.5, {1}); }},
      {"norm_0", {{{3, 4}}}, [](Xs x) { return norm(x[0], 0, {1}) * sum(square(x[0])); }},
      {"norm_inf", {{{3, 4}}}, [](Xs x) { return norm(x[0], HUGE_VAL, {1}); }},
      {"norm_minus_2", {{{3, 4}}}, [](Xs x) { return norm(x[0], -2, {1}); }},
      {"std", {{{3, 4}}}, [](Xs x) { return hop::std(x[0], {-1}, 0); }},
      {"logsumexp", {{{3, 4}}}, [](Xs x) { return logsumexp(x[0], {1}); }},
      {"logsumexp_all", {{{3, 4}}}, [](Xs x) { return logsumexp(x[0]); }},
      {"prod", {{{3, 5}}}, [](Xs x) { return prod(x[0], 1); }},
      {"prod_all", {{{2, 3}}}, [](Xs x) { return prod(x[0]); }},
      {"cumsum", {{{2, 5}}}, [](Xs x) { return cumsum(x[0], -1); }},
      // products
      {"bmm", {{{2, 3, 2}}, {{2, 2, 1}}}, [](Xs x) { return bmm(x[0], x[1]); }},
      {"mm", {{{3, 2}}, {{2, 4}}}, [](Xs x) { return mm(x[0], x[1]); }},
      {"mv", {{{3, 4}}, {{4}}}, [](Xs x) { return mv(x[0], x[1]); }},
      {"dot", {{{5}}, {{5}}}, [](Xs x) { return dot(x[0], x[1]); }},
      {"outer", {{{3}}, {{2}}}, [](Xs x) { return outer(x[0], x[1]); }},
      {"addmm", {{{2}}, {{3, 2}}, {{2, 2}}}, [](Xs x) { return addmm(x[0], x[1], x[2], -1, 0.5); }},
      {"baddbmm", {{{3, 1}}, {{2, 3, 1}}, {{2, 1, 2}}}, [](Xs x) { return baddbmm(x[0], x[1], x[2]); }},
      {"cdist", {{{3, 2}}, {{2, 2}}}, [](Xs x) { return cdist(x[0], x[1]); }},
      {"cdist_3", {{{3, 2}}, {{2, 2}}}, [](Xs x) { return cdist(x[0], x[1], 3); }},
      {"cosine_similarity", {{{3, 4}}, {{1, 4}}}, [](Xs x) { return cosine_similarity(x[0], x[1]); }},
      {"normalize", {{{3, 4}}}, [](Xs x) { return normalize(x[0]); }},
      {"einsum",
       {{{2, 3, 2}}, {{2, 3, 4}}},
       [](Xs x) {
         return einsum("bij,bik->bkj", {x[0], x[1]});
       }},
      {"einsum_three",
       {{{2, 3}}, {{3, 3}}, {{2, 1}}},
       [](Xs x) {
         return einsum("bi,ij,bj", {x[0], x[1], x[2]});
       }},
      {"einsum_diagonal", {{{3, 2, 3}}}, [](Xs x) { return einsum("iji->j", {x[0]}); }},
      // images and volumes
      {"bicubic",
       {{{2, 1, 3, 2}}},
       [](Xs x) {
         return interpolate(x[0], {.size = {4, 3}, .mode = InterpolateMode::bicubic});
       }},
      {"embedding_bag_offsets",
       {{{5, 3}}, {{6}}},
       [](Xs x) {
         return square(embedding_bag(x[0], words({4, 0, 4, 1, 3, 0}),
                                     {.offsets = words({0, 3, 3}),
                                      .mode = EmbeddingBagMode::sum,
                                      .per_sample_weights = x[1],
                                      .padding_idx = 3}));
       }},
      {"embedding_bag_mean",
       {{{5, 3}}},
       [](Xs x) {
         return square(embedding_bag(x[0], words({4, 0, 4, 1, 3}),
                                     {.offsets = words({0, 0, 2, 5}), .include_last_offset = true}));
       }},
      {"embedding_bag_max",
       {{{5, 3}}},
       [](Xs x) {
         return square(
             embedding_bag(x[0], words({4, 0, 2, 1, 3}), {.offsets = words({0, 2}), .mode = EmbeddingBagMode::max}));
       }},
      {"embedding_bag_max_rows",
       {{{5, 3}}},
       [](Xs x) {
         return square(embedding_bag(x[0], reshape(words({4, 0, 2, 1}), {2, 2}), {.mode = EmbeddingBagMode::max}));
       }},
      {"batch_norm_line", {{{2, 3, 4}}, {{3}}, {{3}}}, [](Xs x) { return batch_norm(x[0], x[1], x[2]).y; }},
      {"batch_norm_volume", {{{2, 2, 2, 1, 3}}, {{2}}, {{2}}}, [](Xs x) { return batch_norm(x[0], x[1], x[2]).y; }},
      {"batch_norm_eval_line",
       {{{2, 3, 4}}, {{3}}, {{3}}},
       [](Xs x) {
         const DType dtype = x[0].dtype();
         return square(
             batch_norm_eval(x[0], full({3}, 0.3, {.dtype = dtype}), full({3}, 1.7, {.dtype = dtype}), x[1], x[2]));
       }},
      {"area",
       {{{2, 1, 3, 4}}},
       [](Xs x) {
         return square(interpolate(x[0], {.size = {2, 5}, .mode = InterpolateMode::area}));
       }},
      {"max_pool1d_with_indices", {{{2, 2, 5}}}, [](Xs x) { return square(max_pool1d_with_indices(x[0]).values); }},
      {"max_pool3d_with_indices",
       {{{1, 2, 2, 3, 4}}},
       [](Xs x) { return square(max_pool3d_with_indices(x[0]).values); }},
      {"max_unpool2d",
       {{{2, 1, 2, 2}}},
       [](Xs x) {
         const Tensor places = Tensor::from<std::int64_t>({0, 7, 9, 13, 4, 6, 14, 11}, {2, 1, 2, 2});
         return square(max_unpool2d(x[0], places));
       }},
      {"fractional_max_pool2d",
       {{{1, 2, 4, 5}}},
       [](Xs x) {
         const Tensor samples = kernels::full({1, 2, 2}, 0.6, x[0].dtype());
         return square(fractional_max_pool2d(x[0], {2, 2}, {2, 3}, samples));
       }},
      {"fractional_max_pool3d",
       {{{1, 1, 3, 3, 4}}},
       [](Xs x) {
         const Tensor samples = kernels::full({1, 1, 3}, 0.3, x[0].dtype());
         return square(fractional_max_pool3d(x[0], {2, 1, 2}, {2, 2, 2}, samples));
       }},
      {"lp_pool1d", {{{2, 2, 5}, {.both_signs = false}}}, [](Xs x) { return lp_pool1d(x[0], 1.5, {.stride = 1}); }},
      {"lp_pool2d",
       {{{1, 2, 4, 3}}},
       [](Xs x) {
         return lp_pool2d(x[0], 2, {.stride = {1, 1}});
       }},
      {"lp_pool3d", {{{1, 1, 2, 3, 2}}}, [](Xs x) { return lp_pool3d(x[0], 2); }},
      // activations
      {"hardtanh", {{{3, 4}}}, [](Xs x) { return hardtanh(x[0], -0.5, 1); }},
      {"relu6", {{{3, 4}}}, [](Xs x) { return relu6(x[0] * 5); }},
      {"hardsigmoid", {{{3, 4}}}, [](Xs x) { return hardsigmoid(x[0] * 3); }},
      {"hardswish", {{{3, 4}}}, [](Xs x) { return hardswish(x[0] * 3); }},
      {"mish", {{{3, 4}}}, [](Xs x) { return mish(x[0]); }},
      {"selu", {{{3, 4}}}, [](Xs x) { return selu(x[0]); }},
      {"prelu", {{{2, 3, 2}}, {{3}}}, [](Xs x) { return prelu(x[0], x[1]); }},
      {"glu", {{{3, 4}}}, [](Xs x) { return glu(x[0]); }},
      {"softsign", {{{3, 4}}}, [](Xs x) { return softsign(x[0]); }},
      {"hardshrink", {{{3, 4}}}, [](Xs x) { return square(hardshrink(x[0], 0.9)); }},
      {"softshrink", {{{3, 4}}}, [](Xs x) { return square(softshrink(x[0], 0.9)); }},
      {"tanhshrink", {{{3, 4}}}, [](Xs x) { return tanhshrink(x[0]); }},
      {"threshold", {{{3, 4}}}, [](Xs x) { return square(threshold(x[0], 0.9, 20)); }},
      {"logit", {{{3, 4}, {0.2, 0.8, false}}}, [](Xs x) { return logit(x[0]); }},
      {"lerp", {{{3, 4}}, {{4}}, {{3, 1}}}, [](Xs x) { return lerp(x[0], x[1], x[2]); }},
      {"addcmul", {{{3, 4}}, {{4}}, {{3, 1}}}, [](Xs x) { return addcmul(x[0], x[1], x[2], 2); }},
      {"addcdiv", {{{3, 4}}, {{4}}, {{3, 1}}}, [](Xs x) { return addcdiv(x[0], x[1], x[2], -0.5); }},
  };
  return kCases;
}

class Composed : public ::testing::TestWithParam<OpCase> {};

TEST_P(Composed, PassesTheChecks) { judge(GetParam()); }

INSTANTIATE_TEST_SUITE_P(All, Composed, ::testing::ValuesIn(cases()), [](const auto& test) { return test.param.name; });

// More than 25 rows: squares from a matrix product. In f32 it loses digits, so f64 alone is checked.
TEST(ComposedGradients, OfManyDistancesAgreeWithTheSlope) {
  const auto distances = [](const std::vector<Tensor>& x) { return std::vector<Tensor>{cdist(x[0], x[1])}; };
  const std::vector<Tensor> x = {random_leaf({26, 2}, 1), random_leaf({2, 2}, 2)};
  EXPECT_TRUE(testing::gradcheck(distances, x).ok) << testing::gradcheck(distances, x).message;
}

}  // namespace
}  // namespace hop::autograd
