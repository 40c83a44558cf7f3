#include "cli/group_time.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "hopper/build_model.h"
#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/group_hopping.h"

namespace hop::cli {
namespace {

namespace simulate = hopper::simulate;

// How often the replicas of a unit share, with so many rows in each of their partitions.
double rounds_of_unit(const hopper::ReplicaOptions& options, const hopper::Strategy& strategy,
                      const hopper::Config& config, double rows, double replicas) {
  const bool is_global = options.batch.value_or(hopper::BatchRows::PerReplica) == hopper::BatchRows::Global;
  const double batch = static_cast<double>(hopper::batch_size(config)) / (is_global ? replicas : 1);
  const double steps = std::ceil(std::ceil(rows) / batch);
  if (strategy.replicas() != hopper::Replicas::ShareWeights) return steps;
  return options.average_every ? std::ceil(steps / *options.average_every) : 1;
}

double replicas_of_unit(const hopper::Strategy& strategy, const hopper::Spread& spread) {
  return static_cast<double>(strategy.passes(spread, PartitionId(0)).size());
}

// Of the units of an epoch. All have as many steps.
double share_with_several_replicas(const hopper::Strategy& strategy, const hopper::Spread& spread) {
  const std::uint32_t units = strategy.units_per_epoch(spread);
  double several = 0;
  for (std::uint32_t place = 0; place < units; ++place) {
    several += strategy.passes(spread, strategy.begin(spread, ModelId(0), place)).size() > 1 ? 1 : 0;
  }
  return several / units;
}

// Of all units of the epochs that were measured.
double rounds_of_run(const hopper::Results& measured, const hopper::ReplicaOptions& options,
                     const hopper::Strategy& strategy, const hopper::Spread& spread) {
  const std::uint32_t units = strategy.units_per_epoch(spread);
  const double replicas = replicas_of_unit(strategy, spread);
  double rounds = 0;
  for (const hopper::ModelResult& model : measured.models) {
    for (std::size_t epoch = model.inherited / units; epoch < model.curve.size(); ++epoch) {
      const double rows = static_cast<double>(model.curve[epoch].rows) / spread.partitions;
      rounds += units * rounds_of_unit(options, strategy, model.config, rows, replicas);
    }
  }
  return rounds;
}

bool is_measured(const hopper::Results& measured, const hopper::Experiment& experiment,
                 const hopper::Strategy& strategy, std::uint32_t partitions) {
  return experiment.run.strategy.name() == measured.strategy && partitions == measured.partitions &&
         hopper::group_of(strategy) == measured.group;
}

// The bytes of gradients or weights, and those of statistics.
struct Bytes {
  std::uint64_t shared = 0, statistics = 0;
};

Bytes bytes_of(const hopper::Results& measured, const hopper::Strategy& strategy, const hopper::Spread& spread,
               bool synchronises) {
  return {strategy.predicted_bytes(spread, measured.shared_bytes),
          synchronises ? strategy.predicted_statistics_bytes(spread, measured.statistics_bytes) : 0};
}

bool is_synchronised(const hopper::Results& measured, const hopper::Experiment& experiment) {
  return hopper::synchronises_batchnorm(experiment) && measured.statistics_rounds > 0;
}

}  // namespace

std::optional<GroupTime> group_time(const hopper::Results& measured, const hopper::Experiment& experiment,
                                    std::uint32_t partitions, const simulate::Link& link) {
  const auto strategy = hopper::strategy_of(experiment);
  const auto* replicated = dynamic_cast<const hopper::DataParallel*>(strategy.get());
  if (replicated == nullptr || !is_measured(measured, experiment, *strategy, partitions)) return std::nullopt;

  const hopper::Spread spread{partitions, experiment.run.workers};
  const hopper::ReplicaOptions& options = experiment.run.replicas;
  const std::uint32_t members = std::min(experiment.run.workers, partitions);
  const double replicas = std::ceil(partitions / static_cast<double>(members));
  const bool had_groups = measured.network.gradient > 0;  // a run of before groups sent nothing
  const double of_one = (had_groups ? measured.busiest_share : 1) * partitions;
  GroupTime time;
  for (const hopper::ModelResult& model : measured.models) time.compute_seconds += model.seconds / of_one * replicas;

  const simulate::Sharing sharing{members, replicated->servers(members, options.servers),
                                  replicated->exchange(options.reduce_exchange), is_synchronised(measured, experiment),
                                  simulate::is_pair(*strategy, spread, PartitionId(0))};
  const Bytes bytes = bytes_of(measured, *strategy, spread, sharing.is_synchronised);
  const double rounds = rounds_of_run(measured, options, *strategy, spread);
  const auto meetings = static_cast<double>(measured.statistics_rounds);
  time.bytes = bytes.shared + bytes.statistics;
  time.exchange_seconds = simulate::exchange_seconds(strategy->replicas(), sharing, bytes.shared, rounds, link) +
                          simulate::statistics_seconds(members, bytes.statistics, meetings, link);
  return time;
}

std::optional<BlockExchange> block_exchange(const hopper::Results& measured, const hopper::Experiment& experiment,
                                            std::uint32_t partitions, const simulate::Link& link) {
  const auto strategy = std::dynamic_pointer_cast<const hopper::GroupHopping>(hopper::strategy_of(experiment));
  if (strategy == nullptr || !is_measured(measured, experiment, *strategy, partitions)) return std::nullopt;
  const hopper::Spread spread{partitions, experiment.run.workers};
  const hopper::ReplicaOptions options = experiment.run.replicas;
  const double rounds = rounds_of_run(measured, options, *strategy, spread);
  if (rounds == 0) return std::nullopt;

  const bool synchronises = is_synchronised(measured, experiment);
  const Bytes bytes = bytes_of(measured, *strategy, spread, synchronises);
  const double shared = static_cast<double>(measured.shared_bytes) / rounds;       // in a step, by each replica
  const double meeting = rounds * share_with_several_replicas(*strategy, spread);  // the steps with statistics
  const double told = synchronises ? static_cast<double>(measured.statistics_bytes) / meeting : 0;
  const double meetings = synchronises ? static_cast<double>(measured.statistics_rounds) / meeting : 0;
  std::uint64_t rows = 0;  // of the data set: an epoch may have ended before its last row
  for (const hopper::ModelResult& model : measured.models) {
    for (const hopper::EpochMetrics& epoch : model.curve) rows = std::max(rows, epoch.rows);
  }
  const auto seconds = [=](const hopper::Config& config, PartitionId first) {
    const auto members = static_cast<std::uint32_t>(strategy->members(spread, first).size());
    if (members == 0) return 0.0;
    const double others = members - 1, replicas = static_cast<double>(strategy->passes(spread, first).size());
    const double steps = rounds_of_unit(options, *strategy, config, static_cast<double>(rows) / partitions,
                                        replicas_of_unit(*strategy, spread));
    const auto of_gradients = static_cast<std::uint64_t>(2 * others * shared * steps);
    const auto of_statistics = static_cast<std::uint64_t>(replicas * others * told * steps);
    const simulate::Sharing sharing{members, members, hopper::ReduceExchange::Direct, synchronises,
                                    simulate::is_pair(*strategy, spread, first)};
    return simulate::exchange_seconds(strategy->replicas(), sharing, of_gradients, steps, link) +
           simulate::statistics_seconds(members, of_statistics, meetings * steps, link);
  };
  return BlockExchange{seconds, bytes.shared + bytes.statistics};
}

}  // namespace hop::cli
