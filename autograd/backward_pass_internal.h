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
class BackwardPass {
 public:
  struct Options {
    bool retain_graph = false;
    bool create_graph = false;
    bool accumulate = false;        ///< add to the `.grad` of the leaves that are not wanted
    BackwardPass* outer = nullptr;  ///< receives the gradients of leaves that are not wanted
  };
  explicit BackwardPass(const Options& options) : options_(options) {}

  /// Requests the gradient with respect to `x`. The n-th request gets the n-th result.
  void want(const Tensor& x);
  /// From now on the pass follows only edges that lead from `outputs` to a wanted tensor.
  void restrict_to_wanted(const std::vector<Tensor>& outputs);

  /// Starts a gradient at `output`. Call it for each output before execute().
  void seed(const Tensor& output, Tensor gradient);
  /// Starts the gradient 1 at `output`, which has one element.
  void seed(const Tensor& output);
  void execute();
  /// One gradient per request; undefined if none arrived.
  const std::vector<Tensor>& results() const { return results_; }

  bool follows(const Edge& edge) const { return edge && (!restricted_ || reached_.contains(edge.target())); }
  /// See BackwardContext::target.
  Tensor place_for(const Tensor& leaf) const;
  bool is_wanted(const void* target) const { return wanted_.contains(target); }
  /// Whether `gradient` is the 1 of the last seed, unchanged.
  bool is_one(const Tensor& gradient) const {
    return one_.defined() && gradient.is_same(one_) && gradient.version() == version_of_one_;
  }
  bool creates_graph() const { return options_.create_graph; }
  /// See BackwardContext.
  void leave(const void* key, Tensor gradient) { left_[key] = std::move(gradient); }
  Tensor take(const void* key);

 private:
  /// A gradient that was requested.
  struct Wanted {
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
  void note_past(const Tensor& leaf);
  void step(Pending& pending);
  bool continues_at(Node& node) const;
  bool led_to_wanted(const Node& node) const;
  void keep_wanted(const void* target, std::span<const Tensor> grads);
  void finish_leaves();
  void add(Tensor& total, Tensor part) const;
  void accumulate(const Tensor& leaf, Tensor gradient) const;
  void add_to_leaf(const Tensor& leaf, Tensor gradient) const;

  Options options_;
  Tensor one_;
  std::uint32_t version_of_one_ = 0;
  Frontier frontier_;
  Frontier::node_type spare_;        // the last entry, used again: a chain allocates nothing
  std::vector<Tensor> input_grads_;  // of the current node
  std::vector<LeafSum> leaf_sums_;   // gradients that must be complete before use: for hooks and requests
  std::unordered_multimap<const void*, Wanted> wanted_;  // by target
  std::vector<Edge> wanted_edges_;
  std::vector<Tensor> results_;
  std::unordered_map<const void*, Tensor> left_;  // by a node for a later one
  std::shared_ptr<Node> root_;                    // the start of a pass that frees its graph, if there is only one
  Node::Past past_;                               // nodes and leaves that the pass visited
  bool restricted_ = false;
  std::unordered_set<const void*> reached_;  // targets of edges that lead to a wanted tensor, when restricted
};

}  // namespace hop::autograd
