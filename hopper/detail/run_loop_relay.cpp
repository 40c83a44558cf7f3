// What a worker gets of another one through the coordinator: its address, if it wants rows; and states, if the two
// cannot reach each other. Then the reader asks the coordinator on a connection of its own, the coordinator asks the
// source for the state on the connection that the source has opened, and passes it on. All functions run on the loop's
// thread.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

#include "base/error.h"
#include "hopper/detail/patience.h"
#include "hopper/detail/run_loop.h"
#include "hopper/detail/unclear_buffer.h"

namespace hop::hopper {

using namespace std::chrono_literals;

namespace {

constexpr auto kFirstPatience = 60s;  // later requests may wait for long transfers
constexpr int kTriesBeforeRelay = 2;
constexpr std::uint64_t kMostHeaderBytes = std::uint64_t{64} << 20;

// A reader that is gone asks again.
net::Awaitable<void> send_on(std::shared_ptr<net::Connection> to, message::State state,
                             std::shared_ptr<const AlignedBuffer> bytes) {
  state.ticket = 0;
  try {
    co_await send(to, state, bytes->span(), patience_with_state(bytes->size()));
  } catch (const NetError&) {
    to->close();
  }
}

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

void RunLoop::end_relays(WorkerId source) {
  std::erase_if(relays_, [&](const auto& entry) {
    if (entry.second.source != source) return false;
    entry.second.to->close();
    return true;
  });
}

// The watch looks after a source that owes a state. Its reader hears nothing meanwhile, and does not stand still.
bool RunLoop::relays_from(WorkerId source) const {
  return std::ranges::any_of(relays_, [&](const auto& entry) { return entry.second.source == source; });
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
    relays_[ticket] = {fetch.from, reader, worker, fetch.whole};
    tell(source.peer, message::Collect{fetch.model, fetch.version, ticket, fetch.whole});
  }
}

// The answer to a Collect for another worker. The bytes are taken even if nobody waits for them any more.
net::Awaitable<void> RunLoop::pass_on(Peer peer, Connection connection, message::State state) {
  const auto relay = relays_.find(state.ticket);
  const bool is_header = relay != relays_.end() && relay->second.has_header && state.found;
  if (state.model.index() >= coordinator_.ledger().models().size()) throw NetError("[relay] no such model");
  const std::uint64_t most =
      std::max(kMostHeaderBytes, coordinator_.ledger().model(state.model).state_bytes);  // a header, or the state
  if (state.payload_bytes > most) {
    throw NetError("[relay] expected at most " + std::to_string(most) + " bytes, got " +
                   std::to_string(state.payload_bytes));
  }
  auto bytes = std::make_shared<AlignedBuffer>();
  if (state.payload_bytes > 0) {
    *bytes = unclear_buffer(state.payload_bytes);
    if (Node* node = find(peer)) node->lives.sends_state(true);
    co_await connection->receive_payload(bytes->span(), patience_with_state(bytes->size()));
    if (Node* node = find(peer)) node->lives.sends_state(false);
  }
  note_work(peer);
  const auto still = relays_.find(state.ticket);
  if (still == relays_.end()) co_return;
  if (still->second.source != peer.worker) throw NetError("[relay] a state that nobody asked for");
  relay_bytes_ += bytes->size();
  const Connection to = still->second.to;
  if (is_header) {
    still->second.has_header = false;
  } else {
    relays_.erase(still);
  }
  net::asio::co_spawn(io_, send_on(to, std::move(state), std::move(bytes)), net::asio::detached);
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
