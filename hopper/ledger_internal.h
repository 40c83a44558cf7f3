// The parts that the sources of Ledger share. Internal to Hopscotch.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "hopper/ledger.h"
#include "hopper/strategy/arrivals.h"

namespace hop::hopper {

inline std::string name(ModelId id) { return "model " + std::to_string(id.value); }

[[noreturn]] inline void contradiction(const std::string& expected, const std::string& got, ModelId id) {
  throw JournalError("[journal] expected " + expected + ", got " + got + " (" + name(id) + ")");
}

/// The order of the gradients of a unit must be one of its replicas.
inline void check_arrivals(const record::Commit& commit, std::size_t replicas) {
  try {
    decode_arrivals(commit.metrics.arrivals, replicas);
  } catch (const StateError& error) {
    contradiction("an order of the gradients of the unit", error.what(), commit.model);
  }
}

inline bool dropped_out(const Model& model) {
  return model.status == Status::Diverged || model.status == Status::Quarantined;
}

inline std::uint32_t epochs_done(const Model& model) { return static_cast<std::uint32_t>(model.epochs.size()); }

}  // namespace hop::hopper
