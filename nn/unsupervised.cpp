#include "nn/unsupervised.h"

#include "base/error.h"
#include "nn/loss.h"

namespace hop::nn {

Unsupervised* unsupervised(Module& module, Output output, std::string_view loss) {
  auto* const own = dynamic_cast<Unsupervised*>(&module);
  if (own != nullptr && (output != Output::Input || loss != own->loss_name())) {
    const std::string name = '"' + std::string(own->loss_name()) + '"';
    throw ConfigError("[model] loss: expected " + name + " for a model that learns its input, got another loss for " +
                      module.type_name() + "; write loss = " + name);
  }
  if (own != nullptr || output != Output::Input) return own;
  const LossRow& row = find_loss(loss);
  throw ConfigError("[model] loss: expected a model that has the loss \"" + std::string(row.name) + "\", got " +
                    module.type_name() + "; write family = \"" + std::string(row.family) + "\", or another loss");
}

}  // namespace hop::nn
