#include "nn/optim/averaged_model.h"

#include <utility>
#include <vector>

#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/average_rules.h"
#include "kernels/copy.h"
#include "kernels/optimizer.h"
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

// `to` takes the value unless `is_stopped`, a bool tensor (), is true.
void write(const Tensor& to, const Tensor& value, const Tensor& is_stopped) {
  kernels::copy_(to, is_stopped.defined() ? where(is_stopped, to, value) : value);
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

// A mean of f32 without dimensions promotes to f64 beside the count, which the fused pass does not.
bool Averages::is_fused(const Pair& pair) const {
  const DType dtype = pair.own.dtype();
  if (dtype != pair.now.dtype() || (dtype != DType::f32 && dtype != DType::f64)) return false;
  if (!options_.decay && dtype == DType::f32 && pair.own.dim() == 0) return false;
  return pair.own.is_contiguous() && pair.now.is_contiguous();
}

// Numbers that change from call to call are read from tensors, so that the operations can be replayed.
void Averages::mix(std::span<const Pair> pairs, const Tensor& is_stopped) const {
  if (pairs.empty()) return;
  const Tensor is_first = eq(count_, 0), number = to(count_, DType::f64) + 1.0;
  for (const auto& [own, now] : pairs) {
    const Tensor mixed = options_.decay ? lerp(own, now, 1 - *options_.decay) : own + (now - own) / number;
    write(own, where(is_first, now, mixed), is_stopped);
  }
}

void Averages::update(const nn::StateDict& parameters, const nn::StateDict& buffers, const Tensor& stop) {
  const NoGradGuard no_grad;
  std::vector<kernels::UpdateSegment> fused;
  std::vector<Pair> others, copied;
  const auto take = [&](const Pair& pair) {
    if (is_fused(pair))
      fused.push_back({.parameter = pair.own, .gradient = pair.now});
    else
      others.push_back(pair);
  };
  for (std::size_t i = 0; i < parameters_.size(); ++i) take({parameters_[i].tensor, parameters[i].tensor});
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const Pair pair{buffers_[i].tensor, buffers[i].tensor};
    options_.use_buffers&& is_floating(pair.own.dtype()) ? take(pair) : copied.push_back(pair);
  }
  if (!others.empty() || !copied.empty()) {
    const Tensor is_stopped = stop.defined() ? ne(stop, 0) : Tensor();
    mix(others, is_stopped);
    for (const auto& [own, now] : copied) write(own, now, is_stopped);
  }
  const kernels::AverageRule rule =
      options_.decay ? kernels::AverageRule(kernels::rules::ExponentialAverage{.decay = *options_.decay})
                     : kernels::AverageRule(kernels::rules::EqualAverage());
  kernels::update_averages(rule, fused, {.step = count_, .stop = stop});  // counts, so it comes last
}

void Averages::update(const nn::Module& model) {
  const nn::StateDict parameters = model.named_parameters(), buffers = model.named_buffers();
  check_same(parameters_, parameters);
  check_same(buffers_, buffers);
  update(parameters, buffers, {});
}

}  // namespace hop::optim::detail
