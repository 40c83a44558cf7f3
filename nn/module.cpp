#include "nn/module.h"

#include <cxxabi.h>
#include <cstdlib>
#include <typeinfo>

#include "autograd/grad_mode.h"
#include "autograd/inplace.h"
#include "kernels/copy.h"
#include "nn/init.h"
#include "nn/module_internal.h"

namespace hop::nn {

using detail::join;
using detail::RandomSequence;

namespace {

// "a, b, c", at most ten names.
std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 10; ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > 10 ? text + ", .. (" + std::to_string(names.size()) + ")" : text;
}

}  // namespace

void Module::State::check_name(std::string_view name) const {
  const auto is_taken = [name](const auto& entries) {
    return std::any_of(entries.begin(), entries.end(), [name](const auto& entry) { return entry.name == name; });
  };
  const std::string quoted = "\"" + std::string(name) + "\"";
  if (name.empty() || name.find('.') != std::string_view::npos) {
    throw ConfigError("[module] expected a name without dots, got " + quoted);
  }
  if (is_taken(parameters) || is_taken(buffers) || is_taken(children)) {
    throw ConfigError("[module] expected a new name, got " + quoted + ", which is taken");
  }
}

Module::Module() : state_(std::make_shared<State>()) {}

Tensor Module::forward(const Tensor&) {
  throw Error("[" + type_name() + "] expected forward(x) to be defined by the module");
}

Tensor Module::operator()(const Tensor& x) {
  if (state_->is_replaced && !state_->replacement_runs) return call_replacement(x);
  return with_hooks(x, forward(x));
}

Tensor Module::with_hooks(const Tensor& x, Tensor y) {
  if (state_->is_replaced && !state_->replacement_runs) {
    throw StateError("[" + type_name() +
                     "] expected operator()(x) on a module that was replaced, got a call of its own");
  }
  for (std::size_t i = 0; i < state_->hooks.size(); ++i) {  // by index: a hook may register another
    const ForwardHook hook = state_->hooks[i].second;
    if (const Tensor other = hook(*this, x, y); other.defined()) y = other;
  }
  return y;
}

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> tensors;
  for (const NamedTensor& entry : named_parameters()) tensors.push_back(entry.tensor);
  return tensors;
}

std::vector<NamedTensor> Module::named_parameters() const { return State::distinct(*this, &State::parameters); }

std::vector<NamedTensor> Module::named_buffers() const { return State::distinct(*this, &State::buffers); }

const std::vector<NamedModule>& Module::named_children() const { return state_->children; }

std::vector<std::pair<std::string, Module*>> Module::named_modules() {
  std::vector<std::pair<std::string, Module*>> modules;
  std::unordered_set<const State*> seen;
  const auto add = [&](const auto& self, const std::string& path, Module& module) -> void {
    if (!seen.insert(module.state_.get()).second) return;
    modules.emplace_back(path, &module);
    for (const NamedModule& child : module.state_->children) self(self, join(path, child.name), *child.module);
  };
  add(add, "", *this);
  return modules;
}

StateDict Module::state_dict() const {
  StateDict dict;
  State::visit(*this, "", [&](const std::string& path, const State& state) {
    for (const NamedTensor& entry : state.parameters) dict.push_back({join(path, entry.name), entry.tensor});
    for (const NamedTensor& entry : state.buffers) dict.push_back({join(path, entry.name), entry.tensor});
  });
  return dict;
}

LoadReport Module::load_state_dict(const StateDict& state, bool strict) {
  const StateDict own = state_dict();
  std::map<std::string_view, const Tensor*> given;
  for (const NamedTensor& entry : state) given[entry.name] = &entry.tensor;
  LoadReport report;
  for (const NamedTensor& entry : own) {
    const auto found = given.find(entry.name);
    if (found == given.end()) {
      report.missing.push_back(entry.name);
    } else if (found->second->shape() != entry.tensor.shape()) {
      throw StateError("[load_state_dict] expected shape " + entry.tensor.shape().to_string() + " for " + entry.name +
                       ", got " + found->second->shape().to_string());
    }
  }
  for (const NamedTensor& entry : state) {
    const bool known = std::any_of(own.begin(), own.end(), [&](const NamedTensor& o) { return o.name == entry.name; });
    if (!known) report.unexpected.push_back(entry.name);
  }
  if (strict && !(report.missing.empty() && report.unexpected.empty())) {
    throw StateError("[load_state_dict] expected the names of " + type_name() + "; missing: " + list(report.missing) +
                     "; unexpected: " + list(report.unexpected));
  }
  const NoGradGuard no_grad;
  for (const NamedTensor& entry : own) {
    if (const auto found = given.find(entry.name); found != given.end()) copy_(entry.tensor, *found->second);
  }
  return report;
}

std::int64_t Module::parameter_count(bool trainable_only) const {
  std::int64_t count = 0;
  for (const Tensor& p : parameters()) count += !trainable_only || p.requires_grad() ? p.numel() : 0;
  return count;
}

void Module::zero_grad() {
  const NoGradGuard no_grad;
  for (const Tensor& p : parameters()) {
    if (p.grad().defined()) zero_(p.grad());
  }
}

void Module::requires_grad_(bool requires_grad) {
  for (const Tensor& p : parameters()) p.set_requires_grad(requires_grad);
}

Module& Module::to(Device device) {
  std::vector<NamedTensor> tensors = named_parameters();
  const std::vector<NamedTensor> buffers = named_buffers();
  tensors.insert(tensors.end(), buffers.begin(), buffers.end());
  std::vector<Tensor> moved, gradients;  // all of them first: a full device leaves the module as it was
  for (const NamedTensor& entry : tensors) {
    const Tensor gradient = entry.tensor.grad();
    moved.push_back(kernels::to_device(entry.tensor, device));
    gradients.push_back(gradient.defined() ? kernels::to_device(gradient, device) : Tensor());
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i].tensor;
    if (tensor.device() == device) continue;
    tensor.rebind(moved[i].storage(), moved[i].storage_offset());
    if (gradients[i].defined()) tensor.set_grad(gradients[i]);
  }
  return *this;
}

void Module::train(bool on) {
  apply([on](Module& module) { module.state_->training = on; });
}

bool Module::is_training() const { return state_->training; }

void Module::apply(const std::function<void(Module&)>& f) {
  for (const NamedModule& child : state_->children) child.module->apply(f);
  f(*this);
}

std::uint64_t Module::register_forward_hook(ForwardHook hook) {
  state_->hooks.emplace_back(++state_->hooks_made, std::move(hook));
  return state_->hooks_made;
}

bool Module::has_forward_hooks() const { return !state_->hooks.empty(); }

void Module::remove_hook(std::uint64_t hook) {
  std::erase_if(state_->hooks, [hook](const auto& entry) { return entry.first == hook; });
}

void Module::set_random_key(std::uint64_t key) {
  const auto random = std::make_shared<RandomSequence>(RandomSequence{{.key = key}, {}, {}});
  apply([&random](Module& module) { module.state_->random = random; });
}

void Module::set_random_source(const Tensor& key, const Tensor& step) {
  const auto random = std::make_shared<RandomSequence>(RandomSequence{{}, key, step});
  apply([&random](Module& module) { module.state_->random = random; });
}

void Module::set_step(std::uint64_t step) {
  if (!state_->random) throw ConfigError("[set_step] expected a random key, got none (call set_random_key(key) first)");
  state_->random->next.step = step;
  state_->random->next.draw = 0;
}

void Module::begin_step() {
  if (state_->random) state_->random->next.draw = 0;
}

RandomAddress Module::next_random() {
  if (!state_->random) {
    throw ConfigError("[" + type_name() +
                      "] expected a random key, got none (call set_random_key(key) on the root module)");
  }
  RandomAddress address = state_->random->next;
  if (state_->random->key.defined()) {  // asked anew each time: a state block may have moved them
    address.key_at = reinterpret_cast<const std::uint64_t*>(state_->random->key.data<std::int64_t>());
    address.step_at = state_->random->step.data<std::int64_t>();
  }
  ++state_->random->next.draw;
  return address;
}

void Module::reset_parameters(const ParameterKeys&) {}

Parameter Module::register_parameter(std::string_view name, const Tensor& tensor) {
  state_->check_name(name);
  tensor.set_requires_grad();
  state_->parameters.push_back({std::string(name), tensor});
  return Parameter(tensor);
}

Buffer Module::register_buffer(std::string_view name, const Tensor& tensor) {
  state_->check_name(name);
  state_->buffers.push_back({std::string(name), tensor});
  return Buffer(tensor);
}

void Module::add_child(std::string_view name, AnyModule child) {
  state_->check_name(name);
  state_->check_child(name, child.get());
  ++child.get()->state_->registrations;
  state_->children.push_back({std::string(name), child.get()});
  state_->copies.push_back(child.copy());
}

// A user's module is printed under its class name, without namespaces.
std::string Module::type_name() const {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status), std::free);
  const std::string name = status == 0 ? text.get() : typeid(*this).name();
  const std::size_t colon = name.rfind("::", name.find('<'));
  return colon == std::string::npos ? name : name.substr(colon + 2);
}

std::string Module::to_string() const {
  const std::string extra = extra_repr();
  std::string text = type_name() + "(" + extra;
  if (state_->children.empty()) return text + ")";
  if (!extra.empty()) text.insert(text.size() - extra.size(), "\n  ");
  for (const NamedModule& child : state_->children) {
    std::string lines = child.module->to_string();
    for (std::size_t at = lines.find('\n'); at != std::string::npos; at = lines.find('\n', at + 3))
      lines.insert(at + 1, "  ");
    text += "\n  (" + child.name + "): " + lines;
  }
  return text + "\n)";
}

}  // namespace hop::nn
