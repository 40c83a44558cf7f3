// clone: a deep copy of a module.
#pragma once

#include <memory>
#include <type_traits>
#include <typeinfo>

#include "nn/module.h"

namespace hop::nn {
namespace detail {

/// While the scope lives, every copy that this thread makes of `root` or of a part of `root` is a clone. Throws
/// ConfigError if `root` is not of type `type`.
class CloneScope {
 public:
  CloneScope(const Module& root, const std::type_info& type);
  ~CloneScope();
  CloneScope(const CloneScope&) = delete;
  CloneScope& operator=(const CloneScope&) = delete;
  /// Throws ConfigError if the original has a registered tensor that no Parameter holds.
  void finish();

 private:
  const Module& root_;
  std::unique_ptr<Module::Cloning> cloning_;
};

}  // namespace detail

/// A module like `module` that shares nothing with it: its own parameters, buffers and gradients with the same values;
/// the same mode, random key and hooks (the hooks' captures are shared). Tensors and modules that are shared within
/// `module` are also shared within the clone. copy.deepcopy in PyTorch.
///
/// It works by the module's copy constructor, so every member has to be a value: registered tensors as nn::Parameter,
/// children as modules (or std::vector or std::optional of them). Throws ConfigError if a member of the module or of
/// one of its children holds a registered tensor as a plain Tensor, or a child by a pointer. Handles outside the module
/// do not matter, but other threads must not make or drop any during the call.
template <class M>
M clone(const M& module) {
  static_assert(std::is_base_of_v<Module, M>);
  detail::CloneScope scope(module, typeid(M));
  M copy(module);
  scope.finish();
  return copy;
}

}  // namespace hop::nn
