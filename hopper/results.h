// The results of a run: the contents of results.json, and the leaderboard.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hopper/events.h"
#include "hopper/ledger.h"

namespace hop::hopper {

struct ModelResult {
  ModelId id{};
  Config config{};
  std::string status{};  ///< finished, stopped, diverged, quarantined, interrupted, paused, or (inspect) running
  std::string reason{};  ///< of a quarantine, of a loss that is not finite, or of the last order of the search
  std::optional<Parent> parent{};  ///< the state that it began with; none if it was initialised
  std::uint32_t epochs = 0;        ///< completed
  std::optional<double> train_loss{}, valid_loss{},
      valid_accuracy{};       ///< of the epoch that ranks it (kept_epoch, or the last one); none when not finite
  std::vector<double> own{};  ///< the other metrics at the same epoch, in the order of Results::own_metrics
  std::vector<EpochMetrics> curve{};  ///< one per completed epoch, those of its ancestors included
  std::optional<std::uint32_t>
      best_epoch{};    ///< of the curve, from 1: the first one with the best score; none if no epoch has one
  double seconds = 0;  ///< of all its units
  std::uint64_t state_bytes = 0;
  std::uint32_t hops = 0;
  std::string state_sha256{};  ///< of the final state block; empty if it was not collected
  /// Of a model that had finished before the run was extended, until its new final state is collected: the state that
  /// the run directory still has, and its epoch, from 1.
  std::optional<std::uint32_t> earlier_epoch{};
  std::string earlier_sha256{};
  /// With keep = "best", from 1: the epoch whose state is kept and whose metrics rank the model.
  std::optional<std::uint32_t> kept_epoch{};
  std::string kept_sha256{};    ///< of that state; empty if it was not collected
  std::vector<Visit> visits{};  ///< one per unit, those of its ancestors included
  std::uint32_t inherited = 0;  ///< units of its ancestors: the first ones of `visits`
};

/// Bytes that crossed the network (sockets, or threads' memory), by kind.
struct NetworkBytes {
  std::uint64_t hop = 0;       ///< model states between workers
  std::uint64_t collect = 0;   ///< final states to the coordinator
  std::uint64_t gradient = 0;  ///< between the members of groups while they trained
  std::uint64_t data = 0;
  std::uint64_t control = 0;  ///< everything that is no payload
  std::uint64_t copy = 0;     ///< model states between workers, for second places (run.copies)
  std::uint64_t relay = 0;    ///< of hop and copy, what the coordinator passed on, because two workers are apart
};

/// Times in which a worker computed nothing, over many units: the nearest-rank percentiles, in milliseconds.
struct Waits {
  std::uint64_t units = 0;
  double p50_ms = 0, p99_ms = 0;
};

struct Results {
  std::string name{};
  std::uint64_t seed = 0;
  std::string strategy{};
  std::string strategy_choice{};  ///< why the run chose it, with the figures; empty if the experiment named it
  std::uint32_t group = 1;        ///< of hopping: how many partitions train a model together
  Order order = Order::Fixed;
  std::uint32_t workers = 0, threads_per_worker = 0, partitions = 0, epochs = 0;
  std::uint32_t passes_of_an_epoch = 1;  ///< over the rows (ReplicaOptions::average_passes)
  std::uint32_t units_per_epoch = 1;     ///< of a model
  double busiest_share = 1;              ///< of the passes of an epoch, those of the busiest member of each unit
  std::string device{};                  ///< the workers' device: "cpu", "cuda:0", or "mixed"
  std::vector<std::string> devices{};    ///< by worker; empty if unknown
  /// The latest arithmetic of each worker: the facts that decide the bits of its units beside this program (instruction
  /// set or card, libraries and their versions). "" for a worker that was never ready, and in older runs without these
  /// records.
  std::vector<std::string> arithmetic{};
  /// Usually empty: then the bits are those of an uninterrupted run. In a run that is older than these records, a
  /// change before a worker was first ready again is not seen.
  std::vector<ArithmeticChange> arithmetic_changes{};
  std::string isa{};
  std::map<std::string, std::string> versions{};
  double wall_seconds = 0;  ///< of the last `run` or `resume`
  std::uint64_t hops = 0;
  NetworkBytes network{};
  std::uint64_t shared_bytes = 0;      ///< UnitMetrics::shared_bytes of all units: what one replica of each shared
  std::uint64_t statistics_bytes = 0;  ///< UnitMetrics::statistics_bytes of all units
  /// Strategy::predicted_bytes and predicted_statistics_bytes: what groups of workers send by formula.
  /// `network.gradient` is what was sent.
  std::uint64_t predicted_gradient_bytes = 0;
  /// With an asynchronous parameter server: how many gradients had each age, in updates of the weights between the
  /// answer that brought them and the gradient's own update (ages_of). Empty otherwise.
  std::map<std::uint64_t, std::uint64_t> ages{};
  std::uint64_t data_bytes_per_worker = 0;  ///< of the node that has to hold the most, or comes to (run.task_data)
  double data_wait_seconds = 0;             ///< of all workers together: units stood still for rows of other nodes
  std::uint64_t peak_rss_bytes = 0;         ///< of the hungriest worker's process
  Waits gap{};                              ///< the cost of hops between two units of a worker (UnitMetrics)
  Waits gap_prefetched{}, gap_late{};       ///< the same, of units ordered before their worker was free, and after
  Waits idle{};                             ///< the time that the schedule left empty
  std::vector<std::string> own_metrics{};   ///< names of the metrics beside the accuracy
  std::vector<ModelResult> models{};
  std::optional<ModelId> best{};
  Outcome outcome = Outcome::Completed;
  Objective objective = Objective::ValidAccuracy;
  /// The damage that was found in the run's data when the run ended; models may have been trained on changed rows.
  /// Usually empty.
  std::string data_damage{};
  bool is_running = false;                ///< a process is running or resuming it (inspect)
  bool is_durable = true;                 ///< run.durable: whether an interrupted run can be resumed
  std::filesystem::path run_directory{};  ///< empty if it was temporary

  /// Throws ConfigError for an unknown id.
  const ModelResult& model(ModelId id) const;
};

/// The models' part, from the ledger alone.
Results summarize(const Ledger& ledger, const Objective& objective);

/// Contents of results.json. NaN and infinity become null; bytes that are not UTF-8 become U+FFFD.
std::string to_json(const Results& results);

/// Whether a file is the results.json of these models in their present state.
bool is_current(const std::filesystem::path& file, const Results& results);

/// The models as the leaderboard has them: best first; models that diverged or were set aside come last.
std::vector<const ModelResult*> ranking(const Results& results);
/// Whether the model came through: it neither diverged nor was set aside.
bool has_rank(const ModelResult& model);
/// The value that ranks a model; none if it has none.
std::optional<double> objective_value(const ModelResult& model, const Objective& objective);
/// A model per line, in the order of ranking(): rank, id, status, epochs, the epoch that is kept (empty: the last one),
/// metrics, seconds, hyperparameters, reason.
std::string to_csv(const Results& results);

/// A table for people, best model first: rank, id, accuracy, losses, epochs, status and configuration. Models that
/// diverged or were set aside have no rank, come last and show the reason. At most `rows` models (0: all).
std::string leaderboard(const Results& results, std::size_t rows = 0);

}  // namespace hop::hopper
