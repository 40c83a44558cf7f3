#include "autograd/dropout.h"

#include <string>

#include "autograd/record.h"
#include "base/error.h"
#include "kernels/random.h"

namespace hop {

Tensor dropout(const Tensor& x, double p, RandomAddress address, bool training) {
  if (!(p >= 0 && p < 1)) throw ConfigError("[dropout] expected 0 <= p < 1, got " + std::to_string(p));
  if (!training || p == 0) return x;
  Tensor y = kernels::dropout(x, p, address);
  if (!autograd::is_recorded(x)) return y;
  return autograd::record("dropout", std::move(y), {x},
                          [=](autograd::BackwardContext& c) { c.set(0, dropout(c.grad(), p, address)); });
}

}  // namespace hop
