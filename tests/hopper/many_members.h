// Members of a group whose network is one thread of the test.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "hopper/detail/group_links.h"
#include "net/transport.h"
#include "net/unix.h"

namespace hop::hopper {

/// Connected by Unix sockets.
class ManyMembers {
 public:
  explicit ManyMembers(std::uint32_t members) {
    std::vector<WorkerId> workers;
    for (std::uint32_t rank = 0; rank < members; ++rank) workers.emplace_back(10 + rank);
    for (std::uint32_t rank = 0; rank < members; ++rank) {
      links_.push_back(std::make_shared<GroupLinks>(io_.get_executor(), workers, rank, stop_.get_token()));
    }
    for (std::uint32_t a = 0; a < members; ++a) {
      for (std::uint32_t b = a + 1; b < members; ++b) {
        net::asio::co_spawn(io_, connect(a, b), net::asio::detached);
      }
    }
    network_ = std::thread([this] { io_.run(); });
    for (const auto& links : links_) links->meet(0);
  }
  ~ManyMembers() {
    for (const auto& links : links_) links->fail("the test ends");
    guard_.reset();
    network_.join();
  }
  ManyMembers(const ManyMembers&) = delete;
  ManyMembers& operator=(const ManyMembers&) = delete;

  GroupLinks& operator[](std::uint32_t rank) { return *links_[rank]; }
  std::uint32_t count() const { return static_cast<std::uint32_t>(links_.size()); }

  /// Runs `member` on a thread for each rank.
  void run(const std::function<void(std::uint32_t rank)>& member) const {
    std::vector<std::thread> threads;
    for (std::uint32_t rank = 0; rank < count(); ++rank) threads.emplace_back([&, rank] { member(rank); });
    for (std::thread& thread : threads) thread.join();
  }

 private:
  net::Awaitable<void> connect(std::uint32_t a, std::uint32_t b) {
    const auto listener = transport_->listen(folder_.address(std::to_string(a) + "-" + std::to_string(b)));
    net::asio::co_spawn(io_, call(a, b, listener->address()), net::asio::detached);
    links_[a]->join(b, WorkerId(10 + b), co_await listener->accept());
  }
  net::Awaitable<void> call(std::uint32_t a, std::uint32_t b, net::Address address) {
    links_[b]->join(a, WorkerId(10 + a), co_await transport_->connect(address));
  }

  net::asio::io_context io_{1};
  net::asio::executor_work_guard<net::asio::io_context::executor_type> guard_{io_.get_executor()};
  net::SocketDirectory folder_;
  std::unique_ptr<net::Transport> transport_ = net::make_transport(net::Address::Scheme::kUnix, io_.get_executor());
  std::stop_source stop_;
  std::vector<std::shared_ptr<GroupLinks>> links_;
  std::thread network_;
};

}  // namespace hop::hopper
