#include "cli/group_time.h"

#include <algorithm>
#include <cmath>

#include "hopper/build_model.h"
#include "hopper/strategy/data_parallel.h"

namespace hop::cli {
namespace {

// How often the replicas of a model share in an epoch of `rows` rows.
double rounds_of(const hopper::Experiment& experiment, const hopper::Config& config, double rows, double partitions) {
  const hopper::ReplicaOptions& options = experiment.run.replicas;
  const bool is_global = options.batch.value_or(hopper::BatchRows::PerReplica) == hopper::BatchRows::Global;
  const double batch = static_cast<double>(hopper::batch_size(config)) / (is_global ? partitions : 1);
  const double steps = std::ceil(std::ceil(rows / partitions) / batch);
  if (hopper::replicas_of(experiment) != hopper::Replicas::ShareWeights) return steps;
  return options.average_every ? std::ceil(steps / *options.average_every) : 1;
}

}  // namespace

std::optional<GroupTime> group_time(const hopper::Results& measured, const hopper::Experiment& experiment,
                                    std::uint32_t partitions, const hopper::simulate::Link& link) {
  const auto strategy = hopper::strategy_of(experiment);
  const auto* replicated = dynamic_cast<const hopper::DataParallel*>(strategy.get());
  const bool is_measured = experiment.run.strategy.name() == measured.strategy && partitions == measured.partitions;
  if (replicated == nullptr || !is_measured) return std::nullopt;

  const std::uint32_t members = std::min(experiment.run.workers, partitions);
  const double replicas = std::ceil(partitions / static_cast<double>(members));
  const hopper::Spread spread{partitions, experiment.run.workers};
  const bool is_synchronised = hopper::synchronises_batchnorm(experiment) && measured.statistics_rounds > 0;
  const std::uint64_t shared = replicated->predicted_bytes(spread, measured.shared_bytes);
  const std::uint64_t statistics =
      is_synchronised ? replicated->predicted_statistics_bytes(spread, measured.statistics_bytes) : 0;
  GroupTime time;
  time.bytes = shared + statistics;
  double rounds = 0;
  const bool had_groups = measured.network.gradient > 0;  // a run of before groups sent nothing
  const double of_one = (had_groups ? measured.busiest_share : 1) * partitions;
  for (const hopper::ModelResult& model : measured.models) {
    time.compute_seconds += model.seconds / of_one * replicas;
    for (std::size_t epoch = model.inherited; epoch < model.curve.size(); ++epoch) {
      rounds += rounds_of(experiment, model.config, static_cast<double>(model.curve[epoch].rows), partitions);
    }
  }
  const hopper::ReplicaOptions& options = experiment.run.replicas;
  const hopper::simulate::Sharing sharing{members, replicated->servers(members, options.servers),
                                          replicated->exchange(options.reduce_exchange), is_synchronised};
  const auto meetings = static_cast<double>(measured.statistics_rounds);
  time.exchange_seconds = hopper::simulate::exchange_seconds(replicated->replicas(), sharing, shared, rounds, link) +
                          hopper::simulate::statistics_seconds(members, statistics, meetings, link);
  return time;
}

}  // namespace hop::cli
