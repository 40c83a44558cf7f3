// Two places for every state on the simulated cluster: the faults of simulate_test.cpp, nodes that are lost with their
// disks and replaced by empty ones, workers that are asked to go, and cut cables between two workers.
// HOP_SIMULATE_SEEDS runs more seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <map>

#include "tests/hopper/many_seeds.h"
#include "tests/hopper/planted_bug.h"

namespace hop::hopper::simulate {
namespace {

using Actions = std::vector<Action>;
using WorkerActions = std::vector<worker::Action>;

Scenario hopping(std::uint64_t seed) { return with_copies(draw_scenario(seed)); }
// Without second places: only workers that leave have their states copied.
Scenario leaving(std::uint64_t seed) {
  Scenario s = hopping(seed);
  s.options.copies = 1;
  return s;
}
Scenario tasks(std::uint64_t seed) { return with_copies(as_tasks(draw_scenario(seed))); }
Scenario slow_links(std::uint64_t seed) { return with_slow_links(hopping(seed)); }

TEST(SimulatedCopies, KeepEveryPromiseWhateverFails) { expect_promises_kept(seeds(10000), hopping); }
TEST(SimulatedCopies, KeepEveryPromiseOfTasksWhateverFails) { expect_promises_kept(seeds(10000), tasks); }
TEST(SimulatedCopies, KeepEveryPromiseOfWorkersThatLeaveWhateverFails) { expect_promises_kept(seeds(10000), leaving); }

TEST(SimulatedCopies, KeepEveryPromiseOfSlowLinksWhateverFails) { expect_promises_kept(seeds(2000), slow_links); }

TEST(SimulatedCopies, GiveUpWhatComesFromAWorkerThatIsGone) {
  std::uint64_t given_up = 0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) given_up += Simulation(slow_links(seed)).run().hopeless;
  std::cout << "500 seeds: " << given_up << " leases and copies whose source was gone\n";
  EXPECT_GE(given_up, 10U);
}

// Seeds that once broke a promise.
TEST(SimulatedCopies, KeepTheirPromisesWhereTheyOnceBrokeThem) {
  // A collection failed at a worker whose life had ended, and the copy from which the model had gone on was given up.
  EXPECT_NO_THROW(Simulation(hopping(7094)).run());
  // A model went on from a copy, lost it, and went back to a worker that was last heard of before the coordinator died.
  EXPECT_NO_THROW(Simulation(hopping(7915)).run());
  // A worker said that the first state of a clone was lost, and got it once more as the copy of another model.
  EXPECT_NO_THROW(Simulation(tasks(2024)).run());
  // A model lost its copy, too, and went back to the lost state, which was kept for a clone.
  EXPECT_NO_THROW(Simulation(tasks(37659)).run());
  EXPECT_NO_THROW(
      Simulation(hopping(21992)).run());  // ... or it counted as the second place, and the copy was released
  // The old holder came back while the move to the copy was being written, and the copy was released.
  EXPECT_NO_THROW(Simulation(leaving(4272)).run());
  // A node lost the state that a clone began with, and its parent, trained again, gave other bits under the same name.
  for (const auto draw : {hopping, tasks, leaving}) EXPECT_NO_THROW(Simulation(draw(57043)).run());
  // The result of a state that was gone came once more, and counted as its second place.
  EXPECT_NO_THROW(Simulation(tasks(99430)).run());
  // A copy was given up while a clone still began with it, and nobody deleted it when the clone had gone back, too.
  EXPECT_NO_THROW(Simulation(hopping(197631)).run());
}

TEST(SimulatedCopies, MeetEveryKindOfTrouble) {
  Summary all;
  const std::array counts{&Summary::copied,    &Summary::moved,      &Summary::replaced, &Summary::left,
                          &Summary::sent_home, &Summary::deaths,     &Summary::lost,     &Summary::rollbacks,
                          &Summary::crashes,   &Summary::partitions, &Summary::garbled,  &Summary::torn,
                          &Summary::clones};
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const Summary one = Simulation(hopping(seed)).run();
    for (const auto count : counts) all.*count += one.*count;
  }
  std::cout << "2000 seeds: " << all.copied << " copies, " << all.moved << " models went on from one, " << all.replaced
            << " nodes replaced, " << all.left << " workers asked to go, " << all.sent_home << " of them sent home, "
            << all.rollbacks << " rollbacks\n";
  for (const auto count : counts) EXPECT_GE(all.*count, 10U);
}

// ---- the checkers find bugs -------------------------------------------------------------------------------------------

// The copy is given up as soon as it is there.
Simulation::Step releases_the_second_place() {
  return [sent = std::map<Attempt, Copy>()](Coordinator& c, const Event& event, Time now) mutable {
    Actions actions = c.step(event, now);
    const auto* copied = std::get_if<event::Copied>(&event);
    const auto copy = copied != nullptr ? sent.extract(copied->attempt) : decltype(sent)::node_type();
    if (copy) {
      actions.emplace_back(action::Release{copied->peer, copied->model, copy.mapped().version, copy.mapped().attempt});
    }
    for (const Action& action : actions) {
      if (const auto* order = std::get_if<action::SendCopy>(&action)) sent[order->copy.attempt] = order->copy;
    }
    return actions;
  };
}

// A model whose newest state is lost begins again although there is a copy.
Actions forgets_the_copy(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  if (!std::ranges::all_of(c.workers(), &WorkerState::alive)) return actions;
  for (Action& action : actions) {
    auto* append = std::get_if<action::Append>(&action);
    const auto* moved = append != nullptr ? std::get_if<record::Moved>(&append->record) : nullptr;
    if (moved == nullptr || moved->reason.find("is gone") == std::string::npos) continue;
    append->record = record::Rollback{moved->model, Version{}, std::nullopt, {}, "forgotten"};
  }
  return actions;
}

// A model moves to the worker that its copy is on its way to.
Actions takes_an_order_for_a_copy(Coordinator& c, const Event& event, Time now) {
  if (const auto* failed = std::get_if<event::CopyFailed>(&event)) {
    return c.step(event::Copied{failed->peer, failed->model, failed->attempt}, now);
  }
  return c.step(event, now);
}

// A copy is given up while the move of its model to it is being written, because a worker came back.
Simulation::Step releases_where_a_move_goes() {
  return [moves = std::map<std::uint64_t, record::Moved>()](Coordinator& c, const Event& event, Time now) mutable {
    Actions actions = c.step(event, now);
    if (std::holds_alternative<event::Started>(event)) moves.clear();
    if (const auto* synced = std::get_if<event::Synced>(&event)) {
      std::erase_if(moves, [&](const auto& move) { return move.first <= synced->sequence; });
    }
    for (const auto& [sequence, moved] : moves) {
      const WorkerState& w = c.workers()[moved.worker.index()];
      if (!std::holds_alternative<event::WorkerUp>(event) || !w.alive) continue;
      actions.emplace_back(action::Release{{w.id, w.incarnation}, moved.model, moved.version, moved.attempt});
    }
    for (const Action& action : actions) {
      const auto* append = std::get_if<action::Append>(&action);
      const auto* moved = append != nullptr ? std::get_if<record::Moved>(&append->record) : nullptr;
      if (moved != nullptr) moves[append->sequence] = *moved;
    }
    return actions;
  };
}

// The answer of a life that has ended counts for the worker that was asked since.
Simulation::Step takes_a_late_answer() {
  return [asked = std::map<ModelId, Peer>()](Coordinator& c, const Event& event, Time now) mutable {
    const auto* failed = std::get_if<event::CollectFailed>(&event);
    Actions actions =
        failed == nullptr || !asked.contains(failed->model)
            ? c.step(event, now)
            : c.step(event::CollectFailed{asked[failed->model], failed->model, failed->text, failed->failure}, now);
    for (const Action& action : actions) {
      if (const auto* collect = std::get_if<action::SendCollect>(&action)) asked[collect->model] = collect->peer;
    }
    return actions;
  };
}

template <class Which>
Actions without_news(Actions actions, Which which) {
  std::erase_if(actions,
                [&](const Action& action) { return which() && std::holds_alternative<action::SourceGone>(action); });
  return actions;
}

// A worker that is away for long, or has left, has no new life that anybody could hear of.
Actions tells_of_new_lives_only(Coordinator& c, const Event& event, Time now) {
  return without_news(c.step(event, now), [&] { return !std::holds_alternative<event::WorkerUp>(event); });
}

Actions tells_of_no_new_life(Coordinator& c, const Event& event, Time now) {
  return without_news(c.step(event, now), [&] { return std::holds_alternative<event::WorkerUp>(event); });
}

// Whenever a worker comes, every reader hears that its source is gone.
Actions calls_every_source_gone(Coordinator& c, const Event& event, Time now) {
  Actions actions = c.step(event, now);
  if (!std::holds_alternative<event::WorkerUp>(event)) return actions;
  for (const WorkerState& w : c.workers()) {
    for (const Lease& lease : w.leases) {
      if (lease.source) actions.emplace_back(action::SourceGone{{w.id, w.incarnation}, lease.attempt});
    }
  }
  return actions;
}

struct Bug {
  const char* name;
  Simulation::Step step;
  const char* promise;
};

class BuggyCopies : public testing::TestWithParam<Bug> {};

TEST_P(BuggyCopies, AreFoundOut) {
  expect_found_out(GetParam().name, GetParam().promise, {0, 2000},
                   [](std::uint64_t seed) { Simulation(hopping(seed), GetParam().step).run(); });
}

INSTANTIATE_TEST_SUITE_P(
    Bugs, BuggyCopies,
    testing::Values(Bug{"ReleasesTheSecondPlace", releases_the_second_place(), "the second place of a state is kept"},
                    Bug{"ReleasesWhereAMoveGoes", releases_where_a_move_goes(), "what is still needed is not released"},
                    Bug{"ForgetsTheCopy", forgets_the_copy, "a rollback goes to the newest version that is left"}),
    [](const auto& bug) { return std::string(bug.param.name); });

class BuggyNewsOfSources : public testing::TestWithParam<Bug> {};

TEST_P(BuggyNewsOfSources, IsFoundOut) {
  expect_found_out(GetParam().name, GetParam().promise, {0, 2000},
                   [](std::uint64_t seed) { Simulation(slow_links(seed), GetParam().step).run(); });
}

INSTANTIATE_TEST_SUITE_P(Bugs, BuggyNewsOfSources,
                         testing::Values(Bug{"TellsOfNewLivesOnly", tells_of_new_lives_only,
                                             "who waits for a state hears that its source is gone"},
                                         Bug{"TellsOfNoNewLife", tells_of_no_new_life,
                                             "who waits for a state hears that its source is gone"},
                                         Bug{"CallsEverySourceGone", calls_every_source_gone,
                                             "no source that is there is called gone"}),
                         [](const auto& bug) { return std::string(bug.param.name); });

TEST(BuggyCollection, ThatTakesALateAnswerIsFoundOut) {
  expect_found_out("TakesALateAnswer", "only what is lost is rolled back", {16614, 16615},
                   [](std::uint64_t seed) { Simulation(hopping(seed), takes_a_late_answer()).run(); });
}

// A model goes on from a copy that never came: its checker sees it first where the model moves, or at the next
// rollback.
TEST(BuggyCopy, ThatNeverCameIsFoundOut) {
  bool is_found = false;
  for (std::uint64_t seed = 0; seed < 2000 && !is_found; ++seed) {
    try {
      Simulation(hopping(seed), takes_an_order_for_a_copy).run();
    } catch (const Error& broken) {
      is_found = true;
      std::cout << "seed " << seed << ": " << broken.what() << '\n';
    }
  }
  EXPECT_TRUE(is_found);
}

// ---- ... and in the machine of a worker -------------------------------------------------------------------------------

WorkerActions tells_a_copy_too_early(WorkerId, worker::Jobs& jobs, const worker::Event& event, Time now) {
  WorkerActions actions = jobs.step(event, now);
  for (std::size_t i = 0; i < actions.size(); ++i) {
    const auto* save = std::get_if<worker::action::SaveCopy>(&actions[i]);
    if (save == nullptr) continue;
    actions.emplace_back(worker::action::TellCopied{save->copy});
    break;
  }
  return actions;
}

WorkerActions compares_no_digest_of_a_copy(WorkerId, worker::Jobs& jobs, const worker::Event& event, Time now) {
  if (const auto* arrived = std::get_if<worker::event::CopyArrived>(&event)) {
    for (const worker::CopyJob& job : jobs.copies()) {
      if (job.copy.attempt == arrived->attempt) {
        return jobs.step(worker::event::CopyArrived{arrived->attempt, Digest(job.copy.digest)}, now);
      }
    }
  }
  return jobs.step(event, now);
}

WorkerActions waits_for_a_source_that_is_gone(WorkerId, worker::Jobs& jobs, const worker::Event& event, Time now) {
  return std::holds_alternative<worker::event::SourceGone>(event) ? WorkerActions{} : jobs.step(event, now);
}

WorkerActions gives_up_a_parent_with_its_source(WorkerId, worker::Jobs& jobs, const worker::Event& event, Time now) {
  WorkerActions actions = jobs.step(event, now);
  const auto* gone = std::get_if<worker::event::SourceGone>(&event);
  const worker::Job* job = gone != nullptr ? jobs.find(gone->attempt) : nullptr;
  if (job != nullptr && job->stage == worker::Stage::Arrived) {
    actions.emplace_back(worker::action::TellFailed{job->lease, Failure::SourceGone, "gone"});
  }
  return actions;
}

TEST(BuggyReader, ThatWaitsForASourceThatIsGoneIsFoundOut) {
  expect_found_out("WaitsForASourceThatIsGone", "nobody waits for a source that is gone", {0, 2000},
                   [](std::uint64_t seed) { Simulation(slow_links(seed), {}, waits_for_a_source_that_is_gone).run(); });
}

TEST(BuggyReader, ThatGivesUpAParentWithItsSourceIsFoundOut) {
  expect_found_out(
      "GivesUpAParentWithItsSource", "a parent that is here outlives its source", {0, 2000},
      [](std::uint64_t seed) { Simulation(slow_links(seed), {}, gives_up_a_parent_with_its_source).run(); });
}

TEST(BuggyCopyingWorker, ThatTellsACopyTooEarlyIsFoundOut) {
  expect_found_out("TellsACopyTooEarly", "a copy is told when its file is durable", {0, 2000},
                   [](std::uint64_t seed) { Simulation(hopping(seed), {}, tells_a_copy_too_early).run(); });
}

TEST(BuggyCopyingWorker, ThatComparesNoDigestIsFoundOut) {
  expect_found_out("ComparesNoDigestOfACopy", "a copy has the digest of its order", {0, 2000},
                   [](std::uint64_t seed) { Simulation(hopping(seed), {}, compares_no_digest_of_a_copy).run(); });
}

}  // namespace
}  // namespace hop::hopper::simulate
