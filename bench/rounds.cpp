#include "bench/rounds.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <thread>

#include "base/clock.h"

namespace hop::bench {
namespace {

constexpr double kUndisturbed = 0.03;
constexpr int kAttempts = 4;
constexpr auto kPause = std::chrono::milliseconds(100);

/// The seconds that all processes together have computed since the machine started.
double busy_seconds() {
  std::ifstream stat("/proc/stat");
  std::string name;
  double user = 0, nice = 0, system = 0;
  stat >> name >> user >> nice >> system;
  return (user + nice + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

void Contestant::add(std::shared_ptr<Child> side, const std::string& what) {
  slots_.push_back(side->load(what));
  sides_.push_back(std::move(side));
}

Contestant::~Contestant() {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    try {
      sides_[i]->drop(slots_[i]);
    } catch (const SideError&) {
      continue;  // it has ended: there is nothing to drop
    }
  }
}

Timing Contestant::run(int repetitions) {
  for (std::size_t i = 0; i < sides_.size(); ++i) sides_[i]->start(slots_[i], repetitions);
  Timing together;
  double per_second = 0;
  for (const auto& side : sides_) {
    const Timing one = side->finish(repetitions);
    // Work of one thread that never waits is timed by its own seconds on a core, because other processes may have had
    // the core in between.
    per_second += 1 / (waits_ ? one.seconds : one.cpu_seconds);
    together.cpu_seconds += one.cpu_seconds;
    together.value = one.value;
  }
  together.seconds = static_cast<double>(sides_.size()) / per_second;
  return together;
}

void Contestant::calibrate(double batch_seconds) {
  for (double seconds = run(1).seconds; true; seconds = run(repetitions_).seconds) {
    const int wanted = std::max(1, static_cast<int>(std::lround(batch_seconds / seconds)));
    if (wanted <= 2 * repetitions_) {
      repetitions_ = wanted;
      return;
    }
    repetitions_ = std::min(wanted, 20 * repetitions_);
  }
}

void Contestant::measure() {
  double least = INFINITY, seconds = 0;
  for (int attempt = 0; attempt < (waits_ ? kAttempts : 1) && least > kUndisturbed; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(kPause);
    const double busy = busy_seconds();
    const Stopwatch watch;
    const Timing timing = run(repetitions_);
    // The share of a core that others had. One repetition more than is timed: run_timed() warms up.
    const double others = (busy_seconds() - busy - timing.cpu_seconds * (repetitions_ + 1)) / watch.seconds();
    if (others >= least) continue;
    least = others;
    seconds = timing.seconds;
  }
  seconds_.push_back(seconds);
}

double Contestant::median() const { return median_of(seconds_); }

void compete(Contestants& contestants, const RoundOptions& options) {
  for (const auto& contestant : contestants) contestant->calibrate(options.batch_seconds);
  for (int round = 0; round < options.rounds; ++round) {
    for (const auto& contestant : contestants) contestant->measure();
    std::reverse(contestants.begin(), contestants.end());
  }
  if (options.rounds % 2 != 0) std::reverse(contestants.begin(), contestants.end());
}

double median_of(std::vector<double> values) { return quantile_of(std::move(values), 0.5); }

double quantile_of(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  const double part = at - static_cast<double>(below);
  return values[below] * (1 - part) + values[above] * part;
}

}  // namespace hop::bench
