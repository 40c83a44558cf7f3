// The lines of a declarative model (nn/spec.h): parsed, planned, and built where the model is small.
#include "nn/spec.h"

#include "base/error.h"
#include "tests/fuzz/targets.h"

namespace hop::fuzz {
namespace {

constexpr nn::SpecLimits kLimits{.layers = 1000, .parameter_bytes = 16 << 20};

void build(std::span<const nn::LayerSpec> layers, const Shape& sample) try {
  const nn::SpecPlan plan = nn::plan_spec(layers, sample, kLimits);
  require(plan.shapes.size() == layers.size(), "each layer has its shape");
  require(plan.parameter_bytes <= kLimits.parameter_bytes, "no model passes its limit");
  if (plan.parameter_bytes > (1 << 20) || layers.size() > 50) return;
  std::uint64_t bytes = 0;
  const nn::Sequential model = nn::build_spec(layers, sample, kLimits);
  for (const auto& [name, tensor] : model.state_dict()) bytes += tensor.numel() * size_of(tensor.dtype());
  require(bytes == plan.parameter_bytes, "the plan counts each byte of the model");
} catch (const ConfigError&) {
}

void run(ByteView input) {
  std::vector<std::string> lines{""};
  for (const char c : as_text(input)) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  if (lines.back().empty()) lines.pop_back();
  const std::vector<nn::LayerSpec> layers = nn::parse_spec(lines, kLimits);
  std::vector<std::string> again;
  for (const nn::LayerSpec& layer : layers) again.push_back(layer.to_text());
  require(nn::parse_spec(again, kLimits) == layers, "a layer's shortest text is the layer");
  build(layers, {1, 28, 28});
  build(layers, {16});
}

}  // namespace

constinit const Target kSpec{"spec", run};

}  // namespace hop::fuzz
