// Means that a group computes, against those of one worker.
#include "hopper/strategy/group_mean.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/view.h"
#include "tensor/random.h"
#include "tests/hopper/local_group.h"

namespace hop::hopper {
namespace {

using ::testing::ElementsAre;

struct Step {
  std::vector<std::vector<float>> values;     // of each replica
  std::vector<std::optional<double>> shares;  // none: the replica has no rows
};

// Values of many sizes, so that another order of additions gives other bits.
Step draw(std::uint32_t replicas, std::size_t size, std::uint64_t key) {
  PhiloxStream random({.key = key});
  Step step;
  for (std::uint32_t r = 0; r < replicas; ++r) {
    const bool has_rows = r + 1 == replicas || random.uniform() < 0.8;
    const double share = random.uniform();
    step.shares.push_back(has_rows ? std::optional(share) : std::nullopt);
    std::vector<float>& values = step.values.emplace_back(size);
    for (float& x : values) x = static_cast<float>((random.uniform() - 0.5) * (random.uniform() < 0.5 ? 1e6 : 1e-3));
  }
  return step;
}

std::vector<float> values_of(const Tensor& t) { return {t.data<float>(), t.data<float>() + t.numel()}; }

std::vector<float> of_one_worker(const Step& step, DType sums) {
  const Tensor place = kernels::zeros({static_cast<std::int64_t>(step.values.front().size())});
  TreeMean mean({place}, sums);
  for (std::size_t r = 0; r < step.values.size(); ++r) {
    if (!step.shares[r]) {
      mean.skip();
      continue;
    }
    std::copy(step.values[r].begin(), step.values[r].end(), place.data<float>());
    mean.add(*step.shares[r]);
  }
  mean.finish();
  return values_of(place);
}

std::size_t first_with_rows(const Step& step) {
  std::size_t first = 0;
  while (!step.shares[first]) ++first;
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

void expect_the_bits_of_one_worker(std::uint32_t replicas, std::uint32_t members, std::size_t size, DType sums,
                                   std::uint32_t servers = 0) {
  run_group(replicas, members, [&](Group group) {
    group.servers = servers;
    const Tensor place = kernels::zeros({static_cast<std::int64_t>(size)});
    const Tensor buffer = kernels::zeros({3}, DType::f64);
    GroupMean mean({place}, {buffer}, group, sums);
    for (std::uint64_t key = 0; key < 4; ++key) {  // several steps: sizes of messages differ
      const Step step = draw(replicas, size, 97 * key + replicas);
      mean.begin(step.shares);
      bool is_first = true;
      for (std::size_t r = 0; r < replicas; ++r) {
        if (!group.owns(r)) continue;
        if (!step.shares[r]) {
          mean.skip();
          continue;
        }
        if (std::exchange(is_first, false)) buffer.data<double>()[2] = static_cast<double>(10 * key + r);
        std::copy(step.values[r].begin(), step.values[r].end(), place.data<float>());
        mean.add();
      }
      EXPECT_FALSE(mean.finish(false));
      EXPECT_EQ(values_of(place), of_one_worker(step, sums));
      EXPECT_EQ(buffer.data<double>()[2], static_cast<double>(10 * key + first_with_rows(step)));
    }
  });
}

TEST(GroupMean, HasTheBitsOfOneWorkerForAnyNumberOfMembers) {
  for (const std::uint32_t replicas : {2U, 3U, 4U, 5U, 6U, 7U, 8U, 13U}) {
    for (std::uint32_t members = 1; members <= std::min(replicas, 5U); ++members) {
      for (const std::size_t size : {std::size_t{1}, std::size_t{15}, std::size_t{33}, std::size_t{400}}) {
        for (const DType sums : {DType::f32, DType::f64}) {
          SCOPED_TRACE(std::to_string(replicas) + " replicas, " + std::to_string(members) + " members, " +
                       std::to_string(size) + " values, sums in " + std::string(name(sums)));
          expect_the_bits_of_one_worker(replicas, members, size, sums);
        }
      }
    }
  }
}

TEST(GroupMean, HasTheBitsOfOneWorkerForAnyNumberOfServers) {
  for (const std::uint32_t servers : {1U, 2U, 3U, 4U}) {
    for (const std::size_t size : {std::size_t{1}, std::size_t{17}, std::size_t{400}}) {
      for (const DType sums : {DType::f32, DType::f64}) {
        SCOPED_TRACE(std::to_string(servers) + " servers, " + std::to_string(size) + " values, sums in " +
                     std::string(name(sums)));
        expect_the_bits_of_one_worker(7, 4, size, sums, servers);
      }
    }
  }
}

// Two members with a sum each need one round; a server, or a member with two sums, needs the reduce-scatter.
TEST(GroupMean, OfTwoMembersWithASumEachIsOneRound) {
  const auto rounds_of = [](std::uint32_t replicas, std::uint32_t servers) {
    std::atomic<int> rounds = 0;
    run_group(replicas, 2, [&](const Group& group) {
      CountingWire wire(*group.wire);
      Group counted = group;
      counted.wire = &wire;
      counted.servers = servers;
      const Step step = draw(replicas, 40, 3);
      const Tensor first = kernels::zeros({24}), second = kernels::zeros({2, 8});
      GroupMean mean({first, second}, {}, counted);
      mean.begin(step.shares);
      for (std::size_t r = 0; r < replicas; ++r) {
        if (!group.owns(r)) continue;
        if (!step.shares[r]) {
          mean.skip();
          continue;
        }
        std::copy_n(step.values[r].begin(), 24, first.data<float>());
        std::copy_n(step.values[r].begin() + 24, 16, second.data<float>());
        mean.add();
      }
      EXPECT_EQ(mean.finish(wire.rank() == 1), true);
      std::vector<float> all = values_of(first);
      const std::vector<float> rest = values_of(second);
      all.insert(all.end(), rest.begin(), rest.end());
      EXPECT_EQ(all, of_one_worker(step, DType::f32));
      rounds = wire.rounds();
    });
    return rounds.load();
  };
  EXPECT_EQ(rounds_of(2, 0), 1);
  EXPECT_EQ(rounds_of(4, 0), 1);
  EXPECT_EQ(rounds_of(2, 2), 2);
  EXPECT_EQ(rounds_of(2, 1), 2);
  EXPECT_EQ(rounds_of(6, 0), 2);
  for (std::uint32_t p = 2; p <= 16; ++p) EXPECT_EQ(rounds_of(p, 0), is_pair(owners_of(p, 2)) ? 1 : 2) << p;
}

// Sums in f64 have other bits than those in f32. Otherwise the test above could not tell them apart.
TEST(GroupMean, SumsInDoubleAreOthers) {
  const Step step = draw(8, 400, 5);
  EXPECT_NE(of_one_worker(step, DType::f32), of_one_worker(step, DType::f64));
}

// Tensors of odd sizes and of several floating dtypes, one without elements and one that is transposed: what a replica
// r has at place i is a function of both.
struct Places {
  explicit Places(bool only_f32)
      : all{kernels::zeros({3, 5}), kernels::zeros({}), kernels::zeros({0}),
            kernels::transpose(kernels::zeros({7, 9}), 0, 1)},
        count(kernels::zeros({2}, DType::i64)) {
    if (only_f32) return;
    all.push_back(kernels::zeros({2, 2}, DType::f64));
    all.push_back(kernels::zeros({17}, DType::bf16));
  }
  void fill(std::size_t replica) const {
    for (std::size_t i = 0; i < all.size(); ++i) {
      PhiloxStream random({.key = 100 * replica + i});
      const Tensor drawn = Tensor::empty(all[i].shape(), DType::f64);
      for (std::int64_t j = 0; j < drawn.numel(); ++j) drawn.data<double>()[j] = random.uniform() - 0.5;
      kernels::copy_(all[i], drawn);
    }
  }
  std::vector<std::vector<double>> values() const {
    std::vector<std::vector<double>> values;
    for (const Tensor& x : all) {
      const Tensor doubles = kernels::contiguous(kernels::cast(x, DType::f64));
      values.emplace_back(doubles.data<double>(), doubles.data<double>() + doubles.numel());
    }
    return values;
  }

  std::vector<Tensor> all;
  Tensor count;
};

// One exchange of this member's replicas. The first of them that has rows leaves its number in `count`.
void exchange(GroupMean& mean, const Places& here, const Group& group,
              const std::vector<std::optional<double>>& shares) {
  mean.begin(shares);
  bool is_first = true;
  for (std::size_t r = 0; r < shares.size(); ++r) {
    if (!group.owns(r)) continue;
    here.fill(r);
    if (shares[r] && std::exchange(is_first, false)) kernels::fill_(here.count, static_cast<std::int64_t>(r));
    shares[r] ? mean.add() : mean.skip();
  }
  EXPECT_FALSE(mean.finish(false));
}

TEST(GroupMean, TakesTensorsOfAnyShapeAndFloatingDtype) {
  const std::vector<std::optional<double>> shares{std::nullopt, 0.21, 0.0, 0.37, std::nullopt, 0.42};
  for (const bool only_f32 : {true, false}) {
    const Places alone(only_f32);
    TreeMean expected(alone.all, DType::f64);
    for (std::size_t r = 0; r < shares.size(); ++r) {
      alone.fill(r);
      shares[r] ? expected.add(*shares[r]) : expected.skip();
    }
    expected.finish();
    for (const std::uint32_t members : {2U, 4U, 6U}) {
      SCOPED_TRACE(members);
      run_group(6, members, [&](const Group& group) {
        const Places here(only_f32);
        GroupMean mean(here.all, {here.count}, group, DType::f64);
        EXPECT_EQ(mean.bytes(), expected.bytes());
        for (int round = 0; round < 2; ++round) {
          exchange(mean, here, group, shares);
          EXPECT_EQ(here.values(), alone.values());
          EXPECT_EQ(here.count.data<std::int64_t>()[1], 1) << "of the first replica that has rows";
        }
      });
    }
  }
}

// The same with sums in f32, which two members send each other: of one replica and of several, and of nobody.
TEST(GroupMean, OfTwoMembersTakesTensorsOfAnyShape) {
  for (const std::vector<std::optional<double>>& shares : std::vector<std::vector<std::optional<double>>>{
           {0.3, 0.7}, {std::nullopt, 1.0}, {1.0, std::nullopt}, {0.1, 0.2, 0.3, 0.4}, {std::nullopt, 0.5, 0.5}}) {
    SCOPED_TRACE(shares.size());
    const Places alone(true);
    TreeMean expected(alone.all);
    std::optional<std::size_t> first;
    for (std::size_t r = 0; r < shares.size(); ++r) {
      alone.fill(r);
      shares[r] ? expected.add(*shares[r]) : expected.skip();
      if (shares[r] && !first) first = r;
    }
    expected.finish();
    run_group(static_cast<std::uint32_t>(shares.size()), 2, [&](const Group& group) {
      const Places here(true);
      GroupMean mean(here.all, {here.count}, group);
      for (int round = 0; round < 2; ++round) {
        exchange(mean, here, group, shares);
        EXPECT_EQ(here.values(), alone.values());
        EXPECT_EQ(here.count.data<std::int64_t>()[1], static_cast<std::int64_t>(*first));
      }
    });
  }
}

TEST(GroupMean, IsOfF32WhereItsSumsAre) {
  LocalGroup group(2);
  LocalWire wire(group, 0);
  EXPECT_THROW(GroupMean({kernels::zeros({2}, DType::f64)}, {}, {&wire, {0, 1}}), DtypeError);
  EXPECT_NO_THROW(GroupMean({kernels::zeros({2}, DType::f64)}, {}, {&wire, {0, 1}}, DType::f64));
  EXPECT_THROW(GroupMean({kernels::zeros({2}, DType::i64)}, {}, {&wire, {0, 1}}, DType::f64), DtypeError);
}

TEST(GroupMean, EveryMemberHearsThatOneHasLostItsLoss) {
  for (const std::uint32_t loser : {0U, 2U}) {
    run_group(3, 3, [&](const Group& group) {
      const Tensor place = kernels::zeros({5});
      GroupMean mean({place}, {}, group);
      for (const bool is_lost : {false, true}) {
        mean.begin({1.0 / 3, 1.0 / 3, 1.0 / 3});
        mean.add();
        EXPECT_EQ(mean.finish(is_lost && group.wire->rank() == loser), is_lost);
      }
    });
  }
}

// 4,096 values are 16 KiB. Each member has one node. Sums in f64 have twice the bytes; one replica needs no sum.
TEST(GroupMean, SendsTheBytesOfTheFormula) {
  constexpr std::uint64_t kBytes = 4096 * 4;
  std::map<std::uint32_t, std::uint64_t> by_rank;
  const auto sent = [&](std::uint32_t replicas, std::uint32_t members, DType sums, std::uint32_t servers = 0) {
    const auto member = [&](Group group) {
      group.servers = servers;
      const Tensor place = kernels::zeros({4096});
      GroupMean mean({place}, {}, group, sums);
      EXPECT_EQ(mean.bytes(), kBytes);
      mean.begin(std::vector<std::optional<double>>(replicas, 0.25));
      for (std::size_t r = 0; r < replicas; ++r) {
        if (group.owns(r)) mean.add();
      }
      mean.finish(false);
    };
    return run_group(replicas, members, member, &by_rank);
  };
  const auto flags = [](std::uint64_t members) { return 8 * members * (members - 1); };
  EXPECT_EQ(sent(4, 2, DType::f32), 2 * kBytes + flags(2));
  EXPECT_EQ(sent(3, 3, DType::f32), 2 * 2 * kBytes + flags(3));
  EXPECT_EQ(sent(4, 4, DType::f32), 2 * 3 * kBytes + flags(4));
  EXPECT_EQ(sent(4, 4, DType::f64), 2 * 3 * kBytes + flags(4));
  EXPECT_EQ(sent(4, 2, DType::f64), 3 * kBytes + flags(2));
  EXPECT_EQ(sent(8, 4, DType::f64), 3 * 3 * kBytes + flags(4));
  for (const std::uint32_t servers : {1U, 2U, 3U}) {
    EXPECT_EQ(sent(4, 4, DType::f32, servers), 2 * 3 * kBytes + flags(4)) << servers << " servers";
    if (servers == 3) continue;  // no equal parts
    const std::uint64_t to_servers = kBytes / servers * (servers - 1), from_server = kBytes / servers * 3;
    for (std::uint32_t rank = 0; rank < 4; ++rank) {
      EXPECT_EQ(by_rank[rank], 3 * 8 + (rank < servers ? to_servers + from_server : kBytes)) << rank;
    }
  }
}

}  // namespace
}  // namespace hop::hopper
