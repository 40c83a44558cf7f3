// The common part of `hop run` and `hop resume`: display, Ctrl-C, and the last lines.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "hopper/run.h"

namespace hop::cli {

/// `--listen HOST:PORT --key-file FILE`: workers come from other machines.
struct Listening {
  std::string address;
  std::string key_file;
  void apply(hopper::RunOptions& options) const;
  std::string words() const;  ///< as one types them, with a space before; empty without an address
};
void add_listening(CLI::App& command, Listening& listening);

/// How a run tells about itself.
struct Telling {
  bool json = false;          ///< results.json in place of progress and leaderboard
  std::optional<int> events;  ///< descriptor for JSON lines of what happens (EventLines)
};
void add_telling(CLI::App& command, Telling& telling);

/// Runs `conduct` with a display and interrupt handling, prints the leaderboard (or results.json) and the last lines
/// that scripts rely on. Returns the exit code.
/// `listening`: RunOptions::listen and key_file, which a resume needs again.
int conduct(const std::filesystem::path& run_directory, const hopper::Experiment& experiment, const Telling& telling,
            const Listening& listening, const std::function<hopper::RunResult(hopper::RunOptions&)>& conduct);

/// `--patience SECONDS`, for RunOptions::patience.
void add_patience(CLI::App& command, std::optional<double>& patience);
inline std::optional<Time> seconds(const std::optional<double>& value) {
  if (!value) return std::nullopt;
  return std::chrono::duration_cast<Time>(std::chrono::duration<double>(*value));
}

}  // namespace hop::cli
