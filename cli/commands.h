// The sub-commands of `hop`. Each adds itself to the command line and runs when it was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace hop::cli {

/// Exit codes (DESIGN.md, section 3).
enum ExitCode : int { kOk = 0, kUsage = 1, kBadInput = 2, kRunFailed = 3, kInterrupted = 4 };

/// What the chosen sub-command does; returns the exit code.
using Action = std::function<int()>;

void add_run(CLI::App& app, Action& action);
void add_resume(CLI::App& app, Action& action);
void add_why(CLI::App& app, Action& action);
void add_worker(CLI::App& app, Action& action);
void add_replay(CLI::App& app, Action& action);
void add_report(CLI::App& app, Action& action);
void add_data(CLI::App& app, Action& action);
void add_fsck(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);

}  // namespace hop::cli
