// hop compare EXPERIMENT.toml: the same models and rows under several strategies, one run after the other.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/children_usage.h"
#include "base/error.h"
#include "base/files.h"
#include "base/input_file.h"
#include "base/process_usage.h"
#include "cli/commands.h"
#include "cli/comparison.h"
#include "cli/interrupt.h"
#include "hopper/build_model.h"
#include "hopper/detail/extend.h"
#include "hopper/detail/restore.h"
#include "hopper/detail/unread_settings.h"
#include "hopper/journal.h"
#include "hopper/run.h"
#include "hopper/strategy/strategies.h"

namespace hop::cli {
namespace {

namespace fs = std::filesystem;

struct CompareArguments {
  std::string experiment, folder;
  std::vector<std::string> strategies, workers, overrides;
};

// What the processor has used since some moment; none where the system does not tell it. The counter is that of Intel's
// and AMD's RAPL: microjoules, up to a limit at which it begins at 0 again.
std::optional<double> joules() {
  std::ifstream counter("/sys/class/powercap/intel-rapl:0/energy_uj");
  double microjoules = 0;
  if (!(counter >> microjoules)) return {};
  return microjoules * 1e-6;
}

// Notes when the best score became better.
class Watch {
 public:
  explicit Watch(const hopper::Objective& objective) : objective_(objective) {}
  void look(const hopper::RunProgress& progress) {
    const hopper::Results now = hopper::summarize(progress.ledger, objective_);
    if (now.best) note(progress.seconds, hopper::objective_value(now.model(*now.best), objective_));
  }
  void note(double seconds, const std::optional<double>& score) {
    if (score && (moments_.empty() || moments_.back().score != *score)) moments_.push_back({seconds, *score});
  }
  const std::vector<Moment>& moments() const { return moments_; }

 private:
  hopper::Objective objective_;
  std::vector<Moment> moments_;
};

std::uint64_t rows_trained(const hopper::Results& results) {
  std::uint64_t rows = 0;
  for (const hopper::ModelResult& model : results.models) {
    for (const hopper::EpochMetrics& epoch : model.curve) rows += epoch.rows;
  }
  return rows;
}

// The best of all models after each epoch, up to the last one that a model has measured.
std::vector<double> best_by_epoch(const hopper::Results& results, const hopper::Objective& objective) {
  const bool higher = hopper::is_maximised(objective);
  std::vector<double> best;
  for (const hopper::ModelResult& model : results.models) {
    for (std::size_t epoch = 0; epoch < model.curve.size(); ++epoch) {
      const std::optional<double> value = hopper::measured(objective, model.curve[epoch]);
      if (!value) break;
      if (epoch == best.size()) best.push_back(*value);
      best[epoch] = higher ? std::max(best[epoch], *value) : std::min(best[epoch], *value);
    }
  }
  return best;
}

// The share of the run in which each worker trained nothing, by the journal. A group trains with all its members.
std::vector<double> idle_by_worker(const fs::path& folder, const hopper::Results& results) {
  const hopper::Experiment experiment = hopper::load_experiment(folder / "experiment.toml");  // "auto" is settled there
  const hopper::Itinerary itinerary = hopper::make_itinerary(experiment, results.partitions);
  std::vector<double> idle(results.workers, 1);
  for (const hopper::Record& record : hopper::read_journal(folder / "journal").records) {
    const auto* commit = std::get_if<hopper::record::Commit>(&record);
    if (commit == nullptr) continue;
    std::vector<WorkerId> busy = itinerary.members(commit->partition);
    if (busy.empty()) busy.push_back(commit->worker);
    for (const WorkerId worker : busy) idle.at(worker.index()) -= commit->metrics.seconds / results.wall_seconds;
  }
  for (double& share : idle) share = std::max(0.0, share);
  return idle;
}

// Nothing for a run that was interrupted.
std::optional<Trial> measure(const hopper::Experiment& experiment, const fs::path& folder) {
  Watch watch(experiment.objective());
  hopper::RunControl control;
  const InterruptHandler interrupt(control);
  hopper::RunOptions options;
  options.control = &control;
  options.run_directory = folder;
  options.hosting = hopper::Hosting::Processes;
  options.program = "/proc/self/exe";
  options.on_progress = [&](const hopper::RunProgress& progress) { watch.look(progress); };
  options.on_notice = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  const double own = usage_of_process().cpu_seconds, children = cpu_seconds_of_children();
  const std::uint64_t read = bytes_read_by_children();
  const ChildrenWatch children_watch;
  const std::optional<double> energy = joules();
  const hopper::Results results = hopper::run(experiment, options).results;
  const std::optional<double> after = joules();
  if (results.outcome == hopper::Outcome::Interrupted) return {};

  Trial trial{.strategy = results.strategy, .workers = results.workers};
  if (hopper::is_auto(experiment.run.strategy)) trial.strategy = "auto (" + results.strategy + ")";
  trial.wall_seconds = results.wall_seconds;
  trial.cpu_seconds = usage_of_process().cpu_seconds - own + cpu_seconds_of_children() - children;
  if (energy && after && *after >= *energy) trial.joules = *after - *energy;
  for (const hopper::ModelResult& model : results.models) trial.hashes.push_back(model.state_sha256);
  trial.idle_by_worker = idle_by_worker(folder, results);
  trial.idle_share = std::accumulate(trial.idle_by_worker.begin(), trial.idle_by_worker.end(), 0.0) / results.workers;
  trial.samples_per_second = static_cast<double>(rows_trained(results)) / results.wall_seconds;
  trial.hop_bytes = results.network.hop;
  trial.collect_bytes = results.network.collect;
  trial.copy_bytes = results.network.copy;
  trial.gradient_bytes = results.network.gradient;
  trial.predicted_gradient_bytes = results.predicted_gradient_bytes;
  trial.data_bytes = results.network.data;
  trial.control_bytes = results.network.control;
  trial.peak_rss_bytes = results.peak_rss_bytes;
  trial.peak_pss_bytes = children_watch.peak_pss_bytes();
  trial.read_bytes = bytes_read_by_children() - read;
  trial.data_bytes_per_worker = results.data_bytes_per_worker;
  trial.data_bytes_stored = results.data_bytes_per_worker * results.workers;
  trial.hops = results.hops;
  if (results.best) {
    const std::optional<double> score = hopper::objective_value(results.model(*results.best), experiment.objective());
    watch.note(results.wall_seconds, score);
    trial.best_score = score;
  }
  trial.moments = watch.moments();
  trial.epochs = best_by_epoch(results, experiment.objective());
  trial.passes_of_an_epoch = results.passes_of_an_epoch;
  return trial;
}

std::vector<std::string> all_strategies() {
  std::vector<std::string> names;
  for (const hopper::StrategyRow& row : hopper::strategies()) names.emplace_back(row.name);
  return names;
}

// Makes compare, compare-2, ..: the first that is not there. If several start at once, mkdir gives each its own.
fs::path claim_folder() {
  fs::path folder = "compare";
  for (int n = 2; ::mkdir(folder.c_str(), 0777) != 0; ++n) {
    if (errno != EEXIST) throw ConfigError("[compare] cannot create " + folder.string() + ": " + std::strerror(errno));
    folder = "compare-" + std::to_string(n);
  }
  return folder;
}

std::string name_of(const hopper::Experiment& experiment) {
  return experiment.run.strategy.name() + "-" + std::to_string(experiment.run.workers);
}

// What stands in the way of the same passes in fewer, longer epochs; empty: nothing does.
std::string why_not_longer_epochs(const hopper::Experiment& experiment) {
  const hopper::SearchOptions& search = experiment.search;
  if (hopper::chooses_for_epochs(search)) return "[search] method = \"" + search.method + '"';
  if (!search.stop.empty()) return "[search] stop";
  return experiment.model.swa_start > 0 ? "[model] swa_start" : "";
}

// Where an epoch is several passes, there are fewer epochs: all strategies pass equally often over the rows.
hopper::Experiment load(const std::string& file, std::vector<std::string> overrides) {
  hopper::Experiment experiment = hopper::load_experiment(file, overrides);
  const std::uint32_t passes = hopper::passes_of_an_epoch(experiment), epochs = experiment.search.epochs;
  if (passes == 1) return experiment;
  const std::string key = "[run] average_passes = " + std::to_string(passes);
  if (const std::string why = why_not_longer_epochs(experiment); !why.empty()) {
    throw ConfigError("[compare] " + key + ": expected 1 with " + why + ", which counts epochs: those of averaging " +
                      "would be longer than those of other strategies; leave one of them out");
  }
  if (epochs % passes != 0) {
    throw ConfigError("[compare] [search] epochs: expected a multiple of " + key + ", so that all strategies pass " +
                      "equally often over the rows, got " + std::to_string(epochs) +
                      "; write epochs = " + std::to_string((epochs / passes + 1) * passes));
  }
  overrides.push_back("search.epochs=" + std::to_string(epochs / passes));
  return hopper::load_experiment(file, overrides);
}

// What a run would refuse only when it begins, or in its first unit: the runs before it would have been for nothing.
void check_run(const hopper::Experiment& experiment) try {
  if (is_auto(experiment.run.strategy)) return;  // it is settled when its run begins
  for (const auto& [name, dimension] : experiment.search.space) {
    if (name != "accumulate") continue;
    const auto* choices = std::get_if<hopper::Choices>(&dimension);
    const auto* range = std::get_if<hopper::Range>(&dimension);
    const auto check = [&](const hopper::Value& value) {
      hopper::accumulated_batches(experiment, {{"accumulate", value}});
    };
    if (choices != nullptr) std::ranges::for_each(*choices, check);
    if (range != nullptr) check(static_cast<std::int64_t>(range->max));
  }
} catch (const ConfigError& error) {
  throw ConfigError("[compare] " + name_of(experiment) + ": " + error.what() +
                    "; or leave this strategy out of --strategies. No strategy has run");
}

void write_files(const Comparison& comparison, const fs::path& folder) {
  for (const auto& [name, text] :
       {std::pair("compare.json", to_json(comparison)), std::pair("compare.csv", to_csv(comparison)),
        std::pair("compare.html", to_page(comparison))}) {
    write_output(folder / name, as_bytes(text), raise<ConfigError>);
  }
}

int compare(const CompareArguments& arguments) {
  const std::vector<std::string> strategies = arguments.strategies.empty() ? all_strategies() : arguments.strategies;
  const std::vector<std::string> workers = arguments.workers.empty() ? std::vector<std::string>{""} : arguments.workers;
  expect_file(arguments.experiment, raise<ConfigError>);  // it is read for each strategy
  std::vector<hopper::Experiment> experiments;            // all are read before the first one runs
  for (const std::string& strategy : strategies) {
    for (const std::string& count : workers) {
      std::vector<std::string> overrides = arguments.overrides;
      overrides.push_back("run.strategy=" + strategy);
      if (!count.empty()) overrides.push_back("run.workers=" + count);
      experiments.push_back(load(arguments.experiment, std::move(overrides)));
    }
  }
  std::set<std::string> names;
  for (const hopper::Experiment& experiment : experiments) {
    if (names.insert(name_of(experiment)).second) continue;
    throw ConfigError("[compare] expected each strategy and number of workers once, got " + name_of(experiment) +
                      " twice");
  }
  hopper::check_settings_read(experiments.front());
  for (const hopper::Experiment& experiment : experiments) check_run(experiment);
  const fs::path folder = arguments.folder.empty() ? claim_folder() : fs::path(arguments.folder);
  if (fs::exists(folder) && !fs::is_empty(folder)) {
    throw ConfigError("[compare] --to: expected a new or empty folder, got " + folder.string());
  }
  create_folder(folder, raise<ConfigError>);

  const hopper::Experiment& first = experiments.front();
  const hopper::Objective objective = first.objective();
  Comparison comparison{.experiment = first.name, .objective = to_string(objective)};
  comparison.higher_is_better = hopper::is_maximised(objective);
  for (const hopper::Experiment& experiment : experiments) {
    const std::string name = name_of(experiment);
    std::fprintf(stderr, "%s ...\n", name.c_str());
    std::optional<Trial> trial = measure(experiment, folder / name);
    if (!trial) {
      std::fprintf(stderr, "interrupted in %s\n", (folder / name).c_str());
      return kInterrupted;
    }
    if (!trial->best_score) std::fprintf(stderr, "%s: no model came through\n", name.c_str());
    comparison.trials.push_back(std::move(*trial));
    time_to_common_score(comparison);
    const hopper::Results seen = hopper::inspect(folder / name);
    if (comparison.arithmetic.empty() && !seen.arithmetic.empty()) comparison.arithmetic = seen.arithmetic.front();
    write_files(comparison, folder);  // what is measured is kept, whatever a later run does
  }
  std::printf("%s\n%s\n", to_text(comparison).c_str(), (folder / "compare.html").c_str());
  return kOk;
}

}  // namespace

void add_compare(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<CompareArguments>();
  CLI::App* command =
      app.add_subcommand("compare", "Run an experiment under several strategies, and say what each cost");
  command->add_option("experiment", arguments->experiment, "The experiment file (TOML)")->required();
  command
      ->add_option("--strategies", arguments->strategies,
                   "Names, with commas between them (default: all): hopping,allreduce")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--workers", arguments->workers, "How many, a run for each: --workers 1,2")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->transform(whole_number(1));
  command->add_option("--to", arguments->folder,
                      "A new folder for the runs and the page (default: compare, or compare-2, ..)");
  command->add_option("--set", arguments->overrides, "Overrides a key of the file: --set search.epochs=3")
      ->allow_extra_args(false);
  command->callback([arguments, &action] { action = [arguments] { return compare(*arguments); }; });
}

}  // namespace hop::cli
