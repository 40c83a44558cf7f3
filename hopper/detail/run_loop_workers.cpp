// The conversations between the coordinator and its workers. All functions run on the loop's thread.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "hopper/detail/handshake.h"
#include "hopper/detail/library_id.h"
#include "hopper/detail/patience.h"
#include "hopper/detail/run_loop.h"
#include "kernels/threads.h"

namespace hop::hopper {

using namespace std::chrono_literals;

namespace {

constexpr auto kHelloPatience = 10s;
constexpr std::size_t kMaxHeldStates = 8 * kMostModels;  // of one worker: states of every model, and older ones

// Where others reach a worker that listens at `address`. If it listens at all its interfaces, the one through which it
// called is known to lead there.
std::string reachable(const std::string& address, const std::string& origin) {
  try {
    net::Address reached = net::Address::parse(address);
    reached.require(net::Address::Scheme::kTls);
    if (reached.host == "0.0.0.0" || reached.host == "::") reached.host = origin.empty() ? "127.0.0.1" : origin;
    return reached.text();
  } catch (const ConfigError& error) {
    throw NetError("[ready] expected the address of a worker: " + std::string(error.what()));
  }
}

[[noreturn]] void fail_as(const message::Fatal& fatal) {
  if (fatal.kind == message::FatalKind::Config) throw ConfigError(fatal.text);
  if (fatal.kind == message::FatalKind::Data) throw DataError(fatal.text);
  throw RunError(fatal.text);
}

}  // namespace

net::Awaitable<void> RunLoop::accept_workers() {
  while (true) {
    try {
      net::Door::Visitor visitor = co_await door_->next();
      spawn(serve(std::move(visitor)));
    } catch (const NetError&) {
      co_return;  // closed at the end of the run
    }
  }
}

// The reason why a caller that belongs to the run cannot serve it; empty if it can.
std::string RunLoop::check_hello(const message::Hello& hello) {
  const bool is_awaited = options_.hosting == Hosting::Remote;
  const std::string name = is_awaited ? "one" : "worker " + std::to_string(hello.peer.worker.value);
  const bool is_place_free = find(hello.peer) != nullptr && !find(hello.peer)->connection;
  if (hello.joins != is_awaited || (!is_awaited && !is_place_free)) {
    return "[hello] expected a worker that " + std::string(is_awaited ? "joins" : "this run has started") + ", got " +
           name + " in its life " + std::to_string(hello.peer.incarnation.value);
  }
  if (hello.library != library_id()) {
    return "[hello] expected a worker with the library " + std::string(library_id()) + ", got " + name + " with " +
           hello.library + ": bits could differ";
  }
  return {};
}

// What a worker of another machine is told whose instruction set is not that of the run; no reason if it is, or if the
// run begins with it.
message::Refused RunLoop::check_isa(const std::string& isa) {
  const std::string got = ", got one with " + isa + ": bits would differ";
  switch (isa_.meet(isa)) {
    case IsaAgreement::Answer::Fits:
      return {};
    case IsaAgreement::Answer::MustLower:
      return {"[hello] expected a worker that uses " + isa_.isa() + ", as all of the run do" + got, true, isa_.isa()};
    case IsaAgreement::Answer::TooLow:
      return {"[hello] expected a worker that can use " + isa_.isa() + ", with which the run has trained" + got};
    case IsaAgreement::Answer::LowersAll:
      break;
  }
  notice("the run computes with " + isa_.isa() + ", because a worker has no more");
  early_.clear();
  for (Node& node : nodes_) {
    if (!node.connection) continue;
    node.arithmetic.clear();  // of a life that ends now: nobody must compute like it
    const std::string reason = "[hello] expected a worker that uses " + isa_.isa() + ", the most that all workers have";
    net::asio::co_spawn(io_, refuse(node.connection, reason, true, isa_.isa()), net::asio::detached);
  }
  return {};
}

net::Awaitable<RunLoop::Guest> RunLoop::greet(net::Door::Visitor& visitor) {
  const Connection connection = visitor.connection;
  const auto on_word = [&visitor] { visitor.place.spoke(); };
  const message::Hello hello =
      co_await examine(connection, HostRole::Coordinator, token_, net::deadline_in(kHelloPatience), on_word);
  visitor.place.leave();
  if (hello.relays) co_return Guest{hello.peer, true};
  if (const std::string reason = check_hello(hello); !reason.empty()) {
    co_await refuse(connection, reason);
    const Node* expected = find(hello.peer);
    if (expected != nullptr && !expected->connection) worker_lost(hello.peer, reason, Loss::Crash);
    throw NetError(reason);
  }
  Peer peer = hello.peer;
  if (hello.joins) {
    peer = co_await admit(connection);
    const message::Refused other = check_isa(hello.isa);  // of those that fit, not of whoever comes
    if (!other.reason.empty()) {
      members_.leave(peer.worker);
      co_await refuse(connection, other.reason, other.may_ask_again, other.isa.value_or(""));
      throw NetError(other.reason);
    }
  }
  if (!hello.joins && hello.isa != kernels::isa()) {
    throw ConfigError("[run] worker " + std::to_string(peer.worker.value) + " runs " + hello.isa +
                      " kernels, the coordinator " + std::string(kernels::isa()) + ": bits would differ");
  }
  co_await welcome(connection, peer);
  co_return Guest{peer, false};
}

// From here on the worker is the run's.
net::Awaitable<void> RunLoop::welcome(Connection connection, Peer peer) {
  connection->name_peer("worker " + std::to_string(peer.worker.value));
  Node* node = find(peer);
  node->connection = connection;
  node->lives.greeted(std::chrono::steady_clock::now());
  const message::Welcome words{data_folder_, experiment_.run.workers, peer, journal_.header().run_id,
                               dataset_.digest()};
  const std::string text = experiment_.model.builder ? std::string() : to_toml(experiment_);
  co_await send(connection, words, as_bytes(text));
  if (outcome_) tell(peer, message::Shutdown{});  // it came after the end of the run
}

// Gives a worker that joins its place, or sends it home.
net::Awaitable<Peer> RunLoop::admit(Connection connection) {
  auto offer = co_await receive<message::Offer>(connection, net::deadline_in(kHelloPatience));
  MemberOffer brings{{}, offer.place, offer.prefers};
  if (offer.has_partitions) brings.partitions = std::move(offer.partitions);
  const bool is_of_this_run = offer.run.empty() || offer.run == journal_.header().run_id;
  Admission admission = Unfit{"the run is over"};
  if (!outcome_ && !is_of_this_run) {
    admission = Unfit{"expected a node with the states of this run or none, got one with those of " + offer.run +
                      "; choose another --node"};
  } else if (!outcome_) {
    admission = members_.admit(brings);
  }
  if (const auto* admitted = std::get_if<Admitted>(&admission)) co_return nodes_[admitted->place.index()].peer;
  const auto* occupied = std::get_if<Occupied>(&admission);
  const std::string reason = "[join] " + (occupied != nullptr ? occupied->why : std::get<Unfit>(admission).why);
  co_await refuse(connection, reason, occupied != nullptr);
  throw NetError(reason);
}

net::Awaitable<void> RunLoop::serve(net::Door::Visitor visitor) {
  const Connection connection = visitor.connection;
  std::optional<Guest> guest;
  try {
    guest = co_await greet(visitor);
    if (guest->relays) co_await serve_relay(connection, guest->peer.worker);
    while (true) {
      auto said = co_await receive<message::ToCoordinator>(connection);
      co_await hear(guest->peer, connection, std::move(said));
    }
  } catch (const NetError& error) {
    if (guest && !guest->relays) {
      worker_lost(guest->peer, error.what(), Loss::Crash);
    } else {
      connection->close();  // of a guest that relays: it has what it wanted, or is gone
      forget_relays(connection);
      const std::string line = guest ? "" : refused_.line(std::string("a visitor was refused: ") + error.what());
      if (!line.empty() && !outcome_) notice(line);
    }
  }
}

net::Awaitable<void> RunLoop::hear(Peer peer, Connection connection, message::ToCoordinator said) {
  if (const auto* state = std::get_if<message::State>(&said)) co_await receive_state(peer, connection, *state);
  if (const auto* ready = std::get_if<message::Ready>(&said); ready != nullptr && options_.hosting == Hosting::Remote) {
    if (const std::string reason = objection(*ready, *connection); !reason.empty()) {
      co_await refuse(connection, reason);
      throw NetError(reason);
    }
  }
  const Handlers handlers{
      [&](message::Heartbeat& m) { note_beat(peer, std::move(m)); },
      [&](message::Held& m) { note_page(peer, std::move(m)); },
      [&](message::Ready& m) { note_ready(peer, std::move(m)); },
      [&](const message::Notice& m) { notice(m.text); },
      [&](message::Result& m) {
        note_work(peer);
        patience_.unit_took(m.metrics.seconds, m.metrics.state_bytes);
        note_reached(peer, m.attempt);
        step(event::Result{peer, m.model, m.unit, m.attempt, m.digest, std::move(m.metrics)});
      },
      [&](message::Failed& m) {
        note_work(peer);
        note_unreachable(peer, m);
        note_retry(peer, m);
        step(event::UnitFailed{peer, m.model, m.unit, m.attempt, m.failure, std::move(m.text)});
      },
      [&](const message::Fatal& m) {
        if (options_.hosting == Hosting::Remote) throw NetError("it cannot serve: " + m.text);  // another may
        fail_as(m);
      },
      [&](const message::Usage& m) {
        log("worker " + std::to_string(peer.worker.value) + " used " + shortest(std::round(m.cpu_seconds * 10) / 10) +
            " s of its processors and at most " + std::to_string(m.peak_bytes >> 20) + " MB of memory");
      },
      [&](const message::Copied& m) {
        note_work(peer);
        copy_bytes_ += m.bytes;
        step(event::Copied{peer, m.model, m.attempt});
      },
      [&](message::NotCopied& m) {
        note_work(peer);
        step(event::CopyFailed{peer, m.model, m.attempt, std::move(m.text)});
      },
      [&](const message::Confirmed& m) {
        note_work(peer);
        note_reached(peer, m.attempt);
        step(event::Confirmed{peer, m.model, m.attempt});
      },
      [&](const message::Locate& m) { locate(peer, m.worker); },
      [&](const message::Leave&) {
        notice("worker " + std::to_string(peer.worker.value) +
               " was asked to end: it takes no more units, and its states go to the other workers");
        const bool is_early = early_.contains(peer.worker);  // the run has not begun
        if (Node* node = find(peer)) node->leaves = true, node->is_sent_home = is_early;
        if (is_early) tell(peer, message::Shutdown{});
        step(event::WorkerLeaves{peer});
      },
      [](const message::State&) {},  // its payload is received
  };
  std::visit(handlers, said);
}

// A beat, or Ready, may be on its way to this function while the watch gives the worker up. It must not make that life
// look alive: its end would be told as a broken connection.
void RunLoop::note_beat(Peer peer, message::Heartbeat beat) {
  Node* node = find(peer);
  if (node == nullptr || node->lives.is_gone()) return;
  node->last = std::move(beat);
  node->lives.beat(node->last.progress, node->last.busy, std::chrono::steady_clock::now());
  changed_ = true;
}

// The reason why a worker of another machine that is ready cannot train in this run; empty if it can.
std::string RunLoop::objection(const message::Ready& ready, const net::Connection& connection) const {
  for (const Node& node : nodes_) {
    if (!node.connection || node.arithmetic.empty() || node.arithmetic == ready.arithmetic) continue;
    return "[ready] expected a worker that computes with " + node.arithmetic + ", as worker " +
           std::to_string(node.peer.worker.value) + " does, got one with " + ready.arithmetic + ": bits would differ";
  }
  const bool is_beside_us = connection.origin().empty() && ready.address.starts_with("tls:0.0.0.0:");
  const std::string here = listener_->address().host;
  if (!is_beside_us || here.starts_with("127.") || here == "localhost" || here == "::1") return {};
  return "[ready] a worker that calls from the run's own machine is at 127.0.0.1, where no other machine finds it: say "
         "--advertise HOST, or connect to this machine's address in the network";
}

void RunLoop::note_page(Peer peer, message::Held page) {
  Node* node = find(peer);
  if (node == nullptr) return;
  if (node->lives.was_ready() || node->held.size() + page.states.size() > kMaxHeldStates) {
    throw NetError("[held] expected at most " + std::to_string(kMaxHeldStates) + " states, before Ready");
  }
  std::ranges::move(page.states, std::back_inserter(node->held));
  node->lives.moved(std::chrono::steady_clock::now());
}

void RunLoop::note_ready(Peer peer, message::Ready ready) {
  Node* node = find(peer);
  if (node == nullptr || node->lives.is_gone()) return;
  if (ready.held != node->held.size()) {
    throw NetError("[held] expected " + std::to_string(ready.held) + " states, got " +
                   std::to_string(node->held.size()));
  }
  node->address = options_.hosting == Hosting::Remote ? reachable(ready.address, node->connection->origin())
                                                      : std::move(ready.address);
  forget_paths(peer.worker);
  node->device = std::move(ready.device);
  node->arithmetic = ready.arithmetic;
  node->lives.ready(std::chrono::steady_clock::now());
  if (node->lives.is_awaited()) {
    notice("worker " + std::to_string(peer.worker.value) + " has joined: " + node->address + ", " + node->device +
           (node->held.empty() ? "" : ", " + std::to_string(node->held.size()) + " states"));
  }
  join_run(peer, {peer, std::exchange(node->held, {}), std::move(ready.arithmetic)});
}

// Workers of other machines begin together, because the last one may have the lowest instruction set.
void RunLoop::join_run(Peer peer, event::WorkerUp up) {
  if (options_.hosting != Hosting::Remote || isa_.is_settled()) return step(std::move(up));
  early_[peer.worker] = std::move(up);
  std::erase_if(early_, [this](const auto& entry) { return find(entry.second.peer) == nullptr; });
  if (early_.size() < nodes_.size()) return;
  isa_.settle();
  for (auto& [worker, ready] : std::exchange(early_, {})) step(std::move(ready));
}

// Notes that this life of the worker did some work.
void RunLoop::note_work(Peer peer) {
  if (Node* node = find(peer)) node->lives.worked(std::chrono::steady_clock::now());
}

net::Awaitable<void> RunLoop::receive_state(Peer peer, Connection connection, message::State state) {
  if (state.ticket != 0) {
    co_await pass_on(peer, connection, std::move(state));
    co_return;
  }
  const std::uint64_t bytes = state.payload_bytes;
  if (state.model.index() >= coordinator_.ledger().models().size()) throw NetError("[collect] no such model");
  const Model& model = coordinator_.ledger().model(state.model);
  const Digest digest = model.digest;  // the model may change while the bytes arrive
  const auto asked = collecting_.find(state.model);
  if (asked == collecting_.end() || asked->second.peer != peer)
    throw NetError("[collect] a state that nobody asked for");
  if (!state.found) {
    collecting_.erase(state.model);
    const Failure failure = state.unreadable ? Failure::StateDamaged
                            : state.released ? Failure::SourceUnreachable
                                             : Failure::StateLost;
    step(event::CollectFailed{peer, state.model, state.text, failure});
    co_return;
  }
  if (bytes != model.state_bytes) {
    throw NetError("[collect] expected " + std::to_string(model.state_bytes) + " bytes, got " + std::to_string(bytes));
  }
  if (Node* node = find(peer)) node->lives.sends_state(true);
  const std::shared_ptr<AlignedBuffer> block = co_await receive_block(connection, bytes);
  if (Node* node = find(peer)) node->lives.sends_state(false);
  note_work(peer);
  const auto still = collecting_.find(state.model);
  if (still == collecting_.end() || still->second.peer != peer) co_return;
  const StateFile file = still->second.file;
  collecting_.erase(still);
  if (!block) co_return note_no_room(peer, state.model, bytes);
  save_collected(peer, state.model, file, block, digest);
}

}  // namespace hop::hopper
