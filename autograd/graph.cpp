#include "autograd/graph.h"

#include <string>

#include "autograd/backward_pass_internal.h"
#include "base/error.h"

namespace hop {
namespace {

void check_differentiable(const Tensor& output, const char* op) {
  if (output.defined() && output.requires_grad()) return;
  throw AutogradError("[" + std::string(op) +
                      "] expected a tensor that was computed from one that requires a gradient, got " +
                      output.describe() + " without a graph");
}

// Starts the given gradient, or 1 for a single element.
void seed(autograd::BackwardPass& pass, const Tensor& output, const Tensor& given, const char* op) {
  const std::string prefix = "[" + std::string(op) + "] expected ";
  if (!given.defined()) {
    if (output.numel() == 1) return pass.seed(output);
    throw ShapeError(prefix + "one element, or a gradient for all of them, got " + output.describe());
  }
  if (given.shape() != output.shape() || given.dtype() != output.dtype()) {
    throw ShapeError(prefix + "a gradient like " + output.describe() + ", got " + given.describe());
  }
  pass.seed(output, given);
}

}  // namespace

void backward(const Tensor& result, const BackwardOptions& options) {
  check_differentiable(result, "backward");
  autograd::BackwardPass pass(
      {.retain_graph = options.retain_graph, .create_graph = options.create_graph, .accumulate = true});
  seed(pass, result, options.gradient, "backward");
  pass.execute();
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const GradOptions& options) {
  if (!options.grad_outputs.empty() && options.grad_outputs.size() != outputs.size()) {
    throw AutogradError("[grad] expected " + std::to_string(outputs.size()) + " grad_outputs, one per output, got " +
                        std::to_string(options.grad_outputs.size()));
  }
  autograd::BackwardPass pass({.retain_graph = options.retain_graph, .create_graph = options.create_graph});
  for (const Tensor& input : inputs) pass.want(input);
  pass.restrict_to_wanted(outputs);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    check_differentiable(outputs[i], "grad");
    const Tensor given = options.grad_outputs.empty() ? Tensor() : options.grad_outputs[i];
    seed(pass, outputs[i], given, "grad");
  }
  pass.execute();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (pass.results()[i].defined() || options.allow_unused) continue;
    throw AutogradError("[grad] input " + std::to_string(i) + " (" + inputs[i].describe() +
                        ") has no part in the outputs; .allow_unused gives an undefined gradient instead");
  }
  return pass.results();
}

}  // namespace hop
