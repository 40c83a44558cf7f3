// Mixed precision: torch.autocast.
//
//   for (const auto& [x, y] : batches) {
//     adam.zero_grad();
//     Tensor loss;
//     {
//       const AutocastGuard autocast;
//       loss = cross_entropy(net(x), y);
//     }
//     backward(loss);
//     adam.step();
//   }
//
// It is the mode kernels::Precision by PyTorch's name: `precision = "bf16"` or "f16" under [run] of an experiment file
// is the same.
#pragma once

#include "kernels/precision.h"
#include "tensor/dtype.h"

namespace hop {

struct AutocastOptions {
  DType dtype = DType::bf16;
  bool enabled =
      true;  ///< false: an island without rounding: strict in the scope of another guard, else the thread's mode
};

/// In its scope, products of f32 tensors round their factors to `dtype`: matmul, linear, and all that is made of them
/// (bmm, einsum, attention, recurrent layers); on CUDA also convolutions. Sums are f32. So are all other operations:
/// losses, norms, softmax, reductions. The following compute in f32: a product of few rows, a CPU without bf16
/// instructions, every CPU in f16, attention() on CUDA in f16, the product of a recurrent layer's hidden state on the
/// CPU, and most first layers of a convolutional net on CUDA (docs/devices.md).
///
/// Gradients are computed as their operations were. So backward() may be called outside of the scope, as PyTorch
/// recommends, and the rest of a step is not touched. A captured step keeps the scopes that it was recorded with.
///
/// Differences to PyTorch: tensors stay f32, and results are not rounded, which is more exact and needs no list of
/// operations whose results must be widened again. Convolutions on CUDA are the exception: they round their results to
/// `dtype` before those become f32 again (kernels/precision.h). Weights are rounded where they are used, so nothing is
/// cached. f64 stays f64.
///
/// f16 overflows, which bf16 does not: factors beyond 65504 become infinite, results of convolutions, too, and small
/// factors, such as gradients, become 0. So scale the loss with optim::GradScaler (nn/optim/grad_scaler.h), as in
/// PyTorch.
///
/// Throws DtypeError unless dtype is bf16 or f16.
class AutocastGuard {
 public:
  explicit AutocastGuard(const AutocastOptions& options = {});

 private:
  kernels::PrecisionScope scope_;
};

}  // namespace hop
