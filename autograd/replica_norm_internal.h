// kernels/replica_norm_internal.h, differentiable.
#pragma once

#include <memory>

#include "kernels/replica_norm_internal.h"
#include "tensor/tensor.h"

namespace hop {

struct ReplicaBatchNorm {
  Tensor y{};
  Tensor mean{};  ///< (C), of all replicas, without gradient: for the running statistics; f32 for an x of bf16 or f16
  Tensor var{};   ///< (C), unbiased, without gradient, of mean's dtype
};

/// batch_norm() of autograd/norm.h with the statistics of all replicas: each calls it with its own rows, and each walks
/// back from its own part of the loss, where the loss is the sum of the parts. The gradient of x is then that of the
/// loss; those of weight and bias have to be added over the replicas. x (N, C, ..), weight and bias (C); undefined,
/// they count as 1 and 0, and a bias needs a weight. Throws as kernels::replica_batch_norm(); AutogradError for a
/// second derivative.
ReplicaBatchNorm replica_batch_norm(const std::shared_ptr<kernels::ReplicaTalk>& talk, const Tensor& x,
                                    const Tensor& weight, const Tensor& bias, double eps);

}  // namespace hop
