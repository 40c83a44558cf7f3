#include "nn/layers/tokens.h"

#include "autograd/elementwise.h"
#include "autograd/reduce.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "nn/detail/layer.h"
#include "nn/init.h"

namespace hop::nn {
namespace {

void expect_dims(const char* op, const Tensor& x, int dims, const char* form) {
  kernels::expect_defined(op, x);
  if (x.dim() != dims) {
    throw ShapeError("[" + std::string(op) + "] expected " + form + ", got " + x.shape().to_string());
  }
}

Tensor new_places(std::int64_t tokens, std::int64_t embedding_dim, DType dtype) {
  detail::check_positive("PositionalEmbedding", {{"tokens", tokens}, {"embedding_dim", embedding_dim}});
  return detail::fresh_weight({tokens, embedding_dim}, dtype);
}

}  // namespace

SelfAttention::SelfAttention(std::int64_t embed_dim, std::int64_t num_heads, const SelfAttentionOptions& o)
    : MultiheadAttention(embed_dim, num_heads, {.dropout = o.dropout, .batch_first = true, .dtype = o.dtype}),
      is_causal_(o.is_causal) {}

Tensor SelfAttention::forward(const Tensor& x) {
  return MultiheadAttention::forward(x, x, x, {.is_causal = is_causal_});
}

PositionalEmbedding::PositionalEmbedding(std::int64_t tokens, std::int64_t embedding_dim, DType dtype)
    : weight(register_parameter("weight", new_places(tokens, embedding_dim, dtype))) {}

Tensor PositionalEmbedding::forward(const Tensor& x) {
  expect_dims("PositionalEmbedding", x, 3, "(N, T, E)");
  kernels::expect_shape("PositionalEmbedding", "x", x, {x.size(0), weight.size(0), weight.size(1)});
  return x + weight;
}

void PositionalEmbedding::reset_parameters(const ParameterKeys& keys) {
  init::normal_(weight, keys["weight"], 0, 0.02);
}

std::string PositionalEmbedding::extra_repr() const {
  return std::to_string(weight.size(0)) + ", " + std::to_string(weight.size(1));
}

Tensor ImageTokens::forward(const Tensor& x) {
  expect_dims("ImageTokens", x, 4, "(N, C, H, W)");
  return transpose(flatten(x, 2), 1, 2);
}

Tensor TransposeTokens::forward(const Tensor& x) {
  expect_dims("TransposeTokens", x, 3, "(N, T, E)");
  return transpose(x, 1, 2);
}

Tensor TokenMean::forward(const Tensor& x) {
  expect_dims("TokenMean", x, 3, "(N, T, E)");
  return mean(x, {1});
}

Tensor LastToken::forward(const Tensor& x) {
  expect_dims("LastToken", x, 3, "(N, T, E)");
  if (x.size(1) == 0) throw ShapeError("[LastToken] expected at least one token, got " + x.shape().to_string());
  return select(x, 1, -1);
}

}  // namespace hop::nn
