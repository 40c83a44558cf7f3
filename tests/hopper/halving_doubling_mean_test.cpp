// Means by halving and doubling, against loops that spell their order out, and against sums in f64.
#include "hopper/strategy/halving_doubling_mean.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "hopper/simulate/link.h"
#include "tests/hopper/member_steps.h"

namespace hop::hopper {
namespace {

constexpr std::uint32_t kMostMembers = 9;

using Owners = std::vector<std::uint32_t>;
using Sum = std::optional<Values>;  // nothing: no member has values

Sum plus(const Sum& left, const Sum& right) {
  if (!left || !right) return left ? left : right;
  Values sum(left->size());
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = (*left)[i] + (*right)[i];
  return sum;
}

// The members beyond a power of two, in pairs with their neighbours; then neighbours, and so on.
Values by_hand(const Step& step, const Owners& owners, std::uint32_t members) {
  const std::vector<Sum> sums = sums_of(step, owners, members);
  const std::size_t folded = members - std::bit_floor(members);
  std::vector<Sum> level;
  for (std::size_t pair = 0; pair < folded; ++pair) level.push_back(plus(sums[2 * pair], sums[2 * pair + 1]));
  level.insert(level.end(), sums.begin() + static_cast<std::ptrdiff_t>(2 * folded), sums.end());
  while (level.size() > 1) {
    std::vector<Sum> above;
    for (std::size_t i = 0; i < level.size(); i += 2) above.push_back(plus(level[i], level[i + 1]));
    level = above;
  }
  return *level[0];
}

// All replicas but one for each other member are those of the first one.
Owners mostly_of_the_first(std::uint32_t replicas, std::uint32_t members) {
  Owners owners;
  for (std::uint32_t r = 0; r < replicas; ++r) owners.push_back(r < replicas - members ? 0 : r - (replicas - members));
  return owners;
}

Group with(Group group, const Owners& owners) {
  group.owners = owners;
  group.exchange = ReduceExchange::HalvingDoubling;
  return group;
}

// Runs `member` for each member of a group, then for one worker that has all replicas and knows the owners.
void in_a_group_and_alone(const Owners& owners, std::uint32_t members,
                          const std::function<void(const Group&)>& member) {
  const auto replicas = static_cast<std::uint32_t>(owners.size());
  run_group(replicas, members, [&](const Group& group) { member(with(group, owners)); });
  member(with({}, owners));
}

TEST(HalvingDoublingMean, AddsInItsOrderInAGroupAndAlone) {
  for (const std::uint32_t replicas : {1U, 2U, 3U, 5U, 8U, 9U, 13U}) {
    for (std::uint32_t members = 1; members <= std::min(replicas, kMostMembers); ++members) {
      for (const Owners& owners : {owners_of(replicas, members), mostly_of_the_first(replicas, members)}) {
        for (const std::size_t size : {std::size_t{1}, std::size_t{33}, std::size_t{400}}) {
          SCOPED_TRACE(std::to_string(replicas) + " replicas, " + std::to_string(members) + " members, " +
                       std::to_string(size) + " values");
          in_a_group_and_alone(owners, members, [&](const Group& group) {
            const Tensor place = kernels::zeros({static_cast<std::int64_t>(size)});
            const Tensor buffer = kernels::zeros({3}, DType::f64);
            HalvingDoublingMean mean(place, {buffer}, group);
            for (std::uint64_t key = 0; key < 4; ++key) {
              const Step step = draw(replicas, size, 97 * key + replicas);
              EXPECT_FALSE(take_part(mean, step, group, place, buffer));
              EXPECT_EQ(values_of(place), by_hand(step, owners, members));
              EXPECT_EQ(buffer.data<double>()[2], static_cast<double>(first_with_rows(step)));
            }
          });
        }
      }
    }
  }
}

// Shares that sum to 1, and values of at most 0.5.
TEST(HalvingDoublingMean, IsTheMeanThatF64Gives) {
  constexpr std::uint32_t kReplicas = 11;
  constexpr std::size_t kSize = 200;
  Step step;
  PhiloxStream random({.key = 5});
  std::vector<double> expected(kSize, 0);
  for (std::uint32_t r = 0; r < kReplicas; ++r) {
    step.has_rows.push_back(true);
    step.shares.push_back((r + 1.0) / (kReplicas * (kReplicas + 1) / 2.0));
    Values& values = step.values.emplace_back(kSize);
    for (std::size_t i = 0; i < kSize; ++i) {
      values[i] = static_cast<float>(random.uniform() - 0.5);
      expected[i] += step.shares[r] * static_cast<double>(values[i]);
    }
  }
  for (std::uint32_t members = 1; members <= kMostMembers; ++members) {
    SCOPED_TRACE(members);
    in_a_group_and_alone(owners_of(kReplicas, members), members, [&](const Group& group) {
      const Tensor place = kernels::zeros({static_cast<std::int64_t>(kSize)});
      HalvingDoublingMean mean(place, {}, group);
      take_part(mean, step, group, place, kernels::zeros({3}, DType::f64));
      const Values got = values_of(place);
      for (std::size_t i = 0; i < kSize; ++i) EXPECT_NEAR(static_cast<double>(got[i]), expected[i], 1e-6);
    });
  }
}

TEST(HalvingDoublingMean, HasTheBitsOfTheTreeForPowersOfTwoAndInGeneralOthers) {
  const auto tree = [](const Step& step) { return *sum_of(step, 0, step.values.size()); };
  for (const std::uint32_t replicas : {2U, 4U, 8U}) {
    const Step step = draw_with_all_rows(replicas, 400, 7);
    for (std::uint32_t members = 1; members <= replicas; members *= 2) {
      EXPECT_EQ(by_hand(step, owners_of(replicas, members), members), tree(step)) << members << " of " << replicas;
    }
  }
  const Step four = draw_with_all_rows(4, 400, 7), five = draw_with_all_rows(5, 400, 7);
  EXPECT_NE(by_hand(four, owners_of(4, 3), 3), tree(four))
      << "this is why the docs say that bits depend on the workers";
  EXPECT_NE(by_hand(five, owners_of(5, 5), 5), tree(five));
  EXPECT_NE(by_hand(five, owners_of(5, 3), 3), by_hand(five, owners_of(5, 5), 5));
}

TEST(HalvingDoublingMean, EveryMemberHearsThatOneHasLostItsLoss) {
  for (const std::uint32_t members : {2U, 3U, 4U, 5U, 7U}) {
    for (std::uint32_t loser = 0; loser < members; ++loser) {
      SCOPED_TRACE(std::to_string(loser) + " of " + std::to_string(members));
      run_group(members, members, [&](const Group& group) {
        const Tensor place = kernels::zeros({5});
        HalvingDoublingMean mean(place, {}, with(group, group.owners));
        for (const bool is_lost : {false, true, false}) {
          mean.begin(std::vector<bool>(members, true));
          mean.add(1.0 / members);
          EXPECT_EQ(mean.finish(is_lost && group.wire->rank() == loser), is_lost);
        }
      });
    }
  }
}

// Bytes that each of them sent in one step of 4,096 values, which are 16 KiB, and 3 numbers of 8 bytes of the first
// replica with rows. Each has one replica; those before `first` have no rows.
std::map<std::uint32_t, std::uint64_t> sent_in_a_step(std::uint32_t members, std::uint32_t first) {
  std::map<std::uint32_t, std::uint64_t> sent;
  run_group(
      members, members,
      [&](const Group& group) {
        const Tensor place = kernels::zeros({4096}), buffer = kernels::zeros({3}, DType::f64);
        HalvingDoublingMean mean(place, {buffer}, with(group, group.owners));
        EXPECT_EQ(mean.bytes(), 4096U * 4);
        Step step = draw_with_all_rows(members, 4096, 3);
        for (std::uint32_t r = 0; r < first; ++r) step.has_rows[r] = false;
        take_part(mean, step, group, place, buffer);
        EXPECT_EQ(buffer.data<double>()[2], static_cast<double>(first));
      },
      &sent);
  return sent;
}

TEST(HalvingDoublingMean, SendsTheBytesOfTheFormulaWhoeverHasTheFirstReplica) {
  for (std::uint32_t members = 2; members <= kMostMembers; ++members) {
    const std::uint64_t places = std::bit_floor(members), halvings = std::bit_width(members) - 1;
    const std::uint64_t flags = 8 * (places * halvings + 2 * (members - places));
    for (std::uint32_t first = 0; first < members; ++first) {
      SCOPED_TRACE(std::to_string(members) + " members, the first rows at " + std::to_string(first));
      std::uint64_t bytes = 0;
      for (const auto& [member, own] : sent_in_a_step(members, first)) bytes += own;
      EXPECT_EQ(bytes, 2 * (members - 1) * 4096 * 4 + 24 * (members - 1) + flags);
    }
  }
}

// The tensors of the first replica go to member 1, and to member 2 from there.
TEST(HalvingDoublingMean, LetsTheMemberIntoWhichAnotherIsFoldedSendMost) {
  constexpr std::uint64_t kAll = 4096 * 4, kFirsts = 24, kFlag = 8;
  const std::map<std::uint32_t, std::uint64_t> expected = {
      {0, kAll + kFlag + kFirsts}, {1, 2 * kAll + 2 * kFlag + kFirsts}, {2, kAll + kFlag}};
  EXPECT_EQ(sent_in_a_step(3, 0), expected);
}

TEST(HalvingDoublingMean, WaitsForAsManyMessagesAsTheSimulatorSays) {
  const std::map<std::uint32_t, double> expected = {{2, 2}, {3, 4}, {4, 4}, {5, 6}, {7, 6}, {8, 6}, {9, 8}};
  for (const auto& [members, messages] : expected) {
    SCOPED_TRACE(members);
    const simulate::Sharing sharing{members, members, ReduceExchange::HalvingDoubling};
    EXPECT_NEAR(simulate::exchange_seconds(Replicas::ShareGradients, sharing, 1, 1, {1e12, 1}), messages, 1e-9);
    run_group(members, members, [&, replicas = members, rounds = messages](const Group& group) {
      CountingWire wire(*group.wire);
      Group counted = with(group, group.owners);
      counted.wire = &wire;
      HalvingDoublingMean mean(kernels::zeros({40}), {}, counted);
      mean.begin(std::vector<bool>(replicas, true));
      mean.add(1);
      mean.finish(false);
      EXPECT_EQ(wire.rounds(), rounds);
    });
  }
}

TEST(HalvingDoublingMean, TakesOnlyF32) {
  EXPECT_THROW(HalvingDoublingMean(kernels::zeros({4}, DType::f64), {}, {nullptr, {0, 1}}), DtypeError);
}

}  // namespace
}  // namespace hop::hopper
