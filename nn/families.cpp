#include "nn/families.h"

#include <algorithm>

#include "autograd/elementwise.h"
#include "autograd/pool.h"
#include "autograd/view.h"
#include "base/error.h"
#include "nn/detail/family_values.h"
#include "nn/detail/text.h"

namespace hop::nn {
namespace {

// The widths, as text: the spec checks them.
std::vector<std::string> hidden_widths(const ConfigText& config) {
  std::vector<std::string> widths = detail::width_texts(text_of(config, "hidden", "128"));
  const std::int64_t depth = integer_of(config, "depth", 1);
  if (depth < 0 || depth > 1'000)
    throw ConfigError("[mlp] expected a depth of 0 to 1000, got " + std::to_string(depth));
  if (widths.size() == 1) widths.resize(static_cast<std::size_t>(depth), widths[0]);
  return widths;
}

// The size of an image's side after two rounds of (5x5 convolution, 2x2 pooling).
std::int64_t after_convolutions(std::int64_t size) { return ((size - 4) / 2 - 4) / 2; }

std::vector<std::string> mlp_layers(const FamilyRequest& request) {
  detail::check_numbers("mlp", request);
  static constexpr std::string_view kActivations[] = {"relu", "leaky_relu", "sigmoid", "tanh", "gelu", "silu"};
  const std::string activation = text_of(request.config, "activation", "relu");
  if (std::ranges::find(kActivations, activation) == std::end(kActivations)) {
    throw ConfigError("[mlp] expected an activation, got \"" + activation + "\"" + hint(activation, kActivations));
  }
  const double dropout = number_of(request.config, "dropout", 0);
  std::vector<std::string> layers = {"flatten"};
  for (const std::string& width : hidden_widths(request.config)) {
    layers.push_back("linear " + width);
    layers.push_back(activation);
    if (dropout != 0) layers.push_back("dropout " + shortest(dropout));
  }
  layers.push_back("linear " + std::to_string(request.classes));
  return layers;
}

}  // namespace

std::shared_ptr<Module> make_mlp(const FamilyRequest& request) {
  return std::make_shared<Sequential>(build_spec(parse_spec(mlp_layers(request)), request.sample));
}

LeNet::LeNet(const Shape& sample, std::int64_t classes)
    : conv1(register_module("conv1", Conv2d(sample[0], 16, 5))),
      conv2(register_module("conv2", Conv2d(16, 32, 5))),
      fc1(register_module("fc1", Linear(32 * after_convolutions(sample[1]) * after_convolutions(sample[2]), 128))),
      fc2(register_module("fc2", Linear(128, classes))) {}

Tensor LeNet::forward(const Tensor& x) {
  Tensor y = max_pool2d(relu(conv1(x)), {.kernel = {2, 2}});
  y = max_pool2d(relu(conv2(y)), {.kernel = {2, 2}});
  return fc2(fc1(flatten(y, 1), {.relu = true}));
}

std::vector<NamedLayer> family_layers(std::string_view family, const FamilyRequest& request) {
  std::vector<NamedLayer> layers;
  if (family == "mlp") {
    for (const std::string& text : mlp_layers(request)) layers.push_back({std::to_string(layers.size()), text});
  } else if (family == "lenet") {
    layers = {{"conv1", "conv2d 16 5"},  {"relu1", "relu"},
              {"pool1", "max_pool2d 2"}, {"conv2", "conv2d 32 5"},
              {"relu2", "relu"},         {"pool2", "max_pool2d 2"},
              {"flatten", "flatten"},    {"fc1", "linear 128"},
              {"relu3", "relu"},         {"fc2", "linear " + std::to_string(request.classes)}};
  }
  return layers;
}

std::shared_ptr<Module> make_lenet(const FamilyRequest& request) {
  detail::check_image("lenet", request, 16);
  return std::make_shared<LeNet>(request.sample, request.classes);
}

}  // namespace hop::nn
