#include "nn/metric.h"

#include <array>

#include "base/table.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/reduce.h"

namespace hop::nn {
namespace {

// output (N, C), target (N) i64 -> ()
Tensor hits(const Tensor& output, const Tensor& target) {
  return kernels::sum(kernels::eq(kernels::argmax(output, -1), target));
}

// output (N, C), target (N) i64 -> (3 C): per class the rows of the class, the rows that the model assigns to it, and
// the hits
Tensor counts_by_class(const Tensor& output, const Tensor& target) {
  const Shape classes = {output.size(-1)};
  const Tensor told = kernels::argmax(output, -1);
  const Tensor one = kernels::ones(target.shape(), DType::f32, target.device());
  const Tensor hit = kernels::cast(kernels::eq(told, target), DType::f32);
  const std::array counts = {kernels::index_add(classes, 0, target, one), kernels::index_add(classes, 0, told, one),
                             kernels::index_add(classes, 0, target, hit)};
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

constexpr std::array kMetrics = {
    MetricRow{"accuracy", true, hits, nullptr, "The share of rows whose largest output is the one of their class."},
    MetricRow{
        "macro_f1", true, counts_by_class, mean_f1,
        "The mean of F1 over all classes of the model: scikit-learn's f1_score with average=\"macro\", labels = all "
        "classes, zero_division=0. A class without a row and without a prediction counts 0."},
};

}  // namespace

std::span<const MetricRow> metrics() { return kMetrics; }

Metric metric_by_name(std::string_view name) {
  const MetricRow& row = find_row(metrics(), name, "[metric]");
  return {std::string(row.name), row.higher_is_better, row.sums, row.finish};
}

}  // namespace hop::nn
