// The operands of an elementwise operation, tensors or numbers, between the forward and the backward pass.
#pragma once

#include <memory>

#include "autograd/copy.h"
#include "autograd/node.h"
#include "autograd/reduce.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"

namespace hop::autograd {

using kernels::Input;

inline bool requires_grad(const Input& x) { return x.is_tensor() && x.tensor().requires_grad(); }

/// The parts of an operand that the gradient needs: its value, if the gradient reads it, and the shape and dtype to
/// undo broadcasting and promotion.
class SavedOperand {
 public:
  SavedOperand(const Input& x, const Tensor& y, bool read) : number_(x.is_tensor() ? Scalar(0) : x.number()) {
    is_tensor_ = x.is_tensor();
    if (!is_tensor_) return;
    if (read) value_ = SavedTensor(x.tensor());
    dtype_ = x.tensor().dtype();
    if (x.tensor().shape() != y.shape()) broadcast_from_ = std::make_unique<Shape>(x.tensor().shape());
  }

  /// The value; undefined if the gradient does not read it.
  Tensor tensor(const BackwardContext& context) const { return context.value(value_); }
  bool is_tensor() const { return is_tensor_; }
  const Scalar& number() const { return number_; }

  /// Converts the gradient of the broadcast, promoted operand into that of the operand itself.
  Tensor restore(Tensor g) const {
    if (broadcast_from_ != nullptr) g = hop::sum_to(g, *broadcast_from_);
    return g.dtype() == dtype_ ? g : hop::to(g, dtype_);
  }

 private:
  SavedTensor value_;
  Scalar number_;
  std::unique_ptr<Shape> broadcast_from_;  // null if the operand was not broadcast
  DType dtype_ = DType::f32;
  bool is_tensor_ = false;
};

/// An operand in the backward pass: a tensor or a number for the fused kernel, always a tensor for the rule.
class Unpacked {
 public:
  Unpacked(const SavedOperand& saved, const BackwardContext& context, DType dtype)
      : tensor_(saved.tensor(context)), number_(saved.number()), is_tensor_(saved.is_tensor()) {
    if (is_tensor_ || !is_grad_enabled()) return;
    const Device device = context.grad().device();
    tensor_ = number_.fits(dtype)
                  ? kernels::full({}, number_, dtype, device)
                  : kernels::cast(kernels::full({}, number_, DType::f64, device), dtype);  // infinite, as in y
  }
  Input input() const { return is_tensor_ ? Input(tensor_) : Input(number_); }
  const Tensor& tensor() const { return tensor_; }

 private:
  Tensor tensor_;
  Scalar number_;
  bool is_tensor_;
};

}  // namespace hop::autograd
