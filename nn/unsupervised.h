// Models that learn their input itself: the losses "elbo" and "adversarial" of experiment files read no label.
#pragma once

#include <string_view>

#include "nn/module.h"
#include "nn/output.h"

namespace hop::nn {

/// What a module is, beside Module, whose loss is a function of its input alone.
class Unsupervised {
 public:
  virtual ~Unsupervised() = default;
  /// The name of this loss in experiment files.
  virtual std::string_view loss_name() const = 0;
  /// The loss of the rows x (N, ..), as a mean over the rows: (). What it draws, it draws at the random address of the
  /// module's root, in training and in evaluation.
  virtual Tensor loss(const Tensor& x) = 0;
};

/// The module as Unsupervised, if `output` is Output::Input and its loss is called `loss`. Null for other outputs.
/// Throws ConfigError for Output::Input and a module that has another loss or none, and for other outputs and an
/// unsupervised module.
Unsupervised* unsupervised(Module& module, Output output, std::string_view loss);

}  // namespace hop::nn
