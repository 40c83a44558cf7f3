#include "tests/faults/disk_recorder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <fstream>
#include <stdexcept>

#include "tests/cli/program.h"

namespace hop::testing {

namespace fs = std::filesystem;

namespace {

fs::path proc(pid_t thread, const std::string& name) { return fs::path("/proc") / std::to_string(thread) / name; }

fs::path proc_descriptor(pid_t thread, std::uint64_t descriptor) {
  return proc(thread, "fd") / std::to_string(static_cast<int>(descriptor));
}

fs::path follow(const fs::path& link) {
  std::error_code gone;
  return fs::read_symlink(link, gone);
}

// The position of the descriptor in its file.
std::uint64_t position(pid_t thread, std::uint64_t descriptor) {
  std::ifstream info(proc(thread, "fdinfo") / std::to_string(static_cast<int>(descriptor)));
  for (std::string word; info >> word;) {
    if (std::uint64_t place = 0; word == "pos:" && info >> place) return place;
  }
  throw std::runtime_error("[disk recorder] no position of a descriptor");
}

}  // namespace

DiskRecorder::DiskRecorder(Tracer& tracer, fs::path folder, std::string name)
    : folder_(std::move(folder)), name_(std::move(name)) {
  log_.begin_with(folder_, name_);
  tracer.on_entry = [this](const SystemCall& call) { return before(call), true; };
  tracer.on_exit = [this](const SystemCall& call) { after(call); };
}

void DiskRecorder::before(const SystemCall& call) {
  if (call.number == SYS_fsync || call.number == SYS_fdatasync) syncs_[call.thread] = log_.size();
}

void DiskRecorder::after(const SystemCall& call) {
  if (call.result < 0) return;
  const auto& a = call.arguments;
  const pid_t thread = call.thread;
  constexpr auto kHere = static_cast<std::uint64_t>(AT_FDCWD);
  switch (call.number) {
    case SYS_openat:
      return opened(call);
    case SYS_open: {  // libc calls openat; a sanitizer's runtime does not
      SystemCall at = call;
      at.arguments = {kHere, a[0], a[1], a[2]};
      return opened(at);
    }
    case SYS_creat:
      throw std::runtime_error("[disk recorder] creat is not watched");
    case SYS_write:
    case SYS_writev:
      return written(call, a[0], std::nullopt);
    case SYS_sendfile:
      return written(call, a[0], std::nullopt);
    case SYS_pwrite64:
      return written(call, a[0], a[3]);
    case SYS_copy_file_range:
      return written(call, a[2], std::nullopt);
    case SYS_mmap:
      return mapped(call);
    case SYS_ftruncate:
      if (const auto path = watched(thread, a[0])) log_.resize(node(*path), a[1]);
      return;
    case SYS_fsync:
    case SYS_fdatasync:
      if (const auto path = watched(thread, a[0])) log_.sync(node(*path), syncs_.at(thread));
      return;
    case SYS_mkdir:
      if (const auto path = watched(path_at(thread, a[0]))) log_.create(*path, true);
      return;
    case SYS_unlink:
    case SYS_rmdir:
      return removed(watched(path_at(thread, a[0])));
    case SYS_unlinkat:
      return removed(watched(path_at(thread, a[0], a[1])));
    case SYS_rename:
      return renamed(watched(path_at(thread, a[0])), watched(path_at(thread, a[1])));
    case SYS_renameat:
    case SYS_renameat2:
      return renamed(watched(path_at(thread, a[0], a[1])), watched(path_at(thread, a[2], a[3])));
    case SYS_link:
      return linked(path_at(thread, kHere, a[0]), watched(path_at(thread, a[1])));
    case SYS_linkat:
      return linked(path_at(thread, a[0], a[1]), watched(path_at(thread, a[2], a[3])));
    default:
      return;
  }
}

void DiskRecorder::opened(const SystemCall& call) {
  const auto path = watched(call.thread, static_cast<std::uint64_t>(call.result));
  if (!path) return;
  const std::optional<int> node = log_.find(*path);
  if (!node) {
    log_.create(*path);
  } else if ((call.arguments[2] & O_TRUNC) != 0) {
    log_.resize(*node, 0);
  }
}

// The bytes are read back from the file: its writer stands still.
void DiskRecorder::written(const SystemCall& call, std::uint64_t descriptor, std::optional<std::uint64_t> offset) {
  const auto path = watched(call.thread, descriptor);
  if (!path || call.result == 0) return;
  const auto size = static_cast<std::uint64_t>(call.result);
  const std::uint64_t begin = offset ? *offset : position(call.thread, descriptor) - size;
  std::string bytes(size, '\0');
  std::ifstream file(proc_descriptor(call.thread, descriptor), std::ios::binary);
  file.seekg(static_cast<std::streamoff>(begin));
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  if (!file) throw std::runtime_error("[disk recorder] cannot read back what was written to " + *path);
  log_.write(node(*path), begin, bytes);
}

void DiskRecorder::mapped(const SystemCall& call) {
  const bool is_written = (call.arguments[2] & PROT_WRITE) != 0 && (call.arguments[3] & MAP_SHARED) != 0;
  if (is_written && static_cast<int>(call.arguments[4]) >= 0 && watched(call.thread, call.arguments[4])) {
    throw std::runtime_error("[disk recorder] a file is written through memory, which is not watched");
  }
}

int DiskRecorder::node(const std::string& path) const {
  const std::optional<int> found = log_.find(path);
  if (!found) throw std::runtime_error("[disk recorder] never saw how " + path + " was made");
  return *found;
}

void DiskRecorder::removed(const std::optional<std::string>& path) {
  if (path) log_.remove(*path);
}

void DiskRecorder::renamed(const std::optional<std::string>& from, const std::optional<std::string>& to) {
  if (from.has_value() != to.has_value()) throw std::runtime_error("[disk recorder] a rename over the border");
  if (from) log_.rename(*from, *to);
}

void DiskRecorder::linked(const std::string& from, const std::optional<std::string>& to) {
  if (to) log_.link(*to, read(from));
}

std::optional<std::string> DiskRecorder::watched(const fs::path& path) const {
  const std::string relative = path.lexically_normal().lexically_relative(folder_).string();
  if (relative == ".") return "";
  const bool is_below = relative == name_ || relative.starts_with(name_ + "/");
  return is_below ? std::optional(relative) : std::nullopt;
}

// The path of a file that has a name. A file without a name cannot come back after a power cut.
std::optional<std::string> DiskRecorder::watched(pid_t thread, std::uint64_t descriptor) const {
  const std::string path = follow(proc_descriptor(thread, descriptor)).string();
  if (path.empty() || path.front() != '/' || path.ends_with(" (deleted)")) return std::nullopt;
  return watched(fs::path(path));
}

fs::path DiskRecorder::path_at(pid_t thread, std::uint64_t folder, std::uint64_t address) {
  const bool is_here = static_cast<int>(folder) == AT_FDCWD;
  const fs::path base = follow(is_here ? proc(thread, "cwd") : proc_descriptor(thread, folder));
  return base / string_of(thread, address);
}

fs::path DiskRecorder::path_at(pid_t thread, std::uint64_t address) {
  return path_at(thread, static_cast<std::uint64_t>(AT_FDCWD), address);
}

}  // namespace hop::testing
