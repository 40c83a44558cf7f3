#include "nn/clone.h"

#include "autograd/grad_mode.h"
#include "kernels/copy.h"
#include "nn/module_internal.h"

namespace hop::nn {

// The clones made so far, by original. A clone is its own clone, because the compiler may copy a clone within the
// scope.
class Module::Cloning {
 public:
  explicit Cloning(const Module& root) {
    State::visit(root, "", [this](const std::string& path, const State& state) {
      for (const auto* tensors : {&state.parameters, &state.buffers}) {
        for (const NamedTensor& entry : *tensors) parts_.push_back({detail::join(path, entry.name), entry.tensor, {}});
      }
      for (const NamedModule& child : state.children)
        parts_.push_back({detail::join(path, child.name), {}, child.module});
    });
    for (std::size_t i = 0; i < parts_.size(); ++i) parts_[i].handles = handles(parts_[i]);
  }

  Tensor tensor(const Tensor& original) {
    if (!original.defined()) return {};
    const auto [at, is_new] = tensors_.try_emplace(original.id());
    if (!is_new) return at->second.second;
    Tensor copy = kernels::clone(original);
    if (original.requires_grad()) copy.set_requires_grad();
    if (const Tensor gradient = original.grad(); gradient.defined()) copy.set_grad(kernels::clone(gradient));
    at->second = {original, copy};
    tensors_[copy.id()] = {copy, copy};
    return copy;
  }

  // The tensor for a Parameter of a copy.
  Tensor member(const Tensor& original) {
    if (original.defined()) held_.insert(original.id());
    return tensor(original);
  }

  std::shared_ptr<State> state(const std::shared_ptr<State>& original) {
    if (const auto found = states_.find(original.get()); found != states_.end()) return found->second.second;
    const auto copy = std::make_shared<State>();
    states_[original.get()] = {original, copy};
    states_[copy.get()] = {copy, copy};
    for (const NamedTensor& p : original->parameters) copy->parameters.push_back({p.name, tensor(p.tensor)});
    for (const NamedTensor& b : original->buffers) {
      copy->buffers.push_back({b.name, tensor(b.tensor)});
      copy->buffers.back().tensor.storage().mark_state();
    }
    for (std::size_t i = 0; i < original->children.size(); ++i) {
      const NamedModule& child = original->children[i];
      copy->children.push_back({child.name, module(child.name, child.module, original->copies[i])});
      copy->copies.push_back(original->copies[i]);
      ++copy->children.back().module->state_->registrations;
    }
    copy->unsaved = original->unsaved;
    copy->hooks = original->hooks;  // with what they hold, modules too
    copy->hooks_made = original->hooks_made;
    copy->set_random(random(original->random));
    copy->training = original->training;
    if (original->place != nullptr) placed_.push_back(original);
    return copy;
  }

  void finish(const Module& root) {
    for (const Part& part : parts_) {
      if (handles(part) > part.handles) throw held_by_original(part);
    }
    std::map<const State::Place*, std::shared_ptr<State::Place>> places;
    for (const auto& original : placed_) {
      const auto last = modules_.find(original->place->last.lock().get());
      if (last != modules_.end()) {
        auto& place = places[original->place.get()];
        if (place == nullptr) place = std::make_shared<State::Place>(State::Place{last->second, false});
        State& copy = *states_.at(original.get()).second;
        copy.place = place;
        copy.is_replaced = original->is_replaced;
      } else if (original->is_replaced) {
        throw ConfigError("[clone] expected a module in its own place, got a replaced one");
      }
    }
    State::visit(root, "", [&](const std::string& path, const State& state) {
      for (const auto* tensors : {&state.parameters, &state.buffers}) {
        for (const NamedTensor& entry : *tensors) {
          if (held_.contains(entry.tensor.id())) continue;
          throw held_by_original({detail::join(path, entry.name), entry.tensor, {}});
        }
      }
    });
  }

  static thread_local Cloning* current;
  Cloning* outer = current;

 private:
  std::shared_ptr<Module> module(const std::string& name, const std::shared_ptr<Module>& original,
                                 AnyModule::Copy copy) {
    if (const auto found = modules_.find(original.get()); found != modules_.end()) return found->second;
    if (copy == nullptr) {
      throw ConfigError("[clone] expected a copyable child \"" + name + "\" of a known type, got a pointer to a " +
                        original->type_name());
    }
    return modules_[original.get()] = copy(*original);
  }

  // A registered tensor or child of the original. If a member is a plain Tensor or a pointer, the copy shares the part
  // of the original, so the part has a handle more after the copy. Handles outside the module exist before and after,
  // so they do not change the difference.
  struct Part {
    std::string name;
    Tensor tensor;
    std::shared_ptr<Module> module;
    std::int64_t handles = 0;
  };
  static ConfigError held_by_original(const Part& part) {
    const std::string name = "\"" + part.name + "\"";
    const std::string expected =
        part.module == nullptr
            ? "an nn::Parameter as the member that holds " + name + ", got a Tensor"
            : "child " + name + " as a value (register_module), got a pointer to a " + part.module->type_name();
    return ConfigError("[clone] expected " + expected + ", which would stay the original's");
  }
  std::int64_t handles(const Part& part) const {
    if (part.module != nullptr) return part.module.use_count();
    return std::int64_t{part.tensor.use_count()} - (tensors_.contains(part.tensor.id()) ? 1 : 0);
  }

  std::shared_ptr<detail::RandomSequence> random(const std::shared_ptr<detail::RandomSequence>& original) {
    if (original == nullptr) return nullptr;
    const auto [at, is_new] = randoms_.try_emplace(original.get());
    if (is_new) at->second = std::make_shared<detail::RandomSequence>(*original);
    return at->second;
  }

  template <class T>
  using Pair = std::pair<T, T>;  // the original (kept alive) and its clone
  std::vector<Part> parts_;
  std::map<const void*, Pair<Tensor>> tensors_;
  std::map<const State*, Pair<std::shared_ptr<State>>> states_;
  std::map<const Module*, std::shared_ptr<Module>> modules_;
  std::map<const detail::RandomSequence*, std::shared_ptr<detail::RandomSequence>> randoms_;
  std::vector<std::shared_ptr<State>> placed_;
  std::set<const void*> held_;
};

thread_local Module::Cloning* Module::Cloning::current = nullptr;

Module::Module(const Module& other)
    : state_(Cloning::current == nullptr ? other.state_ : Cloning::current->state(other.state_)) {}

Parameter::Parameter(const Parameter& other) : Tensor(Module::member_of_copy(other)) {}

Tensor Module::member_of_copy(const Tensor& original) {
  return Cloning::current == nullptr ? original : Cloning::current->member(original);
}

namespace detail {

CloneScope::CloneScope(const Module& root, const std::type_info& type)
    : root_(root), cloning_(std::make_unique<Module::Cloning>(root)) {
  if (typeid(root) != type) {
    throw ConfigError("[clone] expected a module of its own type, got a " + root.type_name() + " seen as its base");
  }
  Module::Cloning::current = cloning_.get();
}

CloneScope::~CloneScope() { Module::Cloning::current = cloning_->outer; }

void CloneScope::finish() {
  const NoGradGuard no_grad;
  cloning_->finish(root_);
}

}  // namespace detail

}  // namespace hop::nn
