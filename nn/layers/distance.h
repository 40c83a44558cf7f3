// Distances of vectors: modules of two inputs.
#pragma once

#include <cstdint>
#include <string>

#include "nn/module.h"

namespace hop::nn {

/// sum(a b) / (|a| |b|) along `dim`, norms at least eps. torch.nn.CosineSimilarity.
class CosineSimilarity : public Module {
 public:
  explicit CosineSimilarity(std::int64_t dim = 1, double eps = 1e-8) : dim_(dim), eps_(eps) {}
  using Module::operator();
  using Module::forward;
  Tensor operator()(const Tensor& a, const Tensor& b) { return with_hooks(a, forward(a, b)); }
  Tensor forward(const Tensor& a, const Tensor& b);
  std::string type_name() const override { return "CosineSimilarity"; }
  std::string extra_repr() const override;

 private:
  std::int64_t dim_;
  double eps_;
};

/// The p-norm of a - b + eps along the last dimension. torch.nn.PairwiseDistance.
class PairwiseDistance : public Module {
 public:
  explicit PairwiseDistance(double p = 2, double eps = 1e-6, bool keepdim = false)
      : p_(p), eps_(eps), keepdim_(keepdim) {}
  using Module::operator();
  using Module::forward;
  Tensor operator()(const Tensor& a, const Tensor& b) { return with_hooks(a, forward(a, b)); }
  Tensor forward(const Tensor& a, const Tensor& b);
  std::string type_name() const override { return "PairwiseDistance"; }
  std::string extra_repr() const override;

 private:
  double p_, eps_;
  bool keepdim_;
};

}  // namespace hop::nn
