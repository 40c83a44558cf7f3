// Long because everything that a module does to itself and its children shares one registry.
#include "nn/module.h"

#include "autograd/copy.h"
#include "autograd/grad_mode.h"
#include "autograd/inplace.h"
#include "autograd/memory_format.h"
#include "autograd/rerun.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "nn/init.h"
#include "nn/module_internal.h"
#include "tensor/dependencies.h"

namespace hop::nn {

using detail::depend_on;
using detail::join;
using detail::kOtherCalls;
using detail::RandomSequence;

namespace {

// The host sets a random source; a replay would not set it again.
void check_not_captured(const char* op) {
  if (!is_capturing()) return;
  throw StateError("[" + std::string(op) + "] random numbers cannot get another address while a step is captured; " +
                   "set_random_source(key, step) reads it from tensors");
}

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
  if (!x.defined()) kernels::expect_defined(type_name().c_str(), x);
  depend_on(state_, state_->changes, kOtherCalls);
  // decided() runs at each call. The second run of a checkpoint must call it as often as the first run, even if a
  // module was replaced between the two runs.
  if (autograd::decided(state_->place != nullptr && !state_->place->runs)) return call_last(x);
  const Call call = run_pre_hooks(x);
  return after_forward(call, forward(call.input));
}

Tensor Module::to(const Tensor& x, DType dtype) { return hop::to(x, dtype); }
Tensor Module::to(const Tensor& x, Device device) { return hop::to(x, device); }
Tensor Module::to(const Tensor& x, MemoryFormat format) { return hop::to(x, format); }

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
    for (const NamedTensor& entry : state.buffers) {
      if (!state.unsaved.contains(entry.name)) dict.push_back({join(path, entry.name), entry.tensor});
    }
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
    if (found != given.end() && !found->second->defined()) {
      throw StateError("[load_state_dict] expected a tensor for " + entry.name + ", got an undefined one");
    }
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
  for (const Tensor& p : parameters()) p.zero_grad();
}

void Module::requires_grad_(bool requires_grad) {
  for (const Tensor& p : parameters()) p.set_requires_grad(requires_grad);
}

Module& Module::to(DType dtype) {
  const std::vector<NamedTensor> tensors = named_parameters(), buffers = named_buffers();
  const Device device = !tensors.empty()   ? tensors[0].tensor.device()
                        : !buffers.empty() ? buffers[0].tensor.device()
                                           : Device::cpu();
  return to(device, dtype);
}

Module& Module::to(Device device, std::optional<DType> dtype) {
  if (dtype && !is_floating(*dtype))
    throw DtypeError("[" + type_name() + "] expected f32, f64, bf16 or f16 to convert to, got " +
                     std::string(name(*dtype)));
  const auto converted = [&](const Tensor& x) {
    return kernels::to_device(dtype && is_floating(x.dtype()) ? kernels::cast(x, *dtype) : x, device);
  };
  std::vector<NamedTensor> tensors = named_parameters();
  const std::vector<NamedTensor> buffers = named_buffers();
  tensors.insert(tensors.end(), buffers.begin(), buffers.end());
  // Moves all tensors before it changes the module, so that a full device leaves the module as it was.
  std::vector<Tensor> moved, gradients;
  for (const NamedTensor& entry : tensors) {
    const Tensor gradient = entry.tensor.grad();
    moved.push_back(converted(entry.tensor));
    gradients.push_back(gradient.defined() ? converted(gradient) : Tensor());
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i].tensor;
    if (moved[i].is_same(tensor)) continue;
    tensor.rebind(moved[i].storage(), moved[i].storage_offset(), moved[i].dtype(), moved[i].strides());
    if (gradients[i].defined()) tensor.set_grad(gradients[i]);
  }
  return *this;
}

Module& Module::to(MemoryFormat format) {
  std::vector<NamedTensor> tensors = named_parameters();
  const std::vector<NamedTensor> buffers = named_buffers();
  tensors.insert(tensors.end(), buffers.begin(), buffers.end());
  std::vector<Tensor> moved;
  for (const NamedTensor& entry : tensors) {
    if (format == MemoryFormat::channels_last && entry.tensor.dim() == 5) {
      throw ShapeError("[" + type_name() + "] expected parameters of at most four dimensions for channels last, got " +
                       entry.tensor.describe() + " (" + entry.name + ")");
    }
    moved.push_back(entry.tensor.dim() == 4 ? contiguous(entry.tensor.detach(), format) : entry.tensor);
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i].tensor;
    if (moved[i].strides() == tensor.strides()) continue;
    tensor.rebind(moved[i].storage(), moved[i].storage_offset(), moved[i].dtype(), moved[i].strides());
  }
  return *this;
}

void Module::train(bool on) {
  apply([on](Module& module) {
    State& state = *module.state_;
    if (Dependencies* step = Dependencies::current()) {
      step->set_after_replay(module.state_, state.training);
      state.training_set_in = step->serial();
    }
    state.training = on;
  });
}

bool Module::is_training() const {
  depend_on(state_, state_->training, "another training mode of a module", state_->training_set_in);
  return autograd::decided(state_->training);
}

void Module::apply(const std::function<void(Module&)>& f) {
  for (const NamedModule& child : state_->children) child.module->apply(f);
  f(*this);
}

bool Module::is_forward_alone() const { return autograd::decided(!has_hooks() && state_->place == nullptr); }

void Module::set_random_key(std::uint64_t key) {
  check_not_captured("set_random_key");
  const auto random = std::make_shared<RandomSequence>(RandomSequence{{.key = key}, {}, {}});
  apply([&random](Module& module) { module.state_->set_random(random); });
}

void Module::set_random_source(const Tensor& key, const Tensor& step) {
  check_not_captured("set_random_source");
  const auto random = std::make_shared<RandomSequence>(RandomSequence{{}, key, step});
  apply([&random](Module& module) { module.state_->set_random(random); });
}

void Module::set_step(std::uint64_t step) {
  check_not_captured("set_step");
  if (!state_->random) throw ConfigError("[set_step] expected a random key, got none (call set_random_key(key) first)");
  state_->random->next.step = step;
  state_->random->next.draw = 0;
}

void Module::begin_step() {
  depend_on(state_, state_->random_at, "another source of random numbers");
  if (!state_->random) return;
  RandomSequence& random = *state_->random;
  if (Dependencies* step = Dependencies::current()) {
    step->set_after_replay(state_->random, random.next.draw);
    random.set_in = step->serial();
  }
  random.next.draw = 0;
}

RandomAddress Module::next_random() {
  if (!state_->random) {
    throw ConfigError("[" + type_name() +
                      "] expected a random key, got none (call set_random_key(key) on the root module)");
  }
  const auto draw = [](void* module) { return static_cast<Module*>(module)->draw_random(); };
  return autograd::drawn(draw, this);
}

RandomAddress Module::draw_random() {
  RandomSequence& random = *state_->random;
  if (Dependencies* step = Dependencies::current()) {
    constexpr const char* kWhat =
        "random numbers that the host would draw elsewhere now (set_random_source(key, step) "
        "and begin_step() let a replay draw them)";
    step->watch(state_, state_->random_at, "another source of random numbers");
    if (!random.key.defined()) step->watch(state_->random, random.next.key, kWhat);
    if (!random.key.defined()) step->watch(state_->random, random.next.step, kWhat);
    if (random.set_in != step->serial()) step->watch(state_->random, random.next.draw, kWhat);
    step->set_after_replay(state_->random, random.next.draw);
    random.set_in = step->serial();
  }
  RandomAddress address = random.next;
  if (random.key.defined()) {  // asked each time, because a state block may have moved them
    address.key_at = reinterpret_cast<const std::uint64_t*>(random.key.data<std::int64_t>());
    address.step_at = random.step.data<std::int64_t>();
  }
  ++random.next.draw;
  return address;
}

void Module::reset_parameters(const ParameterKeys&) {}

Parameter Module::register_parameter(std::string_view name, const Tensor& tensor) {
  kernels::expect_defined("register_parameter", tensor);
  state_->check_name(name);
  tensor.set_requires_grad();
  state_->parameters.push_back({std::string(name), tensor});
  return Parameter(tensor);
}

Buffer Module::register_buffer(std::string_view name, const Tensor& tensor, bool persistent) {
  kernels::expect_defined("register_buffer", tensor);
  state_->check_name(name);
  tensor.storage().mark_state();
  state_->buffers.push_back({std::string(name), tensor});
  if (!persistent) state_->unsaved.emplace(name);
  return Buffer(tensor);
}

void Module::add_child(std::string_view name, AnyModule child) {
  state_->check_name(name);
  state_->check_child(name, child.get());
  ++child.get()->state_->registrations;
  state_->children.push_back({std::string(name), child.get()});
  state_->copies.push_back(child.copy());
}

}  // namespace hop::nn
