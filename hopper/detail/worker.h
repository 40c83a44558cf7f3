// A worker: holds partitions and states, trains the units that it is leased, and hands models to other workers.
// worker::Jobs decides, this class executes. Three threads: the network thread (the one that calls run(): all
// conversations), the compute thread (only training), and the disk thread (states to and from files, and other slow
// work: building trainers, copying states). While a unit trains, the next one's state arrives and the last one's
// leaves. Internal to Hopscotch.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
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
#include "hopper/detail/device_room.h"
#include "hopper/detail/distant_rows.h"
#include "hopper/detail/group_links.h"
#include "hopper/detail/handshake.h"
#include "hopper/detail/state_store.h"
#include "hopper/detail/trainer_pool.h"
#include "hopper/trainer.h"
#include "hopper/worker/jobs.h"
#include "net/door.h"
#include "net/event.h"
#include "net/key.h"
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
  std::optional<net::RunKey> key = {};         ///< for `tls:` addresses: the worker joins, and learns its peer
  std::filesystem::path data_folder = {};      ///< its own partitions; empty: the coordinator's folder
  net::Address own = {.scheme = net::Address::Scheme::kTls, .host = "0.0.0.0"};  ///< where a worker with a key listens
  std::uint16_t last_port = 0;  ///< of the range of ports that begins with that of `own`
  std::string advertised = {};  ///< the host by which other workers reach it; empty: the coordinator knows
  /// The devices of the node's workers, by number; missing or empty ones are the experiment's.
  std::vector<std::string> devices = {};
  bool tells_usage = true;  ///< what its process has used: one of the workers of a process tells it
  /// How long a unit waits for rows of another node of which no byte comes.
  std::chrono::milliseconds rows_patience = std::chrono::seconds(10);
  /// Deletes a file of the node's disk; empty: the system's function. Tests simulate slow disks with it.
  StateStore::Remove remove = {};
  /// Makes memory for a state that arrives; empty: the device's function. Tests simulate slow machines with it.
  nn::StatePool::Fresh fresh_block = {};
  /// The largest state whose digest the network thread computes: it is done before the disk thread would hear of it.
  std::uint64_t small_state_bytes = std::uint64_t{16} << 20;
};

class Worker {
 public:
  explicit Worker(WorkerOptions options);
  ~Worker();

  /// Serves until the coordinator says Shutdown or `stop` is called. Throws NetError if the coordinator is gone. If the
  /// worker becomes unable to serve, tells the coordinator and throws the reason.
  void run();
  /// Whether the coordinator has ever taken it in.
  bool was_welcomed() const { return experiment_ != nullptr; }
  /// From any thread: ends run() soon, if necessary in the middle of a unit.
  void stop();
  /// From any thread: tells the coordinator that this worker is asked to end, and waits for its Shutdown. Ends run()
  /// after `patience` without it, and at once if no coordinator has taken it in.
  void leave(std::chrono::duration<double> patience);

 private:
  using Connection = std::shared_ptr<net::Connection>;

  // What the threads hold for a job. Until the job begins, mutex_ guards it, because make_room() may take its trainer
  // back; then the compute thread owns it, and in the end the disk thread.
  struct Cargo {
    Lease lease;
    Config config;
    std::unique_ptr<Trainer> trainer;  // on the CPU once the unit begins; on a device maybe earlier
    nn::StateBytes bytes;              // the parent's; null for unit 0, and on the CPU once the trainer has taken them
    bool loaded = false;               // whether the trainer has the parent's state
    bool begun = false;
    std::uint64_t received_bytes = 0;
    std::shared_ptr<GroupLinks> group;  // null: this worker trains the unit alone
    Time ordered{};                     // action::Train's
    std::optional<Time> free_since;
    std::optional<double> gap;  // UnitMetrics::gap_seconds, known when the unit begins
    double idle = 0;
    nn::SavedState saved;  // the new state, on its way out of the trainer
    nn::StateLayout layout;

    StateStore::Key parent() const { return {lease.parent_owner(), before(lease.unit)}; }
    std::unique_ptr<Trainer> leave_trainer() {
      loaded = false;
      return std::move(trainer);
    }
  };
  using CargoPtr = std::shared_ptr<Cargo>;
  // A state on its way from another worker to the disk, to be kept as a copy.
  struct ArrivedCopy {
    std::vector<std::byte> header;
    nn::StateBytes bytes;
    std::uint64_t received = 0;  // payload
  };
  // The machine's answer to a request for a state: the state that lies here, or the reason why none does.
  struct Found {
    std::optional<worker::StateName> state;
    std::string why;
    bool released = false;
  };
  // A state as it is given to another worker. Null bytes: it is not here any more.
  struct Given {
    std::vector<std::byte> header;
    StateStore::Stored stored;
  };

  // worker_machine.cpp: events in, actions out
  void step(worker::Event event);
  template <class A>
  void execute(const A& action);  // one for each action of the machine
  net::Awaitable<void> report(CargoPtr cargo, net::Awaitable<worker::Event> work);
  CargoPtr cargo_of(Attempt attempt) const;
  bool is_waiting(const CargoPtr& cargo) const;
  void lose_device(std::exception_ptr error);
  net::Awaitable<void> leave(std::exception_ptr error);

  // worker.cpp: the conversation with the coordinator
  net::Awaitable<void> live();
  net::Awaitable<void> greet();
  net::Awaitable<void> ask_for_place();
  std::shared_ptr<net::Listener> listen_in_range();
  net::Awaitable<Connection> call(net::Address address, HostRole role, bool relays = false);
  net::Awaitable<std::pair<message::Welcome, std::string>> be_welcomed();
  net::Awaitable<void> offer(std::vector<HeldState> held);
  void open_data(const message::Welcome& welcome, const std::string& experiment);
  std::shared_ptr<const data::DeviceRows> rows_on_device(std::uint32_t workers) const;
  net::Awaitable<void> obey();
  void hear(message::ToWorker order);
  net::Awaitable<void> beat();
  net::Awaitable<void> beat_once();
  void beat_at_once();
  message::Heartbeat heartbeat();
  void starts_to(std::string what);
  void say_farewell();
  void take_order(message::LeaseOrder order);
  template <class M>
  void tell_later(M message);
  void spawn(net::Awaitable<void> coroutine);
  void remember(const Connection& peer);

  // worker_units.cpp: from a lease to a result
  net::Awaitable<worker::Event> prepare(CargoPtr cargo);
  net::Awaitable<worker::Event> read(CargoPtr cargo);
  StateStore::Stored take_parent(StateStore::Key key, const std::optional<worker::StateName>& name);
  void hand_over(Cargo& cargo, nn::StateBytes bytes);
  void take_place(const CargoPtr& cargo);
  void load_early(const CargoPtr& cargo);
  void load_ahead(const CargoPtr& cargo);
  void compute();
  CargoPtr next_unit(DeviceGuest& guest);
  bool attempt(Cargo& cargo, DeviceGuest& guest);
  UnitMetrics train_with_room(Cargo& cargo, DeviceGuest& guest);
  UnitMetrics train(Cargo& cargo);
  void measure_gap(Cargo& cargo) const;
  void load(Cargo& cargo);
  void make_room(Cargo& cargo);
  void give_way();
  void reserve_blocks(std::uint64_t bytes);
  void save(HeldState state, const Cargo& cargo);
  bool has_left(const HeldState& state, const Cargo& cargo);

  // worker_peers.cpp: states between workers
  net::Awaitable<void> accept_peers();
  net::Awaitable<void> serve_peer(net::Door::Visitor visitor);
  net::Awaitable<worker::Event> fetch(CargoPtr cargo, std::string address);
  net::Awaitable<nn::StateBytes> room_for(Attempt attempt, std::uint64_t bytes);
  net::Awaitable<Digest> digest_of(Attempt attempt, nn::StateBytes bytes);
  net::Awaitable<Connection> call_peer(const std::string& address);
  net::Awaitable<Connection> call_source(Attempt attempt, const std::string& address);
  net::Awaitable<void> watch_fetch(Attempt attempt);
  std::optional<std::uint64_t> fetched_bytes(Attempt attempt) const;
  bool is_wanted(Attempt attempt) const;
  void end_fetch(Attempt attempt);
  static net::Patience patience_with_answer(const std::string& address);
  net::Awaitable<void> give(Connection to, StateStore::Key key, bool whole = false, std::uint64_t ticket = 0);
  Found look_up(StateStore::Key key);
  Given read_to_give(const worker::StateName& state, bool whole);

  // worker_rows.cpp: rows between workers
  void begin_distant_rows();
  bool expect_rows(std::vector<PartitionId> passes);
  data::Partition rows_of(PartitionId id);
  net::Awaitable<void> bring(PartitionId id);
  std::filesystem::path copies_folder() const;
  bool keeps_copies() const;
  std::optional<data::Partition> find_copy(PartitionId id) const;
  data::Partition open_rows(PartitionId id, AlignedBuffer file) const;
  net::Awaitable<AlignedBuffer> fetch_rows(PartitionId id);
  net::Awaitable<void> fetch_rows_from(WorkerId holder, std::string address, PartitionId id, MutableByteView file,
                                       std::uint64_t& came);
  net::Awaitable<std::string> locate(WorkerId worker);
  void hear_place(message::Located place);
  void give_up_rows();
  void tell_of_rows(message::Heartbeat& beat);
  net::Awaitable<void> give_rows(Connection to, PartitionId id);
  static void read_rows(const data::Partition& rows, std::uint64_t at, MutableByteView to);

  // worker_groups.cpp: units that several workers train together
  void form_group(Cargo& cargo, const std::vector<message::Member>& members);
  net::Awaitable<void> call_member(std::shared_ptr<GroupLinks> group, message::Meet greeting, std::uint32_t rank,
                                   std::string address);
  void take_member(const message::Meet& greeting, WorkerId worker, const Connection& peer);
  Group meet_group(const Cargo& cargo) const;
  void confirm_group(const Cargo& cargo, const Trainer& trainer, UnitMetrics& metrics);

  // worker_copies.cpp: copies of other workers' states
  net::Awaitable<void> copy(Copy order, std::string address);
  net::Awaitable<ArrivedCopy> fetch_copy(Copy order, std::string address);
  void save_copy(const Copy& order, const ArrivedCopy& arrived);

  WorkerOptions options_;
  std::optional<Experiment> received_;  // the experiment, if it came over the wire
  const Experiment* experiment_ = nullptr;
  std::uint32_t passes_of_an_epoch_ = 1;
  std::optional<data::Dataset> dataset_;
  Itinerary itinerary_;
  std::map<PartitionId, data::Partition> partitions_;  // the partitions that this node holds
  std::optional<data::Partition> validation_;
  std::unique_ptr<DistantRows> distant_;  // the other partitions
  Device device_;
  std::string run_;                        // Welcome::run
  std::string arithmetic_;                 // arithmetic_of(device_): asking may load libraries
  std::shared_ptr<nn::StatePool> blocks_;  // blocks for states that arrive, wait and leave
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<TrainerPool> pool_;

  net::asio::io_context io_{1};
  net::asio::thread_pool disk_{1};
  std::unique_ptr<net::Transport> transport_;
  std::shared_ptr<net::Listener> listener_;
  Connection coordinator_;
  std::vector<std::weak_ptr<net::Connection>> peers_;          // closed at the end
  std::set<Attempt> whole_;                                    // whose state has arrived, while its digest is computed
  std::map<Attempt, std::weak_ptr<net::Connection>> fetches_;  // on which states come for leases and copies
  // A member of a group that called before this worker heard of the group.
  struct EarlyMember {
    Attempt attempt;
    std::uint32_t rank = 0;
    WorkerId worker;
    Connection connection;
  };
  std::map<Attempt, std::weak_ptr<GroupLinks>> groups_;  // network thread only, as the next one
  std::vector<EarlyMember> early_members_;
  std::uint64_t waiting_beats_ = 0;  // beats while a unit waited for other workers
  // What becomes of the partition that comes from another node. Network thread only, as the next four.
  struct Bringing {
    PartitionId partition{};
    std::string story{};          // for people
    bool is_at_the_disk = false;  // the own one
  };
  Bringing brings_;
  std::weak_ptr<net::Connection> rows_peer_;
  std::uint32_t giving_ = 0;                 // partitions that go to other workers
  std::optional<message::Located> located_;  // the coordinator's last answer
  net::Event hears_place_{io_.get_executor()};
  net::asio::steady_timer heartbeat_timer_{io_};
  net::asio::steady_timer leave_timer_{io_};
  std::unique_ptr<net::Door> door_;
  net::Rarely refused_;
  std::uint64_t peer_control_bytes_ = 0;
  bool leaves_ = false, is_ready_ = false;  // network thread only
  std::exception_ptr error_;

  const Stopwatch clock_;

  // Shared by the threads. The thread that steps the machine executes its actions before the next step; the actions
  // only hand work to other threads.
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  worker::Jobs jobs_;
  std::map<Attempt, CargoPtr> cargo_;                             // of jobs that have not left their trainers
  CargoPtr arriving_;                                             // of the lease that the machine is about to hear of
  CargoPtr next_;                                                 // to be trained now
  CargoPtr loading_;                                              // its trainer is with the disk thread
  std::vector<CargoPtr> dropped_;                                 // by the actions of this step
  std::map<Attempt, std::shared_ptr<const ArrivedCopy>> copies_;  // until they are told
  std::map<std::uint64_t, Found> answers_;                        // by ticket
  std::uint64_t tickets_ = 0;
  std::exception_ptr lost_device_;
  std::string starting_;  // the worker's activity before it is ready, for people; empty afterwards
  std::atomic<std::uint64_t> rows_done_ = 0;
  std::atomic<std::uint64_t> steps_ = 0;        // counts the worker's progress besides rows
  std::atomic<bool> waits_for_others_ = false;  // of this process, which are watched by their own heartbeats
  std::set<std::uint64_t> reserved_;            // compute thread only: state sizes for which blocks were reserved
  std::stop_source stop_;
  std::thread compute_thread_;
};

/// To the coordinator, from any thread, and without a wait.
template <class M>
void Worker::tell_later(M message) {
  net::asio::post(io_, [this, m = std::move(message)]() mutable { spawn(send(coordinator_, std::move(m))); });
}

}  // namespace hop::hopper
