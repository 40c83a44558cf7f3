// The place in a tensor's body that automatic differentiation (floor 3) fills. Floor 1 only stores it.
#pragma once

#include <cstdint>
#include <memory>

#include "tensor/tensor.h"

namespace hop {

namespace autograd {
class Hooks;
class Node;
}  // namespace autograd

struct AutogradSlot {
  bool requires_grad = false;  ///< a leaf that wants a gradient
  Tensor grad;                 ///< accumulated by backward(); leaves only
  /// `grad` stands for zeros, whatever its bytes say: the first gradient is written over it.
  bool grad_is_zero = false;
  bool zeroed_in_capture = false;           ///< it came to that in a step that was being captured
  std::shared_ptr<autograd::Node> grad_fn;  ///< what computed this tensor; null for a leaf
  std::uint32_t output_index = 0;           ///< which output of grad_fn this tensor is
  std::shared_ptr<autograd::Hooks> hooks;   ///< called with a leaf's gradient; null while there are none
};

}  // namespace hop
