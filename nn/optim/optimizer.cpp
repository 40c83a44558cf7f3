#include "nn/optim/optimizer.h"

#include <algorithm>
#include <memory>
#include <unordered_set>

#include "base/bytes.h"
#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/capture_internal.h"
#include "kernels/copy.h"
#include "nn/detail/text.h"
#include "tensor/autograd_slot.h"

namespace hop::optim {
namespace {

Device device_of(const ParameterList& parameters) {
  return parameters.tensors().empty() ? Device::cpu() : parameters.tensors().front().tensor.device();
}

void check_parameter(const nn::NamedTensor& entry, Device device) {
  const Tensor& p = entry.tensor;
  if (p.device() != device) {
    throw DeviceError("[optimizer] expected all parameters on " + device.to_string() + ", got " + p.describe() + " (" +
                      entry.name + ")");
  }
  if (!is_floating(p.dtype())) {
    throw DtypeError("[optimizer] expected floating parameters, got " + p.describe() + " (" + entry.name + ")");
  }
  if (!p.is_contiguous()) {
    throw ShapeError("[optimizer] expected contiguous parameters, got a strided view (" + entry.name + ")");
  }
}

}  // namespace

ParameterList::ParameterList(const std::vector<Tensor>& parameters) {
  for (const Tensor& p : parameters) parameters_.push_back({std::to_string(parameters_.size()), p});
}

Optimizer::Optimizer(const ParameterList& parameters, std::vector<std::string> slots, double lr)
    : lr_(lr), slot_names_(std::move(slots)) {
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
    segment.frozen = !p.requires_grad();
    bytes += align_up(static_cast<std::size_t>(p.numel()) * size_of(p.dtype()));
    segments_.push_back(std::move(segment));
  }
  gradients_ = kernels::zeros({static_cast<std::int64_t>(bytes)}, DType::u8, device);
  lr_tensor_ = kernels::full({}, lr, DType::f64, device);
  step_ = kernels::zeros({}, DType::i64, device);
  attach_gradients();
}

// Each gradient counts its own versions: a storage of its own that borrows its part of the block.
void Optimizer::attach_gradients() {
  for (const ParameterSegment& segment : segments_) {
    const Tensor& p = segment.parameter;
    std::byte* data = gradients_.raw_data() + segment.gradient_offset;
    const AutogradSlot* slot = p.autograd_slot();
    if (segment.frozen || (slot->grad.defined() && slot->grad.raw_data() == data)) continue;
    const std::size_t bytes = static_cast<std::size_t>(p.numel()) * size_of(p.dtype());
    const auto owner = std::make_shared<Tensor>(gradients_);
    p.set_grad(Tensor::view(Storage::borrow(data, bytes, owner, p.device()), p.dtype(), p.shape(),
                            contiguous_strides(p.shape())));
  }
}

void Optimizer::zero_grad() {
  attach_gradients();
  for (const ParameterSegment& segment : segments_) segment.parameter.zero_grad();
}

const Tensor& Optimizer::gradients() {
  for (const ParameterSegment& segment : segments_) static_cast<void>(segment.parameter.grad());  // clears what is zero
  return gradients_;
}

void Optimizer::set_lr(double lr) {
  if (is_capturing()) throw StateError("[set_lr] the learning rate cannot be set while a step is captured");
  if (lr == lr_) return;
  kernels::fill_(lr_tensor_, lr);
  lr_ = lr;
}

// The gradient that step() reads, contiguous and zero where it counts as zero.
static Tensor present_gradient(const ParameterSegment& segment) {
  AutogradSlot& slot = segment.parameter.ensure_autograd_slot();
  if (slot.grad_is_zero && slot.zeroed_in_capture) {  // no loss of the step reached it
    slot.grad_is_zero = false;
    kernels::note_gradient(segment.parameter, false);
    kernels::fill_(slot.grad, 0);
  } else if (slot.grad_is_zero) {
    kernels::note_gradient(segment.parameter, true);
    static_cast<void>(segment.parameter.grad());
  }
  const Tensor& gradient = slot.grad;
  if (gradient.defined() &&
      (gradient.shape() != segment.parameter.shape() || gradient.dtype() != segment.parameter.dtype())) {
    throw ShapeError("[optimizer] expected a gradient " + segment.parameter.describe() + ", got " +
                     gradient.describe() + " (" + segment.name + ")");
  }
  return gradient.defined() ? kernels::contiguous(gradient) : gradient;
}

// One segment per parameter, not one over the whole block: the padding between them stays zero whatever lr and eps are.
void Optimizer::step() {
  std::vector<kernels::UpdateSegment> updates;
  updates.reserve(segments_.size());
  for (const ParameterSegment& segment : segments_) {
    if (segment.frozen) continue;
    const Tensor gradient = present_gradient(segment);
    if (!gradient.defined()) continue;
    const auto slot = [&](std::size_t i) { return i < segment.slots.size() ? segment.slots[i] : Tensor(); };
    updates.push_back({segment.parameter, gradient, slot(0), slot(1), segment.lr_scale, segment.weight_decay_scale});
  }
  kernels::update(rule(), updates, {lr_tensor_, step_, stop_});
}

ParameterSegment& Optimizer::segment(std::string_view name) {
  std::vector<std::string_view> names;
  for (ParameterSegment& segment : segments_) {
    if (segment.name == name) return segment;
    names.push_back(segment.name);
  }
  throw ConfigError("[optimizer] expected the name of a parameter, got \"" + std::string(name) + "\"" +
                    did_you_mean(name, names));
}

nn::StateDict Optimizer::state() const {
  nn::StateDict state{{"step", step_}};
  for (std::size_t slot = 0; slot < slot_names_.size(); ++slot) {
    for (const ParameterSegment& segment : segments_) {
      state.push_back({slot_names_[slot] + "." + segment.name, segment.slots[slot]});
    }
  }
  return state;
}

}  // namespace hop::optim
