// Learning-rate schedules as pure functions of the step (or epoch, if the caller counts epochs). Their only state is
// this counter, which lies in the state block. `optimizer.set_lr(schedule(optimizer.step_count()))`.
#pragma once

#include <cstdint>
#include <functional>

namespace hop::optim {

/// t (counts from 0) -> learning rate.
using LRSchedule = std::function<double(std::int64_t t)>;

/// lr * factor for t < total_iters, then lr. By default: lr.
struct ConstantLR {
  double lr = 1e-3;
  double factor = 1;
  std::int64_t total_iters = 0;
  double operator()(std::int64_t t) const;
};

/// lr * gamma^(t / step_size), the quotient rounded down.
struct StepLR {
  double lr = 1e-3;
  std::int64_t step_size = 1;
  double gamma = 0.1;
  double operator()(std::int64_t t) const;
};

/// A linear warmup lr (t + 1) / warmup for t < warmup, then half a cosine from lr to eta_min at t = t_max, and eta_min
/// from there on (Loshchilov & Hutter, "SGDR", 2017). Without warmup and up to t_max, torch's CosineAnnealingLR.
struct CosineAnnealingLR {
  double lr = 1e-3;
  std::int64_t t_max = 1;
  double eta_min = 0;
  std::int64_t warmup = 0;
  double operator()(std::int64_t t) const;
};

}  // namespace hop::optim
