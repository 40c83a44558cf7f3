// What the outputs of a model stand for, and the way between them and the numbers of a data set.
#pragma once

#include <cstdint>
#include <span>

#include "data/target.h"
#include "tensor/tensor.h"

namespace hop::nn {

/// Each loss gives outputs their meaning.
enum class Output : std::uint8_t {
  Scores,    ///< one per class: the largest output is the answer
  Standard,  ///< numbers to mean 0 and standard deviation 1, as TargetColumn::scale says
  LogRate,   ///< the logarithm of a rate: the answer is the rate of a count
  Logit,     ///< the answer is a probability, sigmoid(output)
  Plain,     ///< the answer itself: losses of applications
  Input      ///< of a model that learns its input: no label is read, and no metric measures it
};

/// Whether outputs answer with a class (target (N) i64) or with numbers (target (N, k)). Output::Input fits both.
constexpr data::TargetKind target_kind(Output output) {
  return output == Output::Scores ? data::TargetKind::classes : data::TargetKind::numbers;
}

/// Numbers (N, k) <-> outputs (N, k), without gradients. Its constants lie on a device, so that a step that uses them
/// can be recorded.
class TargetScaling {
 public:
  /// `columns` is read for Output::Standard alone: k of them.
  TargetScaling(Output output, std::span<const data::TargetColumn> columns, Device device);
  /// The target of the loss for the label of a batch.
  Tensor to_learn(const Tensor& label) const;
  /// The answers that outputs stand for, in the form of labels: numbers, rates, probabilities. Scores stay scores.
  Tensor answers(const Tensor& output) const;

 private:
  Output output_;
  Tensor offsets_, factors_, widths_;  // (k)
};

}  // namespace hop::nn
