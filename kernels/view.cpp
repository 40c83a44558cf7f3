#include "kernels/view.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "kernels/expect_internal.h"

namespace hop::kernels {
namespace {

// The strides of a view of `x` with `shape`; none if there is no such view. Neighbouring dimensions of x whose strides
// continue each other form a run. A view exists if every run splits into whole dimensions of `shape`.
std::optional<Strides> reshape_strides(const Tensor& x, const Shape& shape) {
  Strides strides;
  strides.resize(shape.size());
  int to = shape.size() - 1;
  std::int64_t run = 1;   // elements of x in the current run
  std::int64_t step = 1;  // stride of the run's last element
  for (int d = x.dim() - 1; d >= 0; --d) {
    if (run == 1) step = x.strides()[d];
    run *= x.shape()[d];
    const bool run_ends = d == 0 || (x.shape()[d - 1] != 1 && x.strides()[d - 1] != run * step);
    if (!run_ends) continue;
    std::int64_t covered = 1;
    for (; to >= 0 && (covered < run || shape[to] == 1); --to) {
      strides[to] = covered * step;
      covered *= shape[to];
    }
    if (covered != run) return std::nullopt;
    run = 1;
  }
  for (; to >= 0; --to) strides[to] = step;  // sizes of 1 in front
  return strides;
}

Tensor with_dims(const Tensor& x, const Shape& shape, const Strides& strides) {
  return x.as_strided(shape, strides, x.storage_offset());
}

}  // namespace

Shape infer_shape(const Shape& shape, std::int64_t numel) {
  Shape result = shape;
  int unknown = -1;
  std::int64_t known = 1;
  for (int d = 0; d < shape.size(); ++d) {
    if (shape[d] == -1 && unknown == -1) {
      unknown = d;
    } else if (shape[d] < 0) {
      throw ShapeError("[reshape] expected sizes of at least 0 and at most one -1, got " + shape.to_string());
    } else {
      known = checked_mul(known, shape[d], "reshape");
    }
  }
  if (unknown >= 0 && known != 0) {
    result[unknown] = numel / known;
    known *= result[unknown];
  }
  if (known != numel || (unknown >= 0 && result[unknown] == -1)) {
    throw ShapeError("[reshape] expected a shape of " + std::to_string(numel) + " elements, got " + shape.to_string());
  }
  return result;
}

std::optional<Tensor> try_reshape_view(const Tensor& x, const Shape& wish) {
  expect_defined("reshape", x);
  const Shape shape = infer_shape(wish, x.numel());
  if (x.is_contiguous() || x.numel() == 0) return with_dims(x, shape, contiguous_strides(shape));
  const auto strides = reshape_strides(x, shape);
  if (!strides) return std::nullopt;
  return with_dims(x, shape, *strides);
}

Tensor permute(const Tensor& x, std::span<const std::int64_t> dims) {
  expect_defined("permute", x);
  if (static_cast<int>(dims.size()) != x.dim()) {
    throw ShapeError("[permute] expected " + std::to_string(x.dim()) + " dimensions, got " +
                     std::to_string(dims.size()));
  }
  Shape shape = x.shape();
  Strides strides = x.strides();
  bool seen[kMaxDims] = {};
  for (int d = 0; d < x.dim(); ++d) {
    const int from = normalize_dim(dims[static_cast<std::size_t>(d)], x.dim(), "permute");
    if (std::exchange(seen[from], true)) {
      throw ShapeError("[permute] expected every dimension once, got dimension " + std::to_string(from) + " twice");
    }
    shape[d] = x.shape()[from];
    strides[d] = x.strides()[from];
  }
  return with_dims(x, shape, strides);
}

Tensor transpose(const Tensor& x, std::int64_t dim0, std::int64_t dim1) {
  expect_defined("transpose", x);
  Shape shape = x.shape();
  Strides strides = x.strides();
  const int a = normalize_dim(dim0, x.dim(), "transpose"), b = normalize_dim(dim1, x.dim(), "transpose");
  if (x.dim() > 0) {
    std::swap(shape[a], shape[b]);
    std::swap(strides[a], strides[b]);
  }
  return with_dims(x, shape, strides);
}

Tensor slice(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t end, std::int64_t step) {
  expect_defined("slice", x);
  if (x.dim() == 0) throw ShapeError("[slice] expected a tensor with dimensions, got " + x.describe());
  if (step < 1) throw IndexError("[slice] expected a step of at least 1, got " + std::to_string(step));
  const int d = normalize_dim(dim, x.dim(), "slice");
  const std::int64_t size = x.shape()[d];
  start = std::clamp<std::int64_t>(start < 0 ? start + size : start, 0, size);
  end = std::clamp<std::int64_t>(end < 0 ? end + size : end, start, size);
  Shape shape = x.shape();
  Strides strides = x.strides();
  shape[d] = end == start ? 0 : (end - start - 1) / step + 1;
  if (shape[d] > 1) strides[d] *= step;
  const std::int64_t first = shape[d] == 0 ? 0 : start * x.strides()[d];
  return x.as_strided(shape, strides, x.storage_offset() + first);
}

Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index) {
  expect_defined("select", x);
  if (x.dim() == 0) throw ShapeError("[select] expected a tensor with dimensions, got " + x.describe());
  const int d = normalize_dim(dim, x.dim(), "select");
  const std::int64_t size = x.shape()[d];
  if (index < -size || index >= size) {
    throw IndexError("[select] expected an index in " + std::to_string(-size) + ".." + std::to_string(size - 1) +
                     ", got " + std::to_string(index));
  }
  if (index < 0) index += size;
  return squeeze(slice(x, d, index, index + 1), d);
}

Tensor expand(const Tensor& x, const Shape& wish) {
  expect_defined("expand", x);
  const int added = wish.size() - x.dim();
  if (added < 0)
    throw ShapeError("[expand] expected at least " + std::to_string(x.dim()) + " sizes, got " + wish.to_string());
  Shape shape = wish;
  Strides strides;
  strides.resize(wish.size(), 0);
  for (int d = 0; d < wish.size(); ++d) {
    const std::int64_t size = d < added ? 1 : x.shape()[d - added];
    if (shape[d] == -1 && d >= added) shape[d] = size;
    if (shape[d] < 0 || (size != 1 && shape[d] != size)) {
      throw ShapeError("[expand] expected a shape that " + x.shape().to_string() + " broadcasts to, got " +
                       wish.to_string());
    }
    if (d >= added && shape[d] == size) strides[d] = x.strides()[d - added];
  }
  return with_dims(x, shape, strides);
}

Tensor squeeze(const Tensor& x, std::int64_t dim) {
  expect_defined("squeeze", x);
  const int d = normalize_dim(dim, x.dim(), "squeeze");
  if (x.dim() == 0 || x.shape()[d] != 1) return with_dims(x, x.shape(), x.strides());
  Shape shape;
  Strides strides;
  for (int i = 0; i < x.dim(); ++i) {
    if (i == d) continue;
    shape.push_back(x.shape()[i]);
    strides.push_back(x.strides()[i]);
  }
  return with_dims(x, shape, strides);
}

Tensor unsqueeze(const Tensor& x, std::int64_t dim) {
  expect_defined("unsqueeze", x);
  const int d = normalize_dim(dim, x.dim() + 1, "unsqueeze");
  Shape shape;
  Strides strides;
  for (int i = 0; i <= x.dim(); ++i) {
    if (i == d) {
      shape.push_back(1);
      strides.push_back(i < x.dim() ? checked_mul(x.shape()[i], x.strides()[i], "unsqueeze") : 1);
    }
    if (i == x.dim()) break;
    shape.push_back(x.shape()[i]);
    strides.push_back(x.strides()[i]);
  }
  return with_dims(x, shape, strides);
}

}  // namespace hop::kernels
