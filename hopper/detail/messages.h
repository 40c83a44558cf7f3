// The messages of the hopper as C++ values, and their bytes. The schema is messages.fbs. Received bytes are verified
// with tight limits before they are read. Internal to Hopscotch.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "hopper/events.h"

namespace hop::hopper::message {

enum class Kind : std::uint16_t {
  Hello = 1,
  Welcome,
  Lease,
  Cancel,
  Answer,
  Release,
  Collect,
  Shutdown,
  Ready,
  Result,
  Failed,
  Heartbeat,
  Fatal,
  Fetch,
  State,
  Challenge,
  Answered,
  Refused,
  Held,
  Notice
};

inline constexpr std::uint32_t kProtocolVersion = 4;

/// 256 bits: a nonce or a proof.
using Bits256 = std::array<std::uint64_t, 4>;

struct Hello {
  Peer peer;
  std::string isa;
  std::string library;  ///< library_id() of the worker
  Bits256 nonce{};
};
struct Challenge {
  Bits256 nonce{};
  Bits256 proof{};
};
struct Answered {
  Bits256 proof{};
};
struct Refused {
  std::string reason;
};

/// A page of the states found on the worker's disk: a message has a size limit, a disk has not.
struct Held {
  std::vector<HeldState> states;
};
inline constexpr std::size_t kStatesPerPage = 4096;  ///< at most: less than half of net::kMaxControlBytes
/// `states` on as many pages as they need.
std::vector<Held> pages_of(std::vector<HeldState> states);

/// The worker's partitions are checked; it may be given leases.
struct Ready {
  std::string address;     ///< where other workers reach it
  std::uint64_t held = 0;  ///< states on the pages before
  std::string device;      ///< its device: "cpu", "cuda:0"
  std::string arithmetic;  ///< arithmetic_of(that)
};

/// The experiment's text follows as the frame's payload. If the worker shares the application's memory, there is no
/// payload.
struct Welcome {
  std::string dataset;
  std::uint32_t workers = 1;
};

/// A lease as it travels: with the source's address and the model's configuration.
struct LeaseOrder {
  Lease lease;  ///< lease.source is not sent; `source_address` takes its place
  std::optional<std::string> source_address;
  std::string config;  ///< of lease.identity(): JSON
};

struct Cancel {
  ModelId model;
  Attempt attempt;
};
struct Answer {
  ModelId model;
  Unit unit;
  Attempt attempt;
  Verdict verdict = Verdict::Stale;
};
struct Release {
  ModelId model;
  Version version;
  Attempt attempt;  ///< that left the version
};
struct Collect {
  ModelId model;
  Version version;
  Digest digest;
  std::string config;
};
/// The run is over: the worker sends a last Heartbeat and ends.
struct Shutdown {};

struct Result {
  ModelId model;
  Unit unit;
  Attempt attempt;
  Digest digest;
  UnitMetrics metrics;
};
struct Failed {
  ModelId model;
  Unit unit;
  Attempt attempt;
  Failure failure = Failure::Error;
  std::string text;
};

/// A sign of life, with the worker's present work.
struct Heartbeat {
  bool busy = false;
  ModelId model;
  Unit unit;
  PartitionId partition;
  std::uint64_t rows_done = 0;
  std::uint64_t rows = 0;
  std::uint64_t control_bytes = 0;  ///< sent and received by this worker so far, over all its connections
  std::uint64_t progress = 0;       ///< differs from the last heartbeat's if the worker did anything
  std::string doing;                ///< for people
};

/// A line for people, from a worker.
struct Notice {
  std::string text;
};

/// Why a worker cannot serve at all. Decides the run's exit code.
enum class FatalKind : std::uint8_t { Config, Data, Other };
struct Fatal {
  FatalKind kind = FatalKind::Other;
  std::string text;
};

struct Fetch {
  ModelId model;
  Version version;
  Digest digest;
};

/// The answer to Fetch and Collect. If `found`, the state block follows as the frame's payload.
struct State {
  ModelId model;
  Version version;
  Digest digest;
  bool found = false;
  std::string text;         ///< why it was not found
  bool unreadable = false;  ///< it is there, but cannot be read at the moment
};

using Bytes = std::vector<std::byte>;

Bytes encode(const Hello&);
Bytes encode(const Welcome&);
Bytes encode(const Challenge&);
Bytes encode(const Answered&);
Bytes encode(const Refused&);
Bytes encode(const Held&);
Bytes encode(const Notice&);
Bytes encode(const Ready&);
Bytes encode(const LeaseOrder&);
Bytes encode(const Cancel&);
Bytes encode(const Answer&);
Bytes encode(const Release&);
Bytes encode(const Collect&);
Bytes encode(const Shutdown&);
Bytes encode(const Result&);
Bytes encode(const Failed&);
Bytes encode(const Heartbeat&);
Bytes encode(const Fatal&);
Bytes encode(const Fetch&);
Bytes encode(const State&);

/// Throws NetError unless `bytes` are a valid message of this type. `bytes` must lie on a 16-byte boundary.
template <class T>
T decode(ByteView bytes);

/// The kind of each message type.
template <class T>
inline constexpr Kind kKind = Kind{};
template <>
inline constexpr Kind kKind<Hello> = Kind::Hello;
template <>
inline constexpr Kind kKind<Welcome> = Kind::Welcome;
template <>
inline constexpr Kind kKind<Challenge> = Kind::Challenge;
template <>
inline constexpr Kind kKind<Answered> = Kind::Answered;
template <>
inline constexpr Kind kKind<Refused> = Kind::Refused;
template <>
inline constexpr Kind kKind<Held> = Kind::Held;
template <>
inline constexpr Kind kKind<Notice> = Kind::Notice;
template <>
inline constexpr Kind kKind<Ready> = Kind::Ready;
template <>
inline constexpr Kind kKind<LeaseOrder> = Kind::Lease;
template <>
inline constexpr Kind kKind<Cancel> = Kind::Cancel;
template <>
inline constexpr Kind kKind<Answer> = Kind::Answer;
template <>
inline constexpr Kind kKind<Release> = Kind::Release;
template <>
inline constexpr Kind kKind<Collect> = Kind::Collect;
template <>
inline constexpr Kind kKind<Shutdown> = Kind::Shutdown;
template <>
inline constexpr Kind kKind<Result> = Kind::Result;
template <>
inline constexpr Kind kKind<Failed> = Kind::Failed;
template <>
inline constexpr Kind kKind<Heartbeat> = Kind::Heartbeat;
template <>
inline constexpr Kind kKind<Fatal> = Kind::Fatal;
template <>
inline constexpr Kind kKind<Fetch> = Kind::Fetch;
template <>
inline constexpr Kind kKind<State> = Kind::State;

}  // namespace hop::hopper::message
