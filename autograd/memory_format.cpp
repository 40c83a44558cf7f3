#include "autograd/memory_format.h"

#include <string>

#include "autograd/record.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/copy_operations.h"
#include "kernels/expect_internal.h"
#include "kernels/layout_internal.h"

namespace hop {
namespace {

void check_format(const char* op, const Tensor& x, MemoryFormat format) {
  kernels::expect_defined(op, x);
  if (format == MemoryFormat::contiguous || x.dim() == 4) return;
  throw ShapeError("[" + std::string(op) + "] expected an image (N, C, H, W) for channels last, got " + x.describe());
}

Tensor copied(const char* op, const Tensor& x, MemoryFormat format) {
  Tensor y = kernels::empty_in(format, x.shape(), x.dtype(), x.device());
  kernels::operations<kernels::CopyOperations>(x).copy(y, x);
  if (!autograd::is_recorded(x)) return y;
  return autograd::record(op, std::move(y), {x}, [](autograd::BackwardContext& c) { c.set(0, c.grad()); });
}

Tensor full_like(const char* op, const Tensor& x, MemoryFormat format, int value) {
  check_format(op, x, format);
  return kernels::full_in(format, x.shape(), value, x.dtype(), x.device());
}

}  // namespace

bool is_contiguous(const Tensor& x, MemoryFormat format) {
  kernels::expect_defined("is_contiguous", x);
  if (format == MemoryFormat::contiguous) return x.is_contiguous();
  if (x.dim() != 4) return false;
  return kernels::is_channels_last(x) || (x.is_contiguous() && (x.numel() == 0 || kernels::lies_both_ways(x.shape())));
}

Tensor contiguous(const Tensor& x, MemoryFormat format) {
  check_format("contiguous", x, format);
  return is_contiguous(x, format) ? x : copied("contiguous", x, format);
}

Tensor to(const Tensor& x, MemoryFormat format) {
  check_format("to", x, format);
  return contiguous(x, format);
}

Tensor clone(const Tensor& x, MemoryFormat format) {
  check_format("clone", x, format);
  return copied("clone", x, format);
}

Tensor empty_like(const Tensor& x) {
  kernels::expect_defined("empty_like", x);
  return empty_like(x, kernels::copied_layout(x));
}

Tensor empty_like(const Tensor& x, MemoryFormat format) {
  check_format("empty_like", x, format);
  return kernels::empty_in(format, x.shape(), x.dtype(), x.device());
}

Tensor zeros_like(const Tensor& x, MemoryFormat format) { return full_like("zeros_like", x, format, 0); }
Tensor ones_like(const Tensor& x, MemoryFormat format) { return full_like("ones_like", x, format, 1); }

}  // namespace hop
