#include "autograd/embedding.h"

#include <string>

#include "autograd/arrange.h"
#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/grad_mode.h"
#include "autograd/half_internal.h"
#include "autograd/index.h"
#include "autograd/index_internal.h"
#include "autograd/inplace.h"
#include "autograd/reduce.h"
#include "autograd/sort.h"
#include "autograd/summaries.h"
#include "autograd/view.h"
#include "base/words.h"
#include "kernels/copy.h"
#include "kernels/index.h"
#include "kernels/view.h"

namespace hop {

using autograd::expected;

namespace {

constexpr const char* kOp = "embedding_bag";

/// The bag of each index (M). The bag `count`, behind the last one, takes the indices that count in no bag.
struct Bags {
  Tensor id;
  std::int64_t count;
};

/// Row after row of (N, L).
Bags rows(const Tensor& indices) {
  const std::int64_t n = indices.size(0), width = indices.size(1);
  const Tensor row = kernels::arange(n, DType::i64, indices.device());
  return {reshape(expand(kernels::unsqueeze(row, 1), {n, width}), {n * width}), n};
}

/// An index lies in the bag whose number is that of the offsets up to it, less 1.
Bags between(const Tensor& offsets, std::int64_t indices, bool include_last) {
  const std::int64_t n = offsets.numel();
  const Tensor later = kernels::slice(offsets, 0, 1, n), earlier = kernels::slice(offsets, 0, 0, n - 1);
  const Tensor checked = n < 2 ? offsets
                               : cat({kernels::slice(offsets, 0, 0, 1),  // no index is -1
                                      kernels::where(kernels::lt(later, earlier), -1, later)});
  const Tensor ones = kernels::ones({n}, DType::f64, offsets.device());
  const Tensor begins = kernels::cast(kernels::index_add({indices + 1}, 0, checked, ones, kOp), DType::i64);
  const Tensor id = kernels::sub(kernels::slice(cumsum(begins, 0), 0, 0, indices), 1);
  return {id, include_last ? n - 1 : n};
}

/// Sums of `vectors` (M, ..) by bags -> (B, ..).
Tensor sums(const Tensor& vectors, const Bags& bags) {
  Shape shape = vectors.shape();
  shape[0] = bags.count + 1;
  const Tensor zeros = kernels::zeros(shape, vectors.dtype(), vectors.device());
  return slice(index_add(zeros, 0, bags.id, vectors), 0, 0, bags.count);
}

/// Where bags begin after a stable sort by bags, (B, 1), and how many indices they have.
struct Places {
  Tensor begin, size;
};
Places places(const Bags& bags, Device device) {
  const Tensor ones = kernels::ones({bags.id.numel()}, DType::f64, device);
  const Tensor all = kernels::cast(kernels::index_add({bags.count + 1}, 0, bags.id, ones, kOp), DType::i64);
  const auto column = [&](const Tensor& x) { return kernels::unsqueeze(kernels::slice(x, 0, 0, bags.count), 1); };
  return {column(kernels::sub(cumsum(all, 0), all)), column(all)};
}

/// Maxima of `vectors` (M, D) by bags. Sorted by values, then by bags, the first of each bag is its maximum.
Tensor maxima(const Tensor& vectors, const Bags& bags, const Places& at) {
  const std::int64_t m = vectors.size(0), width = vectors.size(1);
  if (m == 0) return sums(vectors, bags);
  const Tensor by_value = argsort(vectors.detach(), 0, true);
  const Tensor id = expand(kernels::unsqueeze(bags.id, 1), vectors.shape());
  const Tensor order = kernels::gather(by_value, 0, argsort(kernels::gather(id, 0, by_value, kOp), 0), kOp);
  const Tensor begin = kernels::minimum(at.begin, m - 1);
  const Tensor best = kernels::gather(order, 0, kernels::contiguous(kernels::expand(begin, {bags.count, width})), kOp);
  return where(kernels::gt(at.size, 0), autograd::gather_for(kOp, vectors, 0, best), 0.0);
}

void check(const Tensor& weight, const Tensor& indices, const EmbeddingBagArguments& a) {
  kernels::expect_defined(kOp, weight);
  kernels::expect_defined(kOp, indices);
  kernels::expect_any_floating(kOp, {&weight});
  if (weight.dim() != 2) throw ShapeError(expected(kOp) + "weight (V, D), got " + weight.describe());
  if (indices.dtype() != DType::i64) throw DtypeError(expected(kOp) + "indices of i64, got " + indices.describe());
  if (a.offsets.defined() ? indices.dim() != 1 : indices.dim() != 2) {
    throw ShapeError(expected(kOp) + "indices (N, L), or indices (M) and offsets, got " + indices.describe() +
                     (a.offsets.defined() ? " and offsets" : " without offsets"));
  }
  if (const Tensor& offsets = a.offsets; offsets.defined()) {
    kernels::expect_same_device(kOp, {&indices, &offsets});
    if (offsets.dtype() != DType::i64) throw DtypeError(expected(kOp) + "offsets of i64, got " + offsets.describe());
    if (offsets.dim() != 1) throw ShapeError(expected(kOp) + "offsets (B), got " + offsets.describe());
    if (a.include_last_offset && offsets.numel() == 0)
      throw ShapeError(expected(kOp) + "the end of the last bag among the offsets, got none");
  } else if (a.include_last_offset) {
    throw ConfigError(expected(kOp) + "include_last_offset with offsets, got none");
  }
  const Tensor& factors = a.per_sample_weights;
  if (!factors.defined()) return;
  if (a.mode != EmbeddingBagMode::sum) {
    throw ConfigError(expected(kOp) + "per_sample_weights in the mode sum, got the mode " +
                      (a.mode == EmbeddingBagMode::mean ? "mean" : "max"));
  }
  kernels::expect_shape(kOp, "per_sample_weights", factors, indices.shape());
  if (factors.dtype() != weight.dtype()) {
    throw DtypeError(expected(kOp) + "per_sample_weights of " + std::string(name(weight.dtype())) + ", got " +
                     factors.describe());
  }
}

/// Bags of equal size without padding need no index of their own. vectors (N, L, D), L > 0.
Tensor of_full_rows(const Tensor& vectors, EmbeddingBagMode mode) {
  if (mode == EmbeddingBagMode::sum) return sum(vectors, {1});
  if (mode == EmbeddingBagMode::mean) return mean(vectors, {1});
  const Tensor best = argmax(vectors.detach(), 1, true);
  return squeeze(autograd::gather_for(kOp, vectors, 1, best), 1);
}

}  // namespace

Tensor embedding_bag(const Tensor& weight, const Tensor& indices, const EmbeddingBagArguments& a) {
  check(weight, indices, a);
  const bool are_rows = !a.offsets.defined(), are_equal = !a.per_sample_weights.defined();
  const auto of_rows = [&](const Tensor& vectors) {
    return indices.size(1) == 0 ? sum(vectors, {1}) : of_full_rows(vectors, a.mode);
  };
  if (are_rows && are_equal && !a.padding_idx) return of_rows(embedding(weight, indices));
  Tensor vectors = autograd::embedding_in_f32(weight, indices, a.padding_idx);
  if (!are_equal) vectors = vectors * unsqueeze(autograd::in_f32(a.per_sample_weights), -1);
  if (are_rows && !a.padding_idx) return to(of_rows(vectors), weight.dtype());
  Bags bags = a.offsets.defined() ? between(a.offsets, indices.numel(), a.include_last_offset) : rows(indices);
  if (a.padding_idx) {
    const std::int64_t padding = autograd::existing_word(kOp, *a.padding_idx, weight.size(0));
    const Tensor is_padding = kernels::eq(reshape(indices, {indices.numel()}), static_cast<double>(padding));
    bags.id = kernels::where(is_padding, bags.count, bags.id);
  }
  vectors = reshape(vectors, {indices.numel(), weight.size(1)});
  const Places at = places(bags, weight.device());
  if (a.mode == EmbeddingBagMode::max) return to(maxima(vectors, bags, at), weight.dtype());
  const Tensor y = sums(vectors, bags);
  if (a.mode == EmbeddingBagMode::sum) return to(y, weight.dtype());
  return to(y / kernels::cast(kernels::maximum(at.size, 1), y.dtype()), weight.dtype());
}

const Tensor& embedding_renorm_(const Tensor& weight, const Tensor& indices, double max_norm, double norm_type) {
  constexpr const char* kRenorm = "embedding_renorm_";
  kernels::expect_any_floating(kRenorm, {&weight});
  kernels::expect_defined(kRenorm, indices);
  kernels::expect_same_device(kRenorm, {&weight, &indices});
  if (weight.dim() != 2) throw ShapeError(expected(kRenorm) + "weight (V, D), got " + weight.describe());
  if (!(max_norm > 0)) throw ConfigError(expected(kRenorm) + "a max_norm above 0, got " + shortest(max_norm));
  const NoGradGuard no_grad;
  const Tensor index = reshape(indices, {indices.numel()});
  const Tensor ones = kernels::ones({index.numel(), 1}, DType::f32, weight.device());
  const Tensor times = kernels::index_add({weight.size(0), 1}, 0, index, ones, kRenorm);
  const Tensor rows = autograd::in_f32(weight);
  const Tensor norms = norm(rows, norm_type, {1}, true);
  const Tensor is_long = kernels::logical_and(kernels::gt(times, 0), kernels::gt(norms, max_norm));
  const Tensor factor = kernels::where(is_long, kernels::div(max_norm, kernels::add(norms, 1e-7)), 1);
  return mul_(weight, kernels::cast(factor, weight.dtype()));
}

}  // namespace hop
