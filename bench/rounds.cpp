#include "bench/rounds.h"

#include <algorithm>
#include <cmath>

namespace hop::bench {
namespace {

constexpr double kUndisturbed = 0.97;
constexpr int kAttempts = 4;

}  // namespace

Contestant::Contestant(std::vector<std::shared_ptr<Child>> sides, const std::string& what, std::string label)
    : sides_(std::move(sides)), label_(std::move(label)) {
  for (const auto& side : sides_) slots_.push_back(side->load(what));
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
  Timing together{.seconds = 0, .cpu_share = 1, .value = 0};
  double per_second = 0;
  for (std::size_t i = 0; i < sides_.size(); ++i) {
    const Timing one = sides_[i]->finish(repetitions);
    per_second += 1 / one.seconds;
    together.cpu_share = std::min(together.cpu_share, one.cpu_share);
    if (i == 0) together.value = one.value;
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
  Timing best = run(repetitions_);
  for (int attempt = 1; attempt < kAttempts && best.cpu_share < kUndisturbed; ++attempt) {
    const Timing again = run(repetitions_);
    if (again.cpu_share > best.cpu_share) best = again;
  }
  seconds_.push_back(best.seconds);
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
