// Two members of a group whose network is one thread of the test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "hopper/detail/conversation.h"
#include "hopper/detail/group_links.h"
#include "net/memory.h"

namespace hop::hopper {

// Every limit of time is over at once: beside this patience, a transfer may take a minute.
inline constexpr std::chrono::milliseconds kNoPatience(-60'000);

// Two members whose network is one thread.
class TwoMembers : public testing::Test {
 protected:
  TwoMembers() : network_([this] { io_.run(); }) {}
  ~TwoMembers() override {
    for (const auto& link : links_) {
      if (link) link->fail("the test ends");
    }
    guard_.reset();
    network_.join();
  }

  void begin(std::chrono::nanoseconds patience = kGroupPatience) {
    for (std::uint32_t rank = 0; rank < 2; ++rank) {
      links_[rank] = std::make_shared<GroupLinks>(io_.get_executor(), std::vector{WorkerId(3), WorkerId(7)}, rank,
                                                  stop_.get_token(), patience);
    }
  }
  // Instead of memory.
  void speak_over(std::unique_ptr<net::Transport> transport, net::Address address) {
    transport_ = std::move(transport);
    address_ = std::move(address);
  }
  // Whatever the patience is.
  void connect() {
    net::asio::co_spawn(io_, join_both(), net::asio::detached);
    joined_.wait();
    links_[0]->meet(0);
    links_[1]->meet(0);
  }
  net::Awaitable<void> join_both() {
    const auto listener = transport_->listen(address_);
    net::asio::co_spawn(io_, call(listener->address()), net::asio::detached);
    links_[0]->join(1, WorkerId(7), co_await listener->accept());
    joined_.count_down();
  }
  net::Awaitable<void> call(net::Address address) {
    links_[1]->join(0, WorkerId(3), co_await transport_->connect(address));
    joined_.count_down();
  }

  // Member 1 by hand: it says its bytes of the first round, and takes none.
  net::Awaitable<void> join_a_slow_one() {
    const auto listener = transport_->listen(address_);
    net::asio::co_spawn(io_, say_a_byte(listener->address()), net::asio::detached);
    links_[0]->join(1, WorkerId(7), co_await listener->accept());
  }
  net::Awaitable<void> say_a_byte(net::Address address) {
    slow_ = co_await transport_->connect(address);
    const message::Round head{1};
    const AlignedBuffer byte(1);
    co_await send(slow_, head, byte.span(), net::deadline_in(std::chrono::seconds(60)));
  }

  // `wait` is one of member 0. It goes on although every limit of time is over, and ends with the group.
  void expect_no_limit(const std::string& why, const std::function<void()>& wait) {
    std::thread waits([&] { EXPECT_THAT(wait, ::testing::ThrowsMessage<MemberLost>(::testing::HasSubstr("enough"))); });
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (links_[0]->waits().empty() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(links_[0]->waits(), why);
    links_[0]->fail("enough");
    waits.join();
  }

  // Each member says so many bytes of its own rank.
  void swap(std::uint32_t rank, std::size_t says, std::size_t expects) {
    const auto round = std::make_shared<GroupRound>(2);
    round->out[1 - rank] = AlignedBuffer(says);
    round->in[1 - rank] = AlignedBuffer(expects);
    for (std::byte& b : round->out[1 - rank].span()) b = std::byte{static_cast<unsigned char>(rank + 1)};
    links_[rank]->swap(round);
    for (const std::byte b : round->in[1 - rank].span()) ASSERT_EQ(static_cast<unsigned>(b), 2 - rank);
  }

  net::asio::io_context io_{1};
  net::asio::executor_work_guard<net::asio::io_context::executor_type> guard_{io_.get_executor()};
  std::unique_ptr<net::Transport> transport_ =
      std::make_unique<net::MemoryTransport>(io_.get_executor(), std::make_shared<net::MemoryNetwork>());
  net::Address address_ = net::Address::memory("member");
  std::stop_source stop_;
  std::shared_ptr<GroupLinks> links_[2];
  std::shared_ptr<net::Connection> slow_;
  std::latch joined_{2};
  std::thread network_;
};

}  // namespace hop::hopper
