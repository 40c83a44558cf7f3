// The sub-commands of `hop`. Each adds itself to the command line and runs if it is chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>

#include "hopper/records.h"
#include "hopper/results.h"

namespace hop::cli {

/// Exit codes.
enum ExitCode : int { kOk = 0, kUsage = 1, kBadInput = 2, kRunFailed = 3, kInterrupted = 4 };

/// The work of the chosen sub-command; returns the exit code.
using Action = std::function<int()>;

/// An error as people and programs are told of it.
struct ErrorReport {
  std::string kind;  ///< "bad configuration", "bad data", "bad journal", "failed"
  std::string text;
  int code = kRunFailed;  ///< the exit code
};
ErrorReport report_of(const std::exception_ptr& error);
/// Prints one line on stderr for an error; returns its exit code.
int report_error(const std::exception_ptr& error);
bool is_journal_error(const std::exception_ptr& error);

/// Prints a line on stderr if the source of a run's data has changed. The run goes on with its own copy.
void tell_source_change(const std::string& run_directory);

/// A whole number in decimal digits, leading zeros or not. For Option::transform: alone, the library would read 010 as
/// eight and -1 as the largest number.
CLI::Validator whole_number(std::uint64_t least = 0);
/// A number; CLI::Range would take NaN.
CLI::Validator number_between(double least, double most);

/// Prints a line on stderr if the run was extended and the model has yet to get there: which epoch its state has.
void tell_earlier_state(const hopper::Results& results, ModelId id, std::optional<hopper::StateFile> which);

/// `--last`: of a run that keeps the states of best epochs, the last state.
void add_last(CLI::App& command, bool& last);
std::optional<hopper::StateFile> which_of(bool last);

void add_init(CLI::App& app, Action& action);
void add_run(CLI::App& app, Action& action);
void add_runs(CLI::App& app, Action& action);
void add_resume(CLI::App& app, Action& action);
void add_why(CLI::App& app, Action& action);
void add_worker(CLI::App& app, Action& action);
void add_replay(CLI::App& app, Action& action);
void add_report(CLI::App& app, Action& action);
void add_data(CLI::App& app, Action& action);
void add_fsck(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_predict(CLI::App& app, Action& action);
void add_key(CLI::App& app, Action& action);
void add_simulate(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);

}  // namespace hop::cli
