// States between workers: a worker fetches a parent state from the worker that holds it, straight into the block that
// will be trained on. All functions run on the network thread.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "hopper/detail/failure.h"
#include "hopper/detail/on_disk.h"
#include "hopper/detail/patience.h"
#include "hopper/detail/worker.h"

namespace hop::hopper {

using namespace std::chrono_literals;

namespace {

constexpr auto kHelloPatience = 10s;
constexpr auto kIdlePatience = 60s;
constexpr auto kLook = 500ms;    // between two looks at a fetch whose source is gone
constexpr int kSilentLooks = 5;  // before it is given up: 2.5 s, as for any sign of life
// Without an answer of the source's machine. A source whose disk or process is slow gets longer: its machine answers.
constexpr auto kLostPath = 5s;

}  // namespace

// Connects to the worker at `address`, or to the coordinator, which passes on the states of a worker out of reach.
net::Awaitable<Worker::Connection> Worker::call_peer(const std::string& address) {
  const bool relays = address == message::kRelay;
  const net::Address at = net::Address::parse(relays ? options_.coordinator : address);
  const HostRole role = relays ? HostRole::Coordinator : HostRole::Worker;
  const Connection peer = co_await call(at, role, relays);
  remember(peer);
  co_return peer;
}

// For the state of this lease or copy, which may be given up meanwhile.
net::Awaitable<Worker::Connection> Worker::call_source(Attempt attempt, const std::string& address) {
  const Connection peer = co_await call_peer(address);
  peer->notice_lost_path(kLostPath);
  std::erase_if(fetches_, [](const auto& fetch) { return fetch.second.expired(); });
  fetches_[attempt] = peer;
  if (!is_wanted(attempt)) {
    peer->close();
    throw NetError("[fetch] " + address + ": given up");
  }
  co_return peer;
}

// The coordinator has lost the source. Bytes may still come: those that the coordinator relays, or those of a source
// that only the coordinator does not reach. So the state is given up when none comes. Looks are counted, not time: if
// this process stood still itself, its next look finds bytes that came meanwhile.
net::Awaitable<void> Worker::watch_fetch(Attempt attempt) {
  net::asio::steady_timer timer(io_);
  for (int silent_looks = 0; silent_looks < kSilentLooks;) {
    const std::optional<std::uint64_t> before = fetched_bytes(attempt);
    if (!before) break;
    timer.expires_after(kLook);
    co_await timer.async_wait(net::asio::use_awaitable);
    silent_looks = fetched_bytes(attempt) == before ? silent_looks + 1 : 0;
  }
  if (!whole_.contains(attempt)) step(worker::event::SourceGone{attempt});
}

// The bytes that have arrived on the connection to the source of this lease or copy; none if there is no connection, or
// no longer.
std::optional<std::uint64_t> Worker::fetched_bytes(Attempt attempt) const {
  const auto fetch = fetches_.find(attempt);
  const Connection from = fetch == fetches_.end() ? nullptr : fetch->second.lock();
  return from && from->is_open() ? std::optional(from->arrived()) : std::nullopt;
}

// False for a lease or a copy that was given up.
bool Worker::is_wanted(Attempt attempt) const {
  const std::scoped_lock lock(mutex_);
  return jobs_.find(attempt) != nullptr ||
         std::ranges::any_of(jobs_.copies(), [&](const worker::CopyJob& job) { return job.copy.attempt == attempt; });
}

// A state that was given up must not go on taking memory and bandwidth: its coroutine ends with the connection.
void Worker::end_fetch(Attempt attempt) {
  const auto fetch = fetches_.extract(attempt);
  if (const Connection from = fetch ? fetch.mapped().lock() : nullptr) from->close();
}

// The coordinator sends nothing before it has a whole state from the source. It ends the connection if it loses the
// source, so no other limit is necessary there.
net::Patience Worker::patience_with_answer(const std::string& address) {
  return address == message::kRelay ? net::Patience() : net::Patience(net::deadline_in(30s));
}

// Clearing a block of a gigabyte takes longer than a worker may be silent, so the disk thread does it. The lease or
// copy may be given up meanwhile: then others need the block.
net::Awaitable<nn::StateBytes> Worker::room_for(Attempt attempt, std::uint64_t bytes) {
  nn::StateBytes block = blocks_->find(bytes);
  if (block == nullptr) block = co_await on_disk(disk_, [this, bytes] { return room_for_state(*blocks_, bytes); });
  if (!is_wanted(attempt)) throw NetError("[fetch] given up before its source was called");
  co_return block;
}

// The disk thread computes the digest of a large state, too. Meanwhile the state is whole, so the loss of its source
// does not matter.
net::Awaitable<Digest> Worker::digest_of(Attempt attempt, nn::StateBytes bytes) {
  const auto digest = [bytes] { return xxh3_128(std::as_const(*bytes).span()); };
  if (bytes->size() <= options_.small_state_bytes) co_return digest();
  whole_.insert(attempt);
  struct Forget {
    std::set<Attempt>& whole;
    Attempt attempt;
    ~Forget() { whole.erase(attempt); }
  } const forget{whole_, attempt};
  co_return co_await on_disk(disk_, digest);
}

net::Awaitable<worker::Event> Worker::fetch(CargoPtr cargo, std::string address) {
  const Lease& lease = cargo->lease;
  // Before the call: a state that waits for this worker's disk thread would look like one that does not come.
  std::optional<std::uint64_t> known = pool_->known_state_bytes(lease.identity(), cargo->config);
  if (!known) {
    const auto size = [this, c = cargo.get()] { return pool_->state_bytes(c->lease.identity(), c->config); };
    known = co_await on_disk(disk_, size);
  }
  const std::uint64_t expected = *known;
  nn::StateBytes bytes = co_await room_for(lease.attempt, expected);  // before the call, too
  const Connection peer = co_await call_source(lease.attempt, address);
  const message::Fetch request{lease.parent_owner(), before(lease.unit), lease.source.value_or(WorkerId{}), run_};
  co_await send(peer, request);
  const auto state = co_await receive<message::State>(peer, patience_with_answer(address));
  if (state.unreadable) throw StateDamaged("[fetch] " + address + ": " + state.text);
  if (state.no_room) throw NoRoom("[fetch] " + address + ": " + state.text);
  if (state.released) throw NetError("[fetch] " + address + ": " + state.text);  // no loss: nobody needs it any more
  if (!state.found) throw StateLost("[fetch] " + address + ": " + state.text);
  if (state.payload_bytes != expected) {
    throw NetError("[fetch] expected a state of " + std::to_string(expected) + " bytes, " + address + " sends " +
                   std::to_string(state.payload_bytes));
  }
  co_await peer->receive_payload(bytes->span(), patience_with_state(expected));
  const net::Traffic traffic = peer->traffic();
  peer_control_bytes_ += traffic.control_sent + traffic.control_received;
  cargo->received_bytes = traffic.payload_received;
  peer->close();
  const Digest digest = co_await digest_of(lease.attempt, bytes);
  hand_over(*cargo, std::move(bytes));
  co_return worker::event::Arrived{lease.attempt, digest};
}

// `whole`: what the file says about the state goes before it. The state may be released until its file is read.
net::Awaitable<void> Worker::give(Connection to, StateStore::Key key, bool whole, std::uint64_t ticket) {
  const Found found = look_up(key);
  message::State answer{.model = key.model, .text = found.why, .ticket = ticket, .released = found.released};
  Given given;
  if (found.state) given.stored = store_->find_in_memory(key);
  try {
    const auto read = [this, state = found.state.value_or(worker::StateName{}), whole] {
      return read_to_give(state, whole);
    };
    if (found.state && (whole || !given.stored)) given = co_await on_disk(disk_, read);
  } catch (const std::exception& error) {  // the system refuses it, or has no memory; the other worker retries
    given = {};
    answer.unreadable = true;
    answer.text = error.what();
  }
  if (found.state && !given.stored && !answer.unreadable) {
    step(worker::event::Vanished{*found.state});
    const Found now = look_up(key);
    answer.released = now.released;
    answer.text = now.released ? now.why : "it is gone from the disk";
  }
  answer.found = bool(given.stored);
  if (whole && given.stored) {
    const message::State head{.model = key.model, .found = true, .text = {}, .ticket = ticket};
    co_await send(to, head, given.header, patience_with_state(given.header.size()));
  }
  const ByteView payload = given.stored ? std::as_const(*given.stored.bytes).span() : ByteView();
  co_await send(to, answer, payload, patience_with_state(payload.size()));
  ++steps_;
}

// On the disk thread, which also deletes: a state that is held when this begins is on the disk until this ends.
Worker::Given Worker::read_to_give(const worker::StateName& state, bool whole) {
  {
    const std::scoped_lock lock(mutex_);
    if (!jobs_.holds(state)) return {};
  }
  const StateStore::Key key{state.model, state.version};
  Given given;
  given.stored = store_->find(key);
  if (whole && given.stored) {
    std::optional<std::vector<std::byte>> header = store_->header(key);
    if (!header) return {};
    given.header = *std::move(header);
  }
  return given;
}

// The machine answers at once. After the end of its life it does not answer.
Worker::Found Worker::look_up(StateStore::Key key) {
  std::uint64_t ticket = 0;
  {
    const std::scoped_lock lock(mutex_);
    ticket = ++tickets_;
  }
  step(worker::event::Wanted{ticket, key.model, key.version});
  const std::scoped_lock lock(mutex_);
  const auto answer = answers_.extract(ticket);
  return answer ? answer.mapped() : Found{.state = std::nullopt, .why = "this worker ends"};
}

void Worker::remember(const Connection& peer) {
  std::erase_if(peers_, [](const std::weak_ptr<net::Connection>& known) { return known.expired(); });
  peers_.push_back(peer);
}

net::Awaitable<void> Worker::accept_peers() {
  while (true) {
    try {
      net::Door::Visitor visitor = co_await door_->next();
      remember(visitor.connection);
      net::asio::co_spawn(io_, serve_peer(std::move(visitor)), net::asio::detached);
    } catch (const NetError&) {
      co_return;  // closed: the worker ends
    }
  }
}

net::Awaitable<void> Worker::serve_peer(net::Door::Visitor visitor) {
  const Connection peer = visitor.connection;
  bool is_known = false;
  try {
    const auto on_word = [&visitor] { visitor.place.spoke(); };
    const message::Hello hello =
        co_await examine(peer, HostRole::Worker, options_.token, net::deadline_in(kHelloPatience), on_word);
    is_known = true;
    visitor.place.leave();
    while (true) {
      const auto said = co_await receive<std::variant<message::Fetch, message::FetchRows, message::Meet>>(
          peer, net::Patience(net::deadline_in(kIdlePatience)));
      const auto* greeting = std::get_if<message::Meet>(&said);
      const auto* for_rows = std::get_if<message::FetchRows>(&said);
      const message::Fetch fetch = greeting != nullptr   ? message::Fetch{.from = greeting->to, .run = greeting->run}
                                   : for_rows != nullptr ? message::Fetch{.from = for_rows->from, .run = for_rows->run}
                                                         : std::get<message::Fetch>(said);
      if (fetch.from != options_.peer.worker || fetch.run != run_) {
        const std::string reason = "[fetch] expected worker " + std::to_string(fetch.from.value) + " of the run " +
                                   fetch.run + ", this is worker " + std::to_string(options_.peer.worker.value) +
                                   " of " + run_;
        co_await refuse(peer, reason);
        throw NetError(reason);
      }
      if (greeting != nullptr) {
        take_member(*greeting, hello.peer.worker, peer);
        co_return;
      }
      if (for_rows != nullptr) {
        co_await give_rows(peer, for_rows->partition);
        continue;
      }
      const StateStore::Key key{fetch.model, fetch.version};
      co_await give(peer, key, fetch.whole);
    }
  } catch (const NetError& error) {
    peer->close();  // it is gone, or it sent nonsense; the worker that needs the state tells the coordinator
    const std::string line = is_known
                                 ? ""
                                 : refused_.line(std::string("worker ") + std::to_string(options_.peer.worker.value) +
                                                 " refused a visitor: " + error.what());
    if (!line.empty()) tell_later(message::Notice{line});
  }
}

}  // namespace hop::hopper
