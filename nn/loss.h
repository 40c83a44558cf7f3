// Losses as objects, and by name. The definitions are PyTorch's, with the mean over all elements or rows.
//
// A loss of numbers takes outputs and targets of one shape: (N), (N, K) for K target columns, or any other. Targets (N)
// also fit outputs (N, 1). Targets may have any dtype, and are converted to the one of the outputs. Other shapes throw
// ShapeError; PyTorch broadcasts (N) against (N, 1) to (N, N). each() is the loss of each element, in the shape of the
// outputs: reduction="none" of PyTorch.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "nn/config_text.h"
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

/// The mean of -log softmax(x)[target]: x (N, C), target (N) i64. torch.nn.CrossEntropyLoss.
struct CrossEntropyLoss {
  /// (C): the factor of each class; the mean is the weighted one. If no row of a batch counts, the loss is 0 (PyTorch:
  /// NaN).
  Tensor weight = {};
  double label_smoothing = 0;                     ///< 0 to 1: this share of a target is spread over all classes
  std::optional<std::int64_t> ignore_index = {};  ///< rows with this target do not count
  Tensor operator()(const Tensor& logits, const Tensor& target) const;
};

/// The mean of -y log p - (1 - y) log(1 - p) for p = sigmoid(x): x logits, y from 0 to 1. torch.nn.BCEWithLogitsLoss.
struct BCEWithLogitsLoss {
  Tensor pos_weight = {};  ///< the factor of y log p, for rare positives; broadcasts to x: (K) for K columns
  Tensor operator()(const Tensor& logits, const Tensor& target) const;
  Tensor each(const Tensor& logits, const Tensor& target) const;  ///< before the mean
};

/// The mean of (x - y)^2. torch.nn.MSELoss.
struct MSELoss {
  Tensor operator()(const Tensor& x, const Tensor& y) const;
  Tensor each(const Tensor& x, const Tensor& y) const;  ///< before the mean
};

/// The mean of |x - y|. torch.nn.L1Loss.
struct L1Loss {
  Tensor operator()(const Tensor& x, const Tensor& y) const;
  Tensor each(const Tensor& x, const Tensor& y) const;  ///< before the mean
};

/// The mean of d^2 / 2 where d = |x - y| is at most delta, and of delta (d - delta / 2) elsewhere. torch.nn.HuberLoss.
struct HuberLoss {
  double delta = 1;  ///< above 0
  Tensor operator()(const Tensor& x, const Tensor& y) const;
  Tensor each(const Tensor& x, const Tensor& y) const;  ///< before the mean
};

/// The mean of rate - y log rate, for counts y >= 0. torch.nn.PoissonNLLLoss.
struct PoissonNLLLoss {
  bool log_input = true;  ///< rate = exp(x); otherwise rate = x, and the logarithm is that of x + eps
  bool full = false;      ///< adds Stirling's approximation of log y!, which has no gradient
  double eps = 1e-8;
  Tensor operator()(const Tensor& x, const Tensor& y) const;
  Tensor each(const Tensor& x, const Tensor& y) const;  ///< before the mean
};

/// The mean of max(q e, (q - 1) e) for e = y - x: least at the quantile q of y. Koenker and Bassett 1978; the pinball
/// loss of scikit-learn.
struct QuantileLoss {
  double quantile = 0.5;  ///< between 0 and 1; 0.5 gives half of L1Loss
  Tensor operator()(const Tensor& x, const Tensor& y) const;
  Tensor each(const Tensor& x, const Tensor& y) const;  ///< before the mean
};

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
