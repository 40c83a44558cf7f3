// The coordinator on a simulated cluster, ten thousand times. HOP_SIMULATE_SEEDS=1000000 runs more of them;
// HOP_SIMULATE_SEED=17 runs that one alone and tells every step of it; with HOP_SIMULATE_AS=tasks, replicas, groups,
// copies or "tasks copies" as the scenario that other tests make of it. Long because each bug that is planted in the
// coordinator stands here.
#include "hopper/simulate/simulation.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <sstream>

#include "hopper/simulate/trace.h"
#include "tests/hopper/planted_bug.h"

namespace hop::hopper::simulate {
namespace {

constexpr std::uint64_t kShards = 4;

std::optional<std::uint64_t> number_from_environment(const char* name) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::optional(std::strtoull(text, nullptr, 10)) : std::nullopt;
}

// Prints an event and the actions that follow it.
template <class Event, class Actions>
void print(const std::string& who, Time now, const Event& event, const Actions& actions) {
  std::cout << std::chrono::duration<double>(now).count() << "  " << who << to_text(event) << '\n';
  for (const auto& action : actions) std::cout << "      " << to_text(action) << '\n';
}

Summary run_aloud(const Scenario& scenario) {
  std::cout << describe(scenario) << '\n';
  const auto step = [](Coordinator& coordinator, const Event& event, Time now) {
    std::vector<Action> actions = coordinator.step(event, now);
    print("", now, event, actions);
    return actions;
  };
  const auto worker_step = [](WorkerId worker, worker::Jobs& jobs, const worker::Event& event, Time now) {
    std::vector<worker::Action> actions = jobs.step(event, now);
    print("  w" + std::to_string(worker.value) + " ", now, event, actions);
    return actions;
  };
  return Simulation(scenario, step, worker_step).run();
}

// The scenario of a seed, changed as the words of HOP_SIMULATE_AS say, one after the other.
Scenario scenario_from_environment(std::uint64_t seed) {
  const std::map<std::string, Scenario (*)(Scenario)> ways{
      {"tasks", as_tasks}, {"replicas", as_replicas}, {"groups", as_group_hopping}, {"copies", with_copies}};
  Scenario scenario = draw_scenario(seed);
  const char* text = std::getenv("HOP_SIMULATE_AS");
  std::istringstream words(text != nullptr ? text : "");
  for (std::string word; words >> word;) scenario = ways.at(word)(std::move(scenario));
  return scenario;
}

class ManySeeds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(ManySeeds, WhateverFailsEachUnitCountsOnceAndTheWeightsAreThoseOfTheCalmRun) {
  if (const auto seed = number_from_environment("HOP_SIMULATE_SEED")) {
    if (GetParam() == *seed % kShards) run_aloud(scenario_from_environment(*seed));
    return;
  }
  const std::uint64_t seeds = number_from_environment("HOP_SIMULATE_SEEDS").value_or(10000);
  for (std::uint64_t seed = GetParam(); seed < seeds; seed += kShards) {
    const Scenario scenario = draw_scenario(seed);
    try {
      Simulation(scenario).run();
    } catch (const std::exception& broken) {
      FAIL() << describe(scenario) << "\n  broken: " << broken.what() << "\n  replay: HOP_SIMULATE_SEED=" << seed
             << " hopper_test --gtest_filter='*ManySeeds*'";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, ManySeeds, testing::Range<std::uint64_t>(0, kShards));

// Seeds beyond the first 10,000 that once broke a promise.
TEST(Simulation, KeepsItsPromisesWhereItOnceBrokeThem) {
  // A state that is newer than the rollback of its model was offered while the record was being written.
  for (const std::uint64_t seed : {52868U}) EXPECT_NO_THROW(Simulation(draw_scenario(seed)).run()) << seed;
}

TEST(Simulation, OfOneSeedIsTheSameEveryTime) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(Simulation(draw_scenario(seed)).run(), Simulation(draw_scenario(seed)).run()) << seed;
  }
}

// A simulation that never meets a fault proves nothing about it.
TEST(Simulation, MeetsEveryKindOfTrouble) {
  Summary all;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const Summary one = Simulation(draw_scenario(seed)).run();
    all.deaths += one.deaths;
    all.cuts += one.cuts;
    all.crashes += one.crashes;
    all.stops += one.stops;
    all.forgotten += one.forgotten;
    all.adopted += one.adopted;
    all.stale += one.stale;
    all.cancelled += one.cancelled;
    all.condemned += one.condemned;
    all.retried += one.retried;
    all.lost += one.lost;
    all.partitions += one.partitions;
    all.rollbacks += one.rollbacks;
    all.spared += one.spared;
    all.retrained += one.retrained;
    all.blackouts += one.blackouts;
    all.erred += one.erred;
    all.garbled += one.garbled;
    all.stalled += one.stalled;
    all.full += one.full;
    all.torn += one.torn;
    all.stopped += one.stopped;
    all.paused += one.paused;
    all.resumed += one.resumed;
    all.clones += one.clones;
    all.orphans += one.orphans;
    all.relearned += one.relearned;
    all.kept += one.kept;
  }
  std::cout << "1000 seeds: " << all.deaths << " deaths, " << all.cuts << " lost connections, " << all.crashes
            << " crashes, " << all.stops << " stops, " << all.forgotten << " forgotten records, " << all.adopted
            << " adopted units, " << all.stale << " stale results, " << all.cancelled << " cancelled leases, "
            << all.condemned << " condemned models, " << all.retried << " retried, " << all.lost << " lost states, "
            << all.partitions << " cut cables, " << all.rollbacks << " rollbacks, " << all.spared
            << " of them to a version above 0, " << all.retrained << " units trained again, " << all.erred
            << " of them with other bits, " << all.blackouts << " blackouts, " << all.garbled
            << " states that arrived damaged, " << all.stalled << " slow disks, " << all.full << " full ones, "
            << all.torn << " torn files; the searches stopped " << all.stopped << " models, paused " << all.paused
            << ", resumed " << all.resumed << ", cloned " << all.clones << ", " << all.orphans
            << " of them without a state of their parent, and clones trained " << all.relearned
            << " units of their ancestors again; " << all.kept << " best states were kept\n";
  for (const std::uint64_t times :
       {all.deaths,    all.cuts,      all.crashes, all.stops,   all.forgotten,  all.adopted,   all.stale,
        all.cancelled, all.condemned, all.retried, all.lost,    all.partitions, all.rollbacks, all.retrained,
        all.blackouts, all.erred,     all.garbled, all.stalled, all.full,       all.torn,      all.stopped,
        all.paused,    all.resumed,   all.clones,  all.orphans, all.relearned,  all.kept}) {
    EXPECT_GE(times, 10U);
  }
  EXPECT_GE(all.spared, 3U) << "older versions are as a rule deleted";
}

// ---- the checker finds bugs: coordinators with one each -------------------------------------------------------------

using Actions = std::vector<Action>;

const Lease* current_lease(const Coordinator& coordinator, ModelId model) {
  for (const WorkerState& worker : coordinator.workers()) {
    for (const Lease& lease : worker.leases) {
      if (lease.model == model) return &lease;
    }
  }
  return nullptr;
}

Actions counts_what_is_not_synced(Coordinator& c, const Event& event, Time now) {
  Actions all;
  std::vector<Event> events{event};
  while (!events.empty()) {
    const Event next = events.front();
    events.erase(events.begin());
    for (const Action& action : c.step(next, now)) {
      all.push_back(action);
      if (const auto* append = std::get_if<action::Append>(&action))
        events.emplace_back(event::Synced{append->sequence});
    }
  }
  return all;
}

Actions accepts_stale_results(Coordinator& c, const Event& event, Time now) {
  if (const auto* result = std::get_if<event::Result>(&event)) {
    if (const Lease* lease = current_lease(c, result->model); lease != nullptr && lease->attempt != result->attempt) {
      event::Result forged = *result;
      for (const WorkerState& worker : c.workers()) {
        for (const Lease& held : worker.leases) {
          if (held == *lease) forged.peer = {worker.id, worker.incarnation};
        }
      }
      forged.unit = lease->unit;
      forged.attempt = lease->attempt;
      return c.step(forged, now);
    }
  }
  return c.step(event, now);
}

Actions forgets_to_revoke(Coordinator& c, const Event& event, Time now) {
  if (std::holds_alternative<event::WorkerDown>(event)) return {};
  const auto* up = std::get_if<event::WorkerUp>(&event);
  if (up != nullptr && c.workers()[up->peer.worker.index()].alive) return {};  // "it is there already"
  return c.step(event, now);
}

Actions leases_twice(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (const auto* sent = std::get_if<action::SendLease>(&actions[i])) {
      action::SendLease again = *sent;
      again.lease.attempt = Attempt{again.lease.attempt.value + 1000000};
      actions.emplace_back(again);
      break;
    }
  }
  return actions;
}

Actions uses_attempts_again(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  for (Action& action : actions) {
    if (auto* sent = std::get_if<action::SendLease>(&action)) sent->lease.attempt = Attempt{7};
  }
  return actions;
}

Actions releases_too_early(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  for (std::size_t i = 0; i < actions.size(); ++i) {
    const auto* append = std::get_if<action::Append>(&actions[i]);
    const auto* commit = append != nullptr ? std::get_if<record::Commit>(&append->record) : nullptr;
    if (commit == nullptr || is_first(commit->unit)) continue;
    const Model& model = c.ledger().model(commit->model);
    const WorkerState& holder = c.workers()[model.holder->index()];
    actions.emplace_back(
        action::Release{{holder.id, holder.incarnation}, model.id, model.version, model.visits.back().attempt});
    break;
  }
  return actions;
}

Actions announces_too_early(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  if (const auto* result = std::get_if<event::Result>(&event)) {
    actions.emplace_back(
        action::Answer{result->peer, result->model, result->unit, result->attempt, Verdict::Committed});
  }
  return actions;
}

// Appends the first record of that type twice.
template <class Record>
Actions appends_twice(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  const auto has_record = [](const Action& action) {
    const auto* append = std::get_if<action::Append>(&action);
    return append != nullptr && std::holds_alternative<Record>(append->record);
  };
  const auto first = std::ranges::find_if(actions, has_record);
  if (first == actions.end()) return actions;
  auto again = std::get<action::Append>(*first);
  ++again.sequence;
  actions.insert(first + 1, again);
  return actions;
}

Actions does_not_hear_ctrl_c(Coordinator& c, const Event& event, Time now) {
  return std::holds_alternative<event::StopRequested>(event) ? Actions{} : c.step(event, now);
}

Actions loses_a_result(Coordinator& c, const Event& event, Time now) {
  return std::holds_alternative<event::Result>(event) && now > seconds(1) ? Actions{} : c.step(event, now);
}

// Changes the first rollback of a step.
template <class Change>
Actions change_rollback(Coordinator& c, const Event& event, Time now, Change change) {
  Actions actions = c.step(event, now);
  for (Action& action : actions) {
    auto* append = std::get_if<action::Append>(&action);
    auto* rollback = append != nullptr ? std::get_if<record::Rollback>(&append->record) : nullptr;
    if (rollback == nullptr) continue;
    change(c.ledger().model(rollback->model), *rollback);
    break;
  }
  return actions;
}

Actions rolls_back_too_far(Coordinator& c, const Event& event, Time now) {
  return change_rollback(c, event, now, [](const Model&, record::Rollback& rollback) {
    rollback.version = Version{0};
    rollback.worker.reset();
  });
}

Actions rolls_back_to_what_nobody_holds(Coordinator& c, const Event& event, Time now) {
  return change_rollback(c, event, now, [](const Model& model, record::Rollback& rollback) {
    if (rollback.version + 1 >= model.version) return;
    rollback.worker = model.visit(after(rollback.version)).worker;
    rollback.attempt = model.visit(after(rollback.version)).attempt;
    ++rollback.version;
  });
}

Actions leases_before_the_rollback_is_durable(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  for (const Action& action : Actions(actions)) {
    const auto* append = std::get_if<action::Append>(&action);
    const auto* rollback = append != nullptr ? std::get_if<record::Rollback>(&append->record) : nullptr;
    if (rollback == nullptr || !is_initial(rollback->version)) continue;
    const PartitionId partition = c.ledger().model(rollback->model).visits[0].partition;
    const WorkerState& owner = c.workers()[c.ledger().itinerary().only_worker(partition).value_or(WorkerId{}).index()];
    Lease lease;
    lease.model = rollback->model;
    lease.partition = partition;
    lease.attempt = Attempt(1'000'000);
    if (owner.alive) actions.emplace_back(action::SendLease{{owner.id, owner.incarnation}, lease});
  }
  return actions;
}

// Lets a model go on that waits for the others of its epoch.
Actions does_not_wait_at_a_barrier(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  for (const Model& model : c.ledger().models()) {
    if (!c.waits_for_search(model) || !c.ledger().may_train(model)) continue;
    const PartitionId partition = model.candidates.front();
    const WorkerState& owner = c.workers()[c.ledger().itinerary().only_worker(partition).value_or(WorkerId{}).index()];
    if (!owner.alive || !c.workers()[model.holder->index()].alive || !owner.leases.empty()) continue;
    Lease lease{.model = model.id,
                .unit = model.next_unit(),
                .epoch = c.ledger().itinerary().epoch(model.next_unit()),
                .partition = partition,
                .attempt = Attempt(1'000'000),
                .parent = model.digest,
                .source = model.holder == owner.id ? std::nullopt : model.holder,
                .validate = c.ledger().itinerary().ends_epoch(model.next_unit())};
    actions.emplace_back(action::SendLease{{owner.id, owner.incarnation}, lease});
    break;
  }
  return actions;
}

// Deletes the state that a clone is about to begin with.
Actions forgets_that_a_clone_needs_a_state(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  for (const Model& clone : c.ledger().models()) {
    if (!clone.stored_as) continue;
    const Model& parent = c.ledger().model(*clone.stored_as);
    const WorkerState& holder = c.workers()[clone.holder->index()];
    if (parent.version == clone.version || !holder.alive) continue;  // it is still the parent's own
    actions.emplace_back(
        action::Release{{holder.id, holder.incarnation}, parent.id, clone.version, clone.visits.back().attempt});
    break;
  }
  return actions;
}

Actions trains_a_clone_as_its_parent(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  for (Action& action : actions) {
    auto* sent = std::get_if<action::SendLease>(&action);
    if (sent != nullptr && sent->lease.stored_as) sent->lease.trained_as = sent->lease.stored_as;
  }
  return actions;
}

// An order takes effect before it is durable.
Actions collects_before_the_order_is_durable(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  for (const Action& action : Actions(actions)) {
    const auto* append = std::get_if<action::Append>(&action);
    const auto* order = append != nullptr ? std::get_if<record::Ordered>(&append->record) : nullptr;
    if (order == nullptr || order->kind != SearchOrder::Kind::Stop) continue;
    const Model& model = c.ledger().model(order->model);
    if (c.ledger().owed_file(model)) continue;
    const WorkerState& holder = c.workers()[model.holder->index()];
    actions.emplace_back(
        action::SendCollect{{holder.id, holder.incarnation}, model.id, StateFile::Last, model.version, model.digest});
  }
  return actions;
}

Actions calls_the_best_state_the_last(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  for (Action& action : actions) {
    if (auto* collect = std::get_if<action::SendCollect>(&action)) collect->file = StateFile::Last;
  }
  return actions;
}

// Lets a model go on whose best state is not in the run directory yet.
Actions does_not_wait_for_the_best_state(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  for (const Action& action : Actions(actions)) {
    const auto* collect = std::get_if<action::SendCollect>(&action);
    if (collect == nullptr || collect->file != StateFile::Best) continue;
    const Model& model = c.ledger().model(collect->model);
    if (model.candidates.empty()) continue;
    const PartitionId partition = model.candidates.front();
    const WorkerState& owner = c.workers()[c.ledger().itinerary().only_worker(partition).value_or(WorkerId{}).index()];
    if (!owner.alive || !owner.leases.empty()) continue;
    Lease lease{.model = model.id,
                .unit = model.next_unit(),
                .epoch = c.ledger().itinerary().epoch(model.next_unit()),
                .partition = partition,
                .attempt = Attempt(1'000'000),
                .parent = model.digest,
                .source = model.holder == owner.id ? std::nullopt : model.holder,
                .validate = c.ledger().itinerary().ends_epoch(model.next_unit())};
    actions.emplace_back(action::SendLease{{owner.id, owner.incarnation}, lease});
    break;
  }
  return actions;
}

struct Bug {
  const char* name;
  Actions (*step)(Coordinator&, const Event&, Time);
  const char* found;
};

void PrintTo(const Bug& bug, std::ostream* out) { *out << bug.name; }

class BuggyCoordinator : public testing::TestWithParam<Bug> {};

TEST_P(BuggyCoordinator, IsFoundOut) {
  const auto [name, step, found] = GetParam();
  expect_found_out(name, found, {0, 2000},
                   [step = step](std::uint64_t seed) { Simulation(draw_scenario(seed), step).run(); });
}

INSTANTIATE_TEST_SUITE_P(
    Bugs, BuggyCoordinator,
    testing::Values(
        Bug{"CountsWhatIsNotSynced", counts_what_is_not_synced, "durable"},
        Bug{"AcceptsStaleResults", accepts_stale_results, "was trained from the parent"},
        Bug{"ForgetsToRevoke", forgets_to_revoke, "the run ends"},
        Bug{"LeasesTwice", leases_twice, "one lease per model"},
        Bug{"UsesAttemptsAgain", uses_attempts_again, "an attempt is never used again"},
        Bug{"ReleasesTooEarly", releases_too_early, "what is still needed is not released"},
        Bug{"AnnouncesTooEarly", announces_too_early, "only what is durable is called committed"},
        Bug{"CommitsTwice", appends_twice<record::Commit>, "each unit is committed once"},
        Bug{"DoesNotHearCtrlC", does_not_hear_ctrl_c, "no lease after Ctrl-C"},
        Bug{"LosesAResult", loses_a_result, "the run ends"},
        Bug{"RollsBackTooFar", rolls_back_too_far, "the newest version that is left"},
        Bug{"RollsBackToWhatNobodyHolds", rolls_back_to_what_nobody_holds, "the newest durable state exists"},
        Bug{"AppliesALossTwice", appends_twice<record::Rollback>, "a rollback goes back"},
        Bug{"LeasesBeforeTheRollbackIsDurable", leases_before_the_rollback_is_durable,
            "no lease before the commit is durable"},
        Bug{"DoesNotWaitAtABarrier", does_not_wait_at_a_barrier, "models wait at a barrier"},
        Bug{"ForgetsThatACloneNeedsAState", forgets_that_a_clone_needs_a_state,
            "the state that a clone begins with is kept"},
        Bug{"TrainsACloneAsItsParent", trains_a_clone_as_its_parent, "as the model whose unit it is"},
        Bug{"CollectsBeforeTheOrderIsDurable", collects_before_the_order_is_durable, "only who has ended is collected"},
        Bug{"CallsTheBestStateTheLast", calls_the_best_state_the_last, "the best state is fetched first"},
        Bug{"DoesNotWaitForTheBestState", does_not_wait_for_the_best_state,
            "a model trains on when its best state is kept"}),
    [](const auto& bug) { return std::string(bug.param.name); });

}  // namespace
}  // namespace hop::hopper::simulate
