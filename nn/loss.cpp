#include "nn/loss.h"

#include <array>

#include "autograd/loss.h"
#include "base/table.h"

namespace hop::nn {
namespace {

template <class Made>
Tensor compute(const Tensor& output, const Tensor& target) {
  return Made{}(output, target);
}

constexpr std::array kLosses = {
    LossRow{"cross_entropy", Target::Classes, compute<CrossEntropyLoss>, "The mean of -log softmax(output)[class]."},
    LossRow{
        "mse_loss", Target::Numbers, compute<MSELoss>,
        "The mean of (output - target)^2, for targets that are numbers; the labels of data sets are classes so far."},
};

}  // namespace

Tensor CrossEntropyLoss::operator()(const Tensor& logits, const Tensor& target) const {
  return cross_entropy(logits, target);
}

Tensor MSELoss::operator()(const Tensor& x, const Tensor& y) const { return mse_loss(x, y); }

std::span<const LossRow> losses() { return kLosses; }

const LossRow& find_loss(std::string_view name) {
  for (const LossRow& row : kLosses) {
    if (row.name == name) return row;
  }
  const auto names = names_of(losses());
  throw ConfigError("[loss] expected cross_entropy or mse_loss, got \"" + std::string(name) + "\"" +
                    did_you_mean(name, names));
}

Loss loss_by_name(std::string_view name) { return find_loss(name).compute; }

}  // namespace hop::nn
