#include "kernels/random.h"

#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/expect_internal.h"
#include "kernels/operations_internal.h"

namespace hop::kernels {
namespace {

void expect_target(const char* op, const Tensor& y) {
  expect_floating(op, y);
  if (!y.is_contiguous())
    throw ShapeError("[" + std::string(op) + "] expected a contiguous tensor, got a strided view of " + y.describe());
}

}  // namespace

void uniform_(const Tensor& y, double low, double high, RandomAddress address) {
  expect_target("uniform_", y);
  if (!(low < high)) {
    throw ConfigError("[uniform_] expected low < high, got " + std::to_string(low) + " and " + std::to_string(high));
  }
  if (y.numel() != 0) operations(y).uniform(y, low, high, address);
  y.bump_version();
}

void normal_(const Tensor& y, double mean, double std, RandomAddress address) {
  expect_target("normal_", y);
  if (!(std >= 0)) throw ConfigError("[normal_] expected std >= 0, got " + std::to_string(std));
  if (y.numel() != 0) operations(y).normal(y, mean, std, address);
  y.bump_version();
}

Tensor dropout(const Tensor& x, double p, RandomAddress address) {
  expect_floating("dropout", x);
  if (!(p >= 0 && p < 1)) throw ConfigError("[dropout] expected 0 <= p < 1, got " + std::to_string(p));
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  if (y.numel() != 0) operations(x).dropout(contiguous(x), y, p, address);
  return y;
}

}  // namespace hop::kernels
