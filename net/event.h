// A wake-up call for one coroutine.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "net/asio.h"

namespace hop::net {

/// Lets one coroutine sleep until somebody, on any thread, wakes it. An event has no memory: the sleeper looks at the
/// state that it waits for, sleeps, and looks again (`while (!ready()) co_await event.wait();`).
class Event {
 public:
  /// `executor` is the sleeper's: a strand, or an io_context with one thread. So a `notify` between the look and the
  /// sleep is delivered after the sleep has begun, and no wake-up is lost.
  explicit Event(const Executor& executor);

  /// Sleeps until notified. May wake for no reason, and does when the coroutine is cancelled: its next co_await then
  /// throws boost::system::system_error.
  Awaitable<void> wait();

  /// Wakes the sleeper, if there is one. From any thread; never runs the sleeper inside this call.
  void notify();

 private:
  std::shared_ptr<asio::steady_timer> timer_;  // never expires; shared with wake-ups on their way
};

}  // namespace hop::net
