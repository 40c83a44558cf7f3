// Norms, deviations, products and running sums, composed of the reductions of reduce.h. `dims` names the dimensions to
// reduce, as a number or a list; empty means all of them. A reduced dimension disappears, or stays with size 1 if
// `keepdim`. All throw IndexError for a dimension out of range or named twice.
#pragma once

#include <cstdint>
#include <optional>

#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop {

/// torch.linalg.vector_norm (and torch.norm of one dimension): (sum |x|^p)^(1/p). p = infinity is the largest |x|, p =
/// -infinity the smallest, and p = 0 the number of elements that are not 0, whose gradient is 0. Where the norm or, for
/// p < 2, an element is 0, its gradient is 0. Throws DtypeError unless x is floating, ShapeError for a norm of no
/// values with p < 0 or p = infinity.
Tensor norm(const Tensor& x, double p = 2, const Dims& dims = {}, bool keepdim = false);
/// torch.std: the square root of var(). Where it is 0, its gradient is 0. Throws as var().
Tensor std(const Tensor& x, const Dims& dims = {}, Scalar correction = 1, bool keepdim = false);
/// torch.logsumexp: log(sum(exp(x))), without overflow. -infinity over no values. Integers become f32.
Tensor logsumexp(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// The index (i64, no gradient) of the first minimum along `dim`; without `dim`, in the flattened tensor. A NaN counts
/// as the minimum. Throws ShapeError for a minimum of no values.
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim = false);
Tensor argmin(const Tensor& x);
/// torch.prod: the product along `dim`, or of all elements; 1 over no values. Integers and bools multiply in i64. With
/// `dtype`, x is converted first. The gradient is exact where factors are 0. Factors are multiplied pairwise in log2(n)
/// passes of halving length: the cost is that of 2 n products.
Tensor prod(const Tensor& x, std::int64_t dim, bool keepdim = false, std::optional<DType> dtype = std::nullopt);
Tensor prod(const Tensor& x, std::optional<DType> dtype = std::nullopt);
/// torch.cumsum: y_i = x_0 + .. + x_i along `dim`. Integers and bools sum in i64. With `dtype`, x is converted first.
/// Adds shifted copies, log2(n) passes over the whole tensor, so it costs log2(n) times what add() costs; a row's error
/// grows with log n.
Tensor cumsum(const Tensor& x, std::int64_t dim, std::optional<DType> dtype = std::nullopt);
/// torch.cumprod: y_i = x_0 x_1 .. x_i along `dim`. The gradient is exact where factors are 0. Otherwise as cumsum().
Tensor cumprod(const Tensor& x, std::int64_t dim, std::optional<DType> dtype = std::nullopt);

}  // namespace hop
