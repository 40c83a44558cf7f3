// Who gets which place in a run of many machines. A pure rule, tried over all orders of arrival.
#include "hopper/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "hopper/hand_out.h"
#include "hopper/strategy/hopping.h"

namespace hop::hopper {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint32_t kPartitions = 6, kWorkers = 3;

Digest digest_of(std::uint32_t q) { return {q + 1ULL, 77}; }

Itinerary itinerary() {
  Itinerary made;
  made.partitions = kPartitions;
  made.workers = kWorkers;
  made.strategy = hopping();
  return made;
}

class Members : public ::testing::Test {
 protected:
  static std::vector<Digest> digests() {
    std::vector<Digest> all;
    for (std::uint32_t q = 0; q < kPartitions; ++q) all.push_back(digest_of(q));
    return all;
  }
  static MemberOffer with(const std::vector<std::uint32_t>& partitions, std::optional<WorkerId> had = {}) {
    MemberOffer offer{std::vector<OfferedPartition>(), had};
    for (const std::uint32_t q : partitions) offer.partitions->push_back({PartitionId(q), digest_of(q)});
    return offer;
  }
  /// The place, or why there is none: "occupied: ..", "unfit: ..".
  std::string ask(const MemberOffer& offer) {
    const Admission answer = members->admit(offer);
    if (const auto* admitted = std::get_if<Admitted>(&answer)) return std::to_string(admitted->place.value);
    if (const auto* occupied = std::get_if<Occupied>(&answer)) return "occupied: " + occupied->why;
    return "unfit: " + std::get<Unfit>(answer).why;
  }

  const Itinerary plan = itinerary();
  std::optional<Membership> members{std::in_place, plan, digests()};
};

TEST_F(Members, GetThePlaceWhosePartitionsTheyHaveInAnyOrderOfArrival) {
  const std::vector<std::vector<std::uint32_t>> blocks = {{0, 1}, {2, 3}, {4, 5}};
  std::vector<std::size_t> order = {0, 1, 2};
  do {
    members.emplace(plan, digests());
    for (const std::size_t node : order) EXPECT_EQ(ask(with(blocks[node])), std::to_string(node));
  } while (std::ranges::next_permutation(order).found);
}

TEST_F(Members, WithAllPartitionsTakeTheLowestFreePlace) {
  EXPECT_EQ(ask({}), "0") << "it reads the coordinator's folder";
  EXPECT_EQ(ask(with({0, 1, 2, 3, 4, 5})), "1");
  EXPECT_EQ(ask({}), "2");
  EXPECT_EQ(ask({}), "occupied: all 3 places that fit are taken");
  members->leave(WorkerId(1));
  EXPECT_EQ(ask({}), "1");
}

// Only at its old place does the run look for the states that lie on a node.
TEST_F(Members, ThatHadAPlaceGetThatPlaceOrWaitForIt) {
  EXPECT_EQ(ask({{}, WorkerId(2)}), "2");
  EXPECT_EQ(ask({{}, WorkerId(2)}), "occupied: worker 2 is here already");
  EXPECT_EQ(ask({}), "0");
  members->leave(WorkerId(2));
  EXPECT_EQ(ask({{}, WorkerId(2)}), "2");
}

// Each of three nodes has two of three blocks. Whoever comes first could take the only place of another one.
TEST_F(Members, TakeThePlaceThatTheirPartitionsWereHandedOutFor) {
  const std::vector<std::vector<std::uint32_t>> nodes = {{0, 1, 2, 3}, {2, 3, 4, 5}, {0, 1, 4, 5}};
  std::vector<std::uint32_t> order = {0, 1, 2};
  do {
    members.emplace(plan, digests());
    for (const std::uint32_t node : order) {
      MemberOffer offer = with(nodes[node]);
      offer.prefers = WorkerId(node);
      EXPECT_EQ(ask(offer), std::to_string(node));
    }
  } while (std::ranges::next_permutation(order).found);
  MemberOffer late = with(nodes[0]);
  late.prefers = WorkerId(0);
  members->leave(WorkerId(1));
  EXPECT_EQ(ask(late), "1") << "the place that it prefers is taken, another one fits";
}

TEST_F(Members, ThatDoNotFitAreToldWhatWould) {
  EXPECT_THAT(ask(with({0, 2, 4})),
              HasSubstr("unfit: expected a node with all partitions of a place: 0 1 for worker 0; "
                        "2 3 for worker 1; 4 5 for worker 2"));
  EXPECT_THAT(ask(with({})), HasSubstr("unfit"));
  EXPECT_THAT(ask(with({9})), HasSubstr("expected partitions of a data set with 6, got partition 9"));
  EXPECT_THAT(ask(with({0, 1}, WorkerId(2))), HasSubstr("expected the partitions of worker 2"));
  EXPECT_THAT(ask({{}, WorkerId(3)}), HasSubstr("unfit")) << "the run has no such place";
  MemberOffer other = with({0, 1});
  other.partitions->back().digest = {1, 2};
  EXPECT_THAT(ask(other), HasSubstr("these are other rows"));
  EXPECT_EQ(ask(with({0, 1})), "0") << "nothing of all this took the place";
}

TEST(HandOut, GivesEachNodeThePartitionsThatItsWorkerOwns) {
  const auto ids = [](std::initializer_list<std::uint32_t> numbers) {
    std::vector<PartitionId> made;
    for (const std::uint32_t q : numbers) made.emplace_back(q);
    return made;
  };
  EXPECT_THAT(nodes_partitions(5, 2), ElementsAre(ids({0, 1, 2}), ids({3, 4})));
  EXPECT_THAT(nodes_partitions(4, 4, 2), ElementsAre(ids({0, 1}), ids({1, 2}), ids({2, 3}), ids({0, 3})));
  EXPECT_THROW(nodes_partitions(4, 5), ConfigError);
  EXPECT_THROW(nodes_partitions(4, 2, 3), ConfigError);
  EXPECT_THROW(nodes_partitions(4, 0), ConfigError);
  const Spread owners{7, 3};
  const auto nodes = nodes_partitions(7, 3);
  for (std::uint32_t q = 0; q < 7; ++q) {
    const auto& owned = nodes[owners.owner(PartitionId(q)).index()];
    EXPECT_NE(std::ranges::find(owned, PartitionId(q)), owned.end()) << q;
  }
}

}  // namespace
}  // namespace hop::hopper
