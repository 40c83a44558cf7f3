// Counts, and results whose shape depends on values. None has a gradient. Where the host reads values, it waits for the
// device, and a captured step throws StateError.
#pragma once

#include <cstdint>
#include <optional>

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop {

/// torch.bincount: how often each of 0..n-1 stands in x (vector of integers, at least 0) -> (n), i64; n is the largest
/// value + 1, but at least minlength. The host reads n. With `weights`, of x's shape, their sums, in f32 for f32 and
/// else in f64. Throws ShapeError, DtypeError, ConfigError for minlength below 0, IndexError for a negative value.
Tensor bincount(const Tensor& x, const Tensor& weights = {}, std::int64_t minlength = 0);
/// torch.histc: how many values of x (floating) lie in each of `bins` equal parts of min..max, both included -> (bins),
/// x's dtype. Values outside and NaN do not count. If min equals max, they are the least and the largest value of x,
/// which the host reads; if these are equal, 1 below and above. Throws ConfigError for bins below 1, min above max and
/// bounds that are not finite.
Tensor histc(const Tensor& x, std::int64_t bins = 100, double min = 0, double max = 0);

/// The different values of a tensor.
struct Unique {
  Tensor values{};   ///< (n), x's dtype; each NaN counts as a value. With a `dim`: the n slices, along that dimension
  Tensor inverse{};  ///< i64: where in `values` each element stands, x's shape; with a `dim`, each slice, a vector
  Tensor counts{};   ///< i64, (n)
};
/// torch.unique(return_inverse=True, return_counts=True): the different elements, ascending, or the different slices
/// along `dim`, in lexicographical order. Always sorted: PyTorch's sorted=False leaves the order open. The host sorts:
/// the device has to wait. Throws IndexError, and ShapeError for a `dim` of an x that has slices but no elements.
Unique unique(const Tensor& x, std::optional<std::int64_t> dim = std::nullopt);
/// torch.unique_consecutive(return_inverse=True, return_counts=True): of neighbours that are equal, the first.
/// Otherwise as unique().
Unique unique_consecutive(const Tensor& x, std::optional<std::int64_t> dim = std::nullopt);

/// torch.multinomial: `num_samples` numbers of categories for each row of weights (n) or (rows, n), floating ->
/// (num_samples) or (rows, num_samples), i64. The weights need not have the sum 1. Without replacement no category
/// comes twice. Made on the host. Throws ConfigError for num_samples below 1, weights that are negative, not finite or
/// have no finite sum, a row without a positive weight, and, without replacement, fewer positive weights than samples;
/// ShapeError, DtypeError.
Tensor multinomial(const Tensor& weights, std::int64_t num_samples, bool replacement, RandomAddress address);

}  // namespace hop
