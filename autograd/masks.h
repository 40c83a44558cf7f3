// Masks, choices and questions. Masks are bool tensors. A `mask` broadcasts with x.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/elementwise.h"
#include "tensor/tensor.h"

namespace hop {

/// torch.masked_fill: `value` where `mask` is true, else x, in x's dtype. `value` is a number or a tensor of shape ()
/// (differentiable). Throws ShapeError for a value of another shape or operands that do not broadcast, DtypeError for a
/// mask that is not bool or a number that x's dtype cannot hold.
Tensor masked_fill(const Tensor& x, const Tensor& mask, kernels::Input value);
/// torch.masked_select: the elements of x where `mask` is true, in row-major order -> (n). n depends on values, which
/// the host reads: it waits for the device. Throws StateError while a step is captured, ShapeError, DtypeError for a
/// mask that is not bool.
Tensor masked_select(const Tensor& x, const Tensor& mask);
/// torch.nonzero: the positions of the n elements that are not 0, in row-major order: (A, B) -> (n, 2) i64, without
/// gradient. The host reads the values: it waits for the device. Throws StateError while a step is captured.
Tensor nonzero(const Tensor& x);
/// torch.where of a condition alone, and torch.nonzero(as_tuple=True): a vector of positions for each dimension, such
/// that x[..] with them all gives the elements that are not 0. One vector for x of shape (). Otherwise as nonzero().
std::vector<Tensor> where(const Tensor& x);
/// torch.tril: x (.., m, n) at and below diagonal number `diagonal` (0 is the main one, 1 the one above), else 0.
/// Differentiable, of any dtype. Throws ShapeError for fewer than two dimensions.
Tensor tril(const Tensor& x, std::int64_t diagonal = 0);
/// torch.triu: x (.., m, n) at and above the diagonal, otherwise as tril().
Tensor triu(const Tensor& x, std::int64_t diagonal = 0);

/// Whether x is +-infinity -> bool. False for integers.
Tensor isinf(const Tensor& x);
/// torch.nan_to_num: replaces NaN, +infinity and -infinity. Without `posinf` and `neginf` by the largest and the least
/// finite number of the dtype. Differentiable: replaced elements have the gradient 0. x itself if it holds integers.
Tensor nan_to_num(const Tensor& x, double nan = 0, std::optional<double> posinf = std::nullopt,
                  std::optional<double> neginf = std::nullopt);

/// torch.any: whether some element is not 0 -> bool, over `dims` (empty: all), which disappear or stay with size 1 if
/// `keepdim`. NaN is not 0. Over no values: false. (For u8 PyTorch gives u8.) Throws IndexError for a dimension out of
/// range or named twice.
Tensor any(const Tensor& x, const Dims& dims = {}, bool keepdim = false);
/// torch.all: whether no element is 0. Over no values: true. Otherwise as any().
Tensor all(const Tensor& x, const Dims& dims = {}, bool keepdim = false);

/// torch.nn.functional.one_hot: labels (..) i64 in 0..num_classes-1 -> (.., num_classes) i64, 1 at the label, else 0.
/// If num_classes is -1, it is the largest label + 1, which the host reads (StateError while a step is captured).
/// Throws DtypeError, ConfigError for num_classes below 1, ShapeError for no labels to infer num_classes from, and
/// IndexError for a label out of range (on a GPU when the host next waits for it).
Tensor one_hot(const Tensor& labels, std::int64_t num_classes = -1);

}  // namespace hop
