#include <utility>

#include "autograd/half_internal.h"
#include "autograd/norm_internal.h"
#include "autograd/record.h"
#include "autograd/replica_norm_internal.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/copy.h"

namespace hop {

using autograd::any_half;
using autograd::BackwardContext;
using autograd::in_f32;
using autograd::is_recorded;
using autograd::record;
using autograd::rounded_like;
using autograd::save;

ReplicaBatchNorm replica_batch_norm(const std::shared_ptr<kernels::ReplicaTalk>& talk, const Tensor& x,
                                    const Tensor& weight, const Tensor& bias, double eps) {
  if (x.defined() && (x.dim() == 3 || x.dim() > 4)) {
    const Tensor image = reshape(x, autograd::image_of(x.shape()));
    ReplicaBatchNorm result = hop::replica_batch_norm(talk, image, weight, bias, eps);
    result.y = reshape(result.y, x.shape());
    return result;
  }
  if (weight.defined() && !bias.defined()) {
    const Tensor zeros = kernels::zeros(weight.shape(), weight.dtype(), weight.device());
    return hop::replica_batch_norm(talk, x, weight, zeros, eps);
  }
  if (any_half(x, weight, bias)) {
    ReplicaBatchNorm result = hop::replica_batch_norm(talk, in_f32(x), in_f32(weight), in_f32(bias), eps);
    result.y = rounded_like(result.y, x);
    return result;
  }
  kernels::ReplicaNormResult norm = kernels::replica_batch_norm(talk, x, weight, bias, eps);
  ReplicaBatchNorm result{std::move(norm.y), norm.mean, std::move(norm.var)};
  norm = {.mean = std::move(norm.mean), .rstd = std::move(norm.rstd), .count = std::move(norm.count)};
  if (!is_recorded(x, weight, bias)) return result;
  result.y = record("replica_batch_norm", std::move(result.y), {x, weight, bias},
                    [talk, norm = std::move(norm), saved_x = save(x), saved_weight = save(weight)](BackwardContext& c) {
                      if (is_grad_enabled()) {
                        throw AutogradError(
                            "[batch_norm] expected create_graph = false with the statistics of all replicas, got true");
                      }
                      kernels::NormGrads grads = kernels::replica_batch_norm_grad(
                          talk, c.grad(), c.value(saved_x), c.value(saved_weight), norm, c.wants(0));
                      c.set(0, std::move(grads.dx));
                      c.set(1, std::move(grads.dweight));
                      c.set(2, std::move(grads.dbias));
                    });
  return result;
}

}  // namespace hop
