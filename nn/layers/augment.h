// Augmentation of images: layers at the beginning of a model. They take their numbers from the root's random address
// (Module::set_random_key), so the bits of a model stay a function of the experiment, also after a hop. An
// application's own augmentation is a module like these.
#pragma once

#include "nn/module.h"

namespace hop::nn {

/// While training, moves each image by -padding to padding pixels in both directions, evenly, and fills in with zeros:
/// torchvision's RandomCrop of the image's own size, with this padding. The identity in evaluation. x (N, C, H, W).
class RandomCrop : public Module {
 public:
  /// 0 <= padding; ConfigError otherwise.
  explicit RandomCrop(std::int64_t padding);

  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "RandomCrop"; }
  std::string extra_repr() const override;

 private:
  std::int64_t padding_;
};

/// While training, mirrors each image left to right with probability p: torchvision's RandomHorizontalFlip. The
/// identity in evaluation. x (N, C, H, W).
class RandomHorizontalFlip : public Module {
 public:
  /// 0 <= p <= 1; ConfigError otherwise.
  explicit RandomHorizontalFlip(double p = 0.5);

  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "RandomHorizontalFlip"; }
  std::string extra_repr() const override;

 private:
  double p_;
};

}  // namespace hop::nn
