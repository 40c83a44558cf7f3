#include "nn/models/parts.h"

#include <cmath>

#include "kernels/view.h"

namespace hop::nn::models {

void FanOutConv2d::reset_parameters(const ParameterKeys& keys) {
  init::kaiming_normal_(weight, keys["weight"], {.mode = init::Fan::out, .nonlinearity = init::Nonlinearity::relu});
  if (bias.defined()) init::constant_(bias, 0);
}

void NormalLinear::reset_parameters(const ParameterKeys& keys) {
  init::normal_(weight, keys["weight"], 0, std_);
  if (bias.defined()) init::constant_(bias, 0);
}

void NormalEmbedding::reset_parameters(const ParameterKeys& keys) { init::normal_(weight, keys["weight"], 0, std_); }

void WordEmbedding::reset_parameters(const ParameterKeys& keys) {
  const double bound = 1 / std::sqrt(static_cast<double>(weight.size(0)));
  init::uniform_(weight, keys["weight"], -bound, bound);
  init::constant_(kernels::slice(weight.detach(), 0, 0, 1), 0);
}

}  // namespace hop::nn::models
