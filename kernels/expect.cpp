#include "base/error.h"
#include "kernels/expect_internal.h"

namespace hop::kernels {
namespace {

std::string prefix(const char* op) { return "[" + std::string(op) + "] expected "; }

}  // namespace

void expect_cpu(const char* op, const Tensor& x) {
  if (!x.defined()) throw Error(prefix(op) + "a tensor, got an undefined one");
  if (!x.device().is_cpu()) throw DeviceError(prefix(op) + "a tensor on the CPU, got " + x.describe());
}

void expect_floating(const char* op, const Tensor& x) {
  expect_cpu(op, x);
  if (!is_floating(x.dtype())) throw DtypeError(prefix(op) + "f32 or f64, got " + x.describe());
}

void expect_floating(const char* op, std::initializer_list<const Tensor*> operands) {
  const Tensor* first = nullptr;
  for (const Tensor* x : operands) {
    if (!x->defined()) continue;
    expect_floating(op, *x);
    if (first == nullptr) first = x;
    if (x->dtype() != first->dtype()) {
      throw DtypeError(prefix(op) + "operands of one dtype, got " + first->describe() + " and " + x->describe());
    }
  }
}

void expect_shape(const char* op, const char* what, const Tensor& x, const Shape& shape) {
  if (!(x.shape() == shape)) {
    throw ShapeError(prefix(op) + what + " of shape " + shape.to_string() + ", got " + x.shape().to_string());
  }
}

}  // namespace hop::kernels
