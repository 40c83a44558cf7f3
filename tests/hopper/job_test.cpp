// Jobs by their sizes: the table of the papers, formulas that are computed by hand, and times that follow from both.
#include "hopper/simulate/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"

namespace hop::hopper::simulate {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

// The example of the erratum of "Cerebro" (VLDB 2020), Table 1: k = 20, |S| = 20, p = 10, m = 1 GB, <D> = 1 TB,
// |D| / b = 100,000.
Job of_the_erratum() {
  Job job;
  job.rows = 100'000;
  job.data_bytes = 1e12;
  job.epochs = 20;
  job.workers = 10;
  job.models = {{.count = 20, .epoch_seconds = 1000, .batch = 1, .weight_bytes = 1e9, .state_bytes = 1e9}};
  return job;
}

JobReport report_of(const Job& job, const char* system, const std::string& policy = "") {
  return run_job(job, find_job_system(system), policy);
}

TEST(Job, SendsTheBytesOfThePapersTable) {
  const Job job = of_the_erratum();
  EXPECT_EQ(report_of(job, "server_apart").gradient_bytes, 80e15);
  EXPECT_EQ(report_of(job, "async_server").gradient_bytes, 80e15);
  EXPECT_EQ(report_of(job, "allreduce").gradient_bytes, 72e15);
  const JobReport hopping = report_of(job, "hopping");
  EXPECT_EQ(hopping.hop_bytes, 20 * (20 * 10 - 1) * 1e9) << "a model does not hop before its first unit";
  EXPECT_EQ(hopping.hop_bytes + hopping.collect_bytes, 4e12);
  EXPECT_EQ(hopping.hops, 20U * (20 * 10 - 1));
}

// The table counts W copies, reads of everything, and an average through a master. One copy is there already, a tenth
// of the reads is local, and an average goes directly.
TEST(Job, SendsAWorkersShareLessThanThePapersTable) {
  const Job job = of_the_erratum();
  EXPECT_EQ(report_of(job, "task_parallel").copied_bytes, 10e12 - 1e12);
  EXPECT_NEAR(report_of(job, "remote_reads").read_bytes, 400e12 * 0.9, 1);
  EXPECT_EQ(report_of(job, "averaging").gradient_bytes, 8e12 * 0.9);
  EXPECT_EQ(report_of(job, "parameter_server").gradient_bytes, 80e15 * 0.9) << "the server is a worker";
}

TEST(Job, StoresTheDataOncePerCopy) {
  Job job = of_the_erratum();
  EXPECT_EQ(report_of(job, "hopping").stored_bytes, 1e12);
  EXPECT_EQ(report_of(job, "allreduce").stored_bytes, 1e12);
  EXPECT_EQ(report_of(job, "task_parallel").stored_bytes, 10e12);
  EXPECT_EQ(report_of(job, "hopping").worker_bytes, 1e11 + 3e9 + 1e9);
  EXPECT_EQ(report_of(job, "task_parallel").worker_bytes, 1e12 + 3e9 + 1e9);
  EXPECT_EQ(report_of(job, "allreduce").worker_bytes, 1e11 + 1e9 + 2e9);
  job.replication = 4;
  EXPECT_EQ(report_of(job, "remote_reads").stored_bytes, 4e12);
  EXPECT_EQ(report_of(job, "remote_reads").copied_bytes, 3e12);
  EXPECT_NEAR(report_of(job, "remote_reads").read_bytes, 400e12 * 0.6, 1);
  job.replication = 10;
  EXPECT_EQ(report_of(job, "remote_reads").read_bytes, 0);
}

// 4 models, 3 epochs of 80 s of work, 4 workers, no time on the way: everybody is busy all the time.
Job small() {
  Job job;
  job.rows = 1000;
  job.data_bytes = 1e6;
  job.epochs = 3;
  job.workers = 4;
  job.network = {1e6, 0};
  job.models = {{.count = 4, .epoch_seconds = 80, .batch = 25, .weight_bytes = 1e6, .state_bytes = 0}};
  return job;
}

TEST(Job, TakesTheWorkDividedByTheWorkersWhereNothingIsOnTheWay) {
  for (const char* system : {"hopping", "task_parallel"}) {
    const JobReport report = report_of(small(), system);
    EXPECT_NEAR(report.seconds, 4 * 3 * 80 / 4.0, 1e-6) << system;
    EXPECT_NEAR(report.idle_share, 0, 1e-6) << system;
  }
}

// Two workers with four partitions are a pair, with six they have two sums each.
TEST(Job, APairSendsOneMessageAStep) {
  Job job = small();
  job.workers = 2;
  const auto messages = [&](std::uint32_t partitions, const char* system, std::uint32_t servers = 1) {
    job.partitions = partitions;
    job.servers = servers;
    job.network.latency_seconds = 0;
    const double quick = report_of(job, system).seconds;
    job.network.latency_seconds = 1;
    const double steps = std::ceil(std::ceil(job.rows / partitions) / job.models.front().batch);
    return (report_of(job, system).seconds - quick) / (4 * 3 * steps);
  };
  EXPECT_NEAR(messages(4, "allreduce"), 1, 1e-9);
  EXPECT_NEAR(messages(6, "allreduce"), 2, 1e-9);
  EXPECT_NEAR(messages(4, "parameter_server", 2), 2, 1e-9);
}

// A partition has 250 rows, so a step of each model has 10 messages out and 10 back, of 4 replicas of 1 MB.
TEST(Job, GroupsWaitForTheirBytes) {
  Job job = small();
  const JobReport allreduce = report_of(job, "allreduce");
  EXPECT_EQ(allreduce.gradient_bytes, 4 * 3 * 10 * 2 * 3 * 1e6);
  EXPECT_NEAR(allreduce.seconds, 4 * 3 * (20 + 10 * 2 * 0.75), 1e-9)
      << "each link carries 2 (W - 1) / W of 1 MB a step";
  EXPECT_NEAR(allreduce.idle_share, 15.0 / 35, 1e-9);
  EXPECT_NEAR(report_of(job, "parameter_server").seconds, 4 * 3 * (20 + 10 * 2 * 3.0), 1e-9);
  EXPECT_NEAR(report_of(job, "server_apart").seconds, 4 * 3 * (20 + 10 * 2 * 4.0), 1e-9);
  EXPECT_NEAR(report_of(job, "async_server").seconds, 4 * 3 * (20 + 10 * 4.0), 1e-9);
  job.servers = 2;
  EXPECT_NEAR(report_of(job, "parameter_server").seconds, 4 * 3 * (20 + 10 * 2 * 1.5), 1e-9) << "two links";
  EXPECT_NEAR(report_of(job, "averaging").seconds, 4 * 3 * (20 + 2 * 0.75), 1e-9) << "once per epoch";
  job.overlap = 0.5;
  EXPECT_NEAR(report_of(job, "allreduce").seconds, 4 * 3 * (20 + 15.0 - 10), 1e-9);
  job.overlap = 1;
  EXPECT_NEAR(report_of(job, "allreduce").seconds, 4 * 3 * 20, 1e-9) << "no more than there is";
  job.network.latency_seconds = 1;
  job.overlap = 0;
  EXPECT_NEAR(report_of(job, "allreduce").seconds, 4 * 3 * (20 + 15.0 + 2 * 10), 1e-9) << "two messages a step";
  EXPECT_NEAR(report_of(job, "ring").seconds, 4 * 3 * (20 + 15.0 + 6 * 10), 1e-9) << "2 (W - 1) messages a step";
  EXPECT_EQ(report_of(job, "ring").gradient_bytes, report_of(job, "allreduce").gradient_bytes);
  EXPECT_NEAR(report_of(job, "halving_doubling").seconds, 4 * 3 * (20 + 15.0 + 4 * 10), 1e-9)
      << "2 log2(W) messages a step";
  EXPECT_EQ(report_of(job, "halving_doubling").gradient_bytes, report_of(job, "allreduce").gradient_bytes);
}

// Six workers, of which four halve and double: 2 * 3 / 4 of 1 MB on a link. Two of them get and send 1 MB more.
TEST(Job, HalvingAndDoublingTakesLongerWhereMembersAreFolded) {
  Job job = small();
  job.workers = 6;
  job.network.latency_seconds = 1;
  constexpr double kSteps = 7;  // 167 rows
  EXPECT_NEAR(report_of(job, "halving_doubling").seconds, 4 * 3 * (80 / 6.0 + kSteps * (3.5 + 2 * 2 + 2)), 1e-9);
  EXPECT_NEAR(report_of(job, "ring").seconds, 4 * 3 * (80 / 6.0 + kSteps * (2 * 5 / 6.0 + 10)), 1e-9);
  EXPECT_NEAR(report_of(job, "halving_doubling").gradient_bytes, 4 * 3 * kSteps * 2 * 5 * 1e6, 1e-3);
}

TEST(Job, ReplicasOfUnevenPartitionsWaitForTheFullestWorker) {
  Job job = small();
  job.partitions = 6;
  job.network.bytes_per_second = 1e15;
  EXPECT_NEAR(report_of(job, "averaging").seconds, 4 * 3 * 80 * 2 / 6.0, 1e-3) << "two workers have two replicas";
}

TEST(Job, OneWorkerSendsNothing) {
  Job job = small();
  job.workers = 1;
  for (const JobSystem& system : job_systems()) {
    if (system.has_server_apart) continue;
    const JobReport report = run_job(job, system);
    EXPECT_EQ(report.hop_bytes + report.gradient_bytes + report.read_bytes + report.copied_bytes, 0) << system.name;
    EXPECT_NEAR(report.seconds, 4 * 3 * 80, 1e-6) << system.name;
  }
}

// A hop takes 5 s, a unit 20 s. Four models on four workers cannot hide it; eight can.
TEST(Job, HopsAreHiddenBehindOtherModels) {
  Job job = small();
  job.models[0].state_bytes = 5e6;
  EXPECT_NEAR(report_of(job, "hopping").seconds, 240 + 11 * 5, 1e-6) << "each model hops 11 times";
  EXPECT_NEAR(report_of(job, "task_parallel").seconds, 240, 1e-6);
  job.models[0].count = 8;
  EXPECT_NEAR(report_of(job, "hopping").seconds, 480, 25);
}

TEST(Job, RemoteReadsTakeTheSlowerOfReadingAndTraining) {
  Job job = small();
  job.data_bytes = 200e6;  // 150 MB of them are elsewhere: 150 s, while 80 s are trained
  EXPECT_NEAR(report_of(job, "remote_reads").seconds, 3 * 150, 1e-6);
  job.data_bytes = 40e6;
  EXPECT_NEAR(report_of(job, "remote_reads").seconds, 3 * 80, 1e-6);
}

TEST(Job, ModelsHaveTheirOwnSizes) {
  Job job = small();
  job.models = {{.count = 1, .epoch_seconds = 80, .state_bytes = 1e6}, {.count = 3, .epoch_seconds = 80}};
  EXPECT_EQ(report_of(job, "hopping").hop_bytes, (3 * 4 - 1) * 1e6);
  EXPECT_EQ(report_of(job, "hopping").collect_bytes, 1e6);
}

TEST(Job, RandomSchedulesLeaveWorkersWithoutWork) {
  Job job = small();
  job.workers = 8;
  job.models[0].count = 8;
  job.jitter = 0.05;
  const double rotation = report_of(job, "hopping", "rotation").seconds;
  job.order = Order::Free;
  EXPECT_GT(report_of(job, "hopping", "random").seconds, rotation);
}

TEST(Job, SaysWhichKeyIsWrong) {
  const auto expect_wrong = [](const std::string& text, const auto& change) {
    Job job = small();
    change(job);
    EXPECT_THAT([&] { report_of(job, "allreduce"); }, ThrowsMessage<ConfigError>(HasSubstr(text)));
  };
  expect_wrong("[job] rows: expected 1 to", [](Job& j) { j.rows = 0; });
  expect_wrong("[job] rows: expected 1 to", [](Job& j) { j.rows = std::numeric_limits<double>::quiet_NaN(); });
  expect_wrong("[job] data_bytes", [](Job& j) { j.data_bytes = -1; });
  expect_wrong("[job] workers", [](Job& j) { j.workers = 0; });
  expect_wrong("[job] partitions: expected 1 to 1", [](Job& j) { j.partitions = 4'000'000'000; });
  expect_wrong("[job] replication: expected 1 to 4, got 5", [](Job& j) { j.replication = 5; });
  expect_wrong("[job] overlap: expected 0 to 1, got 2", [](Job& j) { j.overlap = 2; });
  expect_wrong("[job] network", [](Job& j) { j.network.bytes_per_second = 0; });
  expect_wrong("[[job.models]], got none", [](Job& j) { j.models.clear(); });
  expect_wrong("models: batch", [](Job& j) { j.models[0].batch = 0; });
  expect_wrong("weight_bytes", [](Job& j) { j.models[0].weight_bytes = 1e13; });
  EXPECT_THAT([] { find_job_system("alreduce"); }, ThrowsMessage<ConfigError>(HasSubstr("did you mean \"allreduce\"")));
}

}  // namespace
}  // namespace hop::hopper::simulate
