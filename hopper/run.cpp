#include "hopper/run.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "base/error.h"
#include "base/version.h"
#include "hopper/detail/model_file.h"
#include "hopper/detail/restore.h"
#include "hopper/detail/run_directory.h"
#include "hopper/detail/run_loop.h"
#include "hopper/device.h"
#include "hopper/trainer.h"
#include "kernels/threads.h"
#include "kernels/versions.h"
#include "nn/state_file.h"

namespace hop::hopper {
namespace {

// Every model is built once before the first lease: one that does not fit the data is an error of the experiment.
void check_models(const Experiment& experiment, const data::Dataset& dataset) {
  if (dataset.classes() < 2) throw DataError("[data] " + dataset.name() + " has no classes to tell apart");
  const Ledger ledger(make_plan(experiment, dataset.partition_count()), make_search(experiment));
  for (const Model& model : ledger.models()) {
    Trainer trainer(experiment, model.id, model.config, dataset);
    check_last_batches(trainer.module(), batch_size(model.config), dataset);
  }
}

std::uint64_t largest_node_bytes(const data::Dataset& dataset, const Plan& plan) {
  std::vector<std::uint64_t> bytes(plan.workers,
                                   dataset.manifest().validation ? dataset.manifest().validation->bytes : 0);
  for (std::uint32_t q = 0; q < plan.partitions; ++q) {
    bytes[plan.owner(PartitionId(q)).index()] += dataset.manifest().partitions[q].bytes;
  }
  return *std::max_element(bytes.begin(), bytes.end());
}

// The word for all of them. Workers that never got ready do not count.
std::string common(const std::vector<std::string>& by_worker) {
  std::string found;
  for (const std::string& text : by_worker) {
    if (!found.empty() && !text.empty() && text != found) return "mixed";
    if (!text.empty()) found = text;
  }
  return found;
}

// What the experiment file says, beside what the ledger knows.
void describe(Results& results, const Experiment& experiment, std::vector<std::string> devices) {
  results.name = experiment.name;
  results.seed = experiment.seed;
  results.strategy = experiment.run.strategy;
  results.threads_per_worker = experiment.run.threads_per_worker;
  results.devices = std::move(devices);
  results.device = common(results.devices);
  results.isa = kernels::isa();
  results.versions = {{"hopscotch", kVersion}, {"onednn", kernels::onednn_version()}};
}

std::string run_id(const Experiment& experiment) {
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return experiment.name + "-" + std::to_string(now);
}

RunResult conduct(const Experiment& experiment, const data::Dataset& dataset, const RunOptions& options,
                  Journal& journal, std::span<const Record> records) {
  const Plan plan = make_plan(experiment, dataset.partition_count());
  Coordinator coordinator(plan, make_search(experiment), make_policy(plan.order), records);
  Outcome outcome = Outcome::Completed;
  RunTotals totals;
  {
    RunLoop loop(experiment, dataset, options, journal, coordinator);
    outcome = loop.run();
    totals = loop.totals();
  }
  RunResult result{summarize(coordinator.ledger(), experiment.search.objective), nullptr};
  Results& results = result.results;
  describe(results, experiment, totals.devices);
  results.outcome = outcome;
  results.wall_seconds = totals.seconds;
  results.network.collect = totals.collect_bytes;
  results.network.control = totals.control_bytes;
  results.data_bytes_per_worker = largest_node_bytes(dataset, plan);
  results.run_directory = options.run_directory;
  write_file(options.run_directory / "results.json", to_json(results));
  if (outcome == Outcome::Completed) {
    check_unchanged(dataset);  // workers map the files: what was changed meanwhile was trained on
    fs::remove_all(options.run_directory / "nodes");
  }
  if (results.best && !results.model(*results.best).state_sha256.empty()) {
    result.best_model = load_model(options.run_directory, *results.best, experiment.model.builder);
  }
  return result;
}

// The coordinator and each of its workers need so many descriptors; fewer would show late and far from the cause.
void check_open_files(std::uint32_t workers) {
  constexpr std::uint64_t kOwn = 32;       // files, timers, visitors
  constexpr std::uint64_t kPerWorker = 2;  // its connection; one of another worker's
  const std::uint64_t needed = kOwn + kPerWorker * workers;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  throw ConfigError("[run] expected a limit of at least " + std::to_string(needed) + " open files for " +
                    std::to_string(workers) + " workers, got " + std::to_string(limit.rlim_cur) + "; `ulimit -n " +
                    std::to_string(needed) + "` raises it, or run with fewer --workers");
}

// Every worker is on this machine: a device that it lacks shows now, before anything trains.
void check_hosting(const Experiment& experiment, const RunOptions& options) {
  const bool are_threads = options.hosting == Hosting::Threads;
  const std::vector<std::string> words = device_words(are_threads ? options.devices : std::vector<std::string>(),
                                                      experiment.run.device, experiment.run.workers);
  for (std::uint32_t w = 0; w < words.size(); ++w) resolve_device(words[w], WorkerId(w));
  if (are_threads) return;
  check_open_files(experiment.run.workers);
  if (options.program.empty()) throw ConfigError("[run] worker processes need the path of the program hop");
  if (experiment.model.builder) {
    throw ConfigError("[run] a model that is the application's code cannot travel to worker processes; use threads");
  }
}

bool is_quarantined(const ModelResult& model) { return model.status == to_string(Status::Quarantined); }

// What is cut off the end of a journal is no secret.
void tell_of_tail(const JournalContents& contents, const std::string& contradiction, const RunOptions& options) {
  std::string line;
  if (!contradiction.empty()) {
    line =
        "warning: " + contradiction + "; the run goes on from there, and what was cut off is kept beside the journal";
  } else if (contents.torn_bytes > 0) {
    line = "the journal ended in " + std::to_string(contents.torn_bytes) + " bytes of an unfinished record at byte " +
           std::to_string(contents.bytes) + ": cut off";
  }
  if (line.empty()) return;
  std::ofstream(options.run_directory / "log", std::ios::app) << line << '\n';
  if (options.on_notice) options.on_notice(line);
}

data::Dataset open_dataset(Experiment& experiment, const fs::path& run_directory) {
  if (experiment.data.source != "glyphs")
    experiment.data.source = fs::absolute(experiment.data.source).lexically_normal();
  return data::prepare_dataset(experiment.data, run_directory / "data");
}

}  // namespace

RunResult run(Experiment experiment, const RunOptions& options) {
  experiment.data.seed = experiment.seed;
  experiment.check();
  check_hosting(experiment, options);
  NewRunDirectory directory(options.run_directory);
  RunOptions settled = options;
  settled.run_directory = fs::absolute(directory.path());
  const data::Dataset dataset = open_dataset(experiment, settled.run_directory);
  experiment.data.partitions = dataset.partition_count();
  check_models(experiment, dataset);

  const std::string text = to_toml(experiment);
  create_folder(settled.run_directory / "nodes");
  create_folder(settled.run_directory / "models");
  write_file(settled.run_directory / "experiment.toml", text);
  Journal journal = Journal::create(settled.run_directory / "journal",
                                    {run_id(experiment), xxh3_128(as_bytes(text)), data_digest(dataset)});
  if (!options.run_directory.empty()) directory.keep();
  RunResult result = conduct(experiment, dataset, settled, journal, {});
  if (options.run_directory.empty()) result.results.run_directory.clear();
  return result;
}

RunResult resume(const fs::path& run_directory, RunOptions options, ModelBuilder builder) {
  Experiment experiment = read_experiment(run_directory, std::move(builder));
  const std::string text = read_run_file(run_directory, "experiment.toml");
  options.run_directory = fs::absolute(run_directory);
  JournalContents contents;
  std::string found;
  const LeadingRecords leading = [&](const JournalContents& all) {
    const Restored restored = restore(experiment, experiment.data.partitions.value_or(1), all);
    found = restored.contradiction;
    return restored.records;
  };
  Journal journal = Journal::open(run_directory / "journal", contents, leading);
  tell_of_tail(contents, found, options);
  if (contents.header.experiment != xxh3_128(as_bytes(text))) {
    throw ConfigError("[resume] " + (run_directory / "experiment.toml").string() + " was changed since the run began");
  }
  check_hosting(experiment, options);
  const data::Dataset dataset = open_dataset(experiment, options.run_directory);
  check_same_data(contents.header, dataset);
  Results finished = inspect(run_directory);
  const bool asks_again = options.retry && std::any_of(finished.models.begin(), finished.models.end(), is_quarantined);
  if (finished.outcome == Outcome::Completed && !asks_again) {
    auto best = finished.best ? load_model(run_directory, *finished.best, experiment.model.builder) : nullptr;
    return {std::move(finished), std::move(best)};
  }
  check_models(experiment, dataset);
  return conduct(experiment, dataset, options, journal, contents.records);
}

Results inspect(const fs::path& run_directory) {
  const Experiment experiment = parse_experiment(read_run_file(run_directory, "experiment.toml"), "experiment.toml", {},
                                                 [](const Config&, const ModelInput&) { return nullptr; });
  read_run_file(run_directory, "journal");  // for its message
  const JournalContents contents = read_journal(run_directory / "journal");
  const Restored restored = restore(experiment, experiment.data.partitions.value_or(1), contents);
  const Ledger& ledger = restored.ledger;
  Results results = summarize(ledger, experiment.search.objective);
  describe(results, experiment, read_devices(run_directory, experiment.run.workers));
  results.outcome = ledger.complete() ? Outcome::Completed : Outcome::Interrupted;
  results.run_directory = run_directory;
  return results;
}

std::shared_ptr<nn::Module> load_model(const fs::path& run_directory, ModelId id, ModelBuilder builder) {
  const Results results = inspect(run_directory);
  const ModelResult& model = results.model(id);
  Experiment experiment = read_experiment(run_directory, std::move(builder));
  const data::Dataset dataset = open_dataset(experiment, run_directory);
  std::shared_ptr<nn::Module> module = build_module(experiment, model.config, dataset);
  const std::unique_ptr<optim::Optimizer> optimizer = make_optimizer(model.config, *module);
  nn::StateBlock state(*module, optimizer.get());
  const nn::StateBytes bytes = state.make_bytes();
  nn::load_state(model_file_path(run_directory, id), state.layout(), bytes->span());
  state.swap(bytes);
  module->eval();
  return module;
}

}  // namespace hop::hopper
