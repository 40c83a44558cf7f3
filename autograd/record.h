// How an operation records itself: its result, its inputs and its gradient, all in one place.
//
//   Tensor transpose(const Tensor& x, std::int64_t a, std::int64_t b) {
//     Tensor y = kernels::transpose(x, a, b);
//     if (!is_recorded(x)) return y;
//     return record("transpose", y, {x}, [=](BackwardContext& c) { c.set(0, transpose(c.grad(), a, b)); });
//   }
//
// Under create_graph, gradients that are written with hop:: operations are recorded in turn, so they can be
// differentiated again.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>

#include "autograd/node.h"

namespace hop::autograd {

/// Whether an operation on these inputs must leave a node.
template <class... Tensors>
bool is_recorded(const Tensors&... inputs) {
  return is_grad_enabled() && ((inputs.defined() && inputs.requires_grad()) || ...);
}

inline SavedTensor save(const Tensor& x) { return SavedTensor(x); }
/// Saves `x` only if its value will be read.
inline SavedTensor save_if(bool read, const Tensor& x) { return read ? SavedTensor(x) : SavedTensor(); }
inline SavedTensor save_output(const Tensor& y) { return SavedTensor::output(y); }

/// A node whose gradient is a callable `void(BackwardContext&)`. The saved tensors are the callable's captures.
template <class Gradient>
class RecordedNode final : public Node {
 public:
  RecordedNode(const char* op, std::size_t inputs, std::uint32_t outputs, Gradient gradient)
      : Node(op, inputs, outputs), gradient_(std::move(gradient)) {}
  void backward(BackwardContext& context) override { (*gradient_)(context); }

 protected:
  void release_saved() override { gradient_.reset(); }

 private:
  std::optional<Gradient> gradient_;
};

/// Makes `node` the origin of `y`. Returns `y`, or an alias of it if `y` already has a history (the operation returned
/// its input).
Tensor attach(Tensor y, const std::shared_ptr<Node>& node, std::uint32_t index = 0);

using TensorRef = std::reference_wrapper<const Tensor>;

/// Records a node with `outputs` outputs, which the caller attaches.
template <class Inputs, class Gradient>
std::shared_ptr<Node> record_node(const char* op, std::uint32_t outputs, const Inputs& inputs, Gradient gradient) {
  auto node = std::make_shared<RecordedNode<Gradient>>(op, std::size(inputs), outputs, std::move(gradient));
  std::size_t i = 0;
  for (const Tensor& x : inputs) node->connect(i++, x);
  return node;
}

/// Records an operation with one output and returns that output with its history.
template <class Gradient>
Tensor record(const char* op, Tensor y, std::initializer_list<TensorRef> inputs, Gradient gradient) {
  return attach(std::move(y), record_node(op, 1, inputs, std::move(gradient)));
}

}  // namespace hop::autograd
