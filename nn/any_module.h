// AnyModule: a module of any type behind one pointer, and how to copy it.
#pragma once

#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace hop::nn {

class Module;

/// A shared module whose type is erased. If it is made from a pointer to the module's own type, it can be cloned as a
/// part of its parent. If it is made from a std::shared_ptr<Module>, it cannot.
class AnyModule {
 public:
  /// Makes another handle to the same module (within nn::clone(): to the clone). Null if the type is unknown.
  using Copy = std::shared_ptr<Module> (*)(const Module&);

  template <class M>
  AnyModule(std::shared_ptr<M> module)  // NOLINT(google-explicit-constructor): a pointer to a module is an AnyModule
      : copy_(module != nullptr ? copy_of(*module) : nullptr), module_(std::move(module)) {}

  const std::shared_ptr<Module>& get() const { return module_; }
  Copy copy() const { return copy_; }

 private:
  // A pointer to a base class would copy only the base.
  template <class M>
  static Copy copy_of(const M& module) {
    if constexpr (std::is_copy_constructible_v<M>) {
      if (typeid(module) == typeid(M)) {
        return [](const Module& m) -> std::shared_ptr<Module> { return std::make_shared<M>(static_cast<const M&>(m)); };
      }
    }
    return nullptr;
  }

  Copy copy_ = nullptr;
  std::shared_ptr<Module> module_;
};

}  // namespace hop::nn
