#include "autograd/sort.h"

#include <string>

#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/index.h"
#include "autograd/view.h"
#include "kernels/copy.h"
#include "kernels/sort.h"
#include "kernels/view.h"

namespace hop {

using autograd::expected;

namespace {

/// x at the positions `order` along `dim`.
Sorted taken(const Tensor& x, const Tensor& order, int dim) { return {gather(x, dim, order), order}; }

void expect_rank_in(const char* op, std::int64_t k, std::int64_t least, std::int64_t n) {
  if (k >= least && k <= n) return;
  throw ShapeError(expected(op) + "k in " + std::to_string(least) + ".." + std::to_string(n) + ", got " +
                   std::to_string(k));
}

Sorted without(const Sorted& sorted, int dim, bool keepdim) {
  if (keepdim) return sorted;
  return {squeeze(sorted.values, dim), squeeze(sorted.indices, dim)};
}

/// x with dimensions: a tensor of shape () counts as a line of one value.
Tensor as_lines(const Tensor& x) { return x.dim() == 0 ? reshape(x, {1}) : x; }

}  // namespace

Tensor argsort(const Tensor& x, std::int64_t dim, bool descending) { return kernels::argsort(x, dim, descending); }

Sorted sort(const Tensor& x, std::int64_t dim, bool descending) {
  const Tensor order = kernels::argsort(x, dim, descending);
  if (x.dim() == 0) return {clone(x), order};
  return taken(x, order, normalize_dim(dim, x.dim(), "sort"));
}

Sorted topk(const Tensor& x, std::int64_t k, std::int64_t dim, bool largest) {
  kernels::expect_defined("topk", x);
  const int d = normalize_dim(dim, x.dim(), "topk");
  const Tensor lines = as_lines(x);
  expect_rank_in("topk", k, 0, lines.size(d));
  const Tensor order = kernels::contiguous(kernels::slice(kernels::argsort(lines, d, largest), d, 0, k));
  const Sorted best = taken(lines, order, d);
  if (x.dim() != 0 || k == 0) return best;
  return {reshape(best.values, {}), reshape(best.indices, {})};
}

Sorted kthvalue(const Tensor& x, std::int64_t k, std::int64_t dim, bool keepdim) {
  kernels::expect_defined("kthvalue", x);
  const int d = normalize_dim(dim, x.dim(), "kthvalue");
  const Tensor lines = as_lines(x);
  expect_rank_in("kthvalue", k, 1, lines.size(d));
  const Tensor order = kernels::slice(kernels::argsort(lines, d, false), d, k - 1, k);
  return without(taken(lines, kernels::contiguous(order), d), d, keepdim && x.dim() != 0);
}

// NaN are sorted behind all numbers: if the last value is one, the first NaN stands behind as many values as there are
// numbers.
Sorted median(const Tensor& x, std::int64_t dim, bool keepdim) {
  kernels::expect_defined("median", x);
  const int d = normalize_dim(dim, x.dim(), "median");
  const Tensor lines = as_lines(x);
  const std::int64_t n = lines.size(d);
  if (n == 0) throw ShapeError(expected("median") + "at least one value, got " + x.describe());
  const Tensor order = kernels::argsort(lines, d, false);
  const std::int64_t dims[] = {d};
  const Tensor numbers = kernels::sum(kernels::logical_not(kernels::isnan(lines)), dims, true);
  const Tensor rank = kernels::where(kernels::eq(numbers, n), (n - 1) / 2, numbers);
  return without(taken(lines, gather(order, d, rank), d), d, keepdim && x.dim() != 0);
}

Tensor median(const Tensor& x) {
  kernels::expect_defined("median", x);
  return median(reshape(x, {x.numel()}), 0).values;
}

}  // namespace hop
