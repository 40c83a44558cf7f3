#include <algorithm>
#include <optional>
#include <string>

#include "autograd/backward_pass_internal.h"
#include "autograd/copy.h"
#include "autograd/elementwise.h"
#include "autograd/hooks.h"
#include "autograd/inplace.h"
#include "autograd/memory_format.h"
#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "tensor/autograd_slot.h"
#include "tensor/dependencies.h"

namespace hop::autograd {
namespace {

/// True if the receiver may keep the gradient and add to it in place.
bool can_be_taken(const Tensor& gradient) { return gradient.is_unique() && gradient.is_contiguous(); }

void check_gradient(const Tensor& leaf, const Tensor& gradient) {
  if (gradient.shape() == leaf.shape() && gradient.dtype() == leaf.dtype()) return;
  throw AutogradError("[backward] expected a gradient like its leaf, " + leaf.describe() + ", got " +
                      gradient.describe());
}

}  // namespace

bool BackwardContext::grad_is_one() const { return pass_.is_one(output_grads_[0]); }

bool BackwardContext::wants(std::size_t input) const { return pass_.follows(node_.edges()[input]); }

Tensor BackwardContext::target(std::size_t input) const {
  const auto edges = node_.edges();
  const auto is_same_leaf = [&](const Edge& edge) {
    return edge.leaf.defined() && edge.leaf.is_same(edges[input].leaf);
  };
  if (!edges[input].leaf.defined() || std::count_if(edges.begin(), edges.end(), is_same_leaf) != 1) return {};
  return pass_.place_for(edges[input].leaf);
}

Node* BackwardContext::maker(std::size_t input) const {
  const Edge& edge = node_.edges()[input];
  const bool is_seen =
      edge.node == nullptr || edge.node->outputs() != 1 || edge.node->hooks() || pass_.is_wanted(edge.target());
  return is_seen ? nullptr : edge.node.get();
}

void BackwardContext::leave(const void* key, Tensor gradient) const { pass_.leave(key, std::move(gradient)); }

Tensor BackwardContext::take(const void* key) const { return pass_.take(key); }

Tensor BackwardPass::take(const void* key) {
  auto entry = left_.extract(key);
  return entry.empty() ? Tensor() : std::move(entry.mapped());
}

Tensor BackwardPass::place_for(const Tensor& leaf) const {
  if (options_.create_graph || !options_.accumulate || restricted_ || wanted_.contains(leaf.id())) return {};
  const AutogradSlot& slot = *leaf.autograd_slot();
  return slot.requires_grad && slot.gradient.is_overwritable() && !slot.hooks ? slot.gradient.tensor() : Tensor();
}

void BackwardPass::want(const Tensor& x) {
  const Edge edge = edge_to(x);
  if (edge) wanted_.emplace(edge.target(), Wanted{edge.index, results_.size()});
  if (edge) wanted_edges_.push_back(edge);
  results_.emplace_back();
}

void BackwardPass::restrict_to_wanted(const std::vector<Tensor>& outputs) {
  std::unordered_set<Node*> seen;
  std::vector<Node*> nodes;
  const auto visit = [&](const Edge& edge) {
    if (edge.node != nullptr && seen.insert(edge.node.get()).second) nodes.push_back(edge.node.get());
  };
  for (const Tensor& output : outputs) visit(edge_to(output));
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const Edge& edge : nodes[i]->edges()) visit(edge);
  }
  // Lowest number first: a node's inputs are decided before the node.
  std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) { return a->number() < b->number(); });
  for (const auto& [target, wanted] : wanted_) reached_.insert(target);
  for (Node* node : nodes) {
    const auto edges = node->edges();
    const auto leads_on = [this](const Edge& edge) { return edge && reached_.contains(edge.target()); };
    if (node->is_opaque() || led_to_wanted(*node) || std::any_of(edges.begin(), edges.end(), leads_on))
      reached_.insert(node);
  }
  restricted_ = true;
}

void BackwardPass::execute() {
  const GradModeGuard mode(options_.create_graph);
  while (!frontier_.empty()) {
    auto entry = frontier_.extract(std::prev(frontier_.end()));
    step(entry.mapped());
    entry.mapped().node.reset();
    entry.mapped().grads.clear();
    spare_ = std::move(entry);
  }
  finish_leaves();
  if (root_ != nullptr && root_->is_freed()) root_->close(std::move(past_));
}

void BackwardPass::seed(const Tensor& output, Tensor gradient) {
  const Edge edge = edge_to(output);
  const bool is_alone = frontier_.empty() && root_ == nullptr;
  const bool keeps_graph = options_.retain_graph || options_.create_graph || restricted_ || options_.outer != nullptr;
  if (!keeps_graph) root_ = is_alone ? edge.node : nullptr;
  arrive(edge, std::move(gradient));
}

void BackwardPass::seed(const Tensor& output) {
  one_ = kernels::ones(output.shape(), output.dtype(), output.device());
  version_of_one_ = one_.version();
  seed(output, one_);
}

void BackwardPass::step(Pending& pending) {
  Node& node = *pending.node;
  if (node.hooks()) node.hooks()->run(pending.grads);
  keep_wanted(&node, pending.grads);
  if (!continues_at(node)) return;
  if (node.is_freed()) {
    throw AutogradError("[backward] the graph was freed by an earlier pass (reached " + std::string(node.op()) +
                        "); ask that pass to .retain_graph");
  }
  const auto edges = node.edges();
  input_grads_.assign(edges.size(), Tensor());
  BackwardContext context(*this, node, pending.grads, input_grads_);
  {
    const kernels::PrecisionScope precision(node.precision());
    node.backward(context);
  }
  pending.grads.clear();  // if a node passed the gradient through, the gradient now has one owner
  if (!options_.retain_graph && !options_.create_graph) node.free();
  if (root_ != nullptr) note_past(node);
  for (std::size_t i = 0; i < edges.size(); ++i) {
    if (input_grads_[i].defined() && follows(edges[i])) arrive(edges[i], std::move(input_grads_[i]));
  }
}

void BackwardPass::note_past(Node& node) {
  past_.numbers.push_back(node.number());
  for (const Edge& edge : node.edges()) {
    if (edge.leaf.defined()) past_.leaves.push_back(number_of_leaf(edge.leaf));
  }
}

// A leaf that a checkpoint reached: no edge of this pass leads to it.
void BackwardPass::note_past(const Tensor& leaf) {
  if (root_ != nullptr) past_.leaves.push_back(number_of_leaf(leaf));
}

/// Whether a node that an earlier pass closed was computed from a wanted tensor.
bool BackwardPass::led_to_wanted(const Node& node) const {
  return std::any_of(wanted_edges_.begin(), wanted_edges_.end(), [&](const Edge& edge) { return node.led_to(edge); });
}

/// A restricted pass continues where a wanted tensor can be reached. A nested pass ends at its wanted tensors, the
/// inputs of the segment.
bool BackwardPass::continues_at(Node& node) const {
  if (!restricted_) return !wanted_.contains(&node);
  const auto edges = node.edges();
  return node.is_opaque() || led_to_wanted(node) ||
         std::any_of(edges.begin(), edges.end(), [this](const Edge& edge) { return follows(edge); });
}

void BackwardPass::arrive(const Edge& edge, Tensor gradient) {
  if (!follows(edge)) return;
  if (edge.leaf.defined()) {
    arrive_at_leaf(edge.leaf, std::move(gradient));
  } else {
    add(pending(edge.node).grads[edge.index], std::move(gradient));
  }
}

BackwardPass::Pending& BackwardPass::pending(const std::shared_ptr<Node>& node) {
  const std::uint64_t number = node->number();
  auto place = frontier_.lower_bound(number);
  if (place != frontier_.end() && place->first == number) return place->second;
  if (spare_.empty()) {
    place = frontier_.try_emplace(place, number);
  } else {
    spare_.key() = number;
    place = frontier_.insert(place, std::move(spare_));
  }
  Pending& pending = place->second;
  pending.grads.resize(node->outputs());
  pending.node = node;
  return pending;
}

void BackwardPass::arrive_at_leaf(const Tensor& leaf, Tensor gradient) {
  check_gradient(leaf, gradient);
  const bool is_wanted = wanted_.contains(leaf.id());
  if (!is_wanted && options_.outer != nullptr) {
    options_.outer->note_past(leaf);
    return options_.outer->arrive_at_leaf(leaf, std::move(gradient));
  }
  if (!is_wanted && (!options_.accumulate || !leaf.requires_grad())) return;
  const auto& hooks = leaf.autograd_slot()->hooks;
  if (Dependencies* step = Dependencies::current(); step != nullptr && hooks && !step->made(leaf))
    step->watch(hooks, hooks->changes(), "hooks on a leaf's gradient");
  if (!is_wanted && !hooks) return accumulate(leaf, std::move(gradient));
  auto sum = std::find_if(leaf_sums_.begin(), leaf_sums_.end(), [&](const LeafSum& s) { return s.leaf.is_same(leaf); });
  if (sum == leaf_sums_.end()) sum = leaf_sums_.insert(sum, {leaf, Tensor()});
  add(sum->grad, std::move(gradient));
}

void BackwardPass::finish_leaves() {
  for (LeafSum& sum : leaf_sums_) {
    const std::span<Tensor> grads(&sum.grad, 1);
    if (const auto& hooks = sum.leaf.autograd_slot()->hooks) hooks->run(grads);
    keep_wanted(sum.leaf.id(), grads);
    if (options_.accumulate && !wanted_.contains(sum.leaf.id())) accumulate(sum.leaf, std::move(sum.grad));
  }
}

void BackwardPass::keep_wanted(const void* target, std::span<const Tensor> grads) {
  if (wanted_.empty()) return;
  const auto [first, last] = wanted_.equal_range(target);
  for (auto it = first; it != last; ++it) results_[it->second.result] = grads[it->second.index];
}

/// total += part, in place if no other handle can see it.
void BackwardPass::add(Tensor& total, Tensor part) const {
  if (!total.defined()) {
    total = std::move(part);
  } else if (!options_.create_graph && total.is_unique() && kernels::can_evaluate_into(total)) {
    hop::add_(total, part);
  } else {
    total = hop::add(total, part);
  }
}

void BackwardPass::accumulate(const Tensor& leaf, Tensor gradient) const {
  Dependencies* const step = Dependencies::current();
  if (step != nullptr) step->add_gradient(leaf, GradientUse::given);
  add_to_leaf(leaf, std::move(gradient));
  if (step == nullptr) return;
  if (const std::optional<std::size_t> calls = kernels::calls_so_far()) step->note_given(leaf, *calls);
}

void BackwardPass::add_to_leaf(const Tensor& leaf, Tensor gradient) const {
  Gradient& own = leaf.autograd_slot()->gradient;
  if (own.is_overwritable() && !options_.create_graph) {
    if (!gradient.is_same(own.tensor())) hop::copy_(own.tensor(), gradient);
    return own.mark_given();
  }
  const Tensor present = own.sum_start();
  if (present.defined() && options_.create_graph) {
    own.set(hop::add(present, gradient));
  } else if (present.defined()) {
    hop::add_(present, gradient);
    own.mark_given();
  } else {
    own.set(can_be_taken(gradient) ? std::move(gradient) : hop::clone(gradient, MemoryFormat::contiguous));
  }
}

}  // namespace hop::autograd
