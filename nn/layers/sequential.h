#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include "nn/module.h"

namespace hop::nn {

/// A function as a layer. It has no parameters: those of modules that the function captures stay out of the registry,
/// the optimizer and the file.
class Lambda : public Module {
 public:
  explicit Lambda(std::function<Tensor(const Tensor&)> function) : function_(std::move(function)) {}
  Tensor forward(const Tensor& x) override { return function_(x); }
  std::string type_name() const override { return "Lambda"; }

 private:
  std::function<Tensor(const Tensor&)> function_;
};

/// Modules in a row, named "0", "1", ..: nn::Sequential(nn::Linear(2, 8), nn::Tanh(), nn::Linear(8, 1)). A function of
/// a tensor is a layer, too: nn::Sequential(nn::Linear(2, 8), [](const Tensor& x) { return relu(x); }).
class Sequential : public Module {
 public:
  Sequential() = default;
  template <class... Layers>
  requires(sizeof...(Layers) > 1 ||
           !(std::is_base_of_v<Sequential, std::remove_cvref_t<Layers>> || ...)) explicit Sequential(Layers... layers) {
    (push_back(std::move(layers)), ...);
  }

  template <class Layer>
  void push_back(Layer layer) {
    if constexpr (std::is_base_of_v<Module, Layer>) {
      append(std::make_shared<Layer>(std::move(layer)));
    } else {
      static_assert(std::is_invocable_r_v<Tensor, Layer&, const Tensor&>, "a module, or a function of a tensor");
      append(std::make_shared<Lambda>(std::move(layer)));
    }
  }
  void append(AnyModule module);
  std::size_t size() const { return named_children().size(); }

  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Sequential"; }
};

}  // namespace hop::nn
