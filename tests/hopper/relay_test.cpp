// States between workers that cannot reach each other go through the coordinator, which holds few of them at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <new>

#include "data/glyphs.h"
#include "tests/hopper/fake_workers.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

using testing::FakeNode;
using testing::FakeRun;
using ::testing::HasSubstr;
using Life = FakeNode::Life;
using Connection = std::shared_ptr<net::Connection>;

TEST(RelayRoom, HasALimitAndGivesALargerStateAllOfIt) {
  RelayRoom room(100);
  RelayRoom::Place first = room.take(60);
  ASSERT_TRUE(first);
  EXPECT_FALSE(room.take(41));
  const RelayRoom::Place second = room.take(40);
  EXPECT_TRUE(second);
  EXPECT_EQ(room.held(), 100U);
  RelayRoom::Place copy = first;
  first.reset();
  EXPECT_EQ(room.held(), 100U) << "somebody still has it";
  copy.reset();
  EXPECT_EQ(room.held(), 40U);
  EXPECT_FALSE(room.take(1000));
  RelayRoom empty(100);
  const RelayRoom::Place all = empty.take(1000);
  EXPECT_TRUE(all);
  EXPECT_FALSE(empty.take(1));
}

// A guest of the coordinator asks for the state of model 0 after its first unit, while the second one is held back.
class Relays : public ::testing::Test {
 protected:
  Relays() {
    data::write_dataset(data::glyphs({.train_rows = 64, .test_rows = 10}), folder_ / "data", {.partitions = 2});
    Experiment e;
    e.seed = 7;
    e.data.source = folder_ / "data";
    e.model.layers = {"flatten", "linear 10"};
    e.search.space = {{"lr", Choices{0.01}}, {"batch_size", Choices{std::int64_t{16}}}};
    e.run.workers = 1;
    run_.emplace(e, folder_ / "data", folder_ / "run");
  }
  // Runs to the end, and `story` in the middle.
  void play(const std::function<net::Awaitable<void>()>& story) {
    std::exception_ptr error;
    bool has_begun = false;
    run_->node.on_lease = [&](const Life& life, const message::LeaseOrder& order) {
      if (is_first(order.lease.unit) || std::exchange(has_begun, true)) return run_->train(life, order);
      net::asio::co_spawn(run_->host->executor(), story(), [&, life, order](std::exception_ptr e) {
        error = e;
        run_->train(life, order);
      });
    };
    run_->node.on_collect = [&](const Life& life, const message::Collect& order) {
      if (order.ticket == 0) return run_->give(life, order);
      asked_.emplace_back(life, order);
    };
    EXPECT_EQ(run_->run(), Outcome::Completed);
    if (error) std::rethrow_exception(error);
    EXPECT_EQ(run_->coordinator->ledger().models().front().status, Status::Finished);
  }
  net::Awaitable<Connection> guest() {
    const Peer reader{WorkerId(0), Incarnation(1)};
    const Connection connection = co_await run_->host->call_for_states(reader);
    co_await ask(connection);
    co_return connection;
  }
  static net::Awaitable<void> ask(Connection connection) {
    const message::Fetch fetch{ModelId(0), Version(1), WorkerId(0), "fake"};
    co_await send(connection, fetch);
  }
  // The source's answer to the request with this number.
  void answer(std::size_t i) {
    const auto& [life, order] = asked_.at(i);
    const message::State state{.model = order.model, .found = true, .text = {}, .ticket = order.ticket};
    run_->host->tell(life, state, run_->states.at({order.model, order.version}));
  }
  net::Awaitable<void> pause(std::chrono::milliseconds time) {
    net::asio::steady_timer timer(run_->host->executor(), time);
    co_await timer.async_wait(net::asio::use_awaitable);
  }
  // Waits until the source was asked so often.
  net::Awaitable<void> until_asked(std::size_t times) {
    for (int i = 0; asked_.size() < times && i < 1000; ++i) co_await pause(std::chrono::milliseconds(10));
    EXPECT_EQ(asked_.size(), times);
  }
  net::Awaitable<void> expect_state(Connection from) {
    const auto state = co_await receive<message::State>(from, net::deadline_in(std::chrono::seconds(60)));
    EXPECT_TRUE(state.found) << state.text;
    AlignedBuffer bytes(state.payload_bytes);
    co_await from->receive_payload(bytes.span());
    const ByteView expected = std::as_const(*run_->states.at({ModelId(0), Version(1)})).span();
    EXPECT_TRUE(std::ranges::equal(bytes.span(), expected));
  }
  std::string status() const {
    std::ifstream in(folder_ / "run" / "status", std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  TemporaryFolder folder_;
  std::optional<FakeRun> run_;
  std::vector<std::pair<Life, message::Collect>> asked_;  // of the source, for others
};

TEST_F(Relays, WaitForTheirTurnWhenTheirBytesAreTooMany) {
  run_->doors.relays.most_bytes = 1;  // one state at a time
  play([&]() -> net::Awaitable<void> {
    const Connection first = co_await guest();
    co_await until_asked(1);
    const Connection second = co_await guest(), gone = co_await guest(), last = co_await guest();
    for (int i = 0; status().find("its state waits for its turn") == std::string::npos && i < 500; ++i) {
      co_await pause(std::chrono::milliseconds(10));
    }
    EXPECT_THAT(status(), HasSubstr("its state waits for its turn to be passed on")) << "for `hop why`";
    EXPECT_EQ(asked_.size(), 1U) << "the others wait";
    gone->close();
    answer(0);
    co_await expect_state(first);
    co_await until_asked(2);
    answer(1);
    co_await expect_state(second);
    co_await until_asked(3);
    answer(2);
    co_await expect_state(last);
    EXPECT_EQ(asked_.size(), 3U) << "nothing is asked for a reader that has hung up";
  });
}

TEST_F(Relays, AreSentTogetherWhenThereIsRoom) {
  play([&]() -> net::Awaitable<void> {
    const Connection first = co_await guest(), second = co_await guest();
    co_await until_asked(2);
    answer(1);
    co_await expect_state(second);
    answer(0);
    co_await expect_state(first);
  });
}

TEST_F(Relays, WithoutMemoryFailAloneAndTheRunGoesOn) {
  int tries = 0;
  run_->doors.relays.fresh = [&](std::uint64_t bytes) {
    if (++tries == 1) throw std::bad_alloc();
    return unclear_buffer(bytes);
  };
  play([&]() -> net::Awaitable<void> {
    const Connection reader = co_await guest();
    co_await until_asked(1);
    answer(0);
    const auto refusal = co_await receive<message::State>(reader, net::deadline_in(std::chrono::seconds(60)));
    EXPECT_FALSE(refusal.found);
    EXPECT_TRUE(refusal.no_room);
    EXPECT_THAT(refusal.text, HasSubstr("the coordinator has no memory to pass a state of "));
    co_await ask(reader);
    co_await until_asked(2);
    answer(1);
    co_await expect_state(reader);
  });
}

TEST_F(Relays, AndFinalStatesWithoutMemoryAreAskedForAgain) {
  int tries = 0;
  run_->doors.relays.fresh = [&](std::uint64_t bytes) {
    if (++tries == 1) throw std::bad_alloc();
    return unclear_buffer(bytes);
  };
  EXPECT_EQ(run_->run(), Outcome::Completed);
  EXPECT_EQ(tries, 2);
  EXPECT_TRUE(run_->was_told("model 0: its state is asked for again: the coordinator has no memory for a state of "));
}

}  // namespace
}  // namespace hop::hopper
