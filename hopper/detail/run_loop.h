// The coordinator's process: turns sockets, files, clocks and deaths into events for the pure Coordinator, and its
// actions into messages, journal records and files. One thread; the journal's waits run on a second one. Internal to
// Hopscotch.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "data/dataset.h"
#include "hopper/coordinator.h"
#include "hopper/detail/host.h"
#include "hopper/detail/messages.h"
#include "hopper/journal.h"
#include "hopper/run.h"
#include "net/memory.h"
#include "net/transport.h"
#include "net/unix.h"

namespace hop::hopper {

/// What a run adds up outside of the journal.
struct RunTotals {
  double seconds = 0;
  std::uint64_t collect_bytes = 0;   ///< payload that reached the coordinator: final states, nothing else
  std::uint64_t control_bytes = 0;   ///< everything that is no payload, on all connections
  std::vector<std::string> devices;  ///< what each worker computed on; "" for one that never got ready
};

class RunLoop {
 public:
  /// The references outlive the loop. `journal` is open and holds what `coordinator` was restored from.
  RunLoop(const Experiment& experiment, const data::Dataset& dataset, const RunOptions& options, Journal& journal,
          Coordinator& coordinator);
  ~RunLoop();

  /// Runs to the end. Throws what made the run fail.
  Outcome run();
  RunTotals totals() const;

 private:
  using Connection = std::shared_ptr<net::Connection>;

  // One worker as this process sees it.
  struct Node {
    Peer peer;
    WorkerProgress::State state = WorkerProgress::State::Starting;
    Connection connection;
    std::string address;  // where other workers reach it
    std::string device;   // what it computes on
    message::Heartbeat last;
    std::uint32_t failed_starts = 0;
    std::string last_error;
    std::optional<Lease> interrupted;               // what a life that was lost had in hand; none once its fate is told
    std::string epilogue;                           // to be told once the loss was
    bool alive = false;                             // its process or thread has not ended
    bool was_ready = false;                         // in this life
    std::chrono::steady_clock::time_point heard{};  // its last message, or the start of its life
    std::uint64_t control_bytes = 0;                // of lives that have ended
  };

  // Lives of workers.
  void start_worker(Node& node);
  void worker_ended(Peer peer, const WorkerHost::End& end);
  void worker_lost(Peer peer, const std::string& why);
  Node* find(Peer peer);

  // Conversations.
  net::Awaitable<void> accept_workers();
  net::Awaitable<void> watch_silence();
  net::Awaitable<void> serve(Connection connection);
  net::Awaitable<Peer> greet(const Connection& connection);
  net::Awaitable<void> dispatch(Peer peer, const Connection& connection, net::Message message);
  net::Awaitable<void> receive_state(Peer peer, const Connection& connection, message::State state,
                                     std::uint64_t bytes);
  template <class T>
  void send(Peer peer, const T& m) {
    send_bytes(peer, static_cast<std::uint16_t>(message::kKind<T>), message::encode(m));
  }
  void send_bytes(Peer peer, std::uint16_t kind, message::Bytes bytes);

  // The state machine.
  void step(Event event);
  void execute(const action::Append& a);
  void execute(const action::SendLease& a);
  void execute(const action::CancelLease& a);
  void execute(const action::Answer& a);
  void execute(const action::Release& a);
  void execute(const action::SendCollect& a);
  void execute(const action::SetTimer& a);
  void execute(const action::Finish& a);
  void sync_journal();
  void save_collected(ModelId model, std::shared_ptr<AlignedBuffer> block, const Digest& expected);
  net::Awaitable<void> shut_down();

  // What people should know.
  void notice(const std::string& text);
  void tell_loss(Node& node, const std::string& how);
  void tell_fate(WorkerId worker, ModelId model, std::uint32_t unit, const std::string& verb);
  void tell_quarantine(const record::Quarantine& quarantine);
  void tell_rollback(const record::Rollback& rollback);
  void tell_change(const record::Arithmetic& now);
  int process_of(WorkerId worker) const;

  void request_stop(bool abort);
  void report_progress();
  void schedule_progress();
  RunProgress progress() const;
  void fail(std::exception_ptr error);
  void spawn(net::Awaitable<void> coroutine);

  const Experiment& experiment_;
  const data::Dataset& dataset_;
  const RunOptions& options_;
  Journal& journal_;
  Coordinator& coordinator_;
  Stopwatch clock_;

  net::asio::io_context io_{1};
  net::asio::thread_pool disk_{1};
  std::string token_;  // workers of other processes show it; empty among threads
  std::unique_ptr<net::SocketDirectory> sockets_;
  std::shared_ptr<net::MemoryNetwork> memory_;
  std::unique_ptr<net::Transport> transport_;
  std::shared_ptr<net::Listener> listener_;
  std::unique_ptr<WorkerHost> host_;
  std::vector<Node> nodes_;

  std::map<ModelId, Peer> collecting_;  // who was asked for a final state
  std::deque<Event> events_;
  bool stepping_ = false;
  bool dirty_ = false, syncing_ = false;
  std::optional<Outcome> outcome_;
  std::exception_ptr error_;
  net::asio::steady_timer progress_timer_{io_};
  net::asio::steady_timer ended_{io_};  // woken when a worker's life ends during shut_down
  bool changed_ = true;
  bool told_of_change_ = false;
  double started_units_ = 0;
};

}  // namespace hop::hopper
