// A run of the real coordinator's process with workers of a test's own: what a worker does wrong can be chosen.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/dataset.h"
#include "hopper/detail/handshake.h"
#include "hopper/detail/library_id.h"
#include "hopper/detail/restore.h"
#include "hopper/detail/run_loop.h"
#include "hopper/trainer.h"
#include "kernels/threads.h"

namespace hop::hopper::testing {

/// One life of a worker, on the coordinator's own thread: it connects, says that it is ready, tells every 100 ms what
/// it does, and hands orders to its test.
struct FakeLife {
  Peer peer;
  std::shared_ptr<net::Connection> connection;
  message::Heartbeat says;  ///< each of its beats
  bool beats = true;
  bool has_ended = false;
};

/// The behaviour of the workers of a run. A test replaces the functions that it needs.
struct FakeNode {
  using Life = std::shared_ptr<FakeLife>;
  std::function<void(Peer)> on_start;             ///< throws RunError where the system has no process to give
  std::function<void(message::Hello&)> on_hello;  ///< changes its first words
  std::function<bool(Peer)> never_ends;           ///< not even when it is killed
  bool may_be_left = false;                       ///< as a process may
  std::vector<HeldState> held;                    ///< on the disk of worker 0
  std::function<void(Life, const message::LeaseOrder&)> on_lease;
  std::function<void(Life, const message::Collect&)> on_collect;
  std::function<void(Life, const message::Release&)> on_release;
};

class FakeHost final : public WorkerHost {
 public:
  FakeHost(HostSurroundings at, FakeNode& node)
      : at_(std::move(at)), transport_(at_.executor, at_.memory), node_(node) {}

  void start(Peer peer) override {
    if (node_.on_start) node_.on_start(peer);
    const auto life = std::make_shared<FakeLife>();
    life->peer = peer;
    lives_.push_back(life);
    net::asio::co_spawn(at_.executor, live(life), [this, life](std::exception_ptr) {
      if (!node_.never_ends || !node_.never_ends(life->peer)) end(life, {"ended", true});
    });
  }
  void kill(Peer peer) override {
    if (node_.never_ends && node_.never_ends(peer)) return;
    for (const auto& life : lives_) {
      if (life->peer == peer) end(life, {"killed by signal 9", true});
    }
  }
  bool leave(Peer peer) override {
    if (!node_.may_be_left) return false;
    for (const auto& life : lives_) {
      if (life->peer == peer) end(life, {"left", true});
    }
    return true;
  }
  /// Ends the life as a segmentation fault does.
  void crash(const FakeNode::Life& life) { end(life, {"killed by signal 11", false}); }

  template <class T>
  void tell(const FakeNode::Life& life, const T& m, std::shared_ptr<AlignedBuffer> payload = nullptr) {
    const auto body = [](FakeNode::Life to, T message, std::shared_ptr<AlignedBuffer> block) -> net::Awaitable<void> {
      const ByteView content = block ? std::as_const(*block).span() : ByteView();
      try {
        co_await send(to->connection, message, content);
      } catch (const NetError&) {
      }
    };
    net::asio::co_spawn(at_.executor, body(life, m, payload), net::asio::detached);
  }
  /// A connection on which this worker asks the coordinator for states of others.
  net::Awaitable<std::shared_ptr<net::Connection>> call_for_states(Peer peer) {
    const net::Deadline deadline = net::deadline_in(std::chrono::seconds(60));
    const net::Address address = net::Address::memory("coordinator");
    const std::shared_ptr<net::Connection> connection = co_await transport_.connect(address, deadline);
    message::Hello hello{peer, std::string(kernels::isa()), std::string(library_id()), {}};
    hello.relays = true;
    co_await introduce_self(connection, HostRole::Coordinator, at_.token, hello, deadline);
    co_return connection;
  }
  const net::Executor& executor() const { return at_.executor; }

 private:
  void end(const FakeNode::Life& life, const End& how) {
    if (std::exchange(life->has_ended, true)) return;
    if (life->connection) life->connection->close();
    net::asio::post(at_.executor, [this, life, how] { at_.on_exit(life->peer, how); });
  }
  net::Awaitable<void> beat(FakeNode::Life life) {
    net::asio::steady_timer timer(at_.executor);
    while (life->beats && !life->has_ended) {
      tell(life, life->says);
      timer.expires_after(std::chrono::milliseconds(100));
      co_await timer.async_wait(net::asio::use_awaitable);
    }
  }
  net::Awaitable<void> live(FakeNode::Life life) {
    const net::Deadline deadline = net::deadline_in(std::chrono::seconds(60));
    const net::Address address = net::Address::memory("coordinator");
    life->connection = co_await transport_.connect(address, deadline);
    message::Hello hello{life->peer, std::string(kernels::isa()), std::string(library_id()), {}};
    if (node_.on_hello) node_.on_hello(hello);
    co_await introduce_self(life->connection, HostRole::Coordinator, at_.token, hello, deadline);
    const auto welcome = co_await receive<message::Welcome>(life->connection, deadline);
    if (welcome.payload_bytes > 0) co_await life->connection->skip_payload();
    net::asio::co_spawn(at_.executor, beat(life), net::asio::detached);
    const std::vector<HeldState> held = life->peer.worker.value == 0 ? node_.held : std::vector<HeldState>();
    const message::Ready ready{"memory:nobody", held.size(), "cpu", ""};
    for (const message::Held& page : message::pages_of(held)) tell(life, page);
    tell(life, ready);
    while (true) {
      const auto order = co_await receive<message::ToWorker>(life->connection);
      if (const auto* lease = std::get_if<message::LeaseOrder>(&order)) node_.on_lease(life, *lease);
      if (const auto* collect = std::get_if<message::Collect>(&order)) node_.on_collect(life, *collect);
      if (const auto* release = std::get_if<message::Release>(&order); release && node_.on_release) {
        node_.on_release(life, *release);
      }
      if (std::holds_alternative<message::Shutdown>(order)) co_return;
    }
  }

  HostSurroundings at_;
  net::MemoryTransport transport_;
  FakeNode& node_;
  std::vector<FakeNode::Life> lives_;
};

/// A run of `experiment` on `data` in the empty folder `directory`, by fake workers that train in earnest unless the
/// test gives them something else to do.
class FakeRun {
 public:
  FakeRun(Experiment experiment, const std::filesystem::path& data, std::filesystem::path directory)
      : experiment_(std::move(experiment)),
        dataset_(data::Dataset::open(data)),
        directory_(std::move(directory)),
        itinerary_(make_itinerary(experiment_, dataset_.partition_count())) {
    std::filesystem::create_directories(directory_ / "models");
    node.on_lease = [this](const FakeNode::Life& life, const message::LeaseOrder& order) { train(life, order); };
    node.on_collect = [this](const FakeNode::Life& life, const message::Collect& order) { give(life, order); };
    options.run_directory = directory_;
    options.on_notice = [this](const std::string& line) { notices.push_back(line); };
  }

  Outcome run(std::span<const Record> records = {}) {
    Journal journal = Journal::create(directory_ / ("journal-" + std::to_string(++runs_)), {"fake", {}, {}});
    for (const Record& record : records) journal.append(record);
    coordinator.emplace(itinerary_, make_search(experiment_), make_policy({}, itinerary_), records);
    doors.make_host = [this](const HostSurroundings& at) {
      auto made = std::make_unique<FakeHost>(at, node);
      host = made.get();
      return made;
    };
    RunLoop loop(experiment_, dataset_, options, journal, *coordinator, doors);
    return loop.run();
  }

  /// An honest worker: it trains, keeps the state, and sends the result.
  void train(const FakeNode::Life& life, const message::LeaseOrder& order) { host->tell(life, trained(order)); }
  message::Result trained(const message::LeaseOrder& order) {
    const Lease& lease = order.lease;
    Trainer trainer(experiment_, lease.model, order.config, dataset_);
    if (is_first(lease.unit)) {
      trainer.initialize();
    } else {
      trainer.state().load(copy(*states.at({lease.model, before(lease.unit)})));
    }
    const UnitMetrics metrics = trainer.train(dataset_.partition(lease.partition), lease.epoch, lease.partition);
    states[{lease.model, after(lease.unit)}] = copy(*trainer.state().save().wait());
    const std::shared_ptr<AlignedBuffer>& state = states[{lease.model, after(lease.unit)}];
    const Digest digest = xxh3_128(std::as_const(*state).span());
    std::erase_if(node.held,
                  [&](const HeldState& h) { return h.model == lease.model && h.version == after(lease.unit); });
    node.held.push_back(
        {lease.model, after(lease.unit), lease.partition, lease.attempt, lease.parent, digest, metrics});
    return {lease.model, lease.unit, lease.attempt, digest, metrics};
  }
  /// ... and with the wish for a final state.
  void give(const FakeNode::Life& life, const message::Collect& order) {
    host->tell(life, message::State{.model = order.model, .found = true}, states.at({order.model, order.version}));
  }
  static std::shared_ptr<AlignedBuffer> copy(const AlignedBuffer& bytes) {
    auto block = std::make_shared<AlignedBuffer>(bytes.size());
    std::copy_n(bytes.data(), bytes.size(), block->data());
    return block;
  }
  bool was_told(const std::string& part) const {
    for (const std::string& line : notices) {
      if (line.find(part) != std::string::npos) return true;
    }
    return false;
  }

  FakeNode node;
  RunOptions options;
  RunDoors doors;
  FakeHost* host = nullptr;
  std::optional<Coordinator> coordinator;
  std::vector<std::string> notices;
  std::map<std::pair<ModelId, Version>, std::shared_ptr<AlignedBuffer>> states;

 private:
  Experiment experiment_;
  data::Dataset dataset_;
  std::filesystem::path directory_;
  Itinerary itinerary_;
  int runs_ = 0;
};

}  // namespace hop::hopper::testing
