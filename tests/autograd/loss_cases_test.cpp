// The losses face the judgement of op_case.h, and refuse what does not fit.
#include <cmath>
#include <limits>

#include "tests/autograd/op_case.h"

namespace hop::autograd {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor i64(std::initializer_list<std::int64_t> values, const Shape& shape) {
  return Tensor::from<std::int64_t>(values, shape);
}

Tensor labels() { return i64({4, 0, 2}, {3}); }
Tensor weight() { return f64({0.5, 2, 3, 0.25, 1}, {5}); }
Tensor signs() { return i64({1, -1, 1, 1, -1, -1}, {3, 2}); }

const std::vector<OpCase>& cases() {
  using Xs = const std::vector<Tensor>&;
  constexpr Range kProbabilities{0.2, 0.8, false}, kPositive{0.2, 1.7, false};
  static const std::vector<OpCase> kCases = {
      // classes
      {"cross_entropy_image",
       {{{2, 3, 2}}},
       [](Xs x) {
         return cross_entropy(x[0], i64({0, 2, 1, 1}, {2, 2}));
       }},
      {"cross_entropy_options",
       {{{3, 5}}},
       [](Xs x) {
         return cross_entropy(x[0], labels(), {.weight = weight(), .ignore_index = 0, .label_smoothing = 0.2});
       }},
      {"cross_entropy_none",
       {{{2, 3, 2}}},
       [](Xs x) {
         return cross_entropy(x[0], i64({0, 2, 1, -7}, {2, 2}), {.ignore_index = -7, .reduction = Reduction::none});
       }},
      {"cross_entropy_row", {{{5}}}, [](Xs x) { return cross_entropy(x[0], i64({3}, {})); }},
      {"cross_entropy_probabilities",
       {{{3, 5}}, {{3, 5}}},
       [](Xs x) { return cross_entropy(x[0], x[1], {.weight = weight(), .label_smoothing = 0.1}); }},
      {"nll_loss_options",
       {{{3, 5}}},
       [](Xs x) {
         return nll_loss(x[0], labels(), {.weight = weight(), .ignore_index = 0, .reduction = Reduction::sum});
       }},
      // numbers
      {"mse_loss_weight",
       {{{3, 5}}, {{3, 5}}, {{5}, kPositive}},
       [](Xs x) { return mse_loss(x[0], x[1], {.weight = x[2]}); }},
      {"l1_loss", {{{3, 5}}, {{3, 5}}}, [](Xs x) { return l1_loss(x[0], x[1], {.reduction = Reduction::none}); }},
      {"smooth_l1_loss", {{{3, 5}}, {{3, 5}}}, [](Xs x) { return smooth_l1_loss(x[0], x[1], {.beta = 0.7}); }},
      {"huber_loss",
       {{{3, 5}}, {{3, 5}}, {{3, 1}, kPositive}},
       [](Xs x) { return huber_loss(x[0], x[1], {.delta = 0.7, .weight = x[2]}); }},
      {"poisson_nll_loss", {{{3, 5}}, {{3, 5}, kPositive}}, [](Xs x) { return poisson_nll_loss(x[0], x[1]); }},
      {"poisson_nll_loss_options",
       {{{3, 5}, kPositive}, {{3, 5}, kPositive}},
       [](Xs x) { return poisson_nll_loss(x[0], x[1] * 2, {.log_input = false, .full = true}); }},
      {"gaussian_nll_loss",
       {{{3, 5}}, {{3, 5}}, {{3, 5}, kPositive}},
       [](Xs x) { return gaussian_nll_loss(x[0], x[1], x[2], {.full = true}); }},
      {"gaussian_nll_loss_of_rows",
       {{{3, 5}}, {{3, 5}}, {{3}, kPositive}},
       [](Xs x) { return gaussian_nll_loss(x[0], x[1], x[2]); }},
      // probabilities
      {"binary_cross_entropy",
       {{{3, 5}, kProbabilities}, {{3, 5}, kProbabilities}, {{5}, kPositive}},
       [](Xs x) { return binary_cross_entropy(x[0], x[1], {.weight = x[2]}); }},
      {"binary_cross_entropy_with_logits",
       {{{3, 5}}, {{3, 5}, kProbabilities}, {{5}, kPositive}},
       [](Xs x) { return binary_cross_entropy_with_logits(x[0], x[1], {.weight = weight(), .pos_weight = x[2]}); }},
      {"kl_div",
       {{{3, 5}}, {{3, 5}, kPositive}},
       [](Xs x) { return kl_div(x[0], x[1], {.reduction = Reduction::batchmean}); }},
      {"kl_div_of_logarithms", {{{3, 5}}, {{3, 5}}}, [](Xs x) { return kl_div(x[0], x[1], {.log_target = true}); }},
      // margins
      {"soft_margin_loss", {{{3, 2}}}, [](Xs x) { return soft_margin_loss(x[0], signs()); }},
      {"hinge_embedding_loss", {{{3, 2}}}, [](Xs x) { return hinge_embedding_loss(x[0], signs()); }},
      {"triplet_margin_with_distance_loss",
       {{{3, 4}}, {{3, 4}}, {{3, 4}}},
       [](Xs x) {
         const auto distance = [](const Tensor& a, const Tensor& b) { return 1 - cosine_similarity(a, b); };
         return triplet_margin_with_distance_loss(x[0], x[1], x[2], {.distance_function = distance, .margin = 2});
       }},
      {"linear_cross_entropy",
       {{{3, 4}}, {{5, 4}}, {{5}}},
       [](Xs x) { return linear_cross_entropy(x[0], x[1], labels(), x[2], {.label_smoothing = 0.2}); }},
      {"multi_margin_loss", {{{3, 5}}}, [](Xs x) { return multi_margin_loss(x[0], labels()); }},
      {"multi_margin_loss_squared",
       {{{3, 5}}},
       [](Xs x) { return multi_margin_loss(x[0], labels(), {.p = 2, .margin = 0.8, .weight = weight()}); }},
      {"multilabel_margin_loss",
       {{{2, 3}}},
       [](Xs x) {
         return multilabel_margin_loss(x[0], i64({2, 0, -1, 1, -1, 0}, {2, 3}));
       }},
      {"multilabel_soft_margin_loss",
       {{{3, 5}}, {{3, 5}, kProbabilities}},
       [](Xs x) { return multilabel_soft_margin_loss(x[0], x[1], {.weight = weight()}); }},
      {"margin_ranking_loss",
       {{{3, 2}}, {{3, 2}}},
       [](Xs x) { return margin_ranking_loss(x[0], x[1], signs(), {.margin = 0.3}); }},
      {"cosine_embedding_loss",
       {{{3, 5}}, {{3, 5}}},
       [](Xs x) {
         return cosine_embedding_loss(x[0], x[1], i64({1, -1, 1}, {3}), {.margin = -2});
       }},
      {"triplet_margin_loss",
       {{{3, 5}}, {{3, 5}}, {{3, 5}}},
       [](Xs x) { return triplet_margin_loss(x[0], x[1], x[2], {.margin = 5, .swap = true}); }},
      {"pairwise_distance", {{{3, 5}}, {{3, 5}}}, [](Xs x) { return pairwise_distance(x[0], x[1]); }},
      // sequences
      {"ctc_loss",
       {{{5, 2, 4}}},
       [](Xs x) {
         return ctc_loss(x[0], i64({1, 1, 3, 2, 0, 0}, {2, 3}), i64({5, 4}, {2}), i64({3, 1}, {2}));
       },
       false},
      {"ctc_loss_row",
       {{{4, 3}}},
       [](Xs x) {
         return ctc_loss(log_softmax(x[0]), i64({0, 1}, {2}), i64({4}, {}), i64({2}, {}), {.blank = 2});
       },
       false},
  };
  return kCases;
}

class LossCases : public ::testing::TestWithParam<OpCase> {};

TEST_P(LossCases, PassTheChecks) { judge(GetParam()); }

INSTANTIATE_TEST_SUITE_P(All, LossCases, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

// ---- edges

TEST(ClassLosses, OfABatchInWhichNoLabelCountsAreZero) {
  const Tensor x = random_leaf({3, 5}, 1), all = i64({1, 1, 1}, {3}), none = f64({1, 0, 1, 1, 1}, {5});
  for (const CrossEntropyOptions& options :
       {CrossEntropyOptions{.ignore_index = 1}, CrossEntropyOptions{.weight = none}}) {
    const Tensor loss = cross_entropy(x, all, options);
    EXPECT_EQ(loss.item<double>(), 0);
    EXPECT_EQ(values(grad({loss}, {x})[0]), std::vector<double>(15, 0));
  }
  EXPECT_EQ(nll_loss(x, all, {.ignore_index = 1}).item<double>(), 0);
  EXPECT_TRUE(std::isnan(cross_entropy(zeros({0, 5}), i64({}, {0}), {.ignore_index = 1}).item<float>()));
  EXPECT_TRUE(std::isnan(nll_loss(zeros({0, 5}), i64({}, {0})).item<float>()));
}

TEST(ClassLosses, OfImagesAreTheFusedMeanOfTheirPixels) {
  const Tensor x = random_tensor({2, 3, 4, 5}, 1), labels = kernels::clone(argmax(random_tensor({2, 3, 4, 5}, 2), 1));
  const Tensor rows = reshape(permute(x, {0, 2, 3, 1}), {40, 3});
  EXPECT_TRUE(same_bits(cross_entropy(x, labels), cross_entropy(rows, reshape(labels, {40}))));
}

TEST(ClassLosses, RefuseWhatDoesNotFit) {
  const Tensor x = random_tensor({3, 5}, 1), image = random_tensor({2, 5, 4}, 1);
  EXPECT_TRUE(throws<ShapeError>([&] { cross_entropy(image, labels()); },
                                 "[cross_entropy] expected labels (2, 4) for x (2, 5, 4), got (3)"));
  EXPECT_TRUE(throws<ShapeError>([&] { cross_entropy(f64({1}, {}), labels()); }, "(N, C), (N, C, d..) or (C)"));
  EXPECT_TRUE(throws<ShapeError>([&] { nll_loss(x, i64({1}, {1})); }, "labels (3) for x (3, 5), got (1)"));
  EXPECT_TRUE(throws<ShapeError>([&] { nll_loss(x, labels(), {.weight = f64({1}, {1})}); },
                                 "a weight for each of 5 classes, got (1)"));
  EXPECT_TRUE(throws<DtypeError>([&] { nll_loss(x, random_tensor({3}, 1)); }, "[nll_loss] expected labels of i64"));
  EXPECT_TRUE(throws<DtypeError>([&] { cross_entropy(x, zeros({3, 5}, {.dtype = DType::i64})); }, "a floating target"));
  EXPECT_TRUE(throws<ConfigError>([&] { cross_entropy(x, x, {.ignore_index = 0}); }, "no ignore_index"));
  EXPECT_EQ(cross_entropy(x, x, {.ignore_index = -100}).item<double>(), cross_entropy(x, x).item<double>());
  EXPECT_TRUE(throws<ConfigError>([&] { cross_entropy(x, labels(), {.label_smoothing = -0.1}); }, "got -0.1"));
  EXPECT_TRUE(throws<ConfigError>([&] { cross_entropy(x, labels(), {.reduction = Reduction::batchmean}); },
                                  "batchmean belongs to kl_div"));
  for (const std::int64_t label : {-1, 5}) {
    const Tensor wrong = i64({0, 1, label}, {3});
    EXPECT_THROW(cross_entropy(x, wrong, {.reduction = Reduction::none}), IndexError);
    EXPECT_THROW(nll_loss(x, wrong, {.weight = weight()}), IndexError);
    EXPECT_THROW(multi_margin_loss(x, wrong), IndexError);
  }
  EXPECT_THROW(multilabel_margin_loss(x, full({3, 5}, 5, {.dtype = DType::i64})), IndexError);
}

TEST(NumberLosses, RefuseWhatDoesNotFit) {
  const Tensor x = random_tensor({3, 5}, 1), row = random_tensor({5}, 1);
  EXPECT_TRUE(throws<ShapeError>([&] { l1_loss(x, row); }, "[l1_loss] expected equal shapes, got (3, 5) and (5)"));
  EXPECT_TRUE(throws<ShapeError>([&] { mse_loss(row, row, {.weight = x}); }, "a weight that broadcasts to (5)"));
  EXPECT_TRUE(throws<ConfigError>([&] { smooth_l1_loss(x, x, {.beta = -1}); }, "a beta of at least 0, got -1"));
  EXPECT_TRUE(throws<ConfigError>([&] { huber_loss(x, x, {.delta = 0}); }, "a delta above 0, got 0"));
  EXPECT_TRUE(throws<ConfigError>([&] { l1_loss(x, x, {.reduction = Reduction::batchmean}); }, "[l1_loss]"));
  EXPECT_TRUE(throws<ConfigError>([&] { gaussian_nll_loss(x, x, x, {.eps = 0}); }, "an eps above 0"));
  for (const Shape& shape : {Shape{5}, Shape{1, 1}, Shape{3, 2}, Shape{}}) {
    EXPECT_TRUE(throws<ShapeError>([&] { gaussian_nll_loss(x, x, ones(shape)); }, "variances like x (3, 5)"));
  }
  EXPECT_TRUE(throws<ShapeError>([&] { binary_cross_entropy_with_logits(row, row, {.pos_weight = x}); },
                                 "a pos_weight that broadcasts to (5), got (3, 5)"));
  EXPECT_THROW(kl_div(scalar(1), scalar(1), {.reduction = Reduction::batchmean}), ShapeError);
}

TEST(NumberLosses, OfAVarianceBelowEpsAreThoseOfEps) {
  const Tensor x = f64({1, 1, 1}, {3}), y = f64({3, 3, 3}, {3}), least = full({3}, 0.5, {.dtype = DType::f64});
  const Tensor var = leaf({0, -4, 0.25}, {3});
  const Tensor loss = gaussian_nll_loss(x, y, var, {.eps = 0.5, .reduction = Reduction::none});
  EXPECT_TRUE(same_bits(loss.detach(), gaussian_nll_loss(x, y, least, {.reduction = Reduction::none})));
  for (const double slope : values(grad({sum(loss)}, {var})[0])) EXPECT_NEAR(slope, (1 / 0.5 - 4 / 0.25) / 2, 1e-12);
}

TEST(MarginLosses, RefuseWhatDoesNotFit) {
  const Tensor x = random_tensor({3, 5}, 1), row = random_tensor({5}, 1);
  EXPECT_TRUE(throws<ConfigError>([&] { multi_margin_loss(x, labels(), {.p = 3}); }, "a p of 1 or 2, got 3"));
  EXPECT_TRUE(throws<ShapeError>([&] { multi_margin_loss(x, i64({1}, {})); }, "labels (3) for x (3, 5), got ()"));
  EXPECT_TRUE(throws<DtypeError>([&] { multilabel_margin_loss(x, x); }, "labels of i64"));
  EXPECT_TRUE(throws<ShapeError>([&] { margin_ranking_loss(x, x, row); }, "equal numbers of dimensions"));
  EXPECT_TRUE(throws<ShapeError>([&] { cosine_embedding_loss(x, x, row); }, "targets (N), or (D) and ()"));
  EXPECT_TRUE(throws<ShapeError>([&] { triplet_margin_loss(x, x, row); }, "[triplet_margin_loss]"));
  EXPECT_THROW(pairwise_distance(scalar(1), scalar(2)), ShapeError);
}

// PyTorch takes a number for a row of one class, which has no other class to lose to.
TEST(MarginLosses, TakeANumberForOneClass) {
  const Tensor x = leaf({0.7}, {}), label = i64({0}, {});
  for (const Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum}) {
    for (const Tensor& loss : {multi_margin_loss(x, label, {.weight = f64({2}, {1}), .reduction = reduction}),
                               multilabel_margin_loss(x, label, reduction)}) {
      EXPECT_EQ(loss.shape(), Shape{});
      EXPECT_EQ(values(loss), std::vector<double>{0});
      EXPECT_EQ(values(grad({loss}, {x})[0]), std::vector<double>{0});
    }
  }
  EXPECT_TRUE(throws<ShapeError>(
      [&] {
        multi_margin_loss(f64({}, {2, 0}), i64({0, 0}, {2}));
      },
      "(C) or () with C > 0"));
}

TEST(MarginLosses, AreFiniteForAnyOutput) {
  const Tensor x = leaf({1000, -1000}, {2});
  const Tensor loss = soft_margin_loss(x, i64({-1, 1}, {2}), Reduction::sum);
  EXPECT_EQ(loss.item<double>(), 2000);
  EXPECT_EQ(values(grad({loss}, {x})[0]), (std::vector<double>{1, -1}));
}

TEST(CtcLoss, OfTooFewFramesIsInfiniteOrLeftOut) {
  const Tensor x = random_leaf({3, 2, 3}, 1), targets = i64({1, 1, 2, 1}, {2, 2});
  const auto loss = [&](bool zero_infinity) {
    return ctc_loss(x, targets, i64({2, 3}, {2}), i64({2, 2}, {2}),
                    {.reduction = Reduction::none, .zero_infinity = zero_infinity});
  };
  EXPECT_EQ(values(loss(false))[0], kInfinity) << "a repeat needs a blank between";
  EXPECT_TRUE(std::isfinite(values(loss(false))[1]));
  EXPECT_EQ(values(loss(true))[0], 0);
  const Tensor slope = grad({sum(loss(true))}, {x})[0];
  EXPECT_EQ(values(select(slope, 1, 0)), std::vector<double>(9, 0));
  EXPECT_NE(values(select(slope, 1, 1)), std::vector<double>(9, 0));
}

TEST(CtcLoss, OfOneFrameAndNoLabelIsThatOfTheBlank) {
  const Tensor x = leaf({-0.5, -1.5, -2.5}, {1, 1, 3});
  const Tensor loss = ctc_loss(x, zeros({1, 0}, {.dtype = DType::i64}), i64({1}, {1}), i64({0}, {1}), {.blank = 2});
  EXPECT_EQ(loss.item<double>(), 2.5);
  EXPECT_EQ(values(grad({loss}, {x})[0]), (std::vector<double>{0, 0, -1}));
}

TEST(CtcLoss, WithoutFramesSpellsNothing) {
  const Tensor x = leaf({}, {0, 2, 3});
  const Tensor losses =
      ctc_loss(x, i64({1, 1}, {2, 1}), i64({0, 0}, {2}), i64({0, 1}, {2}), {.reduction = Reduction::none});
  EXPECT_EQ(values(losses), (std::vector<double>{0, kInfinity}));
  EXPECT_EQ(grad({sum(losses)}, {x})[0].shape(), x.shape());
}

TEST(CtcLoss, RefusesWhatDoesNotFit) {
  const Tensor x = random_leaf({4, 2, 3}, 1), y = i64({1, 2, 2, 1}, {2, 2}), t = i64({4, 4}, {2}), s = i64({2, 2}, {2});
  EXPECT_TRUE(throws<ShapeError>([&] { ctc_loss(f64({1}, {1}), y, t, s); }, "(T, N, C) or (T, C)"));
  EXPECT_TRUE(throws<ShapeError>([&] { ctc_loss(x, i64({1}, {1, 1}), t, s); }, "targets (N, S), or all in one row"));
  EXPECT_TRUE(throws<ShapeError>([&] { ctc_loss(x, i64({1, 2}, {2}), t, i64({1, 2}, {2})); }, "the sum of the"));
  EXPECT_TRUE(throws<ShapeError>([&] { ctc_loss(x, y, i64({4}, {1}), s); }, "input_lengths"));
  EXPECT_TRUE(throws<DtypeError>([&] { ctc_loss(x, y, f64({4, 4}, {2}), s); }, "input_lengths of integers"));
  EXPECT_TRUE(throws<IndexError>([&] { ctc_loss(x, y, i64({5, 4}, {2}), s); }, "input_lengths from 0 to 4, got 5"));
  EXPECT_TRUE(throws<IndexError>([&] { ctc_loss(x, y, t, i64({2, -1}, {2})); }, "target_lengths from 0 to 2, got -1"));
  EXPECT_TRUE(throws<IndexError>([&] { ctc_loss(x, y, t, s, {.blank = 3}); }, "a blank from 0 to 2, got 3"));
  EXPECT_TRUE(throws<IndexError>([&] { ctc_loss(x, y, t, s, {.blank = 2}); }, "other than the blank 2, got 2"));
  EXPECT_TRUE(throws<IndexError>([&] { ctc_loss(x, i64({1, 3, 2, 1}, {2, 2}), t, s); }, "labels from 0 to 2"));
  EXPECT_TRUE(throws<AutogradError>([&] { grad({ctc_loss(x, y, t, s)}, {x}, {.create_graph = true}); },
                                    "no second derivative"));
}

}  // namespace
}  // namespace hop::autograd
