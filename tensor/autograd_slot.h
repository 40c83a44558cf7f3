// The place in a tensor's body that automatic differentiation (floor 3) fills. Floor 1 only stores it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/recycled.h"
#include "tensor/gradient.h"
#include "tensor/tensor.h"

namespace hop {

namespace autograd {
class Hooks;
class Node;

/// Whether the calling thread records operations: see autograd/grad_mode.h.
inline constinit thread_local bool grad_enabled = true;

/// Lets go of a part of a graph (a node, hooks). If nobody else holds the part, it dies. The parts that only it held
/// die after it, one by one and without recursion: a graph can be as deep as a program is long.
void bury(std::shared_ptr<const void> part) noexcept;
}  // namespace autograd

struct AutogradSlot : Recycled<AutogradSlot> {
  AutogradSlot() = default;
  ~AutogradSlot();
  AutogradSlot(const AutogradSlot&) = delete;
  AutogradSlot& operator=(const AutogradSlot&) = delete;

  bool requires_grad = false;               ///< a leaf that wants a gradient
  Gradient gradient;                        ///< accumulated by backward(); leaves only
  std::shared_ptr<autograd::Node> grad_fn;  ///< what computed this tensor; null for a leaf
  std::uint32_t output_index = 0;           ///< which output of grad_fn this tensor is
  std::shared_ptr<autograd::Hooks> hooks;   ///< called with a leaf's gradient; null while there are none
  std::atomic<std::uint64_t> number{0};     ///< of a leaf, unique in the process; 0 until somebody asks for it
};

}  // namespace hop
