// A job that is known by its sizes alone: how long it would take with each strategy, what would be sent, read and
// stored. For clusters and models that are not here, such as those of a paper (docs/papers.md).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hopper/simulate/link.h"
#include "hopper/strategy/strategy.h"

namespace hop::hopper::simulate {

/// Models of one kind.
struct JobModels {
  std::string name{};
  std::uint32_t count = 1;
  double epoch_seconds = 1;  ///< one worker, all rows
  double batch = 32;         ///< rows of a batch; of each replica
  double weight_bytes = 0;   ///< what replicas share in a step
  double state_bytes = 0;    ///< what hops: weights and the optimizer's slots
  double average_bytes = 0;  ///< what replicas share in an average; 0: weight_bytes
};

struct Job {
  double rows = 1;
  double data_bytes = 0;  ///< of all partitions together
  std::uint32_t epochs = 1;
  std::uint32_t workers = 1;
  std::uint32_t partitions = 0;   ///< 0: one for each worker
  std::uint32_t replication = 1;  ///< nodes that store a partition, where a system does not say it itself
  Order order = Order::Fixed;     ///< of hopping; `Free`: the policy picks partitions, too
  Link network{1.25e9, 1e-4};
  double overlap = 0;               ///< share of the computation behind which an exchange of replicas is hidden, 0 to 1
  double jitter = 0;                ///< as RunOptions::jitter
  std::uint32_t average_every = 0;  ///< steps between two averages; 0: once per epoch
  std::uint32_t servers = 1;        ///< of parameter_server: the workers that add up gradients
  std::uint64_t seed = 1;
  std::vector<JobModels> models{};  ///< a task queue takes them in this order

  /// Throws ConfigError, which names the key of the [job] table.
  void check() const;
};

/// A way to run a job: a strategy, and how its data and bytes travel.
struct JobSystem {
  std::string_view name{};
  std::string_view strategy{};       ///< the value of `run.strategy`
  bool reads_remotely = false;       ///< what is not on the worker's node is read over the network in each epoch
  bool sends_while_it_gets = false;  ///< the server's link carries both directions at the same time
  std::string_view doc{};            ///< one line
  ReduceExchange exchange = ReduceExchange::Direct;  ///< of gradients
  bool has_server_apart = false;  ///< the server is no worker: each worker sends all gradients and gets all weights
};

/// All systems, in the order of the documentation.
std::span<const JobSystem> job_systems();
/// Throws ConfigError that names the nearest one.
const JobSystem& find_job_system(std::string_view name);

/// Bytes are payload, counted once, of all workers together.
struct JobReport {
  double seconds = 0;         ///< from the first unit to the last; copying data before it is not in it
  double idle_share = 0;      ///< of the workers' time: waiting and exchange
  std::uint64_t hops = 0;     ///< moves of models between workers
  double hop_bytes = 0;       ///< their states
  double collect_bytes = 0;   ///< the final states
  double gradient_bytes = 0;  ///< what replicas share
  double copied_bytes = 0;    ///< data, before the run
  double read_bytes = 0;      ///< data from other nodes, during the run
  double stored_bytes = 0;    ///< data on all nodes
  double worker_bytes = 0;    ///< data, states and gradients of one worker, beside activations
};

/// Models that hop, or stay, are simulated: their policy, workers and network queue as in a run. Replicas go by
/// formula: the models one after the other, each on all workers. `policy`: empty for the strategy's own. Throws
/// ConfigError.
JobReport run_job(const Job& job, const JobSystem& system, const std::string& policy = "");

}  // namespace hop::hopper::simulate
