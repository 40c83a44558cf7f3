#include "nn/optim/averaged_model.h"

#include <utility>

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

Averages::Averages(nn::StateDict parameters, nn::StateDict buffers, AveragedModelOptions options)
    : options_(options),
      parameters_(std::move(parameters)),
      buffers_(std::move(buffers)),
      count_(kernels::zeros({}, DType::i64, device_of(parameters_))) {
  if (!options.decay) return;
  nn::detail::check_range("AveragedModel", "decay", *options.decay, {.min = 0});
  if (*options.decay > 1)
    throw ConfigError("[AveragedModel] expected a decay in 0..1, got " + shortest(*options.decay));
}

// All numbers that change from call to call are read from tensors, so that the operations can be replayed.
void Averages::update(const nn::StateDict& parameters, const nn::StateDict& buffers, const Tensor& stop) {
  const NoGradGuard no_grad;
  const Tensor is_first = eq(count_, 0), number = to(count_, DType::f64) + 1.0;
  const Tensor is_stopped = stop.defined() ? ne(stop, 0) : Tensor();
  const auto write = [&](const Tensor& to, const Tensor& value) {
    kernels::copy_(to, is_stopped.defined() ? where(is_stopped, to, value) : value);
  };
  const auto mix = [&](const Tensor& average, const Tensor& now) {
    const Tensor mixed = options_.decay ? lerp(average, now, 1 - *options_.decay) : average + (now - average) / number;
    write(average, where(is_first, now, mixed));
  };
  for (std::size_t i = 0; i < parameters_.size(); ++i) mix(parameters_[i].tensor, parameters[i].tensor);
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const Tensor &own = buffers_[i].tensor, &theirs = buffers[i].tensor;
    options_.use_buffers&& is_floating(own.dtype()) ? mix(own, theirs) : write(own, theirs);
  }
  write(count_, count_ + 1);
}

void Averages::update(const nn::Module& model) {
  const nn::StateDict parameters = model.named_parameters(), buffers = model.named_buffers();
  check_same(parameters_, parameters);
  check_same(buffers_, buffers);
  update(parameters, buffers, {});
}

}  // namespace hop::optim::detail
