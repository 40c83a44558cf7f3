#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/layers/sequential.h"

namespace hop::nn {

/// Joins what its branches make of x along dimension `dim`, in their order: cat({a(x), b(x)}, 1). One branch alone is
/// joined to the input: cat({x, a(x)}, 1), as in DenseNet (Huang et al., 2017) and U-Net. Children: "0", "1", ..
class Concat : public Module {
 public:
  /// Throws ConfigError without a branch.
  explicit Concat(const std::vector<Sequential>& branches, std::int64_t dim = 1);
  /// Throws ShapeError if the results differ in another dimension.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Concat"; }
  std::string extra_repr() const override;

  std::vector<Sequential> branches;

 private:
  std::int64_t dim_;
};

}  // namespace hop::nn
