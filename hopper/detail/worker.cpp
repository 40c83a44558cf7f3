// Long because it has the whole conversation with the coordinator, from the first message to the last. Functions run on
// the network thread, unless their comment names another one.
#include "hopper/detail/worker.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "base/process_usage.h"
#include "hopper/build_model.h"
#include "hopper/detail/library_id.h"
#include "hopper/detail/node_place.h"
#include "hopper/detail/on_disk.h"
#include "hopper/detail/patience.h"
#include "hopper/detail/restore.h"
#include "hopper/device.h"
#include "hopper/hand_out.h"
#include "hopper/worker/doing.h"
#include "kernels/threads.h"
#include "net/tls.h"
#include "net/unix.h"

namespace hop::hopper {

using namespace std::chrono_literals;

namespace {

constexpr auto kBeat = 500ms;
constexpr auto kPatience = 10s;
constexpr auto kConnectPatience = 3s;
constexpr int kCalls = 10;  // a host that is flooded with calls may close one of ours
constexpr auto kPauseBetweenCalls = 100ms;
// How long a worker that has said why it ends waits for the coordinator to hang up. The coordinator may learn that the
// process has ended before it reads what the worker said, and would begin another life. A thread waits until it is
// stopped.
constexpr auto kLastWordPatience = 5s;
constexpr std::uint64_t kMaxExperimentBytes = std::uint64_t{1} << 30;

message::FatalKind kind_of(const std::exception& error) {
  if (dynamic_cast<const ConfigError*>(&error) != nullptr) return message::FatalKind::Config;
  if (dynamic_cast<const DataError*>(&error) != nullptr) return message::FatalKind::Data;
  return message::FatalKind::Other;
}

// Workers of this machine listen near the coordinator: beside its socket, on their own port, or under their own name.
net::Address own_address(const net::Address& coordinator, Peer peer) {
  const std::string name = "worker-" + std::to_string(peer.worker.value) + "." + std::to_string(peer.incarnation.value);
  switch (coordinator.scheme) {
    case net::Address::Scheme::kUnix:
      return net::Address::unix_socket(std::filesystem::path(coordinator.host).parent_path() / name);
    case net::Address::Scheme::kTcp:
      return {.scheme = coordinator.scheme, .host = coordinator.host, .port = 0};
    case net::Address::Scheme::kTls:  // WorkerOptions::own
    case net::Address::Scheme::kMemory:
      break;
  }
  return net::Address::memory(name);
}

}  // namespace

Worker::Worker(WorkerOptions options) : options_(std::move(options)), experiment_(options_.experiment) {
  const net::Address address = net::Address::parse(options_.coordinator);
  if (address.scheme == net::Address::Scheme::kMemory) {
    transport_ = std::make_unique<net::MemoryTransport>(io_.get_executor(), options_.memory);
  } else if (options_.key) {
    address.require(net::Address::Scheme::kTls);
    transport_ = std::make_unique<net::TlsTransport>(io_.get_executor(), *options_.key);
  } else {
    transport_ = net::make_transport(address.scheme, io_.get_executor());
  }
}

Worker::~Worker() {
  stop_.request_stop();
  if (compute_thread_.joinable()) compute_thread_.join();
  disk_.join();
}

void Worker::stop() {
  stop_.request_stop();
  io_.stop();
}

void Worker::leave(std::chrono::duration<double> patience) {
  net::asio::post(io_, [this, patience] {
    if (std::exchange(leaves_, true)) return;
    if (!coordinator_) return stop();
    leave_timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(patience));
    leave_timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) stop();
    });
    say_farewell();
  });
}

// The coordinator must know the worker's states first. A worker that is not ready says it when it is.
void Worker::say_farewell() {
  if (leaves_ && is_ready_) tell_later(message::Leave{});
}

void Worker::run() {
  net::asio::co_spawn(io_, live(), [this](std::exception_ptr error) {
    if (error && !error_) error_ = error;
    io_.stop();
  });
  io_.run();
  const std::exception_ptr error = error_;
  if (listener_) listener_->close();
  if (coordinator_) coordinator_->close();
  for (const std::weak_ptr<net::Connection>& peer : peers_) {
    if (const Connection open = peer.lock()) open->close();
  }
  io_.restart();
  io_.poll();            // the conversations unwind while their io_context still lives
  stop_.request_stop();  // not in the destructor: it runs on the coordinator's thread, which must not wait
  if (compute_thread_.joinable()) compute_thread_.join();
  disk_.join();
  if (error) std::rethrow_exception(error);
}

net::Awaitable<void> Worker::live() {
  co_await greet();
  std::exception_ptr error;
  message::Fatal fatal;
  try {
    co_await obey();
    co_return;
  } catch (const NetError& e) {
    step(worker::event::Broken{worker::Trouble::Connection, e.what()});
    throw;
  } catch (const std::exception& e) {
    fatal = {kind_of(e), e.what()};
    error = std::current_exception();
  }
  if (!error_) error_ = error;  // beat() may notice first that the coordinator hangs up: that is not the reason
  co_await send(coordinator_, fatal);
  const net::Deadline deadline = options_.memory ? net::kNever : net::deadline_in(kLastWordPatience);
  try {
    while (true) co_await receive<message::ToWorker>(coordinator_, deadline);
  } catch (const NetError&) {  // as it should be: it hung up
  }
  std::rethrow_exception(error);
}

net::Awaitable<void> Worker::greet() {
  const net::Address address = net::Address::parse(options_.coordinator);
  if (options_.key) listener_ = listen_in_range();
  coordinator_ = co_await call(address, HostRole::Coordinator);
  coordinator_->name_peer("coordinator");
  if (options_.key) co_await ask_for_place();
  if (!options_.key) listener_ = transport_->listen(own_address(address, options_.peer));
}

std::shared_ptr<net::Listener> Worker::listen_in_range() {
  for (net::Address own = options_.own;; ++own.port) {
    try {
      return transport_->listen(own);
    } catch (const NetError& error) {
      if (own.port >= options_.last_port)
        throw ConfigError(std::string("[worker] no port to listen at: ") + error.what());
    }
  }
}

// Says what lies on this node. Reads the manifest and the sizes of the files only.
net::Awaitable<void> Worker::ask_for_place() {
  message::Offer offer;
  if (const auto place = read_node_place(options_.node_folder)) {
    offer.run = place->run;
    offer.place = place->worker;
  }
  if (!options_.data_folder.empty()) {
    offer.has_partitions = true;
    const data::Dataset dataset = data::Dataset::open(options_.data_folder, data::Files::present);
    for (std::uint32_t q = 0; q < dataset.partition_count(); ++q) {
      if (!dataset.has_partition(PartitionId(q))) continue;
      offer.partitions.push_back({PartitionId(q), dataset.manifest().partitions[q].digest});
    }
    if (offer.partitions.size() > message::kMostOffered) {
      throw ConfigError("[worker] --data: expected at most " + std::to_string(message::kMostOffered) +
                        " partitions on one node, got " + std::to_string(offer.partitions.size()));
    }
    offer.prefers = handed_out_for(options_.data_folder);
  }
  co_await send(coordinator_, offer);
}

// Connects to a host and proves on both sides that they belong to the run.
net::Awaitable<Worker::Connection> Worker::call(net::Address address, HostRole role, bool relays) {
  const net::Deadline deadline = net::deadline_in(kPatience);
  const bool joins = options_.key && role == HostRole::Coordinator && !relays;
  const message::Hello hello{options_.peer, std::string(kernels::isa()), std::string(library_id()), {}, joins, relays};
  for (int tries = 1;; ++tries) {
    const Connection host = co_await transport_->connect(address, net::deadline_in(kConnectPatience));
    std::exception_ptr trouble;
    try {
      co_await introduce_self(host, role, options_.token, hello, deadline);
    } catch (const RefusedError&) {
      throw;
    } catch (const NetError&) {
      trouble = std::current_exception();
    }
    if (!trouble) co_return host;
    host->close();
    if (tries == kCalls || std::chrono::steady_clock::now() >= deadline) std::rethrow_exception(trouble);
    net::asio::steady_timer pause(io_, kPauseBetweenCalls);
    co_await pause.async_wait(net::asio::use_awaitable);
  }
}

// Returns the coordinator's Welcome and, unless this worker shares the application's memory, the text of the
// experiment.
net::Awaitable<std::pair<message::Welcome, std::string>> Worker::be_welcomed() {
  const auto welcome = co_await receive<message::Welcome>(coordinator_, net::deadline_in(kPatience));
  if (welcome.payload_bytes > kMaxExperimentBytes) {
    throw NetError("[hello] expected an experiment of at most " + std::to_string(kMaxExperimentBytes) + " bytes, got " +
                   std::to_string(welcome.payload_bytes));
  }
  std::string text(welcome.payload_bytes, '\0');
  if (!text.empty()) {
    co_await coordinator_->receive_payload(std::as_writable_bytes(std::span(text)), patience_with_state(text.size()));
  }
  co_return std::pair(welcome, std::move(text));
}

net::Awaitable<void> Worker::offer(std::vector<HeldState> held) {
  net::Address address = listener_->address();
  if (!options_.advertised.empty()) address.host = options_.advertised;
  const message::Ready ready{address.text(), held.size(), device_.to_string(), arithmetic_};
  for (const message::Held& page : message::pages_of(std::move(held))) {
    co_await send(coordinator_, page);
    ++steps_;
  }
  co_await send(coordinator_, ready);
  starts_to({});
  is_ready_ = true;
  say_farewell();
}

// Runs on the disk thread: checking every byte of the partitions may take long.
void Worker::open_data(const message::Welcome& welcome, const std::string& experiment) {
  if (experiment_ == nullptr) {
    received_ = parse_experiment(experiment, "experiment");
    experiment_ = &*received_;
  }
  const std::filesystem::path theirs = welcome.dataset;
  const std::filesystem::path& folder = options_.data_folder.empty() ? theirs : options_.data_folder;
  dataset_ = data::Dataset::open(folder, data::Files::present);
  if (options_.key && dataset_->digest() != welcome.data) {
    throw DataError("[data] expected the data set of the run, with the digest " + welcome.data.hex() + ", got " +
                    dataset_->digest().hex() + " in " + folder.string());
  }
  itinerary_ = make_itinerary(*experiment_, dataset_->partition_count());
  passes_of_an_epoch_ = passes_of_an_epoch(*experiment_);
  for (std::uint32_t q = 0; q < itinerary_.partitions; ++q) {
    const PartitionId id(q);
    if (!itinerary_.holds(options_.peer.worker, id)) continue;
    partitions_.emplace(id, dataset_->partition(id));  // checks every byte, and may take long
    ++steps_;
  }
  begin_distant_rows();
  if (dataset_->has_validation()) validation_ = dataset_->validation();
  ++steps_;
  const std::vector<std::string> words = device_words(options_.devices, experiment_->run.device, welcome.workers);
  device_ = resolve_device(words.at(options_.peer.worker.index()), options_.peer.worker);
  arithmetic_ = arithmetic_of(device_);
  blocks_ = nn::StatePool::make_shared(device_, 8, options_.fresh_block);
  store_ = std::make_unique<StateStore>(
      options_.node_folder / "states", experiment_->run.durable, blocks_,
      [this](const std::string& line) { tell_later(message::Notice{line}); }, options_.remove);
  pool_ = std::make_unique<TrainerPool>(*experiment_, *dataset_, device_, rows_on_device(workers_on(device_, words)));
}

// A device holds all rows or none, so that recorded steps do not depend on single partitions. Runs on the disk thread.
std::shared_ptr<const data::DeviceRows> Worker::rows_on_device(std::uint32_t workers) const {
  if (device_.is_cpu() || task_data_of(*experiment_)) return nullptr;
  std::vector<data::Partition> all;
  for (const auto& [id, partition] : partitions_) all.push_back(partition);
  if (validation_) all.push_back(*validation_);
  return data::DeviceRows::if_they_fit(all, device_, workers);
}

net::Awaitable<void> Worker::obey() {
  const auto [welcome, experiment] = co_await be_welcomed();
  if (options_.key) options_.peer = welcome.peer;
  run_ = welcome.run;
  spawn(beat());  // checking the partitions may take longer than the coordinator tolerates silence
  starts_to("opens the data set " + welcome.dataset);
  co_await on_disk(disk_, [this, &welcome = welcome, &experiment = experiment] {
    open_data(welcome, experiment);
    if (options_.key) write_node_place(options_.node_folder, {welcome.run, welcome.peer.worker});
  });
  starts_to("reads the states in " + (options_.node_folder / "states").string());
  std::vector<HeldState> held = co_await on_disk(disk_, [this] { return store_->scan(&steps_); });
  compute_thread_ = std::thread([this] { compute(); });
  door_ = std::make_unique<net::Door>(io_.get_executor(), listener_,
                                      [this](const std::string& line) { tell_later(message::Notice{line}); });
  spawn(accept_peers());
  step(worker::event::Opened{std::move(held)});
  while (true) {
    auto order = co_await receive<message::ToWorker>(coordinator_);
    if (std::holds_alternative<message::Shutdown>(order)) break;
    hear(std::move(order));
  }
  if (options_.memory == nullptr && options_.tells_usage) {  // with a memory network the process is the application's
    const ProcessUsage usage = usage_of_process();
    co_await send(coordinator_, message::Usage{usage.cpu_seconds, usage.peak_bytes});
  }
  const message::Heartbeat last = heartbeat();
  co_await send(coordinator_, last);
}

void Worker::hear(message::ToWorker order) {
  namespace event = worker::event;
  const Handlers handlers{
      [this](message::LeaseOrder& m) { take_order(std::move(m)); },
      [this](const message::Cancel& m) {
        step(event::Cancelled{m.attempt, m.abandon});
      },
      [this](const message::SourceGone& m) { spawn(watch_fetch(m.attempt)); },
      [this](const message::Answer& m) {
        step(event::Answered{m.model, m.unit, m.attempt, m.verdict});
      },
      [this](const message::Release& m) {
        step(event::Released{{m.model, m.version, m.attempt}});
      },
      [this](const message::Collect& m) {
        spawn(give(coordinator_, {m.model, m.version}, m.whole, m.ticket));
      },
      [this](const message::CopyOrder& m) {
        step(event::CopyOrdered{m.copy, m.source_address});
      },
      [this](message::Located& m) { hear_place(std::move(m)); },
      [](const message::Shutdown&) {},  // obey() ends
  };
  std::visit(handlers, order);
}

void Worker::take_order(message::LeaseOrder order) {
  auto cargo = std::make_shared<Cargo>();
  for (const message::Member& member : order.members) order.lease.members.push_back(member.worker);
  cargo->lease = order.lease;
  cargo->lease.source = order.source;
  cargo->config = std::move(order.config);
  if (order.lease.has_group()) form_group(*cargo, order.members);
  {
    const std::scoped_lock lock(mutex_);
    arriving_ = std::move(cargo);
  }
  step(worker::event::Leased{order.lease, order.source_address.value_or("")});
  const std::scoped_lock lock(mutex_);
  arriving_.reset();  // the machine may know the attempt already, and ignores it then
}

void Worker::starts_to(std::string what) {
  const std::scoped_lock lock(mutex_);
  starting_ = std::move(what);
  ++steps_;
}

message::Heartbeat Worker::heartbeat() {
  message::Heartbeat beat;
  beat.control_bytes = peer_control_bytes_;
  beat.gives = giving_ > 0;
  beat.progress = steps_ + rows_done_;
  for (const std::weak_ptr<net::Connection>& peer : peers_) {
    if (const Connection open = peer.lock()) beat.progress += open->arrived();
  }
  const std::scoped_lock lock(mutex_);
  beat.doing = starting_.empty() ? worker::doing(jobs_) : starting_;
  if (const worker::Job* job = jobs_.training()) {
    const Lease& lease = job->lease;
    beat.busy = true;
    beat.model = lease.model;
    beat.unit = lease.unit;
    beat.partition = lease.partition;
    beat.rows_done = rows_done_.load(std::memory_order_relaxed);
    for (const PartitionId id : itinerary_.passes(lease.partition)) {  // of a group, the own ones
      const bool is_own = !lease.has_group() || partitions_.contains(id);
      if (is_own) beat.rows += static_cast<std::uint64_t>(dataset_->manifest().partitions[id.index()].rows);
    }
    beat.rows *= passes_of_an_epoch_;
    tell_of_rows(beat);
    const std::shared_ptr<GroupLinks> group = cargo_of(lease.attempt)->group;
    const std::string waits = group ? group->waits() : "";
    if (!waits.empty()) {  // whoever is waited for stands still, not this worker
      beat.doing += "; it " + waits;
      ++waiting_beats_;
    }
  }
  beat.progress += waiting_beats_;
  return beat;
}

net::Awaitable<void> Worker::beat() {
  while (true) {
    co_await beat_once();
    heartbeat_timer_.expires_after(kBeat);
    co_await heartbeat_timer_.async_wait(net::asio::use_awaitable);
  }
}

// Any thread may call it; it does not wait. So the coordinator usually knows which unit ended this process, unless the
// unit ended it at once and was faster than the message.
void Worker::beat_at_once() {
  net::asio::post(io_, [this] { spawn(beat_once()); });
}

// The message has a name here, as in this whole file: g++ 12 destroys a temporary of aggregate type inside a co_await
// expression twice.
net::Awaitable<void> Worker::beat_once() {
  if (waits_for_others_) ++steps_;
  const message::Heartbeat now = heartbeat();
  co_await send(coordinator_, now);
}

// Runs a coroutine on the network thread. An error that ends it ends the worker; errors of peers are caught earlier.
void Worker::spawn(net::Awaitable<void> coroutine) {
  net::asio::co_spawn(io_, std::move(coroutine), [this](std::exception_ptr error) {
    if (!error) return;
    if (!error_) error_ = error;
    io_.stop();
  });
}

}  // namespace hop::hopper
