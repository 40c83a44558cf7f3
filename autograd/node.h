// The recorded graph. Every operation on tensors that require gradients leaves a Node, which computes the gradients of
// its inputs from those of its outputs. Edges lead from a node to the nodes that made its inputs, or to leaves.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "autograd/grad_mode.h"
#include "kernels/precision.h"
#include "tensor/tensor.h"

namespace hop::autograd {

class BackwardContext;
class Hooks;
class Node;
class BackwardPass;

/// The target of an input's gradient: output `index` of the node that made the input, or a leaf, or nothing.
struct Edge {
  std::shared_ptr<Node> node{};
  Tensor leaf{};
  std::uint32_t index = 0;

  explicit operator bool() const { return node != nullptr || leaf.defined(); }
  /// The identity of the target: the node, or the leaf's body.
  const void* target() const { return node != nullptr ? node.get() : leaf.id(); }
};

/// The edge to the maker of `x`; empty if `x` requires no gradient.
Edge edge_to(const Tensor& x);

/// A number that no other leaf ever has. (The address of a leaf that died comes back.)
std::uint64_t number_of_leaf(const Tensor& leaf);

/// A tensor that a gradient will read, with its version. Reading it after a write in place throws.
class SavedTensor {
 public:
  SavedTensor() = default;
  /// Saves an input (or any tensor that the node did not make).
  explicit SavedTensor(const Tensor& x) : tensor_(x), version_(x.defined() ? x.version() : 0) {}
  /// Saves an output of the node itself as an alias without its graph. (A node that owned its output would own itself.)
  static SavedTensor output(const Tensor& y, std::uint32_t index = 0);

  bool defined() const { return tensor_.defined(); }
  /// The tensor, attached to the graph; `owner` is the node that saved it. Throws AutogradError after a write in place.
  Tensor unpack(Node& owner) const;

 private:
  static constexpr std::uint32_t kInput = ~0U;
  Tensor tensor_;
  std::uint32_t version_ = 0;
  std::uint32_t output_index_ = kInput;
};

class Node : public std::enable_shared_from_this<Node> {
 public:
  /// `inputs` edges, all empty until connect(). `op` names the operation in errors and must outlive the node.
  Node(const char* op, std::size_t inputs, std::uint32_t outputs);
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Sets edge i to the maker of `x`, and keeps this node's number above the maker's.
  void connect(std::size_t i, const Tensor& x);

  /// Computes the gradients of the inputs from those of the outputs.
  virtual void backward(BackwardContext& context) = 0;
  /// Drops the saved tensors. A freed node cannot be walked again. Its edges stay, so that a pass that needs the node
  /// notices and throws.
  void free() {
    release_saved();
    freed_ = true;
  }

  const char* op() const { return op_; }
  std::uint32_t outputs() const { return outputs_; }
  std::span<Edge> edges() { return {more_edges_ ? more_edges_.get() : few_edges_.data(), inputs_}; }
  bool is_freed() const { return freed_; }
  /// The numbers of the nodes that a pass from this node visited, descending, and of the leaves, also of those that a
  /// checkpoint reached.
  struct Past {
    std::vector<std::uint64_t> numbers;
    std::vector<std::uint64_t> leaves;
  };
  /// Drops the graph behind a freed node at which a pass began. A program may keep thousands of results with freed
  /// graphs (the loss of every step). `past`, a few bytes per node, still tells their origin.
  void close(Past past);
  /// Whether a closed node was computed from the target of `edge`.
  bool led_to(const Edge& edge) const;
  /// An opaque node reaches leaves that its edges do not show, so every pass walks it.
  bool is_opaque() const { return opaque_; }
  void set_opaque() { opaque_ = true; }
  /// Larger than the numbers of all nodes that this one reads from. So in a walk from the highest number down, each
  /// node's gradient is complete when the node is reached. Unique in the process.
  std::uint64_t number() const { return number_; }
  /// That of the thread that recorded the node. backward() computes in it, wherever it runs.
  kernels::Precision precision() const { return precision_; }
  /// Hooks on the gradients of this node's outputs; null while there are none.
  std::shared_ptr<Hooks>& hooks() { return hooks_; }

 protected:
  virtual void release_saved() = 0;

 private:
  const char* op_;
  std::uint64_t number_;
  std::uint32_t inputs_;
  std::uint32_t outputs_;
  bool freed_ = false;
  bool opaque_ = false;
  kernels::Precision precision_ = kernels::precision();
  std::array<Edge, 2> few_edges_;
  std::unique_ptr<Edge[]> more_edges_;  // in place of few_edges_ for three inputs or more
  std::shared_ptr<Hooks> hooks_;
  std::unique_ptr<Past> past_;  // of a closed node
};

/// A backward pass as a node sees it.
class BackwardContext {
 public:
  BackwardContext(BackwardPass& pass, Node& node, std::span<const Tensor> output_grads, std::span<Tensor> input_grads)
      : pass_(pass), node_(node), output_grads_(output_grads), input_grads_(input_grads) {}

  /// The gradient of an output; undefined if nothing depends on that output.
  const Tensor& grad(std::size_t output = 0) const { return output_grads_[output]; }
  /// Whether the gradient of output 0 is known to be 1: it is the start of the pass, and no gradient was given for it.
  bool grad_is_one() const;
  /// Whether the gradient of an input is needed. Computing an unneeded one is allowed, but wasted.
  bool wants(std::size_t input) const;
  /// Sets the gradient of an input, in the input's shape and dtype. A gradient that is never set counts as zero.
  void set(std::size_t input, Tensor gradient) { input_grads_[input] = std::move(gradient); }
  /// The tensor into which an input's gradient can be written directly: the gradient of a leaf that is zero now and
  /// that no other node adds to. Undefined if there is none. Pass the written tensor to set(): `c.set(1,
  /// kernels::matmul(a, b, c.target(1)))`.
  Tensor target(std::size_t input) const;
  /// The node that made an input, if the gradient that is set for the input goes to this node alone: the node has no
  /// other output, and no hook or grad() sees the gradient. Null otherwise.
  Node* maker(std::size_t input) const;
  /// A saved tensor. Throws AutogradError if it was written in place since it was saved.
  Tensor value(const SavedTensor& saved) const { return saved.unpack(node_); }
  /// Leaves a gradient for a node that the pass reaches later: that node takes it by the same key. If no node takes it,
  /// it ends with the pass.
  void leave(const void* key, Tensor gradient) const;
  /// The gradient that was left under `key`, or an undefined tensor.
  Tensor take(const void* key) const;
  /// The pass itself, for nodes that start a nested pass (checkpoint).
  BackwardPass& pass() const { return pass_; }

 private:
  BackwardPass& pass_;
  Node& node_;
  std::span<const Tensor> output_grads_;
  std::span<Tensor> input_grads_;
};

}  // namespace hop::autograd
