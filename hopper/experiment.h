// An experiment: the data, the model, the search and how to run them. Built in code, or read from a TOML file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/prepare.h"
#include "hopper/config.h"
#include "hopper/name_or.h"
#include "hopper/records.h"
#include "hopper/schedule/itinerary.h"
#include "hopper/schedule/policies.h"
#include "hopper/search/methods.h"
#include "hopper/search/objective.h"
#include "hopper/search/space.h"
#include "hopper/search/stop_rules.h"
#include "hopper/strategy/group_wire.h"
#include "hopper/strategy/strategies.h"
#include "nn/loss.h"
#include "nn/metric.h"
#include "nn/module.h"
#include "nn/optim/lr_scheduler.h"
#include "nn/optim/optimizer.h"

namespace hop::hopper {

/// The data that a model is built for.
struct ModelInput {
  Shape sample{};                     ///< of one row's features: (1, 28, 28)
  std::int64_t classes = 0;           ///< outputs: one per class, or one per number to predict
  std::vector<std::int64_t> words{};  ///< data::Input::words: the last features are indices, for nn::CategoryEmbedding
};

/// Builds the architecture of one configuration, with any weights: they are initialised afterwards, by name.
/// Called by several threads.
using ModelBuilder = std::function<std::shared_ptr<nn::Module>(const Config& config, const ModelInput& input)>;

/// Makes the optimizer of one configuration, for the parameters of its module. Called by several threads. A learning
/// rate schedule starts from the rate that the optimizer is made with, and sets the rate of each step.
using OptimizerMaker =
    std::function<std::unique_ptr<optim::Optimizer>(const Config& config, const optim::ParameterList& parameters)>;

/// Whether this is the accuracy, which has a place of its own in all results (valid_accuracy). The others are a list.
inline bool is_accuracy(const NameOr<nn::Metric>& metric) { return metric.name() == "accuracy"; }

/// Exactly one of `family`, `layers` and `builder`.
struct ModelOptions {
  std::string family{};               ///< a registered builder: "mlp", "resnet18"
  std::vector<std::string> layers{};  ///< a spec, such as "conv2d $width 3 padding=1"
  ModelBuilder builder{};             ///< of the application; in-process runs only
  bool capture_builder = false;       ///< the builder's modules compute with operations alone, so steps may be captured
  /// A name of nn::losses(), or a function (output, target) -> mean loss (), which computes with operations alone. The
  /// target is that of data::Batch::y; the function sees numbers as they stand in the file.
  NameOr<nn::Loss> loss = "cross_entropy";
  /// Names of nn::metrics(), or metrics of the application. Measured on the validation set.
  std::vector<NameOr<nn::Metric>> metrics = {"accuracy"};
  /// A name of optim::optimizers(), or a maker of the application. Empty: the hyperparameter `optimizer` names one.
  NameOr<OptimizerMaker> optimizer{};
  /// Above 0: models train on mixtures of rows, with shares from Beta(mixup, mixup): nn::Mixup. At most nn::kMostMixup.
  double mixup = 0;
  /// Above 0: the decay of an exponential moving average of the weights (optim::WeightAverage), below 1. It is updated
  /// after each step and belongs to the state. Validation and loaded models have the averages as weights.
  double ema = 0;
  /// Above 0: an equal average of the weights (optim::WeightAverage without a decay) takes in those at the end of each
  /// epoch from this one on, counted from 1. It belongs to the state. Once it has taken in weights, validation and
  /// loaded models have the averages as weights. Excludes ema.
  std::uint32_t swa_start = 0;
  /// With: from epoch swa_start on the learning rate anneals to this one, as optim::SWALR, from the rate that the
  /// schedule has at the first step of that epoch. Empty: the schedule goes on. Needs swa_start.
  std::optional<double> swa_lr{};
  std::optional<std::uint32_t> swa_anneal_epochs{};  ///< empty: as optim::SWALR::anneal_epochs; needs swa_lr
  std::optional<optim::Annealing> swa_anneal{};      ///< empty: as optim::SWALR::anneal; needs swa_lr

  bool averages_weights() const { return ema > 0 || swa_start > 0; }
  /// Whether the loss is scaled before the backward pass (optim::GradScaler with its defaults): for precision = "f16".
  /// The scale belongs to the state. An exchange of gradients gets the scaled ones.
  bool grad_scaler = false;
};

/// The names of the metrics beside the accuracy, in the order of `own` in all results.
std::vector<std::string> own_metric_names(const ModelOptions& model);

struct SearchOptions {
  std::string method = "grid";  ///< a name of methods(); without a meaning where `make` is given
  SearchMaker make{};           ///< a search of the application
  std::uint32_t epochs = 1;
  std::vector<std::string> stop{};       ///< names of stop_rules(): early stopping beside any method
  Config settings{};                     ///< the keys of method and rules: {{"samples", std::int64_t{24}}}
  std::optional<Objective> objective{};  ///< empty: see Experiment::objective()
  /// Which state of a model is its answer. `Best`: the state of its best epoch by the objective is kept beside the
  /// last one, and its metrics rank the model. Each better state is copied to the run directory before the model
  /// trains on.
  StateFile keep = StateFile::Last;
  Space space{};
};

/// How the processes of one machine talk.
enum class LocalTransport : std::uint8_t { Unix, Tcp };

/// What `batch_size` counts where a model has replicas.
enum class BatchRows : std::uint8_t {
  PerReplica,  ///< the rows of each replica's batch
  Global,      ///< the rows of all replicas' batches together
};
/// By how much replicas multiply the learning rate: by 1, by the number of partitions, or by its square root.
enum class LrScale : std::uint8_t { None, Linear, Sqrt };
/// Whose rows normalise those of a replica in BatchNorm layers, where replicas share gradients.
enum class BatchNormStatistics : std::uint8_t {
  Replica,       ///< its own ones
  Synchronised,  ///< those of all replicas of the step, as torch.nn.SyncBatchNorm; on the CPU
};
/// What becomes of the optimizer's slots (momentum, moments) when weights are averaged.
enum class AverageState : std::uint8_t {
  Average,  ///< they are averaged, too
  Keep,     ///< each replica keeps its own; at the end of an epoch they are averaged, because a state has room for one
  Reset,    ///< they begin anew: slots are zero, and the optimizer counts its steps from 0
};

/// When a parameter server applies gradients.
enum class ServerMode : std::uint8_t {
  Sync,   ///< those of a step together, as their mean
  Async,  ///< each one when it comes: Replicas::PushGradients
};

/// How a worker of "task_parallel" comes to the rows of other nodes, if each node has its own ones alone at first: the
/// block of partitions that it would own with "hopping". They come over the network, a partition at a time, while the
/// pass before trains.
enum class TaskData : std::uint8_t {
  Replicate,  ///< each partition comes once, and stays on the node's disk
  Remote,     ///< each pass fetches its partition anew
  Cache,      ///< as Remote, but the first ones that have room in RunSettings::task_cache_bytes stay in memory
};

/// For strategies with replicas (Strategy::replicas); others do not read them. What is empty was not said.
struct ReplicaOptions {
  std::optional<BatchRows> batch{};                ///< empty: PerReplica
  std::optional<LrScale> lr_scale{};               ///< empty: None
  std::optional<BatchNormStatistics> batchnorm{};  ///< empty: Replica
  std::optional<std::uint32_t> group{};            ///< with "hopping": partitions that train a model together; empty: 1
  /// How groups share gradients; empty: Direct. With others the bits depend on the number of workers.
  std::optional<ReduceExchange> reduce_exchange{};
  std::optional<ServerMode> mode{};        ///< of a parameter server; empty: Sync
  std::optional<std::uint32_t> servers{};  ///< of a parameter server, from 1; empty: one
  /// At a parameter server. Sync: how many steps late gradients are applied; empty: 0. Async: how many batches a
  /// replica may be ahead of the slowest one; empty: any number.
  std::optional<std::uint32_t> staleness{};
  std::optional<std::uint32_t> average_every{};  ///< steps, from 1; empty: once per epoch
  /// With "averaging": how often a replica passes over its partition before the next average, from 1. An epoch of the
  /// search is that many passes. Empty: 1. Excludes average_every.
  std::optional<std::uint32_t> average_passes{};
  std::optional<AverageState> average_state{};  ///< empty: Average
};

struct RunSettings {
  /// How the models and the partitions meet: a name of strategies(), or a maker of the application. kAuto: the run
  /// chooses before its first lease.
  NameOr<StrategyMaker> strategy = "hopping";
  /// With kAuto: the names of strategies() among which the run chooses, the first ones preferred. Empty: hopping and
  /// task_parallel, whose models have the same bits.
  std::vector<std::string> choose_from{};
  /// In a run directory: why the run chose its strategy. run() forgets what stands here before.
  std::string strategy_choice{};
  ReplicaOptions replicas{};
  std::optional<TaskData> task_data{};  ///< with "task_parallel"; empty: each node has all rows from the start
  std::uint64_t task_cache_bytes = 0;   ///< with TaskData::Cache: memory of each worker for rows of other nodes
  Order order = Order::Fixed;           ///< the facts that decide the bits
  /// Decides who goes where next: a name of policies(), or a maker. Empty: the default_policy() of the strategy.
  NameOr<PolicyMaker> policy{};
  std::uint32_t workers = 2;
  /// Workers of a run of processes that begin in one process. On a device they compute side by side.
  std::uint32_t workers_per_process = 1;
  std::uint32_t threads_per_worker = 1;  ///< part of the experiment: bits depend on it
  std::string device = "auto";           ///< auto, cpu, cuda or cuda:N: see resolve_device
  bool durable = true;                   ///< false: states live in memory only, for measurements
  bool capture = true;                   ///< record each training step once and replay it; the bits are the same
  std::string precision =
      "strict";  ///< of f32 products: strict, tf32, bf16 or f16 (kernels/precision.h); bits depend on it
  LocalTransport transport = LocalTransport::Unix;
  /// Places of each model's newest state, 1 or 2. None: 2 where workers are of other machines; 1 where they are of this
  /// one, because they share its disk.
  std::optional<std::uint32_t> copies{};
  std::optional<double> patience{};  ///< seconds that a worker may stand still, at least (RunOptions::patience)
};

/// The patience in seconds if nothing names it, and its smallest and largest values.
inline constexpr double kDefaultPatience = 60, kShortestPatience = 1, kLongestPatience = 1e6;

/// A value. With `order` fixed, the final weights are a function of it alone.
///
/// Objects of the application (builder, loss, metrics, optimizer, search, policy, strategy, rows) make a run that only
/// the application can go on with: experiment.toml says "own code" for them. Worker processes can train such an
/// experiment only if builder, loss, metrics, optimizer and strategy are names.
struct Experiment {
  std::string name = "experiment";
  std::uint64_t seed = 0;
  data::DataOptions data{};
  ModelOptions model{};
  SearchOptions search{};
  RunSettings run{};

  /// Throws ConfigError that names the key for values that no run can have: no model, an unknown loss, strategy or
  /// device, workers = 0.
  void check() const;

  /// The objective that ranks the models: search.objective, or else the first metric in its direction, or else the loss
  /// on the validation set.
  Objective objective() const;
};

/// Throws ConfigError, which begins with `where`, for a patience out of its range.
void check_patience(const std::string& where, double seconds);

/// RunSettings::task_data, if the strategy reads it.
std::optional<TaskData> task_data_of(const Experiment& experiment);
/// The strategy that the experiment names or brings, with its group and its mode. Throws as make_strategy().
std::shared_ptr<const Strategy> strategy_of(const Experiment& experiment);
/// The same, and Strategy::check for the experiment's order and policy.
std::shared_ptr<const Strategy> checked_strategy(const Experiment& experiment);

/// Reads an experiment file. `origin` names it in errors. `overrides` are `key=value` pairs such as `search.epochs=3`,
/// which replace values of the file. Throws ConfigError `file:line: [section] key ...`; for an unknown key it names the
/// nearest valid one. `builder` builds the models if they are the application's code, which a file cannot contain.
Experiment parse_experiment(std::string_view toml, std::string_view origin, std::span<const std::string> overrides = {},
                            ModelBuilder builder = {});
Experiment load_experiment(const std::string& path, std::span<const std::string> overrides = {});

/// `experiment`, with the objects of `own` (builder, loss, metrics, optimizer, search, policy, strategy, rows) where
/// its file says "own code".
Experiment with_objects_of(Experiment experiment, const Experiment& own);
/// True if the search was an object of the application and is missing. The journal has the requests and orders of such
/// a search so far.
bool is_search_missing(const Experiment& experiment);
enum class Require : std::uint8_t { All, AllButSearch };
/// Throws ConfigError for the first key whose object is missing.
void require_objects(const Experiment& experiment, Require which = Require::All);

/// The experiment as TOML that parses to an equal experiment; a run directory keeps this text. A builder is not text
/// and is left out. Other objects are written as "own code".
std::string to_toml(const Experiment& experiment);

}  // namespace hop::hopper
