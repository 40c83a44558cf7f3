#pragma once

#include <cstdint>

#include "nn/module.h"

namespace hop::nn {

struct LocalResponseNormOptions {
  double alpha = 1e-4;
  double beta = 0.75;
  double k = 1;
};

/// x / (k + alpha mean)^beta, where `mean` is that of x^2 over `size` neighbouring channels (channels beyond the ends
/// count as 0): x (N, C, ..) -> the same shape (Krizhevsky et al., 2012). torch.nn.LocalResponseNorm.
class LocalResponseNorm : public Module {
 public:
  /// Throws ConfigError for a size below 1.
  explicit LocalResponseNorm(std::int64_t size, LocalResponseNormOptions options = {});
  /// Throws ShapeError for fewer than three dimensions, DtypeError.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "LocalResponseNorm"; }
  std::string extra_repr() const override;

 private:
  std::int64_t size_;
  LocalResponseNormOptions options_;
};

}  // namespace hop::nn
