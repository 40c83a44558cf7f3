// A real worker between a coordinator and other workers that the test plays: it checks the states that it fetches,
// gives its own to those who may have them, survives trouble with its disk, and leads a group. Long because one fixture
// plays everybody around the worker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "data/glyphs.h"
#include "hopper/detail/handshake.h"
#include "hopper/detail/worker.h"
#include "hopper/strategy/data_parallel.h"
#include "hopper/train_unit.h"
#include "hopper/trainer.h"
#include "net/memory.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using net::Awaitable;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kLong = std::chrono::seconds(60);
constexpr const char* kToken = "secret";

class WorkerAlone : public testing::Test {
 protected:
  using Connection = std::shared_ptr<net::Connection>;

  explicit WorkerAlone(std::uint32_t partitions = 1) {
    data::write_dataset(data::glyphs({.train_rows = 32, .test_rows = 10}), folder_ / "data",
                        {.partitions = partitions});
    experiment_.data.source = folder_ / "data";
    experiment_.model.layers = {"flatten", "linear 10"};
    experiment_.run.workers = partitions;
    coordinator_ = transport_.listen(net::Address::memory("coordinator"));
    source_ = transport_.listen(net::Address::memory("source"));
  }

  // The state of model 0 after its first unit, as another worker would have it.
  AlignedBuffer parent_state() {
    const data::Dataset dataset = data::Dataset::open(folder_ / "data");
    Trainer trainer(experiment_, ModelId(0), Config{}, dataset);
    trainer.initialize();
    const nn::StateBytes bytes = trainer.state().save().wait();
    AlignedBuffer copy(bytes->size());
    std::copy_n(bytes->data(), bytes->size(), copy.data());
    return copy;
  }
  // A state on the worker's disk, under version 1 of the model.
  void leave_state(ModelId model = ModelId(5)) const {
    StateStore store(folder_ / "node" / "states", /*durable=*/true);
    auto bytes = nn::StatePool::make_shared()->make(64);
    std::fill_n(bytes->data(), 64, std::byte{9});
    store.put({model, Version(1), PartitionId(0), Attempt(3), {}, {}, {}}, {.segments = {}, .bytes = 64},
              std::move(bytes));
  }
  fs::path state_file() const { return folder_ / "node" / "states" / "5-1.hop"; }

  // Runs the worker, and `story` as its coordinator, who begins when the worker is ready and ends the worker.
  void play(const std::function<Awaitable<void>(Connection worker, std::string address)>& story,
            StateStore::Remove remove = {}) {
    std::exception_ptr error;
    const auto coordinate = [&]() -> Awaitable<void> {
      const Connection worker = co_await coordinator_->accept();
      co_await examine(worker, HostRole::Coordinator, kToken, net::deadline_in(kLong));
      const message::Welcome welcome{folder_ / "data", 1};
      co_await send(worker, welcome);
      const auto ready = co_await next<message::Ready>(worker);
      co_await story(worker, ready.address);
      const message::Shutdown over;
      co_await send(worker, over);
      co_await next<message::Heartbeat>(worker);
    };
    net::asio::co_spawn(context_, coordinate(), [&](std::exception_ptr e) {
      error = e;
      context_.stop();
    });
    Worker worker({.peer = {WorkerId(0), Incarnation(1)},
                   .coordinator = "memory:coordinator",
                   .token = kToken,
                   .node_folder = folder_ / "node",
                   .experiment = &experiment_,
                   .memory = network_,
                   .devices = {"cpu"},
                   .remove = std::move(remove)});
    std::thread thread([&] {
      try {
        worker.run();
      } catch (const std::exception&) {  // the story has ended before its time
      }
    });
    context_.run();
    if (error) worker.stop();
    thread.join();
    if (error) std::rethrow_exception(error);
  }

  // The next message of this kind; others are passed over, but for those that end the worker. `notices` takes the lines
  // for people among them.
  template <class T>
  static Awaitable<T> next(Connection from, std::vector<std::string>* notices = nullptr) {
    const net::Deadline deadline = net::deadline_in(kLong);
    while (true) {
      const net::Message message = co_await from->receive(deadline);
      if (message.kind == message::kKind<T>) co_return expect<T>(message);
      const bool is_notice = message.kind == message::kKind<message::Notice>;
      if (is_notice && notices != nullptr) notices->push_back(expect<message::Notice>(message).text);
      if (message.kind == message::kKind<message::Fatal>) throw Error(expect<message::Fatal>(message).text);
    }
  }
  static message::LeaseOrder lease_of_unit_1(const Digest& parent) {
    message::LeaseOrder order;
    order.lease = {.model = ModelId(0),
                   .unit = Unit{1},
                   .epoch = Epoch{1},
                   .partition = PartitionId(0),
                   .attempt = Attempt(8),
                   .parent = parent,
                   .source = std::nullopt,
                   .validate = false};
    order.source_address = "memory:source";
    return order;
  }
  // The other worker, which answers the one Fetch with `state` and `payload`.
  Awaitable<void> answer_fetch(message::State state, const AlignedBuffer* payload, std::string token = kToken) {
    const Connection caller = co_await source_->accept();
    co_await examine(caller, HostRole::Worker, token, net::deadline_in(kLong));
    const auto fetch = co_await next<message::Fetch>(caller);
    state.model = fetch.model;
    const ByteView content = payload != nullptr ? payload->span() : ByteView();
    co_await send(caller, state, content);
    try {
      co_await caller->receive(net::deadline_in(kLong));  // until it hangs up
    } catch (const NetError&) {
    }
  }

  const TemporaryFolder folder_;
  Experiment experiment_;
  std::shared_ptr<net::MemoryNetwork> network_ = std::make_shared<net::MemoryNetwork>();
  net::asio::io_context context_{1};
  net::MemoryTransport transport_{context_.get_executor(), network_};
  std::shared_ptr<net::Listener> coordinator_, source_;
};

TEST_F(WorkerAlone, TrainsOnNoStateWithAnotherDigestThanItsLease) {
  AlignedBuffer state = parent_state();
  const Digest parent = xxh3_128(std::as_const(state).span());
  state.data()[state.size() / 2] ^= std::byte{64};  // what is sent is whole, and other than what is due
  play([&](Connection worker, std::string) -> Awaitable<void> {
    const message::LeaseOrder order = lease_of_unit_1(parent);
    co_await send(worker, order);
    const message::State found{.found = true};
    co_await answer_fetch(found, &state);
    const auto failed = co_await next<message::Failed>(worker);
    EXPECT_EQ(failed.failure, Failure::StateDamaged);
    EXPECT_THAT(failed.text, HasSubstr("is damaged"));
    // The right one a moment later: it trains.
    state.data()[state.size() / 2] ^= std::byte{64};
    message::LeaseOrder again = order;
    again.lease.attempt = Attempt(9);
    co_await send(worker, again);
    co_await answer_fetch(found, &state);
    const auto result = co_await next<message::Result>(worker);
    EXPECT_EQ(result.attempt, Attempt(9));
  });
}

TEST_F(WorkerAlone, TellsAStateThatCannotBeReadNowFromOneThatIsLost) {
  play([&](Connection worker, std::string) -> Awaitable<void> {
    for (const bool unreadable : {true, false}) {
      message::LeaseOrder order = lease_of_unit_1({1, 2});
      order.lease.attempt = Attempt(unreadable ? 10 : 11);
      co_await send(worker, order);
      const message::State refusal{.text = "too many open files", .unreadable = unreadable};
      co_await answer_fetch(refusal, nullptr);
      const auto failed = co_await next<message::Failed>(worker);
      EXPECT_EQ(failed.failure, unreadable ? Failure::StateDamaged : Failure::StateLost);
      EXPECT_THAT(failed.text, HasSubstr("too many open files"));
    }
  });
}

TEST_F(WorkerAlone, CallsNoStateLostThatItsHolderWasToldToDelete) {
  play([&](Connection worker, std::string) -> Awaitable<void> {
    const message::LeaseOrder order = lease_of_unit_1({1, 2});
    co_await send(worker, order);
    const message::State refusal{.text = "version 1 of model 0 was released", .released = true};
    co_await answer_fetch(refusal, nullptr);
    const auto failed = co_await next<message::Failed>(worker);
    EXPECT_EQ(failed.failure, Failure::SourceUnreachable) << "StateLost would make the model go back";
    EXPECT_THAT(failed.text, HasSubstr("was released"));
  });
}

// The machine of the source was unplugged: the connection stays, and nothing comes.
TEST_F(WorkerAlone, WaitsForNoStateOfAWorkerThatIsGone) {
  const AlignedBuffer state = parent_state();
  play([&](Connection worker, std::string) -> Awaitable<void> {
    message::LeaseOrder order = lease_of_unit_1(xxh3_128(state.span()));
    co_await send(worker, order);
    const Connection silent = co_await source_->accept();
    co_await examine(silent, HostRole::Worker, kToken, net::deadline_in(kLong));
    co_await next<message::Fetch>(silent);
    const message::SourceGone gone{Attempt(8)};
    co_await send(worker, gone);
    const auto failed = co_await next<message::Failed>(worker);
    EXPECT_EQ(failed.attempt, Attempt(8));
    EXPECT_EQ(failed.failure, Failure::Cancelled) << failed.text;
    order.lease.attempt = Attempt(9);
    co_await send(worker, order);
    const message::State found{.found = true};
    co_await answer_fetch(found, &state);
    const auto result = co_await next<message::Result>(worker);
    EXPECT_EQ(result.attempt, Attempt(9));
  });
}

TEST_F(WorkerAlone, GivesNoStateToStrangers) {
  leave_state();
  play([&](Connection, std::string address) -> Awaitable<void> {
    const message::Fetch fetch{ModelId(5), Version(1)};
    const message::Hello hello{{WorkerId(1), Incarnation(1)}, "isa", "build", {}};
    const net::Address place = net::Address::parse(address);
    for (const std::string secret : {"", "another"}) {
      const Connection stranger = co_await transport_.connect(place, net::deadline_in(kLong));
      std::string told;
      try {
        if (!secret.empty())
          co_await introduce_self(stranger, HostRole::Worker, secret, hello, net::deadline_in(kLong));
        co_await send(stranger, fetch);
        while (true) {
          const net::Message answer = co_await stranger->receive(net::deadline_in(kLong));
          EXPECT_NE(answer.kind, message::kKind<message::State>) << "secret: " << secret;
          EXPECT_EQ(answer.payload_bytes, 0U);
        }
      } catch (const NetError& error) {
        told = error.what();
      }
      EXPECT_FALSE(told.empty());
    }
    // A friend gets it.
    const Connection friendly = co_await transport_.connect(place, net::deadline_in(kLong));
    co_await introduce_self(friendly, HostRole::Worker, kToken, hello, net::deadline_in(kLong));
    co_await send(friendly, fetch);
    const auto state = co_await next<message::State>(friendly);
    EXPECT_TRUE(state.found);
  });
}

// A folder in place of the file: it opens, and cannot be read.
TEST_F(WorkerAlone, LivesOnWhenAFinalStateCannotBeRead) {
  leave_state();
  play([&](Connection worker, std::string) -> Awaitable<void> {
    fs::rename(state_file(), folder_ / "aside");
    fs::create_directory(state_file());
    const message::Collect collect{ModelId(5), Version(1)};
    co_await send(worker, collect);
    const auto refused = co_await next<message::State>(worker);
    EXPECT_FALSE(refused.found);
    EXPECT_TRUE(refused.unreadable);
    EXPECT_THAT(refused.text, HasSubstr("5-1.hop"));
    fs::remove(state_file());
    fs::rename(folder_ / "aside", state_file());
    co_await send(worker, collect);
    const auto given = co_await next<message::State>(worker);
    EXPECT_TRUE(given.found);
    EXPECT_EQ(given.payload_bytes, 64U);
    co_await worker->skip_payload();
  });
}

// A copy is asked for until the source says that the state is not there.
TEST_F(WorkerAlone, SaysOfAStateThatIsToBeCopiedThatItIsGone) {
  leave_state();
  play([&](Connection worker, std::string) -> Awaitable<void> {
    fs::remove(state_file());
    const message::Collect collect{.model = ModelId(5), .version = Version(1), .whole = true};
    for (const std::string text : {"it is gone from the disk", "version 1 of model 5 is not here"}) {
      co_await send(worker, collect);
      const auto answer = co_await next<message::State>(worker);
      EXPECT_FALSE(answer.found);
      EXPECT_FALSE(answer.unreadable);
      EXPECT_EQ(answer.text, text);
    }
  });
}

// NFS, or a large file on a busy disk: the deletion of one state takes as long as it likes.
TEST_F(WorkerAlone, KeepsTalkingWhileItsDiskDeletesAFile) {
  leave_state();
  std::mutex mutex;
  std::condition_variable changed;
  bool may_go_on = false;
  std::atomic<bool> is_deleting = false;
  const StateStore::Remove slowly = [&](const fs::path& file) {
    is_deleting = true;
    std::unique_lock lock(mutex);
    changed.wait_for(lock, kLong, [&] { return may_go_on; });
    fs::remove(file);
  };
  play(
      [&](Connection worker, std::string) -> Awaitable<void> {
        const message::Release release{ModelId(5), Version(1), Attempt(3)};
        co_await send(worker, release);
        int beats_meanwhile = 0;
        while (beats_meanwhile < 3) {
          co_await next<message::Heartbeat>(worker);
          if (is_deleting) ++beats_meanwhile;
        }
        EXPECT_TRUE(fs::exists(state_file())) << "it spoke before the file was gone";
        {
          const std::scoped_lock lock(mutex);
          may_go_on = true;
        }
        changed.notify_all();
      },
      slowly);
  EXPECT_FALSE(fs::exists(state_file()));
}

// The disk is busy with another state, so the release comes between the request and the reading of the file.
TEST_F(WorkerAlone, SaysOfAStateThatWasReleasedAfterItWasAskedForThatItWasReleased) {
  leave_state();
  leave_state(ModelId(6));
  std::mutex mutex;
  std::condition_variable changed;
  bool may_go_on = false;
  const StateStore::Remove slowly = [&](const fs::path& file) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, kLong, [&] { return may_go_on; });
    fs::remove(file);
  };
  play(
      [&](Connection worker, std::string) -> Awaitable<void> {
        const message::Release busy{ModelId(6), Version(1), Attempt(3)};
        const message::Collect collect{ModelId(5), Version(1)};
        const message::Release release{ModelId(5), Version(1), Attempt(3)};
        co_await send(worker, busy);
        co_await send(worker, collect);
        co_await next<message::Heartbeat>(worker);
        co_await send(worker, release);
        co_await next<message::Heartbeat>(worker);
        {
          const std::scoped_lock lock(mutex);
          may_go_on = true;
        }
        changed.notify_all();
        for (const bool again : {false, true}) {
          if (again) co_await send(worker, collect);
          std::vector<std::string> notices;
          const auto answer = co_await next<message::State>(worker, &notices);
          EXPECT_FALSE(answer.found) << again;
          EXPECT_TRUE(answer.released) << again;
          EXPECT_FALSE(answer.unreadable) << again;
          EXPECT_EQ(answer.text, "version 1 of model 5 was released");
          EXPECT_THAT(notices, IsEmpty()) << "nobody need look at that disk";
        }
      },
      slowly);
}

// The lead of a group of two. The other member is the test.
class LeadOfAGroup : public WorkerAlone {
 protected:
  LeadOfAGroup() : WorkerAlone(2) { experiment_.run.strategy = "allreduce"; }

  static message::LeaseOrder lease_of_unit_0() {
    message::LeaseOrder order;
    order.lease.attempt = Attempt(8);
    order.members = {{WorkerId(0), "memory:lead"}, {WorkerId(1), "memory:other"}};
    return order;
  }
  // Calls the lead as the other member does, under the name of a worker.
  Awaitable<Connection> meet(std::string address, WorkerId worker) {
    const Connection lead = co_await transport_.connect(net::Address::parse(address), net::deadline_in(kLong));
    const message::Hello hello{{worker, Incarnation(1)}, "isa", "build", {}};
    co_await introduce_self(lead, HostRole::Worker, kToken, hello, net::deadline_in(kLong));
    const message::Meet greeting{.to = WorkerId(0), .run = {}, .attempt = Attempt(8), .rank = 1};
    co_await send(lead, greeting);
    co_return lead;
  }
  // Trains the unit together with the lead, and says at its end that the state is another one.
  void train_and_lie(GroupLinks& links) const {
    const data::Dataset dataset = data::Dataset::open(folder_ / "data");
    Trainer trainer(experiment_, ModelId(0), Config{}, dataset);
    trainer.initialize();
    links.meet(0);
    const PartitionRows rows = [&](PartitionId id) { return dataset.partition(id); };
    const std::vector<PartitionId> passes{PartitionId(0), PartitionId(1)};
    train_unit(trainer, Epoch(0), passes, rows, {}, nullptr, {&links, {0, 1}});
    const auto last = std::make_shared<GroupRound>(2);
    last->in[0] = AlignedBuffer(32);
    last->out[0] = AlignedBuffer(32);
    std::fill_n(last->out[0].data(), 32, std::byte{1});
    links.swap(last);
  }
};

// The call of the other member, and that of a stranger, come before the lease.
TEST_F(LeadOfAGroup, CallsNothingAResultThatAnotherMemberComputesDifferently) {
  std::stop_source stop;
  const auto links = std::make_shared<GroupLinks>(context_.get_executor(), std::vector{WorkerId(0), WorkerId(1)}, 1U,
                                                  stop.get_token());
  std::atomic<bool> is_over = false;
  std::string error;
  std::thread member([&] {
    try {
      train_and_lie(*links);
    } catch (const std::exception& e) {
      error = e.what();
    }
    is_over = true;
  });
  const auto story = [&](Connection worker, std::string address) -> Awaitable<void> {
    const Connection stranger = co_await meet(address, WorkerId(5));
    const Connection early = co_await meet(address, WorkerId(1));
    links->join(0, WorkerId(0), early);
    for (int beats = 0; beats < 2; ++beats) co_await next<message::Heartbeat>(worker);
    const message::LeaseOrder order = lease_of_unit_0();
    co_await send(worker, order);
    const auto failed = co_await next<message::Failed>(worker);
    EXPECT_EQ(failed.failure, Failure::Error);
    EXPECT_THAT(failed.text, HasSubstr("worker 1 has 01010101"));
    EXPECT_THAT(failed.text, HasSubstr("their arithmetic differs"));
    while (!is_over) co_await next<message::Heartbeat>(worker);
  };
  EXPECT_NO_THROW(play(story));
  stop.request_stop();
  member.join();
  EXPECT_EQ(error, "");
}

}  // namespace
}  // namespace hop::hopper
