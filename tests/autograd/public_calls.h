// Every public function of hop:: and hop::kernels:: that takes tensors, for tests that give each of them an odd one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace hop::autograd {

struct Call {
  std::string op;  ///< what the function's errors name
  /// Calls the function with one operand of the caller's; the others fit an operand of shape (2, 3) where they can.
  std::function<void(const Tensor& operand)> run;
};

/// Every row of kernels/elementwise.def, in every place of an operand; "exp gradient" is the gradient's rule.
std::vector<Call> elementwise_calls();
std::vector<Call> structured_calls();

}  // namespace hop::autograd
