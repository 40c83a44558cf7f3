// Modules that hold modules or parameters by index or by name. They compute nothing: the module that owns them calls
// their parts.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "nn/module.h"

namespace hop::nn {

/// torch.nn.ModuleList: modules named "0", "1", ..:
///
///   nn::ModuleList layers = register_module("layers", nn::ModuleList(nn::Linear(2, 8), nn::Linear(8, 1)));
///   for (std::size_t i = 0; i < layers.size(); ++i) y = layers[i](y);
///
/// A module that is called with more than one tensor needs its own type: keep a handle (std::vector<nn::LSTM>) beside.
/// forward() throws hop::Error.
class ModuleList : public Module {
 public:
  ModuleList() = default;
  template <class... Modules>
  requires(sizeof...(Modules) > 1 || !(std::is_base_of_v<ModuleList, std::remove_cvref_t<Modules>> ||
                                       ...)) explicit ModuleList(Modules... parts) {
    (push_back(std::move(parts)), ...);
  }

  template <class M>
  void push_back(M module) {
    static_assert(std::is_base_of_v<Module, M>);
    append(std::make_shared<M>(std::move(module)));
  }
  void append(AnyModule module);
  std::size_t size() const { return named_children().size(); }
  /// Throws IndexError.
  Module& operator[](std::size_t i) const;
  std::string type_name() const override { return "ModuleList"; }
};

/// torch.nn.ModuleDict: modules by name, in the order of insertion. forward() throws hop::Error.
class ModuleDict : public Module {
 public:
  /// Throws ConfigError for a name that is empty, has a dot or is taken (PyTorch replaces: see replace_module).
  template <class M>
  void insert(std::string_view name, M module) {
    static_assert(std::is_base_of_v<Module, M>);
    add_child(name, std::make_shared<M>(std::move(module)));
  }
  std::size_t size() const { return named_children().size(); }
  bool contains(std::string_view name) const;
  std::vector<std::string> keys() const;
  /// Throws IndexError, which lists the names.
  Module& operator[](std::string_view name) const;
  std::string type_name() const override { return "ModuleDict"; }
};

/// torch.nn.ParameterList: parameters named "0", "1", .., with the values that they are given (init_parameters() keeps
/// them). Their number is fixed, because every handle to the list must know them all. forward() throws hop::Error.
class ParameterList : public Module {
 public:
  /// Throws Error for an undefined tensor, DtypeError for one of integers.
  explicit ParameterList(const std::vector<Tensor>& values);
  std::size_t size() const { return parameters_.size(); }
  /// Throws IndexError.
  const Parameter& operator[](std::size_t i) const;
  std::string type_name() const override { return "ParameterList"; }

 private:
  std::vector<Parameter> parameters_;
};

}  // namespace hop::nn
