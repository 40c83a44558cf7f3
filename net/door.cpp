#include "net/door.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "base/error.h"

namespace hop::net {
namespace {

using namespace std::chrono_literals;

constexpr auto kFirstPause = 10ms;
constexpr auto kLongestPause = 500ms;
constexpr auto kMomentToHangUp = 20ms;

int open_reserve() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

// Strangers get at most a sixteenth of the descriptors.
WaitingLimits within_this_process(WaitingLimits limits) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    limits.total = static_cast<std::size_t>(std::clamp<rlim_t>(files.rlim_cur / 16, 1, limits.total));
  }
  return limits;
}

}  // namespace

void Door::Place::spoke() {
  if (room_) room_->rule.spoke(id_);
}

void Door::Place::leave() {
  if (const auto room = std::exchange(room_, nullptr)) {
    room->rule.leave(id_);
    room->visitors.erase(id_);
  }
}

Door::Door(const Executor& executor, std::shared_ptr<Listener> listener, Tell tell, WaitingLimits limits)
    : timer_(executor),
      listener_(std::move(listener)),
      tell_(std::move(tell)),
      room_(std::make_shared<Room>(Room{WaitingRoom(within_this_process(limits)), {}})),
      reserve_(open_reserve()) {}

Door::~Door() {
  if (reserve_ >= 0) ::close(reserve_);
}

Awaitable<Door::Visitor> Door::next() {
  for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    std::shared_ptr<Connection> connection;
    std::string trouble;
    bool out_of_files = false;
    try {
      connection = co_await listener_->accept();
    } catch (const AcceptError& error) {
      trouble = error.what();
      out_of_files = error.out_of_files;
    }
    if (connection) co_return let_in(std::move(connection));
    if (const std::string line = trouble_.line(trouble + "; visitors wait"); !line.empty()) tell_(line);
    if (out_of_files) connection = co_await make_way();
    if (connection) co_return let_in(std::move(connection));
    timer_.expires_after(pause);
    co_await timer_.async_wait(asio::use_awaitable);
  }
}

Door::Visitor Door::let_in(std::shared_ptr<Connection> connection) {
  if (reserve_ < 0) reserve_ = open_reserve();
  const WaitingRoom::Id id = next_id_++;
  if (const auto leaves = room_->rule.enter(id, connection->origin())) send_away(*leaves);
  room_->visitors.emplace(id, connection);
  return {std::move(connection), Place(room_, id)};
}

void Door::send_away(WaitingRoom::Id id) {
  const auto visitor = room_->visitors.find(id);
  if (visitor == room_->visitors.end()) return;
  if (const auto connection = visitor->second.lock()) connection->close();
  room_->visitors.erase(visitor);
}

// Frees a descriptor for the next visitor by sending a stranger away. If all descriptors belong to friends, the visitor
// gets the reserved descriptor: it stays if there is another descriptor again, otherwise the connection ends at once.
Awaitable<std::shared_ptr<Connection>> Door::make_way() {
  if (const auto leaves = room_->rule.send_one_away()) {
    send_away(*leaves);
    co_return nullptr;
  }
  if (reserve_ < 0) reserve_ = open_reserve();
  if (reserve_ < 0) co_return nullptr;
  ::close(std::exchange(reserve_, -1));
  std::shared_ptr<Connection> visitor;
  try {
    visitor = co_await listener_->accept(deadline_in(kMomentToHangUp));
  } catch (const AcceptError&) {   // another thread took the descriptor
  } catch (const TimeoutError&) {  // the visitor has gone
  }
  reserve_ = open_reserve();
  if (visitor && reserve_ < 0) std::exchange(visitor, nullptr)->close();
  co_return visitor;
}

}  // namespace hop::net
