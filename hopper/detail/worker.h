// A worker: owns partitions and states, trains the units that it is leased, and hands models to other workers. Three
// threads: the network thread (the one that calls run(): all conversations), the compute thread (only training), and
// the disk thread (states to and from files, and other slow work: building trainers, copying states). While a unit
// trains, the next one's state arrives and the last one's leaves. Internal to Hopscotch.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "data/dataset.h"
#include "hopper/detail/handshake.h"
#include "hopper/detail/messages.h"
#include "hopper/detail/slots.h"
#include "hopper/detail/state_store.h"
#include "hopper/trainer.h"
#include "net/door.h"
#include "net/memory.h"
#include "net/transport.h"

namespace hop::hopper {

struct WorkerOptions {
  Peer peer;
  std::string coordinator;                     ///< its address
  std::string token;                           ///< the run's secret: a process that knows it was started by the run
  std::filesystem::path node_folder;           ///< the node's disk
  const Experiment* experiment = nullptr;      ///< in the application's memory; null: the coordinator sends it
  std::shared_ptr<net::MemoryNetwork> memory;  ///< for `memory:` addresses
  /// The devices of the node's workers, by number; missing or empty ones are the experiment's.
  std::vector<std::string> devices = {};
  /// Deletes a file of the node's disk; empty: the system's function. Tests simulate slow disks with it.
  StateStore::Remove remove = {};
};

class Worker {
 public:
  explicit Worker(WorkerOptions options);
  ~Worker();

  /// Serves until the coordinator says Shutdown or `stop` is called. Throws NetError if the coordinator is gone. If the
  /// worker becomes unable to serve, tells the coordinator and throws the reason.
  void run();
  /// From any thread: ends run() soon, if necessary in the middle of a unit.
  void stop();

 private:
  using Connection = std::shared_ptr<net::Connection>;

  // A lease on its way through the worker. While it is queued, mutex_ guards its trainer, because make_room() may take
  // the trainer back.
  struct Job {
    message::LeaseOrder order;
    Config config;
    std::unique_ptr<Trainer> trainer;  // on a device, maybe only once the unit begins
    nn::StateBytes bytes;              // the parent's; null for unit 0, and on the CPU once the trainer has taken them
    bool loaded = false;               // whether the trainer has the parent's state
    Stopwatch ordered;                 // runs since the lease arrived
    std::uint64_t received_bytes = 0;
    std::optional<double> gap;  // UnitMetrics::gap_seconds, known when the unit begins
    double idle = 0;
    bool ready = false;
    const char* stage = "prepares";  // for people
    std::unique_ptr<Trainer> leave_trainer() {
      loaded = false;
      return std::move(trainer);
    }
    StateStore::Key parent() const { return {order.lease.model, order.lease.unit}; }
  };
  using JobPtr = std::shared_ptr<Job>;

  // worker.cpp: the conversation with the coordinator
  net::Awaitable<void> live();
  net::Awaitable<void> greet();
  net::Awaitable<Connection> call(net::Address address, HostRole role);
  net::Awaitable<std::pair<message::Welcome, std::string>> be_welcomed();
  net::Awaitable<void> offer_states(std::vector<HeldState> held);
  void open_data(const message::Welcome& welcome, const std::string& experiment);
  std::shared_ptr<const data::DeviceRows> rows_on_device(std::uint32_t workers) const;
  net::Awaitable<void> obey();
  net::Awaitable<void> dispatch(net::Message message);
  net::Awaitable<void> beat();
  net::Awaitable<void> beat_once();
  void beat_at_once();
  message::Heartbeat heartbeat() const;
  std::string doing() const;
  void starts_to(std::string what);
  template <class T>
  net::Awaitable<void> tell(T message);
  template <class T>
  void tell_later(T message);
  void release(StateStore::Key key, Attempt attempt);
  void spawn(net::Awaitable<void> coroutine);
  void remember(const Connection& peer);

  // worker_units.cpp: from a lease to a result
  net::Awaitable<void> prepare(JobPtr job);
  bool take_place(const JobPtr& job);
  void load_ahead(const JobPtr& job);
  bool is_queued(const JobPtr& job) const;
  void cancel(const message::Cancel& cancel);
  void compute();
  JobPtr next_job();
  bool attempt(Job& job);
  void train_with_room(Job& job);
  void train(Job& job);
  void load(Job& job);
  void make_room(Job& job);
  void reserve_blocks(std::uint64_t bytes);
  bool has_nothing_to_do() const;
  void lose_device(std::exception_ptr error);
  net::Awaitable<void> leave(std::exception_ptr error);
  void finish(const Job& job, UnitMetrics metrics, nn::SavedState state, nn::StateLayout layout);
  bool has_left(const HeldState& state, const nn::SavedState& saved);
  void keep(const HeldState& state, const nn::StateBytes& bytes, const nn::StateLayout& layout);
  void report_failure(const Job& job, Failure failure, const std::string& text);

  // worker_peers.cpp: states between workers
  net::Awaitable<void> accept_peers();
  net::Awaitable<void> serve_peer(net::Door::Visitor visitor);
  net::Awaitable<void> fetch(Job& job);
  net::Awaitable<void> send_state(Connection to, StateStore::Key key, Digest expected);

  WorkerOptions options_;
  std::optional<Experiment> received_;  // the experiment, if it came over the wire
  const Experiment* experiment_ = nullptr;
  std::optional<data::Dataset> dataset_;
  std::map<PartitionId, data::Partition> partitions_;  // the partitions that this node owns
  std::optional<data::Partition> validation_;
  Device device_;
  std::string arithmetic_;                 // arithmetic_of(device_): asking may load libraries
  std::shared_ptr<nn::StatePool> blocks_;  // blocks for states that arrive, wait and leave
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<Slots> slots_;

  net::asio::io_context io_{1};
  net::asio::thread_pool disk_{1};
  std::unique_ptr<net::Transport> transport_;
  std::shared_ptr<net::Listener> listener_;
  Connection coordinator_;
  std::vector<std::weak_ptr<net::Connection>> peers_;  // closed at the end
  net::asio::steady_timer heartbeat_timer_{io_};
  std::unique_ptr<net::Door> door_;
  net::Rarely refused_;
  std::uint64_t peer_control_bytes_ = 0;
  std::exception_ptr error_;

  // Shared with the compute thread.
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<JobPtr> jobs_;  // in the order of their leases, without the one in training
  JobPtr training_;
  JobPtr loading_;                 // a queued job whose trainer is with the disk thread
  std::string starting_;           // the worker's activity before it is ready, for people; empty afterwards
  std::optional<ModelId> saving_;  // the model whose state the disk thread makes durable
  std::atomic<std::uint64_t> rows_done_ = 0;
  std::atomic<std::uint64_t> steps_ = 0;  // counts the worker's progress besides rows
  std::optional<Stopwatch> idle_since_;   // compute thread only; none before the first unit
  std::set<std::uint64_t> reserved_;      // compute thread only: state sizes for which blocks were reserved
  std::stop_source stop_;
  std::thread compute_thread_;
};

}  // namespace hop::hopper
