// Long because a run and a resume share every step from the first check to the last file.
#include "hopper/run.h"

#include <algorithm>
#include <chrono>
#include <fstream>

#include "base/error.h"
#include "base/hash.h"
#include "base/version.h"
#include "base/words.h"
#include "hopper/build_model.h"
#include "hopper/detail/auto_strategy.h"
#include "hopper/detail/clone_check.h"
#include "hopper/detail/distant_rows.h"
#include "hopper/detail/extend.h"
#include "hopper/detail/isa_agreement.h"
#include "hopper/detail/lost_files.h"
#include "hopper/detail/model_file.h"
#include "hopper/detail/predict.h"
#include "hopper/detail/restore.h"
#include "hopper/detail/run_checks.h"
#include "hopper/detail/run_data.h"
#include "hopper/detail/run_directory.h"
#include "hopper/detail/run_loop.h"
#include "hopper/detail/status_file.h"
#include "hopper/detail/unread_settings.h"
#include "hopper/detail/unreadable_file.h"
#include "hopper/device.h"
#include "hopper/strategy/arrivals.h"
#include "hopper/trainer.h"
#include "kernels/threads.h"
#include "kernels/versions.h"
#include "net/unix.h"
#include "nn/state_file.h"

namespace hop::hopper {
namespace {

std::uint64_t largest_node_bytes(const Experiment& experiment, const data::Dataset& dataset,
                                 const Itinerary& itinerary) {
  std::uint64_t all = dataset.manifest().validation ? dataset.manifest().validation->bytes : 0;
  std::vector<std::uint64_t> bytes(itinerary.workers, all);
  for (std::uint32_t q = 0; q < itinerary.partitions; ++q) {
    all += dataset.manifest().partitions[q].bytes;
    for (std::uint32_t w = 0; w < itinerary.workers; ++w) {
      if (itinerary.holds(WorkerId(w), PartitionId(q))) bytes[w] += dataset.manifest().partitions[q].bytes;
    }
  }
  const std::uint64_t own = *std::max_element(bytes.begin(), bytes.end());
  return std::min(all, own + std::min(all, most_kept_rows(experiment)));
}

// The common word of all workers, or "mixed". Workers that were never ready do not count.
std::string common(const std::vector<std::string>& by_worker) {
  std::string found;
  for (const std::string& text : by_worker) {
    if (!found.empty() && !text.empty() && text != found) return "mixed";
    if (!text.empty()) found = text;
  }
  return found;
}

// How many gradients of all units had each age. Units of ancestors count once, at their own model.
std::map<std::uint64_t, std::uint64_t> ages_in(const Results& results, const Experiment& experiment) {
  std::map<std::uint64_t, std::uint64_t> ages;
  for (const ModelResult& model : results.models) {
    for (const Visit& visit : std::span(model.visits).subspan(model.inherited)) {
      const std::vector<std::uint32_t> order = decode_arrivals(visit.arrivals, results.partitions);
      for (const auto& [age, count] : ages_of(order, bound_of(experiment))) ages[age] += count;
    }
  }
  return ages;
}

// Adds the facts of the experiment to the facts of the ledger.
void describe(Results& results, const Experiment& experiment, std::vector<std::string> devices) {
  results.name = experiment.name;
  results.seed = experiment.seed;
  results.strategy = experiment.run.strategy.name();
  results.strategy_choice = experiment.run.strategy_choice;
  results.passes_of_an_epoch = passes_of_an_epoch(experiment);
  results.threads_per_worker = experiment.run.threads_per_worker;
  results.is_durable = experiment.run.durable;
  results.own_metrics = own_metric_names(experiment.model);
  results.devices = std::move(devices);
  results.device = common(results.devices);
  results.isa = IsaAgreement(std::string(kernels::isa()), results.arithmetic).isa();
  results.versions = {{"hopscotch", kVersion}, {"onednn", kernels::onednn_version()}};
  results.ages = ages_in(results, experiment);
}

std::string run_id(const Experiment& experiment) {
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return experiment.name + "-" + std::to_string(now);
}

// If every model was set aside, the run has failed. It throws, so that nobody needs to check for a null model.
void check_not_all_set_aside(const Results& results) {
  for (const ModelResult& model : results.models) {
    if (model.status != "quarantined") return;
  }
  if (results.models.empty()) return;
  const ModelResult& first = results.models.front();
  throw RunError("[run] expected at least one model to come through, got all " + std::to_string(results.models.size()) +
                 " set aside; model " + std::to_string(first.id.value) + ": " + printable(first.reason, 500));
}

// Throws ConfigError that says why there is no trained model to load, and what to do.
[[noreturn]] void refuse_uncollected(const Results& results, const ModelResult& model) {
  const std::string name = "[run] model " + std::to_string(model.id.value);
  if (model.status == "quarantined") throw StateError(name + " was set aside: " + printable(model.reason, 500));
  const std::string stands =
      name + " stands at epoch " + std::to_string(model.epochs) + " of " + std::to_string(results.epochs) + "; ";
  if (results.is_running) throw StateError(stands + "the run goes on: wait for its end");
  if (!results.is_durable) throw StateError(stands + "the run was ended, and durable = false kept no state");
  throw StateError(stands + "`hop resume " + results.run_directory.string() + "` first");
}

// The SHA-256 of the last state in the run directory, which may be older than an extension of the run.
const std::string& last_state_of(const Results& results, const ModelResult& model) {
  if (!model.state_sha256.empty()) return model.state_sha256;
  if (model.earlier_sha256.empty() || model.status == "quarantined") refuse_uncollected(results, model);
  return model.earlier_sha256;
}

// `which`: none for the state that is the model's answer.
std::shared_ptr<nn::Module> load_module(const Results& results, ModelId id, const Experiment& experiment,
                                        const data::Dataset& dataset, std::optional<StateFile> which = {}) {
  const ModelResult& model = results.model(id);
  const std::string& last = last_state_of(results, model);
  std::shared_ptr<nn::Module> module = build_module(experiment, model.config, dataset);
  const Updates updates = make_updates(experiment, model.config, *module);
  nn::StateBlock state(*module, updates.optimizer.get());
  const nn::StateBytes bytes = state.make_bytes();
  const bool is_kept = !model.kept_sha256.empty() && which.value_or(StateFile::Best) == StateFile::Best;
  const std::string& expected = is_kept ? model.kept_sha256 : last;
  const fs::path file = model_file_path(results.run_directory, id, is_kept ? StateFile::Best : StateFile::Last);
  try {
    nn::load_state(file, state.layout(), bytes->span());
    if (const std::string sha256 = sha256_hex(bytes->span()); sha256 != expected) {
      throw StateError("[run] expected the state of model " + std::to_string(id.value) + " with SHA-256 " + expected +
                       ", as the journal has it, got " + sha256 + " (" + file.string() + ")");
    }
  } catch (const StateError& error) {
    if (!results.is_durable) throw;
    const std::string resume = "`hop resume " + results.run_directory.string() + "` trains the model again";
    std::error_code unknown;
    const bool is_gone = fs::status(file, unknown).type() == fs::file_type::not_found;
    const int reason = is_gone ? 0 : why_unreadable(file);  // no resume gives up a file that may be whole
    if (reason == 0) throw StateError(std::string(error.what()) + "; put the file back, or " + resume);
    throw StateError(std::string(Unreadable(file, reason).what()) + "; make it readable, or remove it, and " + resume);
  }
  state.swap(bytes);
  if (const optim::WeightAverage* average = updates.answering()) average->write_to_weights();
  module->set_random_key(0);  // for layers that draw in answers, too: fractional pooling
  module->eval();
  return module;
}

struct DataChanged : DataError {
  using DataError::DataError;
};

void check_undamaged(const Results& results) {
  if (results.data_damage.empty()) return;
  const std::string directory = results.run_directory.string();
  throw DataChanged(
      "[run] expected the data of the run as they were when it began, got " + results.data_damage +
      "; models may have been trained on changed rows. " + directory +
      "/results.json has the results and says so (data_damage). Put the file back as it was and `hop resume " +
      directory + "` takes the note out again; or train anew");
}

bool is_quarantined(const ModelResult& model) { return model.status == to_string(Status::Quarantined); }

// The last steps of a run. If the run was killed before them, `resume` takes them.
RunResult finish(Results results, const Experiment& experiment, const data::Dataset& dataset) {
  const fs::path directory = results.run_directory;
  results.data_bytes_per_worker =
      largest_node_bytes(experiment, dataset, make_itinerary(experiment, dataset.partition_count()));
  if (results.outcome == Outcome::Completed) {  // workers map the files
    const bool is_remote = has_remote_states(results.run_directory);
    results.data_damage = data_damage(dataset, is_remote ? data::Files::present : data::Files::all);
  }
  if (!is_current(directory / "results.json", results)) write_file(directory / "results.json", to_json(results));
  check_undamaged(results);
  const bool may_be_retried = std::any_of(results.models.begin(), results.models.end(), is_quarantined);
  std::error_code ignored;  // leftovers do no harm
  if (results.outcome == Outcome::Completed && !may_be_retried) fs::remove_all(directory / "nodes", ignored);
  check_not_all_set_aside(results);
  RunResult result{std::move(results), nullptr, schema_of(experiment, dataset),
                   std::make_shared<Experiment>(experiment)};
  const std::optional<ModelId> best = result.results.best;
  if (best && !result.results.model(*best).state_sha256.empty()) {
    result.best_model = load_module(result.results, *best, experiment, dataset);
  }
  return result;
}

// Workers of one machine share its disk: a second place there would be lost with the first.
std::uint32_t copies_of(const Experiment& experiment, const RunOptions& options) {
  if (!experiment.run.durable) return 1;
  return experiment.run.copies.value_or(options.hosting == Hosting::Remote ? 2 : 1);
}

RunResult conduct(const Experiment& experiment, const data::Dataset& dataset, const RunOptions& options,
                  Journal& journal, std::span<const Record> records) {
  const Itinerary itinerary = make_itinerary(experiment, dataset.partition_count());
  std::unique_ptr<Search> search;
  if (!is_search_missing(experiment)) search = make_search(experiment);
  Coordinator coordinator(itinerary, std::move(search), make_policy(experiment.run.policy, itinerary), records,
                          {.copies = copies_of(experiment, options), .check_clone = clone_check(experiment, dataset)});
  Outcome outcome = Outcome::Completed;
  RunTotals totals;
  {
    RunLoop loop(experiment, dataset, options, journal, coordinator);
    outcome = loop.run();
    totals = loop.totals();
  }
  Results results = summarize(coordinator.ledger(), experiment.objective());
  describe(results, experiment, totals.devices);
  results.outcome = outcome;
  results.wall_seconds = totals.seconds;
  results.network.collect = totals.collect_bytes;
  results.network.control = totals.control_bytes;
  results.network.copy = totals.copy_bytes;
  results.network.relay = totals.relay_bytes;
  results.run_directory = options.run_directory;
  check_places(options.run_directory);                 // before the results are written: they are not lost
  fs::remove(options.run_directory / "results.json");  // left by an earlier interruption
  return finish(std::move(results), experiment, dataset);
}

void tell(const std::string& line, const RunOptions& options) {
  if (line.empty()) return;
  std::ofstream(options.run_directory / "log", std::ios::app) << line << '\n';
  if (options.on_notice) options.on_notice(line);
}

// A mark that the states of a run lie on other machines. Workers started here would begin with nothing.
void mark_hosting(const RunOptions& options) {
  if (options.hosting == Hosting::Remote)
    write_file(options.run_directory / kRemoteMark, "workers of other machines\n");
}
void check_same_hosting(const RunOptions& options) {
  if (options.hosting == Hosting::Remote || !has_remote_states(options.run_directory)) return;
  throw ConfigError(
      "[resume] the states of this run lie on other machines: say --listen HOST:PORT --key-file FILE, as "
      "the run did. Without these states, delete " +
      (options.run_directory / kRemoteMark).string() + ": what is not collected is trained again");
}

// Workers of other machines may have the files of the data set, too. Then the manifest is enough here.
data::Files files_of(const RunOptions& options) {
  return options.hosting == Hosting::Remote ? data::Files::present : data::Files::all;
}

// Models that no validation row measures are ranked by their training loss, unless the experiment says otherwise.
void settle_objective(Experiment& experiment, const data::Dataset& dataset, const RunOptions& options) {
  if (experiment.search.objective || dataset.has_validation()) return;
  experiment.search.objective = Objective::TrainLoss;
  tell("there are no validation rows: models are ranked by train_loss", options);
}

// Equal models of a grid are trained once. A large grid says how many models it has before they take memory and time.
std::vector<std::string> settle_grid(Experiment& experiment) {
  if (experiment.search.make || experiment.search.method != "grid") return {};
  std::vector<std::string> lines = drop_repeats(experiment.search.space);
  constexpr std::uint64_t kWorthALine = 1000;
  const std::uint64_t models = combinations(experiment.search.space);
  if (models >= kWorthALine) lines.push_back("the grid has " + std::to_string(models) + " combinations, a model each");
  return lines;
}

// From an experiment and its directory to a journal that is ready for its first record. If a first call was killed, a
// second call continues.
std::pair<data::Dataset, Journal> begin(Experiment& experiment, const RunOptions& options, data::Keep keep) {
  const fs::path& directory = options.run_directory;
  if (experiment.data.source == kOwnCode && !data::Dataset::is_dataset(directory / "data")) {
    refuse_missing("[data] source");
  }
  const std::vector<std::string> on_grid = settle_grid(experiment);
  write_file(directory / "experiment.toml", to_toml(experiment));  // first: from here on, `resume` knows what to do
  for (const std::string& line : on_grid) tell(line, options);
  const auto on_copy = [&](std::uint64_t bytes) {
    constexpr std::uint64_t kWorthALine = std::uint64_t{1} << 28;  // a copy of this size takes a person's time and disk
    if (bytes < kWorthALine) return;
    tell("copies " + std::to_string(bytes) + " bytes of " + printable(experiment.data.source) +
             " into the run directory: the file system cannot share them",
         options);
  };
  if (keep == data::Keep::own && files_of(options) == data::Files::present) keep = data::Keep::present;
  data::Dataset dataset = data::prepare_dataset(data_options(experiment), directory / "data", keep, on_copy);
  if (options.on_notice) {
    for (const std::string& note : dataset.manifest().provenance.notes) options.on_notice(printable(note, 300));
  }
  experiment.data.partitions = dataset.partition_count();
  settle_objective(experiment, dataset, options);
  tell(settle_strategy(experiment, dataset, options), options);
  experiment.check();  // what depends on the strategy that was chosen
  const std::vector<ModelConfig> models = first_models(experiment, dataset);
  check_models(experiment, dataset, models);
  check_new_run(experiment, dataset, models);

  const std::string text = to_toml(experiment);
  create_folder(directory / "nodes");
  create_folder(directory / "models");
  write_file(directory / "experiment.toml", text);
  fs::remove(directory / "journal");  // a journal that was torn before its first record
  Journal journal =
      Journal::create(directory / "journal", {run_id(experiment), xxh3_128(as_bytes(text)), data_digest(dataset)});
  return {std::move(dataset), std::move(journal)};
}

// The results according to the files of a run. The devices of a run without results.json are those that this machine
// would give it.
Results read_results(const fs::path& run_directory, const Experiment& experiment, const JournalContents& journal) {
  const Restored restored = restore(experiment, experiment.data.partitions.value_or(1), journal);
  const Ledger& ledger = restored.ledger;
  Results results = summarize(ledger, experiment.objective());
  describe(results, experiment, read_devices(run_directory, experiment.run.workers));
  results.outcome = ledger.complete() ? Outcome::Completed : Outcome::Interrupted;
  results.run_directory = run_directory;
  for (const Model& model : ledger.models()) results.network.collect += model.file ? model.file->bytes : 0;
  return results;
}

// Throws for a run whose states were only in memory: they are gone with the workers.
void check_resumable(const Experiment& experiment, const Results& results) {
  if (experiment.run.durable || results.outcome == Outcome::Completed) return;
  for (const ModelResult& model : results.models) {
    if (model.visits.empty()) continue;
    throw ConfigError(
        "[resume] " + results.run_directory.string() +
        " cannot be resumed: with durable = false states live in memory only, and they are gone; start it "
        "anew with `hop run`");
  }
}

[[noreturn]] void refuse_retry(ModelId id, const std::string& why, const fs::path& run_directory) {
  throw ConfigError("[resume] expected a model that was set aside to retry, got model " + std::to_string(id.value) +
                    ", which " + why + "; `hop report " + run_directory.string() + "` shows which ones were");
}

// Refuses a named model that is not quarantined, or is no model of the run: to name it is a mistake.
void check_retry(const RunOptions& options, const Results& results) {
  for (const ModelId id : options.retry_models) {
    const ModelResult& model = results.model(id);
    if (!is_quarantined(model)) refuse_retry(id, "is " + model.status, results.run_directory);
  }
}

std::vector<std::string> local_devices(const Experiment& experiment) {
  std::vector<std::string> devices;
  for (std::uint32_t w = 0; w < experiment.run.workers; ++w) {
    devices.push_back(resolve_device(experiment.run.device, WorkerId(w)).to_string());
  }
  return devices;
}

}  // namespace

RunResult run(Experiment experiment, const RunOptions& options) {
  check_options(options);
  experiment.data.seed = experiment.seed;
  experiment.run.strategy_choice.clear();
  if (options.patience) experiment.run.patience = std::chrono::duration<double>(*options.patience).count();
  experiment.check();
  check_settings_read(experiment);  // here, so that it locks no older run
  require_objects(experiment);
  check_hosting(experiment, options);
  check_text(experiment);
  if (experiment.data.source != "glyphs" && experiment.data.source != kOwnCode && !experiment.data.rows) {
    experiment.data.source = fs::absolute(experiment.data.source).lexically_normal();
  }
  const bool is_temporary = options.run_directory.empty();
  NewRunDirectory directory(options.run_directory);
  RunOptions settled = options;
  settled.run_directory = fs::absolute(directory.path());
  mark_hosting(settled);
  auto [dataset, journal] = begin(experiment, settled, is_temporary ? data::Keep::in_place : data::Keep::own);
  if (!is_temporary) directory.keep();
  try {
    RunResult result = conduct(experiment, dataset, settled, journal, {});
    if (is_temporary) result.results.run_directory.clear();
    return result;
  } catch (const DataChanged&) {
    directory.keep();  // it says that the results are there
    throw;
  }
}

RunResult resume(const fs::path& run_directory, RunOptions options, ModelBuilder builder) {
  return resume(run_directory, std::move(options), with_builder(std::move(builder)));
}

RunResult resume(const fs::path& run_directory, RunOptions options, const Experiment& own) {
  const Stopwatch watch;
  check_options(options);
  const fs::path directory = without_trailing_slash(run_directory);
  Experiment experiment = read_experiment(directory, own);
  require_objects(experiment, Require::AllButSearch);
  options.run_directory = fs::absolute(directory);
  const RunLock lock(directory);
  remove_leftovers(directory);
  remove_status_file(directory);
  net::SocketDirectory::remove_abandoned();
  check_same_hosting(options);
  check_hosting(experiment, options);
  if (!has_begun(directory)) {  // it was ended while its data were prepared
    if (!options.retry_models.empty()) refuse_retry(options.retry_models.front(), "has trained nothing yet", directory);
    require_objects(experiment);
    if (options.epochs) experiment.search.epochs = *options.epochs;
    auto [dataset, journal] = begin(experiment, options, data::Keep::own);
    return conduct(experiment, dataset, options, journal, {});
  }
  JournalContents contents;
  Journal journal = Journal::open(directory / "journal", contents, [&](const JournalContents& found) {
    check_same_experiment(found.header, directory);
    check_same_data(found.header, open_dataset(experiment, directory, files_of(options)));
    check_consistent(experiment, found, directory);
  });
  tell(describe_tail(contents), options);
  const data::Dataset dataset = open_dataset(experiment, directory, files_of(options));
  experiment.search.epochs = epochs_of(experiment, contents);
  if (options.epochs) {
    check_extension(experiment, *options.epochs, dataset, contents);
    extend(experiment, *options.epochs, directory, journal, contents);
    tell("the run is extended to " + std::to_string(*options.epochs) + " epochs", options);
  }
  Results finished = read_results(directory, experiment, contents);
  check_resumable(experiment, finished);
  check_retry(options, finished);
  const std::vector<LostFile> lost = find_lost_files(experiment, directory, contents);
  const bool asks_again = options.retry && std::any_of(finished.models.begin(), finished.models.end(), is_quarantined);
  if (finished.outcome == Outcome::Completed && lost.empty() && !asks_again) {
    if (finished.devices.empty()) describe(finished, experiment, local_devices(experiment));
    finished.wall_seconds = watch.seconds();
    return finish(std::move(finished), experiment, dataset);
  }
  if (is_search_missing(experiment)) {
    tell("the search of this run is code of an application: this process goes on until the search has the word",
         options);
  } else {
    const bool was_asked = !finished.models.empty();  // what the search asks for again at a resume is put aside
    check_models(experiment, dataset, was_asked ? models_left(finished) : first_models(experiment, dataset));
  }
  for (const std::string& line : give_up_lost_files(lost, journal, contents)) tell(line, options);
  return conduct(experiment, dataset, options, journal, contents.records);
}

Results inspect(const fs::path& run_directory) { return inspect(run_directory, {}); }

Results inspect(const fs::path& run_directory, const Experiment& own) {
  const fs::path directory = without_trailing_slash(run_directory);
  read_run_file(directory, "experiment.toml");  // for its message
  const bool running = is_running(directory);   // before the journal is read: the run may end in between
  if (!has_begun(directory)) {
    throw ConfigError("[run] " + directory.string() + " has trained nothing yet: " +
                      (running ? "its data are being prepared"
                               : "the run was ended while its data were prepared; `hop resume " + directory.string() +
                                     "` goes on with it"));
  }
  const JournalContents journal = read_journal(directory / "journal");
  check_same_experiment(journal.header, directory);
  Results results = read_results(directory, with_objects_of(read_options(directory), own), journal);
  results.is_running = running && results.outcome != Outcome::Completed;
  for (ModelResult& model : results.models) {
    if (results.is_running && model.status == "interrupted") model.status = "running";
  }
  return results;
}

Objective objective_of(const fs::path& run_directory) { return read_options(run_directory).objective(); }

std::string source_change(const fs::path& run_directory) {
  const fs::path directory = without_trailing_slash(run_directory);
  const Experiment experiment = read_options(directory);
  if (experiment.data.source == kOwnCode) return "";  // rows of an application's memory: nothing to compare with
  if (!data::Dataset::is_dataset(directory / "data")) return "";
  return data::source_change(experiment.data, data::Dataset::open(directory / "data", data::Files::none));
}

std::shared_ptr<nn::Module> load_model(const fs::path& run_directory, ModelId id, ModelBuilder builder) {
  return load_model(run_directory, id, with_builder(std::move(builder)));
}

std::shared_ptr<nn::Module> load_model(const fs::path& run_directory, ModelId id, const Experiment& own,
                                       std::optional<StateFile> which) {
  const Results results = inspect(run_directory, own);
  last_state_of(results, results.model(id));  // throws before the data are touched
  const Experiment experiment = read_experiment(results.run_directory, own);
  return load_module(results, id, experiment, open_dataset(experiment, results.run_directory, data::Files::none),
                     which);
}

data::Dataset run_dataset(const fs::path& run_directory) {
  return open_dataset(read_options(run_directory), run_directory, data::Files::present);
}

data::RowSchema run_schema(const fs::path& run_directory) {
  const Experiment experiment = read_options(run_directory);
  return schema_of(experiment, open_dataset(experiment, run_directory, data::Files::none));
}

}  // namespace hop::hopper
