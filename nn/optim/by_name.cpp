#include "nn/optim/by_name.h"

#include <array>

#include "base/error.h"
#include "nn/detail/number.h"
#include "nn/optim/adam.h"
#include "nn/optim/sgd.h"

namespace hop::optim {
namespace {

using nn::flag_of;
using nn::integer_of;
using nn::number_of;

constexpr std::array<std::string_view, 3> kOptimizers = {"sgd", "adam", "adamw"};
constexpr std::array<std::string_view, 3> kSchedules = {"constant", "step", "cosine"};

std::unique_ptr<Optimizer> make_sgd(const nn::ConfigText& config, const ParameterList& parameters) {
  const SGDOptions d;
  return std::make_unique<SGD>(parameters, SGDOptions{.lr = number_of(config, "lr", d.lr),
                                                      .momentum = number_of(config, "momentum", d.momentum),
                                                      .dampening = number_of(config, "dampening", d.dampening),
                                                      .weight_decay = number_of(config, "weight_decay", d.weight_decay),
                                                      .nesterov = flag_of(config, "nesterov", d.nesterov)});
}

// Adam and AdamW differ in one default.
template <class Method, class Options>
std::unique_ptr<Optimizer> make_adam(const nn::ConfigText& config, const ParameterList& parameters) {
  const Options d;
  return std::make_unique<Method>(parameters,
                                  Options{.lr = number_of(config, "lr", d.lr),
                                          .beta1 = number_of(config, "beta1", d.beta1),
                                          .beta2 = number_of(config, "beta2", d.beta2),
                                          .eps = number_of(config, "eps", d.eps),
                                          .weight_decay = number_of(config, "weight_decay", d.weight_decay)});
}

std::int64_t at_least(std::int64_t min, const nn::ConfigText& config, const char* name, std::int64_t fallback) {
  const std::int64_t value = integer_of(config, name, fallback);
  nn::detail::check_range("schedule", name, static_cast<double>(value), {.min = static_cast<double>(min)});
  return value;
}

}  // namespace

std::span<const std::string_view> optimizer_names() { return kOptimizers; }
std::span<const std::string_view> schedule_names() { return kSchedules; }

std::unique_ptr<Optimizer> make_optimizer(const nn::ConfigText& config, const ParameterList& parameters) {
  const std::string name = nn::text_of(config, "optimizer", "sgd");
  if (name == "sgd") return make_sgd(config, parameters);
  if (name == "adam") return make_adam<Adam, AdamOptions>(config, parameters);
  if (name == "adamw") return make_adam<AdamW, AdamWOptions>(config, parameters);
  throw ConfigError("[optimizer] expected sgd, adam or adamw, got \"" + name + "\"" + did_you_mean(name, kOptimizers));
}

LRSchedule make_lr_schedule(const nn::ConfigText& config, std::int64_t total_steps) {
  const std::string name = nn::text_of(config, "schedule", "constant");
  const double lr = number_of(config, "lr", 1e-3);
  if (name == "constant") return ConstantLR{.lr = lr};
  if (name == "step") {
    return StepLR{.lr = lr, .step_size = at_least(1, config, "step_size", 1), .gamma = number_of(config, "gamma", 0.1)};
  }
  if (name == "cosine") {
    return CosineAnnealingLR{.lr = lr,
                             .t_max = at_least(1, config, "t_max", total_steps),
                             .eta_min = number_of(config, "eta_min", 0),
                             .warmup = at_least(0, config, "warmup", 0)};
  }
  throw ConfigError("[schedule] expected constant, step or cosine, got \"" + name + "\"" +
                    did_you_mean(name, kSchedules));
}

}  // namespace hop::optim
