// Parts of a tensor by position, as Python writes them. x has shape (A, B, C):
//
//   Python                     here                                       result
//   x[1]                       x[1]                                       (B, C), a view
//   x[0, 1:3]                  x[{0, Slice(1, 3)}]                        (2, C), a view
//   x[..., None, ::2]          x[{Ellipsis, None, Slice(None, None, 2)}]  (A, B, 1, C / 2), a view
//   x[x > 0]                   x[x > 0]                                   (n), a copy
//   x[:, i, j]                 x[{Slice(), i, j}]                         (A, the broadcast shape of i and j), a copy
//   x[0, 1:3] = y              index_put_(x, {0, Slice(1, 3)}, y)
//   x[i] += y                  index_put_(x, i, y, true)                  adds at repeated positions, too
//
// All are differentiable, but index_put_, which writes in place (autograd/inplace.h). x[0] = y does not compile.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/elementwise.h"
#include "tensor/tensor.h"

namespace hop {

/// A new dimension of size 1; in a Slice: from the start, or to the end.
struct NoneIndex {
  constexpr operator std::optional<std::int64_t>() const { return std::nullopt; }
};
inline constexpr NoneIndex None;
/// All dimensions that the other indices leave; at most once.
struct EllipsisIndex {};
inline constexpr EllipsisIndex Ellipsis;

/// start:stop:step. Negative positions count from the back; positions outside are clamped. Slice() is ":".
struct Slice {
  std::optional<std::int64_t> start, stop;
  std::int64_t step;
  Slice(std::optional<std::int64_t> first = std::nullopt, std::optional<std::int64_t> behind = std::nullopt,
        std::int64_t by = 1)
      : start(first), stop(behind), step(by) {}
};

/// One index: a number, a slice, None, Ellipsis, a tensor of positions (i64 or i32, negative ones count from the back),
/// or a mask (bool).
class TensorIndex {
 public:
  template <std::integral T>
  requires(!std::same_as<T, bool>) TensorIndex(T position) : value_(static_cast<std::int64_t>(position)) {}
  TensorIndex(Slice slice) : value_(slice) {}
  TensorIndex(NoneIndex none) : value_(none) {}
  TensorIndex(EllipsisIndex ellipsis) : value_(ellipsis) {}
  TensorIndex(Tensor positions) : value_(std::move(positions)) {}

  using Value = std::variant<std::int64_t, Slice, NoneIndex, EllipsisIndex, Tensor>;
  const Value& value() const { return value_; }

 private:
  Value value_;
};

/// The indices between the brackets; dimensions without an index are taken whole.
class Indices {
 public:
  Indices() = default;
  Indices(std::initializer_list<TensorIndex> list) : list_(list) {}
  explicit Indices(std::vector<TensorIndex> list) : list_(std::move(list)) {}
  template <class T>
  requires std::convertible_to<T, TensorIndex> Indices(T one) : list_{TensorIndex(std::move(one))} {}

  const std::vector<TensorIndex>& list() const { return list_; }

 private:
  std::vector<TensorIndex> list_;
};

/// x[at]: torch.Tensor.index. A view if no index is a tensor. Tensors of positions broadcast with each other; their
/// shape stands in the place of their dimensions if these are neighbours, otherwise in front. A mask of k dimensions
/// counts as k tensors, its positions; the host reads the mask, which waits for the device (StateError while a step is
/// captured). Numbers, also those in tensors of shape (), are taken before the tensors: their dimensions are gone.
/// Throws IndexError for too many indices, positions out of range (on a GPU when the host next waits for it), a second
/// Ellipsis, and a mask of another shape than the dimensions that it stands for; ShapeError for tensors that do not
/// broadcast; DtypeError for a tensor of another dtype.
Tensor index(const Tensor& x, const Indices& at);
/// x with `values` at the positions x[at]: torch.index_put. `values`, a number or a tensor of x's dtype, is broadcast
/// to the shape of x[at]. If a position is named several times, the last value counts; with `accumulate` all values are
/// added to x (floating only), in order. Throws as index(), and DtypeError.
/// Cost: a few passes over x; if `at` has tensors of n positions, 2 log2(n) passes over these as well.
Tensor index_put(const Tensor& x, const Indices& at, kernels::Input values, bool accumulate = false);
/// x[at] = values, or x[at] += values, in place and not recorded. Without tensors in `at` it writes the part alone.
/// Throws as index_put() and copy_().
const Tensor& index_put_(const Tensor& x, const Indices& at, kernels::Input values, bool accumulate = false);

}  // namespace hop
