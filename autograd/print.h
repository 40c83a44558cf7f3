// A tensor as text, as PyTorch prints it: torch.Tensor.__repr__ with the default options (4 digits, 80 columns, 3
// elements at each end above 1000 elements).
//
//   std::cout << x << "\n";      tensor([[1.0000, 2.5000],
//                                        [0.0000, 1.0000]], requires_grad=True)
#pragma once

#include <iosfwd>
#include <string>

#include "tensor/tensor.h"

namespace hop {

/// "tensor([1., 2.])". An operation's result ends in its name, "grad_fn=<mul>" (PyTorch: "<MulBackward0>"). An
/// undefined tensor gives "tensor(undefined)". The host reads the values: it waits for the device. Throws StateError
/// while a step is captured.
std::string to_string(const Tensor& x);
std::ostream& operator<<(std::ostream& out, const Tensor& x);

}  // namespace hop
