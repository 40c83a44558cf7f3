#include "nn/optim/lr_scheduler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "base/error.h"

namespace hop::optim {
namespace {

void expect_at_least_1(const char* schedule, const char* what, std::int64_t value) {
  if (value >= 1) return;
  throw ConfigError("[" + std::string(schedule) + "] expected a " + what + " of at least 1, got " +
                    std::to_string(value));
}

void expect_at_least_0(const char* schedule, const char* what, std::int64_t value) {
  if (value >= 0) return;
  throw ConfigError("[" + std::string(schedule) + "] expected " + what + " of at least 0, got " +
                    std::to_string(value));
}

double real(std::int64_t t) { return static_cast<double>(t); }

// From start to end, for a share of the way from 0 to 1.
double half_cosine(double start, double end, double share) {
  return end + (start - end) * (1 + std::cos(std::numbers::pi * share)) / 2;
}
double line(double start, double end, double share) { return start + (end - start) * share; }

}  // namespace

double ConstantLR::operator()(std::int64_t t) const {
  expect_at_least_0("ConstantLR", "total_iters", total_iters);
  return t < total_iters ? lr * factor : lr;
}

double LinearLR::operator()(std::int64_t t) const {
  expect_at_least_1("LinearLR", "number of total_iters", total_iters);
  return lr * line(start_factor, end_factor, real(std::min(t, total_iters)) / real(total_iters));
}

double StepLR::operator()(std::int64_t t) const {
  if (step_size < 1) throw ConfigError("[StepLR] expected a step_size of at least 1, got " + std::to_string(step_size));
  return lr * std::pow(gamma, static_cast<double>(t / step_size));
}

double MultiStepLR::operator()(std::int64_t t) const {
  for (const std::int64_t milestone : milestones) expect_at_least_0("MultiStepLR", "milestones", milestone);
  const auto passed = std::ranges::count_if(milestones, [t](std::int64_t milestone) { return milestone <= t; });
  return lr * std::pow(gamma, static_cast<double>(passed));
}

double ExponentialLR::operator()(std::int64_t t) const { return lr * std::pow(gamma, real(t)); }

double PolynomialLR::operator()(std::int64_t t) const {
  expect_at_least_1("PolynomialLR", "number of total_iters", total_iters);
  if (t >= total_iters) return 0;
  return lr * std::pow(1 - real(t) / real(total_iters), power);
}

double CosineAnnealingLR::operator()(std::int64_t t) const {
  expect_at_least_0("CosineAnnealingLR", "warmup", warmup);
  expect_at_least_0("CosineAnnealingLR", "t_max", t_max);
  if (t < warmup) return lr * static_cast<double>(t + 1) / static_cast<double>(warmup);
  if (t >= t_max) return eta_min;
  const double progress = static_cast<double>(t - warmup) / static_cast<double>(t_max - warmup);
  return eta_min + (lr - eta_min) * (1 + std::cos(std::numbers::pi * progress)) / 2;
}

// In doubles, because a cycle that is long enough may not be a whole number that fits.
double CosineAnnealingWarmRestarts::operator()(std::int64_t t) const {
  expect_at_least_1("CosineAnnealingWarmRestarts", "t_0", t_0);
  expect_at_least_1("CosineAnnealingWarmRestarts", "t_mult", t_mult);
  double length = real(t_0), at = real(t_mult == 1 ? t % t_0 : t);
  while (at >= length) {
    at -= length;
    length *= real(t_mult);
  }
  return half_cosine(lr, eta_min, at / length);
}

// The phases end at steps that need not be whole numbers.
double OneCycleLR::between(std::int64_t t, double start, double top, double end) const {
  expect_at_least_1("OneCycleLR", "number of total_steps", total_steps);
  const double last = real(total_steps - 1), up = pct_start * real(total_steps), at = std::min(real(t), last);
  const auto anneal_from = [&](double first, double until, double a, double b) {
    const double share = until > first ? (at - first) / (until - first) : 1;
    return anneal == Annealing::cos ? half_cosine(a, b, share) : line(a, b, share);
  };
  if (at <= up - 1) return anneal_from(0, up - 1, start, top);
  if (!three_phase) return anneal_from(up - 1, last, top, end);
  if (at <= 2 * up - 2) return anneal_from(up - 1, 2 * up - 2, top, start);
  return anneal_from(2 * up - 2, last, start, end);
}

double OneCycleLR::operator()(std::int64_t t) const {
  const double start = max_lr / div_factor;
  return between(t, start, max_lr, start / final_div_factor);
}

double OneCycleLR::momentum(std::int64_t t) const { return between(t, max_momentum, base_momentum, max_momentum); }

// Of the way from lr to swa_lr.
double SWALR::share(std::int64_t t) const {
  expect_at_least_0("SWALR", "anneal_epochs", anneal_epochs);
  const std::int64_t at = std::max<std::int64_t>(t, 0);
  if (at >= anneal_epochs) return 1;
  const double passed = real(at) / real(anneal_epochs);
  return anneal == Annealing::cos ? (1 - std::cos(std::numbers::pi * passed)) / 2 : passed;
}

// Exact at both ends.
double SWALR::operator()(std::int64_t t) const {
  const double now = share(t);
  return swa_lr * now + lr * (1 - now);
}

// Computes back to the rate at t = 0.
double SWALR::next(std::int64_t t, double before) const {
  const double then = share(t - 1);
  const double start = then == 1 ? swa_lr : (before - then * swa_lr) / (1 - then);
  return SWALR{.lr = start, .swa_lr = swa_lr, .anneal_epochs = anneal_epochs, .anneal = anneal}(t);
}

// 1 at the first peak, 0 between the cycles.
double CyclicLR::height(std::int64_t t) const {
  expect_at_least_1("CyclicLR", "step_size_up", step_size_up);
  const std::int64_t down = step_size_down == 0 ? step_size_up : step_size_down;
  expect_at_least_1("CyclicLR", "step_size_down", down);
  std::int64_t length = 0;
  if (__builtin_add_overflow(step_size_up, down, &length)) length = std::numeric_limits<std::int64_t>::max();
  const std::int64_t cycle = t / length, at = t % length;
  const double height = at <= step_size_up ? real(at) / real(step_size_up) : 1 - real(at - step_size_up) / real(down);
  if (mode == CyclicMode::triangular2) return height * std::pow(0.5, real(cycle));
  return mode == CyclicMode::exp_range ? height * std::pow(gamma, real(t)) : height;
}

double CyclicLR::operator()(std::int64_t t) const { return line(base_lr, max_lr, height(t)); }
double CyclicLR::momentum(std::int64_t t) const { return line(max_momentum, base_momentum, height(t)); }

double LambdaLR::operator()(std::int64_t t) const {
  if (!lambda) throw ConfigError("[LambdaLR] expected a function as lambda, got none");
  return lr * lambda(t);
}

double MultiplicativeLR::operator()(std::int64_t t) const {
  if (!lambda) throw ConfigError("[MultiplicativeLR] expected a function as lambda, got none");
  if (t < last.t) last = {};
  while (last.t < t) last.value *= lambda(++last.t);
  return lr * last.value;
}

double SequentialLR::operator()(std::int64_t t) const {
  if (schedules.size() != milestones.size() + 1 || !std::ranges::is_sorted(milestones)) {
    throw ConfigError("[SequentialLR] expected ascending milestones, one fewer than schedules, got " +
                      std::to_string(milestones.size()) + " milestones and " + std::to_string(schedules.size()) +
                      " schedules");
  }
  if (!milestones.empty()) expect_at_least_0("SequentialLR", "milestones", milestones.front());
  const auto next = std::ranges::upper_bound(milestones, t);
  const std::int64_t start = next == milestones.begin() ? 0 : *std::prev(next);
  return schedules[static_cast<std::size_t>(next - milestones.begin())](t - start);
}

double ChainedScheduler::operator()(std::int64_t t) const {
  double rate = lr;
  for (const LRSchedule& schedule : schedules) rate = lr == 0 ? 0 : rate * (schedule(t) / lr);
  return rate;
}

}  // namespace hop::optim
