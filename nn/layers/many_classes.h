// Last layers with their losses, for many classes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "autograd/reduction.h"
#include "nn/layers/container.h"
#include "nn/layers/linear.h"
#include "nn/module.h"

namespace hop::nn {

struct LinearCrossEntropyLossOptions {
  bool bias = false;
  Reduction reduction = Reduction::mean;
  Tensor weight = {};                             ///< (classes): the factor of each class; copied
  std::optional<std::int64_t> ignore_index = {};  ///< labels of this value do not count
  double label_smoothing = 0;                     ///< 0 to 1
  DType dtype = DType::f32;
};

/// The cross entropy of a Linear layer's outputs: x (N, features) or (features), and labels or probabilities of
/// classes: see cross_entropy(). torch.nn.LinearCrossEntropyLoss; not there: out_features. A call with one
/// tensor throws hop::Error.
class LinearCrossEntropyLoss : public Module {
 public:
  /// Throws ConfigError for sizes below 1, ShapeError for a weight of another shape.
  LinearCrossEntropyLoss(std::int64_t in_features, std::int64_t num_classes,
                         const LinearCrossEntropyLossOptions& options = {});

  using Module::operator();
  using Module::forward;
  /// Hooks see x. Throws as cross_entropy().
  Tensor operator()(const Tensor& x, const Tensor& target);
  std::string type_name() const override { return "LinearCrossEntropyLoss"; }
  std::string extra_repr() const override;

  Linear linear;
  Buffer weight;  ///< (classes), undefined without weights of classes

 private:
  LinearCrossEntropyLossOptions options_;
};

/// What AdaptiveLogSoftmaxWithLoss gives.
struct AdaptiveLogSoftmaxResult {
  Tensor output{};  ///< (N), or (): the log probability of each target
  Tensor loss{};    ///< (): -mean(output); NaN over no rows
};

struct AdaptiveLogSoftmaxOptions {
  double div_value = 4;  ///< cluster i computes with in_features // div_value^(i + 1) numbers, as Python rounds down
  bool head_bias = false;
  DType dtype = DType::f32;
};

/// A softmax over many classes whose frequent ones come first (Grave et al., "Efficient softmax approximation for
/// GPUs", 2017): the head chooses among classes 0..cutoffs[0]-1 and the clusters; cluster i has classes
/// cutoffs[i]..cutoffs[i+1]-1, the last one up to n_classes - 1. torch.nn.AdaptiveLogSoftmaxWithLoss. The tail of a
/// cluster sees the rows of its classes alone, so the host reads the targets: it waits for the device, and a captured
/// step throws StateError.
class AdaptiveLogSoftmaxWithLoss : public Module {
 public:
  /// Throws ConfigError unless cutoffs ascend within 1..n_classes-1, for none of them, and for sizes and dimensions of
  /// clusters below 1 (PyTorch allows 0 dimensions).
  AdaptiveLogSoftmaxWithLoss(std::int64_t in_features, std::int64_t n_classes, std::vector<std::int64_t> cutoffs,
                             const AdaptiveLogSoftmaxOptions& options = {});

  using Module::operator();
  /// x (N, in_features) and targets (N) i64, or (in_features) and (). Hooks see x and the output. Throws ShapeError,
  /// DtypeError; IndexError for a target out of range.
  AdaptiveLogSoftmaxResult operator()(const Tensor& x, const Tensor& target);
  /// The log probabilities of all classes: see log_prob().
  Tensor forward(const Tensor& x) override { return log_prob(x); }
  /// x (N, in_features) -> (N, n_classes)
  Tensor log_prob(const Tensor& x);
  /// The most probable class: x (N, in_features) -> (N) i64.
  Tensor predict(const Tensor& x);
  std::string type_name() const override { return "AdaptiveLogSoftmaxWithLoss"; }

 private:
  AdaptiveLogSoftmaxResult run(const Tensor& x, const Tensor& target);

  std::vector<std::int64_t> cutoffs_;  // n_classes at the end
  Linear head_;
  ModuleList tail_;
};

}  // namespace hop::nn
