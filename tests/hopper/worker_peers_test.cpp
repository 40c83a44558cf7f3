// A real worker between a coordinator and other workers that the test plays: it checks the states that it fetches,
// gives its own to those who may have them, survives trouble with its disk, and leads a group.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "hopper/strategy/data_parallel.h"
#include "hopper/train_unit.h"
#include "tests/hopper/worker_alone.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

TEST_F(WorkerAlone, TriesAgainLaterWhenTheCoordinatorHasNoMemoryToPassAStateOn) {
  play([&](Connection worker, std::string) -> Awaitable<void> {
    const message::LeaseOrder order = lease_of_unit_1({1, 2});
    co_await send(worker, order);
    const message::State refusal{.text = "the coordinator has no memory", .no_room = true};
    co_await answer_fetch(refusal, nullptr);
    const auto failed = co_await next<message::Failed>(worker);
    EXPECT_EQ(failed.failure, Failure::NoRoom) << "no model is to blame, and none goes back";
    EXPECT_THAT(failed.text, HasSubstr("the coordinator has no memory"));
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
    EXPECT_EQ(failed.failure, Failure::SourceGone) << failed.text;
    const bool is_over = co_await hangs_up(silent);
    EXPECT_TRUE(is_over);
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
      const Connection stranger = co_await transport_->connect(place, net::deadline_in(kLong));
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
    const Connection friendly = co_await transport_->connect(place, net::deadline_in(kLong));
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
    const Connection lead = co_await transport_->connect(net::Address::parse(address), net::deadline_in(kLong));
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
