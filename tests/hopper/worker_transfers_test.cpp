// A worker fetches a state and hears that the worker which has it is gone. What still comes is kept; what does not come
// is given up, with its connection.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <thread>

#include "tests/hopper/worker_alone.h"

namespace hop::hopper {
namespace {

namespace asio = net::asio;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Socket = asio::ip::tcp::socket;

// How a cable carries bytes. A test may change it on the way.
struct Cable {
  std::size_t piece = SIZE_MAX;        // bytes at a time
  std::chrono::milliseconds pause{0};  // after each piece
  std::size_t left = SIZE_MAX;         // bytes until it is unplugged: nothing more comes, and no connection ends
};

class StreamOnACable final : public net::Stream {
 public:
  StreamOnACable(Socket socket, std::shared_ptr<Cable> cable)
      : socket_(std::move(socket)), timer_(socket_.get_executor()), cable_(std::move(cable)) {}

  net::Awaitable<std::size_t> read(MutableByteView into) override {
    const auto [code, got] =
        co_await asio::async_read(socket_, asio::buffer(into.data(), into.size()), asio::as_tuple(asio::use_awaitable));
    if (code && code != asio::error::eof) throw boost::system::system_error(code);
    count_arrived(got);
    co_return got;
  }
  net::Awaitable<void> write(std::span<const ByteView> parts) override {
    for (ByteView part : parts) {
      while (!part.empty()) {
        if (cable_->left == 0) co_await wait(asio::steady_timer::time_point::max());
        const ByteView now = part.first(std::min({part.size(), cable_->piece, cable_->left}));
        co_await asio::async_write(socket_, asio::buffer(now.data(), now.size()), asio::use_awaitable);
        count_departed(now.size());
        cable_->left -= now.size();
        part = part.subspan(now.size());
        if (cable_->pause > 0ms) co_await wait(std::chrono::steady_clock::now() + cable_->pause);
      }
    }
  }
  void close() noexcept override {
    boost::system::error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
  }
  net::Executor executor() const override { return const_cast<Socket&>(socket_).get_executor(); }

 private:
  net::Awaitable<void> wait(asio::steady_timer::time_point until) {
    timer_.expires_at(until);
    co_await timer_.async_wait(asio::use_awaitable);
  }

  Socket socket_;
  asio::steady_timer timer_;
  std::shared_ptr<Cable> cable_;
};

// The other worker is the test, at the far end of a cable.
class FetchingWorker : public WorkerAlone {
 protected:
  FetchingWorker() : WorkerAlone(1, /*over_tcp=*/true) {}

  std::string source_address() const {
    return net::Address::tcp("127.0.0.1", acceptor_.local_endpoint().port()).text();
  }
  message::LeaseOrder lease(const AlignedBuffer& parent) const {
    message::LeaseOrder order = lease_of_unit_1(xxh3_128(parent.span()));
    order.source_address = source_address();
    return order;
  }
  message::CopyOrder order_of_copy(Attempt attempt) const {
    const Copy copy{.model = ModelId(0),
                    .version = Version(1),
                    .attempt = attempt,
                    .digest = {1, 2},
                    .source = WorkerId(1),
                    .stored_as = {},
                    .bytes = 64};
    return {copy, source_address()};
  }
  // The connection of a worker that has asked for a state.
  Awaitable<Connection> asked() {
    Socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
    const auto reader =
        std::make_shared<net::Connection>(std::make_unique<StreamOnACable>(std::move(socket), cable_), "the reader");
    co_await examine(reader, HostRole::Worker, kToken, net::deadline_in(kLong));
    co_await next<message::Fetch>(reader);
    co_return reader;
  }
  static Awaitable<void> give(Connection reader, ByteView state) {
    const message::State found{.found = true};
    try {
      co_await send(reader, found, state);
    } catch (const NetError&) {  // it was given up
    }
  }
  void give_meanwhile(const Connection& reader, ByteView state) {
    asio::co_spawn(context_, give(reader, state), asio::detached);
  }
  static Awaitable<void> tell_gone(Connection worker, Attempt attempt) {
    const message::SourceGone gone{attempt};
    co_await send(worker, gone);
  }
  // How the worker's next lease ends.
  static Awaitable<std::string> outcome(
      Connection worker, std::function<void()> on_beat = [] {}) {
    while (true) {
      const net::Message message = co_await worker->receive(net::deadline_in(kLong));
      if (message.kind == message::kKind<message::Heartbeat>) on_beat();
      if (message.kind == message::kKind<message::Result>) {
        co_return "result of " + std::to_string(expect<message::Result>(message).attempt.value);
      }
      if (message.kind == message::kKind<message::Failed>) co_return expect<message::Failed>(message).text;
    }
  }

  const std::shared_ptr<Cable> cable_ = std::make_shared<Cable>();
  asio::ip::tcp::acceptor acceptor_{context_, {asio::ip::address_v4::loopback(), 0}};
};

// A block of gigabytes takes seconds to clear. Until it is there, the worker asks nobody for the state.
TEST_F(FetchingWorker, KeepsTalkingWhileMemoryForAStateIsMade) {
  const AlignedBuffer state = parent_state();
  std::atomic<bool> is_made = false, is_making = false, may_go_on = false;
  const nn::StatePool::Fresh slowly = [&](std::size_t size) {
    is_making = true;
    for (int i = 0; !may_go_on && i < 1000; ++i) std::this_thread::sleep_for(10ms);
    is_made = true;
    return AlignedBuffer(size);
  };
  play(
      [&](Connection worker, std::string) -> Awaitable<void> {
        const message::LeaseOrder order = lease(state);
        co_await send(worker, order);
        int beats_meanwhile = 0;
        while (beats_meanwhile < 3) {
          co_await next<message::Heartbeat>(worker);
          if (is_making) ++beats_meanwhile;
        }
        EXPECT_FALSE(is_made) << "it spoke before the memory was there";
        may_go_on = true;
        const Connection reader = co_await asked();
        give_meanwhile(reader, state.span());
        EXPECT_EQ(co_await outcome(worker), "result of " + std::to_string(order.lease.attempt.value));
      },
      {}, slowly);
  EXPECT_TRUE(is_made);
}

// The memory is for others then, and a call of seconds is saved.
TEST_F(FetchingWorker, CallsNobodyForAStateThatWasGivenUpWhileMemoryForItWasMade) {
  const AlignedBuffer state = parent_state();
  std::atomic<bool> is_making = false, may_go_on = false;
  const nn::StatePool::Fresh slowly = [&](std::size_t size) {
    is_making = true;
    for (int i = 0; !may_go_on && i < 1000; ++i) std::this_thread::sleep_for(10ms);
    return AlignedBuffer(size);
  };
  play(
      [&](Connection worker, std::string) -> Awaitable<void> {
        message::LeaseOrder order = lease(state);
        co_await send(worker, order);
        while (!is_making) co_await next<message::Heartbeat>(worker);
        const message::Cancel cancel{order.lease.attempt};
        co_await send(worker, cancel);
        order.lease.attempt = Attempt(9);
        co_await send(worker, order);
        co_await next<message::Heartbeat>(worker);
        co_await next<message::Heartbeat>(worker);  // begun after the orders had come
        may_go_on = true;
        const Connection reader = co_await asked();  // throws if the caller hangs up before it asks
        give_meanwhile(reader, state.span());
        EXPECT_EQ(co_await outcome(worker), "result of 9");
      },
      {}, slowly);
}

// Its digest waits for a disk that deletes a file, and its source is lost.
TEST_F(FetchingWorker, KeepsAParentThatHasArrivedWhileItsDigestWaitsForTheDisk) {
  leave_state();
  small_state_bytes_ = 0;
  const AlignedBuffer state = parent_state();
  std::atomic<bool> is_deleting = false, may_go_on = false;
  const StateStore::Remove slowly = [&](const std::filesystem::path& file) {
    is_deleting = true;
    for (int i = 0; !may_go_on && i < 1000; ++i) std::this_thread::sleep_for(10ms);
    return std::filesystem::remove(file);
  };
  play(
      [&](Connection worker, std::string) -> Awaitable<void> {
        const message::LeaseOrder order = lease(state);
        co_await send(worker, order);
        const Connection reader = co_await asked();
        const message::Release release{ModelId(5), Version(1), Attempt(3)};
        co_await send(worker, release);
        while (!is_deleting) co_await next<message::Heartbeat>(worker);
        give_meanwhile(reader, state.span());
        const bool has_arrived = co_await hangs_up(reader);
        EXPECT_TRUE(has_arrived);
        co_await tell_gone(worker, Attempt(8));
        int beats = 0;
        const auto let_go = [&] { may_go_on = ++beats >= 2; };  // the second one was begun after the order had come
        const std::string end = co_await outcome(worker, let_go);
        EXPECT_EQ(end, "result of 8");
      },
      slowly);
}

// Only the coordinator has lost the source, or it relays what it has of it. The last byte comes after 4 s.
TEST_F(FetchingWorker, KeepsAParentThatStillComes) {
  const AlignedBuffer state = parent_state();
  play([&](Connection worker, std::string) -> Awaitable<void> {
    const message::LeaseOrder order = lease(state);
    co_await send(worker, order);
    const Connection reader = co_await asked();
    co_await tell_gone(worker, Attempt(8));
    cable_->piece = state.size() / 2 + 1;  // after the header, the message, the length and the chunk's header
    cable_->pause = 800ms;
    co_await give(reader, state.span());
    const std::string end = co_await outcome(worker);
    EXPECT_EQ(end, "result of 8");
  });
}

// The machine of the source was unplugged.
TEST_F(FetchingWorker, GivesUpAParentThatStandsStillInItsMiddle) {
  const AlignedBuffer state = parent_state();
  play([&](Connection worker, std::string) -> Awaitable<void> {
    message::LeaseOrder order = lease(state);
    co_await send(worker, order);
    const Connection reader = co_await asked();
    cable_->left = state.size() / 2;
    give_meanwhile(reader, state.span());
    co_await tell_gone(worker, Attempt(8));
    const std::string end = co_await outcome(worker);
    EXPECT_THAT(end, HasSubstr("the worker that has it is gone"));
    const bool is_over = co_await hangs_up(reader);
    EXPECT_TRUE(is_over) << "or the block for the rest of the state stays taken until the stall ends";
    cable_->left = SIZE_MAX;
    order.lease.attempt = Attempt(9);
    co_await send(worker, order);
    const Connection again = co_await asked();
    co_await give(again, state.span());
    const std::string next_end = co_await outcome(worker);
    EXPECT_EQ(next_end, "result of 9");
  });
}

TEST_F(FetchingWorker, KeepsACopyThatStillComesAndGivesUpOneThatDoesNot) {
  const AlignedBuffer header(16), other(64);
  play([&](Connection worker, std::string) -> Awaitable<void> {
    const message::CopyOrder order = order_of_copy(Attempt(8));
    co_await send(worker, order);
    const Connection reader = co_await asked();
    co_await tell_gone(worker, Attempt(8));
    cable_->pause = 800ms;
    co_await give(reader, header.span());
    cable_->pause = 0ms;
    co_await give(reader, other.span());
    const auto damaged = co_await next<message::NotCopied>(worker);
    EXPECT_THAT(damaged.text, HasSubstr("is damaged")) << "all of it has come, after 4 s";
    const message::CopyOrder more = order_of_copy(Attempt(9));
    co_await send(worker, more);
    const Connection silent = co_await asked();
    co_await tell_gone(worker, Attempt(9));
    const auto gone = co_await next<message::NotCopied>(worker);
    EXPECT_THAT(gone.text, HasSubstr("the worker that has it is gone"));
    const bool is_over = co_await hangs_up(silent);
    EXPECT_TRUE(is_over);
  });
}

// The lease is given up at once, and its call must not ask for the state when it is through.
TEST_F(WorkerAlone, AsksForNoStateThatWasGivenUpWhileItCalled) {
  play([&](Connection worker, std::string) -> Awaitable<void> {
    const message::LeaseOrder order = lease_of_unit_1({1, 2});
    co_await send(worker, order);
    const Connection caller = co_await source_->accept();
    const message::SourceGone gone{Attempt(8)};
    co_await send(worker, gone);
    const auto failed = co_await next<message::Failed>(worker);
    EXPECT_EQ(failed.failure, Failure::SourceGone) << failed.text;
    co_await examine(caller, HostRole::Worker, kToken, net::deadline_in(kLong));
    const bool is_over = co_await hangs_up(caller);
    EXPECT_TRUE(is_over);
  });
}

}  // namespace
}  // namespace hop::hopper
