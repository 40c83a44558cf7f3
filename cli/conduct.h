// What `hop run` and `hop resume` share: display, Ctrl-C, and the last words.
#pragma once

#include <filesystem>
#include <functional>

#include "hopper/run.h"

namespace hop::cli {

/// Runs `conduct` with a display and interrupt handling, prints the leaderboard (or with `json` results.json) and the
/// last lines that scripts rely on. Returns the exit code.
int conduct(const std::filesystem::path& run_directory, hopper::Objective objective, bool json,
            const std::function<hopper::RunResult(const hopper::RunOptions&)>& conduct);

}  // namespace hop::cli
