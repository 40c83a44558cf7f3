#include "nn/optim/optimizer.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "base/error.h"
#include "kernels/copy.h"
#include "nn/detail/text.h"

namespace hop::optim {
namespace {

void check_parameter(const nn::NamedTensor& entry) {
  const Tensor& p = entry.tensor;
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
    : lr_(lr), slot_names_(std::move(slots)), step_(kernels::zeros({}, DType::i64)) {
  std::unordered_set<const void*> seen;
  std::size_t bytes = 0;
  for (const nn::NamedTensor& entry : parameters.tensors()) {
    check_parameter(entry);
    const Tensor& p = entry.tensor;
    if (!seen.insert(p.id()).second) {
      throw ConfigError("[optimizer] expected distinct parameters, got one twice (" + entry.name + ")");
    }
    ParameterSegment segment{entry.name, p, {}, bytes};
    for (std::size_t i = 0; i < slot_names_.size(); ++i) segment.slots.push_back(kernels::zeros(p.shape(), p.dtype()));
    segment.frozen = !p.requires_grad();
    bytes += align_up(static_cast<std::size_t>(p.numel()) * size_of(p.dtype()));
    segments_.push_back(std::move(segment));
  }
  gradients_ = std::make_shared<AlignedBuffer>(bytes);
  attach_gradients();
}

// Each gradient counts its own versions: a storage of its own that borrows its part of the block.
void Optimizer::attach_gradients() {
  for (const ParameterSegment& segment : segments_) {
    const Tensor& p = segment.parameter;
    std::byte* data = gradients_->data() + segment.gradient_offset;
    if (segment.frozen || (p.grad().defined() && p.grad().raw_data() == data)) continue;
    const std::size_t bytes = static_cast<std::size_t>(p.numel()) * size_of(p.dtype());
    p.set_grad(
        Tensor::view(Storage::borrow(data, bytes, gradients_), p.dtype(), p.shape(), contiguous_strides(p.shape())));
  }
}

void Optimizer::zero_grad() {
  attach_gradients();
  if (!gradients_->empty()) std::memset(gradients_->data(), 0, gradients_->size());
  for (const ParameterSegment& segment : segments_) {
    if (segment.parameter.grad().defined()) segment.parameter.grad().bump_version();
  }
}

void Optimizer::step() {
  const std::int64_t step = ++*step_.data<std::int64_t>();
  for (const ParameterSegment& segment : segments_) {
    const Tensor gradient = segment.parameter.grad();
    if (segment.frozen || !gradient.defined()) continue;
    if (gradient.shape() != segment.parameter.shape() || gradient.dtype() != segment.parameter.dtype()) {
      throw ShapeError("[optimizer] expected a gradient " + segment.parameter.describe() + ", got " +
                       gradient.describe() + " (" + segment.name + ")");
    }
    // One call per parameter, not one over the whole range: the padding between them stays zero whatever lr and eps
    // are.
    update(segment, kernels::contiguous(gradient), step);
    segment.parameter.bump_version();
  }
}

std::int64_t Optimizer::step_count() const { return *step_.data<std::int64_t>(); }

ParameterSegment& Optimizer::segment(std::string_view name) {
  std::vector<std::string_view> names;
  for (ParameterSegment& segment : segments_) {
    if (segment.name == name) return segment;
    names.push_back(segment.name);
  }
  throw ConfigError("[optimizer] expected the name of a parameter, got \"" + std::string(name) + "\"" +
                    nn::detail::did_you_mean(name, names));
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
