// A module's shared state, for module.cpp, module_hooks.cpp, module_replace.cpp and clone.cpp.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "nn/module.h"
#include "tensor/dependencies.h"

namespace hop::nn {
namespace detail {

/// One source of random numbers for a root and all its descendants.
struct RandomSequence {
  RandomAddress next;        // draw counts up
  Tensor key, step;          // defined: the address points there
  std::uint32_t set_in = 0;  // the capture that set `next`, and so does not depend on its old value
};

inline std::string join(std::string_view path, std::string_view name) {
  return path.empty() ? std::string(name) : std::string(path) + "." + std::string(name);
}

// Notes that a captured step reads `value`, a part of `owner`. The step holds only while the value stays the same,
// unless the step itself set it.
template <class Owner, class T>
void depend_on(const std::shared_ptr<Owner>& owner, const T& value, const char* what, std::uint32_t set_in = 0) {
  Dependencies* step = Dependencies::current();
  if (step != nullptr && step->serial() != set_in) step->watch(owner, value, what);
}

inline constexpr const char* kOtherCalls = "other hooks of a module, or another module in its place";

}  // namespace detail

/// The hooks of a module. A call keeps those that it began with, so a registered or removed hook makes a new object.
struct Module::Hooks {
  template <class Hook>
  using Numbered = std::vector<std::pair<std::uint64_t, Hook>>;
  Numbered<ForwardPreHook> before_forward;
  Numbered<ForwardHook> after_forward;
  Numbered<BackwardPreHook> before_backward;
  Numbered<BackwardHook> after_backward;
  bool has_backward() const { return !before_backward.empty() || !after_backward.empty(); }
  bool empty() const { return before_forward.empty() && after_forward.empty() && !has_backward(); }
};

struct Module::State {
  std::vector<NamedTensor> parameters;
  std::vector<NamedTensor> buffers;
  std::set<std::string, std::less<>> unsaved;  // names of the buffers that are not persistent
  std::vector<NamedModule> children;
  std::vector<AnyModule::Copy> copies;  // of the children, in their order
  std::size_t registrations = 0;        // names that this module has in parents
  std::shared_ptr<const Hooks> hooks;   // null without hooks
  std::uint64_t hooks_made = 0;
  std::uint64_t changes = 0;  // of hooks and of the module that a call runs
  std::shared_ptr<detail::RandomSequence> random;
  detail::RandomSequence* random_at = nullptr;  // the same
  bool training = true;
  std::uint32_t training_set_in = 0;  // the capture that set it

  // A place in a parent where replace_module() put one module after another. All these modules know the place, and
  // every handle to one of them calls the last.
  struct Place {
    std::weak_ptr<Module> last;  // the parent owns it: it may be a wrapper around those before
    bool runs = false;           // the last module runs: a call of an older one, by its wrapper, means the older one
  };
  std::shared_ptr<Place> place;  // null if nothing was replaced
  bool is_replaced = false;      // whether it is not the last module of its place

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    for (const NamedModule& child : children) --child.module->state_->registrations;
  }

  void set_random(const std::shared_ptr<detail::RandomSequence>& sequence) {
    random = sequence;
    random_at = sequence.get();
  }
  void check_name(std::string_view name) const;
  // Throws if the child contains this module: a walk would never end.
  void check_child(std::string_view name, const std::shared_ptr<Module>& child) const;

  // Depth first, parents before children, in declaration order; shared modules as often as they have names.
  template <class F>
  static void visit(const Module& module, const std::string& path, F&& f) {
    f(path, *module.state_);
    for (const NamedModule& child : module.state_->children) visit(*child.module, detail::join(path, child.name), f);
  }

  // The tensors of one of the lists above, each under its first name.
  static std::vector<NamedTensor> distinct(const Module& root, std::vector<NamedTensor> State::*member) {
    std::vector<NamedTensor> tensors;
    std::unordered_set<const void*> seen;
    visit(root, "", [&](const std::string& path, const State& state) {
      for (const NamedTensor& entry : state.*member) {
        if (seen.insert(entry.tensor.id()).second) tensors.push_back({detail::join(path, entry.name), entry.tensor});
      }
    });
    return tensors;
  }
};

}  // namespace hop::nn
