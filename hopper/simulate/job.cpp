#include "hopper/simulate/job.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/table.h"
#include "base/words.h"
#include "hopper/simulate/run.h"
#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/strategies.h"

namespace hop::hopper::simulate {
namespace {

constexpr std::array kSystems = {
    JobSystem{"hopping", "hopping", false, false, "Models hop; each worker has its own part of the data."},
    JobSystem{"task_parallel", "task_parallel", false, false, "Models stay; each worker has all data."},
    JobSystem{"remote_reads", "task_parallel", true, false, "Models stay; data of other nodes is read in each epoch."},
    JobSystem{"allreduce", "allreduce", false, false, "Replicas share their gradients in each step."},
    JobSystem{"ring", "allreduce", false, false, "As allreduce, from neighbour to neighbour, as Horovod does.",
              ReduceExchange::Ring},
    JobSystem{"halving_doubling", "allreduce", false, false,
              "As allreduce, in pairs at distances of 1, 2, 4 and so on, as MPI libraries do.",
              ReduceExchange::HalvingDoubling},
    JobSystem{"averaging", "averaging", false, false,
              "Replicas take the mean of their weights at the end of an epoch."},
    JobSystem{"parameter_server", "parameter_server", false, false,
              "Some of the workers add up all gradients of a step, and send the mean."},
    JobSystem{"server_apart", "parameter_server", false, false,
              "A server beside the workers gets all gradients of a step, then sends all weights.",
              ReduceExchange::Direct, true},
    JobSystem{"async_server", "parameter_server", false, true,
              "A server beside the workers gets gradients and sends weights at the same time; nobody waits for others.",
              ReduceExchange::Direct, true},
};

// The most that a job may have of anything: its formulas and the simulator stay exact.
constexpr double kMost = 1e15;

void expect_number(const std::string& key, double number, double least, double most) {
  if (number >= least && number <= most) return;
  throw ConfigError("[job] " + key + ": expected " + shortest(least) + " to " + shortest(most) + ", got " +
                    shortest(number));
}

std::uint32_t partitions_of(const Job& job) { return job.partitions == 0 ? job.workers : job.partitions; }
std::uint32_t members_of(const Job& job) { return std::min(job.workers, partitions_of(job)); }

// Of all models, how much something is.
template <class Of>
double sum(const Job& job, const Of& of) {
  double total = 0;
  for (const JobModels& models : job.models) total += models.count * of(models);
  return total;
}

double largest(const Job& job, double JobModels::*member) {
  double most = 0;
  for (const JobModels& models : job.models) most = std::max(most, models.*member);
  return most;
}

// Bytes that a model of a task queue reads from other nodes in an epoch.
double remote_bytes(const Job& job) {
  return job.data_bytes * (1 - std::min(1.0, static_cast<double>(job.replication) / job.workers));
}

// ---- models that hop or stay: simulated

JobReport simulated(const Job& job, const JobSystem& system, const std::string& policy) {
  Experiment experiment;
  experiment.name = "job";
  experiment.seed = job.seed;
  experiment.data.partitions = partitions_of(job);
  experiment.search.epochs = job.epochs;
  experiment.run.strategy = std::string(system.strategy);
  if (!policy.empty()) experiment.run.policy = policy;
  if (system.strategy == "hopping") experiment.run.order = job.order;
  experiment.run.workers = job.workers;
  std::vector<const JobModels*> kinds;  // by model
  Choices numbers;
  for (const JobModels& models : job.models) {
    for (std::uint32_t i = 0; i < models.count; ++i) {
      numbers.emplace_back(static_cast<std::int64_t>(kinds.size()));
      kinds.push_back(&models);
    }
  }
  experiment.search.space = {{"model", numbers}};

  const double read_seconds = system.reads_remotely ? remote_bytes(job) / job.network.bytes_per_second : 0;
  RunOptions options;
  options.jitter = job.jitter;
  options.transfer_seconds = job.network.latency_seconds;
  options.bytes_per_second = job.network.bytes_per_second;
  options.sync_seconds = 0;
  options.state_bytes = [&](ModelId model, const Config&) { return kinds[model.index()]->state_bytes; };
  options.pass_seconds = [&](ModelId model, const Config&) {
    return std::max(kinds[model.index()]->epoch_seconds, read_seconds) / partitions_of(job);
  };
  const RunReport report = run(experiment, options);
  JobReport answer;
  answer.seconds = report.makespan_seconds;
  answer.hops = report.hops;
  answer.hop_bytes = report.hop_bytes;
  answer.read_bytes =
      system.reads_remotely ? sum(job, [&](const JobModels&) { return job.epochs * remote_bytes(job); }) : 0;
  return answer;
}

// ---- replicas: by formula

JobReport by_formula(const Job& job, const JobSystem& system, const DataParallel& strategy) {
  const std::uint32_t partitions = partitions_of(job), members = members_of(job);
  const double share = std::ceil(static_cast<double>(partitions) / members) / partitions;  // of the busiest worker
  JobReport answer;
  for (const JobModels& models : job.models) {
    const double steps = std::ceil(std::ceil(job.rows / partitions) / models.batch);
    double rounds = steps, at_once = models.weight_bytes;
    if (strategy.replicas() == Replicas::ShareWeights) {
      rounds = job.average_every == 0 ? 1 : std::ceil(steps / job.average_every);
      if (models.average_bytes > 0) at_once = models.average_bytes;
    }
    expect_number("models: bytes that replicas share in an epoch", rounds * at_once, 0, kMost);
    const auto shared = static_cast<std::uint64_t>(std::llround(rounds * at_once));
    const std::uint64_t bytes =
        system.has_server_apart ? 2 * shared * members : strategy.predicted_bytes({partitions, job.workers}, shared);
    const std::uint32_t servers = system.has_server_apart ? 1 : job.servers;
    const double compute = models.epoch_seconds * share;
    const Sharing sharing{.members = members,
                          .servers = strategy.servers(members, servers),
                          .exchange = system.exchange,
                          .is_pair = is_pair(strategy, {partitions, job.workers}, PartitionId(0))};
    const double all = exchange_seconds(strategy.replicas(), sharing, bytes, rounds, job.network);
    const double exchange = std::max(0.0, (system.sends_while_it_gets ? all / 2 : all) - job.overlap * compute);
    const double epochs = static_cast<double>(models.count) * job.epochs;
    answer.seconds += epochs * (compute + exchange);
    answer.gradient_bytes += epochs * static_cast<double>(bytes);
  }
  return answer;
}

// What of the data is where. Nothing here depends on time.
void add_places(const Job& job, const JobSystem& system, JobReport& answer) {
  const bool replicates = find_strategy(system.strategy).make()->replicas() != Replicas::None;
  const double workers = job.workers, state = largest(job, &JobModels::state_bytes),
               weights = largest(job, &JobModels::weight_bytes);
  const bool has_all = system.strategy == "task_parallel" && !system.reads_remotely;
  const double copies = has_all ? workers : std::min<double>(job.replication, workers);
  answer.copied_bytes = (copies - 1) * job.data_bytes;
  answer.stored_bytes = copies * job.data_bytes;
  const double data = answer.stored_bytes / workers;
  if (!replicates) {
    answer.worker_bytes = data + 3 * state + weights;  // a state arrives, one trains, one leaves
  } else if (system.has_server_apart) {
    answer.worker_bytes = data + 2 * weights;  // the server has the optimizer
  } else {
    answer.worker_bytes = data + state + (system.strategy == "averaging" ? 1 : 2) * weights;
  }
}

}  // namespace

void Job::check() const {
  expect_number("rows", rows, 1, kMost);
  expect_number("data_bytes", data_bytes, 0, 1e18);
  expect_number("epochs", epochs, 1, 1e6);
  expect_number("workers", workers, 1, 1e5);
  expect_number("partitions", partitions_of(*this), 1, 1e5);
  expect_number("replication", replication, 1, workers);
  expect_number("overlap", overlap, 0, 1);
  expect_number("jitter", jitter, 0, 1);
  expect_number("network: bytes a second", network.bytes_per_second, 1, kMost);
  if (models.empty()) throw ConfigError("[job] models: expected at least one [[job.models]], got none");
  for (const JobModels& kind : models) {
    expect_number("models: count", kind.count, 1, 1e6);
    expect_number("models: epoch_seconds", kind.epoch_seconds, 0, 3e7);
    expect_number("models: batch", kind.batch, 1, kMost);
    expect_number("models: weight_bytes", kind.weight_bytes, 0, 1e12);
    expect_number("models: state_bytes", kind.state_bytes, 0, 1e12);
    expect_number("models: average_bytes", kind.average_bytes, 0, 1e12);
  }
}

std::span<const JobSystem> job_systems() { return kSystems; }

const JobSystem& find_job_system(std::string_view name) { return find_row(job_systems(), name, "[job] strategy"); }

JobReport run_job(const Job& job, const JobSystem& system, const std::string& policy) {
  job.check();
  const auto strategy = find_strategy(system.strategy).make();
  const auto* replicated = dynamic_cast<const DataParallel*>(strategy.get());
  JobReport answer = replicated != nullptr ? by_formula(job, system, *replicated) : simulated(job, system, policy);
  answer.collect_bytes = sum(job, [](const JobModels& models) { return models.state_bytes; });
  const double trained = sum(job, [&](const JobModels& models) { return models.epoch_seconds * job.epochs; });
  const double capacity = answer.seconds * job.workers;
  answer.idle_share = capacity > 0 ? std::max(0.0, 1 - trained / capacity) : 0;
  add_places(job, system, answer);
  return answer;
}

}  // namespace hop::hopper::simulate
