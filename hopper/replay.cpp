// Training a journaled run again, one unit after the other in one thread: the executable form of "same bits".
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "hopper/detail/restore.h"
#include "hopper/detail/run_directory.h"
#include "hopper/detail/threads_of_a_run.h"
#include "hopper/detail/unit_group.h"
#include "hopper/device.h"
#include "hopper/run.h"
#include "hopper/strategy/arrivals.h"
#include "hopper/train_unit.h"

namespace hop::hopper {
namespace {

/// A model, and a trainer for it and for each of its ancestors on each device that they visited.
class Traveller {
 public:
  Traveller(const Experiment& experiment, const data::Dataset& dataset, const Results& results)
      : experiment_(experiment),
        dataset_(dataset),
        results_(results),
        itinerary_(make_itinerary(experiment, dataset.partition_count())),
        exchange_(itinerary_.strategy->exchange()),
        rows_([&](PartitionId id) { return dataset.partition(id, data::Verify::no); }) {}

  nn::StateBytes begin(ModelId model) {
    here_ = &trainer_for(model, WorkerId(0));
    here_->initialize();
    return here_->state().save().wait();
  }
  /// Repeats the unit of `model` on the device where it was done. Returns the state after it.
  nn::StateBytes train(ModelId model, Unit unit, const Visit& visit, const nn::StateBytes& before) {
    Trainer& there = trainer_for(model, visit.worker);
    if (&there != here_) there.state().load(before);
    here_ = &there;
    train_unit(there, visit.epoch, itinerary_.passes(visit.partition), rows_, {}, nullptr, group_of(visit));
    if (itinerary_.ends_epoch(unit)) {
      there.end_epoch(visit.epoch);
      learn_validation(there);
    }
    return there.state().save().wait();
  }

 private:
  // As the worker did; without a schedule that reads it, nobody needs the metric.
  void learn_validation(Trainer& there) const {
    if (!there.learns_validation()) return;
    UnitMetrics metrics;
    there.validate(dataset_.validation(), metrics);
    there.learn_validation(metrics);
  }
  // The members whose order of additions decides the bits, or the order of the gradients. Neither, if none does.
  Group group_of(const Visit& visit) const {
    Group group = unit_group(experiment_, itinerary_, visit.partition);
    if (group.exchange == ReduceExchange::Direct) group = {};
    group.arrivals = decode_arrivals(visit.arrivals, itinerary_.passes(visit.partition).size());
    return group;
  }
  Trainer& trainer_for(ModelId model, WorkerId worker) {
    const std::vector<std::string>& devices = results_.devices;
    const bool is_known = worker.index() < devices.size() && !devices[worker.index()].empty();
    const Device device = resolve_device(is_known ? devices[worker.index()] : experiment_.run.device, worker);
    std::unique_ptr<Trainer>& trainer = trainers_[{device, model}];
    const Config& config = results_.model(model).config;
    if (!trainer) {
      trainer = std::make_unique<Trainer>(experiment_, model, config, dataset_, device);
      trainer->set_exchange(exchange_);
    }
    return *trainer;
  }

  const Experiment& experiment_;
  const data::Dataset& dataset_;
  const Results& results_;
  const Itinerary itinerary_;
  const std::shared_ptr<Exchange> exchange_;
  const PartitionRows rows_;
  std::map<std::pair<Device, ModelId>, std::unique_ptr<Trainer>> trainers_;
  Trainer* here_ = nullptr;
};

// The model whose unit this is.
ModelId ancestor(const Results& results, const ModelResult& model, std::size_t unit) {
  const ModelResult* of = &model;
  while (unit < of->inherited) of = &results.model(of->parent->model);
  return of->id;
}

Replayed replay_model(const Experiment& experiment, const data::Dataset& dataset, const Results& results,
                      const ModelResult& model) {
  Replayed replayed{.model = model.id, .units = 0, .identical = 0, .sha256 = {}, .matches = false};
  Traveller traveller(experiment, dataset, results);
  nn::StateBytes state = traveller.begin(ancestor(results, model, 0));
  for (const Visit& visit : model.visits) {
    const Unit unit{static_cast<std::uint32_t>(replayed.units)};
    state = traveller.train(ancestor(results, model, replayed.units), unit, visit, state);
    ++replayed.units;
    if (xxh3_128(state->span()) == visit.digest) ++replayed.identical;
  }
  replayed.sha256 = sha256_hex(state->span());
  replayed.matches =
      replayed.identical == replayed.units && (model.state_sha256.empty() || replayed.sha256 == model.state_sha256);
  return replayed;
}

}  // namespace

std::vector<Replayed> replay(const std::filesystem::path& run_directory, std::optional<ModelId> only,
                             const std::function<void(const Replayed&)>& on_model, ModelBuilder builder) {
  return replay(run_directory, only, on_model, with_builder(std::move(builder)));
}

std::vector<Replayed> replay(const std::filesystem::path& run_directory, std::optional<ModelId> only,
                             const std::function<void(const Replayed&)>& on_model, const Experiment& own) {
  const Results results = inspect(run_directory, own);
  if (only) results.model(*only);
  Experiment experiment = read_experiment(run_directory, own);
  experiment.search.epochs = results.epochs;  // it may have been extended
  const data::Dataset dataset = run_dataset(run_directory);
  const ThreadsOfARun threads(experiment.run.threads_per_worker);
  std::vector<Replayed> all;
  for (const ModelResult& model : results.models) {
    if (only && model.id != *only) continue;
    all.push_back(replay_model(experiment, dataset, results, model));
    if (on_model) on_model(all.back());
  }
  return all;
}

}  // namespace hop::hopper
