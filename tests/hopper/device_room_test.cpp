// Who computes on a device: side by side, alone, and in which order.
#include "hopper/detail/device_room.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>

namespace hop::hopper {
namespace {

using namespace std::chrono_literals;

class Room : public ::testing::Test {
 protected:
  // A guest whose place beside its unit is counted when it is given up.
  struct Worker {
    explicit Worker(DeviceRoom& room) : guest(room, [this] { ++given_up; }) {}
    std::atomic<int> given_up = 0;
    DeviceGuest guest;
  };
  static bool is_done(const std::future<bool>& work, std::chrono::milliseconds patience = 10s) {
    return work.wait_for(patience) == std::future_status::ready;
  }
  std::future<bool> enter(Worker& worker) {
    return std::async(std::launch::async, [this, &worker] { return worker.guest.enter(stop_.get_token()); });
  }
  std::future<bool> be_alone(Worker& worker) {
    return std::async(std::launch::async, [this, &worker] { return worker.guest.be_alone(stop_.get_token()); });
  }

  static constexpr std::chrono::milliseconds kMoment = 50ms;
  DeviceRoom room_;
  std::stop_source stop_;
  Worker a_{room_}, b_{room_}, c_{room_};
};

TEST_F(Room, HasUnitsSideBySide) {
  for (Worker* const worker : {&a_, &b_, &c_}) EXPECT_TRUE(worker->guest.enter(stop_.get_token()));
  for (Worker* const worker : {&a_, &b_, &c_}) EXPECT_EQ(worker->given_up, 0);
  a_.guest.leave();
  EXPECT_TRUE(a_.guest.enter(stop_.get_token()));
}

TEST_F(Room, HasAUnitAloneOnceTheOthersHaveLeftAndUntilItLeaves) {
  for (Worker* const worker : {&a_, &b_}) ASSERT_TRUE(worker->guest.enter(stop_.get_token()));
  std::future<bool> alone = be_alone(a_);
  EXPECT_FALSE(is_done(alone, kMoment)) << "beside b";
  std::future<bool> late = enter(c_);
  EXPECT_FALSE(is_done(late, kMoment)) << "a could wait for ever";
  EXPECT_EQ(b_.given_up, 0);
  b_.guest.leave();
  ASSERT_TRUE(is_done(alone));
  EXPECT_TRUE(alone.get());
  EXPECT_EQ(a_.given_up, 0);
  EXPECT_EQ(b_.given_up, 1);
  EXPECT_EQ(c_.given_up, 1);
  EXPECT_FALSE(is_done(late, kMoment)) << "beside a";
  a_.guest.leave();
  ASSERT_TRUE(is_done(late));
  EXPECT_TRUE(late.get());
}

TEST_F(Room, HasUnitsAloneOneAfterTheOther) {
  for (Worker* const worker : {&a_, &b_}) ASSERT_TRUE(worker->guest.enter(stop_.get_token()));
  std::future<bool> a = be_alone(a_), b = be_alone(b_);
  while (!is_done(a, 1ms) && !is_done(b, 1ms)) {
  }
  EXPECT_NE(is_done(a, kMoment), is_done(b, kMoment));
  (is_done(a, 0ms) ? a_ : b_).guest.leave();
  EXPECT_TRUE(is_done(a) && is_done(b));
  EXPECT_TRUE(a.get() && b.get());
}

TEST_F(Room, LetsNobodyWaitWhoIsToStop) {
  for (Worker* const worker : {&a_, &b_}) ASSERT_TRUE(worker->guest.enter(stop_.get_token()));
  std::future<bool> alone = be_alone(a_);
  EXPECT_FALSE(is_done(alone, kMoment));
  std::stop_source stop_of_c;
  std::future<bool> late = std::async(std::launch::async, [&] { return c_.guest.enter(stop_of_c.get_token()); });
  stop_of_c.request_stop();
  ASSERT_TRUE(is_done(late));
  EXPECT_FALSE(late.get());
  stop_.request_stop();
  ASSERT_TRUE(is_done(alone));
  EXPECT_FALSE(alone.get());
  EXPECT_EQ(b_.given_up, 0);
  EXPECT_TRUE(c_.guest.enter({})) << "nobody wants to be alone any more";
}

TEST_F(Room, KnowsWhoseGuestsHaveCompany) {
  EXPECT_TRUE(a_.guest.has_company());
  DeviceRoom other;
  std::optional<Worker> first(std::in_place, other);
  EXPECT_FALSE(first->guest.has_company());
  std::optional<Worker> second(std::in_place, other);
  EXPECT_TRUE(first->guest.has_company());
  ASSERT_TRUE(second->guest.enter({}));
  second.reset();
  EXPECT_FALSE(first->guest.has_company());
  ASSERT_TRUE(first->guest.enter({}));
  EXPECT_TRUE(first->guest.be_alone({})) << "the other one left when it ended";
}

TEST(DeviceRooms, AreOnePerDevice) {
  EXPECT_EQ(&DeviceRoom::of(Device::cuda(1)), &DeviceRoom::of(Device::cuda(1)));
  EXPECT_NE(&DeviceRoom::of(Device::cuda(1)), &DeviceRoom::of(Device::cuda(0)));
  EXPECT_NE(&DeviceRoom::of(Device::cpu()), &DeviceRoom::of(Device::cuda(0)));
}

}  // namespace
}  // namespace hop::hopper
