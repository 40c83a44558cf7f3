#include "hopper/simulate/scenario.h"

#include <algorithm>

#include "base/hash.h"
#include "hopper/simulate/rng.h"
#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/group_hopping.h"
#include "hopper/strategy/task_parallel.h"

namespace hop::hopper::simulate {
namespace {

// Each kind of trouble is absent in half of the runs, so that each also occurs without the others.
double drawn(Rng& rng, double most) { return rng.chance(0.5) ? 0 : most * rng.uniform(); }

Troubles draw_troubles(Rng& rng) {
  Troubles t;
  t.until = seconds(rng.between(1, 6));
  t.die_before_result = drawn(rng, 0.15);
  t.die_before_sending = drawn(rng, 0.1);
  t.die_after_result = drawn(rng, 0.1);
  t.die_after_commit = drawn(rng, 0.1);
  t.die_on_lease = drawn(rng, 0.1);
  t.lose_connection = drawn(rng, 0.1);
  t.duplicate = drawn(rng, 0.3);
  t.unit_fails = drawn(rng, 0.05);
  t.unreachable = drawn(rng, 0.2);
  t.crash = drawn(rng, 0.1);
  t.stop = drawn(rng, 0.03);
  return t;
}

void draw_losses(Rng& rng, Troubles& t) {
  t.lose_disk = drawn(rng, 0.3);
  t.lose_states = drawn(rng, 0.3);
  t.rot = drawn(rng, 0.1);
  t.cut = drawn(rng, 0.05);
  t.cut_time = seconds(rng.between(1, 120));
  t.errs = drawn(rng, 0.1);
  t.die_on_release = drawn(rng, 0.3);
  t.die_after_rollback = drawn(rng, 0.5);
  t.stay_away = drawn(rng, 0.5);
  t.blackout = drawn(rng, 0.05);
}

void draw_disks(Rng& rng, Troubles& t) {
  t.garble = drawn(rng, 0.04);
  t.stall = drawn(rng, 0.2);
  t.stall_time = milliseconds(rng.between(1, 2000));
  t.full_disk = drawn(rng, 0.02);
  t.tear = drawn(rng, 1);
}

void draw_search(Rng& rng, Scenario& s) {
  const double kind = rng.uniform();
  s.search = kind < 0.5    ? SearchKind::AllAtOnce
             : kind < 0.65 ? SearchKind::Coins
             : kind < 0.85 ? SearchKind::Evolving
                           : SearchKind::Halving;
  if (s.search == SearchKind::Evolving) s.most_clones = rng.between(1, 4);
  if (s.search >= SearchKind::Evolving) s.itinerary.epochs = rng.between(2, 4);
}

}  // namespace

Time pass_time(const Scenario& s, WorkerId worker, ModelId model, Unit unit) {
  Rng rng(hash64(s.seed, "unit", {model.value, unit.value}));
  const double factor = (1 - s.jitter + 2 * s.jitter * rng.uniform()) * s.slowness[worker.index()];
  return Time(
      static_cast<Time::rep>(static_cast<double>(s.pass_time[model.index() % s.pass_time.size()].count()) * factor));
}

Scenario draw_scenario(std::uint64_t seed) {
  Rng rng(hash64(seed, "scenario"));
  Scenario s;
  s.seed = seed;
  s.itinerary.partitions = rng.between(1, 6);
  s.itinerary.workers = rng.between(1, std::min(s.itinerary.partitions, 4U));
  s.itinerary.epochs = rng.between(1, 3);
  s.itinerary.order = rng.chance(0.7) ? Order::Fixed : Order::Free;
  s.models = rng.between(1, 6);
  draw_search(rng, s);
  s.options.queue_depth = rng.between(1, 3);
  s.options.max_failures = 1000;  // chance must not condemn an innocent model
  s.options.attempt_block = rng.chance(0.3) ? rng.between(1, 4) : 64;

  for (std::uint32_t i = 0; i < s.models + s.most_clones; ++i)
    s.pass_time.push_back(milliseconds(rng.between(10, 100)));
  for (std::uint32_t w = 0; w < s.itinerary.workers; ++w) s.slowness.push_back(rng.chance(0.2) ? 8 : 1);
  s.jitter = rng.uniform() * 0.5;
  s.message_delay = microseconds(rng.chance(0.5) ? 100 : rng.between(1000, 50000));
  s.transfer_time = milliseconds(rng.between(0, 30));
  s.sync_time = rng.chance(0.2) ? milliseconds(200) : milliseconds(2);
  s.detection_time = milliseconds(rng.chance(0.5) ? 1 : 500);
  s.restart_time = milliseconds(rng.between(1, 800));
  s.troubles = draw_troubles(rng);

  s.bad_unit = Unit{rng.below(s.itinerary.units())};
  if (rng.chance(0.1)) s.divergent = ModelId{rng.below(s.models)};
  s.in_order = rng.chance(0.3);
  if (rng.chance(0.1)) {
    // If a model must be condemned, nothing else kills workers, and no other fault of a model is drawn.
    s.options.max_failures = 3;
    s.poison = ModelId{rng.below(s.models)};
    Troubles& t = s.troubles;
    t.die_before_result = t.die_before_sending = t.die_after_result = t.die_after_commit = t.die_on_lease = 0;
    t.lose_connection = t.unit_fails = 0;
  }
  const bool is_judged_by_others = s.search == SearchKind::Evolving || s.search == SearchKind::Halving;
  s.cured = rng.chance(0.5) && !is_judged_by_others;  // the moment of its return would change the fates of others
  draw_losses(rng, s.troubles);
  if (s.poison) s.troubles.errs = s.troubles.blackout = s.troubles.die_on_release = s.troubles.die_after_rollback = 0;
  s.save_time = milliseconds(rng.chance(0.5) ? 0 : rng.between(1, 200));
  draw_disks(rng, s.troubles);
  if (rng.chance(0.4)) s.itinerary.keep_best = Objective::ValidAccuracy;
  return s;
}

bool has_tasks(const Scenario& s) {
  return s.itinerary.strategy == task_parallel() || s.itinerary.strategy == scattered_tasks() || has_replicas(s);
}

bool has_replicas(const Scenario& s) {
  return s.itinerary.strategy == allreduce() || s.itinerary.strategy == averaging();
}

std::uint32_t units_per_epoch(const Scenario& s) {
  return has_tasks(s) ? 1 : (s.itinerary.partitions + s.group - 1) / s.group;
}

// There are fewer units per model, so the number of the bad unit is cut down to them.
Scenario as_tasks(Scenario s) {
  s.itinerary.strategy = task_parallel();
  s.itinerary.order = Order::Fixed;
  s.bad_unit = Unit{s.bad_unit.value / s.itinerary.partitions};
  return s;
}

Scenario as_scattered_tasks(Scenario s) {
  s = as_tasks(std::move(s));
  s.itinerary.strategy = scattered_tasks();
  return s;
}

Scenario as_replicas(Scenario s) {
  s = as_tasks(std::move(s));
  s.itinerary.strategy = s.seed % 2 == 0 ? allreduce() : averaging();
  return s;
}

Scenario as_group_hopping(Scenario s) {
  s.group = s.seed % 2 == 0 ? 2 : 3;
  s.itinerary.strategy = std::make_shared<GroupHopping>(s.group);
  s.itinerary.order = Order::Fixed;
  const std::uint32_t epoch = s.bad_unit.value / s.itinerary.partitions;
  const std::uint32_t place = s.bad_unit.value % s.itinerary.partitions / s.group;
  s.bad_unit = Unit{epoch * units_per_epoch(s) + place};
  return s;
}

// Drawn from numbers of its own, so that the scenario without copies stays as it is.
Scenario with_copies(Scenario s) {
  Rng rng(hash64(s.seed, "copies"));
  s.options.copies = 2;
  s.options.move_after = milliseconds(rng.between(1, 3000));
  s.troubles.lose_node = drawn(rng, 0.1);
  s.troubles.leave = drawn(rng, 0.05);
  s.troubles.leave_time = milliseconds(rng.between(1, 2000));
  if (s.poison) s.troubles.lose_node = s.troubles.leave = 0;  // nothing else kills workers
  return s;
}

std::string describe(const Scenario& s) {
  static constexpr const char* kSearches[] = {"", ", coins", ", evolving", ", halving"};
  return "seed " + std::to_string(s.seed) + ": " +
         (s.group > 1 ? "groups of " + std::to_string(s.group) + " partitions, " : "") +
         (has_replicas(s) ? "replicas, "
          : has_tasks(s)  ? "tasks, "
                          : "") +
         (s.itinerary.order == Order::Fixed ? "fixed" : "free") + " order, " + std::to_string(s.models) + " models, " +
         std::to_string(s.itinerary.partitions) + " partitions, " + std::to_string(s.itinerary.workers) + " workers, " +
         std::to_string(s.itinerary.epochs) + " epochs" + kSearches[static_cast<std::size_t>(s.search)] +
         (s.itinerary.keep_best ? ", the best states kept" : "") + (s.options.copies > 1 ? ", copies" : "");
}

}  // namespace hop::hopper::simulate
