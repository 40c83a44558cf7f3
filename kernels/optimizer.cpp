#include "kernels/optimizer.h"

#include <cmath>
#include <string>

#include "base/error.h"
#include "kernels/cpu/optimizer_internal.h"
#include "kernels/cpu/parallel_internal.h"

namespace hop::kernels {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements per thread's turn

void check_length(const char* op, const char* what, std::size_t expected, std::size_t got) {
  if (expected == got) return;
  throw ShapeError("[" + std::string(op) + "] expected " + std::to_string(expected) + " " + what +
                   ", as many as parameters, got " + std::to_string(got));
}

template <class T>
void run_sgd(std::span<T> p, std::span<const T> g, std::span<T> m, const SgdStep& s) {
  check_length("sgd_step", "gradients", p.size(), g.size());
  if (s.momentum != 0) check_length("sgd_step", "momentum values", p.size(), m.size());
  const auto t = [](double value) { return static_cast<T>(value); };
  const SgdConstants<T> c = {.lr = t(s.lr),
                             .momentum = t(s.momentum),
                             .keep = t(1 - s.dampening),
                             .weight_decay = t(s.weight_decay),
                             .nesterov = s.nesterov,
                             .first_step = s.first_step,
                             .has_momentum = s.momentum != 0};
  const auto loop = pick<void(const SgdConstants<T>&, T*, const T*, T*, std::int64_t)>(v3::sgd, v4::sgd);
  parallel_for(static_cast<std::int64_t>(p.size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
    loop(c, p.data() + begin, g.data() + begin, c.has_momentum ? m.data() + begin : nullptr, end - begin);
  });
}

template <class T>
void run_adam(std::span<T> p, std::span<const T> g, std::span<T> m, std::span<T> v, const AdamStep& s) {
  check_length("adam_step", "gradients", p.size(), g.size());
  check_length("adam_step", "exp_avg values", p.size(), m.size());
  check_length("adam_step", "exp_avg_sq values", p.size(), v.size());
  if (s.step < 1) throw ConfigError("[adam_step] expected a step of at least 1, got " + std::to_string(s.step));
  const auto t = [](double value) { return static_cast<T>(value); };
  const auto step = static_cast<double>(s.step);
  const AdamConstants<T> c = {.rest1 = t(1 - s.beta1),
                              .beta2 = t(s.beta2),
                              .rest2 = t(1 - s.beta2),
                              .step_size = t(s.lr / (1 - std::pow(s.beta1, step))),
                              .root_scale = t(1 / std::sqrt(1 - std::pow(s.beta2, step))),
                              .eps = t(s.eps),
                              .weight_decay = t(s.decoupled ? 0 : s.weight_decay),
                              .shrink = t(s.decoupled ? 1 - s.lr * s.weight_decay : 1)};
  const auto loop = pick<void(const AdamConstants<T>&, T*, const T*, T*, T*, std::int64_t)>(v3::adam, v4::adam);
  parallel_for(static_cast<std::int64_t>(p.size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
    loop(c, p.data() + begin, g.data() + begin, m.data() + begin, v.data() + begin, end - begin);
  });
}

}  // namespace

void sgd_step(std::span<float> parameters, std::span<const float> gradients, std::span<float> momentum,
              const SgdStep& step) {
  run_sgd(parameters, gradients, momentum, step);
}
void sgd_step(std::span<double> parameters, std::span<const double> gradients, std::span<double> momentum,
              const SgdStep& step) {
  run_sgd(parameters, gradients, momentum, step);
}
void adam_step(std::span<float> parameters, std::span<const float> gradients, std::span<float> exp_avg,
               std::span<float> exp_avg_sq, const AdamStep& step) {
  run_adam(parameters, gradients, exp_avg, exp_avg_sq, step);
}
void adam_step(std::span<double> parameters, std::span<const double> gradients, std::span<double> exp_avg,
               std::span<double> exp_avg_sq, const AdamStep& step) {
  run_adam(parameters, gradients, exp_avg, exp_avg_sq, step);
}

}  // namespace hop::kernels
