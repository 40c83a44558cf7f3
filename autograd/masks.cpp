#include "autograd/masks.h"

#include <limits>
#include <string>
#include <vector>

#include "autograd/composed_internal.h"
#include "autograd/copy.h"
#include "autograd/index.h"
#include "autograd/view.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/index.h"
#include "kernels/view.h"

namespace hop {

using autograd::expect_dims;
using autograd::expected;

namespace {

void expect_mask(const char* op, const Tensor& mask) {
  kernels::expect_defined(op, mask);
  if (mask.dtype() != DType::boolean) throw DtypeError(expected(op) + "a bool mask, got " + mask.describe());
}

// The number as a tensor of `dtype` holds it: integers drop a fraction.
Scalar held(const char* op, const Scalar& value, DType dtype) {
  if (!value.fits(dtype))
    throw DtypeError(expected(op) + "a number that " + std::string(name(dtype)) + " holds, got " + value.to_string());
  if (is_floating(dtype)) return value.to<double>();
  if (dtype == DType::boolean) return value.to<double>() != 0;
  return value.to<std::int64_t>();
}

// The row-major positions of the values that are true. The host reads them.
std::vector<std::int64_t> true_positions(const char* op, const Tensor& mask) {
  if (is_capturing()) {
    throw StateError(expected(op) +
                     "no capture: the shape of the result depends on values, and a captured step cannot read them");
  }
  const Tensor on_host = kernels::to_device(kernels::contiguous(mask), Device::cpu());
  const bool* values = on_host.data<bool>();
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < on_host.numel(); ++i) {
    if (values[i]) positions.push_back(i);
  }
  return positions;
}

Tensor index_of(const std::vector<std::int64_t>& values, const Shape& shape, Device device) {
  return Tensor::from(std::span<const std::int64_t>(values), shape, device);
}

/// The column minus the row of each element of a matrix (m, n).
Tensor diagonal_numbers(const char* op, const Tensor& x) {
  kernels::expect_defined(op, x);
  if (x.dim() < 2) throw ShapeError(expected(op) + "at least two dimensions, got " + x.describe());
  const Tensor rows = kernels::arange(x.size(-2), DType::i64, x.device());
  const Tensor columns = kernels::arange(x.size(-1), DType::i64, x.device());
  return kernels::sub(columns, kernels::unsqueeze(rows, 1));
}

}  // namespace

Tensor masked_fill(const Tensor& x, const Tensor& mask, kernels::Input value) {
  kernels::expect_defined("masked_fill", x);
  expect_mask("masked_fill", mask);
  if (!value.is_tensor()) return where(mask, held("masked_fill", value.number(), x.dtype()), x);
  kernels::expect_defined("masked_fill", value.tensor());
  if (value.tensor().dim() != 0)
    throw ShapeError(expected("masked_fill") + "a value of shape (), got " + value.tensor().describe());
  return where(mask, to(value.tensor(), x.dtype()), x);
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  kernels::expect_defined("masked_select", x);
  expect_mask("masked_select", mask);
  const Shape shape = broadcast_shapes(x.shape(), mask.shape(), "masked_select");
  const std::vector<std::int64_t> positions = true_positions("masked_select", kernels::expand(mask, shape));
  const auto n = static_cast<std::int64_t>(positions.size());
  return index_select(reshape(expand(x, shape), {shape.numel()}), 0, index_of(positions, {n}, x.device()));
}

Tensor nonzero(const Tensor& x) {
  kernels::expect_defined("nonzero", x);
  const std::vector<std::int64_t> positions = true_positions("nonzero", kernels::ne(x, 0));
  const Strides strides = contiguous_strides(x.shape());
  std::vector<std::int64_t> coordinates;
  for (std::int64_t rest : positions) {
    for (const std::int64_t stride : strides) {
      coordinates.push_back(rest / stride);
      rest %= stride;
    }
  }
  return index_of(coordinates, {static_cast<std::int64_t>(positions.size()), x.dim()}, x.device());
}

std::vector<Tensor> where(const Tensor& x) {
  kernels::expect_defined("where", x);
  const Tensor positions = nonzero(x.dim() == 0 ? reshape(x.detach(), {1}) : x);
  std::vector<Tensor> columns;
  for (std::int64_t d = 0; d < positions.size(1); ++d) columns.push_back(select(positions, 1, d));
  return columns;
}

// `false` is the weakest number: the result keeps the dtype of x.
Tensor tril(const Tensor& x, std::int64_t diagonal) {
  return where(kernels::le(diagonal_numbers("tril", x), diagonal), x, false);
}

Tensor triu(const Tensor& x, std::int64_t diagonal) {
  return where(kernels::ge(diagonal_numbers("triu", x), diagonal), x, false);
}

Tensor isinf(const Tensor& x) {
  kernels::expect_defined("isinf", x);
  if (!is_floating(x.dtype())) return kernels::zeros(x.shape(), DType::boolean, x.device());
  return kernels::eq(kernels::abs(x), HUGE_VAL);
}

Tensor nan_to_num(const Tensor& x, double nan, std::optional<double> posinf, std::optional<double> neginf) {
  kernels::expect_defined("nan_to_num", x);
  if (!is_floating(x.dtype())) return x;
  const double most = visit_stored_dtype(x.dtype(), []<class T>(T) { return largest_of<T>(); });
  const Tensor numbers = where(kernels::isnan(x), nan, x);
  const Tensor below = where(kernels::eq(x, HUGE_VAL), posinf.value_or(most), numbers);
  return where(kernels::eq(x, -HUGE_VAL), neginf.value_or(-most), below);
}

Tensor any(const Tensor& x, const Dims& dims, bool keepdim) {
  expect_dims("any", x, dims);
  return kernels::gt(kernels::sum(kernels::ne(x, 0), dims, keepdim), 0);
}

Tensor all(const Tensor& x, const Dims& dims, bool keepdim) {
  expect_dims("all", x, dims);
  return kernels::eq(kernels::sum(kernels::eq(x, 0), dims, keepdim), 0);
}

Tensor one_hot(const Tensor& labels, std::int64_t num_classes) {
  kernels::expect_defined("one_hot", labels);
  if (labels.dtype() != DType::i64) throw DtypeError(expected("one_hot") + "i64 labels, got " + labels.describe());
  if (num_classes == -1) {
    if (labels.numel() == 0)
      throw ShapeError(expected("one_hot") + "labels to infer num_classes from, got " + labels.describe());
    const auto largest = kernels::max(labels).item<std::int64_t>();
    if (largest < 0) throw IndexError(expected("one_hot") + "labels of at least 0, got " + std::to_string(largest));
    num_classes = checked_add(largest, 1, "one_hot");
  }
  if (num_classes < 1)
    throw ConfigError(expected("one_hot") + "num_classes of at least 1, got " + std::to_string(num_classes));
  const Tensor column = reshape(labels, {labels.numel(), 1});
  const Tensor ones = kernels::ones(column.shape(), DType::f32, labels.device());
  Shape shape = labels.shape();
  shape.push_back(num_classes);
  const Tensor rows = kernels::scatter_add({labels.numel(), num_classes}, 1, column, ones, "one_hot");
  return reshape(kernels::cast(rows, DType::i64), shape);
}

}  // namespace hop
