// Parameter: the handle by which a module holds a tensor that it registered.
#pragma once

#include "tensor/tensor.h"

namespace hop::nn {

class Module;

/// A registered parameter or buffer, or nothing (a Linear without bias). It is the registered tensor and is used like
/// any other tensor, but it cannot be assigned. `head.weight = table.weight` does not compile, because it would leave
/// the registry, the optimizer and the file with a tensor that forward() no longer reads. To change the values, write
/// `copy_(head.weight, ..)`. To share a weight, pass it to the constructor: `nn::Linear(table.weight)`. If a module
/// shall be clonable, its members must be Parameters: a plain Tensor in the clone would still be the original's.
class Parameter : public Tensor {
 public:
  Parameter() = default;
  /// The same tensor. Within nn::clone(), the clone's own tensor.
  Parameter(const Parameter& other);
  Parameter& operator=(const Parameter&) = delete;

 private:
  friend class Module;
  explicit Parameter(const Tensor& tensor) : Tensor(tensor) {}
};

using Buffer = Parameter;  ///< torch.nn.Buffer

}  // namespace hop::nn
