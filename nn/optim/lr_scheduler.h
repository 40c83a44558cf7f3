// Learning-rate schedules as pure functions of the step (or epoch, if the caller counts epochs), with the names of
// torch.optim.lr_scheduler. Their only state is this counter, which lies in the state block.
// `optimizer.set_lr(schedule(optimizer.step_count()))`, or in PyTorch's calling style LRScheduler (scheduler.h). Each
// throws ConfigError when it is called with settings that have no value, such as a step_size of 0 or a negative count.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

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

/// In a line from lr * start_factor at t = 0 to lr * end_factor at t = total_iters, and that from there on.
struct LinearLR {
  double lr = 1e-3;
  double start_factor = 1.0 / 3;
  double end_factor = 1;
  std::int64_t total_iters = 5;
  double operator()(std::int64_t t) const;
};

/// lr * gamma^(t / step_size), the quotient rounded down.
struct StepLR {
  double lr = 1e-3;
  std::int64_t step_size = 1;
  double gamma = 0.1;
  double operator()(std::int64_t t) const;
};

/// lr * gamma^k after k of the milestones; a milestone that stands twice counts twice.
struct MultiStepLR {
  double lr = 1e-3;
  std::vector<std::int64_t> milestones{};
  double gamma = 0.1;
  double operator()(std::int64_t t) const;
};

/// lr * gamma^t.
struct ExponentialLR {
  double lr = 1e-3;
  double gamma = 0.1;
  double operator()(std::int64_t t) const;
};

/// lr * (1 - t / total_iters)^power, and 0 from t = total_iters on.
struct PolynomialLR {
  double lr = 1e-3;
  std::int64_t total_iters = 5;
  double power = 1;
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

/// Half a cosine from lr to eta_min in t_0 steps, then again from lr, each time in t_mult times as many steps
/// (Loshchilov & Hutter, "SGDR", 2017).
struct CosineAnnealingWarmRestarts {
  double lr = 1e-3;
  std::int64_t t_0 = 1;
  std::int64_t t_mult = 1;
  double eta_min = 0;
  double operator()(std::int64_t t) const;
};

enum class Annealing : std::uint8_t { cos, linear };

/// Up from max_lr / div_factor to max_lr in the first pct_start of all steps, then down to max_lr / div_factor /
/// final_div_factor at the last step, t = total_steps - 1, and that from there on (PyTorch throws there). The momentum
/// goes the other way (Smith & Topin, "Super-Convergence", 2018). With three phases the rate comes down to where it
/// began as fast as it went up, and only then to its end.
struct OneCycleLR {
  double max_lr = 1e-3;
  std::int64_t total_steps = 1;
  double pct_start = 0.3;  ///< 0..1
  Annealing anneal = Annealing::cos;
  double div_factor = 25;
  double final_div_factor = 1e4;
  bool three_phase = false;
  bool cycle_momentum = true;  ///< whether LRScheduler sets the momentum, too
  double base_momentum = 0.85;
  double max_momentum = 0.95;
  double operator()(std::int64_t t) const;
  double momentum(std::int64_t t) const;

 private:
  double between(std::int64_t t, double start, double top, double end) const;
};

/// torch.optim.swa_utils.SWALR (Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
/// 2018): half a cosine, or a line, from lr to swa_lr at t = anneal_epochs, and swa_lr from there on. It takes
/// over from another schedule, so lr is the rate that the other one has reached. An LRScheduler reads lr in go_to()
/// alone and otherwise begins with the rate of the optimizer.
struct SWALR {
  double lr = 1e-3;
  double swa_lr = 1e-3;
  std::int64_t anneal_epochs = 10;  ///< 0: swa_lr at once
  Annealing anneal = Annealing::cos;
  double operator()(std::int64_t t) const;
  /// The rate at t of an optimizer with the rate `before` at t - 1, whoever set it: one step of PyTorch's recursion.
  double next(std::int64_t t, double before) const;

 private:
  double share(std::int64_t t) const;
};

enum class CyclicMode : std::uint8_t {
  triangular,   ///< each peak is max_lr
  triangular2,  ///< each peak is half as far above base_lr as the one before
  exp_range,    ///< the distance from base_lr is multiplied by gamma^t
};

/// Up in a line from base_lr to max_lr in step_size_up steps, down again in step_size_down, and so on; the momentum
/// goes the other way (Smith, "Cyclical Learning Rates for Training Neural Networks", 2017).
struct CyclicLR {
  double base_lr = 1e-4;
  double max_lr = 1e-3;
  std::int64_t step_size_up = 2000;
  std::int64_t step_size_down = 0;  ///< 0: as step_size_up
  CyclicMode mode = CyclicMode::triangular;
  double gamma = 1;
  bool cycle_momentum = true;  ///< whether LRScheduler sets the momentum, too
  double base_momentum = 0.8;
  double max_momentum = 0.9;
  double operator()(std::int64_t t) const;
  double momentum(std::int64_t t) const;

 private:
  double height(std::int64_t t) const;
};

/// lr * lambda(t).
struct LambdaLR {
  double lr = 1e-3;
  std::function<double(std::int64_t t)> lambda{};
  double operator()(std::int64_t t) const;
};

/// lr * lambda(1) * .. * lambda(t). It remembers the last product, so that calls with growing t cost one factor each.
struct MultiplicativeLR {
  double lr = 1e-3;
  std::function<double(std::int64_t t)> lambda{};
  double operator()(std::int64_t t) const;

  /// The product up to a t, without lr.
  struct Product {
    std::int64_t t = 0;
    double value = 1;
  };
  mutable Product last{};
};

/// schedules[0] before milestones[0], then schedules[1] from its t = 0 on, and so on. There is one schedule more than
/// milestones, which ascend.
struct SequentialLR {
  std::vector<LRSchedule> schedules{};
  std::vector<std::int64_t> milestones{};
  double operator()(std::int64_t t) const;
};

/// All schedules at once: lr times the factor schedule(t) / lr of each, where all of them start from this lr. PyTorch's
/// recursion gives the same for schedules that are factors of lr. It differs where one has a rate of its own (eta_min).
struct ChainedScheduler {
  double lr = 1e-3;
  std::vector<LRSchedule> schedules{};
  double operator()(std::int64_t t) const;
};

}  // namespace hop::optim
