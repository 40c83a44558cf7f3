// Runs a program under ptrace and shows every system call that it makes.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace hop::testing {

/// One system call of one thread.
struct SystemCall {
  pid_t process = 0;
  pid_t thread = 0;
  std::uint64_t number = 0;  ///< SYS_...
  std::array<std::uint64_t, 6> arguments = {};
  std::int64_t result = 0;  ///< on the way out only; -errno where it failed
};

/// Why this machine does not let a process trace its child; empty: it does.
std::string why_no_tracing();

class Tracer {
 public:
  enum class Scope : std::uint8_t { Process, Tree };  ///< its threads alone, or all processes that it starts as well

  /// The program's output goes to files in `directory`, where it runs.
  Tracer(std::vector<std::string> words, std::filesystem::path directory, Scope scope);
  /// Kills what is still being traced: on_entry or on_exit threw.
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  /// Sees a call before it is made, and may forbid it: false kills the program with SIGKILL there.
  std::function<bool(const SystemCall&)> on_entry;
  /// Sees a call after it was made. Its thread stands still meanwhile; other threads go on.
  std::function<void(const SystemCall&)> on_exit;

  /// Runs the program to its end, or to the call at which on_entry kills it: its exit code, or 128 + signal.
  int run();
  /// The text that it wrote to its standard error.
  std::string errors() const;

 private:
  void begin();
  void wait_for_all();
  void handle(pid_t thread, int status);
  void handle_call(pid_t thread);
  pid_t process_of(pid_t thread);

  std::vector<std::string> words_;
  std::filesystem::path directory_;
  Scope scope_;
  pid_t pid_ = 0;
  int gate_ = -1;
  int code_ = -1;
  std::map<pid_t, SystemCall> threads_;  // that are being traced, with the call that each is in
};

/// Bytes of a traced process.
std::vector<std::byte> bytes_of(pid_t thread, std::uint64_t address, std::uint64_t size);
/// The C string there.
std::string string_of(pid_t thread, std::uint64_t address);

}  // namespace hop::testing
