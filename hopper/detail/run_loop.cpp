// The course of a run, and the actions of its coordinator. All functions run on the loop's thread, except last_wait();
// work that waits for a disk is posted to the disk thread.
#include "hopper/detail/run_loop.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "base/error.h"
#include "hopper/detail/model_file.h"
#include "hopper/detail/process_host.h"
#include "hopper/detail/remote_host.h"
#include "hopper/detail/status_file.h"
#include "hopper/detail/thread_host.h"
#include "hopper/detail/token.h"
#include "kernels/threads.h"
#include "net/key.h"
#include "net/tls.h"

namespace hop::hopper {

using net::asio::post;

namespace {

constexpr auto kLook = std::chrono::milliseconds(250);

Time patience_of(const Experiment& experiment, const RunOptions& options) {
  if (options.patience) return *options.patience;
  const std::chrono::duration<double> seconds(experiment.run.patience.value_or(kDefaultPatience));
  return std::chrono::duration_cast<Time>(seconds);
}

std::vector<Digest> digests_of(const data::Dataset& dataset) {
  std::vector<Digest> digests;
  for (const data::PartitionEntry& entry : dataset.manifest().partitions) digests.push_back(entry.digest);
  return digests;
}

bool is_to_be_retried(const Model& model, const RunOptions& options) {
  const std::vector<ModelId>& named = options.retry_models;
  const bool is_meant = named.empty() || std::find(named.begin(), named.end(), model.id) != named.end();
  return options.retry && is_meant && model.status == Status::Quarantined;
}

}  // namespace

RunLoop::RunLoop(const Experiment& experiment, const data::Dataset& dataset, const RunOptions& options,
                 Journal& journal, Coordinator& coordinator, RunDoors doors)
    : experiment_(experiment),
      dataset_(dataset),
      data_folder_(std::filesystem::absolute(dataset.folder())),
      options_(options),
      doors_(std::move(doors)),
      journal_(journal),
      coordinator_(coordinator),
      token_(make_token()),
      members_(coordinator.ledger().itinerary(), digests_of(dataset)),
      isa_(std::string(kernels::isa()), coordinator.ledger().arithmetic()),
      narrator_(experiment.run.workers),
      patience_(std::chrono::duration_cast<Patience::Duration>(patience_of(experiment, options))),
      relay_room_(doors_.relays.most_bytes) {
  const net::Executor executor = io_.get_executor();
  const auto on_exit = [this](Peer peer, const WorkerHost::End& end) { worker_ended(peer, end); };
  if (doors_.make_host || options.hosting == Hosting::Threads) {
    memory_ = std::make_shared<net::MemoryNetwork>();
    transport_ = std::make_unique<net::MemoryTransport>(executor, memory_);
    listener_ = transport_->listen(net::Address::memory("coordinator"));
    if (doors_.make_host) {
      host_ = doors_.make_host({executor, memory_, token_, on_exit});
    } else {
      host_ = std::make_unique<ThreadHost>(
          executor, ThreadHostOptions{experiment_, memory_, options.run_directory, options.devices, token_}, on_exit);
    }
  } else if (options.hosting == Hosting::Remote) {
    const net::RunKey key = net::RunKey::read(options.key_file);
    token_ = token_of(key);
    transport_ = std::make_unique<net::TlsTransport>(executor, key);
    listener_ = transport_->listen(net::Address::parse("tls:" + options.listen));
    host_ = std::make_unique<RemoteHost>(executor, on_exit);
  } else {
    const bool tcp = experiment.run.transport == LocalTransport::Tcp;
    transport_ = net::make_transport(tcp ? net::Address::Scheme::kTcp : net::Address::Scheme::kUnix, executor);
    if (!tcp) sockets_ = std::make_unique<net::SocketDirectory>();
    listener_ = transport_->listen(tcp ? net::Address::tcp("127.0.0.1", 0) : sockets_->address("coordinator"));
    const ProcessHostOptions host{options.program, listener_->address().text(), token_, options.run_directory,
                                  experiment.run.workers_per_process};
    host_ = std::make_unique<ProcessHost>(executor, host, on_exit);
  }
  door_ = std::make_unique<net::Door>(executor, listener_, [this](const std::string& line) { notice(line); });
  const bool is_awaited = !doors_.make_host && options.hosting == Hosting::Remote;
  const Lives new_lives(is_awaited ? Lives::Origin::Awaited : Lives::Origin::Started, doors_.ends);
  nodes_.resize(experiment.run.workers);
  for (std::size_t w = 0; w < nodes_.size(); ++w) {
    nodes_[w].peer.worker = WorkerId(static_cast<std::uint32_t>(w));
    nodes_[w].lives = new_lives;
  }
}

RunLoop::~RunLoop() {
  while (!disk_.wait_idle(kLook) || !status_disk_.wait_idle(kLook)) continue;  // after an error in run()
  remove_status_file(options_.run_directory);
  if (options_.control != nullptr) options_.control->attach(nullptr);
}

Outcome RunLoop::run() {
  if (options_.control != nullptr) {
    options_.control->attach([this](bool abort) { post(io_, [this, abort] { request_stop(abort); }); },
                             [this] { return last_wait(); });
  }
  for (const Model& model : coordinator_.ledger().models()) {
    started_units_ += units_done(model);
    if (model.own_units() == 0) continue;  // learned in earlier lives of the run
    patience_.unit_took(model.seconds / static_cast<double>(model.own_units()), model.state_bytes);
  }
  spawn(accept_workers());
  spawn(watch());
  event::Started started;
  for (const Model& model : coordinator_.ledger().models()) {
    if (is_to_be_retried(model, options_)) started.retry.push_back(model.id);
  }
  step(started);
  for (Node& node : nodes_) start_worker(node);
  if (options_.hosting == Hosting::Remote) {
    notice("listens at " + listener_->address().text() + " and waits for " + std::to_string(nodes_.size()) +
           " workers: hop worker --connect HOST:" + std::to_string(listener_->address().port) + " --key-file FILE");
  }
  schedule_progress();
  io_.run();
  await_workers();
  await_disk();
  report_progress();
  if (error_) std::rethrow_exception(error_);
  return outcome_.value_or(Outcome::Interrupted);
}

// All that was handed to the disk is on it before the run is over.
void RunLoop::await_disk() {
  while (!disk_.wait_idle(kLook) || !status_disk_.wait_idle(kLook)) tell_of_disk();
  tell_of_disk();
}

// For whoever has aborted the run. From any thread.
std::string RunLoop::last_wait() const {
  if (awaits_workers_) return "a worker was killed and does not end";
  for (const DiskThread* disk : {&disk_, &status_disk_}) {
    if (const auto present = disk->present()) return "the coordinator waits for its disk: it " + present->what;
  }
  return "its last call of the system does not end";
}

RunTotals RunLoop::totals() const {
  RunTotals totals;
  totals.seconds = clock_.seconds();
  totals.copy_bytes = copy_bytes_;
  totals.relay_bytes = relay_bytes_;
  for (const Node& node : nodes_) {
    totals.devices.push_back(node.device);
    totals.control_bytes += node.control_bytes + node.last.control_bytes;
    if (node.connection) {
      const net::Traffic traffic = node.connection->traffic();
      totals.control_bytes += traffic.control_sent + traffic.control_received;
    }
  }
  for (const Model& model : coordinator_.ledger().models()) {
    if (model.file) totals.collect_bytes += model.file->bytes;
  }
  return totals;
}

void RunLoop::step(Event event) {
  events_.push_back(std::move(event));
  if (stepping_) return;
  stepping_ = true;
  try {
    while (!events_.empty() && !coordinator_.finished()) {
      const Event next = std::move(events_.front());
      events_.pop_front();
      notices(narrator_.hear(next));
      for (const Action& action : coordinator_.step(next, clock_.elapsed())) {
        std::visit([this](const auto& a) { execute(a); }, action);
        narrate(action);
      }
    }
  } catch (...) {  // a search or a policy of the application went wrong, or the journal did
    fail(std::current_exception());
  }
  events_.clear();
  stepping_ = false;
  changed_ = true;
  if (dirty_ && !syncing_) sync_journal();
}

void RunLoop::execute(const action::Append& a) {
  const std::uint64_t sequence = journal_.append(a.record);
  if (sequence != a.sequence) throw JournalError("[run] the journal and the coordinator count differently");
  dirty_ = true;
  if (const auto* order = std::get_if<record::Ordered>(&a.record)) log_order(*order);
}

void RunLoop::execute(const action::SendLease& a) {
  message::LeaseOrder order{
      a.lease, std::nullopt, coordinator_.ledger().model(a.lease.identity()).config, a.lease.source, {}};
  for (const WorkerId member : a.lease.members) order.members.push_back({member, nodes_.at(member.index()).address});
  if (a.lease.source) order.source_address = source_address(a.peer.worker, *a.lease.source);
  tell(a.peer, order);
}

void RunLoop::execute(const action::CancelLease& a) { tell(a.peer, message::Cancel{a.attempt, a.abandon}); }
void RunLoop::execute(const action::SourceGone& a) { tell(a.peer, message::SourceGone{a.attempt}); }
void RunLoop::execute(const action::Answer& a) { tell(a.peer, message::Answer{a.model, a.unit, a.attempt, a.verdict}); }
void RunLoop::execute(const action::Release& a) { tell(a.peer, message::Release{a.model, a.version, a.attempt}); }
void RunLoop::execute(const action::SendCollect& a) {
  collecting_[a.model] = {a.peer, a.file};
  tell(a.peer, message::Collect{a.model, a.version});
}

void RunLoop::execute(const action::SendCopy& a) {
  tell(a.peer, message::CopyOrder{a.copy, source_address(a.peer.worker, a.copy.source)});
}

void RunLoop::execute(const action::SendHome& a) {
  if (Node* node = find(a.peer)) node->is_sent_home = true;
  tell(a.peer, message::Shutdown{});
}

void RunLoop::execute(const action::SetTimer& a) {
  auto timer = std::make_shared<net::asio::steady_timer>(
      io_,
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::max(a.at - clock_.elapsed(), Time::zero())));
  timer->async_wait([this, timer](const boost::system::error_code& error) {
    if (!error && !outcome_) step(event::Timer{});
  });
}

void RunLoop::execute(const action::Finish& a) {
  outcome_ = a.outcome;
  spawn(shut_down());
}

// Group commit: while one sync waits for the disk, the next records gather. Syncs on the disk thread; reports on the
// loop's thread.
void RunLoop::sync_journal() {
  dirty_ = false;
  syncing_ = true;
  disk_.post("makes records durable in " + (options_.run_directory / "journal").string(), [this] {
    std::uint64_t sequence = 0;
    std::exception_ptr error;
    try {
      sequence = journal_.sync();
    } catch (const JournalError& e) {  // for example a full disk: the durable part can be resumed
      error = std::make_exception_ptr(RunError(e.what()));
    }
    post(io_, [this, sequence, error] {
      syncing_ = false;
      if (error) return fail(error);
      step(event::Synced{sequence});
    });
  });
}

void RunLoop::save_collected(Peer peer, ModelId id, StateFile file, std::shared_ptr<AlignedBuffer> block,
                             const Digest& expected) {
  const std::filesystem::path path = model_file_path(options_.run_directory, id, file);
  const auto save = [this, peer, id, file, block, expected, path, config = coordinator_.ledger().model(id).config] {
    Event event = event::CollectFailed{peer, id, "the state arrived damaged", Failure::StateDamaged};
    std::exception_ptr error;
    try {
      if (xxh3_128(block->span()) == expected) {
        const std::string sha256 = write_model_file(path, experiment_, dataset_, id, config, block->span());
        event = event::Collected{peer, id, file, block->size(), sha256};
      }
    } catch (...) {
      error = std::current_exception();
    }
    post(io_, [this, event, error] {
      if (error) return fail(error);
      step(event);
    });
  };
  disk_.post("writes " + path.string(), save, block->size());
}

void RunLoop::request_stop(bool abort) {
  if (!abort) return step(event::StopRequested{});
  if (!outcome_) outcome_ = Outcome::Interrupted;
  for (const Node& node : nodes_) host_->kill(node.peer);
  io_.stop();
}

void RunLoop::fail(std::exception_ptr error) {
  if (!error_) error_ = std::move(error);
  for (const Node& node : nodes_) host_->kill(node.peer);
  io_.stop();
}

void RunLoop::spawn(net::Awaitable<void> coroutine) {
  net::asio::co_spawn(io_, std::move(coroutine), [this](std::exception_ptr error) {
    if (error) fail(error);
  });
}

}  // namespace hop::hopper
