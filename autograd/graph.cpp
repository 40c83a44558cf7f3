#include "autograd/graph.h"

#include <string>

#include "autograd/run_internal.h"
#include "base/error.h"
#include "kernels/copy.h"

namespace hop {
namespace {

void check_differentiable(const Tensor& output, const char* op) {
  if (output.defined() && output.requires_grad()) return;
  throw AutogradError("[" + std::string(op) +
                      "] expected a tensor that was computed from one that requires a gradient, got " +
                      output.describe() + " without a graph");
}

// The gradient at the start: the given one, or 1 for a single element.
Tensor first_gradient(const Tensor& output, const Tensor& given, const char* op) {
  const std::string prefix = "[" + std::string(op) + "] expected ";
  if (!given.defined()) {
    if (output.numel() == 1) return kernels::ones(output.shape(), output.dtype(), output.device());
    throw ShapeError(prefix + "one element, or a gradient for all of them, got " + output.describe());
  }
  if (given.shape() != output.shape() || given.dtype() != output.dtype()) {
    throw ShapeError(prefix + "a gradient like " + output.describe() + ", got " + given.describe());
  }
  return given;
}

}  // namespace

void backward(const Tensor& result, const BackwardOptions& options) {
  check_differentiable(result, "backward");
  autograd::Run run({.retain_graph = options.retain_graph, .create_graph = options.create_graph, .accumulate = true});
  run.seed(result, first_gradient(result, options.gradient, "backward"));
  run.execute();
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const GradOptions& options) {
  if (!options.grad_outputs.empty() && options.grad_outputs.size() != outputs.size()) {
    throw AutogradError("[grad] expected " + std::to_string(outputs.size()) + " grad_outputs, one per output, got " +
                        std::to_string(options.grad_outputs.size()));
  }
  autograd::Run run({.retain_graph = options.retain_graph, .create_graph = options.create_graph});
  for (const Tensor& input : inputs) run.capture(input);
  run.restrict_to_captures(outputs);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    check_differentiable(outputs[i], "grad");
    const Tensor given = options.grad_outputs.empty() ? Tensor() : options.grad_outputs[i];
    run.seed(outputs[i], first_gradient(outputs[i], given, "grad"));
  }
  run.execute();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (run.results()[i].defined() || options.allow_unused) continue;
    throw AutogradError("[grad] input " + std::to_string(i) + " (" + inputs[i].describe() +
                        ") has no part in the outputs; .allow_unused gives an undefined gradient instead");
  }
  return run.results();
}

}  // namespace hop
