#include "cli/simulate_job.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/table.h"
#include "base/words.h"

namespace hop::cli {
namespace {

namespace simulate = hopper::simulate;
using simulate::JobReport;

struct Line {
  const simulate::JobSystem* system = nullptr;
  std::string policy{};
  std::uint32_t workers = 0;
  JobReport report{};
};

// What is written of a line, in JSON and for people.
struct Figure {
  const char* name;   ///< in JSON
  const char* title;  ///< of a column
  double scale;       ///< from the number to the unit of the column
  double (*of)(const JobReport& report);
};

constexpr std::array kFigures = {
    Figure{"seconds", "hours", 1.0 / 3600, [](const JobReport& r) { return r.seconds; }},
    Figure{"idle_share", "idle %", 100, [](const JobReport& r) { return r.idle_share; }},
    Figure{"hops", "hops", 1, [](const JobReport& r) { return static_cast<double>(r.hops); }},
    Figure{"hop_bytes", "hops GB", 1e-9, [](const JobReport& r) { return r.hop_bytes; }},
    Figure{"collect_bytes", "final GB", 1e-9, [](const JobReport& r) { return r.collect_bytes; }},
    Figure{"gradient_bytes", "shared GB", 1e-9, [](const JobReport& r) { return r.gradient_bytes; }},
    Figure{"copied_bytes", "copied GB", 1e-9, [](const JobReport& r) { return r.copied_bytes; }},
    Figure{"read_bytes", "read GB", 1e-9, [](const JobReport& r) { return r.read_bytes; }},
    Figure{"stored_bytes", "stored GB", 1e-9, [](const JobReport& r) { return r.stored_bytes; }},
    Figure{"worker_bytes", "worker GB", 1e-9, [](const JobReport& r) { return r.worker_bytes; }},
};

std::uint32_t workers_from(const std::string& text) {
  std::uint32_t workers = 0;
  const char* const end = text.data() + text.size();
  const auto [at, wrong] = std::from_chars(text.data(), end, workers);
  if (wrong == std::errc() && at == end) return workers;  // the job says how many there may be
  throw ConfigError("[job] workers: expected a number of at most 100,000, got " + printable(text));
}

std::vector<Line> lines_of(const simulate::Job& job, const JobChoices& choices) {
  std::vector<std::string> systems = choices.systems;
  if (systems.empty()) {
    for (const std::string_view name : names_of(simulate::job_systems())) systems.emplace_back(name);
  }
  const std::vector<std::string> policies = choices.policies.empty() ? std::vector<std::string>{""} : choices.policies;
  std::vector<std::string> workers = choices.workers;
  if (workers.empty()) workers = {std::to_string(job.workers)};
  std::vector<Line> lines;
  for (const std::string& system : systems) {
    for (const std::string& policy : policies) {
      for (const std::string& number : workers) {
        simulate::Job one = job;
        one.workers = workers_from(number);
        if (job.partitions == job.workers) one.partitions = one.workers;
        Line line{&simulate::find_job_system(system), policy, one.workers, {}};
        line.report = simulate::run_job(one, *line.system, policy);
        lines.push_back(std::move(line));
      }
    }
  }
  return lines;
}

void print_json(const std::vector<Line>& lines) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Line& line : lines) {
    nlohmann::ordered_json row = {{"strategy", line.system->name}, {"policy", line.policy}, {"workers", line.workers}};
    for (const Figure& figure : kFigures) row[figure.name] = figure.of(line.report);
    rows.push_back(std::move(row));
  }
  std::printf("%s\n", rows.dump(2).c_str());
}

void print_table(const std::vector<Line>& lines) {
  std::printf("%-16s %-9s %7s", "strategy", "policy", "workers");
  for (const Figure& figure : kFigures) std::printf(" %9s", figure.title);
  std::puts("");
  for (const Line& line : lines) {
    std::printf("%-16s %-9s %7u", std::string(line.system->name).c_str(),
                line.policy.empty() ? "default" : line.policy.c_str(), line.workers);
    for (const Figure& figure : kFigures) std::printf(" %9.4g", figure.of(line.report) * figure.scale);
    std::puts("");
  }
}

}  // namespace

void simulate_job(const simulate::Job& job, const JobChoices& choices, bool as_json) {
  const std::vector<Line> lines = lines_of(job, choices);
  if (as_json) return print_json(lines);
  print_table(lines);
  std::puts(
      "hopping and tasks: simulated. Replicas: by formula, the models one after the other, each on all workers. Not in "
      "it: the start, validation, disks, and links that several hops share.");
}

}  // namespace hop::cli
