// The recurrence of LSTM and GRU layers over a whole sequence. The products of the inputs with their weights come from
// outside, in one product for all steps. A step is one product with the hidden state and the formula of all gates; on
// the way back the products that give the gradients of weights are left to the caller, again one for all steps. On the
// CPU a sequence is one launch, and its products are f32 in every precision; on CUDA a step is two launches.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace hop::kernels {

enum class RecurrentCell : std::uint8_t { lstm, gru };

/// 4 for LSTM (i, f, g, o), 3 for GRU (r, z, n): PyTorch's order.
std::int64_t gates_of(RecurrentCell cell);

/// What a sequence starts from and goes through. With T steps, N rows, H hidden units and G gates:
struct RecurrentInputs {
  RecurrentCell cell{};
  bool reverse = false;  ///< from the last step to the first
  Tensor x_gates{};      ///< (T, N, G H): the inputs times their weights, with their bias
  Tensor weight{};       ///< (G H, H), for the hidden state
  Tensor bias{};         ///< (G H), for the hidden state; may be undefined
  Tensor h_0{};          ///< (N, H)
  Tensor c_0{};          ///< (N, H); undefined without a cell
};

/// The states in the order of the steps. One more than steps: the first one stands in front, in a reverse sequence
/// behind.
struct RecurrentStates {
  Tensor h{};     ///< (T + 1, N, H)
  Tensor c{};     ///< (T + 1, N, H); undefined without a cell
  Tensor kept{};  ///< (T, N, 4 H): what recurrent_grad() reads beside the states. (1, N, 4 H) if nothing was to be kept

  Tensor after(const Tensor& states, bool reverse) const;   ///< (T, N, H): each step's new state
  Tensor before(const Tensor& states, bool reverse) const;  ///< (T, N, H): the state that each step started from
};
/// f32 or f64, equal dtypes. Throws ShapeError, DtypeError, DeviceError.
RecurrentStates recurrent(const RecurrentInputs& in, bool keep);

struct RecurrentGrads {
  Tensor x_gates{};  ///< (T, N, G H)
  Tensor h_gates{};  ///< (T, N, G H): of the products with the hidden states; the same tensor for LSTM
  Tensor h_0{};      ///< (N, H)
  Tensor c_0{};      ///< (N, H); undefined without a cell
};
/// dy (T, N, H) is the gradient of the new hidden states, dc (N, H) that of the last cell; each may be undefined.
RecurrentGrads recurrent_grad(const RecurrentInputs& in, const RecurrentStates& states, const Tensor& dy,
                              const Tensor& dc);

}  // namespace hop::kernels
