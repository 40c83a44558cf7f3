// What a unit is made of, and to whom it may be leased: the arithmetic of every strategy of the table, and its checks.
// Long because all strategies are held beside each other.
#include "hopper/strategy/strategies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "hopper/build_model.h"
#include "hopper/experiment.h"
#include "hopper/schedule/itinerary.h"
#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/task_parallel.h"
#include "hopper/strategy/whole_epochs.h"

namespace hop::hopper {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::vector<std::uint32_t> van_der_corput(std::uint32_t n) {
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < n; ++i) order.push_back(van_der_corput_place(i, n));
  return order;
}

TEST(VanDerCorput, IsSpreadEvenlyFromTheBeginning) {
  EXPECT_THAT(van_der_corput(1), ElementsAre(0));
  EXPECT_THAT(van_der_corput(8), ElementsAre(0, 4, 2, 6, 1, 5, 3, 7));
  EXPECT_THAT(van_der_corput(6), ElementsAre(0, 4, 2, 1, 5, 3));
}

TEST(VanDerCorput, IsTheOrderOfTheReversedBits) {
  const auto reversed = [](std::uint32_t number) {
    std::uint32_t bits = 0;
    for (int b = 0; b < 32; ++b) bits |= (number >> b & 1U) << (31 - b);
    return bits;
  };
  for (std::uint32_t n = 1; n <= 130; ++n) {
    std::vector<std::uint32_t> expected(n);
    std::iota(expected.begin(), expected.end(), 0U);
    std::ranges::sort(expected, {}, reversed);
    EXPECT_EQ(van_der_corput(n), expected) << n;
  }
}

TEST(Spread, SharesThePartitionsOutInBlocks) {
  for (std::uint32_t p = 1; p <= 17; ++p) {
    for (std::uint32_t w = 1; w <= p; ++w) {
      const Spread spread{p, w};
      std::vector<std::uint32_t> owned(w, 0);
      std::uint32_t last = 0;
      for (std::uint32_t q = 0; q < p; ++q) {
        const std::uint32_t owner = spread.owner(PartitionId{q}).value;
        ASSERT_LT(owner, w);
        EXPECT_GE(owner, last);
        last = owner;
        ++owned[owner];
      }
      for (const std::uint32_t count : owned) EXPECT_TRUE(count == p / w || count == p / w + 1) << p << " on " << w;
    }
  }
}

// ---- the promises of strategy.h, for every row of the table

Itinerary itinerary_of(const StrategyRow& row, std::uint32_t partitions, std::uint32_t workers,
                       Order order = Order::Fixed) {
  return {partitions, workers, 3, order, row.make()};
}

template <class F>
void for_each_itinerary(F f) {
  for (const StrategyRow& row : strategies()) {
    for (std::uint32_t p = 1; p <= 9; ++p) {
      for (std::uint32_t w = 1; w <= p; ++w) {
        SCOPED_TRACE(std::string(row.name) + ", " + std::to_string(p) + " on " + std::to_string(w));
        const Itinerary itinerary = itinerary_of(row, p, w);
        itinerary.check();
        f(itinerary);
      }
    }
  }
}

TEST(Strategies, SendEveryModelOnceOverEveryPartitionInEveryEpochTheSameWay) {
  for_each_itinerary([](const Itinerary& itinerary) {
    const std::uint32_t units = itinerary.units_per_epoch();
    ASSERT_GE(units, 1U);
    ASSERT_LE(units, itinerary.partitions);
    EXPECT_EQ(itinerary.units(), units * 3);
    for (std::uint32_t model = 0; model < 12; ++model) {
      std::vector<PartitionId> seen;
      for (Unit unit{0}; unit < Unit{units}; ++unit) {
        const PartitionId first = itinerary.partition(ModelId{model}, unit);
        const std::vector<PartitionId> passes = itinerary.passes(first);
        ASSERT_EQ(passes.front(), first);
        EXPECT_EQ(itinerary.partition(ModelId{model}, unit + units), first);
        seen.insert(seen.end(), passes.begin(), passes.end());
      }
      EXPECT_EQ(seen.size(), itinerary.partitions) << model;
      EXPECT_EQ(std::set<PartitionId>(seen.begin(), seen.end()).size(), itinerary.partitions) << model;
    }
  });
}

TEST(Strategies, WithoutReplicasGoOverThePartitionsInTheOrderOfHopping) {
  for_each_itinerary([](const Itinerary& itinerary) {
    if (itinerary.strategy->replicas() != Replicas::None) return;
    for (std::uint32_t model = 0; model < 12; ++model) {
      std::uint32_t place = 0;
      for (Unit unit{0}; unit < Unit{itinerary.units_per_epoch()}; ++unit) {
        for (const PartitionId q : itinerary.passes(itinerary.partition(ModelId{model}, unit))) {
          EXPECT_EQ(q, hopping()->begin(itinerary.spread(), ModelId{model}, place++)) << model;
        }
      }
    }
  });
}

TEST(Strategies, LeaseUnitsToWorkersThatHoldTheirPartitionsAloneOrTogether) {
  for_each_itinerary([](const Itinerary& itinerary) {
    std::uint32_t last = 0;
    for (const PartitionId first : itinerary.choices()) {
      const auto only = itinerary.only_worker(first);
      EXPECT_GE(only.value_or(WorkerId{last}).value, last) << "in the order of the partitions";
      last = only.value_or(WorkerId{last}).value;
      const std::vector<WorkerId> members = itinerary.members(first);
      if (!members.empty()) {
        EXPECT_EQ(only, members.front());
        EXPECT_TRUE(std::ranges::is_sorted(members));
        for (const PartitionId q : itinerary.passes(first)) {
          EXPECT_EQ(std::ranges::count_if(members, [&](WorkerId w) { return itinerary.holds(w, q); }), 1);
        }
        continue;
      }
      std::uint32_t candidates = 0;
      for (std::uint32_t w = 0; w < itinerary.workers; ++w) {
        if (!itinerary.may_train(WorkerId{w}, first)) continue;
        ++candidates;
        for (const PartitionId q : itinerary.passes(first)) EXPECT_TRUE(itinerary.holds(WorkerId{w}, q));
      }
      EXPECT_EQ(candidates, only ? 1U : itinerary.workers);
    }
  });
}

TEST(Hopping, GoesRoundFromASpreadStart) {
  const Itinerary itinerary{6, 4, 2, Order::Fixed};
  EXPECT_EQ(itinerary.partition(ModelId{1}, Unit{0}).value, 4U);
  EXPECT_EQ(itinerary.partition(ModelId{7}, Unit{3}).value, 1U);  // starts at 4 as model 1 does, and goes round
  EXPECT_EQ(itinerary.epoch(Unit{6}), Epoch{1});
  EXPECT_FALSE(itinerary.holds(WorkerId{0}, PartitionId{5}));
}

TEST(TaskParallel, HasOneUnitPerEpochWhichStaysWhereItIs) {
  const Itinerary itinerary{6, 4, 2, Order::Fixed, task_parallel()};
  EXPECT_EQ(itinerary.partition(ModelId{1}, Unit{1}).value, 4U);
  EXPECT_THAT(itinerary.passes(PartitionId{4}), ElementsAre(PartitionId{4}, PartitionId{5}, PartitionId{0},
                                                            PartitionId{1}, PartitionId{2}, PartitionId{3}));
  EXPECT_EQ(itinerary.epoch(Unit{1}), Epoch{1});
  EXPECT_TRUE(itinerary.ends_epoch(Unit{0}));
  EXPECT_TRUE(itinerary.holds(WorkerId{3}, PartitionId{0}));
}

TEST(DataParallel, HasAReplicaForEachPartitionInTheirOrder) {
  for (const auto& strategy : {allreduce(), averaging(), parameter_server()}) {
    const Itinerary itinerary{3, 5, 2, Order::Fixed, strategy};
    for (std::uint32_t model = 0; model < 4; ++model) {
      const PartitionId first = itinerary.partition(ModelId{model}, Unit{1});
      EXPECT_THAT(itinerary.passes(first), ElementsAre(PartitionId{0}, PartitionId{1}, PartitionId{2}));
    }
  }
  EXPECT_EQ(allreduce()->replicas(), Replicas::ShareGradients);
  EXPECT_EQ(parameter_server()->replicas(), Replicas::ShareGradients);
  EXPECT_EQ(averaging()->replicas(), Replicas::ShareWeights);
  EXPECT_EQ(async_parameter_server()->replicas(), Replicas::PushGradients);
  EXPECT_EQ(hopping()->replicas(), Replicas::None);
  EXPECT_THAT([] { DataParallel("none", Replicas::None, Wire::Direct); },
              ThrowsMessage<ConfigError>(HasSubstr("expected replicas that share gradients or weights")));
}

TEST(DataParallel, HasGroupsOfTheOwnersOfPartitions) {
  const auto members = [](const std::shared_ptr<const Strategy>& strategy, std::uint32_t partitions,
                          std::uint32_t workers) {
    std::vector<std::uint32_t> numbers;
    for (const WorkerId w : strategy->members({partitions, workers}, PartitionId{0})) numbers.push_back(w.value);
    return numbers;
  };
  EXPECT_THAT(members(allreduce(), 8, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(members(allreduce(), 3, 5), ElementsAre(0, 1, 3)) << "two workers own nothing";
  EXPECT_THAT(members(allreduce(), 8, 1), ElementsAre()) << "one worker trains alone";
  EXPECT_THAT(members(allreduce(), 1, 4), ElementsAre());
  EXPECT_THAT(members(averaging(), 8, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(members(averaging(), 3, 5), ElementsAre(0, 1, 3));
  EXPECT_THAT(members(averaging(), 8, 1), ElementsAre());
  EXPECT_THAT(members(averaging(), 1, 2), ElementsAre());
  for (const auto& strategy : {averaging(), parameter_server()}) {
    EXPECT_EQ(strategy->only_worker({1, 2}, PartitionId{0}), std::nullopt) << "one partition: any worker, as before";
  }
  EXPECT_THAT(members(parameter_server(), 8, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(members(async_parameter_server(), 8, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(members(async_parameter_server(), 1, 3), ElementsAre());
  EXPECT_THAT(members(parameter_server(), 8, 1), ElementsAre());
  EXPECT_THAT(members(hopping(), 8, 3), ElementsAre());
}

// 1,000 bytes are shared by each replica. Each of W workers sends (W - 1) / W of them, twice, or all but the server
// send them and get them back. A sum of weights has twice the bytes.
TEST(DataParallel, PredictsTheBytesOfAGroup) {
  const auto bytes = [](const std::shared_ptr<const Strategy>& strategy, std::uint32_t partitions,
                        std::uint32_t workers) {
    return strategy->predicted_bytes({partitions, workers}, 1000);
  };
  EXPECT_EQ(bytes(allreduce(), 8, 1), 0U);
  EXPECT_EQ(bytes(allreduce(), 8, 2), 2000U);
  EXPECT_EQ(bytes(averaging(), 8, 8), 14000U);
  EXPECT_EQ(bytes(averaging(), 8, 9), 14000U) << "one worker has no replica";
  EXPECT_EQ(bytes(averaging(), 8, 4), 9000U) << "2,000 out, 1,000 back";
  EXPECT_EQ(bytes(averaging(), 8, 2), 3000U);
  EXPECT_EQ(bytes(averaging(), 6, 4), 3U * (1500 + 1000)) << "two of four workers have two replicas";
  EXPECT_EQ(bytes(averaging(), 8, 1), 0U);
  EXPECT_EQ(bytes(allreduce(), 4, 9), 6000U) << "five workers have no replica";
  EXPECT_EQ(bytes(parameter_server(), 8, 1), 0U);
  EXPECT_EQ(bytes(parameter_server(), 8, 8), 14000U);
  EXPECT_EQ(bytes(hopping(), 8, 8), 0U);
  EXPECT_EQ(bytes(async_parameter_server(), 8, 1), 0U);
  EXPECT_EQ(bytes(async_parameter_server(), 8, 2), 8000U) << "four replicas push to the owner of the others";
  EXPECT_EQ(bytes(async_parameter_server(), 8, 8), 14000U);
  EXPECT_EQ(bytes(async_parameter_server(), 8, 9), 14000U);
}

// One replica tells one other member 1,000 bytes.
TEST(DataParallel, PredictsTheBytesOfStatistics) {
  const auto bytes = [](const std::shared_ptr<const Strategy>& strategy, std::uint32_t partitions,
                        std::uint32_t workers) {
    return strategy->predicted_statistics_bytes({partitions, workers}, 1000);
  };
  EXPECT_EQ(bytes(allreduce(), 8, 1), 0U);
  EXPECT_EQ(bytes(allreduce(), 8, 2), 8000U) << "each of eight replicas, to one member";
  EXPECT_EQ(bytes(allreduce(), 4, 4), 12000U);
  EXPECT_EQ(bytes(allreduce(), 4, 9), 12000U) << "five workers have no replica";
  EXPECT_EQ(bytes(parameter_server(), 8, 3), 16000U) << "members tell each other, not the server";
  EXPECT_EQ(bytes(hopping(), 8, 8), 0U);
}

TEST(DataParallel, HasServersAmongTheMembers) {
  const auto servers = [](const std::shared_ptr<const Strategy>& strategy, std::uint32_t members,
                          std::optional<std::uint32_t> wanted) {
    return dynamic_cast<const DataParallel&>(*strategy).servers(members, wanted);
  };
  EXPECT_EQ(servers(parameter_server(), 5, {}), 1U);
  EXPECT_EQ(servers(parameter_server(), 5, 2), 2U);
  EXPECT_EQ(servers(parameter_server(), 5, 9), 5U) << "no more than there are";
  EXPECT_EQ(servers(allreduce(), 5, {}), 5U);
  EXPECT_EQ(servers(averaging(), 5, 2), 5U);
}

// ---- checks

/// Tasks that two workers would train together, although nothing is shared.
struct TasksInGroups final : WholeEpochs {
  TasksInGroups() : WholeEpochs("in groups") {}
  PartitionId begin(const Spread&, ModelId, std::uint32_t) const override { return PartitionId{0}; }
  std::vector<WorkerId> members(const Spread&, PartitionId) const override { return {WorkerId{0}, WorkerId{1}}; }
};

TEST(Strategies, HaveGroupsOnlyForReplicas) {
  EXPECT_THAT(
      [] {
        (Itinerary{4, 2, 1, Order::Fixed, std::make_shared<TasksInGroups>()}.check());
      },
      ThrowsMessage<ConfigError>(HasSubstr("[run] strategy: expected a group of workers only for replicas")));
}

/// Groups of two, in which one thing is wrong.
struct WrongGroups final : WholeEpochs {
  WrongGroups(std::optional<WorkerId> lead, bool all_hold_all)
      : WholeEpochs("wrong groups"), lead_(lead), all_hold_all_(all_hold_all) {}
  Replicas replicas() const override { return Replicas::ShareGradients; }
  PartitionId begin(const Spread&, ModelId, std::uint32_t) const override { return PartitionId{0}; }
  std::optional<WorkerId> only_worker(const Spread&, PartitionId) const override { return lead_; }
  bool holds(const Spread& spread, WorkerId worker, PartitionId partition) const override {
    return all_hold_all_ || spread.owner(partition) == worker;
  }
  std::vector<WorkerId> members(const Spread&, PartitionId) const override { return {WorkerId{0}, WorkerId{1}}; }

 private:
  std::optional<WorkerId> lead_;
  bool all_hold_all_;
};

TEST(Strategies, HaveGroupsWithALeadAndOneHolderOfEachPartition) {
  const auto check = [](std::optional<WorkerId> lead, bool all_hold_all, std::uint32_t workers = 2) {
    Itinerary{4, workers, 1, Order::Fixed, std::make_shared<WrongGroups>(lead, all_hold_all)}.check();
  };
  EXPECT_NO_THROW(check(WorkerId{0}, false));
  EXPECT_THAT([&] { check(WorkerId{1}, false); }, ThrowsMessage<ConfigError>(HasSubstr("worker 0, got worker 1")));
  EXPECT_THAT([&] { check(std::nullopt, false); }, ThrowsMessage<ConfigError>(HasSubstr("got any worker")));
  EXPECT_THAT([&] { check(WorkerId{0}, true); }, ThrowsMessage<ConfigError>(HasSubstr("holds partition 0, got 2")));
  EXPECT_THAT([&] { check(WorkerId{0}, false, 4); }, ThrowsMessage<ConfigError>(HasSubstr("holds partition 2, got 0")));
}

TEST(Hopping, RefusesWorkersWithoutPartitions) {
  EXPECT_THROW((Itinerary{4, 5, 1, Order::Fixed}.check()), ConfigError);
  EXPECT_THROW((Itinerary{4, 0, 1, Order::Fixed}.check()), ConfigError);
  EXPECT_THROW((Itinerary{0, 0, 1, Order::Fixed}.check()), ConfigError);
  EXPECT_THROW((Itinerary{4, 4, 0, Order::Fixed}.check()), ConfigError);
}

TEST(TaskParallel, TakesAnyNumberOfWorkers) {
  EXPECT_NO_THROW((Itinerary{4, 5, 1, Order::Fixed, task_parallel()}.check()));
  EXPECT_THROW((Itinerary{4, 0, 1, Order::Fixed, task_parallel()}.check()), ConfigError);
  EXPECT_THROW((Itinerary{0, 2, 1, Order::Fixed, task_parallel()}.check()), ConfigError);
}

constexpr const char* kToml = R"([data]
source = "glyphs"
[model]
layers = ["linear 10"]
[search]
epochs = 1
[run]
)";

std::string refusal(const std::string& lines) {
  try {
    parse_experiment(kToml + lines, "e.toml");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(StrategyKey, NamesTheNearest) {
  EXPECT_THAT(refusal("strategy = \"task_paralel\"\n"),
              AllOf(HasSubstr("e.toml:8"), HasSubstr("did you mean \"task_parallel\"?")));
  EXPECT_THAT([] { find_strategy("hoping"); }, ThrowsMessage<ConfigError>(HasSubstr("did you mean \"hopping\"?")));
  Experiment e = parse_experiment(kToml, "e.toml");
  e.run.strategy = "hop";
  EXPECT_THAT([&] { e.check(); }, ThrowsMessage<ConfigError>(HasSubstr("[run] strategy: unknown value \"hop\"")));
}

TEST(StrategyKey, HasOptionsForReplicas) {
  const std::string options =
      "batch = \"global\"\nlr_scale = \"sqrt\"\naverage_every = 12\naverage_state = \"reset\"\n";
  const Experiment e = parse_experiment(std::string(kToml) + "strategy = \"averaging\"\n" + options, "e.toml");
  EXPECT_EQ(e.run.replicas.batch, BatchRows::Global);
  EXPECT_EQ(e.run.replicas.lr_scale, LrScale::Sqrt);
  EXPECT_EQ(e.run.replicas.average_every, 12U);
  EXPECT_EQ(e.run.replicas.average_state, AverageState::Reset);
  EXPECT_THAT(to_toml(e), HasSubstr(options));
  EXPECT_THAT(to_toml(parse_experiment(kToml, "e.toml")), testing::Not(HasSubstr("average_every")));
  EXPECT_EQ(refusal(options), "no error") << "hopping does not read them";
  EXPECT_THAT(refusal("average_state = \"kept\"\n"), HasSubstr("[run] average_state: unknown value \"kept\""));
  EXPECT_THAT(refusal("average_every = 0\n"), HasSubstr("[run] average_every: expected an integer in 1.."));
  EXPECT_THAT(refusal("lr_scale = 2\n"), HasSubstr("[run] lr_scale"));
  Experiment in_code = e;
  in_code.run.replicas.average_every = 0;
  EXPECT_THAT([&] { in_code.check(); },
              ThrowsMessage<ConfigError>(HasSubstr("[run] average_every: expected at least 1, got 0")));
}

TEST(StrategyKey, HasPassesBetweenAverages) {
  const std::string averaging = "strategy = \"averaging\"\n";
  Experiment e = parse_experiment(std::string(kToml) + averaging + "average_passes = 3\n", "e.toml");
  EXPECT_EQ(passes_of_an_epoch(e), 3U);
  EXPECT_THAT(to_toml(e), HasSubstr("average_passes = 3\n"));
  EXPECT_EQ(passes_of_an_epoch(parse_experiment(std::string(kToml) + averaging, "e.toml")), 1U);
  EXPECT_EQ(refusal("average_passes = 3\naverage_every = 4\n"), "no error") << "hopping does not read them";
  EXPECT_EQ(passes_of_an_epoch(parse_experiment(std::string(kToml) + "average_passes = 3\n", "e.toml")), 1U);
  EXPECT_THAT(refusal(averaging + "average_passes = 0\n"),
              HasSubstr("[run] average_passes: expected an integer in 1.."));
  EXPECT_EQ(refusal(averaging + "average_passes = 1\naverage_every = 4\n"), "no error");
  EXPECT_THAT(refusal(averaging + "average_passes = 3\naverage_every = 4\n"),
              HasSubstr("[run] average_every: expected one of average_every and average_passes, got average_every = 4 "
                        "and average_passes = 3; leave one of them out"));
  EXPECT_THAT(refusal("strategy = \"auto\"\nchoose_from = [\"averaging\"]\naverage_passes = 2\n"),
              HasSubstr("[run] average_passes: expected 1 with strategy = \"auto\""));
  EXPECT_EQ(refusal("strategy = \"auto\"\naverage_passes = 2\n"), "no error") << "it does not choose averaging";
  e.run.replicas.average_passes = 0;
  EXPECT_THAT([&] { e.check(); },
              ThrowsMessage<ConfigError>(HasSubstr("[run] average_passes: expected at least 1, got 0")));
}

TEST(StrategyKey, HasAModeOfTheParameterServer) {
  const std::string async = "strategy = \"parameter_server\"\nmode = \"async\"\n";
  Experiment e = parse_experiment(std::string(kToml) + async + "staleness = 3\nservers = 1\n", "e.toml");
  EXPECT_EQ(e.run.replicas.mode, ServerMode::Async);
  EXPECT_EQ(e.run.replicas.staleness, 3U);
  EXPECT_THAT(to_toml(e), HasSubstr("mode = \"async\""));
  EXPECT_EQ(strategy_of(e), async_parameter_server());
  e.run.replicas.mode = ServerMode::Sync;
  EXPECT_EQ(strategy_of(e), parameter_server());
  EXPECT_EQ(
      strategy_of(parse_experiment(std::string(kToml) + "strategy = \"allreduce\"\nmode = \"async\"\n", "e.toml")),
      allreduce())
      << "others do not read it";
  EXPECT_THAT(refusal("mode = \"asinc\"\n"), HasSubstr("did you mean \"async\"?"));

  const auto refused = [&](const std::string& line) { return refusal(async + line); };
  const std::string advice = "; leave it out, or write mode = \"sync\"";
  EXPECT_THAT(
      refused("servers = 2\n"),
      HasSubstr("[run] servers: expected 1 (one server has the optimizer) with mode = \"async\", got 2" + advice));
  EXPECT_THAT(refused("lr_scale = \"linear\"\n"),
              HasSubstr("[run] lr_scale: expected \"none\" (each update is of one batch) with mode = \"async\", got "
                        "\"linear\"" +
                        advice));
  EXPECT_EQ(refused("lr_scale = \"none\"\n"), "no error");
  EXPECT_THAT(refused("batchnorm = \"synchronised\"\n"),
              HasSubstr("[run] batchnorm: expected \"replica\" (each replica computes alone) with mode = \"async\""));
  EXPECT_EQ(refused("average_every = 4\naverage_state = \"keep\"\n"), "no error") << "they are for averaging";
  EXPECT_THAT(refused("order = \"free\"\n"),
              HasSubstr("[run] order: expected \"fixed\" with strategy = \"parameter_server\""));
  EXPECT_THAT(refusal("strategy = \"auto\"\nchoose_from = [\"parameter_server\"]\nmode = \"async\"\n"),
              HasSubstr("[run] mode: expected \"sync\" with strategy = \"auto\""));
  EXPECT_EQ(refusal("strategy = \"auto\"\nmode = \"async\"\n"), "no error") << "it does not choose a server";
  Experiment scaled = parse_experiment(std::string(kToml) + async, "e.toml");
  scaled.model.grad_scaler = true;
  EXPECT_THAT([&] { scaled.check(); }, ThrowsMessage<ConfigError>(HasSubstr("[model] grad_scaler: expected false")));
}

TEST(StrategyKey, IsReadAndWritten) {
  const Experiment e = parse_experiment(std::string(kToml) + "strategy = \"task_parallel\"\n", "e.toml");
  EXPECT_EQ(e.run.strategy.name(), "task_parallel");
  EXPECT_THAT(to_toml(e), HasSubstr("strategy = \"task_parallel\""));
}

TEST(DataParallel, RefusesAnOrderAndAPolicyThatItCannotFollow) {
  EXPECT_THAT(refusal("strategy = \"allreduce\"\norder = \"free\"\n"),
              HasSubstr("[run] order: expected \"fixed\" with strategy = \"allreduce\""));
  EXPECT_THAT(refusal("strategy = \"averaging\"\npolicy = \"rotation\"\n"),
              HasSubstr("with strategy = \"averaging\", got \"rotation\""));
}

TEST(TaskParallel, RefusesAnOrderAndAPolicyThatItCannotFollow) {
  EXPECT_THAT(refusal("strategy = \"task_parallel\"\norder = \"free\"\n"),
              AllOf(HasSubstr("e.toml"), HasSubstr("[run] order: expected \"fixed\"")));
  EXPECT_THAT(refusal("strategy = \"task_parallel\"\npolicy = \"rotation\"\n"),
              HasSubstr("[run] policy: expected \"greedy\" or \"queue\" or \"random\" with strategy"));
  for (const char* policy : {"greedy", "queue", "random"}) {
    EXPECT_EQ(refusal("strategy = \"task_parallel\"\npolicy = \"" + std::string(policy) + "\"\n"), "no error");
  }
  EXPECT_EQ(refusal("order = \"free\"\npolicy = \"rotation\"\n"), "no error") << "hopping can";
}

}  // namespace
}  // namespace hop::hopper
