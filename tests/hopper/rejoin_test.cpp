// A worker comes back with thousands of states on its disk.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <thread>

#include "data/glyphs.h"
#include "hopper/detail/handshake.h"
#include "hopper/detail/worker.h"
#include "net/memory.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;
using net::Awaitable;

// A disk whose syncs cost nothing, where there is one.
fs::path fast_disk() { return fs::is_directory("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path(); }

class FastFolder {
 public:
  FastFolder() {
    std::string name = (fast_disk() / "hop-test-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~FastFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  FastFolder(const FastFolder&) = delete;
  FastFolder& operator=(const FastFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// The states of one that trained `count` models.
std::vector<HeldState> leave_states(const fs::path& node, std::uint32_t count) {
  StateStore store(node / "states", /*durable=*/true);
  std::vector<HeldState> all;
  for (std::uint32_t i = 0; i < count; ++i) {
    HeldState state{ModelId(i), Version(1 + i % 5), PartitionId(0), Attempt(i), {i, 1}, {}, {}};
    state.metrics.train_loss = i;
    auto bytes = nn::StatePool::make_shared()->make(64);
    std::memcpy(bytes->data(), &i, sizeof i);
    state.digest = store.put(state, {.segments = {}, .bytes = 64}, std::move(bytes));
    state.metrics.state_bytes = 64;
    all.push_back(state);
  }
  return all;
}

// More than one message may hold: 1 MiB of them, or 16,384 tables of two each.
TEST(Worker, OffersAllItsStatesHoweverManyTheyAre) {
  constexpr std::uint32_t kStates = 9'000;
  const FastFolder folder;
  data::write_dataset(data::glyphs({.train_rows = 64, .test_rows = 10}), folder.path() / "data", {.partitions = 1});
  const std::vector<HeldState> expected = leave_states(folder.path() / "node", kStates);
  Experiment experiment;
  experiment.data.source = folder.path() / "data";
  experiment.model.layers = {"flatten", "linear 10"};
  experiment.run.workers = 1;

  const auto network = std::make_shared<net::MemoryNetwork>();
  net::asio::io_context context{1};
  net::MemoryTransport transport(context.get_executor(), network);
  const auto listener = transport.listen(net::Address::memory("coordinator"));
  std::vector<HeldState> held;
  const auto coordinate = [&]() -> Awaitable<void> {
    const auto worker = co_await listener->accept();
    const message::Hello hello =
        co_await examine(worker, HostRole::Coordinator, "secret", net::deadline_in(std::chrono::seconds(10)));
    EXPECT_EQ(hello.peer.incarnation.value, 7U);
    const message::Welcome welcome{folder.path() / "data", 1};
    co_await send(worker, welcome);
    while (true) {
      const auto said = co_await receive<message::ToCoordinator>(worker, net::deadline_in(std::chrono::seconds(60)));
      if (const auto* page = std::get_if<message::Held>(&said)) {
        held.insert(held.end(), page->states.begin(), page->states.end());
      } else if (const auto* ready = std::get_if<message::Ready>(&said)) {
        EXPECT_EQ(ready->held, kStates);
        break;
      }
    }
    const message::Shutdown over;
    co_await send(worker, over);
    co_await receive<message::Heartbeat>(worker, net::deadline_in(std::chrono::seconds(10)));
  };
  std::exception_ptr error;
  net::asio::co_spawn(context, coordinate(), [&](std::exception_ptr e) { error = e; });
  std::thread thread([&] {
    Worker worker({.peer = {WorkerId(0), Incarnation(7)},
                   .coordinator = "memory:coordinator",
                   .token = "secret",
                   .node_folder = folder.path() / "node",
                   .experiment = &experiment,
                   .memory = network,
                   .devices = {"cpu"}});
    worker.run();
  });
  context.run();
  thread.join();
  if (error) std::rethrow_exception(error);
  EXPECT_TRUE(held == expected);
}

}  // namespace
}  // namespace hop::hopper
