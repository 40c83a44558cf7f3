#pragma once

#include <optional>
#include <string>

#include "nn/layers/sequential.h"

namespace hop::nn {

/// body(x) + shortcut(x), or body(x) + x without a shortcut (He et al., 2016). Children: "body", and "shortcut" if
/// given.
class Residual : public Module {
 public:
  explicit Residual(const Sequential& body, const std::optional<Sequential>& shortcut = std::nullopt);
  /// Throws ShapeError if the two results have different shapes.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Residual"; }

  Sequential body;
  std::optional<Sequential> shortcut;
};

}  // namespace hop::nn
