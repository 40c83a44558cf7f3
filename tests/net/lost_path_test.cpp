// A path between two hosts that dies without a word, as when a cable is cut. The test needs a network of its own, which
// only root may make.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <future>
#include <optional>
#include <string>

#include "tests/net/two_nodes.h"

namespace hop::net {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::milliseconds;
using testing::Peer;
using testing::seconds;
using testing::TwoNodes;
using testing::Wiring;
using Clock = std::chrono::steady_clock;

/// Only of the network of the calling thread.
bool set_loopback(bool up) {
  ifreq link{};
  std::strncpy(link.ifr_name, "lo", IFNAMSIZ - 1);
  link.ifr_flags = static_cast<short>(up ? IFF_UP | IFF_RUNNING : 0);
  const int any = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool done = any >= 0 && ::ioctl(any, SIOCSIFFLAGS, &link) == 0;
  if (any >= 0) ::close(any);
  return done;
}

struct Ending {
  std::string error;
  double seconds = 0;
};

// A reader waits for a message that its peer never sends; the path is cut after `cut_after`. It runs in a thread of its
// own, which leaves this process's network. Empty where the machine does not allow that.
std::optional<Ending> wait_on_a_path_that_dies(milliseconds cut_after, milliseconds within, seconds patience) {
  const auto trial = [=]() -> std::optional<Ending> {
    if (::unshare(CLONE_NEWNET) != 0 || !set_loopback(true)) return std::nullopt;
    TwoNodes nodes({Address::Scheme::kTls, false});
    const auto listener = nodes.server().listen(nodes.address());
    Ending ending;
    Peer silent;
    const auto accept = [&]() -> Awaitable<void> {
      silent = co_await listener->accept();
      co_await silent->receive(deadline_in(seconds(10)));
      co_await silent->send(2, {}, {}, deadline_in(seconds(10)));
    };
    const auto wait = [&]() -> Awaitable<void> {
      const Peer peer = co_await nodes.client().connect(listener->address(), deadline_in(seconds(10)));
      co_await peer->send(1, {}, {}, deadline_in(seconds(10)));
      co_await peer->receive(deadline_in(seconds(10)));
      peer->notice_lost_path(within);
      asio::steady_timer timer(co_await asio::this_coro::executor, cut_after);
      co_await timer.async_wait(asio::use_awaitable);
      EXPECT_TRUE(peer->is_open()) << "a peer without a word, on a path that lives, is no lost path";
      EXPECT_TRUE(set_loopback(false));
      const Clock::time_point begin = Clock::now();
      ending.error = co_await error_of(peer->receive(deadline_in(patience)));
      ending.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    };
    nodes.run(accept(), wait());
    return ending;
  };
  return std::async(std::launch::async, trial).get();
}

TEST(LostPath, IsNoticedWithoutAWordToSend) {
  const auto ending = wait_on_a_path_that_dies(milliseconds(100), milliseconds(2000), seconds(30));
  if (!ending) GTEST_SKIP() << "this machine lets nobody make a network";
  EXPECT_THAT(ending->error, HasSubstr("timed out"));
  EXPECT_LT(ending->seconds, 15) << "the patience of 30 s was not what ended it";
}

TEST(LostPath, IsNotTakenForASilentPeer) {
  const auto ending = wait_on_a_path_that_dies(milliseconds(3500), milliseconds(1000), seconds(30));
  if (!ending) GTEST_SKIP() << "this machine lets nobody make a network";
  EXPECT_LT(ending->seconds, 15);
}

}  // namespace
}  // namespace hop::net
