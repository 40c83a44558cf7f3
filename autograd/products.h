// Products of vectors and matrices by PyTorch's names, and what is made of them. The products take equal floating
// dtypes, as matmul() does; PyTorch also multiplies integers. All are differentiable and throw ShapeError, DtypeError.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace hop {

/// torch.mm: (m, k) x (k, n) -> (m, n).
Tensor mm(const Tensor& a, const Tensor& b);
/// torch.bmm: (b, m, k) x (b, k, n) -> (b, m, n).
Tensor bmm(const Tensor& a, const Tensor& b);
/// torch.mv: (m, k) x (k) -> (m).
Tensor mv(const Tensor& matrix, const Tensor& vector);
/// torch.dot: (n) x (n) -> ().
Tensor dot(const Tensor& a, const Tensor& b);
/// torch.outer: (m) x (n) -> (m, n). Of any dtypes, which are promoted.
Tensor outer(const Tensor& a, const Tensor& b);
/// torch.addmm: beta input + alpha a b for a (m, k), b (k, n) and an input that broadcasts to (m, n). If beta is 0,
/// input is not read: its NaN do not show, and it gets no gradient (PyTorch: zeros). Of bf16 and f16 the sum is
/// rounded, and the product is not.
Tensor addmm(const Tensor& input, const Tensor& a, const Tensor& b, double beta = 1, double alpha = 1);
/// torch.baddbmm: beta input + alpha a b for a (b, m, k), b (b, k, n) and an input that broadcasts to (b, m, n).
/// Otherwise as addmm().
Tensor baddbmm(const Tensor& input, const Tensor& a, const Tensor& b, double beta = 1, double alpha = 1);

/// torch.cdist: the distances (p-norms of differences) between the rows of a (.., P, M) and b (.., R, M) -> (.., P, R);
/// leading dimensions broadcast. The gradient of a distance of 0 is 0. For p = 2 and P or R above 25 the squares come
/// from one matrix product (as in PyTorch), which loses digits of small distances. Otherwise all P R M differences are
/// stored. Throws ConfigError unless p >= 0.
Tensor cdist(const Tensor& a, const Tensor& b, double p = 2);
/// torch.nn.functional.cosine_similarity: sum(a b) / (max(|a|, eps) max(|b|, eps)) along `dim`, which disappears. a and
/// b are broadcast first. Throws IndexError for a dimension out of range.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, std::int64_t dim = 1, double eps = 1e-8);
/// torch.nn.functional.pairwise_distance: |a - b + eps|_p along the last dimension, which disappears, or stays with
/// size 1 if `keepdim`. a and b are broadcast first. The gradient of a distance of 0 is 0. Throws as norm(), and
/// ShapeError for tensors of shape ().
Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p = 2, double eps = 1e-6, bool keepdim = false);
/// torch.nn.functional.normalize: x / max(|x|_p, eps), with the p-norm along `dim`. Throws as norm().
Tensor normalize(const Tensor& x, double p = 2, std::int64_t dim = 1, double eps = 1e-12);

}  // namespace hop
