// Means that a group computes, against those of one worker.
#include "hopper/strategy/group_mean.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <mutex>
#include <vector>

#include "kernels/copy.h"
#include "tensor/random.h"
#include "tests/hopper/local_group.h"

namespace hop::hopper {
namespace {

using ::testing::ElementsAre;

struct Step {
  std::vector<std::vector<float>> values;  // of each replica
  std::vector<double> shares;
  std::vector<bool> has_rows;
};

// Values of many sizes, so that another order of additions gives other bits.
Step draw(std::uint32_t replicas, std::size_t size, std::uint64_t key) {
  PhiloxStream random({.key = key});
  Step step;
  for (std::uint32_t r = 0; r < replicas; ++r) {
    step.has_rows.push_back(r + 1 == replicas || random.uniform() < 0.8);
    step.shares.push_back(random.uniform());
    std::vector<float>& values = step.values.emplace_back(size);
    for (float& x : values) x = static_cast<float>((random.uniform() - 0.5) * (random.uniform() < 0.5 ? 1e6 : 1e-3));
  }
  return step;
}

std::vector<float> values_of(const Tensor& t) { return {t.data<float>(), t.data<float>() + t.numel()}; }

std::vector<float> of_one_worker(const Step& step) {
  const Tensor place = kernels::zeros({static_cast<std::int64_t>(step.values.front().size())});
  TreeMean mean({place});
  for (std::size_t r = 0; r < step.values.size(); ++r) {
    if (!step.has_rows[r]) {
      mean.skip();
      continue;
    }
    std::copy(step.values[r].begin(), step.values[r].end(), place.data<float>());
    mean.add(step.shares[r]);
  }
  mean.finish();
  return values_of(place);
}

std::size_t first_with_rows(const Step& step) {
  std::size_t first = 0;
  while (!step.has_rows[first]) ++first;
  return first;
}

TEST(ReplicaTree, NodesAreAsLargeAsTheirOwnersAllow) {
  using Node = TreeNode;
  const std::vector<std::uint32_t> owners{0, 1, 1, 2, 2, 2, 2, 2};
  EXPECT_THAT(largest_nodes(owners),
              ElementsAre(Node{0, 1, 0}, Node{1, 1, 1}, Node{2, 1, 1}, Node{3, 1, 2}, Node{4, 4, 2}));
  EXPECT_THAT(largest_nodes(owners_of(4, 2)), ElementsAre(Node{0, 2, 0}, Node{2, 2, 1}));
  EXPECT_THAT(largest_nodes(owners_of(6, 2)), ElementsAre(Node{0, 2, 0}, Node{2, 1, 0}, Node{3, 1, 1}, Node{4, 2, 1}));
  EXPECT_THAT(largest_nodes(owners_of(5, 1)), ElementsAre(Node{0, 5, 0}));
  EXPECT_THAT(largest_nodes({}), ElementsAre());
}

TEST(GroupMean, HasTheBitsOfOneWorkerForAnyNumberOfMembers) {
  for (const std::uint32_t replicas : {2U, 3U, 4U, 5U, 6U, 7U, 8U, 13U}) {
    for (std::uint32_t members = 2; members <= std::min(replicas, 5U); ++members) {
      for (const std::size_t size : {std::size_t{1}, std::size_t{15}, std::size_t{33}, std::size_t{400}}) {
        SCOPED_TRACE(std::to_string(replicas) + " replicas, " + std::to_string(members) + " members, " +
                     std::to_string(size) + " values");
        run_group(replicas, members, [&](const Group& group) {
          const Tensor place = kernels::zeros({static_cast<std::int64_t>(size)});
          const Tensor buffer = kernels::zeros({3}, DType::f64);
          GroupMean mean(place, {buffer}, group);
          for (std::uint64_t key = 0; key < 4; ++key) {  // several steps: sizes of messages differ
            const Step step = draw(replicas, size, 97 * key + replicas);
            mean.begin(step.has_rows);
            bool is_first = true;
            for (std::size_t r = 0; r < replicas; ++r) {
              if (!group.owns(r)) continue;
              if (!step.has_rows[r]) {
                mean.skip();
                continue;
              }
              if (std::exchange(is_first, false)) buffer.data<double>()[2] = static_cast<double>(10 * key + r);
              std::copy(step.values[r].begin(), step.values[r].end(), place.data<float>());
              mean.add(step.shares[r]);
            }
            EXPECT_FALSE(mean.finish(false));
            EXPECT_EQ(values_of(place), of_one_worker(step));
            EXPECT_EQ(buffer.data<double>()[2], static_cast<double>(10 * key + first_with_rows(step)));
          }
        });
      }
    }
  }
}

TEST(GroupMean, EveryMemberHearsThatOneHasLostItsLoss) {
  for (const std::uint32_t loser : {0U, 2U}) {
    run_group(3, 3, [&](const Group& group) {
      const Tensor place = kernels::zeros({5});
      GroupMean mean(place, {}, group);
      for (const bool is_lost : {false, true}) {
        mean.begin({true, true, true});
        mean.add(1.0 / 3);
        EXPECT_EQ(mean.finish(is_lost && group.wire->rank() == loser), is_lost);
      }
    });
  }
}

// 4,096 values are 16 KiB. Each of four members has a quarter of them, and a node of its own.
TEST(GroupMean, SendsTheBytesOfTheFormula) {
  for (const std::uint32_t members : {2U, 3U, 4U}) {
    const std::uint64_t bytes = run_group(members == 3 ? 3 : 4, members, [&](const Group& group) {
      const Tensor place = kernels::zeros({4096});
      GroupMean mean(place, {}, group);
      EXPECT_EQ(mean.bytes(), 4096U * 4);
      mean.begin(std::vector<bool>(group.owners.size(), true));
      for (std::size_t r = 0; r < group.owners.size(); ++r) {
        if (group.owns(r)) mean.add(0.25);
      }
      mean.finish(false);
    });
    EXPECT_EQ(bytes, 2 * (members - 1) * 4096 * 4 + 8 * members * (members - 1));
  }
}

}  // namespace
}  // namespace hop::hopper
