// Fractional pooling, functions and layers. Its windows lie where PyTorch's do, because it gets the same random
// samples.
#include "autograd/ops.h"
#include "nn/layers.h"
#include "tests/parity/tables.h"

namespace hop::parity {
namespace {

using A = Arguments;

template <std::size_t N>
std::optional<std::array<double, N>> output_ratio(const A& a) {
  const std::vector<double> given = a.numbers("output_ratio");
  if (given.empty()) return std::nullopt;
  std::array<double, N> all{};
  all.fill(given.front());
  if (given.size() == N) std::copy(given.begin(), given.end(), all.begin());
  return all;
}

nn::FractionalMaxPool2d layer2(const A& a) {
  nn::FractionalPool2dOptions options{.output_ratio = output_ratio<2>(a), .random_samples = a["_random_samples"]};
  if (const auto [height, width] = a.pair("output_size", 0); height != 0) options.output_size = {height, width};
  const auto [height, width] = a.pair("kernel_size", 1);
  return nn::FractionalMaxPool2d({height, width}, options);
}

nn::FractionalMaxPool3d layer3(const A& a) {
  nn::FractionalPool3dOptions options{.output_ratio = output_ratio<3>(a), .random_samples = a["_random_samples"]};
  if (const auto [d, h, w] = a.sizes<3>("output_size", 0); d != 0) options.output_size = {d, h, w};
  const auto [d, h, w] = a.sizes<3>("kernel_size", 1);
  return nn::FractionalMaxPool3d({d, h, w}, options);
}

}  // namespace

// An output_ratio belongs to the layers.
Rows fractional_pool_rows() {
  return {
      {"fractional_max_pool2d",
       [](const A& a) {
         if (a.has("output_ratio")) return maxima(a, layer2(a).with_indices(a["input"]));
         return maxima(a, fractional_max_pool2d_with_indices(a["input"], a.pair("kernel_size", 1),
                                                             a.pair("output_size", 1), a["_random_samples"]));
       }},
      {"fractional_max_pool3d",
       [](const A& a) {
         if (a.has("output_ratio")) return maxima(a, layer3(a).with_indices(a["input"]));
         return maxima(a, fractional_max_pool3d_with_indices(a["input"], a.sizes<3>("kernel_size", 1),
                                                             a.sizes<3>("output_size", 1), a["_random_samples"]));
       }},
      {"nn.FractionalMaxPool2d",
       [](const A& a) {
         return run(a, layer2(a), [&](nn::FractionalMaxPool2d& m) { return maxima(a, m.with_indices(a["input"])); });
       }},
      {"nn.FractionalMaxPool3d",
       [](const A& a) {
         return run(a, layer3(a), [&](nn::FractionalMaxPool3d& m) { return maxima(a, m.with_indices(a["input"])); });
       }},
  };
}

}  // namespace hop::parity
