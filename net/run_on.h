// Moves a coroutine to the executor that owns the objects which it touches.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "net/asio.h"

namespace hop::net {

/// Runs `operation` on `executor` and gives its result to the caller on the caller's own executor. Costs nothing if the
/// caller already runs there, two hand-overs otherwise. Cancelling the caller cancels the operation.
template <class T>
Awaitable<T> run_on(Executor executor, Awaitable<T> operation) {
  const Executor here = co_await asio::this_coro::executor;  // g++ 12 miscompiles this co_await inside the condition
  if (here == executor) co_return co_await std::move(operation);
  co_return co_await asio::co_spawn(executor, std::move(operation), asio::use_awaitable);
}

}  // namespace hop::net
