#include "nn/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <unordered_set>

#include "base/bytes.h"
#include "base/error.h"
#include "base/words.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/expect_internal.h"
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
  if (!p.is_leaf()) {
    throw AutogradError("[optimizer] expected parameters that are leaves, got " + p.describe() +
                        " that was computed from others (" + entry.name + "); detach() it first");
  }
  if (!p.is_contiguous()) {
    throw ShapeError("[optimizer] expected contiguous parameters, got a strided view (" + entry.name + ")");
  }
}

}  // namespace

ParameterList::ParameterList(const std::vector<Tensor>& parameters) {
  for (const Tensor& p : parameters) parameters_.push_back({std::to_string(parameters_.size()), p});
}

Optimizer::Optimizer(const ParameterList& parameters, const std::vector<std::string_view>& slots, double lr)
    : lr_(lr), slot_names_(slots.begin(), slots.end()), table_(std::make_shared<Table>()) {
  std::unordered_set<const void*> seen;
  std::size_t bytes = 0;
  const Device device = device_of(parameters);
  for (const nn::NamedTensor& entry : parameters.tensors()) {
    check_parameter(entry, device);
    const Tensor& p = entry.tensor;
    if (!seen.insert(p.id()).second) {
      throw ConfigError("[optimizer] expected distinct parameters, got one twice (" + entry.name + ")");
    }
    ParameterSegment segment{entry.name, p, {}, bytes};
    for (std::size_t i = 0; i < slot_names_.size(); ++i)
      segment.slots.push_back(kernels::zeros(p.shape(), p.dtype(), device));
    bytes += align_up(static_cast<std::size_t>(p.numel()) * size_of(p.dtype()));
    table_->segments.push_back(std::move(segment));
  }
  gradients_ = kernels::zeros({static_cast<std::int64_t>(bytes)}, DType::u8, device);
  lr_tensor_ = kernels::full({}, lr, DType::f64, device);
  step_ = kernels::zeros({}, DType::i64, device);
  attach_gradients(true);
}

// Each gradient gets its own storage, which borrows a part of the block, so that versions are counted per gradient.
void Optimizer::attach_gradients(bool keep_values) {
  for (const ParameterSegment& segment : table_->segments) {
    const Tensor& p = segment.parameter;
    if (!p.requires_grad()) continue;
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
  for (const ParameterSegment& segment : table_->segments) {
    depend_on(segment);
    if (segment.frozen || !segment.parameter.requires_grad()) continue;
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
  return state;
}

}  // namespace hop::optim
