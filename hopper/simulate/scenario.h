// One simulated run: the job, the machines, and their troubles.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "hopper/coordinator.h"
#include "hopper/schedule/itinerary.h"

namespace hop::hopper::simulate {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Probabilities are per opportunity (message, unit, commit), and all troubles end at `until`.
struct Troubles {
  Time until{};
  double die_before_result = 0;   ///< kill -9 in mid-unit
  double die_before_sending = 0;  ///< ... when the new state is on the disk, before RESULT is sent
  double die_after_result = 0;    ///< ... while its RESULT travels
  double die_after_commit = 0;    ///< ... when COMMITTED arrives
  double die_on_release = 0;      ///< ... when it gets the order to delete a state
  double die_on_lease = 0;        ///< ... when a lease arrives
  double lose_connection = 0;     ///< per RESULT: both sides live on, messages on the wire are lost
  double duplicate = 0;           ///< per message
  double unit_fails = 0;          ///< training throws
  double unreachable = 0;         ///< per fetch from another worker
  double crash = 0;               ///< per COMMIT: kill -9 of the coordinator; part of its un-synced tail survives
  double stop = 0;                ///< per COMMIT: Ctrl-C, and `hop resume` when it has ended
  double lose_disk = 0;           ///< per death: the next life finds an empty disk, as on a node that was replaced
  double lose_states = 0;         ///< per death and state: the state is gone, or does not pass its check
  double rot = 0;                 ///< per COMMIT: a state is gone from the disk of a living worker, or damaged there
  double die_after_rollback = 0;  ///< per ROLLBACK: the holder of the older version dies before the record is durable
  double stay_away = 0;           ///< per death: the next life takes up to `cut_time` to begin
  double blackout = 0;            ///< per COMMIT: all workers die at once
  double errs = 0;                ///< per unit that is trained again: its bits differ from those before
  double cut = 0;                 ///< per fetch: two workers do not reach each other for `cut_time`
  double garble = 0;              ///< per fetch: the state arrives with another digest
  double stall = 0;               ///< per state that is saved or deleted: the disk takes up to `stall_time` longer
  double full_disk = 0;           ///< per state that is saved: no room, so the run ends; it is resumed
  double tear = 0;                ///< per death while a state is saved: a part of it lies under its name
  double lose_node = 0;           ///< per COMMIT: a worker dies with its disk, and an empty node takes its place
  double leave = 0;               ///< per COMMIT: Ctrl-C at a worker, which goes when it may, or after `leave_time`
  Time cut_time{};
  Time stall_time{};
  Time leave_time{};
};

/// The kind of search that chooses the models.
enum class SearchKind : std::uint8_t {
  AllAtOnce,  ///< all models at the start, to their end
  Coins,      ///< asks step by step, and stops models by coins of (seed, model, epoch)
  Evolving,   ///< stops, pauses, resumes, shortens and clones models by coins of (seed, tick, model)
  Halving     ///< successive halving, as it ships
};

struct Scenario {
  std::uint64_t seed = 0;
  Itinerary itinerary{};    ///< of the strategy "hopping", "task_parallel", "allreduce" or "averaging"
  std::uint32_t group = 1;  ///< of hopping: the partitions of a unit
  std::uint32_t models = 1;
  SearchKind search = SearchKind::AllAtOnce;
  std::uint32_t most_clones = 0;  ///< that an Evolving search asks for, beside `models`
  CoordinatorOptions options{};

  std::vector<Time> pass_time{};   ///< of one partition, per model
  double jitter = 0;               ///< each unit takes 1 - jitter .. 1 + jitter times as long
  std::vector<double> slowness{};  ///< per worker: a factor on times
  Time message_delay{};   ///< the longest; each message takes 0 .. this, so that messages can overtake each other
  bool in_order = true;   ///< messages of one connection do not overtake each other
  Time transfer_time{};   ///< of one state between two workers
  Time save_time{};       ///< of a new state on a worker's disk, while the next unit trains
  Time sync_time{};       ///< the longest; each sync of the journal takes 0 .. this
  Time detection_time{};  ///< the longest from a death to WORKER_DOWN
  Time restart_time{};    ///< the longest from a death to the next life

  Troubles troubles{};
  std::optional<ModelId> poison{};     ///< a model that crashes each worker that trains its unit `bad_unit`
  bool cured = false;                  ///< it crashes workers until it is quarantined; then it is retried and behaves
  std::optional<ModelId> divergent{};  ///< a model whose loss is infinite at its unit `bad_unit`
  Unit bad_unit{};
};

/// The time that `worker` takes for one pass of the unit: a function of the scenario alone.
Time pass_time(const Scenario& scenario, WorkerId worker, ModelId model, Unit unit);

/// A scenario drawn from a seed: order, sizes, speeds and troubles of every kind.
Scenario draw_scenario(std::uint64_t seed);
/// The same models, machines and troubles with the strategy "task_parallel".
Scenario as_tasks(Scenario scenario);
/// The same where each node has only its own partitions, and tasks read the others from their owners.
Scenario as_scattered_tasks(Scenario scenario);
/// The same with the strategy "allreduce", or "averaging" for odd seeds: tasks that all begin with partition 0. Both
/// have the same groups.
Scenario as_replicas(Scenario scenario);
/// The same with hopping in groups of two partitions, or of three.
Scenario as_group_hopping(Scenario scenario);
/// The same with two places for every state; nodes are lost with their disks, and workers leave.
Scenario with_copies(Scenario scenario);
/// Whether units are whole epochs on any worker, whether they have replicas, and how many an epoch has. For the
/// checkers: computed without the strategy.
bool has_tasks(const Scenario& scenario);
bool has_replicas(const Scenario& scenario);
std::uint32_t units_per_epoch(const Scenario& scenario);

/// The scenario in one line for people.
std::string describe(const Scenario& scenario);

}  // namespace hop::hopper::simulate
