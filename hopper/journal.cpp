#include "hopper/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <system_error>

#include "base/error.h"
#include "hopper/journal_codec_internal.h"
#include "hopper/journal_search_internal.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kEnvelope = 16;  // u32 length, u32 crc32c, u64 sequence

[[noreturn]] void fail(const fs::path& path, const std::string& what) {
  throw JournalError("[journal] " + what + " (" + path.string() + ")");
}

[[noreturn]] void fail_errno(const fs::path& path, const std::string& what) {
  fail(path, what + ": " + std::system_category().message(errno));
}

// No record is left. Nobody can tell then which of the states count, so nothing but a copy of the file saves them.
[[noreturn]] void fail_lost(const fs::path& path, const std::string& what) {
  const fs::path run = path.has_parent_path() ? path.parent_path() : ".";
  throw JournalError("[journal] " + what + " (" + path.string() +
                     "): put a copy of it back if there is one. Without a journal no command can use the states of "
                     "the run; results.json, if it is there, has the metrics. To train all models again on the run's "
                     "own data, move models, nodes and journal out of " +
                     run.string() + ", then `hop resume " + run.string() + "`");
}

// ---- records in bytes -----------------------------------------------------------------------------------------------

template <class T>
void put(std::vector<std::byte>& out, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

template <class T>
T get(ByteView bytes) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) value |= static_cast<T>(static_cast<T>(bytes[i]) << (8 * i));
  return value;
}

// The CRC covers everything but itself.
std::uint32_t checksum(ByteView record) { return crc32c(record.subspan(8), crc32c(record.first(4))); }

void put_record(std::vector<std::byte>& out, std::uint64_t sequence, ByteView payload) {
  const std::size_t begin = out.size();
  put(out, static_cast<std::uint32_t>(payload.size()));
  put(out, std::uint32_t{0});
  put(out, sequence);
  out.insert(out.end(), payload.begin(), payload.end());
  const std::uint32_t crc = checksum(ByteView(out).subspan(begin));
  for (std::size_t i = 0; i < sizeof crc; ++i) out[begin + 4 + i] = static_cast<std::byte>(crc >> (8 * i));
}

struct RawRecord {
  std::uint64_t sequence;
  ByteView payload;
};

// The record that begins here, if it is whole and its sequence lies in [first, last].
std::optional<RawRecord> record_at(ByteView bytes, std::uint64_t first, std::uint64_t last) {
  if (bytes.size() < kEnvelope) return std::nullopt;
  const auto length = get<std::uint32_t>(bytes);
  const auto sequence = get<std::uint64_t>(bytes.subspan(8));
  if (length > kMaxRecordBytes || length > bytes.size() - kEnvelope || sequence < first || sequence > last)
    return std::nullopt;
  const ByteView record = bytes.first(kEnvelope + length);
  if (checksum(record) != get<std::uint32_t>(bytes.subspan(4))) return std::nullopt;
  return RawRecord{sequence, record.subspan(kEnvelope)};
}

// A torn write ends a journal. If a later record is still whole, something else has happened to the file. Any byte may
// be the first byte of a record, so each one is tried, at a cost of a few steps.
bool whole_record_after(ByteView bytes, std::uint64_t sequence) {
  if (bytes.size() <= kEnvelope) return false;
  const std::uint64_t last = sequence + bytes.size() / kEnvelope;
  std::optional<RangeCrc> crc;
  for (std::size_t i = 1; i + kEnvelope <= bytes.size(); ++i) {
    const ByteView rest = bytes.subspan(i);
    const auto number = get<std::uint64_t>(rest.subspan(8));
    if (number <= sequence || number > last) continue;
    const auto length = get<std::uint32_t>(rest);
    if (length > kMaxRecordBytes || length > rest.size() - kEnvelope) continue;
    if (!crc) crc.emplace(bytes);
    if ((*crc)(i + 8, 8 + length, crc32c(rest.first(4))) == get<std::uint32_t>(rest.subspan(4))) return true;
  }
  return false;
}

enum class OnDamage : std::uint8_t { Throw, Tell };

// Whole records end at `offset`.
JournalContents parse(ByteView file, const fs::path& path, OnDamage on_damage = OnDamage::Throw) {
  JournalContents contents;
  std::size_t offset = 0;
  const auto damaged = [&](const std::string& what) {
    if (on_damage == OnDamage::Throw || offset == 0) {
      fail(path, what + (offset > 0 ? "; `hop fsck` can cut the file there" : ""));
    }
    contents.damage = what;
  };
  for (std::uint64_t sequence = 0; offset < file.size(); ++sequence) {
    const auto raw = record_at(file.subspan(offset), sequence, sequence);
    if (!raw) {
      if (sequence == 0) fail_lost(path, "expected a whole record 0 at offset 0, got damaged bytes");
      if (!whole_record_after(file.subspan(offset), sequence)) break;
      damaged("expected a whole record " + std::to_string(sequence) + " at offset " + std::to_string(offset) +
              ", got damaged bytes that are not the end of the file");
      break;
    }
    auto payload = decode(raw->payload);
    const bool in_place = payload && std::holds_alternative<JournalHeader>(*payload) == (sequence == 0);
    if (!in_place) {
      damaged("expected a record of this version at offset " + std::to_string(offset));
      break;
    }
    if (sequence == 0) {
      contents.header = std::get<JournalHeader>(*std::move(payload));
    } else {
      contents.records.push_back(std::get<Record>(*std::move(payload)));
      contents.offsets.push_back(offset);
    }
    offset += kEnvelope + raw->payload.size();
  }
  if (offset == 0) fail_lost(path, "expected a journal, got an empty file");
  contents.bytes = offset;
  contents.torn_bytes = file.size() - offset;
  return contents;
}

// ---- files ----------------------------------------------------------------------------------------------------------

class File {
 public:
  File(fs::path path, int flags) : path_(std::move(path)), fd_(::open(path_.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0 && errno == ENOENT && (flags & O_CREAT) == 0) fail_lost(path_, "expected a journal, got no file");
    if (fd_ < 0) fail_errno(path_, "cannot open the file");
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const fs::path& path() const { return path_; }

  void lock() {
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
    if (errno == EWOULDBLOCK) fail(path_, "expected to be its only writer, but another process has it open");
    fail_errno(path_, "cannot lock the file");
  }

  std::vector<std::byte> read_all() {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) fail_errno(path_, "cannot read the file");
    std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t n = ::pread(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
      if (n < 0 && errno != EINTR) fail_errno(path_, "cannot read the file");
      if (n == 0) bytes.resize(done);  // the writer has cut the file meanwhile
      if (n > 0) done += static_cast<std::size_t>(n);
    }
    return bytes;
  }

  void truncate(std::size_t size) {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail_errno(path_, "cannot cut off the torn tail");
    sync();
  }

  void append(ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail_errno(path_, "cannot write");
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }

  void sync() {
    if (::fdatasync(fd_) != 0) fail_errno(path_, "cannot make the records durable");
  }

 private:
  fs::path path_;
  int fd_;
};

// A new file is durable only when its directory entry is.
void sync_directory(const fs::path& path) {
  const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || ::fsync(fd) != 0) {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    errno = error;
    fail_errno(directory, "cannot sync the directory");
  }
  ::close(fd);
}

}  // namespace

class Journal::Impl {
 public:
  Impl(std::unique_ptr<File> file, JournalHeader header, std::uint64_t next)
      : header_(std::move(header)), file_(std::move(file)), next_(next) {}

  const JournalHeader& header() const { return header_; }

  std::uint64_t append(ByteView payload) {
    if (payload.size() > kMaxRecordBytes) {
      fail(file_->path(), "expected a record of at most " + std::to_string(kMaxRecordBytes) + " bytes, got " +
                              std::to_string(payload.size()));
    }
    const std::lock_guard lock(buffer_mutex_);
    require_healthy();
    put_record(buffer_, next_, payload);
    return next_++;
  }

  std::uint64_t sync() {
    const std::lock_guard one_at_a_time(file_mutex_);
    std::vector<std::byte> bytes;
    std::uint64_t last = 0;
    {
      const std::lock_guard lock(buffer_mutex_);
      require_healthy();
      bytes.swap(buffer_);
      last = next_ - 1;
    }
    if (bytes.empty()) return last;
    try {
      file_->append(bytes);
      file_->sync();
    } catch (const JournalError&) {
      // After a failed fdatasync nobody knows what is on the disk, and a second one may lie: stop here.
      const std::lock_guard lock(buffer_mutex_);
      failed_ = true;
      throw;
    }
    return last;
  }

 private:
  void require_healthy() const {
    if (failed_) fail(file_->path(), "an earlier write failed; nothing more is accepted");
  }

  const JournalHeader header_;
  std::unique_ptr<File> file_;
  std::mutex file_mutex_;    // held while writing
  std::mutex buffer_mutex_;  // held for moments
  std::vector<std::byte> buffer_;
  std::uint64_t next_;
  bool failed_ = false;
};

JournalContents read_journal(const fs::path& path) {
  File file(path, O_RDONLY);
  return parse(file.read_all(), path);
}

JournalContents survey_journal(const fs::path& path) {
  File file(path, O_RDONLY);
  return parse(file.read_all(), path, OnDamage::Tell);
}

// Nothing is lost for good: the cut-off bytes are first made durable in a separate file.
fs::path cut_journal(const fs::path& path, std::uint64_t offset) {
  File file(path, O_RDWR | O_APPEND);
  file.lock();
  const std::vector<std::byte> bytes = file.read_all();
  if (offset > bytes.size()) fail(path, "cannot cut at byte " + std::to_string(offset));
  fs::path kept;
  for (int i = 1; kept.empty() || fs::exists(kept); ++i) kept = path.string() + ".cut-" + std::to_string(i);
  File copy(kept, O_WRONLY | O_CREAT | O_EXCL);
  copy.append(ByteView(bytes).subspan(offset));
  copy.sync();
  sync_directory(kept);
  file.truncate(offset);
  return kept;
}

Journal Journal::create(const fs::path& path, const JournalHeader& header) {
  auto file = std::make_unique<File>(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND);
  file->lock();
  Journal journal(std::make_unique<Impl>(std::move(file), header, 0));
  journal.impl_->append(encode(header));
  journal.impl_->sync();
  sync_directory(path);
  return journal;
}

Journal Journal::open(const fs::path& path, JournalContents& contents, const CheckJournal& check) {
  auto file = std::make_unique<File>(path, O_RDWR | O_APPEND);
  file->lock();
  contents = parse(file->read_all(), path);
  if (check) check(contents);
  if (contents.torn_bytes > 0) {
    file->truncate(contents.bytes);
  } else {
    file->sync();  // the writer may have been killed between its write and its sync
  }
  return Journal(std::make_unique<Impl>(std::move(file), contents.header, contents.records.size() + 1));
}

Journal::Journal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Journal::Journal(Journal&&) noexcept = default;
Journal& Journal::operator=(Journal&&) noexcept = default;
Journal::~Journal() = default;

std::uint64_t Journal::append(const Record& record) { return impl_->append(encode(record)); }
std::uint64_t Journal::append(const Record& record, JournalContents& contents) {
  const std::vector<std::byte> payload = encode(record);
  const std::uint64_t sequence = impl_->append(payload);
  contents.records.push_back(record);
  contents.offsets.push_back(contents.bytes);
  contents.bytes += kEnvelope + payload.size();
  return sequence;
}
std::uint64_t Journal::sync() { return impl_->sync(); }
const JournalHeader& Journal::header() const { return impl_->header(); }

}  // namespace hop::hopper
