#include "autograd/products.h"

#include <string>

#include "autograd/composed_internal.h"
#include "autograd/half_internal.h"
#include "autograd/matmul.h"
#include "autograd/matmul_internal.h"
#include "autograd/reduce.h"
#include "autograd/summaries.h"
#include "autograd/view.h"
#include "base/words.h"

namespace hop {

using autograd::any_half;
using autograd::expect_rank;
using autograd::expected;
using autograd::in_f32;
using autograd::power_from_zero;
using autograd::rounded_like;

namespace {

constexpr const char* kMatrix = "a matrix";
constexpr const char* kVector = "a vector";
constexpr const char* kBatch = "a batch of matrices (b, m, n)";

// Both are batches, of one size. (matmul would broadcast them.)
void expect_batches(const char* op, const Tensor& a, const Tensor& b) {
  expect_rank(op, kBatch, a, 3);
  expect_rank(op, kBatch, b, 3);
  if (a.size(0) == b.size(0)) return;
  throw ShapeError(expected(op) + "batches of one size, got " + a.shape().to_string() + " and " +
                   b.shape().to_string());
}

/// alpha a b; in f32 for factors of 16 bits.
Tensor scaled_product(const Tensor& a, const Tensor& b, double alpha) {
  if (any_half(a)) return autograd::wide_product(a, b, alpha);
  const Tensor product = matmul(a, b);
  return alpha == 1 ? product : product * alpha;
}

Tensor add_product(const char* op, const Tensor& input, const Tensor& a, const Tensor& b, double beta, double alpha) {
  kernels::expect_any_floating(op, {&a, &b, &input});
  const Tensor scaled = scaled_product(a, b, alpha);
  if (broadcast_shapes(input.shape(), scaled.shape(), op) != scaled.shape()) {
    throw ShapeError(expected(op) + "an input that broadcasts to " + scaled.shape().to_string() + ", got " +
                     input.shape().to_string());
  }
  if (beta == 0) return rounded_like(scaled, a);
  const Tensor term = in_f32(input);
  return rounded_like((beta == 1 ? term : term * beta) + scaled, a);
}

/// |a_i - b_j|^2 = |a_i|^2 + |b_j|^2 - 2 a_i b_j, where rounding may leave a little less than 0.
Tensor squared_distances(const Tensor& a, const Tensor& b) {
  const Tensor squares = sum(square(a), {-1}, true) + transpose(sum(square(b), {-1}, true), -2, -1);
  return clamp(squares - matmul(a, transpose(b, -2, -1)) * 2, 0);
}

}  // namespace

Tensor mm(const Tensor& a, const Tensor& b) {
  expect_rank("mm", kMatrix, a, 2);
  expect_rank("mm", kMatrix, b, 2);
  return matmul(a, b);
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  expect_batches("bmm", a, b);
  return matmul(a, b);
}

Tensor mv(const Tensor& matrix, const Tensor& vector) {
  expect_rank("mv", kMatrix, matrix, 2);
  expect_rank("mv", kVector, vector, 1);
  return matmul(matrix, vector);
}

Tensor dot(const Tensor& a, const Tensor& b) {
  expect_rank("dot", kVector, a, 1);
  expect_rank("dot", kVector, b, 1);
  return matmul(a, b);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  expect_rank("outer", kVector, a, 1);
  expect_rank("outer", kVector, b, 1);
  return unsqueeze(a, 1) * b;
}

Tensor addmm(const Tensor& input, const Tensor& a, const Tensor& b, double beta, double alpha) {
  kernels::expect_defined("addmm", input);
  expect_rank("addmm", kMatrix, a, 2);
  expect_rank("addmm", kMatrix, b, 2);
  return add_product("addmm", input, a, b, beta, alpha);
}

Tensor baddbmm(const Tensor& input, const Tensor& a, const Tensor& b, double beta, double alpha) {
  kernels::expect_defined("baddbmm", input);
  expect_batches("baddbmm", a, b);
  return add_product("baddbmm", input, a, b, beta, alpha);
}

Tensor cdist(const Tensor& a, const Tensor& b, double p) {
  constexpr std::int64_t kFewRows = 25;
  if (any_half(a, b)) return rounded_like(cdist(in_f32(a), in_f32(b), p), a, b);
  kernels::expect_floating("cdist", {&a, &b});
  if (!(p >= 0)) throw ConfigError(expected("cdist") + "p of at least 0, got " + shortest(p));
  if (a.dim() < 2 || b.dim() < 2 || a.size(-1) != b.size(-1)) {
    throw ShapeError(expected("cdist") + "(.., P, M) and (.., R, M), got " + a.shape().to_string() + " and " +
                     b.shape().to_string());
  }
  if (p == 2 && (a.size(-2) > kFewRows || b.size(-2) > kFewRows)) return power_from_zero(squared_distances(a, b), 0.5);
  if (a.size(-1) == 0) return norm(unsqueeze(a, -2) - unsqueeze(b, -3), 1, {-1});  // zeros, also for infinity
  return norm(unsqueeze(a, -2) - unsqueeze(b, -3), p, {-1});
}

Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t dim, double eps) {
  if (any_half(a, b)) return rounded_like(cosine_similarity(in_f32(a), in_f32(b), dim, eps), a, b);
  kernels::expect_floating("cosine_similarity", {&a, &b});
  const Shape shape = broadcast_shapes(a.shape(), b.shape(), "cosine_similarity");
  const int d = normalize_dim(dim, shape.size(), "cosine_similarity");
  const auto unit = [&](const Tensor& x) {
    const Tensor all = expand(x, shape);
    return all / clamp(norm(all, 2, {d}, true), eps);
  };
  return sum(unit(a) * unit(b), {d});
}

Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p, double eps, bool keepdim) {
  if (any_half(a, b)) return rounded_like(pairwise_distance(in_f32(a), in_f32(b), p, eps, keepdim), a, b);
  kernels::expect_floating("pairwise_distance", {&a, &b});
  const Tensor difference = a - b + eps;
  return norm(difference, p, {autograd::existing_dim("pairwise_distance", difference, -1)}, keepdim);
}

Tensor normalize(const Tensor& x, double p, std::int64_t dim, double eps) {
  if (any_half(x)) return rounded_like(normalize(in_f32(x), p, dim, eps), x);
  kernels::expect_floating("normalize", x);
  const int d = normalize_dim(dim, x.dim(), "normalize");
  return x / clamp(norm(x, p, {d}, true), eps);
}

}  // namespace hop
