#include "nn/layers/sequential.h"

#include <typeinfo>

#include "autograd/rerun.h"
#include "nn/layers/activation.h"
#include "nn/layers/linear.h"

namespace hop::nn {

void Sequential::append(AnyModule module) { add_child(std::to_string(size()), std::move(module)); }

namespace {

/// The linear layer if the relu behind it can be fused: no hook sees the tensor in between. Otherwise null.
Linear* with_relu(Module& module, Module& next) {
  const bool are_ours = typeid(module) == typeid(Linear) && typeid(next) == typeid(ReLU);  // exact types only
  if (!are_ours || autograd::decided(module.has_hooks() || next.has_hooks())) return nullptr;
  return static_cast<Linear*>(&module);
}

}  // namespace

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  const auto& children = named_children();
  for (std::size_t i = 0; i < children.size(); ++i) {
    Linear* const fused = i + 1 < children.size() ? with_relu(*children[i].module, *children[i + 1].module) : nullptr;
    y = fused != nullptr ? (*fused)(y, {.relu = true}) : (*children[i].module)(y);
    if (fused != nullptr) ++i;
  }
  return y;
}

}  // namespace hop::nn
