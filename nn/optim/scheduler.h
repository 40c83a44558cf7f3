// Schedules that move an optimizer, in PyTorch's calling style:
//
//   optim::SGD sgd(model.parameters(), {.lr = 0.1, .momentum = 0.9});
//   optim::LRScheduler scheduler(sgd, optim::StepLR{.lr = sgd.lr(), .step_size = 30});
//   for (int epoch = 0; epoch < 90; ++epoch) {
//     ... train ...
//     scheduler.step();
//   }
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <utility>

#include "nn/optim/lr_scheduler.h"
#include "nn/optim/optimizer.h"

namespace hop::optim {

/// Sets the optimizer's learning rate to schedule(0), schedule(1), .. The optimizer outlives the scheduler.
class LRScheduler {
 public:
  /// Sets the rate of t = 0. `schedule`: one of lr_scheduler.h, or any function of t. If it has a member momentum(t)
  /// and its cycle_momentum is true, the momentum moves, too. If it has a member next(t, before), as SWALR, the
  /// constructor and step() compute the rate from the optimizer's present one, which another scheduler may have set.
  /// Throws ConfigError as set_lr() and set_momentum(): for an optimizer without momentum write cycle_momentum = false.
  template <class Schedule>
  LRScheduler(Optimizer& optimizer, Schedule schedule) : optimizer_(optimizer), rate_(schedule) {
    if constexpr (requires { schedule.momentum(std::int64_t{}); }) {
      if (schedule.cycle_momentum) momentum_ = [schedule](std::int64_t t) { return schedule.momentum(t); };
    }
    if constexpr (requires { schedule.next(std::int64_t{}, double{}); }) {
      next_ = [schedule](std::int64_t t, double before) { return schedule.next(t, before); };
    }
    advance_to(0);
  }

  /// To be called after the optimizer's step (or after each epoch, if the schedule counts epochs).
  void step() { advance_to(t_ + 1); }
  /// How often step() was called.
  std::int64_t t() const { return t_; }
  /// Goes on from there, for training that is resumed, with the rate schedule(t). Throws as the constructor.
  void go_to(std::int64_t t) { set(t, rate_(t)); }
  /// The rate that the scheduler has set.
  double last_lr() const { return last_; }

 private:
  void advance_to(std::int64_t t) { set(t, next_ ? next_(t, optimizer_.lr()) : rate_(t)); }
  void set(std::int64_t t, double rate);

  Optimizer& optimizer_;
  LRSchedule rate_;
  std::function<double(std::int64_t t, double before)> next_;  // empty: rate_ says all
  std::function<double(std::int64_t)> momentum_;               // empty: stays as it is
  std::int64_t t_ = 0;
  double last_ = 0;
};

enum class Extremum : std::uint8_t { min, max };
enum class ThresholdMode : std::uint8_t { rel, abs };

struct ReduceLROnPlateauOptions {
  Extremum mode = Extremum::min;  ///< whether a better metric is smaller or larger
  double factor = 0.1;            ///< the new rate over the old one; at least 0 and below 1
  std::int64_t patience = 10;     ///< epochs without a better metric that are borne; the next one lowers the rate
  double threshold = 1e-4;        ///< how much better counts: a share of the best metric (rel), or a difference (abs)
  ThresholdMode threshold_mode = ThresholdMode::rel;
  std::int64_t cooldown = 0;  ///< epochs after a lowering in which nothing is counted
  double min_lr = 0;
  double eps = 1e-8;  ///< a smaller difference to the old rate is not worth a change
};

/// The rate after one lowering: rate * factor, and at least min_lr; a rate below min_lr stays.
double lowered_rate(double rate, const ReduceLROnPlateauOptions& options);

/// torch.optim.lr_scheduler.ReduceLROnPlateau: lowers the rate where a metric no longer becomes better. The optimizer
/// outlives it.
class ReduceLROnPlateau {
 public:
  /// All that it remembers, for training that is resumed. (The rate is the optimizer's.)
  struct State {
    double best = std::numeric_limits<double>::infinity();
    std::int64_t bad_epochs = 0;
    std::int64_t cooldown = 0;
  };

  /// Throws ConfigError for options out of range.
  explicit ReduceLROnPlateau(Optimizer& optimizer, ReduceLROnPlateauOptions options = {});
  /// The metric of one more epoch; NaN is never better. Returns whether the rate was lowered.
  bool step(double metric);

  const State& state() const { return state_; }
  void set_state(const State& state) { state_ = state; }

 private:
  bool is_better(double metric) const;

  Optimizer& optimizer_;
  ReduceLROnPlateauOptions options_;
  State state_;
};

}  // namespace hop::optim
