// What a unit is made of, and to whom it may be leased: the arithmetic of every strategy of the table, and its checks.
#include "hopper/strategy/strategies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "hopper/experiment.h"
#include "hopper/schedule/itinerary.h"
#include "hopper/strategy/data_parallel.h"
#include "hopper/strategy/task_parallel.h"

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

TEST(Strategies, GoOverThePartitionsInTheOrderOfHopping) {
  for_each_itinerary([](const Itinerary& itinerary) {
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

TEST(Strategies, LeaseUnitsToWorkersThatHoldTheirPartitions) {
  for_each_itinerary([](const Itinerary& itinerary) {
    std::uint32_t last = 0;
    for (const PartitionId first : itinerary.choices()) {
      const auto only = itinerary.only_worker(first);
      EXPECT_GE(only.value_or(WorkerId{last}).value, last) << "in the order of the partitions";
      last = only.value_or(WorkerId{last}).value;
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

// ---- checks

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

TEST(StrategyKey, IsReadAndWritten) {
  const Experiment e = parse_experiment(std::string(kToml) + "strategy = \"task_parallel\"\n", "e.toml");
  EXPECT_EQ(e.run.strategy.name(), "task_parallel");
  EXPECT_THAT(to_toml(e), HasSubstr("strategy = \"task_parallel\""));
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
