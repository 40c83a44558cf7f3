// The durable state of a run: a fold over the records of its journal. If the ledger does not have it, it did not
// happen.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "hopper/config.h"
#include "hopper/metrics.h"
#include "hopper/records.h"
#include "hopper/schedule/itinerary.h"
#include "hopper/search/objective.h"

namespace hop::hopper {

/// A model starts as Running and ends in another status. (If a run ends first, it reports its running models as
/// interrupted.) A paused model has not ended.
enum class Status : std::uint8_t { Running, Finished, Stopped, Diverged, Quarantined, Paused };

/// "running", "finished", "stopped", "diverged", "quarantined", "paused".
std::string to_string(Status status);

/// One committed unit: its worker, its first partition and its result. If the unit was trained again, the last worker
/// that trained it.
struct Visit {
  Epoch epoch{};
  PartitionId partition{};
  WorkerId worker{};
  Attempt attempt{};
  Digest digest{};
  std::vector<std::uint8_t> arrivals{};  ///< UnitMetrics::arrivals: a unit that is trained again has this order
  bool operator==(const Visit&) const = default;
};

/// The durable facts about one model.
struct Model {
  ModelId id{};
  Config config{};
  std::uint32_t born = 0;          ///< its epoch 0 belongs to this tick; a model that was away for ticks is born later
  std::uint32_t goal = 0;          ///< epochs that it trains
  std::optional<Parent> parent{};  ///< the state that it began with
  std::uint32_t inherited = 0;     ///< units of its ancestors: the first ones of `visits`
  Status status = Status::Running;
  std::string reason{};                     ///< of a quarantine, or of the last order of the search
  Version version{};                        ///< of its newest state: committed units, minus those of a rollback
  Digest digest{};                          ///< of that version; zero for version 0
  std::optional<WorkerId> holder{};         ///< the worker from whose disk it goes on; none for version 0
  std::optional<ModelId> stored_as{};       ///< the model in whose name that version is stored, if it is another one
  std::vector<Visit> visits{};              ///< one per unit that was ever committed
  std::vector<EpochMetrics> epochs{};       ///< one per epoch that is complete, those of its ancestors included
  EpochMetrics partial{};                   ///< of the incomplete epoch
  std::vector<PartitionId> candidates{};    ///< first partitions of the units that may be next; empty if all are done
  bool is_withdrawn = false;                ///< the search was told that it dropped out
  std::uint32_t hops = 0;                   ///< moves between two workers
  double seconds = 0;                       ///< sum of its own units
  std::uint64_t state_bytes = 0;            ///< of the newest version
  std::optional<record::Collected> file{};  ///< the final state in the run directory
  std::optional<record::Collected> earlier_file{};  ///< the last one before the run was extended
  std::uint32_t earlier_epochs = 0;                 ///< that the model had then
  std::optional<Epoch> best_epoch{};                ///< with keep_best: the first of its own epochs with the best score
  std::optional<record::Collected> best_file{};     ///< the state of that epoch in the run directory
  Status before_quarantine = Status::Running;

  /// Whether states are lost, so that committed units must be trained again and give the digests of their visits.
  bool is_behind() const { return version.index() < visits.size(); }
  /// Units that it has trained itself.
  std::uint32_t own_units() const { return static_cast<std::uint32_t>(visits.size()) - inherited; }
  /// Its status. If it is set aside, the status before.
  Status underlying() const { return status == Status::Quarantined ? before_quarantine : status; }
  /// The unit that it trains next.
  Unit next_unit() const { return after(version); }
  const Visit& visit(Unit unit) const { return visits[unit.index()]; }
  /// The epoch that ranks it: its best one where that state is kept, otherwise its last one. Null before the first.
  const EpochMetrics* ranked() const {
    return best_epoch ? &epochs[best_epoch->index()] : epochs.empty() ? nullptr : &epochs.back();
  }
  /// The attempt that left its newest state; attempt 0 for version 0.
  Attempt newest_attempt() const { return is_initial(version) ? Attempt{} : visit(before(version)).attempt; }
  bool operator==(const Model&) const = default;
};

/// The arithmetic of a worker changed between two of its units: the run was resumed elsewhere, or a library was
/// updated. The bits of the models may differ from those of an uninterrupted run.
struct ArithmeticChange {
  WorkerId worker{};
  std::string before{}, after{};
  bool operator==(const ArithmeticChange&) const = default;
};

/// The news of a model for the search at the end of a tick: none, its epoch of the tick, or that it dropped out.
enum class News : std::uint8_t { None, Epoch, Withdrawn };

/// Built from the itinerary, then one record at a time. Pure and deterministic: the same records give the same ledger.
/// It knows the answers of the search from the records alone.
class Ledger {
 public:
  /// Throws ConfigError for a bad itinerary.
  explicit Ledger(Itinerary itinerary);

  /// Adds the next record. Throws JournalError if it contradicts the records before: a unit out of order, a parent that
  /// is not the newest version, a partition that is not due, another configuration, another digest of a unit that was
  /// done before. If it throws, the ledger is unchanged.
  void apply(const Record& record);
  /// The reason why `apply` would refuse this record now; none if it would take the record.
  std::optional<std::string> refusal(const Record& record) const;

  const Itinerary& itinerary() const { return itinerary_; }
  std::uint64_t sequence() const { return sequence_; }  ///< records so far
  std::span<const Model> models() const { return models_; }
  const Model& model(ModelId id) const;  ///< Throws IndexError.
  Attempt reserved() const { return reserved_; }

  /// Whether the model has another unit to train: it must repeat committed units, or it is running. A state that must
  /// be kept is collected first.
  bool may_train(const Model& model) const;
  /// Units that the model will train if nothing stops it, including units to be repeated.
  std::uint32_t units_left(const Model& model) const;
  /// The file for which its newest state must be fetched into the run directory now. `Best`: the state is that of its
  /// best epoch, and is to be kept. `Last`: the model has ended.
  std::optional<StateFile> owed_file(const Model& model) const;
  /// The model whose unit this is: the model itself, or the ancestor that trained it. Its random numbers and its
  /// configuration give the unit's bits.
  ModelId ancestor(const Model& model, Unit unit) const;
  /// Whether every model has ended and is collected, and the search has no word left.
  bool complete() const;

  /// The tick in progress: all before it are decided. 0: the search has not been asked yet.
  std::uint32_t tick() const { return tick_; }
  /// True if the tick in progress waits for no model any more: then the search has the word.
  bool tick_is_over() const { return tick_ == 0 || (has_members_ && awaited_.empty()); }
  /// The news of the model for the search at the end of the tick in progress. Its epoch is tick() - model.born.
  News news(const Model& model) const;
  /// The records of Asked and Ordered since the last Ticked.
  using Decision = std::variant<record::Asked, record::Ordered>;
  std::span<const Decision> undecided() const { return undecided_; }

  std::uint64_t hops() const;                                           ///< of all models
  std::uint64_t retrained() const { return retrained_; }                ///< units that were repeated after a rollback
  std::uint64_t received_bytes() const { return received_bytes_; }      ///< of all units: the traffic of hops
  std::uint64_t shared_bytes() const { return shared_bytes_; }          ///< UnitMetrics::shared_bytes of all units
  std::uint64_t exchange_bytes() const { return exchange_bytes_; }      ///< UnitMetrics::exchange_bytes of all units
  std::uint64_t statistics_bytes() const { return statistics_bytes_; }  ///< UnitMetrics::statistics_bytes of all units
  std::uint64_t data_bytes() const { return data_bytes_; }              ///< UnitMetrics::data_bytes of all units
  double data_seconds() const { return data_seconds_; }                 ///< UnitMetrics::data_seconds of all units
  std::uint64_t peak_rss_bytes() const { return peak_rss_bytes_; }      ///< the largest value that a worker reported
  /// UnitMetrics::gap_seconds and idle_seconds of each unit, in the order of the commits.
  std::span<const double> gaps() const { return gaps_; }
  std::span<const double> idle() const { return idle_; }
  /// The latest arithmetic of each worker, by worker; "" if there is none.
  std::span<const std::string> arithmetic() const { return arithmetic_; }
  std::span<const ArithmeticChange> arithmetic_changes() const { return arithmetic_changes_; }
  /// The model with the best score at the epoch that ranks it, ties to the smaller id; none if no model has a score.
  std::optional<ModelId> best(const Objective& objective) const;

 private:
  void add(const record::Reserve& reserve);
  void add(const record::Commit& commit);
  void add(const record::Rollback& rollback);
  void add(const record::Moved& moved);
  void add(const record::Retry& retry);
  void add(const record::Quarantine& quarantine);
  void add(const record::Collected& collected);
  void add(const record::Arithmetic& arithmetic);
  void add(const record::Asked& asked) { undecided_.emplace_back(asked); }
  void add(const record::Ordered& ordered) { undecided_.emplace_back(ordered); }
  void add(const record::Ticked& ticked);
  void add(const record::Extended& extended);

  // Throw JournalError and change nothing.
  void check(const record::Reserve& reserve) const;
  void check(const record::Commit& commit) const;
  void check(const record::Rollback& rollback) const;
  void check(const record::Moved& moved) const;
  void check(const record::Retry& retry) const;
  void check(const record::Quarantine& quarantine) const;
  void check(const record::Collected& collected) const;
  void check(const record::Arithmetic& arithmetic) const;
  void check(const record::Asked&) const {}
  void check(const record::Ordered&) const {}
  void check(const record::Ticked& ticked) const;
  void check(const record::Extended& extended) const;

  const Model& known(ModelId id) const;
  Model& at(ModelId id) { return models_[id.index()]; }
  void count(const UnitMetrics& metrics);
  void measure(Model& model, const UnitMetrics& metrics, bool ends_epoch);
  void compare_with_best(Model& model) const;
  bool owes_best(const Model& model) const;
  void refill_candidates(Model& model) const;
  bool is_awaited(const Model& model) const;
  void await(const Model& model);
  std::span<const Decision> decisions_of(const record::Ticked& ticked) const;
  void check_decision(const record::Asked& asked, std::size_t models) const;
  void check_decision(const record::Ordered& ordered) const;
  void carry_out(const record::Asked& asked);
  void carry_out(const record::Ordered& ordered);
  void begin_tick();

  Itinerary itinerary_;
  std::vector<Model> models_;
  std::uint64_t sequence_ = 0;
  Attempt reserved_{1};  // attempt 0 is never leased
  std::uint64_t retrained_ = 0;
  std::uint32_t tick_ = 0;
  std::set<ModelId> awaited_;  // models whose epoch of the tick in progress is not over
  bool has_members_ = false;   // whether any model takes part in that tick
  std::vector<Decision> undecided_;
  std::uint64_t received_bytes_ = 0;
  std::uint64_t shared_bytes_ = 0;
  std::uint64_t exchange_bytes_ = 0;
  std::uint64_t statistics_bytes_ = 0;
  std::uint64_t data_bytes_ = 0;
  double data_seconds_ = 0;
  std::uint64_t peak_rss_bytes_ = 0;
  std::vector<double> gaps_, idle_;
  std::vector<std::string> arithmetic_;
  std::vector<ArithmeticChange> arithmetic_changes_;
};

}  // namespace hop::hopper
