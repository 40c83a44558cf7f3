// The functions that a device supplies for kernels/recurrent.h: whole sequences, or one step between two products. A
// device has one pair of functions, the other one is null. Tensors are contiguous, of one dtype, f32 or f64; N rows of
// H units. With G gates, x_gates, h_gates and their gradients are (N, G H), a gate after the other; kept is (N, 4 H);
// all others are (N, H). The formulas are in recurrent_rules.h.
#pragma once

#include "kernels/operations_internal.h"
#include "kernels/recurrent.h"

namespace hop::kernels {

/// Where the way back puts its gradients: those of RecurrentGrads, and dstate, which comes in as the gradient of the
/// last state that steps pass on directly (a cell, otherwise h) and goes out as that of the first one.
struct RecurrentSlopes {
  Tensor dx_gates{}, dh_gates{};  ///< (T, N, G H); the same tensor for LSTM
  Tensor dh{};                    ///< (N, H): the gradient of h_0 by way of the products
  Tensor dstate{};                ///< (N, H)
};

struct RecurrentOperations {
  static const RecurrentOperations cpu, cuda;

  /// Writes the states behind the first one, and states.kept: that of the last step alone if it has room for one step.
  void (*recurrent)(const Tensor& x_gates, const RecurrentInputs& in, const RecurrentStates& states);
  /// Writes `slopes`. dy (T, N, H) is the gradient of the new hidden states.
  void (*recurrent_grad)(const Tensor& dy, const RecurrentInputs& in, const RecurrentStates& states,
                         const RecurrentSlopes& slopes);

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
