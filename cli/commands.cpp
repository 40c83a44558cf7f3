#include "cli/commands.h"

#include <cstdio>

#include "base/error.h"
#include "hopper/run.h"

namespace hop::cli {
ErrorReport report_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const ConfigError& e) {
    return {"bad configuration", e.what(), kBadInput};
  } catch (const DataError& e) {
    return {"bad data", e.what(), kBadInput};
  } catch (const JournalError& e) {
    return {"bad journal", e.what(), kBadInput};
  } catch (const std::exception& e) {
    return {"failed", e.what(), kRunFailed};
  }
}

int report_error(const std::exception_ptr& error) {
  const ErrorReport report = report_of(error);
  std::fprintf(stderr, "hop: %s: %s\n", report.kind.c_str(), report.text.c_str());
  return report.code;
}

bool is_journal_error(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const JournalError&) {
    return true;
  } catch (...) {
    return false;
  }
}

void tell_source_change(const std::string& run_directory) {
  try {
    const std::string change = hopper::source_change(run_directory);
    if (!change.empty()) std::fprintf(stderr, "%s\n", change.c_str());
  } catch (const std::exception&) {  // the command itself will report what is wrong with the run
  }
}

void add_last(CLI::App& command, bool& last) {
  command.add_flag("--last", last, "Of a run with keep = \"best\": the state after the last epoch, not the best one");
}

std::optional<hopper::StateFile> which_of(bool last) {
  return last ? std::optional(hopper::StateFile::Last) : std::nullopt;
}

CLI::Validator at_least_one() {
  return {[](const std::string& text) {
            const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
            const bool positive = digits && text.find_first_not_of('0') != std::string::npos;
            return positive ? "" : "expected a whole number of at least 1, got " + text;
          },
          "at least 1"};
}

}  // namespace hop::cli
