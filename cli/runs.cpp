// hop runs [DIR]: the runs of a folder, a line each.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/words.h"
#include "cli/commands.h"
#include "hopper/detail/run_directory.h"
#include "hopper/run.h"

namespace hop::cli {
namespace {

namespace fs = std::filesystem;

struct Line {
  fs::file_time_type when = {};
  std::string directory, status, models, best;
};

// The last sign of life of a run: its journal grows with it.
fs::file_time_type last_written(const fs::path& run) {
  std::error_code none;
  const auto journal = fs::last_write_time(run / "journal", none);
  return none ? fs::last_write_time(run / "experiment.toml", none) : journal;
}

std::string best_of(const hopper::Results& results) {
  if (!results.best) return "-";
  const auto value = hopper::objective_value(results.model(*results.best), results.objective);
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value.value_or(NAN));
  return "model " + std::to_string(results.best->value) + ": " + to_string(results.objective) + " " + text;
}

// Whether to list it. A folder of somebody else, in which nothing can be looked for, may hold a run.
bool may_be_run(const fs::directory_entry& entry) {
  std::error_code closed, ignored;
  const bool is_run = fs::exists(entry.path() / "experiment.toml", closed);
  return is_run || (closed && entry.is_directory(ignored));
}

Line describe(const fs::path& run) {
  constexpr std::size_t kLongestPath = 4096;  // a path that is cut off cannot be given to another command
  Line line{.when = last_written(run),
            .directory = printable(run.string(), kLongestPath),
            .status = "",
            .models = "-",
            .best = "-"};
  try {
    hopper::read_run_file(run, "experiment.toml");  // throws if nobody can read it
    if (!hopper::has_begun(run)) {
      line.status = hopper::is_running(run) ? "preparing" : "not begun";
      return line;
    }
    const hopper::Results results = hopper::inspect(run);
    const bool is_done = results.outcome == hopper::Outcome::Completed;
    line.status = results.is_running ? "running" : is_done ? "finished" : "interrupted";
    line.models = std::to_string(results.models.size());
    line.best = best_of(results);
  } catch (const std::exception& error) {
    line.status = "unreadable";
    line.best = printable(error.what(), 120);
  }
  return line;
}

std::string text_of(fs::file_time_type time) {
  const auto seconds = std::chrono::system_clock::to_time_t(std::chrono::file_clock::to_sys(time));
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local);
  return text;
}

int runs(const std::string& folder) {
  if (!fs::is_directory(folder)) {
    throw ConfigError("[runs] expected a folder of runs, got nothing at " + folder + "; `hop run` makes runs/");
  }
  std::vector<Line> lines;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (may_be_run(entry)) lines.push_back(describe(entry.path()));
  }
  std::ranges::sort(lines, [](const Line& a, const Line& b) {
    return a.when != b.when ? a.when > b.when : a.directory < b.directory;
  });
  if (lines.empty()) std::printf("no runs in %s\n", folder.c_str());
  std::size_t width = 3;
  for (const Line& line : lines) width = std::max(width, line.directory.size());
  if (!lines.empty()) {
    std::printf("%-*s  %-16s  %-11s  %6s  %s\n", static_cast<int>(width), "run", "last written", "status", "models",
                "best");
  }
  for (const Line& line : lines) {
    std::printf("%-*s  %-16s  %-11s  %6s  %s\n", static_cast<int>(width), line.directory.c_str(),
                text_of(line.when).c_str(), line.status.c_str(), line.models.c_str(), line.best.c_str());
  }
  return kOk;
}

}  // namespace

void add_runs(CLI::App& app, Action& action) {
  auto folder = std::make_shared<std::string>("runs");
  CLI::App* command = app.add_subcommand("runs", "List the runs of a folder, the newest first");
  command->add_option("folder", *folder, "The folder (default: runs)");
  command->callback([=, &action] { action = [=] { return runs(*folder); }; });
}

}  // namespace hop::cli
