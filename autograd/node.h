// The recorded graph. Every operation on tensors that require gradients leaves a Node: how its outputs' gradients
// become its inputs' gradients. Edges lead from a node to the nodes that made its inputs, or to leaves.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "autograd/grad_mode.h"
#include "tensor/tensor.h"

namespace hop::autograd {

class BackwardContext;
class Hooks;
class Node;
class Run;

/// Where the gradient of one input goes: to output `index` of the node that made it, or to a leaf; or nowhere.
struct Edge {
  std::shared_ptr<Node> node{};
  Tensor leaf{};
  std::uint32_t index = 0;

  explicit operator bool() const { return node != nullptr || leaf.defined(); }
  /// What identifies the target: the node, or the leaf's body.
  const void* target() const { return node != nullptr ? node.get() : leaf.id(); }
};

/// The edge to what made `x`; empty when `x` requires no gradient.
Edge edge_to(const Tensor& x);

/// A tensor that a gradient will read, with the version it had. Reading it after a write in place throws.
class SavedTensor {
 public:
  SavedTensor() = default;
  /// Saves an input (or any tensor that the node did not make).
  explicit SavedTensor(const Tensor& x) : tensor_(x), version_(x.defined() ? x.version() : 0) {}
  /// Saves an output of the node itself: an alias without its graph, as a node that owned its output would own itself.
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

  /// Sets edge i to what made `x`, and keeps this node's number above that node's.
  void connect(std::size_t i, const Tensor& x);

  /// Computes the gradients of the inputs from those of the outputs.
  virtual void backward(BackwardContext& context) = 0;
  /// Drops what was saved. A freed node cannot be walked again; its edges stay, so that a pass that would need it can
  /// tell that it is on the way.
  void free() {
    release_saved();
    freed_ = true;
  }

  const char* op() const { return op_; }
  std::uint32_t outputs() const { return outputs_; }
  std::span<Edge> edges() { return {more_edges_ ? more_edges_.get() : few_edges_.data(), inputs_}; }
  bool is_freed() const { return freed_; }
  /// What a pass from this node met: the numbers of its nodes, falling, and its leaves' identities.
  struct Past {
    std::vector<std::uint64_t> numbers;
    std::vector<const void*> leaves;
  };
  /// Gives up the graph behind a freed node, where a pass began. Results whose graph was freed may be kept by the
  /// thousand (a loss of every step); a few bytes per node tell what they came from.
  void close(Past past);
  /// Whether a closed node came from there.
  bool led_to(const Edge& edge) const;
  /// An opaque node reaches leaves that none of its edges shows, so it is walked whatever gradients are asked for.
  bool is_opaque() const { return opaque_; }
  void set_opaque() { opaque_ = true; }
  /// Larger than the number of every node that this one reads from: highest first is an order in which each node's
  /// gradient is complete when it is reached. Unique in the process.
  std::uint64_t number() const { return number_; }
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
  std::array<Edge, 2> few_edges_;
  std::unique_ptr<Edge[]> more_edges_;  // in place of few_edges_ for three inputs or more
  std::shared_ptr<Hooks> hooks_;
  std::unique_ptr<Past> past_;  // of a closed node
};

/// What a node sees of a backward pass.
class BackwardContext {
 public:
  BackwardContext(Run& run, Node& node, std::span<const Tensor> output_grads, std::span<Tensor> input_grads)
      : run_(run), node_(node), output_grads_(output_grads), input_grads_(input_grads) {}

  /// The gradient of an output; undefined when nothing depends on that output.
  const Tensor& grad(std::size_t output = 0) const { return output_grads_[output]; }
  /// Whether the gradient of an input is of use; computing another is allowed and wasted.
  bool wants(std::size_t input) const;
  /// Gives the gradient of an input: shape and dtype of that input. One that is never set counts as zero.
  void set(std::size_t input, Tensor gradient) { input_grads_[input] = std::move(gradient); }
  /// The place of an input's gradient, if that can be written at once: the gradient of a leaf that nobody else adds to,
  /// now zero. Else undefined. Whoever writes there sets it as the gradient: `c.set(1, kernels::matmul(a, b,
  /// c.target(1)))`.
  Tensor target(std::size_t input) const;
  /// The node that made an input, where that is the only output of it and nobody looks at its gradient by a hook or by
  /// grad(): what is set for the input goes to that node and to no one else. Null otherwise.
  Node* maker(std::size_t input) const;
  /// A saved tensor. Throws AutogradError when it was written in place since.
  Tensor value(const SavedTensor& saved) const { return saved.unpack(node_); }
  /// The pass itself, for nodes that start a pass of their own (checkpoint).
  Run& run() const { return run_; }

 private:
  Run& run_;
  Node& node_;
  std::span<const Tensor> output_grads_;
  std::span<Tensor> input_grads_;
};

}  // namespace hop::autograd
