// Batch normalisation with the statistics of several replicas of a model, which compute side by side: SyncBatchNorm of
// PyTorch. On the CPU. Each replica calls these functions with its own rows. In the middle they tell each other sums
// per channel, and each one adds those of all replicas in f64, in the order of the replicas. So the bits depend on
// neither who computes which replica nor how the sums travel.
#pragma once

#include <memory>
#include <vector>

#include "kernels/norm.h"
#include "tensor/tensor.h"

namespace hop::kernels {

/// The place where one replica meets the others. A recorded step keeps it and meets them in each replay.
class ReplicaTalk {
 public:
  virtual ~ReplicaTalk() = default;
  /// Gives the numbers of this replica away, waits, and returns those of all replicas that take part, in their order.
  /// They stand until the next call. All replicas make the same calls in the same order, each with equally many
  /// numbers. Must not call operations: the step may be recorded meanwhile.
  virtual const std::vector<std::vector<double>>& share(std::vector<double> own) = 0;
};

struct ReplicaNormResult {
  Tensor y{};
  Tensor mean{};   ///< (C), over the rows of all replicas, as the next two
  Tensor rstd{};   ///< (C), 1 / sqrt(var + eps) with the biased variance
  Tensor var{};    ///< (C), unbiased: for the running statistics
  Tensor count{};  ///< () f64: values per channel, of all replicas
};

/// y = (x - mean) rstd weight + bias. x (N, C, ..), weight and bias (C) or both undefined; f32 or f64, equal dtypes.
/// Throws as batch_norm(), DeviceError unless x is on the CPU, and ShapeError if all replicas together have one value
/// per channel.
ReplicaNormResult replica_batch_norm(const std::shared_ptr<ReplicaTalk>& talk, const Tensor& x, const Tensor& weight,
                                     const Tensor& bias, double eps);

/// The gradients at this replica, where the loss is a sum over replicas: `g` is the gradient of this sum. dx has what
/// reaches x through the statistics of the others; dweight and dbias are those of the own rows. Without `wants_dx` the
/// replicas do not meet, and dx is undefined. `norm`: of the forward pass; its y and var are not read.
NormGrads replica_batch_norm_grad(const std::shared_ptr<ReplicaTalk>& talk, const Tensor& g, const Tensor& x,
                                  const Tensor& weight, const ReplicaNormResult& norm, bool wants_dx);

}  // namespace hop::kernels
