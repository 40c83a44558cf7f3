#pragma once

#include <span>

#include "nn/module.h"

namespace hop::nn {

/// (x - mean) / std per channel, with given numbers: torchvision's Normalize, as a layer at the beginning of a model,
/// so that the numbers travel with it. x (N, C, H, W), floating; pixels of a data set are 0 to 1, as torchvision's
/// ToTensor makes them. Nothing is learnt. In training and evaluation.
class Normalize : public Module {
 public:
  /// One number per channel, finite, and deviations above 0; as many of both, at least one. ConfigError otherwise.
  Normalize(std::span<const double> means, std::span<const double> deviations);

  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Normalize"; }
  std::string extra_repr() const override;

  Buffer mean;       ///< f32 (C)
  Buffer deviation;  ///< f32 (C), "std" in the state
};

}  // namespace hop::nn
