#include "autograd/arrange.h"

#include <algorithm>
#include <string>

#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/half_internal.h"
#include "autograd/index.h"
#include "autograd/index_internal.h"
#include "autograd/record.h"
#include "autograd/view.h"
#include "kernels/copy.h"
#include "kernels/view.h"

namespace hop {

using autograd::existing_dim;
using autograd::expect_dims;
using autograd::expected;

namespace {

// Each piece is a tensor of its own.
void expect_pieces(const char* op, std::int64_t pieces) {
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  if (pieces <= kMost) return;
  throw ShapeError(expected(op) + "at most " + std::to_string(kMost) + " pieces, got " + std::to_string(pieces));
}

// Views of the given sizes along `dim`, which they fill. One node for all: it joins their gradients once. A node for
// each would write a gradient of x's size for each, so a sequence of n steps would cost n^2.
std::vector<Tensor> cut(const char* op, const Tensor& x, const std::vector<std::int64_t>& sizes, int dim) {
  expect_pieces(op, static_cast<std::int64_t>(sizes.size()));
  std::vector<Tensor> pieces;
  std::int64_t start = 0;
  for (const std::int64_t size : sizes) {
    pieces.push_back(kernels::slice(x, dim, start, start + size));
    start += size;
  }
  if (pieces.empty() || !autograd::is_recorded(x)) return pieces;
  const auto join = [sizes, dim, shape = x.shape(), dtype = x.dtype(),
                     device = x.device()](autograd::BackwardContext& c) {
    std::vector<Tensor> gradients;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      Shape piece = shape;
      piece[dim] = sizes[i];
      const Tensor g = c.grad(i);
      gradients.push_back(g.defined() ? g : kernels::zeros(piece, dtype, device));
    }
    c.set(0, gradients.size() == 1 ? gradients[0] : cat(gradients, dim));
  };
  const auto outputs = static_cast<std::uint32_t>(pieces.size());
  const auto node = autograd::record_node(op, outputs, std::initializer_list<autograd::TensorRef>{x}, join);
  for (std::uint32_t i = 0; i < outputs; ++i) pieces[i] = autograd::attach(pieces[i], node, i);
  return pieces;
}

}  // namespace

static std::int64_t rounded_up(std::int64_t n, std::int64_t size) { return n / size + (n % size == 0 ? 0 : 1); }

std::vector<Tensor> split(const Tensor& x, std::int64_t split_size, std::int64_t dim) {
  const int d = existing_dim("split", x, dim);
  const std::int64_t n = x.size(d);
  if (split_size < 0 || (split_size == 0 && n != 0))
    throw ShapeError(expected("split") + "a split_size of at least 1, got " + std::to_string(split_size));
  if (n != 0) expect_pieces("split", rounded_up(n, split_size));
  std::vector<std::int64_t> sizes;
  std::int64_t start = 0;
  do {
    sizes.push_back(std::min(split_size, n - start));
    start += sizes.back();
  } while (start < n);
  return cut("split", x, sizes, d);
}

std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes, std::int64_t dim) {
  const int d = existing_dim("split", x, dim);
  std::int64_t sum = 0;
  for (const std::int64_t size : sizes) {
    if (size < 0) throw ShapeError(expected("split") + "sizes of at least 0, got " + std::to_string(size));
    sum = checked_add(sum, size, "split");
  }
  if (sum != x.size(d)) {
    throw ShapeError(expected("split") + "sizes with the sum " + std::to_string(x.size(d)) + " (dimension " +
                     std::to_string(d) + " of " + x.shape().to_string() + "), got " + std::to_string(sum));
  }
  return cut("split", x, sizes, d);
}

std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim) {
  const int d = existing_dim("chunk", x, dim);
  if (chunks < 1) throw ShapeError(expected("chunk") + "at least 1 chunk, got " + std::to_string(chunks));
  const std::int64_t n = x.size(d), size = rounded_up(n, chunks);
  expect_pieces("chunk", n == 0 ? chunks : rounded_up(n, size));
  if (n == 0) return split(x, std::vector<std::int64_t>(static_cast<std::size_t>(chunks), 0), d);
  return split(x, size, d);
}

std::vector<Tensor> unbind(const Tensor& x, std::int64_t dim) {
  const int d = existing_dim("unbind", x, dim);
  expect_pieces("unbind", x.size(d));
  std::vector<Tensor> rows = cut("unbind", x, std::vector<std::int64_t>(static_cast<std::size_t>(x.size(d)), 1), d);
  for (Tensor& row : rows) row = squeeze(row, d);
  return rows;
}

Tensor concat(std::span<const Tensor> parts, std::int64_t dim) { return cat(parts, dim); }
Tensor concat(std::initializer_list<Tensor> parts, std::int64_t dim) { return cat(parts, dim); }

Tensor flip(const Tensor& x, const Dims& dims) {
  expect_dims("flip", x, dims);
  Tensor y = x;
  for (const std::int64_t dim : dims) {
    if (x.dim() == 0 || x.size(dim) < 2) continue;
    const std::int64_t n = x.size(dim);
    y = index_select(y, dim, kernels::sub(n - 1, kernels::arange(n, DType::i64, x.device())));
  }
  return y;
}

static Tensor roll_one(const Tensor& x, std::int64_t shift, int dim) {
  const std::int64_t n = x.size(dim);
  if (n == 0 || shift % n == 0) return x;
  const std::int64_t first = shift % n < 0 ? -(shift % n) : n - shift % n;  // the element that comes to the front
  return cat({slice(x, dim, first), slice(x, dim, 0, first)}, dim);
}

Tensor roll(const Tensor& x, const Dims& shifts, const Dims& dims) {
  kernels::expect_defined("roll", x);
  if (shifts.size() != std::max(dims.size(), 1)) {
    throw ShapeError(expected("roll") + "one shift per dimension, or one shift and no dimension, got " +
                     std::to_string(shifts.size()) + " shifts and " + std::to_string(dims.size()) + " dimensions");
  }
  if (dims.empty()) return reshape(roll_one(reshape(x, {x.numel()}), shifts[0], 0), x.shape());
  Tensor y = x;
  for (int i = 0; i < dims.size(); ++i) y = roll_one(y, shifts[i], existing_dim("roll", x, dims[i]));
  return y;
}

namespace {

/// Whether a dimension is repeated as a whole (a b a b) or element by element (a a b b).
enum class Repeated { whole, elements };

// Three dimensions, (before, `dim`, behind), and one for the repeats: so x may have as many dimensions as a tensor can.
Tensor repeat_dim(const char* op, const Tensor& x, int dim, std::int64_t repeats, Repeated what) {
  if (repeats < 0) throw ShapeError(expected(op) + "repeats of at least 0, got " + std::to_string(repeats));
  if (repeats == 1) return x;
  std::int64_t before = 1;
  std::int64_t behind = 1;
  for (int d = 0; d < dim; ++d) before *= x.size(d);
  for (int d = dim + 1; d < x.dim(); ++d) behind *= x.size(d);
  const std::int64_t n = x.size(dim);
  Shape shape = x.shape();
  shape[dim] = checked_mul(n, repeats, op);
  const bool whole = what == Repeated::whole;
  const Tensor one = reshape(x, whole ? Shape{before, 1, n, behind} : Shape{before, n, 1, behind});
  return reshape(expand(one, whole ? Shape{before, repeats, n, behind} : Shape{before, n, repeats, behind}), shape);
}

Tensor repeat_dims(const char* op, const Tensor& x, const Dims& repeats) {
  const auto repeated = std::ranges::count_if(repeats, [](std::int64_t times) { return times != 1; });
  if (repeated > 1 && autograd::any_half(x) && autograd::is_recorded(x))  // the gradient is rounded behind its last sum
    return autograd::rounded_like(repeat_dims(op, autograd::in_f32(x), repeats), x);
  Shape shape;
  for (int d = x.dim(); d < repeats.size(); ++d) shape.push_back(1);
  for (const std::int64_t size : x.shape()) shape.push_back(size);
  Tensor y = repeats.size() == x.dim() ? x : reshape(x, shape);
  for (int d = repeats.size() - 1; d >= 0; --d) y = repeat_dim(op, y, d, repeats[d], Repeated::whole);
  return y;
}

}  // namespace

Tensor repeat(const Tensor& x, const Dims& repeats) {
  kernels::expect_defined("repeat", x);
  if (repeats.size() < x.dim()) {
    throw ShapeError(expected("repeat") + "at least " + std::to_string(x.dim()) + " repeats for " +
                     x.shape().to_string() + ", got " + std::to_string(repeats.size()));
  }
  return repeat_dims("repeat", x, repeats);
}

Tensor tile(const Tensor& x, const Dims& repeats) {
  kernels::expect_defined("tile", x);
  Dims all;
  for (int d = repeats.size(); d < x.dim(); ++d) all.push_back(1);
  for (const std::int64_t times : repeats) all.push_back(times);
  return repeat_dims("tile", x, all);
}

Tensor repeat_interleave(const Tensor& x, std::int64_t repeats) {
  kernels::expect_defined("repeat_interleave", x);
  return repeat_dim("repeat_interleave", reshape(x, {x.numel()}), 0, repeats, Repeated::elements);
}

Tensor repeat_interleave(const Tensor& x, std::int64_t repeats, std::int64_t dim) {
  const int d = existing_dim("repeat_interleave", x, dim);
  return repeat_dim("repeat_interleave", x, d, repeats, Repeated::elements);
}

namespace {

// How often element i comes, once for all elements or once for each. The host reads it.
Tensor repeated_positions(const Tensor& repeats, std::int64_t n, Device device) {
  constexpr const char* kOp = "repeat_interleave";
  kernels::expect_defined(kOp, repeats);
  if (repeats.dtype() != DType::i64 && repeats.dtype() != DType::i32)
    throw DtypeError(expected(kOp) + "repeats of i64 or i32, got " + repeats.describe());
  if (repeats.dim() > 1 || (repeats.numel() != 1 && repeats.numel() != n)) {
    throw ShapeError(expected(kOp) + "one number of repeats or " + std::to_string(n) + " of them, got " +
                     repeats.describe());
  }
  const Tensor host = kernels::cast(autograd::on_host(kOp, repeats), DType::i64);
  const auto* times = host.data<std::int64_t>();
  std::int64_t total = 0;
  for (std::int64_t i = 0; i < host.numel(); ++i) {
    if (times[i] < 0) throw ShapeError(expected(kOp) + "repeats of at least 0, got " + std::to_string(times[i]));
    total = checked_add(total, host.numel() == n ? times[i] : checked_mul(times[i], n, kOp), kOp);
  }
  const Tensor positions = Tensor::empty({total}, DType::i64);
  auto* next = positions.data<std::int64_t>();
  for (std::int64_t i = 0; i < n; ++i) next = std::fill_n(next, times[host.numel() == n ? i : 0], i);
  return kernels::to_device(positions, device);
}

}  // namespace

Tensor repeat_interleave(const Tensor& x, const Tensor& repeats) {
  kernels::expect_defined("repeat_interleave", x);
  return repeat_interleave(reshape(x, {x.numel()}), repeats, 0);
}

Tensor repeat_interleave(const Tensor& x, const Tensor& repeats, std::int64_t dim) {
  const int d = existing_dim("repeat_interleave", x, dim);
  return autograd::index_select_for("repeat_interleave", x, d, repeated_positions(repeats, x.size(d), x.device()));
}

// As one row of m n elements, the diagonal is a slice with the step n + 1.
Tensor diagonal(const Tensor& x, std::int64_t offset, std::int64_t dim1, std::int64_t dim2) {
  kernels::expect_defined("diagonal", x);
  if (x.dim() < 2) throw ShapeError(expected("diagonal") + "at least two dimensions, got " + x.describe());
  const int rows = normalize_dim(dim1, x.dim(), "diagonal");
  const int columns = normalize_dim(dim2, x.dim(), "diagonal");
  if (rows == columns) {
    throw IndexError(expected("diagonal") + "two different dimensions, got " + std::to_string(dim1) + " and " +
                     std::to_string(dim2));
  }
  Dims order;
  Shape shape;
  for (int d = 0; d < x.dim(); ++d) {
    if (d == rows || d == columns) continue;
    order.push_back(d);
    shape.push_back(x.size(d));
  }
  order.push_back(rows);
  order.push_back(columns);
  const std::int64_t m = x.size(rows);
  const std::int64_t n = x.size(columns);
  shape.push_back(m * n);
  const Tensor row = reshape(permute(x, order), shape);
  const std::int64_t length = offset >= 0 ? std::min(m, n - offset) : std::min(m + offset, n);
  if (length <= 0) return slice(row, -1, 0, 0);
  const std::int64_t start = offset >= 0 ? offset : -offset * n;
  return slice(row, -1, start, start + (length - 1) * (n + 1) + 1, n + 1);
}

std::vector<Tensor> meshgrid(std::span<const Tensor> vectors, MeshIndexing indexing) {
  if (vectors.empty()) throw ShapeError(expected("meshgrid") + "at least one vector, got none");
  const auto n = static_cast<int>(vectors.size());
  const auto dim_of = [&](int i) { return indexing == MeshIndexing::xy && n > 1 && i < 2 ? 1 - i : i; };
  Shape shape;
  for (const Tensor& x : vectors) {
    kernels::expect_defined("meshgrid", x);
    if (x.dim() > 1) throw ShapeError(expected("meshgrid") + "vectors, got " + x.describe());
    if (x.dtype() != vectors[0].dtype()) {
      throw DtypeError(expected("meshgrid") + "vectors of one dtype, got " + vectors[0].describe() + " and " +
                       x.describe());
    }
    shape.push_back(x.numel());
  }
  if (dim_of(0) == 1) std::swap(shape[0], shape[1]);
  std::vector<Tensor> grids;
  for (int i = 0; i < n; ++i) {
    const Tensor& x = vectors[static_cast<std::size_t>(i)];
    Shape own;
    own.resize(n, 1);
    own[dim_of(i)] = x.numel();
    grids.push_back(expand(reshape(x, own), shape));
  }
  return grids;
}

std::vector<Tensor> meshgrid(std::initializer_list<Tensor> vectors, MeshIndexing indexing) {
  return meshgrid(std::span(vectors.begin(), vectors.size()), indexing);
}

}  // namespace hop
