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
  Tensor gradient = {};       ///< of the result, same shape; may be omitted if the result has one element (then 1)
  bool retain_graph = false;  ///< keep the graph for another pass; otherwise a node is freed once it has been walked
  bool create_graph = false;  ///< record the pass itself, for higher derivatives; implies retain_graph
};

/// Adds d(result)/d(leaf) to the gradient of every leaf that `result` was computed from and that requires a gradient.
/// If the gradient of a leaf is defined, the sum is written into that very tensor (its bytes may lie in a gradient
/// block). Otherwise it becomes a new contiguous tensor. With create_graph, a recorded sum replaces the gradient. The
/// graph of this sum leads back to the leaf, and the leaf holds its gradient: a cycle that keeps both in memory until
/// the gradient is taken away, x.set_grad({}). grad() makes no such cycle; PyTorch advises the same.
/// The order of all sums is a function of the graph alone: same program, same bits. Parts of a leaf's gradient are
/// added in the order of the calls that read the leaf, and C++ leaves the order of calls within one expression to the
/// compiler. So if three calls share a leaf, f(w, a) + f(w, b) + f(w, c) may have other bits with another compiler;
/// three statements have the same bits with every compiler. Throws AutogradError if nothing was recorded, or if an
/// earlier pass freed the graph; ShapeError for a wrong `options.gradient`.
void backward(const Tensor& result, const BackwardOptions& options = {});

struct GradOptions {
  std::vector<Tensor> grad_outputs = {};  ///< one per output; or none if every output has one element
  bool retain_graph = false;
  bool create_graph = false;
  bool allow_unused = false;  ///< an input that no output depends on gets an undefined gradient instead of an error
};

/// The gradients of sum_i <grad_outputs[i], outputs[i]> with respect to `inputs` (leaves or not), as in
/// torch.autograd.grad. Leaves the gradients of leaves alone, and computes only the part of the graph that leads to
/// `inputs`. Throws AutogradError as backward() does, and for an input that no output depends on; ShapeError.
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const GradOptions& options = {});

namespace autograd {
class Hooks;
}

/// Receives a gradient and may return a replacement (an undefined tensor keeps the gradient).
using GradHook = std::function<Tensor(const Tensor&)>;

/// Removes a hook.
class HookHandle {
 public:
  HookHandle() = default;
  HookHandle(std::weak_ptr<autograd::Hooks> hooks, std::uint64_t id) : hooks_(std::move(hooks)), id_(id) {}
  void remove();

 private:
  std::weak_ptr<autograd::Hooks> hooks_;
  std::uint64_t id_ = 0;
};

/// Calls `hook` with the whole gradient of `x` in every pass, before the gradient flows on. For a leaf the hook runs
/// once per pass, when all parts are summed. Hooks run in the order of their registration. Throws AutogradError if `x`
/// requires no gradient.
HookHandle register_hook(const Tensor& x, GradHook hook);

}  // namespace hop
