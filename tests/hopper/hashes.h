// The bits of a run's models.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "hopper/results.h"

namespace hop::hopper {

/// The SHA-256 of each model's final state, by the model's number.
inline std::map<std::uint32_t, std::string> hashes(const Results& results) {
  std::map<std::uint32_t, std::string> all;
  for (const ModelResult& model : results.models) all[model.id.value] = model.state_sha256;
  return all;
}

}  // namespace hop::hopper
