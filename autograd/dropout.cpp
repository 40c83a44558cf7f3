#include "autograd/dropout.h"

#include "autograd/record.h"
#include "base/error.h"
#include "kernels/expect_internal.h"
#include "kernels/random.h"
#include "tensor/scalar.h"

namespace hop {

Tensor dropout(const Tensor& x, double p, RandomAddress address, bool training) {
  kernels::expect_defined("dropout", x);
  if (!(p >= 0 && p <= 1)) throw ConfigError("[dropout] expected 0 <= p <= 1, got " + Scalar(p).to_string());
  if (!training || p == 0) return x;
  Tensor y = kernels::dropout(x, p, address);
  if (!autograd::is_recorded(x)) return y;
  return autograd::record("dropout", std::move(y), {x},
                          [=](autograd::BackwardContext& c) { c.set(0, dropout(c.grad(), p, address)); });
}

}  // namespace hop
