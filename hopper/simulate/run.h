// An experiment in virtual time: the real coordinator, search and policy, and the real machine of each worker, which
// only waits instead of training. It tells the author of a policy or a search how long a run would take on a cluster.
#pragma once

#include <cstdint>
#include <functional>

#include "hopper/experiment.h"

namespace hop::hopper::simulate {

/// What the members of a group exchange in a unit.
struct UnitExchange {
  double seconds = 0;  ///< beside their passes, from 0 to a year
  double bytes = 0;    ///< that all of them send together
};

struct RunOptions {
  /// How long a model passes over one partition, in seconds, from 0 to a year. A unit takes as long as its passes
  /// together. Default: 1 for all.
  std::function<double(ModelId model, const Config& config)> pass_seconds{};
  /// Of the group of a unit that begins with `first`. Default: nothing for all.
  std::function<UnitExchange(ModelId model, const Config& config, PartitionId first)> exchange{};
  double jitter = 0.05;            ///< each unit takes 1 - jitter .. 1 + jitter times as long: a function of the seed
  double transfer_seconds = 0.05;  ///< of one state between two workers, beside the time of its bytes
  double sync_seconds = 0.002;     ///< of one sync of the journal
  /// The bytes of a model's state. Default: 0 for all.
  std::function<double(ModelId model, const Config& config)> state_bytes{};
  double bytes_per_second = 0;  ///< between two workers; 0: bytes take no time. Hops at the same time share no link
  /// The metrics that the search is told after an epoch; valid_loss and train_loss count. Default: 1 / (1 + epoch).
  std::function<EpochMetrics(ModelId model, const Config& config, Epoch epoch)> metrics{};
  std::uint64_t most_units = 0;  ///< ends the simulation after so many units; 0: when the run is over
};

struct RunReport {
  double makespan_seconds = 0;  ///< virtual time from the start to the last commit
  std::uint64_t units = 0;      ///< trained
  std::uint64_t hops = 0;       ///< moves of models between workers
  double hop_bytes = 0;         ///< of all hops, by RunOptions::state_bytes
  double exchange_bytes = 0;    ///< of the groups of all units, by RunOptions::exchange
  double utilisation = 0;       ///< share of the makespan that workers spent training, without exchanges
  std::uint64_t decisions = 0;  ///< leases granted
  /// Real time of all that the coordinator did, except when workers joined, by decisions.
  double microseconds_per_decision = 0;
  double policy_microseconds = 0;    ///< real time in the policy alone, by decisions
  double wall_seconds = 0;           ///< real time of the simulation
  std::uint64_t peak_rss_bytes = 0;  ///< of this process, so far
};

/// Simulates the run of an experiment: its search, epochs, data.partitions (default 4), strategy, order, policy
/// and workers count, data and model do not. Equal experiments and options give equal virtual times. Throws
/// ConfigError, also for seconds out of their range; RunError if the policy makes an impossible choice, or none; and
/// the exceptions of the search and the policy.
RunReport run(const Experiment& experiment, const RunOptions& options = {});

}  // namespace hop::hopper::simulate
