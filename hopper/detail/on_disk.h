// Work that may wait for a disk, off the network thread. Internal to Hopscotch.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "net/asio.h"

namespace hop::hopper {

/// Runs `work` on the pool's thread and gives its result, or its exception, to the caller on the caller's executor.
template <class F>
net::Awaitable<decltype(std::declval<F&>()())> on_disk(net::asio::thread_pool& pool, F work) {
  using Result = decltype(work());
  const auto body = [](F task) -> net::Awaitable<Result> { co_return task(); };
  co_return co_await net::asio::co_spawn(pool, body(std::move(work)), net::asio::use_awaitable);
}

}  // namespace hop::hopper
