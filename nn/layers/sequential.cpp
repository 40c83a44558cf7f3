#include "nn/layers/sequential.h"

namespace hop::nn {

void Sequential::append(std::shared_ptr<Module> module) { add_child(std::to_string(size()), std::move(module)); }

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const NamedModule& child : named_children()) y = (*child.module)(y);
  return y;
}

}  // namespace hop::nn
