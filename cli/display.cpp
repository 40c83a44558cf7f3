#include "cli/display.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/screen.h"

namespace hop::cli {
namespace {

using hopper::RunProgress;
using hopper::WorkerProgress;

constexpr std::size_t kLeaders = 5;

std::string format(const char* pattern, auto... values) {
  char text[160];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

std::string duration(double seconds) {
  if (seconds < 0) return "-";
  const auto whole = static_cast<long>(seconds + 0.5);
  return whole < 60 ? format("%ld s", whole) : format("%ld:%02ld min", whole / 60, whole % 60);
}

std::string megabytes(std::uint64_t bytes) { return format("%.1f MB", static_cast<double>(bytes) / 1e6); }

std::string summary(const RunProgress& p) {
  return format("units %llu/%llu", static_cast<unsigned long long>(p.units_done),
                static_cast<unsigned long long>(p.units_total)) +
         "  hopped " + megabytes(p.ledger.received_bytes()) + "  elapsed " + duration(p.seconds) + "  left " +
         duration(p.eta_seconds) +
         (p.stopping ? "  stopping after the units in flight; Ctrl-C again stops at once" : "");
}

// Models by the objective at the epoch that ranks them, the best first.
std::vector<const hopper::Model*> leaders(const hopper::Ledger& ledger, const hopper::Objective& objective) {
  std::vector<std::pair<double, const hopper::Model*>> scored;
  for (const hopper::Model& model : ledger.models()) {
    const bool dropped = model.status == hopper::Status::Diverged || model.status == hopper::Status::Quarantined;
    if (dropped || model.ranked() == nullptr) continue;
    if (const auto score = hopper::score(objective, *model.ranked())) scored.emplace_back(*score, &model);
  }
  std::stable_sort(scored.begin(), scored.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<const hopper::Model*> models;
  for (const auto& [score, model] : scored) models.push_back(model);
  return models;
}

// A loss or a metric, in few characters.
std::string score_text(double value) { return format(std::abs(value) < 1e9 ? "%.4f" : "%.5g", value); }

std::string leader_line(const hopper::Model& model, const hopper::Objective& objective) {
  const hopper::EpochMetrics& last = *model.ranked();
  std::string line = format("model %-3u epoch %-3zu", model.id.value, model.epochs.size());
  if (model.best_epoch) line += format(" best %-3u", number_of(*model.best_epoch));
  if (last.valid_accuracy) line += format("  %6.2f %%", *last.valid_accuracy * 100);
  line +=
      last.valid_loss ? "  valid loss " + score_text(*last.valid_loss) : "  train loss " + score_text(last.train_loss);
  if (objective.kind == hopper::Objective::Own) {
    line += "  " + to_string(objective) + " " + score_text(measured(objective, last).value_or(NAN));
  }
  return line + "  " + model.config.to_text();
}

std::string bar(double fraction, int width) {
  const int full = static_cast<int>(fraction * width);
  std::string text;
  for (int i = 0; i < width; ++i) text += i < full ? "#" : ".";
  return text;
}

// `gone`: what a worker that is gone does.
std::string worker_line(std::size_t index, const WorkerProgress& w, const char* gone) {
  std::string line = format("worker %-2zu ", index);
  switch (w.state) {
    case WorkerProgress::State::Starting:
      line += "starting";
      break;
    case WorkerProgress::State::Gone:
      line += gone;
      break;
    case WorkerProgress::State::Idle:
      line += "idle";
      break;
    case WorkerProgress::State::Busy:
      line += "[" + bar(w.fraction, 20) + "]" +
              format(" model %u  epoch %u  partition %u", w.model.value, number_of(w.epoch), w.partition.value);
  }
  if (w.process != 0) line += format("  pid %d", w.process);
  if (w.lives > 1) line += format("  restarts %u", w.lives - 1);
  return line;
}

// One block at the bottom of the terminal, repainted at each change.
class BlockDisplay final : public Display {
 public:
  explicit BlockDisplay(const hopper::Objective& objective) : objective_(objective) {}

  void show(const RunProgress& progress) override {
    const bool over = progress.units_done == progress.units_total;
    const char* const gone = over ? "done" : progress.stopping ? "stopped" : "gone, restarting";
    std::vector<std::string> lines = {summary(progress)};
    for (std::size_t w = 0; w < progress.workers.size(); ++w)
      lines.push_back(worker_line(w, progress.workers[w], gone));
    const auto best = leaders(progress.ledger, objective_);
    for (std::size_t i = 0; i < std::min(best.size(), kLeaders); ++i)
      lines.push_back(leader_line(*best[i], objective_));
    screen_.show(std::move(lines));
  }

  void notice(const std::string& line) override { screen_.notice(line); }

 private:
  hopper::Objective objective_;
  Screen screen_{/*repaints=*/true};
};

// For logs and pipes: a line after a change, at most every two seconds.
class LineDisplay final : public Display {
 public:
  explicit LineDisplay(const hopper::Objective& objective) : objective_(objective) {}

  void show(const RunProgress& progress) override {
    if (last_ && last_->seconds() < 2) return;
    last_.emplace();
    std::string line = summary(progress);
    if (const auto best = leaders(progress.ledger, objective_); !best.empty())
      line += "  best: " + leader_line(*best.front(), objective_);
    screen_.show({line});
  }
  void notice(const std::string& line) override { screen_.notice(line); }

 private:
  hopper::Objective objective_;
  Screen screen_{/*repaints=*/false};
  std::optional<Stopwatch> last_;
};

// For programs that read results: notices only.
class NoDisplay final : public Display {
 public:
  void show(const RunProgress&) override {}
  void notice(const std::string& line) override { screen_.notice(line); }

 private:
  Screen screen_{/*repaints=*/false};
};

}  // namespace

std::unique_ptr<Display> make_display(const hopper::Objective& objective, bool quiet) {
  if (quiet) return std::make_unique<NoDisplay>();
  if (isatty(STDERR_FILENO) != 0) return std::make_unique<BlockDisplay>(objective);
  return std::make_unique<LineDisplay>(objective);
}

}  // namespace hop::cli
