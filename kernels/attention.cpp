#include "kernels/attention.h"

#include <cmath>
#include <string>

#include "base/error.h"
#include "kernels/attention_operations.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "tensor/scalar.h"

namespace hop::kernels {
namespace {

void check(const char* op, const AttentionInputs& in) {
  expect_floating(op, {&in.q, &in.k, &in.v});
  const Shape &q = in.q.shape(), &k = in.k.shape(), &v = in.v.shape();
  const bool fits = q.size() == 4 && k.size() == 4 && v.size() == 4 && q[0] == k[0] && q[0] == v[0] && q[1] == k[1] &&
                    q[1] == v[1] && q[3] == k[3] && k[2] == v[2];
  if (!(in.dropout >= 0 && in.dropout <= 1)) {
    throw ConfigError("[" + std::string(op) + "] expected a dropout in 0..1, got " + Scalar(in.dropout).to_string());
  }
  if (fits) return;
  throw ShapeError("[" + std::string(op) +
                   "] expected q (N, heads, L, E), k (N, heads, S, E) and v (N, heads, S, D), got " + q.to_string() +
                   ", " + k.to_string() + " and " + v.to_string());
}

/// x with its columns side by side.
Tensor in_columns(const Tensor& x) { return x.size(3) == 1 || x.strides()[3] == 1 ? x : contiguous(x); }

/// The operands as kernels take them. Queries and keys without columns get one of zeros: their products are 0.
AttentionInputs in_columns(const AttentionInputs& in) {
  const auto column = [](const Tensor& x) {
    return x.size(3) != 0 ? in_columns(x) : zeros({x.size(0), x.size(1), x.size(2), 1}, x.dtype(), x.device());
  };
  AttentionInputs operands = in;
  operands.q = column(in.q);
  operands.k = column(in.k);
  operands.v = in_columns(in.v);
  if (in.q.size(3) == 0) operands.scale = 1;
  return operands;
}

/// (N, heads, rows, columns) over a fresh (N, rows, heads, columns).
Tensor rows_of_heads(const Tensor& like, std::int64_t columns) {
  const std::int64_t heads = like.size(1), rows = like.size(2);
  const Tensor x = Tensor::empty({like.size(0), rows, heads, columns}, like.dtype(), like.device());
  return x.as_strided({like.size(0), heads, rows, columns}, {rows * heads * columns, columns, heads * columns, 1}, 0);
}

}  // namespace

void check_attention(const AttentionInputs& in) { check("attention", in); }

bool has_attention(const AttentionInputs& in) {
  check_attention(in);
  return operations<AttentionOperations>(in.q).fits(in);
}

AttentionResult attention(const AttentionInputs& in) {
  check_attention(in);
  const Tensor& q = in.q;
  const AttentionResult result{rows_of_heads(q, in.v.size(3)),
                               Tensor::empty({q.size(0), q.size(1), q.size(2)}, q.dtype(), q.device())};
  if (in.k.size(2) == 0) {
    fill_(result.y, 0);
    fill_(result.log_sum, -HUGE_VAL);
  } else if (result.y.numel() != 0) {
    operations<AttentionOperations>(q).attention(q, in_columns(in), result);
  }
  return result;
}

AttentionGrads attention_grad(const Tensor& g, const AttentionInputs& in, const AttentionResult& result) {
  constexpr const char* kOp = "attention gradient";
  check(kOp, in);
  expect_floating(kOp, {&g, &in.q, &result.y, &result.log_sum});
  expect_shape(kOp, "g", g, {in.q.size(0), in.q.size(1), in.q.size(2), in.v.size(3)});
  const AttentionInputs operands = in_columns(in);
  const AttentionGrads grads{rows_of_heads(in.q, operands.q.size(3)), rows_of_heads(in.k, operands.k.size(3)),
                             rows_of_heads(in.v, in.v.size(3))};
  if (g.numel() != 0 && in.k.size(2) != 0) {
    operations<AttentionOperations>(g).attention_grad(in_columns(g), operands, result, grads);
  } else {
    for (const Tensor* x : {&grads.q, &grads.k, &grads.v}) fill_(*x, 0);
  }
  if (in.q.size(3) == 0) return {rows_of_heads(in.q, 0), rows_of_heads(in.k, 0), grads.v};
  return grads;
}

}  // namespace hop::kernels
