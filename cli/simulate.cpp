// hop simulate EXPERIMENT.toml: how long a run would take with other workers, strategies, policies or networks. The
// real coordinator and search decide; virtual time passes instead of training. A file may have a table [job] with sizes
// instead of an experiment: simulate_job.h. Long because each figure is told twice, to people and as JSON.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/words.h"
#include "cli/commands.h"
#include "cli/group_time.h"
#include "cli/job_file.h"
#include "cli/network_option.h"
#include "cli/simulate_job.h"
#include "data/dataset.h"
#include "hopper/build_model.h"
#include "hopper/detail/auto_strategy.h"
#include "hopper/run.h"
#include "hopper/simulate/run.h"
#include "hopper/strategy/group_hopping.h"
#include "hopper/strategy/strategies.h"

namespace hop::cli {
namespace {

namespace simulate = hopper::simulate;

constexpr const char* kNetwork = "[simulate] --network";

struct SimulateArguments {
  std::string experiment, measured, network;
  std::vector<std::string> workers, strategies, policies, overrides;
  std::optional<double> pass_seconds{};  // of one pass over a partition
  bool json = false;
};

// ---- strategies by name

// The share of a model's replicas that one worker computes; 1 where no group trains it.
double share_of_one(const hopper::Results& measured) { return had_groups(measured) ? measured.busiest_share : 1; }

// ---- what a real run took

// Of a run: the seconds of a pass over all rows, by model, and the bytes of a state.
class Measured {
 public:
  explicit Measured(const std::string& run_directory) : results_(hopper::inspect(run_directory)) {
    double seconds = 0, bytes = 0, count = 0;
    for (const hopper::ModelResult& model : results_.models) {
      const auto units = static_cast<double>(model.visits.size() - model.inherited);
      if (units == 0) continue;
      const double epochs = units / results_.units_per_epoch * share_of_one(results_);
      const double passes = epochs * results_.passes_of_an_epoch;
      pass_seconds_[model.id] = model.seconds / passes;
      seconds += model.seconds / passes;
      bytes += static_cast<double>(model.state_bytes);
      ++count;
    }
    if (count == 0) throw ConfigError("[simulate] --measured: expected a run that trained, got " + run_directory);
    read_file();
    mean_seconds_ = seconds / count;
    state_bytes_ = bytes / count;
  }

  const hopper::Results& results() const { return results_; }
  /// Of all partitions.
  double row_bytes() const {
    double bytes = 0;
    const auto dataset = data::Dataset::open(results_.run_directory / "data", data::Files::none);
    for (const data::PartitionEntry& entry : dataset.manifest().partitions) bytes += static_cast<double>(entry.bytes);
    return bytes;
  }
  double state_bytes() const { return state_bytes_; }
  /// Of a pass of the model over all rows; for one that was not measured: of all models' mean.
  double pass_seconds(ModelId model) const {
    const auto found = pass_seconds_.find(model);
    return found == pass_seconds_.end() ? mean_seconds_ : found->second;
  }
  /// Between two units of a worker, beside training: what stands in results.json, or nothing.
  double gap_seconds() const { return gap_seconds_; }
  double wall_seconds() const { return wall_seconds_; }
  std::uint64_t units() const {
    std::uint64_t units = 0;
    for (const hopper::ModelResult& model : results_.models) units += model.visits.size() - model.inherited;
    return units;
  }
  /// What the search heard of the model then; nothing for an epoch that was not trained.
  std::optional<hopper::EpochMetrics> metrics(ModelId model, Epoch epoch) const {
    for (const hopper::ModelResult& candidate : results_.models) {
      if (candidate.id == model && epoch.index() < candidate.curve.size()) return candidate.curve[epoch.index()];
    }
    return {};
  }

 private:
  // The journal does not know how long a run took, nor its gaps; results.json does.
  void read_file() {
    const std::filesystem::path file = results_.run_directory / "results.json";
    if (!hopper::is_current(file, results_)) return;
    std::ifstream stream(file);
    const nlohmann::json json = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
    const auto number = [](const nlohmann::json& object, const char* name) {
      const bool is_there = object.is_object() && object.contains(name) && object[name].is_number();
      return is_there ? object[name].get<double>() : 0.0;
    };
    wall_seconds_ = number(json, "wall_seconds");
    if (json.is_object() && json.contains("gap_ms")) gap_seconds_ = number(json["gap_ms"], "p50") * 1e-3;
  }

  hopper::Results results_;
  std::map<ModelId, double> pass_seconds_;
  double mean_seconds_ = 0, state_bytes_ = 0, wall_seconds_ = 0, gap_seconds_ = 0;
};

// ---- one line of the answer

struct Line {
  std::string strategy, policy;
  std::uint32_t workers = 0, partitions = 0;
  std::uint32_t block = 1;   // partitions that train a model together, of hopping
  std::uint32_t passes = 1;  // of an epoch, over the rows
  simulate::RunReport report{};
  bool has_replicas = false;
  std::optional<hopper::TaskData> task_data{};
  std::optional<GroupTime> group{};  // of a strategy with replicas that was measured
};

// Without a network, the workers are on one machine: a state passes through memory.
simulate::Link link_of(const SimulateArguments& arguments) {
  constexpr simulate::Link kOneMachine{1e9, 1e-3};
  return arguments.network.empty() ? kOneMachine : parse_network(arguments.network, kNetwork);
}

double transfer_seconds_of(const SimulateArguments& arguments, const Measured* measured) {
  if (measured == nullptr && arguments.network.empty()) return simulate::RunOptions{}.transfer_seconds;
  const simulate::Link link = link_of(arguments);
  return link.latency_seconds + (measured != nullptr ? measured->state_bytes() : 0) / link.bytes_per_second;
}

// How long the rows of a pass are on the wire, as the mean over all passes, of tasks whose workers fetch them
// (docs/strategies.md, "Where the rows come from").
double reading_seconds(const hopper::Experiment& experiment, const SimulateArguments& arguments,
                       const Measured* measured, std::uint32_t partitions) {
  const auto data = hopper::task_data_of(experiment);
  if (!data || data == hopper::TaskData::Replicate || measured == nullptr) return 0;
  const double all = measured->row_bytes();
  const double others = all * (1 - 1.0 / experiment.run.workers) - static_cast<double>(experiment.run.task_cache_bytes);
  return std::max(0.0, others) / partitions / link_of(arguments).bytes_per_second;
}

// A choice needs the machines of the run.
void refuse_auto(const hopper::Experiment& experiment) {
  if (!hopper::is_auto(experiment.run.strategy)) return;
  std::string names;
  for (const std::string& name : hopper::choices_of(experiment.run)) names += (names.empty() ? "" : ",") + name;
  throw ConfigError(
      "[simulate] strategy: expected the name of a strategy, got \"auto\", which measures when a run begins; write "
      "--strategies " +
      names + ": of these lines, `auto` takes the first that is not more than 5 % slower than the fastest");
}

// With the exchange between replicas, where sizes were measured. Of hopping in groups the run is simulated again,
// because several groups train at the same time.
std::optional<GroupTime> time_with_exchange(const hopper::Experiment& experiment, simulate::RunOptions options,
                                            const Line& line, const simulate::Link& link, const Measured& measured) {
  const auto exchange = block_exchange(measured.results(), experiment, line.partitions, link);
  if (!exchange) return group_time(measured.results(), experiment, line.partitions, link);
  options.exchange = [&](ModelId, const hopper::Config& config, PartitionId first) {
    return (*exchange)(config, first);
  };
  return block_time(measured.results(), line.report, simulate::run(experiment, options));
}

Line simulate_once(hopper::Experiment experiment, const SimulateArguments& arguments, const Measured* measured) {
  refuse_auto(experiment);
  const std::uint32_t given = measured != nullptr ? measured->results().partitions : 4;
  const std::uint32_t partitions = std::max(experiment.data.partitions.value_or(given), experiment.run.workers);
  experiment.data.partitions = partitions;
  simulate::RunOptions options;
  const double reading = reading_seconds(experiment, arguments, measured, partitions);
  options.pass_seconds = [&](ModelId model, const hopper::Config&) {
    if (measured == nullptr) return arguments.pass_seconds.value_or(1);
    const double units = hopper::strategy_of(experiment)->units_per_epoch({partitions, experiment.run.workers});
    const double gaps = units * measured->gap_seconds() / hopper::passes_of_an_epoch(experiment);
    const double training = (measured->pass_seconds(model) + gaps) / partitions;
    return std::max(training, reading);  // rows come while the pass before trains
  };
  if (measured != nullptr) {
    options.metrics = [&](ModelId model, const hopper::Config&, Epoch epoch) {
      hopper::EpochMetrics otherwise;
      otherwise.train_loss = 1.0 / number_of(epoch);
      const std::uint32_t passes = number_of(epoch) * hopper::passes_of_an_epoch(experiment);
      const std::uint32_t epochs = passes / measured->results().passes_of_an_epoch;  // of the run, after as many passes
      if (epochs == 0) return otherwise;
      return measured->metrics(model, Epoch(epochs - 1)).value_or(otherwise);
    };
  }
  options.transfer_seconds = transfer_seconds_of(arguments, measured);
  const auto strategy = hopper::strategy_of(experiment);
  Line line{experiment.run.strategy.name(), experiment.run.policy.name(), experiment.run.workers, partitions,
            hopper::group_of(*strategy)};
  line.passes = hopper::passes_of_an_epoch(experiment);
  line.has_replicas = strategy->replicas() != hopper::Replicas::None;
  line.task_data = hopper::task_data_of(experiment);
  line.report = simulate::run(experiment, options);
  if (measured != nullptr) line.group = time_with_exchange(experiment, options, line, link_of(arguments), *measured);
  return line;
}

// Each combination; without a choice, what the file says.
std::vector<Line> simulate_all(const SimulateArguments& arguments, const Measured* measured) {
  const auto or_as_is = [](const std::vector<std::string>& words) {
    return words.empty() ? std::vector<std::string>{""} : words;
  };
  std::vector<Line> lines;
  for (const std::string& strategy : or_as_is(arguments.strategies)) {
    for (const std::string& policy : or_as_is(arguments.policies)) {
      for (const std::string& workers : or_as_is(arguments.workers)) {
        std::vector<std::string> overrides = arguments.overrides;
        if (!strategy.empty()) overrides.push_back("run.strategy=" + strategy);
        if (!policy.empty()) overrides.push_back("run.policy=" + policy);
        if (!workers.empty()) overrides.push_back("run.workers=" + workers);
        lines.push_back(simulate_once(hopper::load_experiment(arguments.experiment, overrides), arguments, measured));
      }
    }
  }
  return lines;
}

void print_json(const std::vector<Line>& lines) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Line& line : lines) {
    const simulate::RunReport& r = line.report;
    rows.push_back({{"strategy", line.strategy},
                    {"policy", line.policy},
                    {"workers", line.workers},
                    {"partitions", line.partitions},
                    {"seconds", r.makespan_seconds},
                    {"utilisation", r.utilisation},
                    {"units", r.units},
                    {"hops", r.hops},
                    {"decisions", r.decisions},
                    {"microseconds_per_decision", r.microseconds_per_decision},
                    {"wall_seconds", r.wall_seconds}});
    if (line.passes != 1) rows.back()["passes_of_an_epoch"] = line.passes;
    if (!line.group) continue;
    rows.back()["group"] = {{"seconds", line.group->seconds},
                            {"exchange_seconds", line.group->exchange_seconds},
                            {"is_exchange_measured", line.group->is_exchange_measured},
                            {"gradient_bytes", line.group->bytes}};
  }
  std::printf("%s\n", rows.dump(2).c_str());
}

void print_table(const std::vector<Line>& lines) {
  std::printf("%-16s %-10s %8s %10s %12s %6s %9s %9s %12s\n", "strategy", "policy", "workers", "partitions", "seconds",
              "busy", "units", "hops", "us/decision");
  for (const Line& line : lines) {
    const simulate::RunReport& r = line.report;
    std::printf("%-16s %-10s %8u %10u %12.4g %5.1f%% %9llu %9llu %12.1f\n", line.strategy.c_str(),
                line.policy.empty() ? "default" : line.policy.c_str(), line.workers, line.partitions,
                r.makespan_seconds, 100 * r.utilisation, static_cast<unsigned long long>(r.units),
                static_cast<unsigned long long>(r.hops), r.microseconds_per_decision);
  }
}

// Strategies with replicas: the lines above have no exchange in them.
void print_groups(const std::vector<Line>& lines) {
  if (std::ranges::none_of(lines, &Line::has_replicas)) return;
  std::puts("strategies with replicas: groups of workers share out the replicas of a model, and nothing is exchanged");
  for (const Line& line : lines) {
    if (!line.group) continue;
    const std::string who = line.block == 1 ? "each model on all " + std::to_string(line.workers) + " workers"
                                            : "each model on blocks of " + std::to_string(line.block) +
                                                  " partitions of " + std::to_string(line.workers) + " workers";
    std::printf("by formula, %s: %s %.4g seconds", who.c_str(), line.strategy.c_str(), line.group->seconds);
    std::printf(line.group->is_exchange_measured
                    ? " with the exchange that was measured; by formula it takes %.4g for %.4g MB between workers\n"
                    : ", %.4g of them for %.4g MB between workers\n",
                line.group->exchange_seconds, 1e-6 * static_cast<double>(line.group->bytes));
  }
}

// Holds the prediction against the run itself, where a line is of the same work, workers, partitions, passes of an
// epoch, strategy and group. The times of groups would predict themselves: their exchange is measured, not computed.
void print_error(const std::vector<Line>& lines, const Measured& measured) {
  const hopper::Results& real = measured.results();
  for (const Line& line : lines) {
    const bool is_same = line.workers == real.workers && line.partitions == real.partitions &&
                         line.block == real.group && line.passes == real.passes_of_an_epoch;
    if (!is_same || line.strategy != real.strategy || line.report.units != measured.units()) continue;
    if (measured.wall_seconds() <= 0) return;
    if (had_groups(real)) {
      std::printf("\nmeasured with %u workers: %.4g seconds; no prediction: the times of units have ", real.workers,
                  measured.wall_seconds());
      std::puts("the exchange of their groups in them (measure with one worker)");
      return;
    }
    const double predicted = line.report.makespan_seconds;
    std::printf(
        "\nmeasured with %u workers: %.4g seconds; predicted: %.4g, %+.1f %% (the start of the run is not predicted)\n",
        real.workers, measured.wall_seconds(), predicted, 100 * (predicted / measured.wall_seconds() - 1));
    return;
  }
}

// Of tasks whose workers fetch rows.
void print_rows(const Measured* measured, const std::vector<Line>& lines) {
  const auto any = [&](bool copies) {
    return std::ranges::any_of(lines, [&](const Line& line) {
      return line.task_data && (line.task_data == hopper::TaskData::Replicate) == copies;
    });
  };
  if (any(true)) std::puts("not in it: the rows that each worker copies from the others in its first unit");
  if (!any(false)) return;
  std::puts(measured == nullptr
                ? "not in it: the rows that workers fetch from the others (--measured RUN knows their bytes)"
                : "rows of other nodes: a pass takes as long as its rows or its training, whichever is longer, as the "
                  "mean over all passes; the first rows of a unit, for which it stands still, are not in it");
}

// What no run and no option said.
void print_assumptions(const SimulateArguments& arguments, const Measured* measured, const std::vector<Line>& lines) {
  std::string text;
  if (measured == nullptr) {
    text += shortest(arguments.pass_seconds.value_or(1)) +
            " s for a pass over a partition (--pass-seconds, or --measured RUN)";
  }
  if (arguments.network.empty()) {
    text += std::string(text.empty() ? "" : ", ") + "a hop takes " +
            shortest(1e3 * transfer_seconds_of(arguments, measured)) + " ms (--network RATE,LATENCY)";
  }
  if (!text.empty()) std::printf("assumed: %s\n", text.c_str());
  print_rows(measured, lines);
  for (const Line& line : lines) {
    if (line.passes == 1) continue;
    std::printf("an epoch of %s is %u passes over the rows (average_passes), of other strategies one\n",
                line.strategy.c_str(), line.passes);
    break;
  }
  const auto grew = [&](const Line& line) { return line.partitions > lines.front().partitions; };
  if (std::ranges::any_of(lines, grew)) {
    std::puts(measured != nullptr ? "more workers than partitions: the same rows in as many partitions as workers"
                                  : "more workers than partitions: a partition, and so its pass, for each worker");
  }
}

// A file with a [job] table has times of its own.
void run_job(simulate::Job job, const SimulateArguments& arguments) {
  if (!arguments.measured.empty() || arguments.pass_seconds) {
    throw ConfigError(arguments.experiment +
                      ": a [job] has its own times: expected neither --measured nor --pass-seconds; change "
                      "epoch_seconds of its models instead");
  }
  if (!arguments.network.empty()) job.network = parse_network(arguments.network, kNetwork);
  simulate_job(job, {arguments.strategies, arguments.policies, arguments.workers}, arguments.json);
}

int run(const SimulateArguments& arguments) {
  if (const auto job = read_job(arguments.experiment, arguments.overrides)) {
    run_job(*job, arguments);
    return kOk;
  }
  std::optional<Measured> measured;
  if (!arguments.measured.empty()) measured.emplace(arguments.measured);
  const std::vector<Line> lines = simulate_all(arguments, measured ? &*measured : nullptr);
  if (arguments.json) {
    print_json(lines);
    return kOk;
  }
  print_table(lines);
  print_groups(lines);
  print_assumptions(arguments, measured ? &*measured : nullptr, lines);
  if (measured) print_error(lines, *measured);
  return kOk;
}

}  // namespace

void add_simulate(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<SimulateArguments>();
  CLI::App* command = app.add_subcommand("simulate", "Say how long a run would take, in virtual time");
  command->add_option("experiment", arguments->experiment, "The experiment file (TOML), or a file with a [job]")
      ->required();
  command->add_option("--workers", arguments->workers, "How many, a line for each: --workers 2,8,1000")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->transform(whole_number(1));
  command->add_option("--strategies", arguments->strategies, "Names, a line for each: hopping,allreduce")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--policies", arguments->policies, "Names, a line for each: greedy,random")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--network", arguments->network,
                      "Rate and latency between workers: 10Gbit,0.1ms (without --measured, a state has no bytes)");
  CLI::Option* measured = command->add_option(
      "--measured", arguments->measured, "A run directory: its times, state sizes and metrics are those of the models");
  command->add_option("--pass-seconds", arguments->pass_seconds, "Seconds of a pass over a partition (default 1)")
      ->check(number_between(0, 3e7))
      ->excludes(measured);
  command->add_option("--set", arguments->overrides, "Overrides a key of the file: --set search.epochs=3")
      ->allow_extra_args(false);
  command->add_flag("--json", arguments->json, "The lines as JSON");
  command->callback([arguments, &action] { action = [arguments] { return run(*arguments); }; });
}

}  // namespace hop::cli
