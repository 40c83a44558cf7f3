#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

namespace hop {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTemporary = ".partial-";
constexpr int kMaxLinks = 40;  // as Linux has it

std::atomic<std::uint64_t> syncs{0};

void fail(Raise raise, const std::string& action, const fs::path& path, int error = errno) {
  raise("[file] cannot " + action + " " + path.string() + ": " + std::generic_category().message(error));
}

bool sync(int fd) {
  syncs.fetch_add(1, std::memory_order_relaxed);
  return ::fsync(fd) == 0;
}

// The end of a chain of symbolic links, which need not exist. A rename must go there to leave every link in place.
fs::path behind_links(fs::path path, Raise raise) {
  for (int links = 0; fs::is_symlink(fs::symlink_status(path)); ++links) {
    if (links == kMaxLinks) fail(raise, "write", path, ELOOP);
    std::error_code error;
    const fs::path next = fs::read_symlink(path, error);
    if (error) fail(raise, "read the link", path, error.value());
    path = path.parent_path() / next;  // an absolute `next` replaces the whole path
  }
  return path;
}

// The file that is written in place of `target`. Only a regular file is ever replaced.
fs::path checked_target(const fs::path& target, Raise raise) {
  struct stat info {};
  if (::stat(target.c_str(), &info) != 0) {
    if (errno != ENOENT) fail(raise, "write", target);
    return behind_links(target, raise);
  }
  if (S_ISDIR(info.st_mode)) raise("[file] expected the name of a file, got the folder " + target.string());
  if (!S_ISREG(info.st_mode)) {
    raise("[file] expected a regular file or a new name, got " + target.string() + ", a pipe, socket or device");
  }
  return behind_links(target, raise);
}

// Creates a file beside `target` under a name that nobody uses. A rename within one folder is atomic.
int create_beside(const fs::path& target, fs::path& temporary, Raise raise) {
  while (true) {
    temporary = temporary_name(target);
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) return fd;
    if (errno != EEXIST) fail(raise, "create", temporary);  // EEXIST: left by a killed process that had our process id
  }
}

void write_all(int fd, ByteView bytes, const fs::path& name, Raise raise) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(raise, "write", name);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

}  // namespace

Descriptor::~Descriptor() { close(); }

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

bool Descriptor::close() {
  const int fd = std::exchange(fd_, -1);
  return fd < 0 || ::close(fd) == 0;
}

AtomicFile::AtomicFile(const fs::path& target, Raise raise)
    : raise_(raise), target_(checked_target(target, raise)), fd_(create_beside(target_, temporary_, raise)) {}

AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(ByteView bytes) { write_at(end_, bytes); }

void AtomicFile::write_at(std::uint64_t offset, ByteView bytes) {
  end_ = offset + bytes.size();
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(raise_, "write", target_);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void AtomicFile::commit(Sync durable) {
  if (durable == Sync::yes && !sync(fd_.get())) fail(raise_, "sync", target_);
  if (!fd_.close()) fail(raise_, "close", target_);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail(raise_, "rename to", target_);
  committed_ = true;
  if (durable == Sync::yes) sync_folder(target_.parent_path(), raise_);
}

void write_file_atomically(const fs::path& file, ByteView bytes, Raise raise) {
  AtomicFile out(file, raise);
  out.write(bytes);
  out.commit();
}

void write_output(const fs::path& file, ByteView bytes, Raise raise) {
  struct stat info {};
  const bool is_stream = ::stat(file.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
  if (!is_stream) return write_file_atomically(file, bytes, raise);
  Descriptor out(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (out.get() < 0) fail(raise, "open", file);
  write_all(out.get(), bytes, file, raise);
  if (!out.close()) fail(raise, "close", file);
}

void sync_folder(const fs::path& folder, Raise raise) {
  const fs::path name = folder.empty() ? "." : folder;
  const Descriptor fd(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) fail(raise, "open folder", name);
  if (!sync(fd.get()) && errno != EINVAL) fail(raise, "sync folder", name);  // EINVAL: it cannot be synced here
}

void sync_file(const fs::path& file, Raise raise) {
  const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail(raise, "open", file);
  if (!sync(fd.get())) fail(raise, "sync", file);
}

void create_folder(const fs::path& path, Raise raise, unsigned mode) {
  std::error_code ignored;
  if (path.empty() || fs::is_directory(path, ignored)) return;
  create_folder(path.parent_path(), raise, mode);
  if (::mkdir(path.c_str(), mode) != 0) {
    if (errno == EEXIST && fs::is_directory(path, ignored)) return;  // another process has just created it
    fail(raise, "create", path);
  }
  sync_folder(path.parent_path(), raise);
}

fs::path temporary_name(const fs::path& path) {
  static std::atomic<unsigned> counter{0};
  fs::path name = path;
  name += kTemporary + std::to_string(::getpid()) + "-" + std::to_string(counter++);
  return name;
}

bool is_temporary_name(const fs::path& path) { return path.filename().string().find(kTemporary) != std::string::npos; }

fs::path without_trailing_slash(fs::path path) {
  while (path.has_parent_path() && path != path.root_path() && (!path.has_filename() || path.filename() == ".")) {
    path = path.parent_path();
  }
  return path;
}

std::uint64_t durable_syncs() { return syncs.load(std::memory_order_relaxed); }

}  // namespace hop
