#include "nn/optim/scheduler.h"

#include <algorithm>

#include "nn/detail/number.h"

namespace hop::optim {

// The momentum first: an optimizer without one is refused before its rate has changed.
void LRScheduler::set(std::int64_t t, double rate) {
  if (momentum_) optimizer_.set_momentum(momentum_(t));
  optimizer_.set_lr(rate);
  t_ = t;
  last_ = rate;
}

double lowered_rate(double rate, const ReduceLROnPlateauOptions& options) {
  return std::min(rate, std::max(rate * options.factor, options.min_lr));
}

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, ReduceLROnPlateauOptions options)
    : optimizer_(optimizer), options_(options) {
  const auto check = [](const char* name, double value, nn::detail::Range range = {}) {
    nn::detail::check_range("ReduceLROnPlateau", name, value, range);
  };
  check("factor", options.factor, kernels::rules::kShare);
  check("patience", static_cast<double>(options.patience));
  check("threshold", options.threshold);
  check("cooldown", static_cast<double>(options.cooldown));
  check("min_lr", options.min_lr);
  check("eps", options.eps);
  if (options.mode == Extremum::max) state_.best = -state_.best;
}

bool ReduceLROnPlateau::is_better(double metric) const {
  const bool is_share = options_.threshold_mode == ThresholdMode::rel;
  const double best = state_.best, threshold = options_.threshold;
  if (options_.mode == Extremum::min) return metric < (is_share ? best * (1 - threshold) : best - threshold);
  return metric > (is_share ? best * (1 + threshold) : best + threshold);
}

bool ReduceLROnPlateau::step(double metric) {
  if (is_better(metric)) {
    state_.best = metric;
    state_.bad_epochs = 0;
  } else {
    ++state_.bad_epochs;
  }
  if (state_.cooldown > 0) {
    --state_.cooldown;
    state_.bad_epochs = 0;
  }
  if (state_.bad_epochs <= options_.patience) return false;
  state_.cooldown = options_.cooldown;
  state_.bad_epochs = 0;
  const double before = optimizer_.lr(), after = lowered_rate(before, options_);
  if (before - after <= options_.eps) return false;
  optimizer_.set_lr(after);
  return true;
}

}  // namespace hop::optim
