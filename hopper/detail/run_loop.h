// The coordinator's process: turns sockets, files, clocks and deaths into events for the pure Coordinator, and its
// actions into messages, journal records and files. One thread; what waits for the disk runs on others. Internal to
// Hopscotch.
#pragma once

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "data/dataset.h"
#include "hopper/coordinator.h"
#include "hopper/detail/conversation.h"
#include "hopper/detail/disk_thread.h"
#include "hopper/detail/host.h"
#include "hopper/detail/isa_agreement.h"
#include "hopper/detail/lives.h"
#include "hopper/detail/narrator.h"
#include "hopper/detail/relay_room.h"
#include "hopper/journal.h"
#include "hopper/membership.h"
#include "hopper/run.h"
#include "hopper/why.h"
#include "net/door.h"
#include "net/memory.h"
#include "net/transport.h"
#include "net/unix.h"

namespace hop::hopper {

/// Totals of a run that are not in the journal.
struct RunTotals {
  double seconds = 0;
  std::uint64_t collect_bytes = 0;   ///< payload that reached the coordinator: only final states
  std::uint64_t control_bytes = 0;   ///< all bytes but payload, on all connections
  std::uint64_t copy_bytes = 0;      ///< payload between workers for second places of states
  std::uint64_t relay_bytes = 0;     ///< payload between workers that went through the coordinator
  std::vector<std::string> devices;  ///< the device of each worker; "" for a worker that was never ready
};

/// The surroundings of a host of workers that replaces the hosts of RunOptions::hosting. Tests put their own workers
/// into a run this way.
struct HostSurroundings {
  net::Executor executor;
  std::shared_ptr<net::MemoryNetwork> memory;  ///< where "memory:coordinator" listens
  std::string token;                           ///< the run's secret
  WorkerHost::OnExit on_exit;
};
using MakeHost = std::function<std::unique_ptr<WorkerHost>(const HostSurroundings&)>;

/// What tests replace in a run.
struct RunDoors {
  MakeHost make_host = {};
  EndPatience ends = {};
  RelayLimits relays = {};
};

class RunLoop {
 public:
  /// The references outlive the loop. `journal` is open and has the records from which `coordinator` was restored.
  RunLoop(const Experiment& experiment, const data::Dataset& dataset, const RunOptions& options, Journal& journal,
          Coordinator& coordinator, RunDoors doors = {});
  ~RunLoop();

  /// Runs to the end. Throws the error that made the run fail.
  Outcome run();
  RunTotals totals() const;

 private:
  using Connection = std::shared_ptr<net::Connection>;

  // A state that was requested from a worker.
  struct Collecting {
    Peer peer{};
    StateFile file = StateFile::Last;
  };
  // Who has come: a worker that takes a place, or one of the run that asks for states of other workers.
  struct Guest {
    Peer peer;
    bool relays = false;
  };
  // A worker waits for a state of another one that it cannot reach.
  struct Relay {
    WorkerId source, reader;
    Connection to;
    message::Collect order;   // for the source
    std::uint64_t bytes = 0;  // of the state
    RelayRoom::Place room;    // null: the source is not asked yet, because the state waits for its turn
    bool has_header = false;  // goes before the state, and has not come yet
  };
  // One worker as this process sees it.
  struct Node {
    Peer peer;
    Lives lives;
    Connection connection;
    std::string address;     // where other workers reach it
    std::string device;      // its device
    std::string arithmetic;  // of its present life
    message::Heartbeat last;
    std::optional<ModelId> trained;  // by the life that was lost; none if it did not say
    bool leaves = false;             // it was asked to end
    bool is_sent_home = false;       // ... and nobody needs its states any more
    std::vector<HeldState> held;     // states from its pages so far, until it is ready
    std::shared_ptr<net::asio::steady_timer> restart;
    std::uint64_t control_bytes = 0;  // of its ended lives
  };

  // Lives of workers.
  void start_worker(Node& node);
  void start_again(Node& node, std::chrono::milliseconds pause);
  void worker_ended(Peer peer, const WorkerHost::End& end);
  void worker_lost(Peer peer, const std::string& why, Loss loss);
  void give_up(const Node& node, const std::string& why);
  void look_after(Node& node, std::chrono::steady_clock::time_point now);
  void leave(Peer peer);
  void tell_overdue(Peer peer, std::chrono::steady_clock::duration waited);
  void await_workers();
  bool has_something_to_do(const Node& node) const;
  const Lease* in_training(const Node& node) const;
  Node* find(Peer peer);

  // Conversations.
  net::Awaitable<void> accept_workers();
  net::Awaitable<void> watch();
  net::Awaitable<void> serve(net::Door::Visitor visitor);
  net::Awaitable<Guest> greet(net::Door::Visitor& visitor);
  net::Awaitable<Peer> admit(Connection connection);
  net::Awaitable<void> welcome(Connection connection, Peer peer);
  std::string check_hello(const message::Hello& hello);
  message::Refused check_isa(const std::string& isa);
  void join_run(Peer peer, event::WorkerUp up);
  net::Awaitable<void> hear(Peer peer, Connection connection, message::ToCoordinator said);
  std::string objection(const message::Ready& ready, const net::Connection& connection) const;
  void note_beat(Peer peer, message::Heartbeat beat);
  void note_page(Peer peer, message::Held page);
  void note_ready(Peer peer, message::Ready ready);
  void note_work(Peer peer);
  net::Awaitable<void> receive_state(Peer peer, Connection connection, message::State state);

  // run_loop_relay.cpp: addresses, and states between workers that cannot reach each other.
  void locate(Peer asker, WorkerId worker);
  net::Awaitable<void> serve_relay(Connection worker, WorkerId reader);
  net::Awaitable<void> pass_on(Peer peer, Connection connection, message::State state);
  void note_unreachable(Peer reader, const message::Failed& failed);
  void note_retry(Peer peer, const message::Failed& failed);
  void note_reached(Peer reader, Attempt attempt);
  void forget_paths(WorkerId worker);
  void begin_relays();
  void forget_relays(const Connection& reader);
  void end_relays(WorkerId lost);
  net::Awaitable<std::shared_ptr<AlignedBuffer>> receive_block(Connection connection, std::uint64_t bytes);
  net::Awaitable<void> send_on(Connection to, message::State state, std::shared_ptr<const AlignedBuffer> bytes,
                               RelayRoom::Place room);
  void note_no_room(Peer peer, ModelId model, std::uint64_t bytes);
  std::string turn_of(const Node& reader) const;
  bool relays_from(WorkerId source) const;
  bool relays_to(WorkerId reader) const;
  std::string source_address(WorkerId reader, WorkerId source) const;
  template <class M>
  void tell(Peer peer, M m);

  // The state machine.
  void step(Event event);
  void execute(const action::Append& a);
  void execute(const action::SendLease& a);
  void execute(const action::CancelLease& a);
  void execute(const action::SourceGone& a);
  void execute(const action::Answer& a);
  void execute(const action::Release& a);
  void execute(const action::SendCollect& a);
  void execute(const action::SetTimer& a);
  void execute(const action::SendCopy& a);
  void execute(const action::SendHome& a);
  void execute(const action::Finish& a);
  void sync_journal();
  void save_collected(Peer peer, ModelId model, StateFile file, std::shared_ptr<AlignedBuffer> block,
                      const Digest& expected);
  net::Awaitable<void> shut_down();

  // Messages for people.
  struct LeaseAt {
    WorkerId worker;
    std::size_t place = 0;  // place in the worker's queue; 0 trains
  };
  void write_status();
  void tell_of_disk();
  void await_disk();
  std::string last_wait() const;
  RunStatus status(std::chrono::steady_clock::time_point now);
  std::string doing(const Node& node) const;
  std::string standing(const Node& node, std::chrono::steady_clock::time_point now) const;
  std::string missing_member(const Model& model) const;
  std::string waits_for(const Model& model, const std::map<ModelId, LeaseAt>& leases) const;
  void notice(const std::string& text);
  void log(const std::string& line);
  void log_order(const record::Ordered& order);
  void notices(const Narrator::Lines& lines);
  void narrate(const Action& action);
  int process_of(WorkerId worker) const;
  std::string name_with_process(WorkerId worker) const;

  void request_stop(bool abort);
  static std::uint32_t units_done(const Model& model);
  void report_progress();
  void schedule_progress();
  RunProgress progress() const;
  void fail(std::exception_ptr error);
  void spawn(net::Awaitable<void> coroutine);

  const Experiment& experiment_;
  const data::Dataset& dataset_;
  const std::string data_folder_;  // as an absolute path
  const RunOptions& options_;
  const RunDoors doors_;
  Journal& journal_;
  Coordinator& coordinator_;
  Stopwatch clock_;

  net::asio::io_context io_{1};
  DiskThread disk_;         // all that decides: the journal, models; and the log
  DiskThread status_disk_;  // for `hop why`, also while a write of the other one does not end
  std::string token_;       // the run's secret: its workers prove that they know it
  std::unique_ptr<net::SocketDirectory> sockets_;
  std::shared_ptr<net::MemoryNetwork> memory_;
  std::unique_ptr<net::Transport> transport_;
  std::shared_ptr<net::Listener> listener_;
  std::unique_ptr<net::Door> door_;
  net::Rarely refused_;
  net::Rarely retries_;
  std::unique_ptr<WorkerHost> host_;
  Membership members_;  // of workers that come by themselves
  IsaAgreement isa_;
  std::map<WorkerId, event::WorkerUp> early_;  // ready before the first lease: all are waited for
  std::vector<Node> nodes_;

  Narrator narrator_;
  Patience patience_;
  std::map<ModelId, Collecting> collecting_;  // the states that were requested
  std::map<std::uint64_t, Relay> relays_;     // by ticket
  std::uint64_t tickets_ = 0;
  RelayRoom relay_room_;
  std::map<std::pair<WorkerId, WorkerId>, int> unreached_;  // (reader, source): fetches in a row that failed
  std::uint64_t copy_bytes_ = 0, relay_bytes_ = 0;
  std::deque<Event> events_;
  bool stepping_ = false;
  bool dirty_ = false, syncing_ = false;
  std::optional<Outcome> outcome_;
  std::exception_ptr error_;
  net::asio::steady_timer progress_timer_{io_};
  std::atomic<bool> awaits_workers_ = false;
  net::asio::steady_timer ended_{io_};  // woken when a worker's life ends during shut_down
  bool changed_ = true;
  double started_units_ = 0;
  std::map<std::string, std::pair<std::string, std::chrono::steady_clock::time_point>> waits_;  // words, since when
  std::chrono::steady_clock::time_point status_written_{};
  bool writes_status_ = false;
};

template <class M>
void RunLoop::tell(Peer peer, M m) {
  const Node* node = find(peer);
  if (node == nullptr || !node->connection) return;  // this life is over, so the message does not matter any more
  const auto body = [](Connection to, M message) -> net::Awaitable<void> {
    try {
      co_await hopper::send(to, std::move(message));
    } catch (const NetError&) {  // the receive fails, too, and handles the error
    }
  };
  net::asio::co_spawn(io_, body(node->connection, std::move(m)), net::asio::detached);
}

}  // namespace hop::hopper
