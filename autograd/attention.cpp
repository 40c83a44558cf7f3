// The fused backward kernel, and under create_graph the formula in recorded operations: with the weights
// w = softmax(scale q k^T), a drop d() of them and y = d(w) v,
//   dv = d(w)^T g,  ds = scale w (d(g v^T) - sum(g y)),  dq = ds k,  dk = ds^T q.
#include "autograd/attention.h"

#include <cmath>
#include <utility>

#include "autograd/dropout.h"
#include "autograd/elementwise.h"
#include "autograd/half_internal.h"
#include "autograd/masks.h"
#include "autograd/matmul.h"
#include "autograd/record.h"
#include "autograd/reduce.h"
#include "autograd/softmax.h"
#include "autograd/view.h"
#include "kernels/attention.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/precision.h"

namespace hop {
namespace {

using autograd::BackwardContext;
using kernels::AttentionInputs;

Tensor turned(const Tensor& x) { return transpose(x, -2, -1); }

/// The weights (N, heads, L, S) as recorded operations.
Tensor weights_of(const AttentionInputs& in) {
  const Tensor scores = matmul(in.q * in.scale, turned(in.k));
  if (!in.is_causal) return softmax(scores, -1);
  const Tensor later = triu(kernels::ones({in.q.size(-2), in.k.size(-2)}, DType::boolean, in.q.device()), 1);
  return softmax(masked_fill(scores, later, -HUGE_VAL), -1);
}

Tensor dropped(const Tensor& weights, const AttentionInputs& in) { return dropout(weights, in.dropout, in.address); }

void differentiable_grads(BackwardContext& c, const AttentionInputs& in) {
  const Tensor& g = c.grad();
  const Tensor weights = weights_of(in), kept = dropped(weights, in), y = matmul(kept, in.v);
  const Tensor slopes = weights * (dropped(matmul(g, turned(in.v)), in) - sum(g * y, {-1}, true)) * in.scale;
  if (c.wants(0)) c.set(0, matmul(slopes, in.k));
  if (c.wants(1)) c.set(1, matmul(turned(slopes), in.q));
  if (c.wants(2)) c.set(2, matmul(turned(kept), g));
}

}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, double scale, bool is_causal,
                 const AttentionDropout& dropout) {
  kernels::expect_defined("attention", q);
  if (autograd::any_half(q, k, v)) {
    kernels::expect_any_floating("attention", {&q, &k, &v});
    const Tensor y =
        attention(autograd::in_f32(q), autograd::in_f32(k), autograd::in_f32(v), scale, is_causal, dropout);
    return autograd::rounded_like(y, q);
  }
  const AttentionInputs in{q, k, v, scale, is_causal, dropout.p, dropout.address};
  // What the host multiplies says nothing of a card.
  const bool in_bf16 = q.device().is_cpu() && kernels::precision() == kernels::Precision::bf16 && kernels::has_bf16();
  if (!kernels::has_attention(in) || in_bf16) {
    return k.size(2) == 0 ? kernels::attention(in).y : matmul(dropped(weights_of(in), in), v);
  }
  kernels::AttentionResult result = kernels::attention(in);
  if (!autograd::is_recorded(q, k, v)) return result.y;
  const auto node = autograd::record_node(
      "attention", 1, std::initializer_list<autograd::TensorRef>{q, k, v},
      [q = autograd::save(q), k = autograd::save(k), v = autograd::save(v), y = autograd::save_output(result.y),
       log_sum = autograd::save(result.log_sum), scale, is_causal, dropout](BackwardContext& c) {
        const AttentionInputs now{c.value(q), c.value(k), c.value(v), scale, is_causal, dropout.p, dropout.address};
        if (is_grad_enabled() && now.k.size(2) != 0) return differentiable_grads(c, now);
        kernels::AttentionGrads grads = kernels::attention_grad(c.grad(), now, {c.value(y), c.value(log_sum)});
        c.set(0, std::move(grads.q));
        c.set(1, std::move(grads.k));
        c.set(2, std::move(grads.v));
      });
  return autograd::attach(std::move(result.y), node);
}

}  // namespace hop
