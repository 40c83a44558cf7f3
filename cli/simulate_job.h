// hop simulate FILE for a file with a [job] table: lines of time, bytes and places for each system.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hopper/simulate/job.h"

namespace hop::cli {

struct JobChoices {
  std::vector<std::string> systems{};   ///< names of job_systems(); empty: all
  std::vector<std::string> policies{};  ///< empty: each strategy's own
  std::vector<std::string> workers{};   ///< numbers; empty: what the file says
};

/// Prints a line for each combination.
void simulate_job(const hopper::simulate::Job& job, const JobChoices& choices, bool as_json);

}  // namespace hop::cli
