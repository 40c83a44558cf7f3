// Adding children, and replacing one child by another.
#include "autograd/rerun.h"
#include "nn/module_internal.h"

namespace hop::nn {
namespace {

// While the last module of a place runs, calls of older modules mean the older modules themselves.
class Running {
 public:
  explicit Running(bool& flag) : flag_(flag), before_(std::exchange(flag, true)) {}
  ~Running() { flag_ = before_; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  bool& flag_;
  bool before_;
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
  if (replacement.is_replaced && replacement.place != old->place)
    throw fail("a module that was not replaced elsewhere");
  if (old->is_replaced) throw fail("a child in its own place");  // its handles call the wrapper that contains it
  if (!is_itself && old->registrations != inside + 1)
    throw fail("a child that no other name and no other module holds");

  ++old->changes;
  ++replacement.changes;
  ++replacement.registrations;
  --old->registrations;
  parent->copies[static_cast<std::size_t>(at - parent->children.begin())] = module.copy();
  at->module = module.get();
  if (!is_itself && old->place == nullptr) old->place = std::make_shared<State::Place>();
  if (old->place != nullptr) old->place->last = module.get();
  old->is_replaced = true;
  replacement.is_replaced = false;  // it may be a module that was there before
  if (replacement.place == nullptr) replacement.place = old->place;
  if (state_->random != nullptr) {
    module.get()->apply([this](Module& m) { m.state_->set_random(state_->random); });
  }
}

Tensor Module::call_last(const Tensor& x) {
  const std::shared_ptr<State::Place> place = state_->place;
  const std::shared_ptr<void> self = state_;
  const std::shared_ptr<void> last = autograd::chosen(state_->is_replaced ? place->last.lock() : self);
  if (last == nullptr) {
    throw StateError("[" + type_name() + "] expected the module that took this one's place to live, got none");
  }
  const Running running(place->runs);
  if (last == self) {
    const Call call = run_pre_hooks(x);
    return after_forward(call, forward(call.input));
  }
  return (*std::static_pointer_cast<Module>(last))(x);
}

}  // namespace hop::nn
