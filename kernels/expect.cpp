#include <cmath>

#include "base/error.h"
#include "base/words.h"
#include "kernels/expect_internal.h"

namespace hop::kernels {
namespace {

std::string prefix(const char* op) { return "[" + std::string(op) + "] expected "; }

}  // namespace

void expect_defined(const char* op, const Tensor& x) {
  if (!x.defined()) throw Error(prefix(op) + "a tensor, got an undefined one");
}

static void expect_device_of(const char* op, const Tensor& first, const Tensor& x) {
  if (x.device() == first.device()) return;
  throw DeviceError(prefix(op) + "operands on one device, got " + first.describe() + " and " + x.describe());
}

void expect_same_device(const char* op, std::initializer_list<const Tensor*> operands) {
  for (const Tensor* x : operands) {
    expect_defined(op, *x);
    expect_device_of(op, **operands.begin(), *x);
  }
}

void expect_floating(const char* op, const Tensor& x) {
  expect_defined(op, x);
  if (x.dtype() == DType::f32 || x.dtype() == DType::f64) return;
  throw DtypeError(prefix(op) + "f32 or f64, got " + x.describe() +
                   (is_half(x.dtype()) ? "; convert first: to(x, DType::f32)" : ""));
}

void expect_any_floating(const char* op, const Tensor& x) {
  expect_defined(op, x);
  if (!is_floating(x.dtype())) throw DtypeError(prefix(op) + "f32, f64, bf16 or f16, got " + x.describe());
}

using Operands = std::initializer_list<const Tensor*>;

static void expect_alike(const char* op, Operands operands, Operands optional,
                         void (*expect_dtype)(const char* op, const Tensor& x)) {
  const Tensor& first = **operands.begin();
  const auto expect = [&](const Tensor& x) {
    expect_dtype(op, x);
    expect_device_of(op, first, x);
    if (x.dtype() != first.dtype())
      throw DtypeError(prefix(op) + "operands of one dtype, got " + first.describe() + " and " + x.describe());
  };
  for (const Tensor* x : operands) expect(*x);
  for (const Tensor* x : optional) {
    if (x->defined()) expect(*x);
  }
}

void expect_floating(const char* op, Operands operands, Operands optional) {
  expect_alike(op, operands, optional, expect_floating);
}

void expect_any_floating(const char* op, Operands operands, Operands optional) {
  expect_alike(op, operands, optional, expect_any_floating);
}

Tensor result_in(const char* op, const Tensor& out, const Shape& shape, DType dtype, Device device, Layout layout) {
  if (!out.defined()) return empty_in(layout, shape, dtype, device);
  expect_shape(op, "out", out, shape);
  if (out.dtype() != dtype)
    throw DtypeError(prefix(op) + "out of " + std::string(name(dtype)) + ", got " + out.describe());
  if (out.device() != device)
    throw DeviceError(prefix(op) + "out on " + device.to_string() + ", got " + out.describe());
  if (!out.is_contiguous() && !(layout == Layout::channels_last && is_channels_last(out)))
    throw ShapeError(prefix(op) + "a contiguous out, got a strided view of " + out.describe());
  out.bump_version();
  return out;
}

void expect_shape(const char* op, const char* what, const Tensor& x, const Shape& shape) {
  if (!(x.shape() == shape)) {
    throw ShapeError(prefix(op) + what + " of shape " + shape.to_string() + ", got " + x.shape().to_string());
  }
}

std::array<bool, kMaxDims> named_dims(const char* op, int rank, std::span<const std::int64_t> dims) {
  std::array<bool, kMaxDims> named{};
  for (const std::int64_t dim : dims) {
    bool& is_named = named[static_cast<std::size_t>(normalize_dim(dim, rank, op))];
    if (is_named) throw IndexError("[" + std::string(op) + "] dimension " + std::to_string(dim) + " is named twice");
    is_named = true;
  }
  return named;
}

void expect_eps(const char* op, double eps) {
  if (eps >= 0 && std::isfinite(eps)) return;
  throw ConfigError(prefix(op) + "a finite eps of at least 0, got " + shortest(eps));
}

}  // namespace hop::kernels
