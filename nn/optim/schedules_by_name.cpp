// The table of schedules (by_name.h).
#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/error.h"
#include "base/table.h"
#include "nn/detail/number.h"
#include "nn/optim/by_name.h"

namespace hop::optim {
namespace {

using nn::flag_of;
using nn::number_of;
using nn::detail::check_range;

constexpr const char* kNeeded = "none: it must be given";

void expect_given(const nn::ConfigText& config, const char* name) {
  if (config.find(name) != config.end()) return;
  throw ConfigError("[schedule] " + std::string(name) + ": schedule = \"" + nn::text_of(config, "schedule", "") +
                    "\" needs it, got none");
}

std::int64_t at_least(std::int64_t min, const nn::ConfigText& config, const char* name, std::int64_t fallback) {
  const std::int64_t value = nn::integer_of(config, name, fallback);
  check_range("schedule", name, static_cast<double>(value), {.min = static_cast<double>(min)});
  return value;
}

double rate(const nn::ConfigText& config, const char* name, double fallback) {
  const double value = number_of(config, name, fallback);
  check_range("schedule", name, value, {.min = 0});
  return value;
}

double above_0(const nn::ConfigText& config, const char* name, double fallback) {
  const double value = rate(config, name, fallback);
  if (value > 0) return value;
  throw ConfigError("[schedule] expected " + std::string(name) + " above 0, got 0");
}

// A growing rate may leave its range long after the first step, so the last rate is checked.
void check_last(double value) { check_range("schedule", "a rate that stays finite", value, {.min = 0}); }

// "30,80"
std::vector<std::int64_t> milestones_of(const nn::ConfigText& config) {
  expect_given(config, "milestones");
  const std::string text = nn::text_of(config, "milestones", "");
  std::vector<std::int64_t> milestones;
  const char *at = text.data(), *const end = at + text.size();
  while (true) {
    std::int64_t milestone = 0;
    const std::from_chars_result read = std::from_chars(at, end, milestone);
    const bool is_whole = read.ec == std::errc() && milestone >= 1 && (read.ptr == end || *read.ptr == ',');
    if (!is_whole) {
      throw ConfigError(
          "[schedule] milestones: expected steps of at least 1 with commas between, as in \"30,80\", got \"" +
          printable(text) + "\"");
    }
    milestones.push_back(milestone);
    if (read.ptr == end) return milestones;
    at = read.ptr + 1;
  }
}

// If no schedule is named, a layer may read a number called factor.
LRSchedule constant(const nn::ConfigText& config, double lr, std::int64_t) {
  if (!config.contains("schedule")) return ConstantLR{.lr = lr};
  const ConstantLR schedule{
      .lr = lr, .factor = rate(config, "factor", 1), .total_iters = at_least(0, config, "total_iters", 5)};
  check_last(schedule(0));
  return schedule;
}

// A metric lowers the rate, so t tells nothing of it.
LRSchedule plateau(const nn::ConfigText& config, double lr, std::int64_t) {
  plateau_options(config, Extremum::min);
  return ConstantLR{.lr = lr};
}

LRSchedule step(const nn::ConfigText& config, double lr, std::int64_t total_steps) {
  const StepLR schedule{
      .lr = lr, .step_size = at_least(1, config, "step_size", 1), .gamma = rate(config, "gamma", 0.1)};
  check_last(schedule(total_steps));
  return schedule;
}

LRSchedule multi_step(const nn::ConfigText& config, double lr, std::int64_t total_steps) {
  const MultiStepLR schedule{.lr = lr, .milestones = milestones_of(config), .gamma = rate(config, "gamma", 0.1)};
  check_last(schedule(total_steps));
  return schedule;
}

LRSchedule linear(const nn::ConfigText& config, double lr, std::int64_t) {
  const LinearLR schedule{.lr = lr,
                          .start_factor = rate(config, "start_factor", 1.0 / 3),
                          .end_factor = rate(config, "end_factor", 1),
                          .total_iters = at_least(1, config, "total_iters", 5)};
  check_last(schedule(0));
  check_last(schedule(schedule.total_iters));
  return schedule;
}

LRSchedule exponential(const nn::ConfigText& config, double lr, std::int64_t total_steps) {
  expect_given(config, "gamma");
  const ExponentialLR schedule{.lr = lr, .gamma = rate(config, "gamma", 1)};
  check_last(schedule(total_steps));
  return schedule;
}

LRSchedule polynomial(const nn::ConfigText& config, double lr, std::int64_t total_steps) {
  return PolynomialLR{
      .lr = lr, .total_iters = at_least(1, config, "total_iters", total_steps), .power = rate(config, "power", 1)};
}

LRSchedule cosine(const nn::ConfigText& config, double lr, std::int64_t total_steps) {
  return CosineAnnealingLR{.lr = lr,
                           .t_max = at_least(1, config, "t_max", total_steps),
                           .eta_min = rate(config, "eta_min", 0),
                           .warmup = at_least(0, config, "warmup", 0)};
}

LRSchedule cosine_restarts(const nn::ConfigText& config, double lr, std::int64_t) {
  expect_given(config, "t_0");
  return CosineAnnealingWarmRestarts{.lr = lr,
                                     .t_0 = at_least(1, config, "t_0", 1),
                                     .t_mult = at_least(1, config, "t_mult", 1),
                                     .eta_min = rate(config, "eta_min", 0)};
}

// Recorded steps have the momentum of the configuration, so here the cycle is the rate's alone.
LRSchedule one_cycle(const nn::ConfigText& config, double lr, std::int64_t total_steps) {
  const double pct_start = rate(config, "pct_start", 0.3);
  if (pct_start > 1) throw ConfigError("[schedule] expected pct_start of at most 1, got " + shortest(pct_start));
  const std::string anneal = nn::text_of(config, "anneal", "cos");
  if (anneal != "cos" && anneal != "linear") {
    throw ConfigError("[schedule] anneal: expected \"cos\" or \"linear\", got \"" + printable(anneal) + "\"");
  }
  return OneCycleLR{.max_lr = lr,
                    .total_steps = at_least(1, config, "total_steps", total_steps),
                    .pct_start = pct_start,
                    .anneal = anneal == "cos" ? Annealing::cos : Annealing::linear,
                    .div_factor = above_0(config, "div_factor", 25),
                    .final_div_factor = above_0(config, "final_div_factor", 1e4),
                    .three_phase = flag_of(config, "three_phase", false)};
}

LRSchedule cyclic(const nn::ConfigText& config, double lr, std::int64_t total_steps) {
  expect_given(config, "max_lr");
  static constexpr std::pair<const char*, CyclicMode> kModes[] = {{"triangular", CyclicMode::triangular},
                                                                  {"triangular2", CyclicMode::triangular2},
                                                                  {"exp_range", CyclicMode::exp_range}};
  const std::string mode = nn::text_of(config, "mode", "triangular");
  const auto* found = std::ranges::find_if(kModes, [&](const auto& entry) { return mode == entry.first; });
  if (found == std::end(kModes)) {
    throw ConfigError("[schedule] mode: expected \"triangular\", \"triangular2\" or \"exp_range\", got \"" +
                      printable(mode) + "\"");
  }
  const std::int64_t up = at_least(1, config, "step_size_up", 2000);
  const CyclicLR schedule{.base_lr = lr,
                          .max_lr = rate(config, "max_lr", lr),
                          .step_size_up = up,
                          .step_size_down = at_least(1, config, "step_size_down", up),
                          .mode = found->second,
                          .gamma = rate(config, "gamma", 1)};
  if (schedule.mode == CyclicMode::exp_range)
    check_last(ExponentialLR{.lr = schedule.max_lr, .gamma = schedule.gamma}(total_steps));
  return schedule;
}

}  // namespace

std::span<const ScheduleRow> schedules() {
  static const std::vector<ScheduleRow> rows = {
      {"constant",
       "`lr` times `factor` before step `total_iters`, then `lr`; so by default `lr` at each step",
       {{"factor", "1"}, {"total_iters", "5"}},
       constant},
      {"step", "`lr` times `gamma` after every `step_size` steps", {{"step_size", "1"}, {"gamma", "0.1"}}, step},
      {"multi_step",
       "`lr` times `gamma` after each of the steps `milestones`, as in `\"300,800\"`",
       {{"milestones", kNeeded}, {"gamma", "0.1"}},
       multi_step},
      {"linear",
       "in a line from `lr` times `start_factor` to `lr` times `end_factor` at step `total_iters`",
       {{"start_factor", shortest(1.0 / 3)}, {"end_factor", "1"}, {"total_iters", "5"}},
       linear},
      {"exponential", "`lr` times `gamma` after every step", {{"gamma", kNeeded}}, exponential},
      {"polynomial",
       "`lr` times (1 - step / `total_iters`)^`power`",
       {{"total_iters", "all steps"}, {"power", "1"}},
       polynomial},
      {"cosine",
       "up in a line for `warmup` steps, then half a cosine from `lr` to `eta_min` at step `t_max`",
       {{"t_max", "all steps"}, {"eta_min", "0"}, {"warmup", "0"}},
       cosine},
      {"cosine_restarts",
       "half a cosine from `lr` to `eta_min` in `t_0` steps, again and again, each `t_mult` times as long (Loshchilov "
       "& "
       "Hutter, 2017)",
       {{"t_0", kNeeded}, {"t_mult", "1"}, {"eta_min", "0"}},
       cosine_restarts},
      {"one_cycle",
       "from `lr` / `div_factor` up to `lr`, which takes the share `pct_start` of the steps, and down to the first "
       "rate "
       "/ `final_div_factor`; `anneal` is `cos` or `linear` (Smith & Topin, 2018)",
       {{"total_steps", "all steps"},
        {"pct_start", "0.3"},
        {"anneal", "cos"},
        {"div_factor", "25"},
        {"final_div_factor", "10000"},
        {"three_phase", "false"}},
       one_cycle},
      {"cyclic",
       "from `lr` up to `max_lr` in `step_size_up` steps, and down in `step_size_down`; `mode` is `triangular`, "
       "`triangular2` (each peak half as high) or `exp_range` (times `gamma` after every step) (Smith, 2017)",
       {{"max_lr", kNeeded},
        {"step_size_up", "2000"},
        {"step_size_down", "step_size_up"},
        {"mode", "triangular"},
        {"gamma", "1"}},
       cyclic},
      {"plateau",
       "`lr` until the validation does not become better for more than `patience` epochs, then that times `factor` (at "
       "least `min_lr`), and so on; `cooldown` epochs after a lowering count nothing. Better is a change by more than "
       "`threshold`, as a share of the best value (`threshold_mode = rel`) or as a difference (`abs`). The metric is "
       "that of [search] objective; of `train_loss` it is the validation loss. Its memory is a part of the model's "
       "state",
       {{"factor", "0.1"},
        {"patience", "10"},
        {"threshold", "1e-04"},
        {"threshold_mode", "rel"},
        {"cooldown", "0"},
        {"min_lr", "0"}},
       plateau},
  };
  return rows;
}

bool counts_steps(const nn::ConfigText& config) {
  const std::string name = nn::text_of(config, "schedule", "constant");
  if (name == "constant") return config.contains("schedule") && number_of(config, "factor", 1) != 1;
  return name != "plateau";
}

std::optional<ReduceLROnPlateauOptions> plateau_options(const nn::ConfigText& config, Extremum mode) {
  if (nn::text_of(config, "schedule", "constant") != "plateau") return std::nullopt;
  const std::string threshold_mode = nn::text_of(config, "threshold_mode", "rel");
  if (threshold_mode != "rel" && threshold_mode != "abs") {
    throw ConfigError("[schedule] threshold_mode: expected \"rel\" or \"abs\", got \"" + printable(threshold_mode) +
                      "\"");
  }
  const double factor = rate(config, "factor", 0.1);
  check_range("schedule", "factor", factor, kernels::rules::kShare);
  return ReduceLROnPlateauOptions{.mode = mode,
                                  .factor = factor,
                                  .patience = at_least(0, config, "patience", 10),
                                  .threshold = rate(config, "threshold", 1e-4),
                                  .threshold_mode = threshold_mode == "rel" ? ThresholdMode::rel : ThresholdMode::abs,
                                  .cooldown = at_least(0, config, "cooldown", 0),
                                  .min_lr = rate(config, "min_lr", 0)};
}

LRSchedule make_lr_schedule(const nn::ConfigText& config, std::int64_t total_steps, double default_lr) {
  const ScheduleRow& row = find_row(schedules(), nn::text_of(config, "schedule", "constant"), "[config] schedule");
  return row.make(config, rate(config, "lr", default_lr), total_steps);
}

}  // namespace hop::optim
