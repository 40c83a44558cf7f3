#include "hopper/detail/pilot.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "hopper/build_model.h"
#include "hopper/detail/link_speed.h"
#include "hopper/detail/run_checks.h"
#include "hopper/detail/threads_of_a_run.h"
#include "hopper/device.h"
#include "hopper/trainer.h"
#include "kernels/copy.h"
#include "tensor/allocator.h"

namespace hop::hopper {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr Seconds kWarmUp{0.05}, kTimed{0.2};
constexpr int kMostPasses = 16;             // of a partition that is passed over quickly
constexpr std::uint32_t kEpochs = 3;        // described
constexpr std::size_t kMostUnits = 60'000;  // described
constexpr std::uint64_t kLeastPayload = 1 << 20, kMostPayload = 32 << 20;

/// Asks for a stop after some time, unless it dies before.
class StopAfter {
 public:
  explicit StopAfter(Seconds limit)
      : timer_([this, limit](const std::stop_token& end) {
          std::unique_lock lock(mutex_);
          ended_.wait_for(lock, end, limit, [] { return false; });
          if (!end.stop_requested()) stop_.request_stop();
        }) {}
  std::stop_token token() const { return stop_.get_token(); }

 private:
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::stop_source stop_;
  std::jthread timer_;  // the last member: it ends before the others go
};

// Rows trained until the pass or the time is over.
std::uint64_t train_for(Seconds limit, Trainer& trainer, const data::Partition& partition) {
  std::atomic<std::uint64_t> rows = 0;
  const StopAfter stop(limit);
  try {
    trainer.train(partition, Epoch{0}, PartitionId{0}, stop.token(), &rows);
  } catch (const TrainingStopped&) {
  }
  static_cast<void>(kernels::to_device(trainer.state().counters_tensor(), Device::cpu()));  // waits for the device
  return rows;
}

double seconds_per_row(Trainer& trainer, const data::Partition& partition) {
  train_for(kWarmUp, trainer, partition);  // records the steps
  const Stopwatch watch;
  std::uint64_t rows = 0;
  for (int pass = 0; pass < kMostPasses && watch.seconds() < kTimed.count() / 2; ++pass) {
    rows += train_for(kTimed, trainer, partition);
  }
  if (rows == 0) {  // a step is longer than all that
    trainer.train(partition, Epoch{0}, PartitionId{0});
    rows = static_cast<std::uint64_t>(partition.rows());
  }
  return watch.seconds() / static_cast<double>(std::max<std::uint64_t>(rows, 1));
}

double gradient_bytes(const nn::Module& module) {
  std::size_t bytes = 0;
  for (const Tensor& parameter : module.parameters()) {
    if (!parameter.requires_grad()) continue;
    bytes += align_up(static_cast<std::size_t>(parameter.numel()) * size_of(parameter.dtype()));
  }
  return static_cast<double>(bytes);
}

simulate::JobModels measure(const Experiment& experiment, const ModelConfig& model, const data::Dataset& dataset,
                            Device device) {
  Trainer trainer(experiment, model.id, model.config, dataset, device);
  trainer.initialize();
  simulate::JobModels kind;
  kind.weight_bytes = gradient_bytes(trainer.module());
  kind.state_bytes = static_cast<double>(trainer.state().layout().bytes);
  const AverageState slots = experiment.run.replicas.average_state.value_or(AverageState::Average);
  const double weights = kind.weight_bytes * (experiment.model.averages_weights() ? 2 : 1);
  kind.average_bytes = slots == AverageState::Average ? kind.state_bytes : weights;  // nearly
  const data::Partition partition = dataset.partition(PartitionId{0}, data::Verify::no);
  kind.epoch_seconds = seconds_per_row(trainer, partition) * static_cast<double>(dataset.rows());
  return kind;
}

// By architecture. A model that cannot be trained is left out: the run sets it aside.
std::map<std::string, simulate::JobModels> measure_kinds(const Experiment& experiment,
                                                         std::span<const ModelConfig> models,
                                                         const data::Dataset& dataset, Device device) {
  std::map<std::string, simulate::JobModels> kinds;
  std::set<std::string> tried;
  std::exception_ptr last;
  for (const ModelConfig& model : models) {
    const std::string key = architecture_key(experiment, model.id, model.config);
    if (tried.size() == kTimedArchitectures) break;
    if (!tried.insert(key).second) continue;
    try {
      kinds.emplace(key, measure(experiment, model, dataset, device));
    } catch (const Error&) {
      last = std::current_exception();
    }
  }
  if (kinds.empty() && last) std::rethrow_exception(last);
  return kinds;
}

simulate::JobModels mean_of(const std::map<std::string, simulate::JobModels>& kinds) {
  simulate::JobModels mean{.epoch_seconds = 0};
  const auto count = static_cast<double>(kinds.size());
  for (const auto& [key, kind] : kinds) {
    mean.epoch_seconds += kind.epoch_seconds / count;
    mean.weight_bytes += kind.weight_bytes / count;
    mean.state_bytes += kind.state_bytes / count;
    mean.average_bytes += kind.average_bytes / count;
  }
  return mean;
}

// Of one replica.
double replica_batch(const Experiment& experiment, const Config& config, std::uint32_t partitions) {
  const bool is_global = experiment.run.replicas.batch.value_or(BatchRows::PerReplica) == BatchRows::Global;
  return std::max(1.0, static_cast<double>(batch_size(config)) / (is_global ? partitions : 1));
}

// So few models that their simulation takes no longer than a person waits. Whole rounds of the workers are kept.
std::size_t described_models(std::size_t models, const simulate::Job& job) {
  const std::size_t affordable = kMostUnits / (std::size_t{job.epochs} * job.partitions);
  const std::size_t rounds = std::max<std::size_t>(affordable / job.workers, 2);
  return models <= rounds * job.workers ? models : rounds * job.workers;
}

std::uint64_t payload_of(const simulate::Job& job) {
  double most = 0;
  for (const simulate::JobModels& kind : job.models) most = std::max(most, kind.state_bytes);
  return std::clamp(static_cast<std::uint64_t>(most), kLeastPayload, kMostPayload);
}

}  // namespace

simulate::Job measure_job(const Experiment& experiment, const data::Dataset& dataset, const RunOptions& options) {
  const ThreadsOfARun threads(experiment.run.threads_per_worker);
  const std::vector<std::string> given =
      options.hosting == Hosting::Threads ? options.devices : std::vector<std::string>();
  const Device device =
      resolve_device(device_words(given, experiment.run.device, experiment.run.workers).front(), WorkerId(0));
  simulate::Job job;
  job.rows = std::max(1.0, static_cast<double>(dataset.rows()));
  for (const data::PartitionEntry& partition : dataset.manifest().partitions) {
    job.data_bytes += static_cast<double>(partition.bytes);
  }
  job.epochs = std::min(experiment.search.epochs, kEpochs);
  job.workers = experiment.run.workers;
  job.partitions = dataset.partition_count();
  job.order = experiment.run.order;
  job.seed = experiment.seed;
  job.average_every = experiment.run.replicas.average_every.value_or(0);
  job.servers = experiment.run.replicas.servers.value_or(1);

  std::vector<ModelConfig> models = first_models(experiment, dataset);
  models.resize(described_models(models.size(), job));
  const std::map<std::string, simulate::JobModels> kinds = measure_kinds(experiment, models, dataset, device);
  const simulate::JobModels mean = mean_of(kinds);
  for (std::size_t i = 0; i < models.size(); ++i) {
    const auto kind = kinds.find(architecture_key(experiment, models[i].id, models[i].config));
    job.models.push_back(kind != kinds.end() ? kind->second : mean);
    job.models.back().batch = replica_batch(experiment, models[i].config, job.partitions);
  }
  memory::empty_cache(device);  // the workers may be other processes
  job.network = measure_link(options.hosting, experiment.run.transport, payload_of(job));
  return job;
}

}  // namespace hop::hopper
