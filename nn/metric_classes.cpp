// Metrics of classes and of probabilities.
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/softmax.h"
#include "kernels/view.h"
#include "nn/metric_functions_internal.h"

namespace hop::nn::metric_functions {

static constexpr const char* kOp = "metric";  // in errors

Tensor hits(const Tensor& output, const Tensor& target, const Tensor& weights) {
  if (target.dtype() == DType::i64)
    return kernels::sum(weighted(kernels::eq(kernels::argmax(output, -1), target), weights));
  const Tensor is_wrong = kernels::ne(kernels::gt(output, 0.5), kernels::gt(target, 0.5));
  return kernels::sum(weighted(kernels::eq(sum_over(1, is_wrong), 0), weights));
}

Tensor counts_by_class(const Tensor& scores, const Tensor& target, const Tensor& weights) {
  const Shape classes = {scores.size(-1)};
  const Tensor told = kernels::argmax(scores, -1);
  const Tensor one = weights.defined() ? weights : kernels::ones(target.shape(), DType::f32, target.device());
  const Tensor hit = weighted(kernels::cast(kernels::eq(told, target), DType::f32), weights);
  const std::array counts = {kernels::index_add(classes, 0, target, one, kOp),
                             kernels::index_add(classes, 0, told, one, kOp),
                             kernels::index_add(classes, 0, target, hit, kOp)};
  return kernels::cat(counts, 0);
}

// The F1 of a class is 2 hits / (rows + assigned), or 0 if the class has no rows and none are assigned to it.
double mean_f1(std::span<const double> counts, std::int64_t) {
  const std::size_t classes = counts.size() / 3;
  double sum = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    const double rows = counts[c], told = counts[classes + c], hits = counts[2 * classes + c];
    if (rows + told > 0) sum += 2 * hits / (rows + told);
  }
  return sum / static_cast<double>(classes);
}

// Classes without rows do not count: scikit-learn's balanced_accuracy_score.
double mean_recall(std::span<const double> counts, std::int64_t) {
  const std::size_t classes = counts.size() / 3;
  double sum = 0, present = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    if (counts[c] == 0) continue;
    sum += counts[2 * classes + c] / counts[c];
    ++present;
  }
  return sum / present;
}

// A score that is no number is never a hit.
template <int K>
Tensor hits_of_top(const Tensor& scores, const Tensor& target, const Tensor& weights) {
  const Tensor own = kernels::gather(scores, 1, kernels::unsqueeze(target, 1), kOp);
  const Tensor above = sum_over(1, kernels::gt(scores, own));
  const Tensor is_number = kernels::eq(kernels::squeeze(own, 1), kernels::squeeze(own, 1));
  return kernels::sum(weighted(kernels::lt(kernels::where(is_number, above, K), K), weights));
}
template Tensor hits_of_top<3>(const Tensor&, const Tensor&, const Tensor&);
template Tensor hits_of_top<5>(const Tensor&, const Tensor&, const Tensor&);

Tensor surprise(const Tensor& output, const Tensor& target, const Tensor& weights) {
  if (target.dtype() == DType::i64) {
    const Tensor own = kernels::gather(kernels::log_softmax(output), 1, kernels::unsqueeze(target, 1), kOp);
    return kernels::sum(weighted(kernels::neg(kernels::cast(own, DType::f64)), weights));
  }
  constexpr double kLeast = 1e-15;  // as scikit-learn bounds a probability of 0
  const Tensor p = kernels::cast(output, DType::f64), y = kernels::cast(target, DType::f64);
  const auto log_of = [](const Tensor& x) { return kernels::log(kernels::maximum(x, kLeast)); };
  const Tensor of_one = kernels::mul(y, log_of(p));
  const Tensor of_zero = kernels::mul(kernels::sub(1, y), log_of(kernels::sub(1, p)));
  const double each = -1.0 / static_cast<double>(output.size(1));
  return kernels::mul(kernels::sum(weighted(kernels::add(of_one, of_zero), weights)), each);
}

double exponential_of_mean(std::span<const double> sums, std::int64_t rows) {
  return std::exp(sums.front() / static_cast<double>(rows));
}

// ---- the area under the ROC curve

namespace {

// A bin is a range of log-odds. Scores of one bin count as ties.
constexpr std::int64_t kBins = 8192, kBinsPerUnit = 256, kMostColumns = 64;
constexpr double kLargest = static_cast<double>(kBins) / static_cast<double>(2 * kBinsPerUnit);

// The log-odds of the columns, (N, c), and whether they are true, (N, c) f32.
std::pair<Tensor, Tensor> odds_and_truth(const Tensor& output, const Tensor& target) {
  const auto odds_of = [](const Tensor& log_p) {  // log p - log(1 - p)
    return kernels::sub(log_p, kernels::log(kernels::neg(kernels::expm1(log_p))));
  };
  if (target.dtype() != DType::i64) {
    return {odds_of(kernels::log(kernels::cast(output, DType::f64))),
            kernels::cast(kernels::gt(target, 0.5), DType::i64)};
  }
  if (output.size(1) == 2) {
    const Tensor wide = kernels::cast(output, DType::f64);
    return {kernels::sub(kernels::slice(wide, 1, 1, 2), kernels::slice(wide, 1, 0, 1)), kernels::unsqueeze(target, 1)};
  }
  const Tensor classes = kernels::arange(output.size(1), DType::i64, output.device());
  return {odds_of(kernels::log_softmax(kernels::cast(output, DType::f64))),
          kernels::cast(kernels::eq(kernels::unsqueeze(target, 1), classes), DType::i64)};
}

}  // namespace

Tensor histogram_of_scores(const Tensor& output, const Tensor& target, const Tensor& weights) {
  const auto [odds, truth] = odds_and_truth(output, target);
  const std::int64_t columns = odds.size(1);
  if (columns > kMostColumns) {
    throw ConfigError("[metric] auc: expected at most " + std::to_string(kMostColumns) + " classes, got " +
                      std::to_string(columns) + ": write metrics = [\"balanced_accuracy\"]");
  }
  const Tensor known = kernels::where(kernels::eq(odds, odds), odds, -kLargest);  // not NaN
  const Tensor within = kernels::clamp(known, -kLargest, kLargest);
  const Tensor places = kernels::mul(kernels::add(within, kLargest), static_cast<double>(kBinsPerUnit));
  const Tensor bin = kernels::minimum(kernels::cast(places, DType::i64), kBins - 1);
  const Tensor column = kernels::mul(kernels::arange(columns, DType::i64, output.device()), 2 * kBins);
  const Tensor index = kernels::add(kernels::add(bin, kernels::mul(truth, kBins)), column);
  const Tensor one = weighted(kernels::ones(index.shape(), DType::f32, output.device()), weights);
  const auto flat = [&](const Tensor& x) { return *kernels::try_reshape_view(x, {index.numel()}); };
  return kernels::index_add({2 * kBins * columns}, 0, flat(index), flat(one), kOp);
}

// Per column the share of pairs of a positive and a negative row in which the positive one has the higher score. Ties
// count half. Columns without such a pair do not count.
double mean_area_under_curve(std::span<const double> histogram, std::int64_t) {
  double sum = 0, columns = 0;
  for (std::size_t begin = 0; begin < histogram.size(); begin += 2 * kBins) {
    const auto negatives = histogram.subspan(begin, kBins), positives = histogram.subspan(begin + kBins, kBins);
    double below = 0, above = 0, right = 0;
    for (std::size_t bin = 0; bin < kBins; ++bin) {
      right += positives[bin] * (below + negatives[bin] / 2);
      below += negatives[bin];
      above += positives[bin];
    }
    if (below == 0 || above == 0) continue;
    sum += right / (below * above);
    ++columns;
  }
  return columns > 0 ? sum / columns : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace hop::nn::metric_functions
