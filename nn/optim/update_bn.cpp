#include "nn/optim/update_bn.h"

#include "autograd/copy.h"
#include "autograd/grad_mode.h"
#include "base/error.h"

namespace hop::optim::detail {

MeasuredAgain::MeasuredAgain(nn::Module& model) : model_(model), was_training_(model.is_training()) {
  for (const auto& [name, module] : model.named_modules()) {
    auto* const norm = dynamic_cast<nn::BatchNorm*>(module);
    if (norm == nullptr || !norm->running_mean.defined()) continue;
    norm->reset_running_stats();
    has_any_ = true;
  }
  if (has_any_) model.train();
}

MeasuredAgain::~MeasuredAgain() {
  if (has_any_) model_.train(was_training_);
}

void MeasuredAgain::see(const Tensor& x, std::optional<Device> device) const {
  const NoGradGuard no_grad;
  model_(device ? to(x, *device) : x);
}

const Tensor& input_of(const std::vector<Tensor>& batch) {
  if (!batch.empty()) return batch.front();
  throw ShapeError("[update_bn] expected batches whose first tensor is the input, got a batch without tensors");
}

}  // namespace hop::optim::detail
