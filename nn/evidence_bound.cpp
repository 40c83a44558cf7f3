#include "nn/evidence_bound.h"

#include "base/error.h"

namespace hop::nn {

EvidenceBound* bound_of(Module& module, Output output) {
  auto* const bound = dynamic_cast<EvidenceBound*>(&module);
  if (bound != nullptr && output != Output::Input) {
    throw ConfigError("[model] loss: expected \"elbo\" for a model that learns its input, got another loss for " +
                      module.type_name() + "; write loss = \"elbo\"");
  }
  if (bound != nullptr || output != Output::Input) return bound;
  throw ConfigError("[model] loss: expected a model that has an evidence bound for \"elbo\", got " +
                    module.type_name() + "; write family = \"vae\", or another loss");
}

}  // namespace hop::nn
