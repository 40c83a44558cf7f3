#include "nn/optim/averaged_model.h"

#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "nn/detail/number.h"

namespace hop::optim::detail {
namespace {

void check_same(const nn::StateDict& own, const nn::StateDict& theirs) {
  if (own.size() != theirs.size()) {
    throw StateError("[AveragedModel] expected a model with " + std::to_string(own.size()) +
                     " tensors of a kind, got one with " + std::to_string(theirs.size()));
  }
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (own[i].name == theirs[i].name && own[i].tensor.shape() == theirs[i].tensor.shape()) continue;
    throw StateError("[AveragedModel] expected \"" + own[i].name + "\" " + own[i].tensor.shape().to_string() +
                     ", got \"" + theirs[i].name + "\" " + theirs[i].tensor.shape().to_string());
  }
}

Device device_of(const nn::StateDict& parameters) {
  return parameters.empty() ? Device::cpu() : parameters.front().tensor.device();
}

}  // namespace

Averages::Averages(const nn::Module& average, AveragedModelOptions options)
    : options_(options),
      parameters_(average.named_parameters()),
      buffers_(average.named_buffers()),
      count_(kernels::zeros({}, DType::i64, device_of(parameters_))) {
  if (!options.decay) return;
  nn::detail::check_range("AveragedModel", "decay", *options.decay, {.min = 0});
  if (*options.decay > 1)
    throw ConfigError("[AveragedModel] expected a decay in 0..1, got " + shortest(*options.decay));
}

void Averages::update(const nn::StateDict& own, const nn::StateDict& theirs, bool averages) const {
  const Tensor is_first = eq(count_, 0), number = to(count_, DType::f64) + 1.0;
  for (std::size_t i = 0; i < own.size(); ++i) {
    const Tensor &average = own[i].tensor, &now = theirs[i].tensor;
    if (!averages || !is_floating(average.dtype())) {
      kernels::copy_(average, now);
      continue;
    }
    const Tensor mixed = options_.decay ? lerp(average, now, 1 - *options_.decay) : average + (now - average) / number;
    kernels::copy_(average, where(is_first, now, mixed));
  }
}

void Averages::update(const nn::Module& model) {
  const NoGradGuard no_grad;
  const nn::StateDict parameters = model.named_parameters(), buffers = model.named_buffers();
  check_same(parameters_, parameters);
  check_same(buffers_, buffers);
  update(parameters_, parameters, true);
  update(buffers_, buffers, options_.use_buffers);
  kernels::copy_(count_, count_ + 1);
}

}  // namespace hop::optim::detail
