// The messages of the hopper, and their bytes: each message is one struct here, and nothing else says its fields
// (hopper/detail/flat.h). To add a message: its struct, its place in `Every`, and its place in the list of messages
// that its receiver takes (ToWorker, ToCoordinator). docs/wire.md tells the conversation, docs/hopper.fbs is the
// schema. Long because it is one list. Internal to Hopscotch.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "hopper/config.h"
#include "hopper/events.h"
#include "hopper/membership.h"

namespace hop::hopper::message {

inline constexpr std::uint32_t kProtocolVersion = 12;
/// Throws NetError unless the other side speaks this version, too.
void check_protocol(std::uint32_t theirs);

/// Makes text of another process fit for people: nothing that a terminal obeys, and no more than people would read.
void make_printable(std::string& text);

// ---- handshake: both sides prove that they know the run's secret, and neither says it --------------------------------
// The caller is a worker. The host listens: the coordinator, or another worker.

/// 256 bits: a nonce or a proof.
using Bits256 = std::array<std::uint64_t, 4>;

/// Caller to host.
struct Hello {
  Peer peer{};
  std::string isa{};
  std::string library{};  ///< library_id() of the worker
  Bits256 nonce{};
  bool joins = false;  ///< nobody started it for a place: an Offer follows Answered, and Welcome says who it is
  /// To a coordinator, from a worker of the run: Fetch follows Answered, for states that it cannot get itself.
  bool relays = false;

  // Hosts of every protocol must understand this message well enough to refuse it.
  static void describe(auto& m, auto&& field) {
    std::uint32_t protocol = kProtocolVersion;
    std::optional<std::string> was_token;  // of protocol 1; its place stays empty
    field("protocol", protocol, check_protocol);
    field("worker", m.peer.worker);
    field("incarnation", m.peer.incarnation);
    field("isa", m.isa, make_printable);
    field("was_token", was_token);
    field("nonce", m.nonce);
    field("library", m.library, make_printable);
    field("joins", m.joins);
    field("relays", m.relays);
  }
};
/// Host to caller.
struct Challenge {
  Bits256 nonce{};
  Bits256 proof{};
  static void describe(auto& m, auto&& field) { field("nonce", m.nonce), field("proof", m.proof); }
};
/// Caller to host.
struct Answered {
  Bits256 proof{};
  static void describe(auto& m, auto&& field) { field("proof", m.proof); }
};
/// Host to caller, in place of Challenge or after Answered: why the connection ends.
struct Refused {
  std::string reason{};
  bool may_ask_again = false;        ///< there is no place now, but one may become free
  std::optional<std::string> isa{};  ///< the caller may ask again when it computes with this instruction set
  static void describe(auto& m, auto&& field) {
    field("reason", m.reason, make_printable);
    field("may_ask_again", m.may_ask_again);
    field("isa", m.isa);
  }
};

/// Worker to coordinator, if Hello says that the worker joins.
struct Offer {
  bool has_partitions = false;  ///< of its own; otherwise it reads the coordinator's folder
  std::vector<OfferedPartition> partitions{};
  std::string run{};                  ///< the run whose states lie on its node; empty if there are none
  std::optional<WorkerId> place{};    ///< the place that the node had in that run
  std::optional<WorkerId> prefers{};  ///< the place that its partitions were handed out for
  static void describe(auto& m, auto&& field) {
    field("has_partitions", m.has_partitions);
    field("partitions", m.partitions, check_partitions);
    field("run", m.run, make_printable);
    field("place", m.place);
    field("prefers", m.prefers);
  }
  static void check_partitions(const std::vector<OfferedPartition>& partitions);  ///< Throws NetError for too many.
};
inline constexpr std::size_t kMostOffered = 8192;  ///< partitions of one worker: less than half a message

// ---- coordinator to worker ------------------------------------------------------------------------------------------

/// The worker belongs to the run. The experiment's text follows as the frame's payload, because it may be longer than a
/// message. If the worker shares the application's memory, there is no payload.
struct Welcome {
  std::string dataset{};  ///< the coordinator's folder of partitions
  std::uint32_t workers = 1;
  Peer peer{};                      ///< the receiver: its place and its life
  std::string run{};                ///< the run's id, which no other run has
  Digest data{};                    ///< of the data set
  std::uint64_t payload_bytes = 0;  ///< of the payload that follows; the frame says it
  static void describe(auto& m, auto&& field) {
    field("dataset", m.dataset);
    field("workers", m.workers);
    field("worker", m.peer.worker);
    field("incarnation", m.peer.incarnation);
    field("run", m.run);
    field("data", m.data);
  }
};

/// In place of the address of a worker that the receiver cannot reach: the coordinator passes its states on.
inline constexpr const char* kRelay = "the coordinator";

/// A member of a group, and where the others reach it.
struct Member {
  WorkerId worker{};
  std::string address{};
  static void describe(auto& m, auto&& field) { field("worker", m.worker), field("address", m.address); }
};

/// A lease as it travels: with the source's address, those of its group and the model's configuration.
struct LeaseOrder {
  Lease lease{};
  std::optional<std::string> source_address{};  ///< in place of lease.source, which does not travel
  Config config{};                              ///< of lease.identity()
  std::optional<WorkerId> source{};             ///< who must answer at that address
  std::vector<Member> members{};                ///< in place of lease.members, by rank
  static void describe(auto& m, auto&& field) {
    field("lease", m.lease);
    field("source_address", m.source_address);
    field("config", m.config);
    field("source", m.source);
    field("members", m.members);
  }
};

struct Cancel {
  Attempt attempt{};
  bool abandon = false;  ///< in the middle of the unit, too: its group has lost a member
  static void describe(auto& m, auto&& field) { field("attempt", m.attempt), field("abandon", m.abandon); }
};

/// Give the lease or the copy of this attempt back if its state is not here yet: the worker from which it comes is
/// gone.
struct SourceGone {
  Attempt attempt{};
  static void describe(auto& m, auto&& field) { field("attempt", m.attempt); }
};

/// The answer to a Result.
struct Answer {
  ModelId model{};
  Unit unit{};
  Attempt attempt{};
  Verdict verdict = Verdict::Stale;
  static void describe(auto& m, auto&& field) {
    field("model", m.model);
    field("unit", m.unit);
    field("attempt", m.attempt);
    field("verdict", m.verdict, Verdict::Stale);
  }
};

struct Release {
  ModelId model{};
  Version version{};
  Attempt attempt{};  ///< that left the version
  static void describe(auto& m, auto&& field) {
    field("model", m.model);
    field("version", m.version);
    field("attempt", m.attempt);
  }
};

/// Send this state. The answer is a State.
struct Collect {
  ModelId model{};
  Version version{};
  std::uint64_t ticket = 0;  ///< for another worker: the answer bears it, and this coordinator passes it on
  bool whole = false;        ///< as in Fetch
  static void describe(auto& m, auto&& field) {
    field("model", m.model);
    field("version", m.version);
    field("ticket", m.ticket);
    field("whole", m.whole);
  }
};

/// Keep a copy of a state that another worker has. The answer is Copied or NotCopied.
struct CopyOrder {
  Copy copy{};
  std::string source_address{};  ///< of the worker `copy.source`
  static void describe(auto& m, auto&& field) { field("copy", m.copy), field("source_address", m.source_address); }
};

/// The answer to Locate.
struct Located {
  WorkerId worker{};
  std::string address{};  ///< empty: it is not ready now
  static void describe(auto& m, auto&& field) { field("worker", m.worker), field("address", m.address); }
};

/// The run is over, or goes on without this worker: the worker sends its Usage and a last Heartbeat, and ends.
struct Shutdown {
  static void describe(auto&, auto&&) {}
};

// ---- worker to coordinator ------------------------------------------------------------------------------------------

/// A page of the states found on the worker's disk: a message has a size limit, a disk has not.
struct Held {
  std::vector<HeldState> states{};
  static void describe(auto& m, auto&& field) { field("states", m.states, check_page); }
  static void check_page(const std::vector<HeldState>& states);  ///< Throws NetError for a page that is too long.
};
inline constexpr std::size_t kStatesPerPage = 4096;  ///< at most: less than half of net::kMaxControlBytes
/// `states` on as many pages as they need.
std::vector<Held> pages_of(std::vector<HeldState> states);

/// The worker's partitions are checked; it may be given leases.
struct Ready {
  std::string address{};     ///< where other workers reach it
  std::uint64_t held = 0;    ///< states on the pages before
  std::string device{};      ///< its device: "cpu", "cuda:0"
  std::string arithmetic{};  ///< arithmetic_of(that)
  static void describe(auto& m, auto&& field) {
    field("address", m.address);
    field("held", m.held);
    field("device", m.device, make_printable);
    field("arithmetic", m.arithmetic, make_printable);
  }
};

struct Result {
  ModelId model{};
  Unit unit{};
  Attempt attempt{};
  Digest digest{};
  UnitMetrics metrics{};
  static void describe(auto& m, auto&& field) {
    field("model", m.model);
    field("unit", m.unit);
    field("attempt", m.attempt);
    field("digest", m.digest);
    field("metrics", m.metrics);
  }
};

struct Failed {
  ModelId model{};
  Unit unit{};
  Attempt attempt{};
  Failure failure = Failure::Error;
  std::string text{};
  static void describe(auto& m, auto&& field) {
    field("model", m.model);
    field("unit", m.unit);
    field("attempt", m.attempt);
    field("failure", m.failure, Failure::NoRoom);
    field("text", m.text, make_printable);
  }
};

/// A sign of life, with the worker's present work.
struct Heartbeat {
  bool busy = false;
  ModelId model{};
  Unit unit{};
  PartitionId partition{};
  std::uint64_t rows_done = 0;
  std::uint64_t rows = 0;
  std::uint64_t control_bytes = 0;  ///< sent and received by this worker so far, over all its connections
  std::uint64_t progress = 0;       ///< differs from the last heartbeat's if the worker did anything
  std::string doing{};              ///< for people: "reads states: 120 of 9000"
  bool gives = false;               ///< rows to other workers
  static void describe(auto& m, auto&& field) {
    field("busy", m.busy);
    field("model", m.model);
    field("unit", m.unit);
    field("partition", m.partition);
    field("rows_done", m.rows_done);
    field("rows", m.rows);
    field("control_bytes", m.control_bytes);
    field("progress", m.progress);
    field("doing", m.doing, make_printable);
    field("gives", m.gives);
  }
};

/// The copy that was ordered under this attempt is a durable file of the worker.
struct Copied {
  ModelId model{};
  Attempt attempt{};
  std::uint64_t bytes = 0;  ///< of payload that came for it
  static void describe(auto& m, auto&& field) {
    field("model", m.model);
    field("attempt", m.attempt);
    field("bytes", m.bytes);
  }
};

/// There will be no copy under this attempt.
struct NotCopied {
  ModelId model{};
  Attempt attempt{};
  std::string text{};
  static void describe(auto& m, auto&& field) {
    field("model", m.model);
    field("attempt", m.attempt);
    field("text", m.text, make_printable);
  }
};

/// This member of a group, not its lead, has trained the unit.
struct Confirmed {
  ModelId model{};
  Attempt attempt{};
  static void describe(auto& m, auto&& field) { field("model", m.model), field("attempt", m.attempt); }
};

/// Where do others reach this worker? The sender wants rows of its node. The answer is Located.
struct Locate {
  WorkerId worker{};
  static void describe(auto& m, auto&& field) { field("worker", m.worker); }
};

/// The worker was asked to end. It takes no more leases, hands its states over, and waits for Shutdown.
struct Leave {
  static void describe(auto&, auto&&) {}
};

/// A line for people.
struct Notice {
  std::string text{};
  static void describe(auto& m, auto&& field) { field("text", m.text, make_printable); }
};

/// What the worker's process used of its machine. It is told after Shutdown, for the log.
struct Usage {
  double cpu_seconds = 0;
  std::uint64_t peak_bytes = 0;  ///< of memory
  static void describe(auto& m, auto&& field) {
    field("cpu_seconds", m.cpu_seconds);
    field("peak_bytes", m.peak_bytes);
  }
};

/// The reason why a worker cannot serve at all. It decides the run's exit code.
enum class FatalKind : std::uint8_t { Config, Data, Other };
struct Fatal {
  FatalKind kind = FatalKind::Other;
  std::string text{};
  static void describe(auto& m, auto&& field) {
    field("kind", m.kind, FatalKind::Other);
    field("text", m.text, make_printable);
  }
};

// ---- worker to worker -----------------------------------------------------------------------------------------------

struct Fetch {
  ModelId model{};
  Version version{};
  WorkerId from{};     ///< the worker that is asked. Another one at its address must not say that it has no such state
  std::string run{};   ///< Welcome::run
  bool whole = false;  ///< for a copy: a State whose payload is the header of the file goes before the State itself
  static void describe(auto& m, auto&& field) {
    field("model", m.model);
    field("version", m.version);
    field("from", m.from);
    field("run", m.run, make_printable);
    field("whole", m.whole);
  }
};

/// The answer to Fetch and Collect. If `found`, the state block follows as the frame's payload.
struct State {
  ModelId model{};
  bool found = false;
  std::string text{};               ///< why it was not found
  bool unreadable = false;          ///< it is there, but cannot be read at the moment
  std::uint64_t payload_bytes = 0;  ///< of the payload that follows; the frame says it
  std::uint64_t ticket = 0;         ///< of Collect
  bool released = false;            ///< it was there until the coordinator released it: it is not lost
  bool no_room = false;             ///< the coordinator, which passes it on, has no memory for it at the moment
  static void describe(auto& m, auto&& field) {
    field("model", m.model);
    field("found", m.found);
    field("text", m.text, make_printable);
    field("unreadable", m.unreadable);
    field("ticket", m.ticket);
    field("released", m.released);
    field("no_room", m.no_room);
  }
};

/// Send this partition. The answer are Rows, as many as its bytes need, or Refused.
struct FetchRows {
  PartitionId partition{};
  WorkerId from{};    ///< as in Fetch
  std::string run{};  ///< Welcome::run
  static void describe(auto& m, auto&& field) {
    field("partition", m.partition);
    field("from", m.from);
    field("run", m.run, make_printable);
  }
};

/// The next bytes of the file of a partition follow as the frame's payload: kRowsBytes, or the rest.
struct Rows {
  std::uint64_t at = 0;             ///< of the file
  std::uint64_t payload_bytes = 0;  ///< of the payload that follows; the frame says it
  static void describe(auto& m, auto&& field) { field("at", m.at); }
};
inline constexpr std::uint64_t kRowsBytes = std::uint64_t{4} << 20;

/// The first word of a member of a group to another one of a lower rank. From here on the connection is the group's,
/// and only Rounds follow, in both directions.
struct Meet {
  WorkerId to{};      ///< the member that is meant
  std::string run{};  ///< Welcome::run
  Attempt attempt{};
  std::uint32_t rank = 0;  ///< of the sender
  static void describe(auto& m, auto&& field) {
    field("to", m.to);
    field("run", m.run, make_printable);
    field("attempt", m.attempt);
    field("rank", m.rank);
  }
};

/// A round of a group: the sender's bytes for the receiver follow as the frame's payload.
struct Round {
  /// Between two rounds: a message, and the end of all messages of its sender.
  static constexpr std::uint64_t kMail = 0, kEndOfMail = ~std::uint64_t{0};
  std::uint64_t number = 0;         ///< from 1; or kMail, or kEndOfMail
  std::uint64_t payload_bytes = 0;  ///< of the payload that follows; the frame says it
  static void describe(auto& m, auto&& field) { field("number", m.number); }
};

// ---- lists ----------------------------------------------------------------------------------------------------------

/// Every message. The place in this list, from 1, is the kind of its frames.
using Every =
    std::variant<Hello, Welcome, LeaseOrder, Cancel, Answer, Release, Collect, Shutdown, Ready, Result, Failed,
                 Heartbeat, Fatal, Fetch, State, Challenge, Answered, Refused, Held, Notice, Offer, Usage, CopyOrder,
                 Copied, NotCopied, Leave, Confirmed, Meet, Round, SourceGone, Locate, Located, FetchRows, Rows>;

/// The messages that the coordinator may send to a worker after Welcome, and the messages that the worker may send
/// back. The receiver's `hear` has a handler for each. (To another worker a worker may only send Fetch, FetchRows, or
/// Meet and then Rounds.)
using ToWorker = std::variant<LeaseOrder, Cancel, Answer, Release, Collect, Shutdown, CopyOrder, SourceGone, Located>;
using ToCoordinator = std::variant<Held, Ready, Result, Failed, Heartbeat, Notice, Fatal, State, Usage, Copied,
                                   NotCopied, Leave, Confirmed, Locate>;

namespace detail {
template <class M, class... All>
constexpr std::uint16_t place_of(const std::variant<All...>*) {
  std::uint16_t place = 0;
  const bool is_listed = ((++place, std::is_same_v<M, All>) || ...);
  return is_listed ? place : std::uint16_t{0};
}
}  // namespace detail

/// The kind of a message's frames.
template <class M>
inline constexpr std::uint16_t kKind = detail::place_of<M>(static_cast<const Every*>(nullptr));

// ---- bytes ----------------------------------------------------------------------------------------------------------

using Bytes = std::vector<std::byte>;

/// The functions for the messages of one kind.
struct Kind {
  std::string_view name;
  Bytes (*encode)(const void* message);
  void (*decode)(ByteView bytes, void* message);
};
/// Null for a number that is no kind.
const Kind* find_kind(std::uint16_t kind);
/// `Heartbeat`, or `message 99` where there is no such kind.
std::string name_of(std::uint16_t kind);

template <class M>
Bytes encode(const M& message) {
  static_assert(kKind<M> != 0, "the message has no place in the list");
  return find_kind(kKind<M>)->encode(&message);
}

/// Throws NetError unless `bytes` are a valid message of this type. `bytes` must lie on a 16-byte boundary.
template <class M>
M decode(ByteView bytes) {
  static_assert(kKind<M> != 0, "the message has no place in the list");
  M message;
  find_kind(kKind<M>)->decode(bytes, &message);
  return message;
}

}  // namespace hop::hopper::message
