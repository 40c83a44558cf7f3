// The simulator finds bugs in the worker's law: machines with one bug each. Each bug changes the events that go into
// the machine, or the actions that come out.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "hopper/simulate/simulation.h"
#include "hopper/simulate/toy_model.h"
#include "tests/hopper/planted_bug.h"

namespace hop::hopper::simulate {
namespace {

namespace event = worker::event;
namespace action = worker::action;
using worker::Jobs;
using worker::Stage;
using Actions = std::vector<worker::Action>;
using WorkerStep = Simulation::WorkerStep;

// The jobs that have not begun, the first one first.
std::vector<worker::Job> waiting(const Jobs& jobs) {
  std::vector<worker::Job> all;
  for (const worker::Job& job : jobs.jobs()) {
    if (!job.has_begun()) all.push_back(job);
  }
  return all;
}

action::Train train(const Lease& lease) { return {lease, {}, {}}; }

// Forgets the actions of this kind for which `which` is true.
template <class A, class Which>
Actions without(Actions actions, Which which) {
  std::erase_if(actions, [&](const worker::Action& action) {
    const A* it = std::get_if<A>(&action);
    return it != nullptr && which(*it);
  });
  return actions;
}

template <class A, class Change>
Actions changed(Actions actions, Change change) {
  for (worker::Action& action : actions) {
    if (A* it = std::get_if<A>(&action)) change(*it);
  }
  return actions;
}

WorkerStep trains_an_attempt_again() {
  return [seen = std::map<WorkerId, std::set<Attempt>>()](WorkerId w, Jobs& jobs, const worker::Event& e,
                                                          Time now) mutable {
    Actions actions = jobs.step(e, now);
    const auto* leased = std::get_if<event::Leased>(&e);
    if (leased != nullptr && !seen[w].insert(leased->lease.attempt).second) {
      actions.emplace_back(action::Prepare{leased->lease});
    }
    return actions;
  };
}

WorkerStep trains_without_the_parent() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    const auto* failed = std::get_if<event::Failed>(&e);
    const worker::Job* job = failed != nullptr ? jobs.find(failed->attempt) : nullptr;
    if (job != nullptr && job->stage == Stage::Fetching) {
      return jobs.step(event::Arrived{failed->attempt, job->lease.parent}, now);
    }
    return jobs.step(e, now);
  };
}

WorkerStep compares_no_digests() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    const auto* arrived = std::get_if<event::Arrived>(&e);
    const worker::Job* job = arrived != nullptr ? jobs.find(arrived->attempt) : nullptr;
    if (job != nullptr) return jobs.step(event::Arrived{arrived->attempt, job->lease.parent}, now);
    return jobs.step(e, now);
  };
}

WorkerStep tells_before_the_file_is_durable() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    Actions actions = jobs.step(e, now);
    for (const worker::Action& each : Actions(actions)) {
      const auto* save = std::get_if<action::Save>(&each);
      if (save == nullptr) continue;
      const Lease lease = jobs.find(save->state.attempt)->lease;
      action::TellResult early{save->state};
      early.state.digest = train_toy(lease.parent, lease.model, lease.epoch, lease.partition);
      actions.emplace_back(early);
    }
    return actions;
  };
}

// Its own copy of the parent: the new state is not committed yet.
WorkerStep deletes_the_parent_too_early() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    Actions actions = jobs.step(e, now);
    const auto* trained = std::get_if<event::Trained>(&e);
    const worker::Job* job = trained != nullptr ? jobs.find(trained->attempt) : nullptr;
    if (job != nullptr && !is_first(job->lease.unit) && job->source.empty()) {
      actions.emplace_back(action::Delete{{job->lease.model, before(job->lease.unit), {}}});
    }
    return actions;
  };
}

WorkerStep sends_what_it_does_not_have() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    Actions actions = jobs.step(e, now);
    const auto* wanted = std::get_if<event::Wanted>(&e);
    if (wanted != nullptr && std::holds_alternative<action::Refuse>(actions.at(0))) {
      actions = {action::Serve{wanted->ticket, {wanted->model, wanted->version, {}}}};
    }
    return actions;
  };
}

WorkerStep offers_what_is_not_durable() {
  return [saving = std::map<WorkerId, HeldState>()](WorkerId w, Jobs& jobs, const worker::Event& e, Time now) mutable {
    Actions actions = jobs.step(e, now);
    for (worker::Action& each : actions) {
      if (const auto* save = std::get_if<action::Save>(&each)) saving[w] = save->state;
      auto* offer = std::get_if<action::Offer>(&each);
      if (offer == nullptr || !saving.contains(w)) continue;
      const HeldState last = saving[w];
      const bool is_there = std::any_of(offer->held.begin(), offer->held.end(),
                                        [&](const HeldState& h) { return h.attempt == last.attempt; });
      if (!is_there) offer->held.push_back(last);
    }
    return actions;
  };
}

WorkerStep offers_only_a_part() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    return changed<action::Offer>(jobs.step(e, now), [](action::Offer& offer) {
      if (!offer.held.empty()) offer.held.pop_back();
    });
  };
}

WorkerStep trains_what_it_gave_back() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    const auto* cancelled = std::get_if<event::Cancelled>(&e);
    const worker::Job* job = cancelled != nullptr ? jobs.find(cancelled->attempt) : nullptr;
    const std::optional<Lease> lease = job != nullptr ? std::optional(job->lease) : std::nullopt;
    Actions actions = jobs.step(e, now);
    if (!actions.empty() && lease) actions.emplace_back(train(*lease));
    return actions;
  };
}

WorkerStep gives_back_what_it_trains() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    const auto* cancelled = std::get_if<event::Cancelled>(&e);
    const worker::Job* job = cancelled != nullptr ? jobs.find(cancelled->attempt) : nullptr;
    const bool is_in_training = job != nullptr && job == jobs.training();
    Actions actions = jobs.step(e, now);
    if (is_in_training) {
      actions.emplace_back(action::TellFailed{job->lease, Failure::Cancelled, "cancelled"});
    }
    return actions;
  };
}

WorkerStep deletes_whatever_has_the_name() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    Actions actions = jobs.step(e, now);
    const auto* released = std::get_if<event::Released>(&e);
    const auto* answered = std::get_if<event::Answered>(&e);
    if (released != nullptr && actions.empty()) actions.emplace_back(action::Delete{released->state});
    if (answered != nullptr && answered->verdict == Verdict::Stale && actions.empty()) {
      actions.emplace_back(action::Delete{{answered->model, after(answered->unit), answered->attempt}});
    }
    return actions;
  };
}

WorkerStep keeps_what_is_stale() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    const auto* answered = std::get_if<event::Answered>(&e);
    if (answered == nullptr || answered->verdict == Verdict::Committed) return jobs.step(e, now);
    event::Answered heard = *answered;
    heard.verdict = Verdict::Committed;
    return jobs.step(heard, now);
  };
}

WorkerStep keeps_what_is_released() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    return std::holds_alternative<event::Released>(e) ? Actions{} : jobs.step(e, now);
  };
}

WorkerStep trains_two_at_once() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    Actions actions = jobs.step(e, now);
    const auto* arrived = std::get_if<event::Arrived>(&e);
    const worker::Job* job = arrived != nullptr ? jobs.find(arrived->attempt) : nullptr;
    if (job != nullptr && job->stage == Stage::Arrived && jobs.training() != nullptr) {
      actions.emplace_back(train(job->lease));
    }
    return actions;
  };
}

WorkerStep lets_a_later_lease_go_first() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    Actions actions = jobs.step(e, now);
    const std::vector<worker::Job> queue = waiting(jobs);
    if (jobs.training() == nullptr && queue.size() > 1 && queue[1].stage == Stage::Arrived) {
      actions.emplace_back(train(queue[1].lease));
    }
    return actions;
  };
}

WorkerStep says_another_digest() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    return changed<action::TellResult>(jobs.step(e, now), [](action::TellResult& tell) {
      if (tell.state.version == Version{2}) tell.state.digest.low ^= 1;
    });
  };
}

WorkerStep says_nothing_of_a_parent_that_is_lost() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    return without<action::TellFailed>(
        jobs.step(e, now), [](const action::TellFailed& tell) { return tell.failure == Failure::StateLost; });
  };
}

WorkerStep blames_the_model_for_a_parent_that_is_lost() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    return changed<action::TellFailed>(jobs.step(e, now), [](action::TellFailed& tell) {
      if (tell.failure == Failure::StateLost) tell.failure = Failure::Error;
    });
  };
}

WorkerStep blames_the_model_for_a_full_disk() {
  return [saving = std::map<WorkerId, Attempt>()](WorkerId w, Jobs& jobs, const worker::Event& e, Time now) mutable {
    const auto* broken = std::get_if<event::Broken>(&e);
    const bool is_full = broken != nullptr && broken->trouble == worker::Trouble::Disk;
    Actions actions = jobs.step(is_full ? worker::Event(event::Failed{saving[w], Failure::Error, "no space"}) : e, now);
    for (const worker::Action& each : actions) {
      if (const auto* save = std::get_if<action::Save>(&each)) saving[w] = save->state.attempt;
    }
    return actions;
  };
}

WorkerStep trains_on_without_its_coordinator() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    return std::holds_alternative<event::Broken>(e) ? Actions{} : jobs.step(e, now);
  };
}

WorkerStep loses_a_result() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    return without<action::TellResult>(jobs.step(e, now), [&](const auto&) { return now > seconds(1); });
  };
}

WorkerStep loses_a_lease() {
  return [](WorkerId, Jobs& jobs, const worker::Event& e, Time now) {
    return std::holds_alternative<event::Leased>(e) && now > seconds(1) ? Actions{} : jobs.step(e, now);
  };
}

struct WorkerBug {
  const char* name;
  WorkerStep (*plant)();
  const char* found;        // the promise that it breaks
  std::uint64_t first = 0;  // the seed to begin with, of 10,000: a rare bug is found late
};

void PrintTo(const WorkerBug& bug, std::ostream* out) { *out << bug.name; }

class BuggyWorker : public testing::TestWithParam<WorkerBug> {};

TEST_P(BuggyWorker, IsFoundOut) {
  const auto [name, plant, found, first] = GetParam();
  expect_found_out(name, found, {first, 10'000},
                   [plant = plant](std::uint64_t seed) { Simulation(draw_scenario(seed), {}, plant()).run(); });
}

INSTANTIATE_TEST_SUITE_P(
    Bugs, BuggyWorker,
    testing::Values(
        WorkerBug{"TrainsAnAttemptAgain", trains_an_attempt_again, "an attempt is taken up once"},
        WorkerBug{"TrainsWithoutTheParent", trains_without_the_parent, "on the parent of its lease"},
        WorkerBug{"ComparesNoDigests", compares_no_digests, "on the parent of its lease"},
        WorkerBug{"TellsBeforeTheFileIsDurable", tells_before_the_file_is_durable, "when its file is durable"},
        WorkerBug{"DeletesTheParentTooEarly", deletes_the_parent_too_early, "when the coordinator said so"},
        WorkerBug{"SendsWhatItDoesNotHave", sends_what_it_does_not_have, "only durable states are sent"},
        WorkerBug{"OffersWhatIsNotDurable", offers_what_is_not_durable, "and no others"},
        WorkerBug{"OffersOnlyAPart", offers_only_a_part, "the states on the disk are offered"},
        WorkerBug{"TrainsWhatItGaveBack", trains_what_it_gave_back, "what was given back is not trained"},
        WorkerBug{"GivesBackWhatItTrains", gives_back_what_it_trains, "what has begun is not given back"},
        WorkerBug{"DeletesWhateverHasTheName", deletes_whatever_has_the_name,
                  "only the state that was named is deleted"},
        WorkerBug{"KeepsWhatIsStale", keeps_what_is_stale, "what the coordinator releases is deleted"},
        WorkerBug{"KeepsWhatIsReleased", keeps_what_is_released, "what the coordinator releases is deleted"},
        WorkerBug{"TrainsTwoAtOnce", trains_two_at_once, "one at a time"},
        WorkerBug{"LetsALaterLeaseGoFirst", lets_a_later_lease_go_first, "in the order of their leases"},
        WorkerBug{"SaysAnotherDigest", says_another_digest, "names the digest of its file"},
        WorkerBug{"SaysNothingOfAParentThatIsLost", says_nothing_of_a_parent_that_is_lost,
                  "a lease that comes to nothing is given back"},
        WorkerBug{"BlamesTheModelForALostParent", blames_the_model_for_a_parent_that_is_lost, "held against a model"},
        WorkerBug{"BlamesTheModelForAFullDisk", blames_the_model_for_a_full_disk, "held against a model"},
        WorkerBug{"TrainsOnWithoutItsCoordinator", trains_on_without_its_coordinator,
                  "a worker that cannot go on ends"},
        WorkerBug{"LosesAResult", loses_a_result, "the run ends"},
        WorkerBug{"LosesALease", loses_a_lease, "the run ends"}),
    [](const auto& bug) { return std::string(bug.param.name); });

}  // namespace
}  // namespace hop::hopper::simulate
