// Children: how they come in, and how one takes the place of another.
#include "nn/module_internal.h"

namespace hop::nn {
namespace {

// While a replacement runs, calls of the replaced module mean that module.
class Running {
 public:
  explicit Running(bool& flag) : flag_(flag) { flag_ = true; }
  ~Running() { flag_ = false; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  bool& flag_;
};

}  // namespace

void Module::State::check_child(std::string_view name, const std::shared_ptr<Module>& child) const {
  const std::string quoted = "\"" + std::string(name) + "\"";
  if (child == nullptr) throw ConfigError("[module] expected a module as child " + quoted + ", got none");
  visit(*child, "", [&](const std::string& path, const State& state) {
    if (&state != this) return;
    throw ConfigError("[module] expected a child other than the module itself, got " + quoted +
                      (path.empty() ? ", which is it" : ", which holds it as \"" + path + "\""));
  });
}

// The module that a call of this one runs in the end; null for a module in its own place.
std::shared_ptr<Module> Module::State::last_replacement(const State& state) {
  std::shared_ptr<Module> last;
  for (const State* s = &state; s->is_replaced; s = last->state_.get()) {
    const std::shared_ptr<Module> next = s->replacement.lock();
    if (next == nullptr) return nullptr;
    last = next;
  }
  return last;
}

void Module::replace_child(std::string_view path, AnyModule module) {
  const auto fail = [path](const std::string& expected) -> ConfigError {
    return ConfigError("[replace_module] expected " + expected + ", got \"" + std::string(path) + "\"");
  };
  State* parent = state_.get();
  std::string_view name = path;
  for (std::size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.')) {
    const auto at = std::ranges::find(parent->children, name.substr(0, dot), &NamedModule::name);
    if (at == parent->children.end()) throw fail("the path of a child of this module");
    parent = at->module->state_.get();
    name.remove_prefix(dot + 1);
  }
  const auto at = std::ranges::find(parent->children, name, &NamedModule::name);
  if (at == parent->children.end()) throw fail("the path of a child of this module");
  parent->check_child(name, module.get());

  const std::shared_ptr<State> old = at->module->state_;
  State& replacement = *module.get()->state_;
  std::size_t inside = 0;  // a wrapper may register the old module
  State::visit(*module.get(), "", [&](const std::string&, const State& state) { inside += &state == old.get(); });
  const bool is_itself = &replacement == old.get();
  const std::shared_ptr<Module> last = State::last_replacement(replacement);
  if (replacement.is_replaced && last != at->module) throw fail("a module that was not replaced elsewhere");
  if (!is_itself && old->registrations != inside + 1)
    throw fail("a child that no other name and no other module holds");

  ++old->changes;
  ++replacement.changes;
  ++replacement.registrations;
  --old->registrations;
  parent->copies[static_cast<std::size_t>(at - parent->children.begin())] = module.copy();
  at->module = module.get();
  replacement.is_replaced = false;  // it may be the one that was there before
  if (!is_itself) {
    old->replacement = module.get();
    old->is_replaced = true;
  }
  if (state_->random != nullptr) {
    module.get()->apply([this](Module& m) { m.state_->set_random(state_->random); });
  }
}

Tensor Module::call_replacement(const Tensor& x) {
  const std::shared_ptr<Module> replacement = state_->replacement.lock();
  if (replacement == nullptr) {
    throw StateError("[" + type_name() + "] expected the module that took this one's place to live, got none");
  }
  const std::shared_ptr<State> state = state_;
  const Running running(state->replacement_runs);
  return (*replacement)(x);
}

}  // namespace hop::nn
