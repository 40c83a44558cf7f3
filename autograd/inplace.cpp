#include "autograd/inplace.h"

#include <string>

#include "autograd/grad_mode.h"
#include "autograd/rerun.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"

namespace hop {
namespace {

namespace rows = kernels::rows;

void check_not_recorded(const char* op, const Tensor& y) {
  if (!is_grad_enabled() || !y.requires_grad()) return;
  throw AutogradError("[" + std::string(op) + "] writes in place are not recorded, and " +
                      (y.is_leaf() ? "a leaf" : "a computed tensor") + " that requires a gradient takes part (" +
                      y.describe() + "); write under NoGradGuard");
}

void check_written(const char* op, const Tensor& y) {
  check_not_recorded(op, y);
  autograd::note_write(y);
}

/// y <- row(y, x). One pass where the result has y's layout and x is not a part of y; else by way of a copy: shapes may
/// broadcast to y but not beyond it.
template <class Row>
const Tensor& apply(const Tensor& y, const Row& row, const kernels::Input& x) {
  const bool fits = !x.is_tensor() ? is_floating(y.dtype())
                                   : x.tensor().dtype() == y.dtype() && x.tensor().shape() == y.shape() &&
                                         (x.tensor().is_same(y) || !(x.tensor().storage() == y.storage()));
  if (fits && kernels::can_evaluate_into(y))
    kernels::evaluate_into(y, row, y, x);
  else
    kernels::copy_(y, kernels::evaluate(row, y, x));
  return y;
}

}  // namespace

const Tensor& copy_(const Tensor& y, const Tensor& x) {
  check_written("copy_", y);
  check_not_recorded("copy_", x);
  kernels::copy_(y, x);
  return y;
}

const Tensor& fill_(const Tensor& y, Scalar value) {
  check_written("fill_", y);
  kernels::fill_(y, value);
  return y;
}

const Tensor& zero_(const Tensor& y) { return fill_(y, 0); }

const Tensor& add_(const Tensor& y, const Tensor& x, double alpha) {
  check_written("add_", y);
  check_not_recorded("add_", x);
  return apply(y, rows::Add{}, alpha == 1 ? x : kernels::mul(x, alpha));
}

const Tensor& add_(const Tensor& y, Scalar value) {
  check_written("add_", y);
  return apply(y, rows::Add{}, value);
}

const Tensor& mul_(const Tensor& y, const Tensor& x) {
  check_written("mul_", y);
  check_not_recorded("mul_", x);
  return apply(y, rows::Mul{}, x);
}

const Tensor& mul_(const Tensor& y, Scalar value) {
  check_written("mul_", y);
  return apply(y, rows::Mul{}, value);
}

const Tensor& lerp_(const Tensor& y, const Tensor& end, double weight) {
  check_written("lerp_", y);
  check_not_recorded("lerp_", end);
  return apply(y, rows::Add{}, kernels::mul(kernels::sub(end, y), weight));
}

}  // namespace hop
