// The few names of Boost.Asio that the interfaces of this floor speak. Internal to Hopscotch.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace hop::net {

namespace asio = boost::asio;

/// A coroutine that gives a T (Asio's): lazily started, awaited exactly once.
template <class T>
using Awaitable = asio::awaitable<T>;

/// The executor of coroutines: an io_context, or a strand on one.
using Executor = asio::any_io_executor;

}  // namespace hop::net
