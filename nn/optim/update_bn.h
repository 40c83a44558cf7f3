// torch.optim.swa_utils.update_bn: the running statistics of a model whose weights are an average. No training step has
// seen these weights, so nobody has measured what the batch normalisations see with them.
//
//   for (int epoch = 0; ..) { ..; average.update_parameters(model); }
//   optim::update_bn(loader, average.module());
//   average.module().eval();
#pragma once

#include <optional>
#include <vector>

#include "nn/layers/norm.h"
#include "nn/module.h"

namespace hop::optim {
namespace detail {

/// A module in training mode whose batch normalisations measure anew; afterwards in the mode from before.
class MeasuredAgain {
 public:
  explicit MeasuredAgain(nn::Module& model);
  ~MeasuredAgain();
  MeasuredAgain(const MeasuredAgain&) = delete;
  MeasuredAgain& operator=(const MeasuredAgain&) = delete;

  /// Whether the model has a batch normalisation with running statistics.
  bool has_any() const { return has_any_; }
  void see(const Tensor& x, std::optional<Device> device) const;

 private:
  nn::Module& model_;
  bool was_training_;
  bool has_any_ = false;
  nn::detail::MeanOfBatches mean_;
};

inline const Tensor& input_of(const Tensor& batch) { return batch; }
/// Throws ShapeError for a batch without tensors.
const Tensor& input_of(const std::vector<Tensor>& batch);

}  // namespace detail

/// One pass over `batches` without gradients, after which the running statistics of each BatchNorm in `model` are the
/// means over these batches, of equal weight. `batches` is a range of inputs, or of lists of tensors of which the first
/// one is the input, as data::DataLoader gives. With `device` inputs are moved there first. A model without running
/// statistics is left alone and reads no batch. The model keeps its mode, training or evaluation, but of a model whose
/// parts are in different modes all parts have the mode of the whole afterwards, as in PyTorch. Reads a count on the
/// host for each layer and batch, so it cannot be a part of a captured step.
template <class Batches>
void update_bn(Batches&& batches, nn::Module& model, std::optional<Device> device = {}) {
  const detail::MeasuredAgain measured(model);
  if (!measured.has_any()) return;
  for (const auto& batch : batches) measured.see(detail::input_of(batch), device);
}

}  // namespace hop::optim
