// The journal: the append-only file that decides which units count.
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

/// The version of the records. Journals of another version cannot be read.
inline constexpr std::uint32_t kJournalFormat = 2;
/// Throws JournalError for another version.
void check_journal_format(std::uint32_t format);

/// Identifies the run of a journal. The first record of the file.
struct JournalHeader {
  std::string run_id{};
  Digest experiment{};  ///< of the experiment file's text
  Digest data = {};     ///< of the data set (data_digest); zero in older journals
  bool operator==(const JournalHeader&) const = default;

  static void describe(auto& h, auto&& field) {
    std::uint32_t format = kJournalFormat;
    field("format", format, check_journal_format);
    field("run_id", h.run_id);
    field("experiment", h.experiment);
    field("data", h.data);
  }
};

/// The longest payload of a record.
inline constexpr std::uint32_t kMaxRecordBytes = 1U << 20;

/// Everything that a journal says.
struct JournalContents {
  JournalHeader header{};
  std::vector<Record> records{};         ///< record i has sequence i + 1
  std::vector<std::uint64_t> offsets{};  ///< the byte of the file at which record i begins
  std::uint64_t bytes = 0;               ///< of the header and these records
  std::uint64_t torn_bytes = 0;          ///< after the last record: left by an unfinished write
  std::string damage{};                  ///< other damage in those bytes (survey_journal only); empty if there is none
};

/// Reads a journal without locking or changing it. Throws JournalError that names the offset if a record is damaged and
/// whole records follow it, or if the format has another version; JournalError that says what can be saved if the file
/// is gone or its first record is not whole.
JournalContents read_journal(const std::filesystem::path& path);
/// The same for a journal that is damaged in the middle: returns the records before the damage, and describes the
/// damage.
JournalContents survey_journal(const std::filesystem::path& path);

/// Throws if a journal must stay as it is: its run cannot go on.
using CheckJournal = std::function<void(const JournalContents& contents)>;

/// Cuts a journal off at byte `offset`; no process may have it open. Keeps the rest as `<path>.cut-<N>` and returns
/// that path. Throws JournalError.
std::filesystem::path cut_journal(const std::filesystem::path& path, std::uint64_t offset);

/// The one writer of a journal. File format: records {u32 length, u32 crc32c, u64 sequence, payload} in little-endian,
/// where length counts the payload, the CRC covers length, sequence and payload, and the payload is a FlatBuffer
/// (docs/hopper.fbs). One thread may append while another one syncs. After a failed write or sync every call throws
/// JournalError.
class Journal {
 public:
  /// Creates the file, which must not exist, and makes it and its header durable.
  static Journal create(const std::filesystem::path& path, const JournalHeader& header);

  /// Opens an existing journal: reads it into `contents` and, after `check`, cuts off a torn tail of
  /// `contents.torn_bytes` bytes. Throws JournalError, also if another process has the journal open (flock).
  static Journal open(const std::filesystem::path& path, JournalContents& contents, const CheckJournal& check = {});

  /// What the journal begins with.
  const JournalHeader& header() const;

  Journal(Journal&&) noexcept;
  Journal& operator=(Journal&&) noexcept;
  ~Journal();

  /// Buffers one record and returns its sequence: 1, 2, ... Nothing is durable before `sync`.
  std::uint64_t append(const Record& record);
  /// The same, and adds it to what was read of this journal.
  std::uint64_t append(const Record& record, JournalContents& contents);

  /// Writes all buffered records and waits until they are on the disk (fdatasync): one wait for all of them (group
  /// commit). Returns the sequence up to which everything is durable.
  std::uint64_t sync();

 private:
  class Impl;
  explicit Journal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hop::hopper
