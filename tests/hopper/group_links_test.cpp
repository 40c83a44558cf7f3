// A member's connections to the others of its group, between threads of this process.
#include "hopper/detail/group_links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <latch>
#include <optional>
#include <thread>
#include <utility>

#include "hopper/detail/conversation.h"
#include "hopper/trainer.h"
#include "tests/hopper/two_members.h"

namespace hop::hopper {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST_F(TwoMembers, SwapTheirBytesInEachRound) {
  begin();
  connect();
  std::thread other([this] {
    for (const std::size_t size : {0, 1, 100'000}) swap(1, size, size / 2);
    EXPECT_GT(links_[1]->control_bytes(), 0U);
    links_[1]->part();
  });
  for (const std::size_t size : {0, 1, 100'000}) swap(0, size / 2, size);
  EXPECT_EQ(links_[0]->payload_sent(), 50'000U);
  EXPECT_EQ(links_[0]->control_bytes(), 0U) << "the member that called counts them";
  links_[0]->part();
  other.join();
}

// In a ring most members have nothing to say to each other.
TEST_F(TwoMembers, WaitForNobodyWhoHasNothingToSay) {
  begin();
  connect();
  swap(0, 0, 0);  // the other one is not in this round yet
  std::thread other([this] {
    swap(1, 0, 0);
    swap(1, 0, 3);
    swap(1, 8, 4);
  });
  swap(0, 3, 0);
  swap(0, 4, 8);
  other.join();
  EXPECT_EQ(links_[0]->payload_sent(), 7U);
}

// More than fits into a connection: it goes only because the other end takes it.
TEST_F(TwoMembers, WhatIsExpectedComesInWhileItsReceiverComputes) {
  begin();
  connect();
  constexpr std::size_t kBytes = std::size_t{8} << 20;
  for (int k = 0; k < 3; ++k) {
    const auto here = std::make_shared<GroupRound>(2), there = std::make_shared<GroupRound>(2);
    there->out[0] = AlignedBuffer(kBytes);
    std::memset(there->out[0].data(), 5 + k, kBytes);
    here->in[1] = AlignedBuffer(kBytes);
    links_[0]->expect(here);
    links_[1]->swap(there);
    EXPECT_EQ(links_[0]->waits(), "") << "nobody waits before swap()";
    links_[0]->swap(here);
    EXPECT_EQ(std::as_const(here->in[1]).data()[kBytes - 1], std::byte(5 + k));
  }
}

// A round that is expected is given up, and the next one lies at its address. Nobody takes one for the other.
TEST_F(TwoMembers, ARoundIsNotTheOneThatLayInItsPlaceBefore) {
  begin();
  connect();
  std::optional<GroupRound> place(std::in_place, 2);
  std::latch is_gone(1);
  std::shared_ptr<GroupRound> given_up(&*place, [&](GroupRound*) {
    place.reset();
    is_gone.count_down();
  });
  given_up->in[1] = AlignedBuffer(8);
  links_[0]->expect(std::exchange(given_up, nullptr));
  swap(1, 8, 0);
  is_gone.wait();
  place.emplace(2);
  place->in[1] = AlignedBuffer(8);
  swap(1, 8, 0);
  links_[0]->swap(std::shared_ptr<GroupRound>(&*place, [](GroupRound*) {}));
  EXPECT_EQ(std::as_const(place->in[1]).data()[7], std::byte{2}) << "of rank 1";
}

TEST_F(TwoMembers, WhoIsGoneIsNoticedByTheOther) {
  begin();
  connect();
  std::thread other([this] { links_[1]->fail("killed"); });
  EXPECT_THROW(swap(0, 8, 8), MemberLost);
  other.join();
  EXPECT_THROW(swap(0, 8, 8), MemberLost) << "the group is of no use any more";
}

TEST_F(TwoMembers, AWaitHasALimitAndAReason) {
  begin(std::chrono::milliseconds(-60'000 + 200));  // beside the minute that any transfer may take
  EXPECT_THAT([this] { links_[0]->meet(0); },
              ThrowsMessage<MemberLost>(HasSubstr("expected worker 7 to join in time")));
}

// The other one computes for longer than any transfer may take.
TEST_F(TwoMembers, AWaitForWorkHasNoLimit) {
  begin(kNoPatience);
  connect();
  expect_no_limit("waits for worker 7 in round 1", [this] {
    const auto round = std::make_shared<GroupRound>(2);
    round->follows_work = true;
    round->out[1] = AlignedBuffer(8);
    round->in[1] = AlignedBuffer(8);
    links_[0]->swap(round);
  });
}

TEST_F(TwoMembers, AWaitForWorkEndsWithTheGroup) {
  begin();
  connect();
  std::thread waits([this] {
    const auto round = std::make_shared<GroupRound>(2);
    round->follows_work = true;
    round->in[1] = AlignedBuffer(8);
    EXPECT_THAT([&] { links_[0]->swap(round); }, ThrowsMessage<MemberLost>(HasSubstr("the group has lost a member")));
  });
  while (links_[0]->waits().empty()) std::this_thread::yield();
  EXPECT_EQ(links_[0]->waits(), "waits for worker 7 in round 1");
  links_[0]->fail("the group has lost a member");
  waits.join();
  EXPECT_THAT([this] { links_[0]->check(); }, ThrowsMessage<MemberLost>(HasSubstr("the group has lost a member")));
}

// ---- messages between two rounds

class Mail : public TwoMembers {
 protected:
  static std::shared_ptr<AlignedBuffer> buffer(std::size_t size, unsigned char value = 0) {
    const auto made = std::make_shared<AlignedBuffer>(size);
    for (std::byte& b : made->span()) b = std::byte{value};
    return made;
  }
  struct EndOfGroup {
    GroupLinks& links;
    ~EndOfGroup() { links.fail("the test ends"); }
  };
  // Member 1, between two rounds: three messages, and an answer.
  void push_and_hear() {
    swap(1, 4, 4);
    links_[1]->listen(0, 8);
    for (unsigned char i = 1; i <= 3; ++i) links_[1]->send(0, buffer(100'000, i), 50'000U * (i % 2U) + 8);
    links_[1]->end(0);
    const std::optional<GroupMail> answer = links_[1]->receive(true);
    ASSERT_TRUE(answer && answer->buffer);
    EXPECT_EQ(answer->bytes, 8U);
    EXPECT_EQ(answer->buffer->data()[7], std::byte{9});
    EXPECT_EQ(links_[1]->receive(true)->buffer, nullptr);
    swap(1, 4, 4);
  }
};

// Both directions at once; then the next round begins.
TEST_F(Mail, ComesInItsOrderBetweenRounds) {
  begin();
  connect();
  std::jthread other([this] { EXPECT_NO_THROW(push_and_hear()); });
  const EndOfGroup end{*links_[0]};  // before the other one is joined
  swap(0, 4, 4);
  links_[0]->listen(1, 60'000);
  for (unsigned char i = 1; i <= 3; ++i) {
    const std::optional<GroupMail> mail = links_[0]->receive(true);
    ASSERT_TRUE(mail && mail->buffer);
    EXPECT_EQ(mail->from, 1U);
    EXPECT_EQ(mail->bytes, 50'000U * (i % 2U) + 8);
    EXPECT_EQ(mail->buffer->data()[7], std::byte{i});
    links_[0]->reuse(mail->buffer);
  }
  const std::optional<GroupMail> last = links_[0]->receive(true);
  EXPECT_EQ(last->from, 1U);
  EXPECT_EQ(last->buffer, nullptr);
  EXPECT_FALSE(links_[0]->receive(false)) << "nothing follows";
  links_[0]->send(1, buffer(8, 9), 8);
  links_[0]->end(1);
  swap(0, 4, 4);
  other.join();
  EXPECT_EQ(links_[0]->payload_sent(), 2 * 4U + 8);
  EXPECT_EQ(links_[1]->payload_sent(), 2 * 4U + 2 * 50'000 + 3 * 8);
}

// The other one computes for longer than any round may take.
TEST_F(Mail, IsWaitedForWithoutALimit) {
  begin(kNoPatience);
  connect();
  links_[0]->listen(1, 8);
  expect_no_limit("waits for worker 7 to say something", [this] { links_[0]->receive(true); });
}

// Bytes that wait in the network would look like a worker that is gone.
TEST_F(Mail, IsTakenWhileTheReceiverComputes) {
  begin();
  connect();
  links_[0]->listen(1, 1 << 20);
  links_[1]->listen(0, 1);
  for (unsigned char i = 0; i < 8; ++i) links_[1]->send(0, buffer(1 << 20, i), 1 << 20);
  links_[1]->end(0);
  links_[0]->end(1);
  EXPECT_EQ(links_[1]->receive(true)->buffer, nullptr) << "it hears the other one beside";
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (links_[1]->payload_sent() < 8U << 20 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(links_[1]->payload_sent(), 8U << 20) << "and nobody has received them";
  for (unsigned char i = 0; i < 8; ++i) EXPECT_EQ(links_[0]->receive(true)->buffer->data()[0], std::byte{i});
}

TEST_F(Mail, EndsWithTheGroup) {
  begin();
  connect();
  links_[0]->listen(1, 8);
  std::thread other([this] {
    while (links_[0]->waits().empty()) std::this_thread::yield();
    links_[1]->fail("killed");
  });
  EXPECT_THROW(links_[0]->receive(true), MemberLost);
  other.join();
  EXPECT_THROW(links_[0]->receive(false), MemberLost);
  EXPECT_THROW(links_[0]->send(1, buffer(8), 8), MemberLost);
  EXPECT_THROW(links_[0]->end(1), MemberLost);
}

// An error of one's own ends the unit in the middle. Who listens does not keep the connection.
TEST_F(Mail, EndsWhereAMemberGivesItsUnitUp) {
  begin();
  connect();
  links_[0]->listen(1, 8);
  links_[1]->listen(0, 8);
  links_[0].reset();
  EXPECT_THROW(links_[1]->receive(true), MemberLost);
}

TEST_F(Mail, EndsWithTheLifeOfTheWorker) {
  begin();
  connect();
  links_[0]->listen(1, 8);
  std::thread stopper([this] { stop_.request_stop(); });
  EXPECT_THROW(links_[0]->receive(true), TrainingStopped);
  stopper.join();
}

TEST_F(Mail, ThatIsTooLongEndsTheGroup) {
  begin();
  connect();
  links_[0]->listen(1, 8);
  links_[1]->send(0, buffer(16), 16);
  EXPECT_THAT(
      [this] { links_[0]->receive(true); },
      ThrowsMessage<MemberLost>(HasSubstr("expected a message of 1 to 8 bytes from worker 7, got round 0 with 16")));
}

TEST_F(TwoMembers, SayWhomTheyWaitFor) {
  begin();
  std::thread waits([this] { EXPECT_THROW(links_[1]->meet(0), MemberLost); });
  while (links_[1]->waits().empty()) std::this_thread::yield();
  EXPECT_EQ(links_[1]->waits(), "waits for worker 3 to join its group");
  links_[1]->fail("enough");
  waits.join();
  EXPECT_EQ(links_[1]->waits(), "");
}

// Otherwise a worker with a slow uplink would look as if it stood still.
TEST_F(TwoMembers, SayWhoHasNotTakenTheirBytes) {
  begin();
  net::asio::co_spawn(io_, join_a_slow_one(), net::asio::detached);
  links_[0]->meet(0);
  std::thread waits([this] { EXPECT_THROW(swap(0, 8 << 20, 1), MemberLost); });
  const std::string expected = "waits for worker 7 (to take the bytes) in round 1";
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (links_[0]->waits() != expected && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(links_[0]->waits(), expected);
  links_[0]->fail("enough");
  waits.join();
}

TEST_F(TwoMembers, TakeNobodyElseForAMember) {
  begin();
  const auto stranger = [this]() -> net::Awaitable<void> {
    const auto listener = transport_->listen(address_);
    slow_ = co_await transport_->connect(listener->address());
    links_[0]->join(1, WorkerId(4), slow_);
    EXPECT_FALSE(slow_->is_open());
    links_[0]->fail("a stranger came");
  };
  net::asio::co_spawn(io_, stranger, net::asio::detached);
  EXPECT_THAT([this] { links_[0]->meet(0); }, ThrowsMessage<MemberLost>(HasSubstr("a stranger came")));
}

TEST_F(TwoMembers, OtherSizesThanExpectedEndTheGroup) {
  begin();
  connect();
  std::thread other([this] {
    try {
      swap(1, 8, 8);
    } catch (const MemberLost&) {  // unless it was through before
    }
  });
  EXPECT_THAT([this] { swap(0, 8, 16); }, ThrowsMessage<MemberLost>(HasSubstr("with 16 bytes from worker 7")));
  other.join();
}

TEST_F(TwoMembers, TheEndOfALifeEndsTheWait) {
  begin();
  std::thread stopper([this] { stop_.request_stop(); });
  EXPECT_THROW(links_[0]->meet(0), TrainingStopped);
  stopper.join();
}

}  // namespace
}  // namespace hop::hopper
