// Models that learn their input itself: the loss "elbo" of experiment files reads no label.
#pragma once

#include "nn/module.h"
#include "nn/output.h"

namespace hop::nn {

/// What a module is, beside Module, whose loss is a bound of the evidence of its input: a variational autoencoder
/// (Kingma & Welling, 2014). Its forward() is the reconstruction.
class EvidenceBound {
 public:
  virtual ~EvidenceBound() = default;
  /// The negative evidence lower bound of the rows x (N, ..), as a mean over the rows: (). It draws the latent
  /// variables at the random address of the module's root, in training and in evaluation.
  virtual Tensor negative_elbo(const Tensor& x) = 0;
};

/// The bound of `module` for Output::Input; null for other outputs. Throws ConfigError for Output::Input and a module
/// that has none, and for other outputs and a module that has one.
EvidenceBound* bound_of(Module& module, Output output);

}  // namespace hop::nn
