#include "hopper/fsck.h"

#include "hopper/detail/restore.h"
#include "hopper/detail/run_checks.h"
#include "hopper/detail/run_directory.h"

namespace hop::hopper {

namespace {

void replay_records(JournalCheck& check, const Experiment& experiment, const JournalContents& journal) {
  const Restored restored = restore(experiment, experiment.data.partitions.value_or(1), journal);
  if (restored.contradiction.empty()) return;
  check.records = restored.records;
  check.findings.push_back(restored.contradiction);
  check.sound_bytes = journal.offsets[restored.records];
  check.other_bytes += journal.bytes - check.sound_bytes;
}

}  // namespace

JournalCheck check_journal(const std::filesystem::path& run_directory, bool cut) {
  const Experiment experiment = read_options(run_directory);
  const std::filesystem::path path = run_directory / "journal";
  const JournalContents journal = survey_journal(path);
  check_same_experiment(journal.header, run_directory);

  JournalCheck check{
      .records = journal.records.size(), .sound_bytes = journal.bytes, .other_bytes = journal.torn_bytes};
  replay_records(check, experiment, journal);
  if (journal.torn_bytes > 0) {
    check.findings.push_back("byte " + std::to_string(journal.bytes) + ": " + std::to_string(journal.torn_bytes) +
                             " bytes that are no whole record" +
                             (journal.damage.empty() ? " (an unfinished write)" : ": " + journal.damage));
  }
  if (cut && !check.is_sound()) check.kept = cut_journal(path, check.sound_bytes);
  return check;
}

}  // namespace hop::hopper
