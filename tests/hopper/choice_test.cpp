// The choice of "auto" as a pure function: a table of jobs whose times are known by hand, and the strategies that a run
// cannot have.
#include "hopper/strategy/choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace hop::hopper {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing::ThrowsMessage;

using Names = std::vector<std::string>;

// 3 epochs of 80 s of work for each model, on 4 workers with a partition each; a link of 1 MB/s without latency.
simulate::Job job_of(std::uint32_t models, double state_bytes, double weight_bytes = 1e6) {
  simulate::Job job;
  job.rows = 1000;
  job.data_bytes = 1e6;
  job.epochs = 3;
  job.workers = job.partitions = 4;
  job.network = {1e6, 0};
  job.models.assign(
      models, {.count = 1, .epoch_seconds = 80, .batch = 25, .weight_bytes = weight_bytes, .state_bytes = state_bytes});
  return job;
}

std::vector<Candidate> possible(const Names& names) {
  std::vector<Candidate> all;
  for (const std::string& name : names) all.push_back({name, {}});
  return all;
}

struct Case {
  const char* what;
  Names from;
  simulate::Job job;
  std::string chosen;
};

TEST(Choice, TakesTheFirstOfThoseThatAreNotMuchSlowerThanTheFastest) {
  const Names same_bits = {"hopping", "task_parallel"};
  const std::vector<Case> cases = {
      {"80 s an epoch for both: the one with a part of the data", same_bits, job_of(4, 0), "hopping"},
      {"the same, in the other order", {"task_parallel", "hopping"}, job_of(4, 0), "task_parallel"},
      {"11 hops of 0.1 s in 240 s are no reason", same_bits, job_of(4, 1e5), "hopping"},
      {"11 hops of 5 s in 240 s are one", same_bits, job_of(4, 5e6), "task_parallel"},
      {"many models hide their hops", same_bits, job_of(24, 1e5), "hopping"},
      {"one model, and 35 s an epoch by four replicas", {"hopping", "allreduce"}, job_of(1, 0), "allreduce"},
      {"four models: 140 s for all by replicas", {"hopping", "allreduce"}, job_of(4, 0), "hopping"},
      {"one model, and gradients that take 150 s", {"hopping", "allreduce"}, job_of(1, 0, 1e7), "hopping"},
      {"allreduce is not among them", same_bits, job_of(1, 0), "hopping"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(choose_strategy(possible(c.from), c.job, "").strategy, c.chosen) << c.what;
  }
}

TEST(Choice, SaysWhyWithItsFigures) {
  const StrategyChoice choice = choose_strategy(possible({"hopping", "task_parallel"}), job_of(4, 5e6), "");
  EXPECT_THAT(choice.why, AllOf(StartsWith("task_parallel: predicted"), HasSubstr("hopping 98.3 s, task_parallel 80 s"),
                                HasSubstr("80 s for an epoch of a model"), HasSubstr("states of 5 MB"),
                                HasSubstr("weights of 1 MB"), HasSubstr("1 MB/s and 0 ms"),
                                HasSubstr("4 models, 4 partitions, 4 workers")));
  EXPECT_EQ(choice.why.find('\n'), std::string::npos) << "one line";
}

TEST(Choice, EqualFiguresGiveEqualChoices) {
  const simulate::Job job = job_of(7, 3e6);
  const auto both = possible({"hopping", "task_parallel"});
  EXPECT_EQ(choose_strategy(both, job, "").why, choose_strategy(both, job, "").why);
}

TEST(Choice, LeavesOutWhatARunCannotHave) {
  std::vector<Candidate> candidates = possible({"hopping", "task_parallel"});
  candidates[0].refusal = "it rains";
  const StrategyChoice choice = choose_strategy(candidates, job_of(4, 0), "");
  EXPECT_EQ(choice.strategy, "task_parallel");
  EXPECT_THAT(choice.why, HasSubstr("not hopping: it rains"));
}

Names refusals(const ChoiceRules& rules) {
  Names all;
  for (const Candidate& candidate : candidates_of(rules)) all.push_back(candidate.refusal);
  return all;
}

TEST(Choice, KnowsWhatEachStrategyRefuses) {
  const Names both = {"hopping", "task_parallel"};
  EXPECT_EQ(refusals({.from = both, .spread = {4, 4}}), (Names{"", ""}));
  EXPECT_EQ(refusals({.from = both, .spread = {4, 8}}), (Names{"8 workers, and work for 4", ""}));
  const Names free = refusals({.from = both, .spread = {4, 2}, .order = Order::Free});
  EXPECT_EQ(free[0], "");
  EXPECT_THAT(free[1], AllOf(HasSubstr("expected \"fixed\""), HasSubstr("no partition is left to choose")));
  EXPECT_THAT(refusals({.from = both, .spread = {4, 2}, .policy = "rotation"})[1],
              HasSubstr("a unit is a whole epoch"));
  EXPECT_EQ(refusals({.from = both, .spread = {4, 2}, .policy = std::string(kOwnCode)}), (Names{"", ""}));
  EXPECT_THAT(
      [&] {
        candidates_of({.from = {"hoping"}, .spread = {4, 2}});
      },
      ThrowsMessage<ConfigError>(HasSubstr("did you mean \"hopping\"")));
}

// Their nodes hold the partitions of their workers; whether they hold more is known when they come.
TEST(Choice, AsksNoMachineForPartitionsOfOthers) {
  const Names refused =
      refusals({.from = {"hopping", "task_parallel", "allreduce"}, .spread = {4, 2}, .is_of_machines = true});
  EXPECT_EQ(refused[0], "");
  EXPECT_THAT(refused[1], HasSubstr("nobody knows what the nodes of other machines hold"));
  EXPECT_EQ(refused[2], "") << "a member of a group has its own partitions";
  EXPECT_EQ(refusals({.from = {"task_parallel"}, .spread = {4, 1}, .is_of_machines = true}), Names{""});
}

TEST(Choice, MeasuresNothingForTheOnlyOne) {
  const StrategyChoice choice = only_choice(candidates_of({.from = {"hopping", "task_parallel"}, .spread = {2, 3}}));
  EXPECT_EQ(choice.strategy, "task_parallel");
  EXPECT_THAT(choice.why, AllOf(HasSubstr("the only one"), HasSubstr("not hopping: 3 workers, and work for 2"),
                                HasSubstr("Nothing was measured")));
  EXPECT_THAT(
      [] {
        only_choice(possible({"hopping", "task_parallel"}));
      },
      ThrowsMessage<StateError>(HasSubstr("got several")));
}

TEST(Choice, SaysThatNoStrategyIsLeft) {
  const auto none = candidates_of({.from = {"hopping", "task_parallel"}, .spread = {2, 3}, .order = Order::Free});
  const auto message = AllOf(HasSubstr("[run] strategy: expected a strategy that this run can have"),
                             HasSubstr("not hopping: 3 workers"), HasSubstr("not task_parallel: expected \"fixed\""));
  EXPECT_THAT([&] { only_choice(none); }, ThrowsMessage<ConfigError>(message));
  EXPECT_THAT([&] { choose_strategy(none, job_of(4, 0), ""); }, ThrowsMessage<ConfigError>(message));
}

TEST(Choice, NoStrategyIsCalledAuto) {
  for (const StrategyRow& row : strategies()) EXPECT_NE(row.name, kAuto);
  EXPECT_THAT([] { make_strategy(NameOr<StrategyMaker>("auto")); },
              ThrowsMessage<ConfigError>(
                  AllOf(HasSubstr("settled when a run begins"), HasSubstr("hopping"), Not(HasSubstr("did you mean")))));
}

}  // namespace
}  // namespace hop::hopper
