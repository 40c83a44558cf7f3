// The small tools for coroutines: deadlines, executors, wake-ups.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include "net/event.h"
#include "net/run_on.h"
#include "net/with_deadline.h"
#include "tests/net/two_nodes.h"

namespace hop::net {
namespace {

using testing::error_of;
using testing::Gate;
using testing::milliseconds;
using testing::seconds;

template <class T>
T run(Awaitable<T> operation) {
  asio::io_context context;
  auto result = asio::co_spawn(context, std::move(operation), asio::use_future);
  context.run();
  return result.get();
}

Awaitable<std::unique_ptr<int>> give(int value) { co_return std::make_unique<int>(value); }
Awaitable<int> fail() {
  throw DataError("spoilt");
  co_return 0;
}

// A coroutine that hears of its cancellation and gives its result all the same.
Awaitable<int> give_when_cancelled(int value) {
  co_await asio::this_coro::throw_if_cancelled(false);
  Event event(co_await asio::this_coro::executor);
  co_await event.wait();
  co_return value;
}

TEST(WithDeadline, GivesTheResultThatComesInTime) {
  EXPECT_EQ(*run(with_deadline(give(3), deadline_in(seconds(10)), "give")), 3);
  EXPECT_EQ(*run(with_deadline(give(4), kNever, "give")), 4);
}

TEST(WithDeadline, PassesAnErrorOnAtOnce) {
  EXPECT_THROW(run(with_deadline(fail(), deadline_in(seconds(1000)), "fail")), DataError);
  EXPECT_THROW(run(with_deadline(fail(), kNever, "fail")), DataError);
}

TEST(WithDeadline, ThrowsTimeoutErrorAfterTheOperationHasEnded) {
  const auto wait_for_ever = [](bool& ended) -> Awaitable<void> {
    struct Guard {
      bool& flag;
      ~Guard() { flag = true; }
    } guard{ended};
    Event event(co_await asio::this_coro::executor);
    while (true) co_await event.wait();
  };
  bool ended = false;
  EXPECT_EQ(run(error_of(with_deadline(wait_for_ever(ended), deadline_in(milliseconds(5)), "the wait for Godot"))),
            "TimeoutError: [net] the wait for Godot: the deadline passed");
  EXPECT_TRUE(ended);
}

TEST(WithDeadline, KeepsAResultThatArrivesLate) {
  EXPECT_EQ(run(with_deadline(give_when_cancelled(5), deadline_in(milliseconds(5)), "give")), 5);
}

TEST(RunOn, RunsThereAndComesBack) {
  asio::thread_pool pool(1);
  const auto journey = [&]() -> Awaitable<void> {
    const auto home = std::this_thread::get_id();
    const auto here = [&]() -> Awaitable<std::thread::id> { co_return std::this_thread::get_id(); };
    EXPECT_NE(co_await run_on(pool.get_executor(), here()), home);
    EXPECT_EQ(std::this_thread::get_id(), home);
    const Executor mine = co_await asio::this_coro::executor;
    EXPECT_EQ(co_await run_on(mine, here()), home);
  };
  run(journey());
  pool.join();
}

TEST(Event, WakesASleeperFromAnyThread) {
  const auto sleep = []() -> Awaitable<void> {
    for (int round = 0; round < 200; ++round) {
      Gate gate(co_await asio::this_coro::executor);
      std::jthread other([&] { gate.open(); });
      co_await gate.passed();
    }
  };
  run(sleep());
}

}  // namespace
}  // namespace hop::net
