// Parameter: the handle by which a module holds a tensor that it registered.
#pragma once

#include "tensor/tensor.h"

namespace hop::nn {

class Module;

/// A registered parameter or buffer, or nothing (a Linear without bias). It is the registered tensor and is used like
/// any other one, but it can't be assigned: `head.weight = table.weight` would leave the registry, the optimizer and
/// the file with a tensor that forward() no longer reads, so it does not compile. To change the values, write
/// `copy_(head.weight, ..)`. To share a weight, give it to the constructor: `nn::Linear(table.weight)`.
/// Members of a module that can be cloned are Parameters: a plain Tensor would go on meaning the original's.
class Parameter : public Tensor {
 public:
  Parameter() = default;
  /// The same tensor. Within nn::clone(), the clone's own one.
  Parameter(const Parameter& other);
  Parameter& operator=(const Parameter&) = delete;

 private:
  friend class Module;
  explicit Parameter(const Tensor& tensor) : Tensor(tensor) {}
};

using Buffer = Parameter;  ///< torch.nn.Buffer

}  // namespace hop::nn
