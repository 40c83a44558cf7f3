// Hopping in groups: what its units are, and whole runs, whose judge is one worker.
#include "hopper/strategy/group_hopping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "hopper/build_model.h"
#include "hopper/run.h"
#include "hopper/schedule/itinerary.h"
#include "tests/hopper/glyphs.h"
#include "tests/hopper/hashes.h"

namespace hop::hopper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Itinerary itinerary(std::uint32_t partitions, std::uint32_t workers, std::uint32_t group) {
  return {partitions, workers, 2, Order::Fixed, std::make_shared<GroupHopping>(group)};
}

TEST(GroupHopping, HasUnitsOfNeighbouringPartitions) {
  const Itinerary seven = itinerary(7, 7, 3);
  seven.check();
  EXPECT_EQ(seven.units_per_epoch(), 3U);
  EXPECT_THAT(seven.choices(), ElementsAre(PartitionId{0}, PartitionId{3}, PartitionId{6}));
  EXPECT_THAT(seven.passes(PartitionId{3}), ElementsAre(PartitionId{3}, PartitionId{4}, PartitionId{5}));
  EXPECT_THAT(seven.passes(PartitionId{6}), ElementsAre(PartitionId{6})) << "the last block is short";
  EXPECT_THAT(seven.members(PartitionId{3}), ElementsAre(WorkerId{3}, WorkerId{4}, WorkerId{5}));
  EXPECT_EQ(seven.only_worker(PartitionId{3}), WorkerId{3});
  EXPECT_THAT(seven.members(PartitionId{6}), ElementsAre()) << "one worker trains it alone";
}

TEST(GroupHopping, GoesRoundAllBlocksInAnEpoch) {
  const Itinerary of = itinerary(8, 4, 2);
  for (std::uint32_t model = 0; model < 5; ++model) {
    std::vector<PartitionId> seen;
    for (std::uint32_t unit = 0; unit < of.units_per_epoch(); ++unit) {
      for (const PartitionId id : of.passes(of.partition(ModelId{model}, Unit{unit}))) seen.push_back(id);
    }
    std::ranges::sort(seen);
    EXPECT_EQ(seen, (std::vector{PartitionId{0}, PartitionId{1}, PartitionId{2}, PartitionId{3}, PartitionId{4},
                                 PartitionId{5}, PartitionId{6}, PartitionId{7}}));
  }
  EXPECT_NE(of.partition(ModelId{0}, Unit{0}), of.partition(ModelId{1}, Unit{0})) << "models begin apart";
}

TEST(GroupHopping, OwnersOfAPartOfABlockAreInItsGroup) {
  const Itinerary of = itinerary(4, 3, 2);  // owners 0, 0, 1, 2
  EXPECT_THAT(of.members(PartitionId{0}), ElementsAre());
  EXPECT_THAT(of.members(PartitionId{2}), ElementsAre(WorkerId{1}, WorkerId{2}));
  EXPECT_THAT(of.owners(PartitionId{2}), ElementsAre(0U, 1U));
}

// 1,000 bytes are shared by each replica in all units.
TEST(GroupHopping, PredictsTheBytesOfItsGroups) {
  const auto bytes = [](std::uint32_t partitions, std::uint32_t workers, std::uint32_t group) {
    return GroupHopping(group).predicted_bytes({partitions, workers}, 1000);
  };
  EXPECT_EQ(bytes(8, 8, 2), 2000U);
  EXPECT_EQ(bytes(8, 8, 4), 6000U);
  EXPECT_EQ(bytes(8, 4, 2), 0U) << "each worker owns a block";
  EXPECT_EQ(bytes(4, 3, 2), 1000U) << "one of two units has a group";
  EXPECT_EQ(bytes(8, 1, 8), 0U);
}

// One replica tells one other member 1,000 bytes in all units.
TEST(GroupHopping, PredictsTheBytesOfStatistics) {
  const auto bytes = [](std::uint32_t partitions, std::uint32_t workers, std::uint32_t group) {
    return GroupHopping(group).predicted_statistics_bytes({partitions, workers}, 1000);
  };
  EXPECT_EQ(bytes(8, 8, 2), 2000U) << "two replicas, to one member each";
  EXPECT_EQ(bytes(8, 8, 4), 12000U);
  EXPECT_EQ(bytes(8, 4, 2), 0U) << "each worker owns a block";
  EXPECT_EQ(bytes(4, 3, 2), 1000U) << "one of two units has a group";
  EXPECT_EQ(bytes(5, 5, 2), 2000U) << "the replica of the last unit tells nothing";
}

TEST(GroupHopping, RefusesFreeOrderAndGroupsOfNone) {
  EXPECT_THAT([] { GroupHopping(0); }, ThrowsMessage<ConfigError>(HasSubstr("expected at least 1, got 0")));
  EXPECT_THAT([] { GroupHopping(2).check(Order::Free, ""); },
              ThrowsMessage<ConfigError>(HasSubstr("[run] order: expected \"fixed\" with group = 2")));
}

// 330 rows: partitions of 83, 83, 82 and 82.
class GroupHoppingRun : public OnGlyphs<330, 4> {
 protected:
  static constexpr std::uint32_t kEpochs = 3;

  static Experiment experiment(std::uint32_t workers, std::uint32_t group) {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear 12", "batchnorm1d", "relu", "linear 10"};
    e.search.epochs = kEpochs;
    e.search.space = {{"lr", Choices{0.01, 0.003, 0.001}},
                      {"batch_size", Choices{std::int64_t{16}}},
                      {"schedule", Choices{std::string("cosine")}},
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.replicas.group = group;
    e.run.workers = workers;
    return e;
  }
};

TEST_F(GroupHoppingRun, GivesTheSameBitsForAnyNumberOfWorkers) {
  for (const std::uint32_t group : {2U, 3U}) {
    SCOPED_TRACE(group);
    const Results alone = run(experiment(1, group)).results;
    EXPECT_EQ(alone.network.gradient, 0U);
    for (const ModelResult& model : alone.models) {
      EXPECT_EQ(model.visits.size(), 2 * kEpochs);
      EXPECT_EQ(model.curve.size(), kEpochs);
      EXPECT_LT(model.curve.back().train_loss, model.curve.front().train_loss);
    }
    for (const std::uint32_t workers : {2U, 3U, 4U}) {
      SCOPED_TRACE(workers);
      const Results results = run(experiment(workers, group)).results;
      EXPECT_EQ(hashes(results), hashes(alone));
      const auto predicted = static_cast<double>(results.predicted_gradient_bytes);
      EXPECT_NEAR(static_cast<double>(results.network.gradient), predicted, 0.02 * predicted);
      EXPECT_EQ(predicted > 0, group == 3 || workers > 2);
    }
  }
}

TEST_F(GroupHoppingRun, OfOneBlockIsAllreduceAndOfOnePartitionIsHopping) {
  const auto by_name = [](const char* strategy) {
    Experiment e = experiment(2, 1);
    e.run.strategy = strategy;
    return hashes(run(e).results);
  };
  const Results together = run(experiment(2, 4)).results;
  EXPECT_EQ(hashes(together), by_name("allreduce"));
  EXPECT_EQ(together.group, 4U);
  EXPECT_EQ(hashes(run(experiment(2, 9)).results), by_name("allreduce"));
  const Results apart = run(experiment(2, 1)).results;
  EXPECT_EQ(hashes(apart), by_name("hopping"));
  EXPECT_EQ(apart.group, 1U);
  EXPECT_NE(by_name("allreduce"), by_name("hopping"));
}

TEST_F(GroupHoppingRun, ReplaysOnOneMachine) {
  const auto directory = *folder_ / "replayed";
  run(experiment(4, 2), {.run_directory = directory});
  EXPECT_EQ(inspect(directory).group, 2U);
  for (const Replayed& model : replay(directory)) {
    EXPECT_TRUE(model.matches);
    EXPECT_EQ(model.identical, 2 * kEpochs);
  }
}

// The cosine ends with the last of 2 x 6 steps of an epoch, not of 6 or of 24.
TEST_F(GroupHoppingRun, CountsTheStepsOfItsUnits) {
  const data::Dataset data = data::Dataset::open(*folder_ / "data");
  EXPECT_EQ(steps_per_epoch(experiment(1, 1), {{"batch_size", std::int64_t{16}}}, data), 24);
  EXPECT_EQ(steps_per_epoch(experiment(1, 2), {{"batch_size", std::int64_t{16}}}, data), 12);
  EXPECT_EQ(steps_per_epoch(experiment(1, 3), {{"batch_size", std::int64_t{16}}}, data), 12);
  EXPECT_EQ(steps_per_epoch(experiment(1, 4), {{"batch_size", std::int64_t{16}}}, data), 6);
}

}  // namespace
}  // namespace hop::hopper
