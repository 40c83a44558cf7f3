// Runs any coroutine under a deadline. A Connection's own waits need no such wrapping: they take a Deadline.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "net/asio.h"
#include "net/deadline.h"

namespace hop::net {

/// Awaits `operation`. If `deadline` comes first, cancels it (terminal cancellation), waits until it has ended, and
/// throws TimeoutError `[net] <what>: the deadline passed`. A result that still arrives is returned, not lost.
/// Exceptions of `operation` pass through. The caller runs on a strand or in a context with one thread. T must be
/// default-constructible (or void).
template <class T>
Awaitable<T> with_deadline(Awaitable<T> operation, Deadline deadline, std::string what) {
  if (deadline == kNever) co_return co_await std::move(operation);
  const Executor executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, deadline);
  auto race = asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(operation), asio::deferred),
                                                      timer.async_wait(asio::deferred));
  // The coroutine that ends first cancels the other. Both have ended when this function returns.
  const auto judge = [&what](const std::exception_ptr& error, bool deadline_passed) {
    if (!error) return;
    if (deadline_passed) throw TimeoutError("[net] " + what + ": the deadline passed");
    std::rethrow_exception(error);
  };
  if constexpr (std::is_void_v<T>) {
    auto [order, error, timer_code] = co_await race.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    judge(error, !timer_code);
  } else {
    auto [order, error, result, timer_code] =
        co_await race.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    judge(error, !timer_code);
    co_return std::move(result);
  }
}

}  // namespace hop::net
