// The losses of autograd/, as torch.nn.functional has them.
#include "autograd/ctc_loss.h"
#include "autograd/loss.h"
#include "tests/parity/tables.h"

namespace hop::parity {
namespace {

using A = Arguments;

// PyTorch ignores the label -100 if nothing is said.
std::optional<std::int64_t> ignore_index(const A& a) { return a.integer("ignore_index", -100); }

}  // namespace

Rows loss_rows() {
  return {
      {"cross_entropy",
       [](const A& a) {
         // Only labels can be ignored.
         const bool has_labels = !is_floating(a["target"].dtype());
         return cross_entropy(a["input"], a["target"],
                              {.weight = a["weight"],
                               .ignore_index = has_labels || a.has("ignore_index") ? ignore_index(a) : std::nullopt,
                               .reduction = a.reduction(),
                               .label_smoothing = a.number("label_smoothing", 0)});
       }},
      {"nll_loss",
       [](const A& a) {
         return nll_loss(a["input"], a["target"],
                         {.weight = a["weight"], .ignore_index = ignore_index(a), .reduction = a.reduction()});
       }},
      {"ctc_loss",
       [](const A& a) {
         return ctc_loss(a["log_probs"], a["targets"], a.indices("input_lengths"), a.indices("target_lengths"),
                         {.blank = a.integer("blank", 0),
                          .reduction = a.reduction(),
                          .zero_infinity = a.flag("zero_infinity", false)});
       }},
      {"mse_loss",
       [](const A& a) {
         return mse_loss(a["input"], a["target"], {.reduction = a.reduction(), .weight = a["weight"]});
       }},
      {"l1_loss",
       [](const A& a) {
         return l1_loss(a["input"], a["target"], {.reduction = a.reduction(), .weight = a["weight"]});
       }},
      {"smooth_l1_loss",
       [](const A& a) {
         return smooth_l1_loss(a["input"], a["target"], {.reduction = a.reduction(), .beta = a.number("beta", 1)});
       }},
      {"huber_loss",
       [](const A& a) {
         return huber_loss(a["input"], a["target"],
                           {.reduction = a.reduction(), .delta = a.number("delta", 1), .weight = a["weight"]});
       }},
      {"poisson_nll_loss",
       [](const A& a) {
         return poisson_nll_loss(a["input"], a["target"],
                                 {.log_input = a.flag("log_input", true),
                                  .full = a.flag("full", false),
                                  .eps = a.number("eps", 1e-8),
                                  .reduction = a.reduction()});
       }},
      {"gaussian_nll_loss",
       [](const A& a) {
         const GaussianNLLLossOptions options{
             .full = a.flag("full", false), .eps = a.number("eps", 1e-6), .reduction = a.reduction()};
         if (!a.is_tensor("var")) return gaussian_nll_loss(a["input"], a["target"], a.number("var", 0), options);
         return gaussian_nll_loss(a["input"], a["target"], a["var"], options);
       }},
      {"binary_cross_entropy",
       [](const A& a) {
         return binary_cross_entropy(a["input"], a["target"], {.weight = a["weight"], .reduction = a.reduction()});
       }},
      {"binary_cross_entropy_with_logits",
       [](const A& a) {
         return binary_cross_entropy_with_logits(
             a["input"], a["target"],
             {.weight = a["weight"], .reduction = a.reduction(), .pos_weight = a["pos_weight"]});
       }},
      {"kl_div",
       [](const A& a) {
         return kl_div(a["input"], a["target"],
                       {.reduction = a.reduction(), .log_target = a.flag("log_target", false)});
       }},
      {"soft_margin_loss", [](const A& a) { return soft_margin_loss(a["input"], a["target"], a.reduction()); }},
      {"hinge_embedding_loss",
       [](const A& a) {
         return hinge_embedding_loss(a["input"], a["target"],
                                     {.margin = a.number("margin", 1), .reduction = a.reduction()});
       }},
      {"multi_margin_loss",
       [](const A& a) {
         return multi_margin_loss(a["input"], a["target"],
                                  {.p = static_cast<int>(a.integer("p", 1)),
                                   .margin = a.number("margin", 1),
                                   .weight = a["weight"],
                                   .reduction = a.reduction()});
       }},
      {"multilabel_margin_loss",
       [](const A& a) { return multilabel_margin_loss(a["input"], a["target"], a.reduction()); }},
      {"multilabel_soft_margin_loss",
       [](const A& a) {
         return multilabel_soft_margin_loss(a["input"], a["target"],
                                            {.weight = a["weight"], .reduction = a.reduction()});
       }},
      {"margin_ranking_loss",
       [](const A& a) {
         return margin_ranking_loss(a["input1"], a["input2"], a["target"],
                                    {.margin = a.number("margin", 0), .reduction = a.reduction()});
       }},
      {"cosine_embedding_loss",
       [](const A& a) {
         return cosine_embedding_loss(a["input1"], a["input2"], a["target"],
                                      {.margin = a.number("margin", 0), .reduction = a.reduction()});
       }},
      {"triplet_margin_loss",
       [](const A& a) {
         return triplet_margin_loss(a["anchor"], a["positive"], a["negative"],
                                    {.margin = a.number("margin", 1),
                                     .p = a.number("p", 2),
                                     .eps = a.number("eps", 1e-6),
                                     .swap = a.flag("swap", false),
                                     .reduction = a.reduction()});
       }},
  };
}

}  // namespace hop::parity
