// The windows of an image as columns: a gather of the padded image, and its gradient.

#include "autograd/conv.h"
#include "autograd/half_internal.h"
#include "autograd/index.h"
#include "autograd/pad.h"
#include "autograd/record.h"
#include "autograd/view.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/expect_internal.h"
#include "kernels/index.h"
#include "kernels/view.h"

namespace hop {

using autograd::BackwardContext;
using autograd::is_recorded;
using autograd::record;
using autograd::save;

namespace {

/// The windows of an image (height, width).
struct Windows {
  std::int64_t height, width;  ///< of the padded image
  std::int64_t rows, columns;  ///< windows below and beside each other
};

Windows windows_of(const char* op, const std::array<std::int64_t, 2>& image, const WindowOptions& o) {
  std::array<std::int64_t, 2> padded{}, count{};
  for (std::size_t i = 0; i < 2; ++i) {
    if (o.kernel[i] < 1 || o.stride[i] < 1 || o.dilation[i] < 1 || o.padding[i] < 0) {
      throw ShapeError("[" + std::string(op) + "] expected kernel, stride and dilation of at least 1 and padding of " +
                       "at least 0, got " + std::to_string(o.kernel[i]) + ", " + std::to_string(o.stride[i]) + ", " +
                       std::to_string(o.dilation[i]) + " and " + std::to_string(o.padding[i]));
    }
    padded[i] = checked_add(image[i], checked_mul(2, o.padding[i], op), op);
    const std::int64_t reach = checked_add(checked_mul(o.dilation[i], o.kernel[i] - 1, op), 1, op);
    if (image[i] < 0 || padded[i] < reach) {
      throw ShapeError("[" + std::string(op) + "] expected an image of at least the window's size " +
                       std::to_string(reach) + ", got " + std::to_string(padded[i]) + " with padding");
    }
    count[i] = (padded[i] - reach) / o.stride[i] + 1;
  }
  return {padded[0], padded[1], count[0], count[1]};
}

/// The place in the padded image of each element of the columns, (R S L) i64.
Tensor places(const Windows& w, const WindowOptions& o, Device device) {
  const auto along = [&](std::size_t i, std::int64_t count) {  // (kernel, windows)
    const Tensor taps = kernels::mul(kernels::arange(o.kernel[i], DType::i64, device), o.dilation[i]);
    const Tensor starts = kernels::mul(kernels::arange(count, DType::i64, device), o.stride[i]);
    return kernels::add(kernels::unsqueeze(taps, 1), starts);
  };
  const Tensor y = reshape(kernels::mul(along(0, w.rows), w.width), {o.kernel[0], 1, w.rows, 1});
  const Tensor x = reshape(along(1, w.columns), {1, o.kernel[1], 1, w.columns});
  return reshape(kernels::add(y, x), {o.kernel[0] * o.kernel[1] * w.rows * w.columns});
}

Tensor sum_at(const Shape& shape, const Tensor& index, const Tensor& columns) {
  Tensor y = kernels::index_add(shape, 2, index, columns);
  if (!is_recorded(columns)) return y;
  return record("fold", std::move(y), {columns},
                [saved = save(index)](BackwardContext& c) { c.set(0, index_select(c.grad(), 2, c.value(saved))); });
}

}  // namespace

Tensor unfold(const Tensor& x, const WindowOptions& o) {
  kernels::expect_defined("unfold", x);
  if (x.dim() != 4) throw ShapeError("[unfold] expected (N, C, H, W), got " + x.shape().to_string());
  const Windows w = windows_of("unfold", {x.size(2), x.size(3)}, o);
  const std::int64_t n = x.size(0), channels = x.size(1);
  const Tensor padded = pad(x, {o.padding[1], o.padding[1], o.padding[0], o.padding[0]});
  const Tensor flat = reshape(padded, {n, channels, w.height * w.width});
  const Tensor columns = index_select(flat, 2, places(w, o, x.device()));
  return reshape(columns, {n, channels * o.kernel[0] * o.kernel[1], w.rows * w.columns});
}

Tensor fold(const Tensor& columns, const std::array<std::int64_t, 2>& output_size, const WindowOptions& o) {
  if (autograd::any_half(columns))
    return autograd::rounded_like(fold(autograd::in_f32(columns), output_size, o), columns);
  kernels::expect_floating("fold", {&columns});
  const Windows w = windows_of("fold", output_size, o);
  const std::int64_t taps = o.kernel[0] * o.kernel[1], windows = w.rows * w.columns;
  if (columns.dim() != 3 || columns.size(1) % taps != 0 || columns.size(2) != windows) {
    throw ShapeError("[fold] expected columns (N, C R S, L) with R S = " + std::to_string(taps) +
                     " and L = " + std::to_string(windows) + ", got " + columns.shape().to_string());
  }
  const std::int64_t n = columns.size(0), channels = columns.size(1) / taps;
  const Tensor sums = sum_at({n, channels, w.height * w.width}, places(w, o, columns.device()),
                             reshape(columns, {n, channels, taps * windows}));
  const Tensor padded = reshape(sums, {n, channels, w.height, w.width});
  return slice(slice(padded, 2, o.padding[0], o.padding[0] + output_size[0]), 3, o.padding[1],
               o.padding[1] + output_size[1]);
}

}  // namespace hop
