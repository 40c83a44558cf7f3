#include "nn/optim/weight_average.h"

#include "base/error.h"
#include "kernels/copy.h"

namespace hop::optim {
namespace {

nn::StateDict weights_of(Optimizer& optimizer) {
  nn::StateDict weights;
  for (const ParameterSegment& segment : optimizer.segments()) weights.push_back({segment.name, segment.parameter});
  return weights;
}

nn::StateDict copies_of(const nn::StateDict& weights) {
  nn::StateDict copies;
  for (const nn::NamedTensor& weight : weights) copies.push_back({weight.name, kernels::clone(weight.tensor)});
  return copies;
}

}  // namespace

WeightAverage::WeightAverage(Optimizer& optimizer, std::optional<double> decay)
    : optimizer_(&optimizer), weights_(weights_of(optimizer)), averages_(copies_of(weights_), {}, {.decay = decay}) {
  for (const nn::NamedTensor& average : averages()) optimizer.carry("average." + average.name, average.tensor);
  optimizer.carry("n_averaged", n_averaged());
}

void WeightAverage::reset() {
  for (std::size_t i = 0; i < weights_.size(); ++i) kernels::copy_(averages()[i].tensor, weights_[i].tensor);
  kernels::fill_(n_averaged(), 0);
}

void WeightAverage::write_to_weights() const {
  for (std::size_t i = 0; i < weights_.size(); ++i) kernels::copy_(weights_[i].tensor, averages()[i].tensor);
}

WeightAverage::Scope::Scope(const WeightAverage& average) : average_(average) {
  for (const nn::NamedTensor& weight : average.weights_) own_.push_back(kernels::clone(weight.tensor));
  average.write_to_weights();
}

WeightAverage::Scope::~Scope() {
  try {
    for (std::size_t i = 0; i < own_.size(); ++i) kernels::copy_(average_.weights_[i].tensor, own_[i]);
  } catch (const Error&) {  // the device is lost, and with it the weights
  }
}

}  // namespace hop::optim
