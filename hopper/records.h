// What the journal says: the durable facts of a run, and nothing that could be told from them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "base/hash.h"
#include "base/ids.h"
#include "hopper/metrics.h"

namespace hop::hopper::record {

/// Attempts below `until` may have been handed out. A life of the coordinator leases only attempts that it reserved, so
/// that no attempt is ever used twice, whatever part of the journal a crash took.
struct Reserve {
  Attempt until;
  bool operator==(const Reserve&) const = default;
};

/// Unit `unit` of `model` is done: version unit + 1 has this digest and lies on the disk of `worker`.
struct Commit {
  ModelId model;
  std::uint32_t unit = 0;
  PartitionId partition;
  WorkerId worker;
  Attempt attempt;
  Digest parent;  ///< digest of version `unit`; zero for unit 0
  Digest digest;
  UnitMetrics metrics;
  std::string
      config;  ///< unit 0 only: the configuration's text, so that a changed experiment cannot be resumed by mistake
  bool operator==(const Commit&) const = default;
};

/// The model trains no further: its unit failed too often, or its state is lost.
struct Quarantine {
  ModelId model;
  std::string reason;
  bool operator==(const Quarantine&) const = default;
};

/// The final state of the model is a file of the run directory.
struct Collected {
  ModelId model;
  std::uint64_t bytes = 0;
  std::string sha256;  ///< of the state block, 64 hex digits
  bool operator==(const Collected&) const = default;
};

/// What the bits of the worker's units depend on from here on, beside this program (arithmetic_of): written when a
/// worker is ready and what the journal said of it last was another, or nothing.
struct Arithmetic {
  WorkerId worker;
  std::string text;
  bool operator==(const Arithmetic&) const = default;
};

}  // namespace hop::hopper::record

namespace hop::hopper {

using Record = std::variant<record::Reserve, record::Commit, record::Quarantine, record::Collected, record::Arithmetic>;

}  // namespace hop::hopper
