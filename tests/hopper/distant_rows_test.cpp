// Which partitions a worker has brought, and when; the test plays the network.
#include "hopper/detail/distant_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "base/error.h"
#include "data/dataset.h"
#include "hopper/strategy/group_wire.h"
#include "hopper/trainer.h"
#include "tests/hopper/glyphs.h"

namespace hop::hopper {
namespace {

using testing::ElementsAre;

class DistantRowsTest : public OnGlyphs<64, 4> {
 protected:
  static PartitionId id(std::uint32_t partition) { return PartitionId(partition); }
  static data::Partition partition(std::uint32_t q) {
    return data::Dataset::open(*folder_ / "data").partition(PartitionId(q));
  }
  DistantRows with_room_for(std::uint64_t bytes) {
    return {[this](PartitionId id) { asked_.push_back(id.value); }, [this] { ++given_up_; }, bytes};
  }
  static void come(DistantRows& rows, std::uint32_t q) { rows.came(id(q), partition(q), 100 + q); }
  static std::vector<PartitionId> passes(std::vector<std::uint32_t> numbers) {
    std::vector<PartitionId> ids;
    for (const std::uint32_t q : numbers) ids.push_back(id(q));
    return ids;
  }

  std::vector<std::uint32_t> asked_;
  int given_up_ = 0;
};

TEST_F(DistantRowsTest, BringsOnePartitionAheadAndNoMore) {
  DistantRows rows = with_room_for(0);
  rows.expect(passes({2, 3, 0}));
  EXPECT_THAT(asked_, ElementsAre(2));
  come(rows, 2);
  EXPECT_THAT(asked_, ElementsAre(2)) << "it waits to be taken";
  EXPECT_EQ(rows.take(id(2), {}).header().index, 2U);
  EXPECT_THAT(asked_, ElementsAre(2, 3));
  come(rows, 3);
  rows.take(id(3), {});
  come(rows, 0);
  rows.take(id(0), {});
  EXPECT_THAT(asked_, ElementsAre(2, 3, 0));
  EXPECT_EQ(rows.bytes(), 102U + 103 + 100);
  rows.expect(passes({2}));
  EXPECT_THAT(asked_, ElementsAre(2, 3, 0, 2)) << "nothing was kept";
  EXPECT_EQ(rows.bytes(), 0U);
}

// A cyclic scan finds nothing in a cache that drops what came first.
TEST_F(DistantRowsTest, KeepsThoseThatCameFirst) {
  DistantRows rows = with_room_for(partition(0).file_bytes() + partition(1).file_bytes());
  for (int unit = 0; unit < 3; ++unit) {
    asked_.clear();
    rows.expect(passes({0, 1, 2, 3}));
    for (const std::uint32_t q : {0U, 1U, 2U, 3U}) {
      if (!asked_.empty() && asked_.back() == q) come(rows, q);
      EXPECT_EQ(rows.take(id(q), {}).header().index, q);
    }
    if (unit == 0) {
      EXPECT_THAT(asked_, ElementsAre(0, 1, 2, 3));
    } else {
      EXPECT_THAT(asked_, ElementsAre(2, 3));
    }
  }
}

TEST_F(DistantRowsTest, AFailureCostsTheUnitAndNotTheNextOne) {
  DistantRows rows = with_room_for(0);
  rows.expect(passes({1, 2}));
  rows.failed(id(1), std::make_exception_ptr(MemberLost("no answer")));
  EXPECT_THROW(rows.take(id(1), {}), MemberLost);
  rows.expect(passes({1, 2}));
  EXPECT_THAT(asked_, ElementsAre(1, 1));
  come(rows, 1);
  EXPECT_EQ(rows.take(id(1), {}).header().index, 1U);
}

// A unit that failed for another reason leaves a partition on its way, which the next one may not need.
TEST_F(DistantRowsTest, DropsWhatCameForAnotherUnit) {
  DistantRows rows = with_room_for(0);
  rows.expect(passes({1, 2}));
  rows.expect(passes({3}));
  EXPECT_THAT(asked_, ElementsAre(1)) << "one at a time";
  EXPECT_EQ(given_up_, 1) << "so the one on its way must end";
  EXPECT_FALSE(rows.wants(id(1)));
  EXPECT_TRUE(rows.wants(id(3)));
  come(rows, 1);
  EXPECT_THAT(asked_, ElementsAre(1, 3));
  come(rows, 3);
  EXPECT_EQ(rows.take(id(3), {}).header().index, 3U);
  rows.expect(passes({2, 1}));
  come(rows, 2);
  rows.expect(passes({2, 1}));
  EXPECT_THAT(asked_, ElementsAre(1, 3, 2)) << "what is here serves the next try";
  EXPECT_EQ(given_up_, 1);
}

TEST_F(DistantRowsTest, GivesNoPartitionOutOfTurn) {
  DistantRows rows = with_room_for(0);
  EXPECT_THROW(rows.take(id(1), {}), StateError) << "nobody expects it";
  rows.expect(passes({1, 2}));
  EXPECT_THROW(rows.take(id(2), {}), StateError);
}

TEST_F(DistantRowsTest, SaysThatItWaitsAndEndsWithTheWorker) {
  DistantRows rows = with_room_for(0);
  rows.expect(passes({1}));
  std::stop_source stop;
  std::thread waiter([&] { EXPECT_THROW(rows.take(id(1), stop.get_token()), TrainingStopped); });
  while (!rows.is_awaited()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  stop.request_stop();
  waiter.join();
  EXPECT_FALSE(rows.is_awaited());
}

}  // namespace
}  // namespace hop::hopper
