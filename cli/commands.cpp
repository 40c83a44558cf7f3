#include "cli/commands.h"

#include <charconv>
#include <cstdio>

#include "base/error.h"
#include "base/words.h"
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
  constexpr std::size_t kMost = 4000;  // a message may hold what stands in a file: no terminal obeys it
  std::fprintf(stderr, "hop: %s: %s\n", report.kind.c_str(), printable(report.text, kMost).c_str());
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

void tell_earlier_state(const hopper::Results& results, ModelId id, std::optional<hopper::StateFile> which) {
  const hopper::ModelResult& model = results.model(id);
  if (!model.earlier_epoch) return;
  const bool is_kept = !model.kept_sha256.empty() && which != hopper::StateFile::Last;
  std::fprintf(stderr, "model %u stands at epoch %u of %u: this is its state after epoch %u\n", id.value, model.epochs,
               results.epochs, is_kept ? *model.kept_epoch : *model.earlier_epoch);
}

void add_last(CLI::App& command, bool& last) {
  command.add_flag("--last", last, "Of a run with keep = \"best\": the state after the last epoch, not the best one");
}

std::optional<hopper::StateFile> which_of(bool last) {
  return last ? std::optional(hopper::StateFile::Last) : std::nullopt;
}

CLI::Validator whole_number(std::uint64_t least) {
  return {[least](std::string& text) -> std::string {
            const std::string given = printable(text);
            std::uint64_t number = 0;
            const char* const end = text.data() + text.size();
            const auto [at, wrong] = std::from_chars(text.data(), end, number);
            if (wrong == std::errc::result_out_of_range) return "expected a whole number below 2^64, got " + given;
            if (wrong != std::errc() || at != end || number < least) {
              return "expected a whole number of at least " + std::to_string(least) + ", got " + given;
            }
            text = std::to_string(number);  // the library would read 010 as eight
            return "";
          },
          "at least " + std::to_string(least)};
}

CLI::Validator number_between(double least, double most) {
  return {[least, most](const std::string& text) -> std::string {
            double number = 0;
            const char* const end = text.data() + text.size();
            const auto [at, wrong] = std::from_chars(text.data(), end, number);
            const bool is_number = wrong == std::errc() && at == end;
            if (is_number && number >= least && number <= most) return "";
            return "expected a number from " + shortest(least) + " to " + shortest(most) + ", got " + printable(text);
          },
          "from " + shortest(least) + " to " + shortest(most)};
}

}  // namespace hop::cli
