#include "autograd/checkpoint.h"

#include "autograd/backward_pass_internal.h"
#include "autograd/record.h"
#include "autograd/rerun.h"
#include "autograd/view.h"

namespace hop::autograd {
namespace {

// An input of the segment, cut off from the outer graph. Under create_graph it stays a function of the outer graph.
Tensor cut(const Tensor& x, bool create_graph) {
  if (!x.defined() || !x.requires_grad()) return x;
  if (!create_graph) return x.detach().set_requires_grad();
  return record("checkpoint", x.detach(), {x}, [](BackwardContext& c) { c.set(0, c.grad()); });
}

// Runs the body again, this time recording, and walks the recorded graph. Gradients of leaves that are not inputs
// (parameters) go to the calling pass.
void recompute(const CheckpointBody& body, const RunLog& log, const std::vector<SavedTensor>& saved,
               BackwardContext& context) {
  const bool create_graph = context.pass().creates_graph();
  BackwardPass pass({.create_graph = create_graph, .outer = &context.pass()});
  std::vector<Tensor> inputs;
  Tensor y;
  const StateBefore state(log);  // outlives the pass: tensors that the graph saved are watched for writes
  {
    const EnableGradGuard recording;
    const SecondRun run_again(log);
    for (const SavedTensor& input : saved) {
      inputs.push_back(cut(context.value(input), create_graph));
      pass.want(inputs.back());
    }
    y = body(inputs);
  }
  if (!y.requires_grad()) return;
  pass.seed(y, context.grad());
  pass.execute();
  for (std::size_t i = 0; i < inputs.size(); ++i) context.set(i, pass.results()[i]);
}

}  // namespace

Tensor checkpoint(CheckpointBody body, std::vector<Tensor> inputs) {
  if (!is_grad_enabled()) return body(inputs);
  Tensor y;
  RunLog log;
  {
    const NoGradGuard no_grad;
    const FirstRun run_once(log);
    y = body(inputs);
  }
  if (!is_floating(y.dtype())) return y.detach();
  std::vector<SavedTensor> saved(inputs.begin(), inputs.end());
  const auto node = record_node(
      "checkpoint", 1, inputs, [body = std::move(body), log = std::move(log), saved = std::move(saved)](auto& context) {
        recompute(body, log, saved, context);
      });
  node->set_opaque();
  return attach(y.detach(), node);  // the body may return a tensor of its caller; the caller's handle must not change
}

}  // namespace hop::autograd
