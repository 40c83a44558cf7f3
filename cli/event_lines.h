// What happens in a run, as JSON lines for other programs: `--events`. Pure: (progress) -> lines. docs/events.md
// describes every event and its fields.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "hopper/run.h"

namespace hop::cli {

class EventLines {
 public:
  using Lines = std::vector<std::string>;

  /// `own_metrics`: their names, in the order of EpochMetrics::own.
  EventLines(hopper::Objective objective, std::vector<std::string> own_metrics)
      : objective_(std::move(objective)), own_metrics_(std::move(own_metrics)) {}

  std::string started(const std::filesystem::path& run_directory) const;
  static std::string notice(const std::string& text);
  /// What has happened to the models since the last call: they began, completed epochs, ended. The first call of a
  /// resumed run tells all that happened before, too.
  Lines news(const hopper::Ledger& ledger);
  std::string progress(const hopper::RunProgress& progress) const;

  /// The last line of a run: one of the two.
  static std::string done(const hopper::Results& results, const std::filesystem::path& run_directory, int code);
  static std::string failed(const ErrorReport& report, const std::filesystem::path& run_directory, bool is_resumable);

 private:
  // What is told of a model.
  struct Told {
    std::size_t epochs = 0;
    hopper::Status status = hopper::Status::Running;
  };
  std::string epoch(const hopper::Model& model, std::size_t index) const;

  hopper::Objective objective_;
  std::vector<std::string> own_metrics_;
  std::vector<Told> told_;
};

}  // namespace hop::cli
