// The losses of nn/loss_objects.h, as torch.nn has them.
#include "nn/loss_objects.h"

#include "tests/parity/tables.h"

namespace hop::parity {
namespace {

using A = Arguments;

Tensor of_input_and_target(const A& a, const auto& loss) { return loss(a["input"], a["target"]); }

}  // namespace

Rows loss_object_rows() {
  return {
      {"nn.CrossEntropyLoss",
       [](const A& a) {
         const bool has_labels = !is_floating(a["target"].dtype()) || a.has("ignore_index");
         return of_input_and_target(
             a, nn::CrossEntropyLoss{
                    .weight = a["weight"],
                    // PyTorch ignores the label -100 if nothing is said. Only labels can be ignored.
                    .ignore_index = has_labels ? std::optional(a.integer("ignore_index", -100)) : std::nullopt,
                    .reduction = a.reduction(),
                    .label_smoothing = a.number("label_smoothing", 0)});
       }},
      {"nn.NLLLoss",
       [](const A& a) {
         return of_input_and_target(a, nn::NLLLoss{.weight = a["weight"],
                                                   .ignore_index = a.integer("ignore_index", -100),
                                                   .reduction = a.reduction()});
       }},
      {"nn.MultiMarginLoss",
       [](const A& a) {
         return of_input_and_target(a, nn::MultiMarginLoss{.p = static_cast<int>(a.integer("p", 1)),
                                                           .margin = a.number("margin", 1),
                                                           .weight = a["weight"],
                                                           .reduction = a.reduction()});
       }},
      {"nn.MultiLabelMarginLoss",
       [](const A& a) { return of_input_and_target(a, nn::MultiLabelMarginLoss{.reduction = a.reduction()}); }},
      {"nn.CTCLoss",
       [](const A& a) {
         const nn::CTCLoss loss{.blank = a.integer("blank", 0),
                                .reduction = a.reduction(),
                                .zero_infinity = a.flag("zero_infinity", false)};
         return loss(a["log_probs"], a["targets"], a.indices("input_lengths"), a.indices("target_lengths"));
       }},
      {"nn.BCELoss",
       [](const A& a) {
         return of_input_and_target(a, nn::BCELoss{.weight = a["weight"], .reduction = a.reduction()});
       }},
      {"nn.BCEWithLogitsLoss",
       [](const A& a) {
         return of_input_and_target(
             a,
             nn::BCEWithLogitsLoss{.weight = a["weight"], .reduction = a.reduction(), .pos_weight = a["pos_weight"]});
       }},
      {"nn.MultiLabelSoftMarginLoss",
       [](const A& a) {
         return of_input_and_target(a, nn::MultiLabelSoftMarginLoss{.weight = a["weight"], .reduction = a.reduction()});
       }},
      {"nn.KLDivLoss",
       [](const A& a) {
         return of_input_and_target(
             a, nn::KLDivLoss{.reduction = a.reduction(), .log_target = a.flag("log_target", false)});
       }},
      {"nn.SoftMarginLoss",
       [](const A& a) { return of_input_and_target(a, nn::SoftMarginLoss{.reduction = a.reduction()}); }},
      {"nn.HingeEmbeddingLoss",
       [](const A& a) {
         return of_input_and_target(
             a, nn::HingeEmbeddingLoss{.margin = a.number("margin", 1), .reduction = a.reduction()});
       }},
      {"nn.MSELoss", [](const A& a) { return of_input_and_target(a, nn::MSELoss{.reduction = a.reduction()}); }},
      {"nn.L1Loss", [](const A& a) { return of_input_and_target(a, nn::L1Loss{.reduction = a.reduction()}); }},
      {"nn.SmoothL1Loss",
       [](const A& a) {
         return of_input_and_target(a, nn::SmoothL1Loss{.reduction = a.reduction(), .beta = a.number("beta", 1)});
       }},
      {"nn.HuberLoss",
       [](const A& a) {
         return of_input_and_target(a, nn::HuberLoss{.reduction = a.reduction(), .delta = a.number("delta", 1)});
       }},
      {"nn.PoissonNLLLoss",
       [](const A& a) {
         const nn::PoissonNLLLoss loss{.log_input = a.flag("log_input", true),
                                       .full = a.flag("full", false),
                                       .eps = a.number("eps", 1e-8),
                                       .reduction = a.reduction()};
         return loss(a["input"], a["target"]);
       }},
      {"nn.GaussianNLLLoss",
       [](const A& a) {
         const nn::GaussianNLLLoss loss{
             .full = a.flag("full", false), .eps = a.number("eps", 1e-6), .reduction = a.reduction()};
         return loss(a["input"], a["target"], a["var"]);
       }},
      {"nn.MarginRankingLoss",
       [](const A& a) {
         const nn::MarginRankingLoss loss{.margin = a.number("margin", 0), .reduction = a.reduction()};
         return loss(a["input1"], a["input2"], a["target"]);
       }},
      {"nn.TripletMarginLoss",
       [](const A& a) {
         const nn::TripletMarginLoss loss{.margin = a.number("margin", 1),
                                          .p = a.number("p", 2),
                                          .eps = a.number("eps", 1e-6),
                                          .swap = a.flag("swap", false),
                                          .reduction = a.reduction()};
         return loss(a["anchor"], a["positive"], a["negative"]);
       }},
      {"nn.CosineEmbeddingLoss",
       [](const A& a) {
         const nn::CosineEmbeddingLoss loss{.margin = a.number("margin", 0), .reduction = a.reduction()};
         return loss(a["input1"], a["input2"], a["target"]);
       }},
  };
}

}  // namespace hop::parity
