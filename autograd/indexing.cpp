#include "autograd/indexing.h"

#include <limits>
#include <string>

#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/index.h"
#include "autograd/index_internal.h"
#include "autograd/inplace.h"
#include "autograd/masks.h"
#include "autograd/scatter.h"
#include "autograd/view.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/view.h"

namespace hop {

using autograd::expected;

namespace {

/// Positions along one dimension of a view.
struct Pick {
  int dim;
  Tensor positions;  // i64, at least 0
};

/// x[at] before its tensors are read.
struct Part {
  Tensor view;
  std::vector<Pick> picks;
  bool is_copied = false;  // a number in a tensor was taken
};

bool is_mask(const Tensor& t) { return t.dtype() == DType::boolean; }

/// How many dimensions of x the indices take up. None and Ellipsis take none.
int taken(const Tensor& x, const Indices& at) {
  int dims = 0, ellipses = 0;
  for (const TensorIndex& one : at.list()) {
    if (const auto* t = std::get_if<Tensor>(&one.value())) {
      kernels::expect_defined("index", *t);
      dims += is_mask(*t) ? t->dim() : 1;
    } else if (std::holds_alternative<EllipsisIndex>(one.value())) {
      ++ellipses;
    } else if (!std::holds_alternative<NoneIndex>(one.value())) {
      ++dims;
    }
  }
  if (ellipses > 1) throw IndexError(expected("index") + "at most one Ellipsis, got " + std::to_string(ellipses));
  if (dims > x.dim()) {
    throw IndexError(expected("index") + "at most " + std::to_string(x.dim()) + " indices for " + x.describe() +
                     ", got " + std::to_string(dims));
  }
  return dims;
}

[[noreturn]] void reject_position(std::int64_t position, int dim, std::int64_t size) {
  throw IndexError(expected("index") + "positions in " + std::to_string(-size) + ".." + std::to_string(size - 1) +
                   " for dimension " + std::to_string(dim) + " of size " + std::to_string(size) + ", got " +
                   std::to_string(position));
}

/// The positions counted from the front. Those out of range throw on the CPU; on a GPU and in a captured step they
/// become -1, which the kernel that reads them reports.
Tensor from_the_front(const Tensor& t, int dim, std::int64_t size) {
  const Tensor positions = kernels::cast(t, DType::i64);
  if (positions.device().is_cpu() && !is_capturing()) {
    const Tensor dense = kernels::contiguous(positions);
    const auto* values = dense.data<std::int64_t>();
    for (std::int64_t i = 0; i < dense.numel(); ++i) {
      if (values[i] < -size || values[i] >= size) reject_position(values[i], dim, size);
    }
    return kernels::where(kernels::lt(dense, 0), kernels::add(dense, size), dense);
  }
  const Tensor wrapped = kernels::where(kernels::lt(positions, 0), kernels::add(positions, size), positions);
  const Tensor is_outside = kernels::logical_or(kernels::lt(wrapped, 0), kernels::ge(wrapped, size));
  return kernels::where(is_outside, -1, wrapped);
}

void take_mask(Part& part, int& dim, const Tensor& mask) {
  if (mask.dim() == 0) throw IndexError(expected("index") + "a mask with dimensions, got " + mask.describe());
  for (int d = 0; d < mask.dim(); ++d) {
    if (mask.size(d) == part.view.size(dim + d)) continue;
    throw IndexError(expected("index") + "a mask whose dimension " + std::to_string(d) + " has size " +
                     std::to_string(part.view.size(dim + d)) + ", got " + mask.describe());
  }
  const Tensor positions = kernels::to_device(nonzero(mask), part.view.device());
  for (int d = 0; d < mask.dim(); ++d) part.picks.push_back({dim++, kernels::select(positions, 1, d)});
}

void take_positions(Part& part, int& dim, const Tensor& t) {
  if (t.dtype() != DType::i64 && t.dtype() != DType::i32)
    throw DtypeError(expected("index") + "positions (i64, i32) or a mask (bool), got " + t.describe());
  const Tensor positions = from_the_front(kernels::to_device(t, part.view.device()), dim, part.view.size(dim));
  if (t.dim() != 0) {
    part.picks.push_back({dim++, positions});
    return;
  }
  const int gone = dim;
  Shape shape;
  for (int d = 0; d < part.view.dim(); ++d) {
    if (d != gone) shape.push_back(part.view.size(d));
  }
  part.view = reshape(autograd::index_select_for("index", part.view, gone, reshape(positions, {1})), shape);
  part.is_copied = true;
}

Part part_of(const Tensor& x, const Indices& at) {
  kernels::expect_defined("index", x);
  const int rest = x.dim() - taken(x, at);
  Part part{x, {}};
  int dim = 0;
  for (const TensorIndex& one : at.list()) {
    const auto& value = one.value();
    if (const auto* position = std::get_if<std::int64_t>(&value)) {
      const std::int64_t size = part.view.size(dim);
      if (*position < -size || *position >= size) reject_position(*position, dim, size);
      part.view = select(part.view, dim, *position);
    } else if (const auto* range = std::get_if<Slice>(&value)) {
      part.view = slice(part.view, dim++, range->start.value_or(0),
                        range->stop.value_or(std::numeric_limits<std::int64_t>::max()), range->step);
    } else if (const auto* t = std::get_if<Tensor>(&value)) {
      is_mask(*t) ? take_mask(part, dim, *t) : take_positions(part, dim, *t);
    } else if (std::holds_alternative<NoneIndex>(value)) {
      part.view = unsqueeze(part.view, dim++);
    } else {
      dim += rest;
    }
  }
  return part;
}

/// The positions of all picks as one position in their dimensions, taken as one.
Tensor joined(const Part& part, const Shape& shape) {
  Tensor position = kernels::zeros(shape, DType::i64, part.view.device());
  Tensor is_outside = kernels::zeros(shape, DType::boolean, part.view.device());
  for (const Pick& pick : part.picks) {
    position = kernels::add(kernels::mul(position, part.view.size(pick.dim)), pick.positions);
    is_outside = kernels::logical_or(is_outside, kernels::lt(pick.positions, 0));
  }
  return kernels::where(is_outside, -1, position);
}

/// A shape with some dimensions replaced by those of `middle`.
Shape replaced(const Shape& shape, int first, int count, const Shape& middle) {
  Shape result;
  for (int d = 0; d < first; ++d) result.push_back(shape[d]);
  for (const std::int64_t size : middle) result.push_back(size);
  for (int d = first + count; d < shape.size(); ++d) result.push_back(shape[d]);
  return result;
}

Tensor picked(const Part& part) {
  const std::vector<Pick>& picks = part.picks;
  const auto count = static_cast<int>(picks.size());
  Shape shape = picks[0].positions.shape();
  bool are_neighbours = true;
  for (int i = 1; i < count; ++i) {
    const Pick& pick = picks[static_cast<std::size_t>(i)];
    shape = broadcast_shapes(shape, pick.positions.shape(), "index");
    are_neighbours = are_neighbours && pick.dim == picks[0].dim + i;
  }
  const int first = are_neighbours ? picks[0].dim : 0;
  Tensor x = part.view;
  if (!are_neighbours) {  // to the front
    Dims order;
    bool is_picked[kMaxDims] = {};
    for (const Pick& pick : picks) {
      order.push_back(pick.dim);
      is_picked[pick.dim] = true;
    }
    for (int d = 0; d < x.dim(); ++d) {
      if (!is_picked[d]) order.push_back(d);
    }
    x = permute(x, order);
  }
  const Tensor position = joined(part, shape);
  std::int64_t size = 1;
  for (const Pick& pick : picks) size *= part.view.size(pick.dim);
  const Tensor rows = reshape(x, replaced(x.shape(), first, count, {size}));
  return reshape(autograd::index_select_for("index", rows, first, reshape(position, {shape.numel()})),
                 replaced(x.shape(), first, count, shape));
}

/// `values` as a tensor of x's dtype and device that broadcasts to `shape`: leading dimensions of size 1 may be too
/// many.
Tensor fitting(const Tensor& x, const kernels::Input& values, const Shape& shape) {
  if (!values.is_tensor()) return kernels::full(shape, values.number(), x.dtype(), x.device());
  Tensor y = values.tensor();
  kernels::expect_same_device("index_put", {&x, &y});
  if (y.dtype() != x.dtype())
    throw DtypeError(expected("index_put") + "values of " + std::string(name(x.dtype())) + ", got " + y.describe());
  while (y.dim() > shape.size() && y.size(0) == 1) y = squeeze(y, 0);
  return expand(y, shape);
}

}  // namespace

Tensor index(const Tensor& x, const Indices& at) {
  const Part part = part_of(x, at);
  return part.picks.empty() ? part.view : picked(part);
}

// The same indices in a tensor of row-major positions say where the values go.
Tensor index_put(const Tensor& x, const Indices& at, kernels::Input values, bool accumulate) {
  kernels::expect_defined("index_put", x);
  const std::int64_t n = x.numel();
  const Tensor places = index(reshape(kernels::arange(n, DType::i64, x.device()), x.shape()), at);
  const Tensor y = fitting(x, values, places.shape());
  if (places.numel() == 0) return clone(x);
  const Tensor where_to = reshape(places, {places.numel()});
  const Tensor flat = reshape(x, {n}), flat_values = reshape(y, {places.numel()});
  return reshape(accumulate ? index_add(flat, 0, where_to, flat_values) : scatter(flat, 0, where_to, flat_values),
                 x.shape());
}

const Tensor& index_put_(const Tensor& x, const Indices& at, kernels::Input values, bool accumulate) {
  kernels::expect_defined("index_put_", x);
  const Part part = part_of(x, at);
  if (!part.picks.empty() || part.is_copied) return copy_(x, index_put(x, at, values, accumulate));
  const Tensor y = fitting(x, values, part.view.shape());
  accumulate ? add_(part.view, y) : copy_(part.view, y);
  return x;
}

}  // namespace hop
