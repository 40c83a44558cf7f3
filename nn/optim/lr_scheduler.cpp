#include "nn/optim/lr_scheduler.h"

#include <cmath>
#include <numbers>
#include <string>

#include "base/error.h"

namespace hop::optim {

double ConstantLR::operator()(std::int64_t t) const { return t < total_iters ? lr * factor : lr; }

double StepLR::operator()(std::int64_t t) const {
  if (step_size < 1) throw ConfigError("[StepLR] expected a step_size of at least 1, got " + std::to_string(step_size));
  return lr * std::pow(gamma, static_cast<double>(t / step_size));
}

double CosineAnnealingLR::operator()(std::int64_t t) const {
  if (t < warmup) return lr * static_cast<double>(t + 1) / static_cast<double>(warmup);
  if (t >= t_max) return eta_min;
  const double progress = static_cast<double>(t - warmup) / static_cast<double>(t_max - warmup);
  return eta_min + (lr - eta_min) * (1 + std::cos(std::numbers::pi * progress)) / 2;
}

}  // namespace hop::optim
