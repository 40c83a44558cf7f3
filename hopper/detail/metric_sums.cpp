#include "hopper/detail/metric_sums.h"

#include <array>
#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/view.h"

namespace hop::hopper {

Shape shape_of_sums(const nn::Metric& metric, const Tensor& output, const Tensor& target) {
  const Shape shape = metric.sums(output, target).shape();
  const std::string where = "[model] metrics: expected sums () or (k) over the rows from " + metric.name + ", got ";
  if (shape.size() > 1 || shape.numel() == 0) throw ConfigError(where + shape.to_string());
  const std::int64_t rows = target.size(0);
  const auto others = [rows](const Tensor& x) {
    const std::array<Tensor, 2> twice = {x, x};
    return rows > 1 ? kernels::slice(x, 0, 1, rows) : kernels::cat(twice, 0);
  };
  const Shape other = metric.sums(others(output), others(target)).shape();
  if (other == shape) return shape;
  throw ConfigError(where + shape.to_string() + " of " + std::to_string(rows) + " rows and " + other.to_string() +
                    " of " + std::to_string(rows > 1 ? rows - 1 : 2) + "; is a sum over the rows missing?");
}

}  // namespace hop::hopper
