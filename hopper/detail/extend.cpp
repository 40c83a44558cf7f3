#include "hopper/detail/extend.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "base/error.h"
#include "hopper/build_model.h"
#include "hopper/detail/model_file.h"
#include "hopper/detail/restore.h"
#include "hopper/detail/state_store.h"
#include "nn/state_file.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;

// Searches whose models do not depend on the number of epochs.
constexpr std::array kIndifferent = {"grid", "random"};

[[noreturn]] void refuse(const std::string& why) {
  throw ConfigError("[resume] epochs: " + why + "; start it anew with more epochs");
}

// Whether the learning rates of the epochs so far stay as they were.
bool keeps_its_rates(const Experiment& before, const Experiment& after, const Config& config,
                     const data::Dataset& dataset) {
  constexpr double kAnyRate = 1;
  const optim::LRSchedule was = make_schedule(before, config, dataset, kAnyRate);
  const optim::LRSchedule will = make_schedule(after, config, dataset, kAnyRate);
  const std::int64_t steps = steps_per_epoch(before, config, dataset);
  for (std::int64_t t = 0; t < steps * before.search.epochs; ++t) {
    if (was(t) != will(t)) return false;
  }
  return true;
}

// The final state of a model as the node knew it that trained its last unit.
HeldState last_state(const Model& model) {
  const Unit unit = before(model.version);
  const Visit& last = model.visit(unit);
  return {.model = model.id,
          .version = model.version,
          .partition = last.partition,
          .attempt = last.attempt,
          .parent = is_first(unit) ? Digest{} : model.visits[unit.index() - 1].digest,
          .digest = last.digest,
          .metrics = {}};
}

void give_back(const Model& model, const fs::path& run_directory) {
  const fs::path file = model_file_path(run_directory, model.id);
  const nn::StateHeader header = nn::read_state_header(file);
  const nn::StateBytes bytes = nn::StatePool::make_shared()->make(header.layout.bytes);
  nn::load_state(file, header.layout, bytes->span());
  const fs::path node = run_directory / "nodes" / ("w" + std::to_string(model.holder->value));
  StateStore store(node / "states", /*durable=*/true);
  const Digest digest = store.put(last_state(model), header.layout, bytes);
  if (digest == model.digest) return;
  throw StateError("[resume] expected the state of model " + std::to_string(model.id.value) + " with the digest " +
                   model.digest.hex() + ", got " + digest.hex() + " (" + file.string() + ")");
}

}  // namespace

bool chooses_for_epochs(const SearchOptions& search) {
  return search.make || std::ranges::find(kIndifferent, search.method) == kIndifferent.end();
}

void check_extension(const Experiment& experiment, std::uint32_t epochs, const data::Dataset& dataset,
                     const JournalContents& contents) {
  const SearchOptions& search = experiment.search;
  if (epochs <= search.epochs) {
    throw ConfigError("[resume] epochs: expected more than the " + std::to_string(search.epochs) +
                      " that the run has, got " + std::to_string(epochs));
  }
  if (!experiment.run.durable) refuse("with durable = false no state is left to go on from");
  if (chooses_for_epochs(search)) {
    refuse("the search \"" + search.method + "\" chose its models for " + std::to_string(search.epochs) + " epochs");
  }
  if (!search.stop.empty()) refuse("early stopping judged the models by the epochs that they had left");
  Experiment longer = experiment;
  longer.search.epochs = epochs;
  const Restored restored = restore(experiment, dataset.partition_count(), contents);
  for (const Model& model : restored.ledger.models()) {
    if (keeps_its_rates(experiment, longer, model.config, dataset)) continue;
    refuse("the learning rate of model " + std::to_string(model.id.value) + " (" + model.config.to_text() +
           ") ends with the last epoch: t_max says where it shall end");
  }
}

void extend(Experiment& experiment, std::uint32_t epochs, const fs::path& run_directory, Journal& journal,
            JournalContents& contents) {
  const Restored restored = restore(experiment, experiment.data.partitions.value_or(1), contents);
  for (const Model& model : restored.ledger.models()) {
    if (model.file && model.underlying() == Status::Finished) give_back(model, run_directory);
  }
  journal.append(record::Extended{epochs}, contents);
  journal.sync();
  experiment.search.epochs = epochs;
}

}  // namespace hop::hopper
