#include "autograd/function.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace hop::autograd {

bool FunctionCore::is_recorded(const std::vector<Tensor>& inputs) {
  return is_grad_enabled() &&
         std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.defined() && x.requires_grad(); });
}

std::vector<FunctionCore::Like> FunctionCore::like(const std::vector<Tensor>& inputs) {
  std::vector<Like> list;
  for (const Tensor& x : inputs) list.push_back(x.defined() ? Like{x.shape(), x.dtype()} : Like{{}, DType::f32});
  return list;
}

void FunctionCore::seal(FunctionContext& context, const std::vector<Tensor>& outputs) {
  for (const Tensor& x : context.tensors_) {
    const auto same = std::find_if(outputs.begin(), outputs.end(), [&](const Tensor& y) { return y.is_same(x); });
    // If forward returns an input, that output already has a history, so it is saved as an input.
    const bool is_output = x.defined() && same != outputs.end() && x.autograd_slot() == nullptr;
    context.saved_.push_back(is_output ? SavedTensor::output(x, static_cast<std::uint32_t>(same - outputs.begin()))
                                       : SavedTensor(x));
  }
  context.tensors_.clear();
}

void FunctionCore::open(FunctionContext& context, const BackwardContext& pass) {
  context.pass_ = &pass;
  for (const SavedTensor& saved : context.saved_) context.tensors_.push_back(pass.value(saved));
}

void FunctionCore::attach_all(std::vector<Tensor>& outputs, const std::shared_ptr<Node>& node) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    Tensor& y = outputs[i];
    // Detached, because forward may return a tensor of its caller, and the caller's handle must not change.
    if (y.defined() && is_floating(y.dtype())) y = attach(y.detach(), node, static_cast<std::uint32_t>(i));
  }
}

void FunctionCore::give(BackwardContext& pass, const char* op, const std::vector<Like>& inputs,
                        std::vector<Tensor> gradients) {
  const std::string prefix = "[" + std::string(op) + "] expected backward to return ";
  if (gradients.size() != inputs.size()) {
    throw AutogradError(prefix + std::to_string(inputs.size()) + " gradients, one per tensor argument, got " +
                        std::to_string(gradients.size()));
  }
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    Tensor& g = gradients[i];
    if (!g.defined() || !pass.wants(i)) continue;
    if (g.shape() != inputs[i].shape || g.dtype() != inputs[i].dtype) {
      throw AutogradError(prefix + std::string(name(inputs[i].dtype)) + " " + inputs[i].shape.to_string() +
                          " as gradient " + std::to_string(i) + ", got " + g.describe());
    }
    pass.set(i, std::move(g));
  }
}

}  // namespace hop::autograd
