// The journal's records: the durable facts of a run, and nothing that follows from them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/hash.h"
#include "base/ids.h"
#include "hopper/metrics.h"
#include "hopper/search/proposal.h"

namespace hop::hopper {

/// The states of a model that the run directory keeps: the last one, and with keep = "best" the one of its best epoch.
enum class StateFile : std::uint8_t { Last, Best };

}  // namespace hop::hopper

namespace hop::hopper::record {

/// Attempts below `until` may have been handed out. A life of the coordinator leases only attempts that it reserved. So
/// no attempt is ever used twice, even if a crash took a part of the journal.
struct Reserve {
  Attempt until{};
  bool operator==(const Reserve&) const = default;

  static void describe(auto& r, auto&& field) { field("until", r.until); }
};

/// Unit `unit` of `model` is done: version `unit + 1` has this digest and lies on the disk of `worker`. After a
/// rollback a unit is repeated, and its commit has the same partition and digest.
struct Commit {
  ModelId model{};
  Unit unit{};
  PartitionId partition{};  ///< of its first pass
  WorkerId worker{};
  Attempt attempt{};
  Digest parent{};  ///< digest of version `unit`; zero for unit 0
  Digest digest{};
  UnitMetrics metrics{};
  bool operator==(const Commit&) const = default;

  static void describe(auto& r, auto&& field) {
    field("model", r.model);
    field("unit", r.unit);
    field("partition", r.partition);
    field("worker", r.worker);
    field("attempt", r.attempt);
    field("parent", r.parent);
    field("digest", r.digest);
    field("metrics", r.metrics);
  }
};

/// The newest states of `model` are lost, and this version is the newest one that is left. The units above it remain
/// done. They are trained again over the same partitions, and each must give the digest of its commit. After a
/// Collected: the file of the model is lost, and its states were given up when it was there.
struct Rollback {
  ModelId model{};
  Version version{};                 ///< 0: the initial state, which is built from the experiment
  std::optional<WorkerId> worker{};  ///< the worker whose disk has that version; none for version 0
  Attempt attempt{};                 ///< the attempt that left it there; 0 for version 0
  std::string reason{};
  bool operator==(const Rollback&) const = default;

  static void describe(auto& r, auto&& field) {
    WorkerId worker = r.worker.value_or(WorkerId{});
    field("model", r.model);
    field("version", r.version);
    field("worker", worker);  // says nothing for version 0
    field("attempt", r.attempt);
    field("reason", r.reason);
    if constexpr (requires { r.worker.reset(); }) {
      if (r.version > decltype(r.version){}) r.worker = worker;
    }
  }
};

/// A quarantined model trains on, because a user asked for it.
struct Retry {
  ModelId model{};
  bool operator==(const Retry&) const = default;

  static void describe(auto& r, auto&& field) { field("model", r.model); }
};

/// The model trains no further: its unit failed too often by a fault of its own.
struct Quarantine {
  ModelId model{};
  std::string reason{};
  bool operator==(const Quarantine&) const = default;

  static void describe(auto& r, auto&& field) { field("model", r.model), field("reason", r.reason); }
};

/// The newest state of the model is a file of the run directory. Which one follows from the records before.
struct Collected {
  ModelId model{};
  std::uint64_t bytes = 0;
  std::string sha256{};  ///< of the state block, 64 hex digits
  bool operator==(const Collected&) const = default;

  static void describe(auto& r, auto&& field) {
    field("model", r.model);
    field("bytes", r.bytes);
    field("sha256", r.sha256);
  }
};

/// The arithmetic of a worker's units from here on: the facts that decide their bits beside this program
/// (arithmetic_of). Written when a worker is ready and its arithmetic differs from its last record, or it has none.
struct Arithmetic {
  WorkerId worker{};
  std::string text{};
  bool operator==(const Arithmetic&) const = default;

  static void describe(auto& r, auto&& field) { field("worker", r.worker), field("text", r.text); }
};

/// Where a state lies: on the disk of `worker`, left there by `attempt`.
struct Place {
  WorkerId worker{};
  Attempt attempt{};
  bool operator==(const Place&) const = default;

  static void describe(auto& p, auto&& field) { field("worker", p.worker), field("attempt", p.attempt); }
};

/// The search asked for the next model. Counts once a Ticked includes it.
struct Asked {
  ModelId model{};
  Config config{};
  std::uint32_t epochs = 0;  ///< that it trains, those of its parent included
  std::optional<Parent> parent{};
  /// The place of the parent's state. None if that state is lost: then the model trains the units of its ancestors
  /// again.
  std::optional<Place> place{};
  bool operator==(const Asked&) const = default;

  static void describe(auto& r, auto&& field) {
    const Parent given = r.parent.value_or(Parent{});
    std::optional<ModelId> parent = r.parent ? std::optional(given.model) : std::nullopt;
    auto parent_epoch = given.epoch;
    field("model", r.model);
    field("config", r.config);
    field("epochs", r.epochs);
    field("parent", parent);
    field("parent_epoch", parent_epoch);
    field("place", r.place);
    if constexpr (requires { r.parent.reset(); }) {
      if (parent) r.parent = Parent{*parent, parent_epoch};
    }
  }
};

/// The search gave an order about a model. Counts once a Ticked includes it.
using Ordered = SearchOrder;

/// Tick `tick` is decided: the last `decisions` records of Asked and Ordered are all answers of the search at its end.
/// (If a life of the coordinator died in the middle of a decision, its records stand before them and do not count.)
/// Tick 0 is the start of the run.
struct Ticked {
  std::uint32_t tick = 0;
  std::uint32_t decisions = 0;
  bool operator==(const Ticked&) const = default;

  static void describe(auto& r, auto&& field) { field("tick", r.tick), field("decisions", r.decisions); }
};

/// From here on the run trains its models for `epochs` epochs in all, more than before: a user extended it. Models that
/// had finished train on, from their newest states.
struct Extended {
  std::uint32_t epochs = 0;
  bool operator==(const Extended&) const = default;

  static void describe(auto& r, auto&& field) { field("epochs", r.epochs); }
};

/// The newest state of `model` lies on the disk of `worker` from here on: that of its holder is lost, or its holder is
/// away or leaves, and `worker` has a copy. Nothing is trained again.
struct Moved {
  ModelId model{};
  Version version{};  ///< the newest one
  WorkerId worker{};
  Attempt attempt{};  ///< of the copy
  std::string reason{};
  bool operator==(const Moved&) const = default;

  static void describe(auto& r, auto&& field) {
    field("model", r.model);
    field("version", r.version);
    field("worker", r.worker);
    field("attempt", r.attempt);
    field("reason", r.reason);
  }
};

}  // namespace hop::hopper::record

namespace hop::hopper {

using Record = std::variant<record::Reserve, record::Commit, record::Quarantine, record::Collected, record::Arithmetic,
                            record::Rollback, record::Retry, record::Asked, record::Ordered, record::Ticked,
                            record::Extended, record::Moved>;

}  // namespace hop::hopper
