#include "nn/loss.h"

#include <array>

#include "autograd/loss.h"
#include "base/error.h"
#include "nn/detail/text.h"

namespace hop::nn {

Tensor CrossEntropyLoss::operator()(const Tensor& logits, const Tensor& target) const {
  return cross_entropy(logits, target);
}

Tensor MSELoss::operator()(const Tensor& x, const Tensor& y) const { return mse_loss(x, y); }

Loss loss_by_name(std::string_view name) {
  static constexpr std::array<std::string_view, 2> kNames = {"cross_entropy", "mse_loss"};
  if (name == kNames[0]) return CrossEntropyLoss{};
  if (name == kNames[1]) return MSELoss{};
  throw ConfigError("[loss] expected cross_entropy or mse_loss, got \"" + std::string(name) + "\"" +
                    did_you_mean(name, kNames));
}

}  // namespace hop::nn
