// The losses against PyTorch, with each reduction: losses and gradients (golden/generate_losses.py). Most go through
// the objects of torch.nn; the options that only functions have, and some defaults, through the functions.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "nn/functional.h"
#include "nn/loss_objects.h"
#include "tests/nn/golden_cases.h"

namespace hop::nn {
namespace {

using testing::GoldenCase;
using testing::GoldenFile;
using testing::one;
using Xs = const std::vector<Tensor>&;
using Cases = std::vector<GoldenCase>;

const GoldenFile& file() {
  static const GoldenFile kFile("losses.safetensors");
  return kFile;
}

Tensor f64(std::initializer_list<double> values, const Shape& shape) { return Tensor::from<double>(values, shape); }

Tensor weight() { return f64({0.5, 2, 3}, {3}); }
Tensor factors() { return f64({0.5, 1, 0, 2, 0.25, 1, 1, 1, 3, 0, 0.5, 1.5}, {4, 3}); }

using Reductions = std::vector<std::pair<const char*, Reduction>>;
const Reductions kReductions = {{"_mean", Reduction::mean}, {"_sum", Reduction::sum}, {"_none", Reduction::none}};

/// One case per reduction.
void each(Cases& cases, const std::string& name, const std::function<Tensor(Xs, Reduction)>& op,
          const Reductions& reductions = kReductions) {
  for (const auto& entry : reductions) {
    cases.push_back(one(name + entry.first, [op, r = entry.second](Xs x) { return op(x, r); }));
  }
}

/// The object of that type, with the reduction put in.
template <class Loss>
std::function<Tensor(Xs, Reduction)> object(const Loss& made) {
  return [made](Xs x, Reduction r) {
    Loss loss = made;
    loss.reduction = r;
    if constexpr (requires { loss(x[0], x[1]); })
      return loss(x[0], x[1]);
    else if constexpr (requires { loss(x[0], x[1], x[2]); })
      return loss(x[0], x[1], x[2]);
    else
      return loss(log_softmax(x[0]), x[1], x[2], x[3]);
  };
}

Cases class_cases() {
  Cases all;
  for (const char* name : {"", "_image", "_text", "_row", "_one_class", "_empty", "_large", "_soft", "_soft_empty"}) {
    each(all, std::string("cross_entropy") + name, object(CrossEntropyLoss{}));
  }
  each(all, "cross_entropy_weight", object(CrossEntropyLoss{.weight = weight()}));
  each(all, "cross_entropy_ignore", object(CrossEntropyLoss{.ignore_index = -100}));
  each(all, "cross_entropy_smooth", object(CrossEntropyLoss{.label_smoothing = 0.1}));
  for (const char* name : {"_all", "_image_all", "_row_all"}) {
    each(all, std::string("cross_entropy") + name,
         object(CrossEntropyLoss{.weight = weight(), .ignore_index = 2, .label_smoothing = 0.3}));
  }
  for (const char* name : {"_soft_all", "_soft_image", "_soft_row"}) {
    each(all, std::string("cross_entropy") + name,
         object(CrossEntropyLoss{.weight = weight(), .label_smoothing = 0.2}));
  }
  for (const char* name : {"nll", "nll_row", "nll_empty"}) each(all, name, object(NLLLoss{}));
  each(all, "nll_weight", object(NLLLoss{.weight = weight()}));
  each(all, "nll_ignore", object(NLLLoss{.ignore_index = -100}));
  each(all, "nll_image", object(NLLLoss{.weight = weight(), .ignore_index = 1}));
  return all;
}

Cases number_cases() {
  Cases all;
  for (const char* name : {"", "_scalar", "_empty"}) {
    each(all, std::string("mse") + name, object(MSELoss{}));
    each(all, std::string("l1") + name, object(L1Loss{}));
    each(all, std::string("huber") + name, object(HuberLoss{}));
  }
  each(all, "mse_weight",
       [](Xs x, Reduction r) { return mse_loss(x[0], x[1], {.reduction = r, .weight = factors()}); });
  each(all, "l1_weight", [](Xs x, Reduction r) { return l1_loss(x[0], x[1], {.reduction = r, .weight = factors()}); });
  each(all, "huber_weight",
       [](Xs x, Reduction r) { return huber_loss(x[0], x[1], {.reduction = r, .weight = factors()}); });
  each(all, "huber_delta", object(HuberLoss{.delta = 0.4}));
  each(all, "smooth_l1", object(SmoothL1Loss{}));
  each(all, "smooth_l1_beta", object(SmoothL1Loss{.beta = 0.4}));
  each(all, "smooth_l1_beta_0", object(SmoothL1Loss{.beta = 0}));
  each(all, "poisson_nll", object(PoissonNLLLoss{}));
  each(all, "poisson_nll_full",
       [](Xs x, Reduction r) { return poisson_nll_loss(x[0], x[1], {.full = true, .reduction = r}); });
  each(all, "poisson_nll_rate", object(PoissonNLLLoss{.log_input = false, .eps = 0.01}));
  for (const char* name : {"", "_column", "_row", "_first"}) {
    each(all, std::string("gaussian_nll") + name, object(GaussianNLLLoss{}));
  }
  each(all, "gaussian_nll_full", object(GaussianNLLLoss{.full = true, .eps = 0.3}));
  return all;
}

Cases probability_cases() {
  Cases all;
  for (const char* name : {"bce", "bce_edges", "bce_empty"}) each(all, name, object(BCELoss{}));
  each(all, "bce_weight", object(BCELoss{.weight = weight()}));
  for (const char* name : {"bce_logits", "bce_logits_large"}) each(all, name, object(BCEWithLogitsLoss{}));
  each(all, "bce_logits_all", object(BCEWithLogitsLoss{.weight = factors(), .pos_weight = weight()}));
  Reductions reductions = kReductions;
  reductions.emplace_back("_batchmean", Reduction::batchmean);
  each(all, "kl_div", object(KLDivLoss{}), reductions);
  each(all, "kl_div_log", object(KLDivLoss{.log_target = true}), reductions);
  each(
      all, "kl_div_zero", [](Xs x, Reduction r) { return kl_div(x[0], x[1], {.reduction = r}); }, reductions);
  return all;
}

Cases margin_cases() {
  Cases all;
  each(all, "soft_margin", object(SoftMarginLoss{}));
  each(all, "hinge_embedding", object(HingeEmbeddingLoss{}));
  each(all, "hinge_embedding_other", object(HingeEmbeddingLoss{.margin = 0.5}));
  for (const char* name : {"multi_margin", "multi_margin_row"}) each(all, name, object(MultiMarginLoss{}));
  each(all, "multi_margin_all", object(MultiMarginLoss{.p = 2, .margin = 0.75, .weight = weight()}));
  for (const char* name : {"multilabel_margin", "multilabel_margin_row"}) {
    each(all, name, object(MultiLabelMarginLoss{}));
  }
  each(all, "multilabel_soft_margin", object(MultiLabelSoftMarginLoss{}));
  each(all, "multilabel_soft_margin_weight", object(MultiLabelSoftMarginLoss{.weight = weight()}));
  each(all, "margin_ranking", object(MarginRankingLoss{}));
  each(all, "margin_ranking_margin", object(MarginRankingLoss{.margin = 0.5}));
  for (const char* name : {"cosine_embedding", "cosine_embedding_row"}) each(all, name, object(CosineEmbeddingLoss{}));
  each(all, "cosine_embedding_margin", object(CosineEmbeddingLoss{.margin = -0.5}));
  for (const char* name : {"triplet", "triplet_row"}) each(all, name, object(TripletMarginLoss{}));
  each(all, "triplet_all", object(TripletMarginLoss{.margin = 2, .p = 3, .eps = 0.01, .swap = true}));
  all.push_back(one("pairwise_distance", [](Xs x) { return PairwiseDistance{}(x[0], x[1]); }));
  all.push_back(one("pairwise_distance_options",
                    [](Xs x) { return PairwiseDistance{.p = 1, .eps = 0.1, .keepdim = true}(x[0], x[1]); }));
  all.push_back(one("pairwise_distance_same", [](Xs x) { return PairwiseDistance{.eps = 0}(x[0], x[1]); }));
  return all;
}

Cases ctc_cases() {
  Cases all;
  for (const char* name : {"ctc", "ctc_concatenated", "ctc_short", "ctc_row", "ctc_long"}) {
    each(all, name, object(CTCLoss{}));
  }
  each(all, "ctc_blank", object(CTCLoss{.blank = 4}));
  each(all, "ctc_short_zero", object(CTCLoss{.zero_infinity = true}));
  return all;
}

TEST(GoldenLosses, OfClassesAgreeWithPyTorch) { file().check(class_cases()); }
TEST(GoldenLosses, OfNumbersAgreeWithPyTorch) { file().check(number_cases()); }
TEST(GoldenLosses, OfProbabilitiesAgreeWithPyTorch) { file().check(probability_cases()); }
TEST(GoldenLosses, OfMarginsAgreeWithPyTorch) { file().check(margin_cases()); }
TEST(GoldenLosses, OfSequencesAgreeWithPyTorch) { file().check(ctc_cases()); }

TEST(GoldenLosses, EveryCaseOfTheFileIsTested) {
  file().expect_all_tested({class_cases(), number_cases(), probability_cases(), margin_cases(), ctc_cases()});
}

// The functions have the same defaults as the objects, whose values stand in the file.
TEST(GoldenLosses, FunctionsHaveTheDefaultsOfTheObjects) {
  const auto mean = [](const char* name, const std::function<Tensor(Xs)>& op) {
    Cases one_case;
    one_case.push_back(one(std::string(name) + "_mean", op));
    file().check(one_case);
  };
  mean("cross_entropy", [](Xs x) { return functional::cross_entropy(x[0], x[1]); });
  mean("nll", [](Xs x) { return functional::nll_loss(x[0], x[1]); });
  mean("mse", [](Xs x) { return functional::mse_loss(x[0], x[1]); });
  mean("l1", [](Xs x) { return functional::l1_loss(x[0], x[1]); });
  mean("huber", [](Xs x) { return functional::huber_loss(x[0], x[1]); });
  mean("smooth_l1", [](Xs x) { return functional::smooth_l1_loss(x[0], x[1]); });
  mean("poisson_nll", [](Xs x) { return functional::poisson_nll_loss(x[0], x[1]); });
  mean("gaussian_nll", [](Xs x) { return functional::gaussian_nll_loss(x[0], x[1], x[2]); });
  mean("bce", [](Xs x) { return functional::binary_cross_entropy(x[0], x[1]); });
  mean("bce_logits", [](Xs x) { return functional::binary_cross_entropy_with_logits(x[0], x[1]); });
  mean("kl_div", [](Xs x) { return functional::kl_div(x[0], x[1]); });
  mean("soft_margin", [](Xs x) { return functional::soft_margin_loss(x[0], x[1]); });
  mean("hinge_embedding", [](Xs x) { return functional::hinge_embedding_loss(x[0], x[1]); });
  mean("multi_margin", [](Xs x) { return functional::multi_margin_loss(x[0], x[1]); });
  mean("multilabel_margin", [](Xs x) { return functional::multilabel_margin_loss(x[0], x[1]); });
  mean("multilabel_soft_margin", [](Xs x) { return functional::multilabel_soft_margin_loss(x[0], x[1]); });
  mean("margin_ranking", [](Xs x) { return functional::margin_ranking_loss(x[0], x[1], x[2]); });
  mean("cosine_embedding", [](Xs x) { return functional::cosine_embedding_loss(x[0], x[1], x[2]); });
  mean("triplet", [](Xs x) { return functional::triplet_margin_loss(x[0], x[1], x[2]); });
  mean("ctc", [](Xs x) { return functional::ctc_loss(log_softmax(x[0]), x[1], x[2], x[3]); });
}

}  // namespace
}  // namespace hop::nn
