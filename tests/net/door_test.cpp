// Floods, exhausted descriptors and links that crawl end no connection that could live.
#include "net/door.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <set>

#include "tests/net/largest_allocation.h"
#include "tests/net/two_nodes.h"

namespace hop::net {
namespace {

using namespace std::chrono_literals;
using testing::error_of;
using ::testing::HasSubstr;
using testing::Peer;
using testing::TwoNodes;
using testing::Wiring;

constexpr Wiring kTcp{Address::Scheme::kTcp, false};

using Socket = asio::ip::tcp::socket;

asio::ip::tcp::endpoint endpoint(const Address& address) {
  return {asio::ip::make_address(address.host), address.port};
}

// Takes every descriptor that the process may have; gives all back when it dies.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::open("/dev/null", O_RDONLY);
    rlimit few = before_;
    few.rlim_cur = static_cast<rlim_t>(next) + 8;
    ::setrlimit(RLIMIT_NOFILE, &few);
    taken_.push_back(next);
    for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY)) >= 0;) taken_.push_back(fd);
  }
  ~NoDescriptors() { give_back(); }
  void give_back() {
    ::setrlimit(RLIMIT_NOFILE, &before_);
    for (const int fd : taken_) ::close(fd);
    taken_.clear();
  }

 private:
  rlimit before_{};
  std::vector<int> taken_;
};

TEST(Door, GoesOnWhenDescriptorsAreBackAndSaysMeanwhileWhyNobodyComesIn) {
  TwoNodes nodes(kTcp);
  const auto listener = nodes.server().listen(nodes.address());
  std::vector<std::string> lines;
  Door door(nodes.server_context().get_executor(), listener, [&](const std::string& line) { lines.push_back(line); });
  asio::io_context elsewhere;
  std::vector<Socket> callers;
  for (int i = 0; i < 2; ++i) callers.emplace_back(elsewhere, asio::ip::tcp::v4());  // before there are none left
  NoDescriptors none;
  const auto serve = [&]() -> Awaitable<void> {
    const Door::Visitor visitor = co_await door.next();
    EXPECT_TRUE(visitor.connection->is_open());
  };
  const auto call = [&]() -> Awaitable<void> {
    callers[0].connect(endpoint(listener->address()));
    asio::steady_timer timer(nodes.client_context());
    timer.expires_after(150ms);
    co_await timer.async_wait(asio::use_awaitable);
    char byte = 0;
    boost::system::error_code code;
    callers[0].non_blocking(true);
    callers[0].read_some(asio::buffer(&byte, 1), code);
    EXPECT_NE(code, asio::error::would_block) << "it is told at once that nobody can talk to it";
    none.give_back();
    callers[1].connect(endpoint(listener->address()));
  };
  nodes.run(serve(), call());
  ASSERT_FALSE(lines.empty());
  EXPECT_LE(lines.size(), 2U) << "however often it tries";
  EXPECT_THAT(lines.front(), HasSubstr("Too many open files"));
  EXPECT_THAT(lines.front(), HasSubstr("ulimit -n"));
}

TEST(Door, LetsAFriendInThroughAFloodAndKeepsStrangersFew) {
  TwoNodes nodes(kTcp);
  const auto listener = nodes.server().listen(nodes.address());
  Door door(nodes.server_context().get_executor(), listener, [](const std::string&) {});
  asio::io_context elsewhere;
  std::string heard;
  std::size_t most_waiting = 0;
  const auto greet = [&](Door::Visitor visitor) -> Awaitable<void> {
    try {
      const Message message = co_await visitor.connection->receive_small(100, deadline_in(10s));
      visitor.place.spoke();
      heard = testing::text_of(message);
      listener->close();
    } catch (const NetError&) {  // a silent one, sent away
    }
  };
  const auto serve = [&]() -> Awaitable<void> {
    while (true) {
      try {
        Door::Visitor visitor = co_await door.next();
        most_waiting = std::max(most_waiting, door.waiting());
        asio::co_spawn(nodes.server_context(), greet(std::move(visitor)), asio::detached);
      } catch (const NetError&) {
        co_return;
      }
    }
  };
  std::vector<Socket> flood;
  const auto call = [&]() -> Awaitable<void> {
    for (int i = 0; i < 300; ++i) {
      flood.emplace_back(elsewhere);
      flood.back().connect(endpoint(listener->address()));
    }
    const Peer self = co_await nodes.client().connect(listener->address());
    co_await self->send(1, as_bytes("it is me"));
    for (int i = 0; i < 300; ++i) {
      if (heard.empty()) {
        flood.emplace_back(elsewhere);
        boost::system::error_code ignored;  // closed by now, perhaps
        flood.back().connect(endpoint(listener->address()), ignored);
      }
    }
    while (heard.empty() && self->is_open()) {
      asio::steady_timer timer(nodes.client_context(), 5ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
    flood.clear();
  };
  nodes.run(serve(), call());
  EXPECT_EQ(heard, "it is me");
  EXPECT_LE(most_waiting, 64U);
}

TEST(Strangers, AreRefusedForALargeFirstMessageBeforeMemoryIsTakenForIt) {
  for (const bool has_payload : {false, true}) {
    TwoNodes nodes(kTcp);
    const auto server = [](Peer peer) -> Awaitable<void> {
      const std::string error = co_await error_of(peer->receive_small(1024, deadline_in(10s)));
      EXPECT_THAT(error, ::testing::AnyOf(HasSubstr("a control message of at most 1024 bytes, got 1000000"),
                                          HasSubstr("a message without payload")));
    };
    const auto client = [has_payload](Peer peer) -> Awaitable<void> {
      const AlignedBuffer large(has_payload ? 10 : 1'000'000);
      testing::forget_allocations();
      const ByteView payload = has_payload ? large.span() : ByteView();
      co_await error_of(peer->send(1, large.span(), payload));
      co_await error_of(peer->receive());
    };
    nodes.talk(server, client);
    EXPECT_LE(testing::largest_allocation(), 1024U);
  }
}

// Writes a frame piece by piece, with a pause after each.
Awaitable<void> drip(Socket& socket, ByteView bytes, std::size_t piece, std::chrono::milliseconds pause) {
  while (!bytes.empty()) {
    const ByteView now = bytes.first(std::min(piece, bytes.size()));
    co_await asio::async_write(socket, asio::buffer(now.data(), now.size()), asio::use_awaitable);
    bytes = bytes.subspan(now.size());
    asio::steady_timer timer(socket.get_executor(), pause);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

class SlowLink : public ::testing::Test {
 protected:
  // The outcome for a payload that drips in pieces; `arrived` counts the bytes that were seen on the way.
  std::string receive(std::size_t bytes, std::size_t piece, std::chrono::milliseconds pause, Patience patience) {
    TwoNodes nodes(kTcp);
    const auto listener = nodes.server().listen(nodes.address());
    const AlignedBuffer payload = testing::pattern(bytes);
    const std::vector<std::byte> frame = encode_frame(1, as_bytes("state"), payload.span());
    std::string result;
    const auto serve = [&]() -> Awaitable<void> {
      const Peer peer = co_await listener->accept();
      const Message message = co_await peer->receive();
      AlignedBuffer into(message.payload_bytes);
      const auto is_over = std::make_shared<bool>(false);  // which `look` reads after this coroutine has ended
      asio::co_spawn(nodes.server_context(), look(peer, is_over), asio::detached);
      result = co_await error_of(peer->receive_payload(into.span(), patience));
      *is_over = true;
      if (result == "nothing") result = testing::same(into.span(), payload.span()) ? "arrived" : "damaged";
    };
    const auto send = [&]() -> Awaitable<void> {
      Socket socket(nodes.client_context());
      socket.connect(endpoint(listener->address()));
      socket.set_option(asio::ip::tcp::no_delay(true));
      try {
        co_await drip(socket, frame, piece, pause);
      } catch (const boost::system::system_error&) {  // hung up on
      }
    };
    nodes.run(serve(), send());
    return result;
  }
  Awaitable<void> look(Peer peer, std::shared_ptr<const bool> is_over) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (!*is_over) {
      seen_.insert(peer->arrived());
      timer.expires_after(20ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
  }
  std::set<std::uint64_t> seen_;
};

TEST_F(SlowLink, IsWaitedForAsLongAsBytesMove) {
  EXPECT_EQ(receive(4000, 40, 30ms, {kNever, 1500ms}), "arrived") << "3 s in all, and never 1.5 s without a byte";
  EXPECT_GT(seen_.size(), 8U) << "and each piece shows as a sign of life, not the whole state alone";
}

TEST_F(SlowLink, IsGivenUpWhenItStandsStill) {
  const std::string given_up = receive(4000, 2000, 2500ms, {kNever, 400ms});
  EXPECT_THAT(given_up, HasSubstr("TimeoutError: [net] payload from"));
  EXPECT_THAT(given_up, HasSubstr("no byte moved for 0.4 s"));
}

// Two pieces: the first one comes at once, and the stall is counted from there.
TEST_F(SlowLink, IsGivenUpInTimeWhenItStandsStillInTheMiddle) {
  EXPECT_THAT(receive(3000, 2000, 5500ms, {kNever, 3s}), HasSubstr("no byte moved for 3 s"));
}

TEST_F(SlowLink, IsGivenUpAtTheDeadlineHoweverItMoves) {
  EXPECT_THAT(receive(4000, 10, 20ms, {deadline_in(500ms), 2s}), HasSubstr("the deadline passed"));
}

}  // namespace
}  // namespace hop::net
