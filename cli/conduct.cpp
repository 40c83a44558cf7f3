#include "cli/conduct.h"

#include <cstdio>
#include <exception>
#include <filesystem>

#include "base/words.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "cli/interrupt.h"

namespace hop::cli {
namespace {

// Says how a run ended, for a person and for the shell. If no model came through, says why.
int conclude(const hopper::Results& results) {
  const bool is_interrupted = results.outcome == hopper::Outcome::Interrupted;
  if (is_interrupted) return results.is_durable ? kInterrupted : kRunFailed;
  bool any_came_through = false;
  for (const hopper::ModelResult& model : results.models) {
    if (model.status == "quarantined") return kRunFailed;  // not all models were trained
    any_came_through = any_came_through || model.status != "diverged";
  }
  if (any_came_through) return kOk;
  for (const hopper::ModelResult& model : results.models) {
    if (model.status != "diverged") continue;
    std::fprintf(stderr, "hop: failed: no model came through; model %u diverged in epoch %u (a lower lr may help)\n",
                 model.id.value, model.epochs + 1);
    break;
  }
  return kRunFailed;
}

// Prints how to resume, after an error that left a resumable run.
void offer_resume(const std::filesystem::path& run_directory, const Listening& listening) {
  try {
    const hopper::Results results = hopper::inspect(run_directory);
    if (results.is_running || !results.is_durable || results.outcome != hopper::Outcome::Interrupted) return;
    std::fprintf(stderr, "to go on: hop resume %s%s\n", run_directory.c_str(), listening.words().c_str());
  } catch (const std::exception&) {  // nothing to resume
  }
}

void print_last_words(const hopper::Results& results, const std::filesystem::path& run_directory,
                      const Listening& listening) {
  std::printf("\n%s\n", hopper::leaderboard(results).c_str());
  if (results.outcome == hopper::Outcome::Interrupted) {
    if (results.is_durable) {
      std::printf("interrupted; to go on: hop resume %s%s\n", run_directory.c_str(), listening.words().c_str());
    } else {
      std::printf("interrupted; durable = false keeps no state, so the run cannot go on\n");
    }
  }
  std::printf("run directory: %s\n", run_directory.c_str());
}

}  // namespace

void Listening::apply(hopper::RunOptions& options) const {
  if (address.empty()) return;
  options.hosting = hopper::Hosting::Remote;
  options.listen = address;
  options.key_file = key_file;
}

std::string Listening::words() const {
  return address.empty() ? "" : " --listen " + address + " --key-file " + key_file;
}

void add_listening(CLI::App& command, Listening& listening) {
  CLI::Option* listen = command.add_option("--listen", listening.address,
                                           "HOST:PORT of this machine (0.0.0.0 for all of its interfaces): start no "
                                           "workers, and wait for `hop worker --connect` from other machines");
  command.add_option("--key-file", listening.key_file, "With --listen: the key that admits workers (hop key new FILE)")
      ->needs(listen);
}

void add_patience(CLI::App& command, std::optional<double>& patience) {
  command
      .add_option("--patience", patience,
                  "Seconds that a worker may stand still before it is started anew, at least (run.patience, " +
                      std::to_string(static_cast<int>(hopper::kDefaultPatience)) +
                      "); where units take long, it may for 20 times their median")
      ->check(CLI::Range(hopper::kShortestPatience, hopper::kLongestPatience));
}

int conduct(const std::filesystem::path& run_directory, const hopper::Objective& objective, bool json,
            const Listening& listening, const std::function<hopper::RunResult(hopper::RunOptions&)>& conduct) {
  hopper::RunControl control;
  std::unique_ptr<Display> display = make_display(objective, json);
  hopper::RunOptions options;
  options.run_directory = run_directory;
  options.hosting = hopper::Hosting::Processes;
  options.program = "/proc/self/exe";  // this very build, even if its file was replaced
  options.on_progress = [&](const hopper::RunProgress& progress) { display->show(progress); };
  options.on_notice = [&](const std::string& line) { display->notice(line); };
  options.control = &control;
  listening.apply(options);

  hopper::Results results;
  try {
    const InterruptHandler interrupts(control);
    results = conduct(options).results;
  } catch (const std::exception&) {
    display.reset();  // prints its last lines before the following ones
    const int code = report_error(std::current_exception());
    if (code == kRunFailed || is_journal_error(std::current_exception())) offer_resume(run_directory, listening);
    return code;
  }
  display.reset();  // prints its last lines before the following ones
  if (json) {
    std::fputs(hopper::to_json(results).c_str(), stdout);
  } else {
    print_last_words(results, run_directory, listening);
  }
  return conclude(results);
}

}  // namespace hop::cli
