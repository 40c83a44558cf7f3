#include "nn/optim/no_decay.h"

#include <string_view>
#include <unordered_set>

#include "nn/layers/norm.h"

namespace hop::optim {
namespace {

bool is_norm(const nn::Module& module) {
  return dynamic_cast<const nn::BatchNorm*>(&module) != nullptr ||
         dynamic_cast<const nn::LayerNorm*>(&module) != nullptr ||
         dynamic_cast<const nn::GroupNorm*>(&module) != nullptr ||
         dynamic_cast<const nn::InstanceNorm*>(&module) != nullptr ||
         dynamic_cast<const nn::RMSNorm*>(&module) != nullptr;
}

bool is_bias(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return name.substr(dot == std::string_view::npos ? 0 : dot + 1).find("bias") != std::string_view::npos;
}

std::vector<nn::NamedTensor> without_decay(nn::Module& module) {
  std::unordered_set<const void*> of_norms;
  for (const auto& [name, inner] : module.named_modules()) {
    if (!is_norm(*inner)) continue;
    for (const nn::NamedTensor& p : inner->named_parameters()) of_norms.insert(p.tensor.id());
  }
  std::vector<nn::NamedTensor> found;
  for (const nn::NamedTensor& p : module.named_parameters()) {
    if (is_bias(p.name) || of_norms.contains(p.tensor.id())) found.push_back(p);
  }
  return found;
}

}  // namespace

std::vector<std::string> parameters_without_decay(nn::Module& module) {
  std::vector<std::string> names;
  for (const nn::NamedTensor& p : without_decay(module)) names.push_back(p.name);
  return names;
}

void keep_from_decay(Optimizer& optimizer, nn::Module& module) {
  std::unordered_set<const void*> kept;
  for (const nn::NamedTensor& p : without_decay(module)) kept.insert(p.tensor.id());
  for (ParameterSegment& segment : optimizer.segments()) {
    if (kept.contains(segment.parameter.id())) segment.weight_decay_scale = 0;
  }
}

}  // namespace hop::optim
