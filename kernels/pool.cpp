#include "kernels/pool.h"

#include <limits>
#include <optional>
#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/half_internal.h"
#include "kernels/layout_internal.h"
#include "kernels/pool_operations.h"

namespace hop::kernels {
namespace {

std::string prefix(const char* op) { return "[" + std::string(op) + "] expected "; }

void expect_image(const char* op, const Shape& x) {
  if (x.size() != 4) throw ShapeError(prefix(op) + "x (N, C, H, W), got " + x.to_string());
}

std::int64_t step_of(const Pool2dOptions& o, std::size_t d) { return o.stride[d] == 0 ? o.kernel[d] : o.stride[d]; }

/// Throws ShapeError if a window steps over all `size` values: it then begins before the first of them.
void expect_values_in_windows(const char* op, std::int64_t size, std::int64_t outputs, const Pool2dOptions& o,
                              std::size_t d) {
  const std::int64_t dilation = o.dilation[d];
  if (dilation <= size) return;
  for (std::int64_t i = 0; i < outputs; ++i) {
    const std::int64_t before = o.padding[d] - i * step_of(o, d);
    if (before <= 0) return;
    if ((dilation - before % dilation) % dilation >= size) {
      throw ShapeError(prefix(op) + "windows that meet the image, got dilation " + std::to_string(dilation) +
                       " and padding " + std::to_string(o.padding[d]) + " for " + std::to_string(size) + " values");
    }
  }
}

/// Outputs along dimension d (0: rows, 1: columns).
std::int64_t outputs(const char* op, const Shape& x, const Pool2dOptions& o, std::size_t d) {
  const std::int64_t padding = o.padding[d], size = x[2 + static_cast<int>(d)];
  if (o.kernel[d] < 1 || o.stride[d] < 0) {
    throw ShapeError(prefix(op) + "a kernel of at least 1 and a stride of at least 0, got kernel " +
                     std::to_string(o.kernel[d]) + " and stride " + std::to_string(o.stride[d]));
  }
  if (o.dilation[d] < 1)
    throw ShapeError(prefix(op) + "a dilation of at least 1, got " + std::to_string(o.dilation[d]));
  const std::int64_t kernel = checked_add(checked_mul(o.dilation[d], o.kernel[d] - 1, op), 1, op);
  if (padding < 0 || padding > kernel - padding) {
    throw ShapeError(prefix(op) + "padding of at most half the kernel, got " + std::to_string(padding) +
                     " for kernel " + std::to_string(kernel));
  }
  const std::int64_t room = checked_add(size, checked_mul(2, padding, op), op);
  const std::int64_t step = step_of(o, d), left = checked_add(room - kernel, o.ceil_mode ? step - 1 : 0, op);
  if (left < 0 || size < 1) {
    throw ShapeError(prefix(op) + "an image of at least the kernel's size " + std::to_string(kernel) + ", got " +
                     x.to_string() + " with padding " + std::to_string(padding));
  }
  std::int64_t count = left / step + 1;
  // A window that begins behind the image has no values.
  if (o.ceil_mode && count - 1 > (size + padding - 1) / step) --count;
  expect_values_in_windows(op, size, count, o, d);
  return count;
}

PoolShape pool_shape(const Shape& x, const Shape& y, const Pool2dOptions& o) {
  return {.planes = x[0] * x[1],
          .h = x[2],
          .w = x[3],
          .p = y[2],
          .q = y[3],
          .r = o.kernel[0],
          .s = o.kernel[1],
          .row_step = step_of(o, 0),
          .column_step = step_of(o, 1),
          .row_padding = o.padding[0],
          .column_padding = o.padding[1],
          .row_dilation = o.dilation[0],
          .column_dilation = o.dilation[1]};
}

/// The same for averages. Windows that all count r s values get this divisor, the fast case.
PoolShape average_shape(const Shape& x, const Shape& y, const Pool2dOptions& o) {
  PoolShape z = pool_shape(x, y, o);
  z.counts_padding = o.count_include_pad;
  const auto is_whole = [&](std::int64_t size, std::int64_t outputs, std::size_t d) {
    const bool fits = (outputs - 1) * step_of(o, d) + o.kernel[d] <= size + 2 * o.padding[d];
    return fits && (o.count_include_pad || o.padding[d] == 0);
  };
  if (is_whole(z.h, z.p, 0) && is_whole(z.w, z.q, 1)) z.divisor = z.r * z.s;
  if (o.divisor_override) z.divisor = *o.divisor_override;
  return z;
}

void expect_max_options(const char* op, const Pool2dOptions& o) {
  if (o.count_include_pad && !o.divisor_override) return;
  throw ShapeError(prefix(op) + kNoOptionsOfAverages);
}

void expect_average_options(const char* op, const Pool2dOptions& o) {
  if (o.dilation != std::array<std::int64_t, 2>{1, 1}) {
    throw ShapeError(prefix(op) + kNoDilation + ", got (" + std::to_string(o.dilation[0]) + ", " +
                     std::to_string(o.dilation[1]) + ")");
  }
  if (o.divisor_override == 0) throw ShapeError(prefix(op) + kDivisorOtherThanZero);
}

/// An uninitialised image in the layout of x.
Tensor empty_like(const Tensor& x, const Shape& shape, DType dtype) {
  return empty_in(layout_of(x), shape, dtype, x.device());
}

void expect_indices(const char* op, const Tensor& values, const Tensor& indices, const Shape& image) {
  expect_defined(op, indices);
  expect_same_device(op, {&values, &indices});
  if (indices.dtype() != DType::i64) throw DtypeError(prefix(op) + "indices of i64, got " + indices.describe());
  expect_image(op, image);
  if (indices.dim() != 4 || indices.shape()[0] != image[0] || indices.shape()[1] != image[1]) {
    throw ShapeError(prefix(op) + "indices (N, C, P, Q) for an image " + image.to_string() + ", got " +
                     indices.shape().to_string());
  }
}

}  // namespace

Shape pool2d_shape(const Shape& x, const Pool2dOptions& options, const char* op) {
  expect_image(op, x);
  if (checked_mul(x[2], x[3], op) > std::numeric_limits<std::int32_t>::max())
    throw ShapeError(prefix(op) + "planes of fewer than 2^31 values, got " + x.to_string());
  const Shape shape{x[0], x[1], outputs(op, x, options, 0), outputs(op, x, options, 1)};
  if (checked_mul(options.kernel[0], options.kernel[1], op) > std::numeric_limits<std::int32_t>::max()) {
    throw ShapeError(prefix(op) + "windows of fewer than 2^31 values, got " + std::to_string(options.kernel[0]) +
                     " x " + std::to_string(options.kernel[1]));
  }
  return shape;
}

MaxPool2dResult max_pool2d(const Tensor& x, const Pool2dOptions& options) {
  expect_any_floating("max_pool2d", x);
  expect_max_options("max_pool2d", options);
  if (is_half(x)) {
    const MaxPool2dResult wide = max_pool2d(widened(x), options);
    return {narrowed("max_pool2d", wide.y, x.dtype()), wide.indices};
  }
  const Shape shape = pool2d_shape(x.shape(), options, "max_pool2d");
  const Tensor image = image_operand(x);
  const MaxPool2dResult result{empty_like(image, shape, x.dtype()), empty_like(image, shape, DType::i64)};
  if (shape.numel() != 0)
    operations<PoolOperations>(x).max_pool2d(pool_shape(x.shape(), shape, options), image, result.y, result.indices);
  return result;
}

Tensor max_pool2d_grad(const Tensor& g, const Tensor& indices, const Shape& x_shape, const Pool2dOptions* windows) {
  constexpr const char* kOp = "max_pool2d gradient";
  expect_any_floating(kOp, g);
  if (is_half(g)) return narrowed(kOp, max_pool2d_grad(widened(g), indices, x_shape, windows), g.dtype());
  expect_indices(kOp, g, indices, x_shape);
  expect_shape(kOp, "g", g, indices.shape());
  const Tensor at = image_operand(indices);
  const Tensor dx = empty_like(at, x_shape, g.dtype());
  std::optional<PoolShape> shape;
  if (windows != nullptr) {
    expect_shape(kOp, "indices", indices, pool2d_shape(x_shape, *windows, kOp));
    shape = pool_shape(x_shape, indices.shape(), *windows);
  }
  if (dx.numel() != 0)
    operations<PoolOperations>(g).max_pool2d_grad(shape ? &*shape : nullptr, in_layout(layout_of(at), g), at, dx);
  return dx;
}

Tensor max_pool2d_gather(const Tensor& gg, const Tensor& indices) {
  constexpr const char* kOp = "max_pool2d gather";
  expect_any_floating(kOp, gg);
  if (is_half(gg)) return narrowed(kOp, max_pool2d_gather(widened(gg), indices), gg.dtype());
  expect_indices(kOp, gg, indices, gg.shape());
  const Tensor at = image_operand(indices);
  const Tensor y = empty_like(at, indices.shape(), gg.dtype());
  if (y.numel() != 0) operations<PoolOperations>(gg).max_pool2d_gather(in_layout(layout_of(at), gg), at, y);
  return y;
}

Tensor avg_pool2d(const Tensor& x, const Pool2dOptions& options) {
  expect_any_floating("avg_pool2d", x);
  expect_average_options("avg_pool2d", options);
  if (is_half(x)) return narrowed("avg_pool2d", avg_pool2d(widened(x), options), x.dtype());
  const Tensor image = image_operand(x);
  const Tensor y = empty_like(image, pool2d_shape(x.shape(), options, "avg_pool2d"), x.dtype());
  if (y.numel() != 0) operations<PoolOperations>(x).avg_pool2d(average_shape(x.shape(), y.shape(), options), image, y);
  return y;
}

Tensor avg_pool2d_grad(const Tensor& g, const Shape& x_shape, const Pool2dOptions& options) {
  constexpr const char* kOp = "avg_pool2d gradient";
  expect_any_floating(kOp, g);
  expect_average_options(kOp, options);
  if (is_half(g)) return narrowed(kOp, avg_pool2d_grad(widened(g), x_shape, options), g.dtype());
  expect_shape(kOp, "g", g, pool2d_shape(x_shape, options, kOp));
  const Tensor image = image_operand(g);
  const Tensor dx = empty_like(image, x_shape, g.dtype());
  if (dx.numel() != 0)
    operations<PoolOperations>(g).avg_pool2d_grad(average_shape(x_shape, g.shape(), options), image, dx);
  return dx;
}

}  // namespace hop::kernels
