// The coordinator's process with workers that lie, hang, stall and crash: who is blamed, what is tried again, what is
// believed. The pure coordinator behind it is under test elsewhere.
#include "hopper/detail/run_loop.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "base/files.h"
#include "data/glyphs.h"
#include "hopper/detail/model_file.h"
#include "nn/state_file.h"
#include "tests/hopper/fake_workers.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using testing::FakeNode;
using testing::FakeRun;
using ::testing::HasSubstr;
using Life = FakeNode::Life;

class RunOfFakes : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_.emplace();
    data::write_dataset(data::glyphs({.train_rows = 64, .test_rows = 10}), *folder_ / "data", {.partitions = 2});
  }
  static void TearDownTestSuite() { folder_.reset(); }

  // Two models and one worker with two partitions: a queue of two leases, four units.
  static Experiment experiment() {
    Experiment e;
    e.seed = 7;
    e.data.source = *folder_ / "data";
    e.model.layers = {"flatten", "linear 10"};
    e.search.space = {{"lr", Choices{0.01, 0.001}}, {"batch_size", Choices{std::int64_t{16}}}};
    e.run.workers = 1;
    return e;
  }
  static FakeRun make(const std::string& name, const Experiment& e = experiment()) {
    return {e, *folder_ / "data", *folder_ / name};
  }
  static void expect_all_finished(const FakeRun& run) {
    for (const Model& model : run.coordinator->ledger().models()) {
      EXPECT_EQ(model.status, Status::Finished) << model.id.value << ": " << model.reason;
      EXPECT_TRUE(model.file.has_value()) << model.id.value;
    }
  }
  // The worker says that it works, but makes no progress.
  static void stand_still(const Life& life, const std::string& doing) {
    life->says.busy = false;
    life->says.doing = doing;
  }
  static void hang(const Life& life, const Lease& unit) {
    life->says.busy = true;
    life->says.model = unit.model;
    life->says.unit = unit.unit;
    life->says.doing = "trains model " + std::to_string(unit.model.value);
  }

  static std::string text_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  static inline std::optional<TemporaryFolder> folder_;
};

TEST_F(RunOfFakes, IsARunLikeAnyOther) {
  FakeRun run = make("honest");
  EXPECT_EQ(run.run(), Outcome::Completed);
  expect_all_finished(run);
  EXPECT_THAT(run.notices, ::testing::IsEmpty());
}

// ---- whose fault it is

TEST_F(RunOfFakes, HoldsAStalledDiskAgainstNoModel) {
  FakeRun run = make("stalled-disk");
  run.options.patience = std::chrono::seconds(1);
  run.node.on_lease = [&run](const Life& life, const message::LeaseOrder& order) {
    if (life->peer.incarnation.value > 4) return run.train(life, order);
    stand_still(life, "makes model 0 durable");  // trained, and its disk does not answer
  };
  EXPECT_EQ(run.run(), Outcome::Completed);
  expect_all_finished(run);
  EXPECT_THAT(run.notices, ::testing::Contains(ContainsRegex("stood still for [0-9]+ s: makes model 0 durable")));
}

TEST_F(RunOfFakes, HoldsAUnitThatStandsStillAgainstItsModelAndNoOther) {
  FakeRun run = make("hanging-unit");
  run.options.patience = std::chrono::seconds(1);
  run.node.on_lease = [&run](const Life& life, const message::LeaseOrder& order) {
    if (order.lease.model.value == 1 && order.lease.unit == Unit{1}) return hang(life, order.lease);
    run.train(life, order);
  };
  EXPECT_EQ(run.run(), Outcome::Completed);
  EXPECT_EQ(run.coordinator->ledger().model(ModelId(0)).status, Status::Finished);
  const Model& guilty = run.coordinator->ledger().model(ModelId(1));
  EXPECT_EQ(guilty.status, Status::Quarantined);
  EXPECT_THAT(guilty.reason, HasSubstr("unit 1 ended its worker 3 times"));
}

// The first in the queue is trained and on its way to the disk while the second one crashes the process.
TEST_F(RunOfFakes, BlamesTheUnitThatTrainedAndNotTheOneThatIsBeingSaved) {
  FakeRun run = make("saved-slowly");
  Life guilty;
  int crashes = 0;
  run.node.on_lease = [&](const Life& life, const message::LeaseOrder& order) {
    if (!is_first(order.lease.unit) || crashes == 3) return run.train(life, order);
    if (order.lease.model.value == 0) return;  // it takes longer to save than the other one to crash
    hang(life, order.lease);
    guilty = life;
  };
  run.options.progress_interval = std::chrono::milliseconds(1);
  run.options.on_progress = [&](const RunProgress& now) {
    const WorkerProgress& worker = now.workers.front();
    const bool is_known = worker.state == WorkerProgress::State::Busy && worker.model == ModelId(1);
    if (!is_known || !guilty || worker.lives != guilty->peer.incarnation.value) return;
    ++crashes;
    run.host->crash(std::exchange(guilty, {}));
  };
  EXPECT_EQ(run.run(), Outcome::Completed);
  EXPECT_EQ(run.coordinator->ledger().model(ModelId(0)).status, Status::Finished);
  EXPECT_EQ(run.coordinator->ledger().model(ModelId(1)).status, Status::Quarantined);
}

TEST_F(RunOfFakes, StartsAWorkerAnewThatSaysNothing) {
  FakeRun run = make("mute");
  run.node.on_lease = [&run](const Life& life, const message::LeaseOrder& order) {
    if (life->peer.incarnation.value == 1) {
      life->beats = false;
    } else {
      run.train(life, order);
    }
  };
  EXPECT_EQ(run.run(), Outcome::Completed);
  expect_all_finished(run);
  EXPECT_TRUE(run.was_told("silent for 2.5 s"));
}

// Its end is waited for because it may still write to the node's disk.
TEST_F(RunOfFakes, SaysWhichWorkerDoesNotEndAndLeavesItAtLast) {
  FakeRun run = make("endless");
  run.doors.ends = {std::chrono::milliseconds(200), std::chrono::milliseconds(600)};
  const auto is_first_life = [](const Peer& peer) { return peer.incarnation.value == 1; };
  run.node.never_ends = is_first_life;
  run.node.may_be_left = true;
  run.node.on_lease = [&](const Life& life, const message::LeaseOrder& order) {
    if (!is_first_life(life->peer)) return run.train(life, order);
    life->beats = false;
  };
  EXPECT_EQ(run.run(), Outcome::Completed);
  expect_all_finished(run);
  EXPECT_THAT(run.notices,
              ::testing::Contains(ContainsRegex("worker 0 was told to end, and has not ended for [0-9]+ s")));
  EXPECT_TRUE(run.was_told("worker 0 is left to the system: it was killed, and did not end within 1 s"));
}

// The next life of a run knows how long units took in its earlier lives.
TEST_F(RunOfFakes, HasPatienceWithUnitsThatTookLongBeforeItWasResumed) {
  FakeRun run = make("patience");
  run.options.patience = std::chrono::seconds(1);
  RunControl control;
  run.options.control = &control;
  run.node.on_lease = [&](const Life& life, const message::LeaseOrder& order) {
    message::Result result = run.trained(order);
    result.metrics.seconds = 5;  // 100 s of patience
    run.host->tell(life, result);
    control.stop();
  };
  ASSERT_EQ(run.run(), Outcome::Interrupted);
  std::vector<Record> records;
  for (const Record& record : read_journal(*folder_ / "patience" / "journal-1").records) records.push_back(record);
  run.notices.clear();
  run.options.control = nullptr;
  ASSERT_FALSE(run.node.held.empty());
  bool has_waited = false;
  run.node.on_lease = [&](const Life& life, const message::LeaseOrder& order) {
    if (std::exchange(has_waited, true)) return run.train(life, order);
    hang(life, order.lease);  // for longer than the floor of the patience
    const auto timer = std::make_shared<net::asio::steady_timer>(run.host->executor(), std::chrono::seconds(4));
    timer->async_wait([&run, life, order, timer](const boost::system::error_code& error) {
      if (!error && !life->has_ended) run.train(life, order);
    });
  };
  EXPECT_EQ(run.run(records), Outcome::Completed);
  expect_all_finished(run);
  EXPECT_THAT(run.notices, ::testing::IsEmpty());
}

// ---- the coordinator's own disk

// A pipe that nobody reads lies where the log should be, and the journal's writes wait behind it.
TEST_F(RunOfFakes, NamesTheWriteThatItsDiskDoesNotEndAndTellsNobodyOfUnitsBehindIt) {
  FakeRun run = make("hung-disk");
  const std::filesystem::path log = *folder_ / "hung-disk" / "log";
  ASSERT_EQ(::mkfifo(log.c_str(), 0600), 0);
  Descriptor reader;
  run.node.on_lease = [&](const Life& life, const message::LeaseOrder& order) {
    if (reader.get() < 0) run.host->tell(life, message::Notice{"a line for the log"});
    run.train(life, order);
  };
  run.options.on_notice = [&](const std::string& line) {
    run.notices.push_back(line);
    if (line.find("has not answered for ") == std::string::npos) return;
    EXPECT_THAT(line, HasSubstr("the coordinator writes " + log.string()));
    for (const Model& model : run.coordinator->ledger().models()) EXPECT_EQ(model.version, Version(0));
    EXPECT_THAT(text_of(*folder_ / "hung-disk" / "status"), HasSubstr("writes " + log.string())) << "for `hop why`";
    reader = Descriptor(::open(log.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  };
  EXPECT_EQ(run.run(), Outcome::Completed);
  expect_all_finished(run);
  EXPECT_TRUE(run.was_told("the disk of the run answers again"));
}

// ---- final states

TEST_F(RunOfFakes, SavesNoFinalStateThatArrivesDamaged) {
  FakeRun run = make("damaged-final");
  int wishes = 0;
  run.node.on_collect = [&](const Life& life, const message::Collect& order) {
    if (order.model.value == 0 && ++wishes == 1) {
      const auto damaged = FakeRun::copy(*run.states.at({order.model, order.version}));
      damaged->data()[damaged->size() / 2] ^= std::byte{1};
      return run.host->tell(life, message::State{.model = order.model, .found = true}, damaged);
    }
    run.give(life, order);
  };
  EXPECT_EQ(run.run(), Outcome::Completed);
  expect_all_finished(run);
  EXPECT_EQ(wishes, 2) << "it is asked for again";
  for (const Model& model : run.coordinator->ledger().models()) {
    EXPECT_EQ(model.file->sha256, sha256_hex(std::as_const(*run.states.at({model.id, model.version})).span()));
    const nn::StateHeader header = nn::read_state_header(model_file_path(*folder_ / "damaged-final", model.id));
    EXPECT_EQ(header.digest, model.digest);
  }
}

TEST_F(RunOfFakes, AsksAgainForAFinalStateThatCannotBeReadAndTellsIt) {
  FakeRun run = make("unreadable-final");
  int wishes = 0;
  run.node.on_collect = [&](const Life& life, const message::Collect& order) {
    EXPECT_EQ(life->peer.incarnation.value, 1U) << "the worker is well";
    if (order.model.value == 0 && ++wishes <= 2) {
      const message::State refusal{.model = order.model, .text = "too many open files", .unreadable = true};
      return run.host->tell(life, refusal);
    }
    run.give(life, order);
  };
  EXPECT_EQ(run.run(), Outcome::Completed);
  expect_all_finished(run);
  EXPECT_EQ(wishes, 3);
  EXPECT_TRUE(run.was_told("model 0: its state could not be read and is asked for again: too many open files"));
  EXPECT_EQ(run.coordinator->ledger().retrained(), 0U);
}

TEST_F(RunOfFakes, TrainsNothingAgainForAStateThatItsHolderCallsReleased) {
  FakeRun run = make("released-final");
  int wishes = 0;
  run.node.on_collect = [&](const Life& life, const message::Collect& order) {
    if (order.model.value != 0 || ++wishes > 1) return run.give(life, order);
    run.host->tell(life, message::State{.model = order.model, .text = "it was released", .released = true});
  };
  EXPECT_EQ(run.run(), Outcome::Completed);
  expect_all_finished(run);
  EXPECT_EQ(wishes, 2);
  EXPECT_EQ(run.coordinator->ledger().retrained(), 0U);
  EXPECT_FALSE(run.was_told("could not be read"));
}

TEST_F(RunOfFakes, TrainsAFinalStateAgainThatStaysUnreadable) {
  FakeRun run = make("unreadable-for-ever");
  run.node.on_collect = [&](const Life& life, const message::Collect& order) {
    const bool is_the_first = order.model.value == 0 && run.coordinator->ledger().retrained() == 0;
    if (!is_the_first) return run.give(life, order);
    run.host->tell(life, message::State{.model = order.model, .text = "no such device", .unreadable = true});
  };
  EXPECT_EQ(run.run(), Outcome::Completed);
  expect_all_finished(run);
  EXPECT_GT(run.coordinator->ledger().retrained(), 0U);
  EXPECT_TRUE(run.was_told("are trained again")) << "2 units";
}

// ---- starts

TEST_F(RunOfFakes, TriesAgainWhenTheSystemHasNoProcessToGive) {
  FakeRun run = make("eagain");
  int starts = 0;
  run.node.on_start = [&starts](Peer) {
    if (++starts <= 2) throw RunError("[worker] cannot start a process: Resource temporarily unavailable");
  };
  EXPECT_EQ(run.run(), Outcome::Completed);
  expect_all_finished(run);
  EXPECT_TRUE(run.was_told("worker 0 could not be started and is tried again: [worker] cannot start a process"));
}

TEST_F(RunOfFakes, EndsWithTheReasonWhenTheSystemHasNoProcessToGiveForLong) {
  FakeRun run = make("eagain-for-ever");
  run.node.on_start = [](Peer) { throw RunError("[worker] cannot start a process: Resource temporarily unavailable"); };
  EXPECT_THAT([&] { run.run(); },
              ::testing::ThrowsMessage<RunError>(HasSubstr("[worker] cannot start a process: Resource temporarily")));
}

TEST_F(RunOfFakes, RefusesAWorkerWithAnotherLibraryAndSaysBoth) {
  FakeRun run = make("build");
  run.node.on_hello = [](message::Hello& hello) { hello.library = "another"; };
  EXPECT_THAT([&] { run.run(); },
              ::testing::ThrowsMessage<RunError>(
                  AllOf(HasSubstr("worker 0 ended 3 times before it was ready"),
                        HasSubstr("[hello] expected a worker with the library " + std::string(library_id()) +
                                  ", got worker 0 with another: bits could differ"))));
}

TEST_F(RunOfFakes, TakesAWorkerBackThatHolds100000States) {
  constexpr std::uint32_t kStates = 100'000;
  FakeRun run = make("many-states");
  for (std::uint32_t i = 0; i < kStates; ++i) {
    run.node.held.push_back({ModelId(100 + i), Version(1), PartitionId(0), Attempt(i), {}, {i, i}, {}});
  }
  std::uint32_t released = 0;
  run.node.on_release = [&released](const Life&, const message::Release& order) {
    if (order.model.value >= 100) ++released;
  };
  EXPECT_EQ(run.run(), Outcome::Completed);
  expect_all_finished(run);
  EXPECT_EQ(released, kStates) << "states of models that are not in this run";
}

}  // namespace
}  // namespace hop::hopper
