// One backward pass.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "autograd/node.h"

namespace hop::autograd {

/// Walks the graph from the outputs to the leaves. The frontier holds the nodes that a gradient has reached. The node
/// with the highest number goes next: all nodes that could add to its gradient have higher numbers and are done. There
/// is no recursion, no prior count of dependencies and no state in the nodes, so passes nest, and threads may walk
/// graphs that share nodes.
class Run {
 public:
  struct Options {
    bool retain_graph = false;
    bool create_graph = false;
    bool accumulate = false;  ///< add to the `.grad` of the leaves that are not captured
    Run* outer = nullptr;     ///< receives the gradients of leaves that are not captured
  };
  explicit Run(const Options& options) : options_(options) {}

  /// Requests the gradient with respect to `x`. The n-th request gets the n-th result.
  void capture(const Tensor& x);
  /// From now on the pass follows only edges that lead from `outputs` to a capture.
  void restrict_to_captures(const std::vector<Tensor>& outputs);

  /// Starts a gradient at `output`. Call it for each output before execute().
  void seed(const Tensor& output, Tensor gradient);
  void execute();
  /// One gradient per capture; undefined if none arrived.
  const std::vector<Tensor>& results() const { return results_; }

  bool follows(const Edge& edge) const { return edge && (!restricted_ || reached_.contains(edge.target())); }
  /// See BackwardContext::target.
  Tensor place_for(const Tensor& leaf) const;
  bool is_captured(const void* target) const { return captures_.contains(target); }
  bool creates_graph() const { return options_.create_graph; }

 private:
  struct Capture {
    std::uint32_t index;  // which output of the node
    std::size_t result;
  };
  struct Pending {
    std::shared_ptr<Node> node;
    std::vector<Tensor> grads;  // one per output of the node
  };
  struct LeafSum {
    Tensor leaf;
    Tensor grad;
  };
  using Frontier = std::map<std::uint64_t, Pending>;

  void arrive(const Edge& edge, Tensor gradient);
  void arrive_at_leaf(const Tensor& leaf, Tensor gradient);
  Pending& pending(const std::shared_ptr<Node>& node);
  void note_past(Node& node);
  void step(Pending& pending);
  bool continues_at(Node& node) const;
  bool led_to_capture(const Node& node) const;
  void keep_captured(const void* target, std::span<const Tensor> grads);
  void finish_leaves();
  void add(Tensor& total, Tensor part) const;
  void accumulate(const Tensor& leaf, Tensor gradient) const;

  Options options_;
  Frontier frontier_;
  Frontier::node_type spare_;        // the last entry, used again: a chain allocates nothing
  std::vector<Tensor> input_grads_;  // of the current node
  std::vector<LeafSum> leaf_sums_;   // gradients that must be complete before use: for hooks and captures
  std::unordered_multimap<const void*, Capture> captures_;
  std::vector<Edge> wanted_;  // the captures' edges
  std::vector<Tensor> results_;
  std::shared_ptr<Node> root_;  // the start of a pass that frees its graph, if there is only one
  Node::Past past_;             // nodes and leaves that the pass visited
  bool restricted_ = false;
  std::unordered_set<const void*> reached_;  // targets of edges that lead to a capture, when restricted
};

}  // namespace hop::autograd
