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

// The whole epochs of all models, each once. What else was trained has no rounds that a formula knows: an epoch that
// the end of the run or a lost loss cut off, and units that were trained again.
struct Epochs {
  double rounds = 0, seconds = 0;
  std::uint64_t shared_bytes = 0, statistics_bytes = 0, statistics_rounds = 0;
};

Epochs epochs_of(const hopper::Results& measured, const hopper::ReplicaOptions& options,
                 const hopper::Strategy& strategy, const hopper::Spread& spread) {
  const std::uint32_t units = strategy.units_per_epoch(spread);
  const double replicas = replicas_of_unit(strategy, spread);
  Epochs all;
  for (const hopper::ModelResult& model : measured.models) {
    for (std::size_t i = model.inherited / units; i < model.curve.size(); ++i) {
      const hopper::EpochMetrics& epoch = model.curve[i];
      const double rows = static_cast<double>(epoch.rows) / spread.partitions;
      all.rounds += units * rounds_of_unit(options, strategy, model.config, rows, replicas);
      all.seconds += epoch.seconds;
      all.shared_bytes += epoch.shared_bytes;
      all.statistics_bytes += epoch.statistics_bytes;
      all.statistics_rounds += epoch.statistics_rounds;
    }
  }
  return all;
}

bool is_measured(const hopper::Results& measured, const hopper::Experiment& experiment,
                 const hopper::Strategy& strategy, std::uint32_t partitions) {
  return experiment.run.strategy.name() == measured.strategy && partitions == measured.partitions &&
         hopper::group_of(strategy) == measured.group &&
         hopper::passes_of_an_epoch(experiment) == measured.passes_of_an_epoch;
}

bool is_synchronised(const hopper::Results& measured, const hopper::Experiment& experiment) {
  return hopper::synchronises_batchnorm(experiment) && measured.statistics_bytes > 0;
}

}  // namespace

// A run of before groups sent nothing.
bool had_groups(const hopper::Results& measured) { return measured.network.gradient > 0; }

std::optional<GroupTime> group_time(const hopper::Results& measured, const hopper::Experiment& experiment,
                                    std::uint32_t partitions, const simulate::Link& link) {
  const auto strategy = hopper::strategy_of(experiment);
  const auto* replicated = dynamic_cast<const hopper::DataParallel*>(strategy.get());
  if (replicated == nullptr || !is_measured(measured, experiment, *strategy, partitions)) return std::nullopt;

  const hopper::Spread spread{partitions, experiment.run.workers};
  const hopper::ReplicaOptions& options = experiment.run.replicas;
  const std::uint32_t members = std::min(experiment.run.workers, partitions);
  const double replicas = std::ceil(partitions / static_cast<double>(members));
  const Epochs epochs = epochs_of(measured, options, *strategy, spread);
  if (epochs.rounds == 0) return std::nullopt;
  GroupTime time;
  time.is_exchange_measured = had_groups(measured);
  const double of_one = (time.is_exchange_measured ? measured.busiest_share : 1) * partitions;

  const simulate::Sharing sharing{members, replicated->servers(members, options.servers),
                                  replicated->exchange(options.reduce_exchange), is_synchronised(measured, experiment),
                                  simulate::is_pair(*strategy, spread, PartitionId(0))};
  const std::uint64_t shared = strategy->predicted_bytes(spread, epochs.shared_bytes);
  const std::uint64_t statistics =
      sharing.is_synchronised ? strategy->predicted_statistics_bytes(spread, epochs.statistics_bytes) : 0;
  const auto meetings = static_cast<double>(epochs.statistics_rounds);
  time.bytes = shared + statistics;
  time.exchange_seconds = simulate::exchange_seconds(strategy->replicas(), sharing, shared, epochs.rounds, link) +
                          simulate::statistics_seconds(members, statistics, meetings, link);
  time.seconds = epochs.seconds / of_one * replicas + (time.is_exchange_measured ? 0 : time.exchange_seconds);
  return time;
}

std::optional<BlockExchange> block_exchange(const hopper::Results& measured, const hopper::Experiment& experiment,
                                            std::uint32_t partitions, const simulate::Link& link) {
  const auto strategy = std::dynamic_pointer_cast<const hopper::GroupHopping>(hopper::strategy_of(experiment));
  if (strategy == nullptr || !is_measured(measured, experiment, *strategy, partitions)) return std::nullopt;
  const hopper::Spread spread{partitions, experiment.run.workers};
  const hopper::ReplicaOptions options = experiment.run.replicas;
  const Epochs epochs = epochs_of(measured, options, *strategy, spread);
  const double rounds = epochs.rounds;
  if (rounds == 0) return std::nullopt;

  const bool synchronises = is_synchronised(measured, experiment);
  const double shared = static_cast<double>(epochs.shared_bytes) / rounds;         // in a step, by each replica
  const double meeting = rounds * share_with_several_replicas(*strategy, spread);  // the steps with statistics
  const double told = synchronises ? static_cast<double>(epochs.statistics_bytes) / meeting : 0;
  const double meetings = synchronises ? static_cast<double>(epochs.statistics_rounds) / meeting : 0;
  std::uint64_t rows = 0;  // of the data set: an epoch may have ended before its last row
  for (const hopper::ModelResult& model : measured.models) {
    for (const hopper::EpochMetrics& epoch : model.curve) rows = std::max(rows, epoch.rows);
  }
  return [=](const hopper::Config& config, PartitionId first) -> simulate::UnitExchange {
    const auto members = static_cast<std::uint32_t>(strategy->members(spread, first).size());
    if (members == 0) return {};
    const double others = members - 1, replicas = static_cast<double>(strategy->passes(spread, first).size());
    const double steps = rounds_of_unit(options, *strategy, config, static_cast<double>(rows) / partitions,
                                        replicas_of_unit(*strategy, spread));
    const double gradients = 2 * others * shared * steps, statistics = replicas * others * told * steps;
    const auto of_gradients = static_cast<std::uint64_t>(gradients);
    const auto of_statistics = static_cast<std::uint64_t>(statistics);
    const simulate::Sharing sharing{members, members, hopper::ReduceExchange::Direct, synchronises,
                                    simulate::is_pair(*strategy, spread, first)};
    return {simulate::exchange_seconds(strategy->replicas(), sharing, of_gradients, steps, link) +
                simulate::statistics_seconds(members, of_statistics, meetings * steps, link),
            gradients + statistics};
  };
}

GroupTime block_time(const hopper::Results& measured, const simulate::RunReport& without,
                     const simulate::RunReport& with) {
  GroupTime time;
  time.is_exchange_measured = had_groups(measured);
  time.seconds = time.is_exchange_measured ? without.makespan_seconds : with.makespan_seconds;
  // Longer units may meet a better order.
  time.exchange_seconds = std::max(0.0, with.makespan_seconds - without.makespan_seconds);
  time.bytes = static_cast<std::uint64_t>(std::llround(with.exchange_bytes));
  return time;
}

}  // namespace hop::cli
