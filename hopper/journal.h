// The journal: the append-only file that decides what happened.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "hopper/records.h"

namespace hop::hopper {

/// Whose journal it is. The first record of the file.
struct JournalHeader {
  std::string run_id{};
  Digest experiment{};  ///< of the experiment file's text
  Digest data = {};     ///< of the data set (data_digest); zero in journals of before
  bool operator==(const JournalHeader&) const = default;
};

/// The longest payload of a record.
inline constexpr std::uint32_t kMaxRecordBytes = 1U << 20;

/// Everything that a journal says.
struct JournalContents {
  JournalHeader header{};
  std::vector<Record> records{};         ///< record i has sequence i + 1
  std::vector<std::uint64_t> offsets{};  ///< the byte of the file at which record i begins
  std::uint64_t bytes = 0;               ///< of the header and these records
  std::uint64_t torn_bytes = 0;          ///< after the last of them: what a crash left of an unfinished write
  std::string damage{};                  ///< what else is wrong with those bytes (survey_journal only); empty: nothing
};

/// Reads a journal without locking or changing it. Throws JournalError that names the offset when a record is damaged
/// and whole ones follow it, when the first record is not whole, or when the format is of another version.
JournalContents read_journal(const std::filesystem::path& path);
/// The same for a journal that is damaged in the middle: gives what stands before the damage, and says what it is.
JournalContents survey_journal(const std::filesystem::path& path);

/// How many of these records, from the first on, may stand: the others contradict them.
using LeadingRecords = std::function<std::size_t(const JournalContents& contents)>;

/// Cuts off what comes after byte `offset` of a journal that nobody has open, and keeps it as `<path>.cut-<N>`, whose
/// path is returned. Throws JournalError.
std::filesystem::path cut_journal(const std::filesystem::path& path, std::uint64_t offset);

/// The one writer of a journal. File format: records {u32 length, u32 crc32c, u64 sequence, payload} in little-endian,
/// where length counts the payload, the CRC covers length, sequence and payload, and the payload is a FlatBuffer
/// (journal.fbs). One thread may append while another one syncs. After a failed write or sync nothing more is accepted:
/// JournalError.
class Journal {
 public:
  /// Creates the file, which must not exist, and makes it and its header durable.
  static Journal create(const std::filesystem::path& path, const JournalHeader& header);

  /// Opens an existing journal: reads it into `contents` and cuts off a torn tail, which `contents.torn_bytes` tells.
  /// Records that `leading` does not let stand are cut off, too, and kept as `<path>.cut-<N>`; `contents` has the
  /// others. Throws JournalError also when another process has it open (flock).
  static Journal open(const std::filesystem::path& path, JournalContents& contents, const LeadingRecords& leading = {});

  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;
  ~Journal();

  /// Buffers one record and returns its sequence: 1, 2, ... Nothing is durable before `sync`.
  std::uint64_t append(const Record& record);
  /// The same, and adds it to what was read of this journal.
  std::uint64_t append(const Record& record, JournalContents& contents);

  /// Writes what is buffered and waits until it is on the disk (fdatasync): one wait for all of it (group commit).
  /// Returns the sequence up to which everything is durable.
  std::uint64_t sync();

 private:
  class Impl;
  explicit Journal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hop::hopper
