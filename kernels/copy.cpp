#include "kernels/copy.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>

#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/copy_operations.h"
#include "kernels/expect_internal.h"
#include "kernels/layout_internal.h"
#include "kernels/view.h"
#include "tensor/backend.h"

namespace hop::kernels {
namespace {

// The bytes that a tensor's elements span.
std::pair<const std::byte*, const std::byte*> byte_range(const Tensor& x) {
  std::int64_t first = 0, last = 0;
  for (int d = 0; d < x.dim(); ++d) (x.strides()[d] < 0 ? first : last) += (x.shape()[d] - 1) * x.strides()[d];
  const auto size = static_cast<std::int64_t>(size_of(x.dtype()));
  return {x.raw_data() + first * size, x.raw_data() + (last + 1) * size};
}

bool overlap(const Tensor& a, const Tensor& b) {
  const auto [a_begin, a_end] = byte_range(a);
  const auto [b_begin, b_end] = byte_range(b);
  return std::less<>()(a_begin, b_end) && std::less<>()(b_begin, a_end);
}

// True if two positions of the tensor may share an element (an expanded view). Writes to both would leave one value or
// the other.
bool overlaps_itself(const Tensor& x) {
  for (int d = 0; d < x.dim(); ++d) {
    if (x.shape()[d] <= 1) continue;
    const std::int64_t step = std::abs(x.strides()[d]);
    std::int64_t reach = 0;  // bytes that the finer dimensions span
    for (int e = 0; e < x.dim(); ++e) {
      const std::int64_t other = std::abs(x.strides()[e]);
      if (x.shape()[e] > 1 && (other < step || (other == step && e < d))) reach += (x.shape()[e] - 1) * other;
    }
    if (step <= reach) return true;
  }
  return false;
}

void check_broadcasts_to(const Shape& x, const Shape& y) {
  bool fits = x.size() <= y.size();
  for (int d = 1; fits && d <= x.size(); ++d) {
    const std::int64_t size = x[x.size() - d];
    fits = size == 1 || size == y[y.size() - d];
  }
  if (!fits) {
    throw ShapeError("[copy_] expected a source that broadcasts to " + y.to_string() + ", got shape " + x.to_string());
  }
}

/// `value` as the fill value of a tensor of `dtype`. Throws DtypeError for a number that the dtype cannot hold.
Scalar fitting(const char* op, Scalar value, DType dtype) {
  if (!value.fits(dtype)) {
    throw DtypeError("[" + std::string(op) + "] expected a number that " + std::string(name(dtype)) + " holds, got " +
                     value.to_string());
  }
  return value.exceeds_i64() ? Scalar(value.to<double>()) : value;
}

}  // namespace

Tensor contiguous(const Tensor& x) {
  expect_defined("contiguous", x);
  if (x.is_contiguous()) return x;
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  operations<CopyOperations>(x).copy(y, x);
  return y;
}

Tensor clone(const Tensor& x) {
  expect_defined("clone", x);
  const Tensor y = empty_in(copied_layout(x), x.shape(), x.dtype(), x.device());
  operations<CopyOperations>(x).copy(y, x);
  return y;
}

Tensor cast(const Tensor& x, DType dtype) {
  expect_defined("cast", x);
  if (x.dtype() == dtype) return x;
  const Tensor y = empty_in(copied_layout(x), x.shape(), dtype, x.device());
  operations<CopyOperations>(x).copy(y, x);
  return y;
}

void copy_(const Tensor& y, const Tensor& x) {
  expect_defined("copy_", y);
  expect_defined("copy_", x);
  expect_same_device("copy_", {&y, &x});
  check_broadcasts_to(x.shape(), y.shape());
  if (overlaps_itself(y)) {
    throw ShapeError(
        "[copy_] expected a destination without repeated elements, got an expanded or overlapping view of shape " +
        y.shape().to_string());
  }
  if (y.numel() != 0) operations<CopyOperations>(x).copy(y, overlap(y, x) ? clone(x) : x);
  y.bump_version();
}

void fill_(const Tensor& y, Scalar value) {
  expect_defined("fill_", y);
  operations<CopyOperations>(y).fill(y, fitting("fill_", value, y.dtype()));
  y.bump_version();
}

bool is_left_out_of_cat(const Tensor& part, int rank) { return rank != 1 && part.dim() == 1 && part.numel() == 0; }

/// Images with channels last are joined to such an image. Parts of one channel or one pixel fit both layouts.
static Layout joined_layout(std::span<const Tensor> parts, const Tensor& first) {
  if (!keeps_channels_last(first.device()) || first.dim() != 4) return Layout::contiguous;
  bool any = false;
  for (const Tensor& part : parts) {
    if (part.numel() == 0 || lies_both_ways(part.shape())) continue;
    if (!has_channels_innermost(part)) return Layout::contiguous;
    any = true;
  }
  return any ? Layout::channels_last : Layout::contiguous;
}

Tensor cat(std::span<const Tensor> parts, std::int64_t dim) {
  if (parts.empty()) throw ShapeError("[cat] expected at least one tensor, got none");
  for (const Tensor& part : parts) expect_same_device("cat", {&parts.front(), &part});
  const auto counts =
      std::find_if(parts.begin(), parts.end(), [](const Tensor& p) { return !is_left_out_of_cat(p, 0); });
  const Tensor& first = counts == parts.end() ? parts.front() : *counts;
  if (first.dim() == 0) throw ShapeError("[cat] expected tensors with dimensions, got " + first.describe());
  const int d = normalize_dim(dim, first.dim(), "cat");
  Shape shape = first.shape();
  shape[d] = 0;
  DType dtype = first.dtype();
  for (const Tensor& part : parts) {
    dtype = promote_types(dtype, part.dtype());
    if (is_left_out_of_cat(part, first.dim())) continue;
    Shape same = part.shape();
    if (part.dim() == first.dim()) same[d] = first.shape()[d];
    if (!(same == first.shape())) {
      throw ShapeError("[cat] expected sizes that differ in dimension " + std::to_string(d) + " only, got shapes " +
                       first.shape().to_string() + " and " + part.shape().to_string());
    }
    shape[d] = checked_add(shape[d], part.shape()[d], "cat");
  }
  const Tensor y = empty_in(joined_layout(parts, first), shape, dtype, first.device());
  std::int64_t start = 0;
  for (const Tensor& part : parts) {
    if (is_left_out_of_cat(part, first.dim())) continue;
    operations<CopyOperations>(y).copy(slice(y, d, start, start + part.shape()[d]), part);
    start += part.shape()[d];
  }
  return y;
}

Tensor zeros(const Shape& shape, DType dtype, Device device) { return full(shape, 0, dtype, device); }
Tensor ones(const Shape& shape, DType dtype, Device device) { return full(shape, 1, dtype, device); }

Tensor full(const Shape& shape, Scalar value, DType dtype, Device device) {
  return full_in(Layout::contiguous, shape, value, dtype, device);
}

Tensor full_in(Layout layout, const Shape& shape, Scalar value, DType dtype, Device device) {
  value = fitting("full", value, dtype);
  const Tensor y = empty_in(layout, shape, dtype, device);
  operations<CopyOperations>(y).fill(y, value);
  return y;
}

Tensor arange(std::int64_t n, DType dtype, Device device) {
  if (n > 0 && !is_floating(dtype) && (dtype == DType::boolean ? n > 2 : !Scalar(n - 1).fits(dtype))) {
    throw DtypeError("[arange] expected numbers that " + std::string(name(dtype)) + " holds, got 0.." +
                     std::to_string(n - 1));
  }
  const Tensor y = Tensor::empty({n}, dtype, device);
  if (n != 0) operations<CopyOperations>(device).arange(y);
  return y;
}

Tensor to_device(const Tensor& x, Device device) {
  expect_defined("to", x);
  if (x.device() == device) return x;
  if (is_capturing()) throw StateError("[to] a tensor cannot change its device while a step is captured");
  const Tensor from = contiguous(x);
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), device);
  if (y.numel() == 0) return y;
  const Device other = device.is_cpu() ? x.device() : device;  // its backend copies to and from the host
  backend(other).copy(y.raw_data(), from.raw_data(), static_cast<std::size_t>(y.numel()) * size_of(y.dtype()));
  return y;
}

}  // namespace hop::kernels
