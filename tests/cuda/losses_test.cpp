// All losses on a device: the CPU judges values and gradients. (loss_test.cpp has the fused cross-entropy.)
#include "autograd/loss.h"

#include "autograd/ctc_loss.h"
#include "tests/cuda/composed.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using CudaLosses = OnDevice;

Tensor labels(Xs x) { return i64_beside(x[0], {2, 0, 4, 2}, {4}); }
Tensor signs(const Tensor& x, const Shape& shape) {
  return hop::reshape(beside(x, Tensor::from<float>({1, -1, -1, 1}, {4})), shape);
}
Tensor class_weights(Xs x) { return beside(x[0], Tensor::from<float>({1, 0.5, 2, 1, 0.25}, {5})); }

TEST_F(CudaLosses, OfClassesAreTheCpus) {
  expect_as_on_the_cpu({
      {"cross_entropy_options",
       {{4, 5}},
       [](Xs x) {
         return hop::cross_entropy(x[0], labels(x),
                                   {.weight = class_weights(x), .ignore_index = 0, .label_smoothing = 0.1});
       }},
      {"cross_entropy_images",
       {{1, 5, 2, 2}},
       [](Xs x) {
         return hop::cross_entropy(x[0], hop::reshape(labels(x), {1, 2, 2}), {.reduction = Reduction::sum});
       }},
      {"cross_entropy_probabilities",
       {{4, 5}, {4, 5}},
       [](Xs x) { return hop::cross_entropy(x[0], hop::softmax(x[1], 1), {.reduction = Reduction::none}); }},
      {"nll", {{4, 5}}, [](Xs x) { return hop::nll_loss(hop::log_softmax(x[0]), labels(x)); }},
      {"nll_options",
       {{4, 5}},
       [](Xs x) {
         return hop::nll_loss(x[0], labels(x),
                              {.weight = class_weights(x), .ignore_index = 4, .reduction = Reduction::sum});
       }},
      {"nll_none", {{4, 5}}, [](Xs x) { return hop::nll_loss(x[0], labels(x), {.reduction = Reduction::none}); }},
      {"linear_cross_entropy",
       {{4, 3}, {5, 3}, {5}},
       [](Xs x) { return hop::linear_cross_entropy(x[0], x[1], labels(x), x[2]); }},
      {"multi_margin",
       {{4, 5}},
       [](Xs x) {
         return hop::multi_margin_loss(x[0], labels(x), {.p = 2, .margin = 0.7, .weight = class_weights(x)});
       }},
      {"multilabel_margin",
       {{2, 3}},
       [](Xs x) {
         return hop::multilabel_margin_loss(x[0], i64_beside(x[0], {2, 0, -1, 1, -1, 0}, {2, 3}));
       }},
      {"multilabel_soft_margin",
       {{4, 5}, {4, 5}},
       [](Xs x) { return hop::multilabel_soft_margin_loss(x[0], x[1], {.weight = class_weights(x)}); }},
      {"ctc",
       {{5, 2, 4}},
       [](Xs x) {
         return hop::ctc_loss(hop::log_softmax(x[0]), i64_beside(x[0], {1, 2, 3, 3, 1, 2}, {2, 3}),
                              i64_beside(x[0], {5, 4}, {2}), i64_beside(x[0], {3, 2}, {2}));
       }},
      {"ctc_none",
       {{5, 2, 4}},
       [](Xs x) {
         return hop::ctc_loss(hop::log_softmax(x[0]), i64_beside(x[0], {0, 2, 3, 3}, {4}),
                              i64_beside(x[0], {5, 2}, {2}), i64_beside(x[0], {2, 2}, {2}),
                              {.blank = 1, .reduction = Reduction::none, .zero_infinity = true});
       }},
  });
}

TEST_F(CudaLosses, OfNumbersAreTheCpus) {
  const std::vector<Shape> pair = {{4, 5}, {4, 5}}, triple = {{4, 5}, {4, 5}, {4, 5}};
  expect_as_on_the_cpu({
      {"mse", pair, [](Xs x) { return hop::mse_loss(x[0], x[1]); }},
      {"mse_weight", triple, [](Xs x) { return hop::mse_loss(x[0], x[1], {.weight = hop::square(x[2])}); }},
      {"l1", pair, [](Xs x) { return hop::l1_loss(x[0], x[1]); }},
      {"l1_none", pair, [](Xs x) { return hop::l1_loss(x[0], x[1], {.reduction = Reduction::none}); }},
      {"smooth_l1", pair, [](Xs x) { return hop::smooth_l1_loss(x[0], x[1], {.beta = 0.8}); }},
      {"huber", pair, [](Xs x) { return hop::huber_loss(x[0], x[1], {.delta = 0.8}); }},
      {"huber_weight", triple,
       [](Xs x) { return hop::huber_loss(x[0], x[1], {.reduction = Reduction::sum, .weight = x[2]}); }},
      {"poisson", pair, [](Xs x) { return hop::poisson_nll_loss(x[0], x[1], {.full = true}); }, 0.5, 3},
      {"poisson_of_rates", pair, [](Xs x) { return hop::poisson_nll_loss(x[0], x[1], {.log_input = false}); }, 0.5, 3},
      {"gaussian", triple,
       [](Xs x) { return hop::gaussian_nll_loss(x[0], x[1], hop::square(x[2]), {.full = true, .eps = 0.1}); }},
  });
}

TEST_F(CudaLosses, OfProbabilitiesAreTheCpus) {
  const std::vector<Shape> pair = {{4, 5}, {4, 5}};
  expect_as_on_the_cpu({
      {"bce", pair, [](Xs x) { return hop::binary_cross_entropy(x[0], x[1]); }, 0.05, 0.95},
      {"bce_weight", pair,
       [](Xs x) {
         return hop::binary_cross_entropy(x[0], x[1], {.weight = class_weights(x), .reduction = Reduction::sum});
       },
       0.05, 0.95},
      {"bce_with_logits", pair, [](Xs x) { return hop::binary_cross_entropy_with_logits(x[0], x[1]); }},
      {"bce_with_logits_pos_weight", pair,
       [](Xs x) {
         return hop::binary_cross_entropy_with_logits(x[0], x[1],
                                                      {.reduction = Reduction::none, .pos_weight = class_weights(x)});
       }},
      {"kl_div", pair, [](Xs x) { return hop::kl_div(hop::log(x[0]), x[1], {.reduction = Reduction::batchmean}); },
       0.05, 0.95},
      {"kl_div_of_logarithms", pair, [](Xs x) { return hop::kl_div(x[0], x[1], {.log_target = true}); }},
  });
}

TEST_F(CudaLosses, OfMarginsAreTheCpus) {
  const std::vector<Shape> pair = {{4, 5}, {4, 5}}, triple = {{4, 5}, {4, 5}, {4, 5}};
  expect_as_on_the_cpu({
      {"soft_margin",
       {{2, 2}},
       [](Xs x) {
         return hop::soft_margin_loss(x[0], signs(x[0], {2, 2}));
       }},
      {"hinge_embedding",
       {{2, 2}},
       [](Xs x) {
         return hop::hinge_embedding_loss(x[0], signs(x[0], {2, 2}));
       }},
      {"margin_ranking",
       {{4}, {4}},
       [](Xs x) { return hop::margin_ranking_loss(x[0], x[1], signs(x[0], {4}), {.margin = 0.5}); }},
      {"cosine_embedding", pair,
       [](Xs x) { return hop::cosine_embedding_loss(x[0], x[1], signs(x[0], {4}), {.margin = -0.5}); }},
      {"triplet_margin", triple, [](Xs x) { return hop::triplet_margin_loss(x[0], x[1], x[2]); }},
      {"triplet_margin_options", triple,
       [](Xs x) {
         return hop::triplet_margin_loss(x[0], x[1], x[2],
                                         {.margin = 2, .p = 1.5, .swap = true, .reduction = Reduction::none});
       }},
      {"triplet_margin_with_distance", triple,
       [](Xs x) {
         const auto distance = [](const Tensor& a, const Tensor& b) { return hop::sum(hop::square(a - b), Dims{-1}); };
         return hop::triplet_margin_with_distance_loss(x[0], x[1], x[2], {.distance_function = distance, .margin = 9});
       }},
  });
}

}  // namespace
}  // namespace hop::kernels::cuda
