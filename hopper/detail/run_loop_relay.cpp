// What a worker gets of another one through the coordinator: its address, if it wants rows; and states, if the two
// cannot reach each other. Then the reader asks the coordinator on a connection of its own, the coordinator asks the
// source for the state on the connection that the source has opened, and passes it on. All functions run on the loop's
// thread.
#include <algorithm>
#include <new>
#include <utility>

#include "base/error.h"
#include "hopper/detail/patience.h"
#include "hopper/detail/run_loop.h"

namespace hop::hopper {

using namespace std::chrono_literals;

namespace {

constexpr auto kFirstPatience = 60s;  // later requests may wait for long transfers
constexpr int kTriesBeforeRelay = 2;
constexpr std::uint64_t kMostHeaderBytes = std::uint64_t{64} << 20;

std::string in_mb(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MB"; }

}  // namespace

// Where a worker gets a state of another one: from that worker, unless the two are apart.
std::string RunLoop::source_address(WorkerId reader, WorkerId source) const {
  const auto tries = unreached_.find({reader, source});
  const bool is_apart = tries != unreached_.end() && tries->second >= kTriesBeforeRelay;
  return is_apart ? message::kRelay : nodes_.at(source.index()).address;
}

// A fetch failed although the source is here.
void RunLoop::note_unreachable(Peer reader, const message::Failed& failed) {
  if (failed.failure != Failure::SourceUnreachable) return;
  for (const Lease& lease : coordinator_.workers()[reader.worker.index()].leases) {
    if (lease.attempt != failed.attempt || !lease.source) continue;
    if (!nodes_.at(lease.source->index()).connection) return;
    if (++unreached_[{reader.worker, *lease.source}] != kTriesBeforeRelay) return;
    notice("worker " + std::to_string(reader.worker.value) + " cannot reach worker " +
           std::to_string(lease.source->value) + ": states go through the coordinator (" + failed.text + ")");
    return;
  }
}

// Two members that cannot reach each other fail again and again, and so does a worker without memory for a state.
// Nobody else would say why the model stands still.
void RunLoop::note_retry(Peer peer, const message::Failed& failed) {
  if (failed.failure != Failure::MemberLost && failed.failure != Failure::NoRoom) return;
  const auto& leases = coordinator_.workers()[peer.worker.index()].leases;
  const auto lease = std::ranges::find(leases, failed.attempt, &Lease::attempt);
  if (lease == leases.end()) return;  // the group is over
  const bool is_group = failed.failure == Failure::MemberLost && lease->has_group();
  const std::string who = is_group ? "'s group is" : "'s unit at worker " + std::to_string(peer.worker.value) + " is";
  const std::string line =
      retries_.line("model " + std::to_string(failed.model.value) + who + " tried again: " + failed.text);
  if (!line.empty()) notice(line);
}

// A unit is done, so its parent has come. Two workers that are apart stay so: the coordinator has passed it on.
void RunLoop::note_reached(Peer reader, Attempt attempt) {
  if (unreached_.empty()) return;
  for (const Lease& lease : coordinator_.workers()[reader.worker.index()].leases) {
    if (lease.attempt != attempt || !lease.source) continue;
    const auto tries = unreached_.find({reader.worker, *lease.source});
    if (tries != unreached_.end() && tries->second < kTriesBeforeRelay) unreached_.erase(tries);
    return;
  }
}

// A new life has a new address.
void RunLoop::forget_paths(WorkerId worker) {
  std::erase_if(unreached_,
                [&](const auto& pair) { return pair.first.first == worker || pair.first.second == worker; });
}

// Asks the sources for states in the order of the requests, as far as there is room. A state that waits for its turn
// holds up those behind it: otherwise small ones might pass a large one for ever.
void RunLoop::begin_relays() {
  for (auto& [ticket, relay] : relays_) {
    if (relay.room) continue;
    relay.room = relay_room_.take(relay.bytes);
    if (!relay.room) return;
    tell(nodes_[relay.source.index()].peer, relay.order);
  }
}

// The reader has hung up.
void RunLoop::forget_relays(const Connection& reader) {
  std::erase_if(relays_, [&](const auto& entry) { return entry.second.to == reader && !entry.second.room; });
  begin_relays();
}

// The worker is lost: the states that it owes, and those that wait for their turn to go to it.
void RunLoop::end_relays(WorkerId lost) {
  std::erase_if(relays_, [&](const auto& entry) {
    const Relay& relay = entry.second;
    if (relay.source != lost && (relay.reader != lost || relay.room)) return false;
    relay.to->close();
    return true;
  });
  begin_relays();
}

// The watch looks after a source that owes a state. Its reader hears nothing meanwhile, and does not stand still.
bool RunLoop::relays_from(WorkerId source) const {
  return std::ranges::any_of(relays_,
                             [&](const auto& entry) { return entry.second.source == source && entry.second.room; });
}

bool RunLoop::relays_to(WorkerId reader) const {
  return std::ranges::any_of(relays_, [&](const auto& entry) { return entry.second.reader == reader; });
}

// Ends with the connection.
net::Awaitable<void> RunLoop::serve_relay(Connection worker, WorkerId reader) {
  net::Patience patience = net::deadline_in(kFirstPatience);
  while (true) {
    const auto fetch = co_await receive<message::Fetch>(worker, std::exchange(patience, {}));
    const bool is_known = fetch.run == journal_.header().run_id && fetch.from.index() < nodes_.size() &&
                          fetch.model.index() < coordinator_.ledger().models().size();
    if (!is_known) throw NetError("[relay] expected a state of this run, got a request for another one");
    const Node& source = nodes_[fetch.from.index()];
    if (!source.connection) throw NetError("[relay] worker " + std::to_string(fetch.from.value) + " is away");
    const std::uint64_t ticket = ++tickets_;
    relays_[ticket] = {.source = fetch.from,
                       .reader = reader,
                       .to = worker,
                       .order = {fetch.model, fetch.version, ticket, fetch.whole},
                       .bytes = coordinator_.ledger().model(fetch.model).state_bytes,
                       .room = nullptr,
                       .has_header = fetch.whole};
    begin_relays();
  }
}

// For people: that a state for this worker waits for its turn. Empty if none does.
std::string RunLoop::turn_of(const Node& reader) const {
  const auto waits = [&](const auto& entry) { return entry.second.reader == reader.peer.worker && !entry.second.room; };
  if (std::ranges::none_of(relays_, waits)) return {};
  return "; its state waits for its turn to be passed on: the coordinator holds " + in_mb(relay_room_.held()) +
         " of states, and at most " + in_mb(relay_room_.most());
}

// The answer to a Collect for another worker. The bytes are taken even if nobody waits for them any more.
net::Awaitable<void> RunLoop::pass_on(Peer peer, Connection connection, message::State state) {
  if (state.model.index() >= coordinator_.ledger().models().size()) throw NetError("[relay] no such model");
  const std::uint64_t most =
      std::max(kMostHeaderBytes, coordinator_.ledger().model(state.model).state_bytes);  // a header, or the state
  if (state.payload_bytes > most) {
    throw NetError("[relay] expected at most " + std::to_string(most) + " bytes, got " +
                   std::to_string(state.payload_bytes));
  }
  const auto relay = relays_.find(state.ticket);
  const bool is_awaited = relay != relays_.end();
  if (is_awaited && relay->second.source != peer.worker) throw NetError("[relay] a state that nobody asked for");
  const bool is_header = is_awaited && relay->second.has_header && state.found;
  RelayRoom::Place room = is_awaited ? relay->second.room : nullptr;  // also if the relay ends meanwhile
  std::shared_ptr<AlignedBuffer> bytes;
  if (Node* node = find(peer)) node->lives.sends_state(true);
  if (is_awaited) {
    bytes = co_await receive_block(connection, state.payload_bytes);
  } else if (state.payload_bytes > 0) {
    co_await connection->skip_payload(patience_with_state(state.payload_bytes));
  }
  if (Node* node = find(peer)) node->lives.sends_state(false);
  note_work(peer);
  const auto still = relays_.find(state.ticket);
  if (still == relays_.end()) {  // nobody waits for it any more
    bytes.reset();
    room.reset();
    begin_relays();
    co_return;
  }
  if (!bytes) {
    state = {
        .model = state.model,
        .text = "the coordinator has no memory to pass a state of " + std::to_string(state.payload_bytes) + " bytes on",
        .no_room = true};
    bytes = std::make_shared<AlignedBuffer>();
  }
  relay_bytes_ += bytes->size();
  const Connection to = still->second.to;
  if (is_header && state.found) {
    still->second.has_header = false;
  } else {
    relays_.erase(still);
  }
  spawn(send_on(to, std::move(state), std::move(bytes), std::move(room)));
}

// The payload of a state; null if there is no memory for it.
net::Awaitable<std::shared_ptr<AlignedBuffer>> RunLoop::receive_block(Connection connection, std::uint64_t size) {
  auto bytes = std::make_shared<AlignedBuffer>();
  if (size == 0) co_return bytes;
  try {
    *bytes = doors_.relays.fresh(size);
  } catch (const std::bad_alloc&) {
    bytes.reset();
  }
  if (bytes) {
    co_await connection->receive_payload(bytes->span(), patience_with_state(size));
  } else {
    co_await connection->skip_payload(patience_with_state(size));
  }
  co_return bytes;
}

// For a final state, which is asked for again.
void RunLoop::note_no_room(Peer peer, ModelId model, std::uint64_t bytes) {
  const std::string why = "the coordinator has no memory for a state of " + std::to_string(bytes) + " bytes";
  const std::string line =
      retries_.line("model " + std::to_string(model.value) + ": its state is asked for again: " + why);
  if (!line.empty()) notice(line);
  step(event::CollectFailed{peer, model, why});
}

// A reader that is gone asks again.
net::Awaitable<void> RunLoop::send_on(Connection to, message::State state, std::shared_ptr<const AlignedBuffer> bytes,
                                      RelayRoom::Place room) {
  state.ticket = 0;
  try {
    co_await send(to, state, bytes->span(), patience_with_state(bytes->size()));
  } catch (const NetError&) {
    to->close();
  }
  bytes.reset();
  room.reset();
  begin_relays();
}

// ---- addresses

void RunLoop::locate(Peer asker, WorkerId worker) {
  if (worker.index() >= nodes_.size()) {
    throw NetError("[locate] expected one of " + std::to_string(nodes_.size()) + " workers, got worker " +
                   std::to_string(worker.value));
  }
  const Node& node = nodes_[worker.index()];
  const bool is_here = node.connection && node.lives.was_ready();
  tell(asker, message::Located{worker, is_here ? node.address : ""});
}

}  // namespace hop::hopper
