// A run whose workers come by themselves, over TLS 1.3 under its key: real processes that share nothing but a port. The
// bits are those of the run on one machine, whoever comes, goes and comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"
#include "tests/cli/toy_run.h"

namespace hop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

class ManyMachines : public ToyRun {
 protected:
  static void SetUpTestSuite() {
    ToyRun::SetUpTestSuite();
    ASSERT_EQ(hop({"key", "new", "key"}, folder_->path()).code, 0);
    ASSERT_EQ(hop({"key", "new", "other-key"}, folder_->path()).code, 0);
    const Finished split = hop({"data", "split", "data", "--out", "part-0", "--out", "part-1"}, folder_->path());
    ASSERT_EQ(split.code, 0) << split.err;
    EXPECT_EQ(split.out, "part-0: 0 1\npart-1: 2 3\n");
  }

  static Words listening(const std::string& directory, const std::string& port = "0") {
    return run_in(directory, {"--listen", "127.0.0.1:" + port, "--key-file", "key"});
  }
  /// The port that the run says in its log.
  static std::string port_of(const std::string& directory) {
    const std::string sign = "listens at tls:127.0.0.1:";
    std::string port;
    EXPECT_TRUE(eventually([&] {
      const fs::path log = *folder_ / directory / "log";
      const std::string text = fs::exists(log) ? read(log) : "";
      const std::size_t at = text.rfind(sign);
      if (at == std::string::npos || text.find('\n', at) == std::string::npos) return false;
      port = text.substr(at + sign.size(), text.find(' ', at + sign.size()) - at - sign.size());
      return true;
    }));
    return port;
  }
  /// A worker on a "machine" of its own: its part of the data, its folder of states.
  static std::unique_ptr<Program> worker(const std::string& port, int part, const std::string& node,
                                         const Words& more = {}) {
    Words words = {
        "worker", "--connect", "127.0.0.1:" + port, "--key-file", "key", "--data", "part-" + std::to_string(part),
        "--node", node};
    words.insert(words.end(), more.begin(), more.end());
    return std::make_unique<Program>(words, folder_->path());
  }
  static std::string log(const std::string& directory) { return read(*folder_ / directory / "log"); }
  static void expect_undisturbed_bits(const std::string& directory) {
    EXPECT_EQ(hashes(*folder_ / directory), *expected_);
  }
};

TEST_F(ManyMachines, TrainTheBitsOfOneMachine) {
  Program run(listening("calm-2"), folder_->path());
  const std::string port = port_of("calm-2");
  const auto second = worker(port, 1, "calm-node-1"), first = worker(port, 0, "calm-node-0");
  const Finished ended = run.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  for (const auto& program : {first.get(), second.get()}) {
    const Finished worker_ended = program->wait();
    EXPECT_EQ(worker_ended.code, 0) << worker_ended.err;
  }
  expect_undisturbed_bits("calm-2");
  EXPECT_THAT(log("calm-2"), HasSubstr("worker 1 has joined: tls:127.0.0.1:"));
}

TEST_F(ManyMachines, AWorkerThatIsKilledComesBackWithItsStates) {
  Program run(listening("killed", "0"), folder_->path());
  const std::string port = port_of("killed");
  const auto first = worker(port, 0, "killed-node-0");
  auto second = worker(port, 1, "killed-node-1");
  ASSERT_TRUE(reach(run, "killed", 6));
  second->signal(SIGKILL);
  second->wait();
  second = worker(port, 1, "killed-node-1");
  const Finished ended = run.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  expect_undisturbed_bits("killed");
}

// Its states are gone for good: the models go back to what is left, and end with the same bits.
TEST_F(ManyMachines, ANodeThatIsLostWithItsDiskIsReplacedByAnEmptyOne) {
  Program run(listening("lost"), folder_->path());
  const std::string port = port_of("lost");
  const auto first = worker(port, 0, "lost-node-0");
  auto second = worker(port, 1, "lost-node-1");
  ASSERT_TRUE(reach(run, "lost", 10));
  second->signal(SIGKILL);
  second->wait();
  fs::remove_all(*folder_ / "lost-node-1");
  second = worker(port, 1, "lost-node-new");
  const Finished ended = run.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  expect_undisturbed_bits("lost");
}

// Its states go to the other worker; the one that takes its place begins with an empty folder.
TEST_F(ManyMachines, AWorkerThatIsAskedToEndHandsItsStatesOver) {
  Program run(listening("left"), folder_->path());
  const std::string port = port_of("left");
  const auto first = worker(port, 0, "left-node-0");
  auto second = worker(port, 1, "left-node-1");
  ASSERT_TRUE(reach(run, "left", 6));
  second->signal(SIGINT);
  const Finished asked = second->wait();
  EXPECT_EQ(asked.code, 0) << asked.err;
  EXPECT_THAT(asked.err, HasSubstr("hands its states to other workers"));
  second = worker(port, 1, "left-node-new");
  const Finished ended = run.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  expect_undisturbed_bits("left");
  EXPECT_THAT(log("left"), ::testing::ContainsRegex("worker 1 has left( in the middle of [^;]*)?; the run waits for "
                                                    "another one with partitions 2 3"));
  EXPECT_THAT(log("left"), Not(HasSubstr("was lost"))) << "its end is no news";
}

// One of them says an address that leads nowhere, as behind a bridge of containers.
TEST_F(ManyMachines, WorkersThatCannotReachEachOtherHopThroughTheCoordinator) {
  Program run(listening("apart"), folder_->path());
  const std::string port = port_of("apart");
  const auto first = worker(port, 0, "apart-node-0", {"--advertise", "192.0.2.1"}),
             second = worker(port, 1, "apart-node-1");
  const Finished ended = run.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  expect_undisturbed_bits("apart");
  const std::string sign = "worker 1 cannot reach worker 0: states go through the coordinator", text = log("apart");
  EXPECT_NE(text.find(sign), std::string::npos) << text;
  EXPECT_EQ(text.find(sign), text.rfind(sign)) << "it is said once";
  EXPECT_THAT(text, Not(HasSubstr("worker 0 cannot reach")));
  const auto network = nlohmann::json::parse(read(*folder_ / "apart" / "results.json"))["network"];
  EXPECT_GT(network["relay_bytes"].get<std::uint64_t>(), 0U);
}

TEST_F(ManyMachines, WorkersWaitForACoordinatorThatWasKilledAndItsResume) {
  auto run = std::make_unique<Program>(listening("resumed"), folder_->path());
  const std::string port = port_of("resumed");
  const auto first = worker(port, 0, "resumed-node-0"), second = worker(port, 1, "resumed-node-1");
  ASSERT_TRUE(reach(*run, "resumed", 6));
  run->signal(SIGKILL);
  run->wait();
  run = std::make_unique<Program>(Words{"resume", "resumed", "--listen", "127.0.0.1:" + port, "--key-file", "key"},
                                  folder_->path());
  const Finished ended = run->wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(first->wait().code, 0);
  EXPECT_EQ(second->wait().code, 0);
  expect_undisturbed_bits("resumed");
}

TEST_F(ManyMachines, AnInterruptSendsTheWorkersHome) {
  Program run(listening("stopped"), folder_->path());
  const std::string port = port_of("stopped");
  const auto first = worker(port, 0, "stopped-node-0"), second = worker(port, 1, "stopped-node-1");
  ASSERT_TRUE(reach(run, "stopped", 3));
  run.signal(SIGINT);
  EXPECT_EQ(run.wait().code, 4);
  EXPECT_EQ(first->wait().code, 0);
  EXPECT_EQ(second->wait().code, 0);
}

// Each stranger costs the run a line, and nothing else.
TEST_F(ManyMachines, WhoDoesNotBelongToTheRunIsRefusedAndToldWhy) {
  Program run(listening("strangers"), folder_->path());
  const std::string port = port_of("strangers");
  const std::string at = "127.0.0.1:" + port;
  const Words wrong_key = {"worker", "--connect", at, "--key-file", "other-key", "--wait", "0", "--node", "x"};
  EXPECT_EQ(hop(wrong_key, folder_->path()).code, 3);
  EXPECT_NE(shell("exec 3<>/dev/tcp/127.0.0.1/" + port + "; echo GET / HTTP/1.1 >&3; cat <&3", folder_->path()).out,
            "Hopscotch");
  const Finished no_key = hop({"worker", "--connect", at}, folder_->path());
  EXPECT_EQ(no_key.code, 2);
  EXPECT_THAT(no_key.err, HasSubstr("--key-file"));

  ASSERT_EQ(
      hop({"data", "split", "data", "--out", "q-0", "--out", "q-1", "--out", "q-2", "--out", "q-3"}, folder_->path())
          .code,
      0);
  const Words too_little = {"worker", "--connect", at, "--key-file", "key", "--data", "q-3", "--node", "x"};
  const Finished unfit = hop(too_little, folder_->path());
  EXPECT_EQ(unfit.code, 3);
  EXPECT_THAT(unfit.err, HasSubstr("0 1 for worker 0; 2 3 for worker 1"));

  const auto first = worker(port, 0, "strangers-node-0"), second = worker(port, 1, "strangers-node-1");
  ASSERT_TRUE(reach(run, "strangers", 1));
  const Words one_too_many = {"worker", "--connect", at, "--key-file", "key", "--wait", "0", "--node", "x"};
  const Finished third = hop(one_too_many, folder_->path());
  EXPECT_THAT(third.err, HasSubstr("places that fit are taken"));
  const Finished ended = run.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  expect_undisturbed_bits("strangers");
}

TEST_F(ManyMachines, NobodyListensWithoutAKey) {
  const Finished no_key = hop(run_in("no-key", {"--listen", "127.0.0.1:0"}), folder_->path());
  EXPECT_EQ(no_key.code, 2);
  EXPECT_THAT(no_key.err, HasSubstr("`hop key new FILE` makes one"));
  const Finished no_port = hop(run_in("no-port", {"--listen", "0.0.0.0", "--key-file", "key"}), folder_->path());
  EXPECT_EQ(no_port.code, 2) << no_port.err;
  EXPECT_THAT(no_port.err, HasSubstr("expected HOST:PORT, such as 0.0.0.0:7878"));
  const Finished no_host = hop(run_in("no-host", {"--listen", "", "--key-file", "key"}), folder_->path());
  EXPECT_EQ(no_host.code, 1) << "it would train here, and nobody could join";
  const Finished name = hop(run_in("name", {"--listen", "256.1.1.1:7878", "--key-file", "key"}), folder_->path());
  EXPECT_EQ(name.code, 2);
  EXPECT_THAT(name.err, HasSubstr("the numbers of an interface"));
  for (const char* directory : {"no-key", "no-port", "no-host", "name"}) {
    EXPECT_FALSE(fs::exists(*folder_ / directory)) << directory << ": before anything is prepared";
  }
  const Finished nowhere = hop({"worker", "--connect", "x", "--key-file", "key", "--node", "y"}, folder_->path());
  EXPECT_THAT(nowhere.err, HasSubstr("expected HOST:PORT at which the run listens"));
  EXPECT_EQ(hop({"worker", "--connect", "127.0.0.1:1", "--key-file", "key", "--wait", "nan"}, folder_->path()).code, 1);
}

TEST_F(ManyMachines, ThatWaitForARunWhichCannotBeginLeaveItsFolderEmpty) {
  fs::create_directory(*folder_ / "early");
  Words words = listening("early");
  words.insert(words.end(), {"--set", "model.loss=mse"});
  const Finished refused = hop(words, folder_->path());
  EXPECT_EQ(refused.code, 2) << refused.err;
  EXPECT_TRUE(fs::is_empty(*folder_ / "early")) << "the next run may have it";
}

TEST_F(ManyMachines, GetNoPartitionsWhereOneFolderCannotBeFilled) {
  fs::create_directory(*folder_ / "taken");
  write(*folder_ / "taken" / "thesis.tex", "years of work");
  fs::create_symlink("gone", *folder_ / "nowhere");
  const std::vector<std::pair<std::string, std::string>> refusals = {
      {"n-0", "got n-0 twice"},
      {"./n-0/", "got ./n-0/ twice"},
      {(*folder_ / "n-0").string(), "n-0 twice"},
      {"taken", "got taken, which holds something; nothing was written"},
      {"nowhere", "got nowhere, a link to gone, which is not there"},
      {"n-0/deep/er", "got n-0/deep/er, which lies in n-0"}};
  for (const auto& [other, why] : refusals) {
    const Finished refused = hop({"data", "split", "data", "--out", "n-0", "--out", other}, folder_->path());
    EXPECT_EQ(refused.code, 2) << other;
    EXPECT_THAT(refused.err, HasSubstr(why));
    EXPECT_FALSE(fs::exists(*folder_ / "n-0")) << other << ": nothing to clear away before the next try";
  }
  const Finished inside = hop({"data", "split", "data", "--out", "n-0/deep/er", "--out", "n-0"}, folder_->path());
  EXPECT_THAT(inside.err, HasSubstr("got n-0/deep/er, which lies in n-0")) << "in whatever order";
  EXPECT_FALSE(fs::exists(*folder_ / "n-0"));
}

// A node's folder has the states of one run. Another run would delete them.
TEST_F(ManyMachines, AFolderOfStatesBelongsToOneRun) {
  fs::create_directory(*folder_ / "strange-node");
  write(*folder_ / "strange-node" / "place", "run another-1\nworker 0\n");
  Program run(listening("folders"), folder_->path());
  const auto refused = worker(port_of("folders"), 0, "strange-node");
  const Finished ended = refused->wait();
  EXPECT_EQ(ended.code, 3);
  EXPECT_THAT(ended.err, HasSubstr("choose another --node"));
  const auto first = worker(port_of("folders"), 0, "folders-node-0"),
             second = worker(port_of("folders"), 1, "folders-node-1");
  EXPECT_EQ(run.wait().code, 0) << "the refused one took no place";
  expect_undisturbed_bits("folders");
}

TEST_F(ManyMachines, AFolderOfStatesBelongsToOneWorker) {
  Program run(listening("shared"), folder_->path());
  const std::string port = port_of("shared");
  const auto first = worker(port, 0, "shared-node");
  ASSERT_TRUE(eventually([&] { return fs::exists(*folder_ / "shared-node" / "place"); }));
  const Finished second = worker(port, 1, "shared-node")->wait();
  EXPECT_EQ(second.code, 2);
  EXPECT_THAT(second.err, HasSubstr("say --node and another folder"));
  run.signal(SIGINT);
  EXPECT_EQ(run.wait().code, 4);
}

// Workers started here would have none of the states.
TEST_F(ManyMachines, ARunIsResumedWithTheMachinesThatHaveItsStates) {
  Program run(listening("elsewhere"), folder_->path());
  const std::string port = port_of("elsewhere");
  const auto first = worker(port, 0, "elsewhere-node-0"), second = worker(port, 1, "elsewhere-node-1");
  ASSERT_TRUE(reach(run, "elsewhere", 3));
  run.signal(SIGINT);
  const Finished stopped = run.wait();
  EXPECT_EQ(stopped.code, 4);
  EXPECT_THAT(stopped.out, HasSubstr("hop resume elsewhere --listen 127.0.0.1:0 --key-file key"));
  const Finished here = hop({"resume", "elsewhere"}, folder_->path());
  EXPECT_EQ(here.code, 2);
  EXPECT_THAT(here.err, HasSubstr("the states of this run lie on other machines"));
}

// The coordinator's machine has no rows, only the manifest.
TEST_F(ManyMachines, TheManifestIsEnoughForTheCoordinator) {
  fs::create_directory(*folder_ / "manifest-only");
  fs::copy_file(*folder_ / "data" / "manifest.json", *folder_ / "manifest-only" / "manifest.json");
  Words words = listening("rowless");
  words.insert(words.end(), {"--set", "data.source=\"manifest-only\""});
  Program run(words, folder_->path());
  const std::string port = port_of("rowless");
  const auto first = worker(port, 0, "rowless-node-0"), second = worker(port, 1, "rowless-node-1");
  const Finished ended = run.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_FALSE(fs::exists(*folder_ / "rowless" / "data" / "part-00000.hopd"));
  expect_undisturbed_bits("rowless");
}

TEST_F(ManyMachines, AnAddressToAdvertiseIsAHostAlone) {
  const Finished with_port =
      hop({"worker", "--connect", "127.0.0.1:1", "--key-file", "key", "--node", "y", "--advertise", "10.0.0.3:7900"},
          folder_->path());
  EXPECT_EQ(with_port.code, 2);
  EXPECT_THAT(with_port.err, HasSubstr("expected a host without a port"));
}

}  // namespace
}  // namespace hop::testing
