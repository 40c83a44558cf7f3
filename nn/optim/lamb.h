// LAMB (You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", 2020), for a parameter p
// with the gradient g in step t = 1, 2, ..:
//
//   m <- beta1 m + (1 - beta1) g              exp_avg
//   v <- beta2 v + (1 - beta2) g^2            exp_avg_sq
//   u <- m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay p
//   p <- p - lr |p| / |u| u                   the norms are those of the whole tensors; their ratio is 1 if one is 0
//
// PyTorch has no LAMB. The defaults are those of NVIDIA's FusedLAMB, without its limit of the gradient's norm: for that
// there is nn::clip_grad_norm_.
#pragma once

#include <array>
#include <string_view>

#include "kernels/update_rules.h"
#include "nn/optim/optimizer.h"

namespace hop::optim {

/// The settings, described as those of kernels/update_rules.h are.
struct LAMBOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-6;
  double weight_decay = 0.01;
  bool maximize = false;  ///< climbs: the gradient is negated first

  static constexpr std::string_view name = "LAMB";
  static constexpr std::string_view doc =
      "AdamW whose steps are as long as the weights, for large batches (You et al., 2020)";
  template <class Options, class F>
  static void settings(Options& options, const F& f) {
    using namespace kernels::rules;
    f("lr", options.lr, Range{});
    f("beta1", options.beta1, kShare);
    f("beta2", options.beta2, kShare);
    f("eps", options.eps, Range{});
    f("weight_decay", options.weight_decay, Range{});
    f("maximize", options.maximize, Range{});
  }
};

/// Written from tensor operations, because a parameter's step depends on norms of the whole parameter.
class LAMB final : public Optimizer {
 public:
  /// Throws ConfigError for a setting that is out of range, and as the constructor of Optimizer.
  explicit LAMB(const ParameterList& parameters, LAMBOptions options = {});
  void step() override;

 private:
  LAMBOptions options_;
};

}  // namespace hop::optim
