#include "nn/metric.h"

#include <algorithm>
#include <array>

#include "base/table.h"
#include "nn/metric_functions_internal.h"

namespace hop::nn {
namespace {

using namespace metric_functions;

constexpr std::array kOfScores = {Output::Scores};
constexpr std::array kOfChoices = {Output::Scores, Output::Logit};
constexpr std::array kOfNumbers = {Output::Standard, Output::LogRate, Output::Plain};

constexpr std::array kMetrics = {
    MetricRow{"accuracy", true, kOfChoices, hits, nullptr,
              "The share of rows whose largest output is the one of their class. With loss = \"bce\" the share of rows "
              "whose probabilities are all on the right side of 0.5."},
    MetricRow{"top3_accuracy", true, kOfScores, hits_of_top<3>, nullptr,
              "The share of rows whose class is among the 3 with the largest outputs.", false},
    MetricRow{"top5_accuracy", true, kOfScores, hits_of_top<5>, nullptr,
              "The share of rows whose class is among the 5 with the largest outputs.", false},
    MetricRow{"balanced_accuracy", true, kOfScores, counts_by_class, mean_recall,
              "The mean over the classes of the share of their rows that are told: scikit-learn's "
              "balanced_accuracy_score. Classes without rows do not count."},
    MetricRow{
        "auc", true, kOfChoices, histogram_of_scores, mean_area_under_curve,
        "The area under the ROC curve. Of more than two classes the mean over the classes, each against the rest: "
        "scikit-learn's roc_auc_score with multi_class=\"ovr\". Outputs whose log-odds differ by less than 1/256 "
        "count as ties. With loss = \"bce\" the mean over the columns."},
    MetricRow{"log_loss", false, kOfChoices, surprise, nullptr,
              "The mean of -log of the probability that the model gives to the class: scikit-learn's log_loss. With "
              "loss = \"bce\" also the mean over the columns."},
    MetricRow{"perplexity", false, kOfScores, surprise, exponential_of_mean,
              "exp(log_loss): among how many equally likely classes the model still chooses.", false},
    MetricRow{"micro_f1", true, kOfScores, hits, nullptr,
              "F1 of all classes counted together. Where each row has one class, this is the accuracy.", false},
    MetricRow{
        "macro_f1", true, kOfScores, counts_by_class, mean_f1,
        "The mean of F1 over all classes of the model: scikit-learn's f1_score with average=\"macro\", labels = all "
        "classes, zero_division=0. A class without a row and without a prediction counts 0."},
    MetricRow{"rmse", false, kOfNumbers, squared_errors, mean_root,
              "The root of the mean squared error, in the unit of the label. Of several columns the mean."},
    MetricRow{"mae", false, kOfNumbers, absolute_errors, mean_error,
              "The mean absolute error, in the unit of the label. Of several columns the mean."},
    MetricRow{
        "r2", true, kOfNumbers, errors_and_moments, mean_r2,
        "The coefficient of determination: 1 for right numbers, 0 for the mean of the validation rows. Of several "
        "columns the mean: scikit-learn's r2_score."},
};

}  // namespace

std::span<const MetricRow> metrics() { return kMetrics; }

const MetricRow& find_metric(std::string_view name) { return find_row(metrics(), name, "[metric]"); }

bool measures(const MetricRow& metric, Output output) {
  return std::ranges::find(metric.outputs, output) != metric.outputs.end();
}

std::vector<std::string> default_metrics(Output output) {
  if (output == Output::Scores || output == Output::Logit) return {"accuracy"};
  if (output == Output::Input) return {};
  return {"rmse", "mae", "r2"};
}

Metric metric_by_name(std::string_view name) {
  const MetricRow& row = find_metric(name);
  return {std::string(row.name), row.higher_is_better,
          [sums = row.sums](const Tensor& output, const Tensor& target) { return sums(output, target, {}); },
          row.finish, row.sums};
}

}  // namespace hop::nn
