#include "autograd/node.h"

#include <atomic>
#include <new>
#include <string>
#include <vector>

#include "autograd/record.h"
#include "base/error.h"
#include "tensor/autograd_slot.h"

namespace hop::autograd {
namespace {

// Numbers come in blocks, one block per thread at a time: no shared counter is touched per node. A thread whose block
// lies below the nodes that it reads from (another thread made them) takes a new one, which lies above all given out
// before.
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

// Nodes whose last owner is being destroyed. Non-null while some destructor up the stack empties the list.
constinit thread_local std::vector<std::shared_ptr<Node>>* dying = nullptr;

// Moves the nodes that only `edges` keep alive to the list. Without memory for that they stay, and die by recursion.
void bury(std::span<Edge> edges, std::vector<std::shared_ptr<Node>>& list) noexcept {
  for (Edge& edge : edges) {
    if (edge.node == nullptr || edge.node.use_count() != 1) continue;
    try {
      list.push_back(std::move(edge.node));
    } catch (const std::bad_alloc&) {
      return;
    }
  }
}

}  // namespace

Edge edge_to(const Tensor& x) {
  if (!x.defined() || !x.requires_grad()) return {};
  const AutogradSlot& slot = *x.autograd_slot();
  if (slot.grad_fn) return {slot.grad_fn, Tensor(), slot.output_index};
  return {nullptr, x, 0};
}

Node::Node(const char* op, std::size_t inputs, std::uint32_t outputs)
    : op_(op), number_(next_number(0)), inputs_(static_cast<std::uint32_t>(inputs)), outputs_(outputs) {
  if (inputs > few_edges_.size()) more_edges_ = std::make_unique<Edge[]>(inputs);
}

void Node::connect(std::size_t i, const Tensor& x) {
  Edge& edge = edges()[i] = edge_to(x);
  if (edge.node != nullptr && edge.node->number_ >= number_) number_ = next_number(edge.node->number_);
}

// A graph is as deep as a program is long, so its nodes may not destroy each other by recursion: each hands the nodes
// that die with it to the destructor at the bottom of the stack. (What a node saved dies before its edges do, and so
// takes no node along.)
Node::~Node() {
  if (dying != nullptr) {
    bury(edges(), *dying);
    return;
  }
  std::vector<std::shared_ptr<Node>> list;
  dying = &list;
  bury(edges(), list);
  while (!list.empty()) {
    const std::shared_ptr<Node> last = std::move(list.back());
    list.pop_back();
  }
  dying = nullptr;
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
