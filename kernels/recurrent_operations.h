// The functions that a device supplies for kernels/recurrent.h: what one step does to each hidden unit, between the
// products. Tensors are contiguous, of one dtype, f32 or f64; N rows of H units. With G gates, x_gates, h_gates and
// their gradients are (N, G H), a gate after the other; kept is (N, 4 H); all others are (N, H). The formulas are in
// recurrent_rules.h.
#pragma once

#include "kernels/operations_internal.h"
#include "kernels/recurrent.h"

namespace hop::kernels {

struct RecurrentOperations {
  static const RecurrentOperations cpu, cuda;

  /// Writes kept, h_next and, where the cell has a state of its own, next.
  void (*recurrent_step)(const Tensor& x_gates, const Tensor& h_gates, const Tensor& state, const Tensor& kept,
                         const Tensor& h_next, const Tensor& next, RecurrentCell cell);
  /// Writes dx_gates, dstate in place, and dh_gates where the cell has other gradients there. The gradient of h_next is
  /// dy + dh. dstate is the gradient of next, afterwards that of state. `next` is read where the cell has one.
  void (*recurrent_step_grad)(const Tensor& dy, const Tensor& dh, const Tensor& dstate, const Tensor& kept,
                              const Tensor& state, const Tensor& next, const Tensor& dx_gates, const Tensor& dh_gates,
                              RecurrentCell cell);
};

}  // namespace hop::kernels
