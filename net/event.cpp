#include "net/event.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/deadline.h"

namespace hop::net {

Event::Event(const Executor& executor) : timer_(std::make_shared<asio::steady_timer>(executor, kNever)) {}

Awaitable<void> Event::wait() {
  const auto timer = timer_;
  // A notification cancels the wait, and so does the coroutine's own cancellation. Neither is an error here.
  co_await timer->async_wait(asio::as_tuple(asio::use_awaitable));
}

void Event::notify() {
  asio::post(timer_->get_executor(), [timer = timer_] { timer->cancel(); });
}

}  // namespace hop::net
