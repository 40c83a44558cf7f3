// A real worker that trains a task over rows of another node. The test plays the coordinator and that node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/hopper/worker_alone.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Two partitions; the worker holds the first one.
class WorkerRows : public WorkerAlone {
 protected:
  WorkerRows() : WorkerAlone(2) {
    experiment_.run.strategy = "task_parallel";
    experiment_.run.task_data = TaskData::Remote;
  }

  static message::LeaseOrder task() {
    message::LeaseOrder order;
    order.lease = {.model = ModelId(0),
                   .unit = Unit{0},
                   .epoch = Epoch{0},
                   .partition = PartitionId(0),
                   .attempt = Attempt(8),
                   .parent = {},
                   .source = std::nullopt,
                   .validate = false};
    return order;
  }
  // The next question where worker 1 is. Answered with this address.
  static Awaitable<void> tell_place(Connection worker, std::string address) {
    const auto question = co_await next<message::Locate>(worker);
    EXPECT_EQ(question.worker, WorkerId(1));
    const message::Located place{question.worker, address};
    co_await send(worker, place);
  }
  Awaitable<Connection> hear_request() {
    const Connection caller = co_await source_->accept();
    co_await examine(caller, HostRole::Worker, kToken, net::deadline_in(kLong));
    const auto request = co_await next<message::FetchRows>(caller);
    EXPECT_EQ(request.partition, PartitionId(1));
    EXPECT_EQ(request.from, WorkerId(1));
    co_return caller;
  }
  AlignedBuffer file_of_partition_1() const {
    const data::Dataset dataset = data::Dataset::open(folder_ / "data");
    const data::Partition rows = dataset.partition(PartitionId(1));
    AlignedBuffer bytes(rows.file_bytes());
    std::ranges::copy(rows.bytes(), bytes.data());
    return bytes;
  }
  // The worker may hang up before it has heard all.
  static Awaitable<void> say(Connection to, std::uint64_t at, ByteView bytes) {
    const message::Rows head{.at = at};
    try {
      co_await send(to, head, bytes);
    } catch (const NetError&) {
    }
  }
  // Leases the task, and gives these bytes as its other partition.
  Awaitable<void> lease_and_give(Connection worker, ByteView file) {
    const message::LeaseOrder order = task();
    co_await send(worker, order);
    co_await tell_place(worker, source_->address().text());
    const Connection caller = co_await hear_request();
    co_await say(caller, 0, file);
  }
};

TEST_F(WorkerRows, AreFetchedAgainUntilTheyAreWhole) {
  const AlignedBuffer file = file_of_partition_1();
  play([&](Connection worker, std::string) -> Awaitable<void> {
    const message::LeaseOrder order = task();
    co_await send(worker, order);
    co_await tell_place(worker, "");  // not ready yet
    co_await tell_place(worker, source_->address().text());
    {
      const Connection caller = co_await hear_request();
      co_await say(caller, 64, file.span());  // nonsense
      const bool is_over = co_await hangs_up(caller);
      EXPECT_TRUE(is_over);
    }
    co_await tell_place(worker, source_->address().text());
    {
      const Connection caller = co_await hear_request();
      co_await say(caller, 0, file.span().first(file.size() - 1));  // too little
      const bool is_over = co_await hangs_up(caller);
      EXPECT_TRUE(is_over);
    }
    co_await tell_place(worker, source_->address().text());
    {
      const Connection caller = co_await hear_request();
      const std::string no = "[fetch] expected worker 1, this is worker 3";
      co_await refuse(caller, no);
    }
    co_await tell_place(worker, source_->address().text());
    const Connection caller = co_await hear_request();
    co_await say(caller, 0, file.span());
    const auto result = co_await next<message::Result>(worker);
    EXPECT_EQ(result.metrics.data_bytes, file.size());
    EXPECT_EQ(result.metrics.rows, 32U);
  });
}

TEST_F(WorkerRows, ThatDoNotComeCostTheUnitSoon) {
  rows_patience_ = std::chrono::milliseconds(500);
  play([&](Connection worker, std::string) -> Awaitable<void> {
    const message::LeaseOrder order = task();
    co_await send(worker, order);
    message::Failed failed;
    while (failed.text.empty()) {
      const net::Message said = co_await worker->receive(net::deadline_in(kLong));
      if (said.kind == message::kKind<message::Failed>) failed = expect<message::Failed>(said);
      if (said.kind != message::kKind<message::Locate>) continue;
      const message::Located nowhere{WorkerId(1), ""};
      co_await send(worker, nowhere);
    }
    EXPECT_EQ(failed.failure, Failure::MemberLost) << "no fault of the model";
    EXPECT_THAT(failed.text, AllOf(HasSubstr("partition 1 from worker 1"), HasSubstr("it is not here")));
  });
}

// What came under good CRCs, but is no such partition.
TEST_F(WorkerRows, OfAnotherPartitionAreRefused) {
  AlignedBuffer file = file_of_partition_1();
  file.data()[file.size() / 2] ^= std::byte{8};
  play([&](Connection worker, std::string) -> Awaitable<void> {
    co_await lease_and_give(worker, file.span());
    const auto failed = co_await next<message::Failed>(worker);
    EXPECT_EQ(failed.failure, Failure::MemberLost);
    EXPECT_THAT(failed.text, AllOf(HasSubstr("worker 1 sent something else"), HasSubstr("CRC-32C")));
  });
}

TEST_F(WorkerRows, ThatTheOwnDiskDoesNotTakeAreTheWorkersTrouble) {
  experiment_.run.task_data = TaskData::Replicate;
  fs::create_directories(folder_ / "node");
  std::ofstream(folder_ / "node" / "rows") << "a file where the folder would be";
  const AlignedBuffer file = file_of_partition_1();
  std::string why;
  try {
    play([&](Connection worker, std::string) -> Awaitable<void> {
      co_await lease_and_give(worker, file.span());
      co_await next<message::Result>(worker);
    });
  } catch (const Error& error) {  // next() throws what a Fatal says
    why = error.what();
  }
  EXPECT_THAT(why, HasSubstr("rows"));
}

TEST_F(WorkerRows, GoToAnotherWorkerInOrderAndOnlyTheOwnOnes) {
  play([&](Connection, std::string address) -> Awaitable<void> {
    const net::Address place = net::Address::parse(address);
    const message::Hello hello{{WorkerId(1), Incarnation(1)}, "isa", "build", {}};
    const data::Partition own = data::Dataset::open(folder_ / "data").partition(PartitionId(0));
    for (const std::uint32_t q : {0U, 1U, 7U}) {
      const Connection worker = co_await transport_->connect(place, net::deadline_in(kLong));
      co_await introduce_self(worker, HostRole::Worker, kToken, hello, net::deadline_in(kLong));
      const message::FetchRows request{PartitionId(q), WorkerId(0), ""};
      co_await send(worker, request);
      std::string refusal;
      try {
        const auto rows = co_await receive<message::Rows>(worker, net::deadline_in(kLong));
        EXPECT_EQ(rows.at, 0U);
        AlignedBuffer bytes(rows.payload_bytes);
        co_await worker->receive_payload(bytes.span());
        EXPECT_TRUE(std::ranges::equal(bytes.span(), own.bytes()));
      } catch (const RefusedError& error) {
        refusal = error.what();
      }
      EXPECT_EQ(refusal.empty(), q == 0) << refusal;
      worker->close();
    }
  });
}

}  // namespace
}  // namespace hop::hopper
