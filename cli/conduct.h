// What `hop run` and `hop resume` share: display, Ctrl-C, and the last words.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <functional>

#include "hopper/run.h"

namespace hop::cli {

/// Runs `conduct` with a display and interrupt handling, prints the leaderboard (or with `json` results.json) and the
/// last lines that scripts rely on. Returns the exit code.
int conduct(const std::filesystem::path& run_directory, hopper::Objective objective, bool json,
            const std::function<hopper::RunResult(hopper::RunOptions&)>& conduct);

/// `--patience SECONDS`, for RunOptions::patience.
inline constexpr double kPatienceSeconds = 60;
void add_patience(CLI::App& command, double& patience);
inline Time seconds(double value) { return std::chrono::duration_cast<Time>(std::chrono::duration<double>(value)); }

}  // namespace hop::cli
