// The parts that the sources of Ledger share. Internal to Hopscotch.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "hopper/ledger.h"

namespace hop::hopper {

inline std::string name(ModelId id) { return "model " + std::to_string(id.value); }

[[noreturn]] inline void contradiction(const std::string& expected, const std::string& got, ModelId id) {
  throw JournalError("[journal] expected " + expected + ", got " + got + " (" + name(id) + ")");
}

inline bool dropped_out(const Model& model) {
  return model.status == Status::Diverged || model.status == Status::Quarantined;
}

inline std::uint32_t epochs_done(const Model& model) { return static_cast<std::uint32_t>(model.epochs.size()); }

}  // namespace hop::hopper
