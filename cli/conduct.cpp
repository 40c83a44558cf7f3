#include "cli/conduct.h"

#include <fcntl.h>

#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "base/words.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "cli/event_lines.h"
#include "cli/interrupt.h"
#include "cli/line_pipe.h"

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

// Whether an error left a resumable run.
bool is_resumable(const std::filesystem::path& run_directory) {
  try {
    const hopper::Results results = hopper::inspect(run_directory);
    return !results.is_running && results.is_durable && results.outcome == hopper::Outcome::Interrupted;
  } catch (const std::exception&) {  // nothing to resume
    return false;
  }
}

// Tells a program, through the descriptor of --events, what the display tells people.
class EventStream {
 public:
  // If the reader is gone, the program that wanted this run is gone: the run is stopped as by Ctrl-C.
  EventStream(int descriptor, const hopper::Experiment& experiment, hopper::RunControl& control)
      : lines_(experiment.objective(), hopper::own_metric_names(experiment.model)),
        pipe_(descriptor, [&control] { control.stop(); }) {}

  void started(const std::filesystem::path& run_directory) { pipe_.write(lines_.started(run_directory)); }
  void notice(const std::string& text) { pipe_.write(EventLines::notice(text)); }
  void show(const hopper::RunProgress& progress) {
    for (std::string& line : lines_.news(progress.ledger)) pipe_.write(std::move(line));
    pipe_.latest(lines_.progress(progress));
  }
  void end(std::string line) { pipe_.write(std::move(line)); }

 private:
  EventLines lines_;
  LinePipe pipe_;
};

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

// 0, 1 and 2 have their own use.
CLI::Validator open_for_writing() {
  return {[](std::string& text) -> std::string {
            constexpr int kFirst = 3;
            int descriptor = 0;
            const auto read = std::from_chars(text.data(), text.data() + text.size(), descriptor);
            const bool is_number = read.ec == std::errc{} && read.ptr == text.data() + text.size();
            const int flags = is_number && descriptor >= kFirst ? ::fcntl(descriptor, F_GETFL) : -1;
            const bool is_open = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
            if (!is_open) {
              return "expected the number of a file that is open for writing, 3 or higher, got " + text +
                     "; in a shell: --events 3 3>events.jsonl";
            }
            text = std::to_string(descriptor);
            return "";
          },
          "FD"};
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
  listen->check([](const std::string& text) { return text.empty() ? "expected HOST:PORT, got nothing" : ""; });
  command.add_option("--key-file", listening.key_file, "With --listen: the key that admits workers (hop key new FILE)")
      ->needs(listen);
}

void add_telling(CLI::App& command, Telling& telling) {
  command.add_flag("--json", telling.json, "Print results.json instead of progress and leaderboard");
  command
      .add_option("--events", telling.events,
                  "The number of an open file, 3 or higher: what happens is written there, a JSON object per line")
      ->transform(open_for_writing());
}

void add_patience(CLI::App& command, std::optional<double>& patience) {
  command
      .add_option("--patience", patience,
                  "Seconds that a worker may stand still before it is started anew, at least (run.patience, " +
                      std::to_string(static_cast<int>(hopper::kDefaultPatience)) +
                      "); where units take long, it may for 20 times their median")
      ->check(number_between(hopper::kShortestPatience, hopper::kLongestPatience));
}

int conduct(const std::filesystem::path& run_directory, const hopper::Experiment& experiment, const Telling& telling,
            const Listening& listening, const std::function<hopper::RunResult(hopper::RunOptions&)>& conduct) {
  hopper::RunControl control;
  std::optional<EventStream> events;
  if (telling.events) events.emplace(*telling.events, experiment, control);
  std::unique_ptr<Display> display = make_display(experiment.objective(), telling.json);
  hopper::RunOptions options;
  options.run_directory = run_directory;
  options.hosting = hopper::Hosting::Processes;
  options.program = "/proc/self/exe";  // this very build, even if its file was replaced
  options.on_progress = [&](const hopper::RunProgress& progress) {
    display->show(progress);
    if (events) events->show(progress);
  };
  options.on_notice = [&](const std::string& line) {
    display->notice(line);
    if (events) events->notice(line);
  };
  options.control = &control;
  listening.apply(options);

  const std::string to_go_on = "hop resume " + run_directory.string() + listening.words();
  hopper::Results results;
  try {
    Leaving leaving;
    leaving.words += "\nto go on: " + to_go_on;
    if (!experiment.run.durable) leaving = {"Its states were in memory alone: start it anew with hop run", kRunFailed};
    const InterruptHandler interrupts(control, leaving);
    if (events) events->started(run_directory);
    results = conduct(options).results;
  } catch (const std::exception&) {
    display.reset();  // prints its last lines before the following ones
    const ErrorReport report = report_of(std::current_exception());
    report_error(std::current_exception());
    const bool may_go_on = report.code == kRunFailed || is_journal_error(std::current_exception());
    const bool goes_on = may_go_on && is_resumable(run_directory);
    if (goes_on) std::fprintf(stderr, "to go on: %s\n", to_go_on.c_str());
    if (events) events->end(EventLines::failed(report, run_directory, goes_on));
    return report.code;
  }
  display.reset();  // prints its last lines before the following ones
  if (telling.json) {
    std::fputs(hopper::to_json(results).c_str(), stdout);
  } else {
    print_last_words(results, run_directory, listening);
  }
  const int code = conclude(results);
  if (events) events->end(EventLines::done(results, run_directory, code));
  return code;
}

}  // namespace hop::cli
