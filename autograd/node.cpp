#include "autograd/node.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "autograd/record.h"
#include "base/error.h"
#include "tensor/autograd_slot.h"

namespace hop::autograd {
namespace {

// Numbers come in blocks, one block per thread at a time: no shared counter is touched per node. If a thread's block
// lies below the nodes that it reads from (another thread made them), the thread takes a new block, which lies above
// all blocks before.
std::uint64_t next_number(std::uint64_t above) {
  constexpr std::uint64_t kBlock = 1U << 16;
  static constinit std::atomic<std::uint64_t> next_block{1};
  static constinit thread_local std::uint64_t next = 0;
  static constinit thread_local std::uint64_t end = 0;
  if (next == end || next <= above) {
    next = next_block.fetch_add(kBlock, std::memory_order_relaxed);
    end = next + kBlock;
  }
  return next++;
}

}  // namespace

Edge edge_to(const Tensor& x) {
  if (!x.defined() || !x.requires_grad()) return {};
  const AutogradSlot& slot = *x.autograd_slot();
  if (slot.grad_fn) return {slot.grad_fn, Tensor(), slot.output_index};
  return {nullptr, x, 0};
}

// Two threads may ask for the first time together.
std::uint64_t number_of_leaf(const Tensor& leaf) {
  std::atomic<std::uint64_t>& number = leaf.ensure_autograd_slot().number;
  std::uint64_t present = number.load(std::memory_order_relaxed);
  if (present != 0) return present;
  const std::uint64_t fresh = next_number(0);
  return number.compare_exchange_strong(present, fresh, std::memory_order_relaxed) ? fresh : present;
}

Node::Node(const char* op, std::size_t inputs, std::uint32_t outputs)
    : op_(op), number_(next_number(0)), inputs_(static_cast<std::uint32_t>(inputs)), outputs_(outputs) {
  if (inputs > few_edges_.size()) more_edges_ = std::make_unique<Edge[]>(inputs);
}

void Node::connect(std::size_t i, const Tensor& x) {
  Edge& edge = edges()[i] = edge_to(x);
  if (edge.node != nullptr && edge.node->number_ >= number_) number_ = next_number(edge.node->number_);
}

// The saved tensors have died before this; if a part of a graph was among them, it is buried already. Edges are buried
// one by one, because two edges may be the last owners of one node.
Node::~Node() {
  if (hooks_) bury(std::move(hooks_));
  for (Edge& edge : edges()) {
    if (edge.node) bury(std::move(edge.node));
  }
}

void Node::close(Past past) {
  std::sort(past.leaves.begin(), past.leaves.end());
  past.leaves.erase(std::unique(past.leaves.begin(), past.leaves.end()), past.leaves.end());
  past.leaves.shrink_to_fit();
  past_ = std::make_unique<Past>(std::move(past));
  for (Edge& edge : edges()) edge = {};
}

bool Node::led_to(const Edge& edge) const {
  if (past_ == nullptr || edge.node.get() == this) return false;
  if (edge.node == nullptr)
    return std::binary_search(past_->leaves.begin(), past_->leaves.end(), number_of_leaf(edge.leaf));
  return std::binary_search(past_->numbers.rbegin(), past_->numbers.rend(), edge.node->number());
}

SavedTensor SavedTensor::output(const Tensor& y, std::uint32_t index) {
  SavedTensor saved(y.detach());
  saved.output_index_ = index;
  return saved;
}

Tensor SavedTensor::unpack(Node& owner) const {
  if (!tensor_.defined()) return tensor_;
  if (tensor_.version() != version_) {
    throw AutogradError("[" + std::string(owner.op()) + "] a tensor that its gradient needs was written in place: " +
                        tensor_.describe() + " is at version " + std::to_string(tensor_.version()) +
                        ", expected version " + std::to_string(version_));
  }
  if (output_index_ == kInput || !is_grad_enabled()) return tensor_;
  return attach(tensor_.detach(), owner.shared_from_this(), output_index_);
}

Tensor attach(Tensor y, const std::shared_ptr<Node>& node, std::uint32_t index) {
  if (y.autograd_slot() != nullptr) y = y.detach();
  AutogradSlot& slot = y.ensure_autograd_slot();
  slot.grad_fn = node;
  slot.output_index = index;
  return y;
}

}  // namespace hop::autograd
