// Fills a DiskLog from the system calls of traced programs.
#pragma once

#include <map>

#include "tests/faults/disk_log.h"
#include "tests/faults/tracer.h"

namespace hop::testing {

/// Throws std::runtime_error out of Tracer::run for a call that it cannot follow, and where it lost sight of a file: a
/// process may be killed between a call and its sight.
class DiskRecorder {
 public:
  /// Records what `tracer` sees below `folder`/`name` and of that entry of `folder` itself.
  DiskRecorder(Tracer& tracer, std::filesystem::path folder, std::string name);

  const DiskLog& log() const { return log_; }

 private:
  void before(const SystemCall& call);
  void after(const SystemCall& call);

  void opened(const SystemCall& call);
  void written(const SystemCall& call, std::uint64_t descriptor, std::optional<std::uint64_t> offset);
  void mapped(const SystemCall& call);
  void removed(const std::optional<std::string>& path);
  void renamed(const std::optional<std::string>& from, const std::optional<std::string>& to);
  void linked(const std::string& from, const std::optional<std::string>& to);

  int node(const std::string& path) const;
  /// Paths as DiskLog has them; nothing for those outside.
  std::optional<std::string> watched(const std::filesystem::path& path) const;
  std::optional<std::string> watched(pid_t thread, std::uint64_t descriptor) const;
  static std::filesystem::path path_at(pid_t thread, std::uint64_t folder, std::uint64_t address);
  static std::filesystem::path path_at(pid_t thread, std::uint64_t address);

  std::filesystem::path folder_;
  std::string name_;
  DiskLog log_;
  std::map<pid_t, std::size_t> syncs_;  // thread -> operations before the sync that it is in
};

}  // namespace hop::testing
