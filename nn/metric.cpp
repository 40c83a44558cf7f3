#include "nn/metric.h"

#include <array>

#include "base/table.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"

namespace hop::nn {
namespace {

// output (N, C), target (N) i64 -> ()
Tensor hits(const Tensor& output, const Tensor& target) {
  return kernels::sum(kernels::eq(kernels::argmax(output, -1), target));
}

constexpr std::array kMetrics = {
    MetricRow{"accuracy", true, hits, nullptr, "The share of rows whose largest output is the one of their class."},
};

}  // namespace

std::span<const MetricRow> metrics() { return kMetrics; }

Metric metric_by_name(std::string_view name) {
  const MetricRow& row = find_row(metrics(), name, "[metric]");
  return {std::string(row.name), row.higher_is_better, row.sums, row.finish};
}

}  // namespace hop::nn
