// Losses by name, and of rows with weights. The objects that the names stand for are those of loss_objects.h.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "nn/config_text.h"
#include "nn/loss_objects.h"
#include "nn/output.h"
#include "tensor/tensor.h"

namespace hop::nn {

/// (output of the model, target) -> mean loss ().
using Loss = std::function<Tensor(const Tensor& output, const Tensor& target)>;
/// (output of the model, target, weights of the rows) -> weighted mean loss ().
using WeightedLoss = std::function<Tensor(const Tensor& output, const Tensor& target, const Tensor& weights)>;

/// sum(w l) / sum(w) over rows: losses l (N), weights w (N) of any floating dtype, finite and 0 or more, without a
/// gradient. Rows of weight 0 add nothing, even to an infinite loss. If all weights are 0, the mean is 0 and has the
/// gradient 0. The division is computed in f64. Throws ShapeError.
Tensor weighted_mean(const Tensor& losses, const Tensor& weights);

/// A setting of a loss, as text has it: "delta" of "huber delta=0.5".
struct LossSetting {
  std::string_view name{};
  std::string_view fallback{};  ///< its value where nothing is said, for people
  std::string_view doc{};
};

/// A loss as a mean (), and as the loss of each row (N), whose mean it is.
struct MadeLoss {
  Loss mean{};
  Loss rows{};  ///< empty if no such loss of a row exists: with class weights the mean is a weighted one
};

/// A loss that ships with Hopscotch.
struct LossRow {
  std::string_view name{};
  Output output = Output::Scores;  ///< what the model learns to say
  /// With these settings, for outputs on `device`. Throws ConfigError for a value that the setting cannot have.
  MadeLoss (*make)(const ConfigText& settings, Device device) = nullptr;
  std::string_view doc{};  ///< one line
  std::span<const LossSetting> settings{};
  /// Of Output::Input: the family that has this loss, and the least and the greatest feature that it takes.
  std::string_view family{};
  double least = 0, greatest = 0;
};

/// All of them: the one list of losses.
std::span<const LossRow> losses();
/// The row of a name; settings may follow it. Throws ConfigError with the nearest name for any other.
const LossRow& find_loss(std::string_view text);
/// The loss of a name, with its settings: "cross_entropy label_smoothing=0.1 class_weights=1,5". Throws ConfigError for
/// an unknown name or setting, and for a value that a setting cannot have.
Loss loss_by_name(std::string_view text, Device device = Device::cpu());
/// The same for rows with weights: sum(w l) / sum(w) of the rows' losses. Throws ConfigError for class_weights, too.
WeightedLoss weighted_loss_by_name(std::string_view text, Device device = Device::cpu());

}  // namespace hop::nn
