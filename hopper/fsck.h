// Checking and repairing a damaged journal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hop::hopper {

/// The findings of `hop fsck` in a run directory's journal.
struct JournalCheck {
  std::uint64_t records = 0;            ///< sound records, from the first one on
  std::uint64_t sound_bytes = 0;        ///< bytes of the header and the sound records
  std::uint64_t other_bytes = 0;        ///< bytes after those
  std::vector<std::string> findings{};  ///< the damage in the other bytes, a line each; empty if there is none
  std::filesystem::path kept{};  ///< the file to which the other bytes were moved; empty if they were not cut off

  bool is_sound() const { return findings.empty(); }
};

/// Reads the journal, replays its records and reports damage. With `cut`, all bytes after the sound records are moved
/// into a file beside the journal, so that the run can go on from the sound records: units of lost records are trained
/// again. Throws ConfigError if the folder is not a run directory or its experiment was changed since the run began,
/// JournalError if there is no journal, if not even its first record is whole, or if it is in use.
JournalCheck check_journal(const std::filesystem::path& run_directory, bool cut = false);

}  // namespace hop::hopper
