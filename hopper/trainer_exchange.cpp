// What replicas that share or push gradients, and exchanges, ask of a trainer.
#include "hopper/trainer.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "hopper/build_model.h"
#include "hopper/strategy/arrivals.h"
#include "nn/layers/norm.h"

namespace hop::hopper {

void Trainer::check_sharing() const {
  for (const optim::ParameterSegment& segment : optimizer_->segments()) {
    if (segment.parameter.dtype() == DType::f32) continue;
    throw DtypeError("[exchange] expected f32 parameters, got " + segment.parameter.describe() + " (" + segment.name +
                     ")");
  }
}

// Without a BatchNorm layer there is nothing to synchronise, and gradients are exchanged while backward goes on.
bool Trainer::synchronises() const {
  if (!synchronises_batchnorm(experiment_)) return false;
  return std::ranges::any_of(module_->named_modules(), [](const auto& entry) {
    return dynamic_cast<const nn::BatchNorm*>(entry.second) != nullptr;
  });
}

void Trainer::check_synchronised() const {
  if (!device().is_cpu()) refuse_synchronised_on("[run] batchnorm", device().to_string());
}

void Trainer::check_pushing() const {
  if (experiment_.model.grad_scaler) {
    throw ConfigError(
        "[model] grad_scaler: expected false with [run] mode = \"async\", whose gradients have the scales of different "
        "updates; leave grad_scaler out, or take precision = \"bf16\", which needs no scale");
  }
  const std::int64_t gradients = steps_per_epoch(experiment_, config_, dataset_);
  const std::size_t bytes = most_arrival_bytes(gradients, dataset_.partition_count());
  if (bytes <= kMostArrivalBytes) return;
  throw ConfigError("[search.space] batch_size: expected at most " + std::to_string(kMostArrivalBytes) +
                    " bytes for the order of an epoch with [run] mode = \"async\", which the journal remembers, got " +
                    std::to_string(bytes) + " for " + std::to_string(gradients) +
                    " batches; take larger batches, or mode = \"sync\"");
}

void Trainer::set_exchange(std::shared_ptr<Exchange> exchange) {
  if (exchange != nullptr && dataset_.has_weights()) {
    throw ConfigError(
        "[run] strategy: expected rows without weights for a strategy that exchanges gradients, which are means over "
        "rows; import the column of the weights with the word \"drop\"");
  }
  if (exchange != nullptr && replicas_ == Replicas::PushGradients) {
    throw ConfigError(
        "[run] mode: expected \"sync\" for a strategy that exchanges gradients, got \"async\", whose server applies "
        "the "
        "gradients of others; write mode = \"sync\", or train without an exchange");
  }
  if (exchange != nullptr && experiment_.model.grad_scaler) {
    throw ConfigError(
        "[model] grad_scaler: expected false for a strategy that exchanges gradients, which would be scaled ones; "
        "leave "
        "grad_scaler out, or take precision = \"bf16\", which needs no scale");
  }
  if (exchange != nullptr) check_sharing();
  exchange_ = std::move(exchange);
}

}  // namespace hop::hopper
