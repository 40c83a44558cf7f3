// Looking after a journal that was damaged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hop::hopper {

/// What `hop fsck` finds in a run directory's journal.
struct JournalCheck {
  std::uint64_t records = 0;            ///< that are sound, from the first one on
  std::uint64_t sound_bytes = 0;        ///< of the file that they and the header take
  std::uint64_t other_bytes = 0;        ///< after those
  std::vector<std::string> findings{};  ///< what is wrong with the others, a line each; empty: nothing
  std::filesystem::path kept{};         ///< where they were moved to; empty: they were not cut off

  bool is_sound() const { return findings.empty(); }
};

/// Reads the journal and tells what is wrong with it. With `cut`, what is not sound is moved out of the journal into a
/// file beside it, so that the run can go on from what is: units of records that are lost are trained again. Throws
/// ConfigError for what is no run directory, JournalError when not even the first record is whole or the journal is in
/// use.
JournalCheck check_journal(const std::filesystem::path& run_directory, bool cut = false);

}  // namespace hop::hopper
