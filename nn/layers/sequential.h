#pragma once

#include "nn/module.h"

namespace hop::nn {

/// Modules in a row, named "0", "1", ..: nn::Sequential(nn::Linear(2, 8), nn::Tanh(), nn::Linear(8, 1)).
class Sequential : public Module {
 public:
  Sequential() = default;
  template <class... Layers>
  requires(sizeof...(Layers) > 1 ||
           !(std::is_base_of_v<Sequential, std::remove_cvref_t<Layers>> || ...)) explicit Sequential(Layers... layers) {
    (push_back(std::move(layers)), ...);
  }

  template <class M>
  void push_back(M module) {
    static_assert(std::is_base_of_v<Module, M>);
    append(std::make_shared<M>(std::move(module)));
  }
  void append(AnyModule module);
  std::size_t size() const { return named_children().size(); }

  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Sequential"; }
};

}  // namespace hop::nn
