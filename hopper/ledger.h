// The durable state of a run: a fold over the records of its journal. What the ledger does not say did not happen.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hopper/config.h"
#include "hopper/metrics.h"
#include "hopper/records.h"
#include "hopper/schedule/plan.h"
#include "hopper/search/objective.h"
#include "hopper/search/search.h"

namespace hop::hopper {

/// Running ends in one of the others. (A run that ends first reports its running models as interrupted.)
enum class Status : std::uint8_t { Running, Finished, Stopped, Diverged, Quarantined };

/// "running", "finished", "stopped", "diverged", "quarantined".
std::string to_string(Status status);

/// One committed unit: who trained it on what.
struct Visit {
  std::uint32_t epoch = 0;
  PartitionId partition;
  WorkerId worker;
  Attempt attempt;
  bool operator==(const Visit&) const = default;
};

/// All that is known for certain about one model.
struct Model {
  ModelId id;
  Config config;
  Status status = Status::Running;
  std::string reason;                     ///< of a quarantine
  std::uint32_t version = 0;              ///< units committed
  Digest digest;                          ///< of that version; zero for version 0
  std::optional<WorkerId> holder;         ///< whose disk that version lies on; none for version 0
  std::vector<Visit> visits;              ///< one per unit
  std::vector<EpochMetrics> epochs;       ///< one per epoch that is complete
  EpochMetrics partial;                   ///< of the epoch that is not
  std::vector<PartitionId> candidates;    ///< what it may visit next; empty when all is done
  std::uint32_t told = 0;                 ///< how often the search was told of it
  std::uint32_t hops = 0;                 ///< moves between two workers
  double seconds = 0;                     ///< sum of its units
  std::uint64_t state_bytes = 0;          ///< of the newest version
  std::optional<record::Collected> file;  ///< the final state in the run directory
  bool operator==(const Model&) const = default;
};

/// A worker whose units depend on something else than its units before: the run was resumed elsewhere, or a library was
/// updated. The bits of the models may then be others than those of a run that went through.
struct ArithmeticChange {
  WorkerId worker;
  std::string before, after;
  bool operator==(const ArithmeticChange&) const = default;
};

/// Built from the plan and the search alone, then one record at a time. Pure and deterministic: the same records give
/// the same ledger, search included.
class Ledger {
 public:
  /// Asks the search for its first configurations. Throws ConfigError for a bad plan or a search with nothing to train.
  Ledger(Plan plan, std::unique_ptr<Search> search);

  /// Adds the next record. Throws JournalError when it contradicts what is known: a unit out of order, a parent that is
  /// not the newest version, a partition that is not due, another configuration.
  void apply(const Record& record);

  const Plan& plan() const { return plan_; }
  std::uint64_t sequence() const { return sequence_; }  ///< records so far
  std::span<const Model> models() const { return models_; }
  const Model& model(ModelId id) const;  ///< Throws IndexError.
  Attempt reserved() const { return reserved_; }

  /// Whether the model may train another unit now: it is running, and no decision of the search is awaited.
  bool may_train(const Model& model) const;
  /// Whether its newest state must be fetched into the run directory: it has ended, has a state, and is not there yet.
  bool owes_collection(const Model& model) const;
  /// Whether every model has ended and is collected.
  bool complete() const;

  std::uint64_t hops() const;                                       ///< of all models
  std::uint64_t received_bytes() const { return received_bytes_; }  ///< of all units: what hopping cost on the network
  std::uint64_t peak_rss_bytes() const { return peak_rss_bytes_; }  ///< the largest that a worker reported
  /// UnitMetrics::gap_seconds and idle_seconds of each unit, in the order of the commits.
  std::span<const double> gaps() const { return gaps_; }
  std::span<const double> idle() const { return idle_; }
  /// What the bits of each worker's units depend on, by worker: the latest word; "" where there is none.
  std::span<const std::string> arithmetic() const { return arithmetic_; }
  std::span<const ArithmeticChange> arithmetic_changes() const { return arithmetic_changes_; }
  /// The model with the best score at its last complete epoch, ties to the smaller id; none if no model has a score.
  std::optional<ModelId> best(Objective objective) const;

 private:
  void add(const record::Reserve& reserve);
  void add(const record::Commit& commit);
  void add(const record::Quarantine& quarantine);
  void add(const record::Collected& collected);
  void add(const record::Arithmetic& arithmetic);

  Model& at(ModelId id);
  void check(const Model& model, const record::Commit& commit) const;
  void measure(Model& model, const UnitMetrics& metrics, bool ends_epoch);
  void refill_candidates(Model& model) const;
  void ask_for_models();
  void tell_search();
  Model* next_to_tell();

  Plan plan_;
  std::unique_ptr<Search> search_;
  std::vector<Model> models_;
  std::uint64_t sequence_ = 0;
  Attempt reserved_{1};  // attempt 0 is nobody's
  std::uint64_t received_bytes_ = 0;
  std::uint64_t peak_rss_bytes_ = 0;
  std::vector<double> gaps_, idle_;
  std::vector<std::string> arithmetic_;
  std::vector<ArithmeticChange> arithmetic_changes_;
};

}  // namespace hop::hopper
