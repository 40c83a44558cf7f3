// Training a journaled run again, one unit after the other in one thread: the executable form of "same bits".
#include "base/error.h"
#include "base/hash.h"
#include "hopper/detail/run_directory.h"
#include "hopper/journal.h"
#include "hopper/run.h"
#include "hopper/trainer.h"
#include "kernels/threads.h"

namespace hop::hopper {
namespace {

Replayed replay_model(const Experiment& experiment, const data::Dataset& dataset, const ModelResult& model,
                      std::span<const Record> records) {
  Replayed replayed{.model = model.id, .units = 0, .identical = 0, .sha256 = {}, .matches = false};
  Trainer trainer(experiment, model.id, model.config, dataset);
  trainer.initialize();
  for (const Record& record : records) {
    const auto* commit = std::get_if<record::Commit>(&record);
    if (commit == nullptr || commit->model != model.id) continue;
    const std::uint32_t epoch = commit->unit / dataset.partition_count();
    trainer.train(dataset.partition(commit->partition, data::Verify::no), epoch, commit->partition);
    ++replayed.units;
    if (trainer.state().digest() == commit->digest) ++replayed.identical;
  }
  replayed.sha256 = sha256_hex(std::as_const(trainer.state()).bytes());
  replayed.matches =
      replayed.identical == replayed.units && (model.state_sha256.empty() || replayed.sha256 == model.state_sha256);
  return replayed;
}

}  // namespace

std::vector<Replayed> replay(const std::filesystem::path& run_directory, std::optional<ModelId> only,
                             const std::function<void(const Replayed&)>& on_model, ModelBuilder builder) {
  const Results results = inspect(run_directory);
  if (only) results.model(*only);
  const Experiment experiment = read_experiment(run_directory, std::move(builder));
  const data::Dataset dataset = data::prepare_dataset(experiment.data, run_directory / "data");
  const JournalContents journal = read_journal(run_directory / "journal");
  kernels::set_compute_threads(static_cast<int>(experiment.run.threads_per_worker));
  std::vector<Replayed> all;
  for (const ModelResult& model : results.models) {
    if (only && model.id != *only) continue;
    all.push_back(replay_model(experiment, dataset, model, journal.records));
    if (on_model) on_model(all.back());
  }
  return all;
}

}  // namespace hop::hopper
