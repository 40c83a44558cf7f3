#pragma once

#include "nn/module.h"

namespace hop::nn {

/// Joins dimensions start_dim..end_dim: (N, C, H, W) -> (N, C H W). torch.nn.Flatten.
class Flatten : public Module {
 public:
  explicit Flatten(std::int64_t start_dim = 1, std::int64_t end_dim = -1) : start_dim_(start_dim), end_dim_(end_dim) {}
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Flatten"; }
  std::string extra_repr() const override;

 private:
  std::int64_t start_dim_, end_dim_;
};

/// Cuts dimension `dim` into `sizes`, one of which may be -1: (N, 6) -> (N, 2, 3). torch.nn.Unflatten.
class Unflatten : public Module {
 public:
  Unflatten(std::int64_t dim, const Shape& sizes) : dim_(dim), sizes_(sizes) {}
  /// Throws ShapeError if the sizes do not fill the dimension, IndexError.
  Tensor forward(const Tensor& x) override;
  std::string type_name() const override { return "Unflatten"; }
  std::string extra_repr() const override;

 private:
  std::int64_t dim_;
  Shape sizes_;
};

class Identity : public Module {
 public:
  Tensor forward(const Tensor& x) override { return x; }
  std::string type_name() const override { return "Identity"; }
};

}  // namespace hop::nn
