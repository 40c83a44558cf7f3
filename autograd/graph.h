// Reverse-mode differentiation: the chain rule, walked backwards over the graph that operations record (node.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "autograd/grad_mode.h"
#include "tensor/tensor.h"

namespace hop {

struct BackwardOptions {
  Tensor gradient = {};       ///< of the result, same shape; may be left out when the result has one element (then 1)
  bool retain_graph = false;  ///< keep the graph for another pass; else a node is freed once it has been walked
  bool create_graph = false;  ///< record the pass itself, for higher derivatives; implies retain_graph
};

/// Adds d(result)/d(leaf) to `.grad` of every leaf that `result` was computed from and that requires a gradient.
/// A leaf whose `.grad` is defined gets the sum written into that very tensor (its bytes may lie in a gradient block);
/// else
/// `.grad` becomes a contiguous tensor of its own. With create_graph `.grad` is replaced by a recorded sum.
/// The order of all sums is a function of the graph alone: same program, same bits.
/// Throws AutogradError when nothing was recorded, or the graph was freed by an earlier pass; ShapeError for a wrong
/// gradient.
void backward(const Tensor& result, const BackwardOptions& options = {});

struct GradOptions {
  std::vector<Tensor> grad_outputs = {};  ///< one per output, or none at all when every output has one element
  bool retain_graph = false;
  bool create_graph = false;
  bool allow_unused = false;  ///< an input that no output depends on gets an undefined gradient instead of an error
};

/// The gradients of sum_i <grad_outputs[i], outputs[i]> with respect to `inputs` (leaves or not), as
/// torch.autograd.grad. Touches no
/// `.grad`, and computes only what leads to `inputs`. Throws AutogradError as backward() does, and for an unused input.
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const GradOptions& options = {});

namespace autograd {
class Hooks;
}

/// Sees a gradient, and may return another in its place (an undefined tensor leaves it as it is).
using GradHook = std::function<Tensor(const Tensor&)>;

/// Takes a hook away again.
class HookHandle {
 public:
  HookHandle() = default;
  HookHandle(std::weak_ptr<autograd::Hooks> hooks, std::uint64_t id) : hooks_(std::move(hooks)), id_(id) {}
  void remove();

 private:
  std::weak_ptr<autograd::Hooks> hooks_;
  std::uint64_t id_ = 0;
};

/// Calls `hook` with the whole gradient of `x` in every pass, before it flows on: for a leaf once per pass, when its
/// parts are summed. Hooks run in the order of their registration. Throws AutogradError when `x` requires no gradient.
HookHandle register_hook(const Tensor& x, GradHook hook);

}  // namespace hop
