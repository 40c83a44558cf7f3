// Long because an optimizer's parameters, groups, step and what they refuse are one class.
#include "nn/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <unordered_set>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/expect_internal.h"
#include "kernels/layout_internal.h"
#include "nn/detail/number.h"
#include "nn/detail/text.h"
#include "tensor/autograd_slot.h"
#include "tensor/dependencies.h"

namespace hop::optim {
namespace {

Device device_of(const ParameterList& parameters) {
  if (parameters.tensors().empty())
    throw ConfigError(
        "[optimizer] expected at least one parameter, got none; register the layers of a module by register_module()");
  const Tensor& first = parameters.tensors().front().tensor;
  kernels::expect_defined("optimizer", first);
  return first.device();
}

void check_parameter(const nn::NamedTensor& entry, Device device) {
  const Tensor& p = entry.tensor;
  kernels::expect_defined("optimizer", p);
  if (p.device() != device) {
    throw DeviceError("[optimizer] expected all parameters on " + device.to_string() + ", got " + p.describe() + " (" +
                      entry.name + ")");
  }
  if (!is_floating(p.dtype())) {
    throw DtypeError("[optimizer] expected floating parameters, got " + p.describe() + " (" + entry.name + ")");
  }
  if (is_half(p.dtype())) {
    throw DtypeError("[optimizer] expected parameters of f32 or f64, whose small updates are not lost, got " +
                     p.describe() + " (" + entry.name + "); keep them in f32 and compute under AutocastGuard");
  }
  if (!p.is_leaf()) {
    throw AutogradError("[optimizer] expected parameters that are leaves, got " + p.describe() +
                        " that was computed from others (" + entry.name + "); detach() it first");
  }
  if (!p.is_contiguous() && !kernels::is_channels_last(p)) {
    throw ShapeError("[optimizer] expected contiguous parameters, got a strided view (" + entry.name + ")");
  }
}

}  // namespace

ParameterList::ParameterList(const std::vector<Tensor>& parameters) {
  for (const Tensor& p : parameters) parameters_.push_back({std::to_string(parameters_.size()), p});
}

ParameterList ParameterList::join(std::span<const ParameterList> lists) {
  std::vector<nn::NamedTensor> all;
  std::unordered_set<std::string> names;
  bool are_distinct = true;
  for (const ParameterList& list : lists) {
    for (const nn::NamedTensor& entry : list.tensors()) {
      are_distinct = names.insert(entry.name).second && are_distinct;
      all.push_back(entry);
    }
  }
  if (are_distinct) return all;
  std::size_t next = 0;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    for (std::size_t k = 0; k < lists[i].tensors().size(); ++k, ++next)
      all[next].name = std::to_string(i) + "." + all[next].name;
  }
  return all;
}

Optimizer::Optimizer(const ParameterList& parameters, const std::vector<std::string_view>& slots, double lr)
    : lr_(lr), slot_names_(slots.begin(), slots.end()), table_(std::make_shared<Table>()) {
  const Device device = device_of(parameters);
  append(parameters, device, 0, 1);
  lr_tensor_ = kernels::full({}, lr, DType::f64, device);
  step_ = kernels::zeros({}, DType::i64, device);
}

// Recorded steps watch the table that they were recorded with, so none of them holds for the new one.
void Optimizer::append(const ParameterList& parameters, Device device, std::size_t group, double lr_scale) {
  auto table = std::make_shared<Table>(*table_);
  std::unordered_set<const void*> seen;
  for (const ParameterSegment& segment : table->segments) seen.insert(segment.parameter.id());
  std::size_t bytes = gradients_.defined() ? static_cast<std::size_t>(gradients_.numel()) : 0;
  for (const nn::NamedTensor& entry : parameters.tensors()) {
    check_parameter(entry, device);
    const Tensor& p = entry.tensor;
    if (!p.is_contiguous()) {  // one pass updates parameters, gradients and slots side by side
      const Tensor rows = kernels::contiguous(p.detach());
      p.rebind(rows.storage(), rows.storage_offset());
    }
    if (!seen.insert(p.id()).second) {
      throw ConfigError("[optimizer] expected distinct parameters, got one twice (" + entry.name + ")");
    }
    ParameterSegment segment{
        .name = entry.name, .parameter = p, .gradient_offset = bytes, .lr_scale = lr_scale, .group = group};
    for (std::size_t i = 0; i < slot_names_.size(); ++i)
      segment.slots.push_back(kernels::zeros(p.shape(), p.dtype(), device));
    bytes += align_up(static_cast<std::size_t>(p.numel()) * size_of(p.dtype()));
    table->segments.push_back(std::move(segment));
    table->dtypes.push_back(p.dtype());
  }
  gradients_ = kernels::zeros({static_cast<std::int64_t>(bytes)}, DType::u8, device);
  table_ = std::move(table);
  attach_gradients(true);
}

// A name that stands already, as the numbers of parameters() do, gets the number of the group in front.
void Optimizer::add_parameters(const ParameterList& parameters, std::size_t group, double lr_scale) {
  if (is_capturing()) throw StateError("[add_param_group] a group cannot be added while a step is captured");
  device_of(parameters);  // refuses none
  std::unordered_set<std::string_view> names;
  for (const ParameterSegment& segment : table_->segments) names.insert(segment.name);
  const auto is_new = [&](const nn::NamedTensor& entry) { return !names.contains(entry.name); };
  std::vector<nn::NamedTensor> added = parameters.tensors();
  if (!std::ranges::all_of(added, is_new)) {
    for (nn::NamedTensor& entry : added) entry.name = std::to_string(group) + "." + entry.name;
  }
  for (const nn::NamedTensor& entry : added) {
    if (is_new(entry)) continue;
    throw ConfigError("[add_param_group] expected new names of parameters, got \"" + entry.name + "\" again");
  }
  append(added, gradients_.device(), group, lr_scale);
}

// A gradient of another dtype or device has no place in the block.
void Optimizer::check_unmoved(std::size_t i) const {
  const Tensor& p = table_->segments[i].parameter;
  const auto text = [&](std::string_view was) {
    return "[optimizer] expected a parameter " + std::string(was) + ", as it was, got " + p.describe() + " (" +
           table_->segments[i].name + "); make the optimizer after Module::to()";
  };
  if (p.dtype() != table_->dtypes[i]) throw DtypeError(text("of " + std::string(name(table_->dtypes[i]))));
  if (p.device() != gradients_.device()) throw DeviceError(text("on " + gradients_.device().to_string()));
  if (!p.is_contiguous()) throw ShapeError(text("that is contiguous"));
}

// Each gradient gets its own storage, which borrows a part of the block, so that versions are counted per gradient.
void Optimizer::attach_gradients(bool keep_values) {
  for (std::size_t i = 0; i < table_->segments.size(); ++i) {
    const ParameterSegment& segment = table_->segments[i];
    const Tensor& p = segment.parameter;
    if (!p.requires_grad()) continue;
    check_unmoved(i);
    std::byte* data = gradients_.raw_data() + segment.gradient_offset;
    Gradient& gradient = p.ensure_autograd_slot().gradient;
    if (Dependencies* step = Dependencies::current()) step->add_gradient(p, GradientUse::seen);
    if (gradient.tensor().defined() && gradient.tensor().raw_data() == data) continue;
    const std::size_t bytes = static_cast<std::size_t>(p.numel()) * size_of(p.dtype());
    const auto owner = std::make_shared<Tensor>(gradients_);
    const Tensor place = Tensor::view(Storage::borrow(data, bytes, owner, p.device()), p.dtype(), p.shape(),
                                      contiguous_strides(p.shape()));
    if (keep_values && gradient.tensor().defined() && !gradient.is_stale()) kernels::copy_(place, gradient.value());
    gradient.move_to(place);
  }
}

void Optimizer::zero_grad() {
  attach_gradients(false);
  for (const ParameterSegment& segment : table_->segments) segment.parameter.zero_grad();
}

const Tensor& Optimizer::gradients() {
  // grad() clears bytes that stand for zeros.
  for (const ParameterSegment& segment : table_->segments) static_cast<void>(segment.parameter.grad());
  return gradients_;
}

void Optimizer::set_lr(double lr) {
  if (is_capturing()) throw StateError("[set_lr] the learning rate cannot be set while a step is captured");
  nn::detail::check_range("set_lr", "a learning rate", lr, {.min = 0});
  if (lr == lr_) return;
  kernels::fill_(lr_tensor_, lr);
  lr_ = lr;
}

void Optimizer::set_momentum(double momentum) {
  throw ConfigError("[set_momentum] expected an optimizer with momentum, got one without (momentum " +
                    shortest(momentum) + ")");
}

void Optimizer::carry(std::string name, const Tensor& tensor) {
  kernels::expect_defined("carry", tensor);
  const auto has_name = [&](const nn::NamedTensor& entry) { return entry.name == name; };
  if (std::ranges::any_of(state(), has_name))
    throw ConfigError("[carry] expected a new name, got \"" + name + "\", which the optimizer has");
  carried_.push_back({std::move(name), tensor});
}

void Optimizer::drop(std::string_view name) {
  std::erase_if(carried_, [&](const nn::NamedTensor& entry) { return entry.name == name; });
}

void Optimizer::stop_when(const Tensor& flag) {
  table_->stop = flag;
  table_->stop_id = flag.id();
}

// A captured step holds only for the scales that it was recorded with.
void Optimizer::depend_on(const ParameterSegment& segment) const {
  Dependencies* step = Dependencies::current();
  if (step == nullptr) return;
  constexpr const char* kWhat = "another scale of a parameter, or one that was frozen or thawed";
  step->watch(table_, segment.frozen, kWhat);
  step->watch(table_, segment.lr_scale, kWhat);
  step->watch(table_, segment.weight_decay_scale, kWhat);
}

void Optimizer::depend_on(const std::shared_ptr<const void>& owner, const double& setting) const {
  if (Dependencies* step = Dependencies::current()) step->watch(owner, setting, "another momentum");
}

static void check_scales(const ParameterSegment& segment) {
  if (std::isfinite(segment.lr_scale) && std::isfinite(segment.weight_decay_scale)) return;
  throw ConfigError("[optimizer] expected finite scales, got lr_scale " + shortest(segment.lr_scale) +
                    " and weight_decay_scale " + shortest(segment.weight_decay_scale) + " (" + segment.name + ")");
}

// The gradient that step() reads, contiguous; undefined if none was given.
static Tensor given_gradient(const ParameterSegment& segment) {
  const Tensor& p = segment.parameter;
  Dependencies* step = Dependencies::current();
  if (step != nullptr) step->add_gradient(p, GradientUse::asked);
  if (!p.ensure_autograd_slot().gradient.is_given()) return {};
  const Tensor gradient = p.grad();
  if (gradient.shape() != p.shape() || gradient.dtype() != p.dtype()) {
    throw ShapeError("[optimizer] expected a gradient " + p.describe() + ", got " + gradient.describe() + " (" +
                     segment.name + ")");
  }
  return kernels::contiguous(gradient);
}

void Optimizer::depend_on_stop() const {
  if (Dependencies* step = Dependencies::current()) step->watch(table_, table_->stop_id, "another flag of stop_when()");
}

// One segment per parameter, not one over the whole block, so that the padding stays zero for every lr and eps.
std::vector<kernels::UpdateSegment> Optimizer::updates() const {
  std::vector<kernels::UpdateSegment> updates;
  updates.reserve(table_->segments.size());
  for (std::size_t i = 0; i < table_->segments.size(); ++i) {
    const ParameterSegment& segment = table_->segments[i];
    depend_on(segment);
    if (segment.frozen || !segment.parameter.requires_grad()) continue;
    check_unmoved(i);
    check_scales(segment);
    const Tensor gradient = given_gradient(segment);
    if (!gradient.defined()) continue;
    updates.push_back({segment.parameter, gradient, segment.slots, segment.lr_scale, segment.weight_decay_scale});
  }
  return updates;
}

void Optimizer::update_by(const kernels::UpdateRule& rule) {
  depend_on_stop();
  kernels::update(rule, updates(), {lr_tensor_, step_, table_->stop});
}

// Made outside of steps: a tensor that a captured step makes belongs to its recording.
void Optimizer::make_group_step() {
  if (!group_step_.defined()) group_step_ = kernels::zeros({}, DType::i64, step_.device());
}

// Each update counts a step, so all groups but the last one count in a copy.
void Optimizer::update_by(std::span<const kernels::UpdateRule> rules) {
  depend_on_stop();
  std::vector<std::vector<kernels::UpdateSegment>> groups(rules.size());
  std::vector<std::pair<const void*, std::size_t>> group_of;
  for (const ParameterSegment& segment : table_->segments) group_of.emplace_back(segment.parameter.id(), segment.group);
  auto next = group_of.begin();  // updates() keeps the order of the table
  for (kernels::UpdateSegment& update : updates()) {
    while (next->first != update.parameter.id()) ++next;
    groups.at(next->second).push_back(std::move(update));
  }
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const bool is_last = i + 1 == rules.size();
    if (!is_last) kernels::copy_(group_step_, step_);
    kernels::update(rules[i], groups[i], {lr_tensor_, is_last ? step_ : group_step_, table_->stop});
  }
}

void Optimizer::write(const Tensor& to, const Tensor& value) const {
  kernels::expect_defined("write", to);
  kernels::expect_defined("write", value);
  kernels::expect_shape("write", "value", value, to.shape());
  depend_on_stop();
  const Tensor& stop = table_->stop;
  if (stop.defined())
    kernels::copy_(to, kernels::where(kernels::ne(stop, 0), to, kernels::cast(value, to.dtype())));
  else
    kernels::copy_(to, value);
}

void Optimizer::count_step() const {
  depend_on_stop();
  const Tensor& stop = table_->stop;
  kernels::copy_(step_, stop.defined() ? kernels::add(step_, kernels::eq(stop, 0)) : kernels::add(step_, 1));
}

ParameterSegment& Optimizer::segment(std::string_view name) {
  std::vector<std::string_view> names;
  for (ParameterSegment& segment : table_->segments) {
    if (segment.name == name) return segment;
    names.push_back(segment.name);
  }
  throw ConfigError("[optimizer] expected the name of a parameter, got \"" + std::string(name) + "\"" +
                    did_you_mean(name, names));
}

nn::StateDict Optimizer::state() const {
  nn::StateDict state{{"step", step_}};
  for (std::size_t slot = 0; slot < slot_names_.size(); ++slot) {
    for (const ParameterSegment& segment : table_->segments) {
      state.push_back({slot_names_[slot] + "." + segment.name, segment.slots[slot]});
    }
  }
  state.insert(state.end(), carried_.begin(), carried_.end());
  return state;
}

void Optimizer::load_state(const nn::StateDict& state) {
  std::map<std::string_view, const Tensor*> given;
  for (const nn::NamedTensor& entry : state) given[entry.name] = &entry.tensor;
  const nn::StateDict own = this->state();
  for (const nn::NamedTensor& entry : own) {
    const auto found = given.find(entry.name);
    if (found == given.end()) throw StateError("[optimizer] expected the tensor \"" + entry.name + "\", got none");
    kernels::expect_defined("optimizer", *found->second);
    if (!(found->second->shape() == entry.tensor.shape())) {
      throw StateError("[optimizer] expected shape " + entry.tensor.shape().to_string() + " for " + entry.name +
                       ", got " + found->second->shape().to_string());
    }
  }
  std::map<std::string_view, const Tensor*> unexpected = given;
  for (const nn::NamedTensor& entry : own) unexpected.erase(entry.name);
  if (!unexpected.empty()) {
    throw StateError("[optimizer] expected the tensors of this optimizer, got also \"" +
                     printable(unexpected.begin()->first) + "\"");
  }
  for (const nn::NamedTensor& entry : own)
    kernels::copy_(entry.tensor, kernels::to_device(*given.at(entry.name), entry.tensor.device()));
}

}  // namespace hop::optim
