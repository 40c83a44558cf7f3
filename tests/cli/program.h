// Starts the real program `hop`, watches it, kills parts of it. For tests of whole processes.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "hopper/records.h"
#include "tests/temporary_folder.h"

namespace hop::testing {

struct Finished {
  int code = -1;  ///< exit code, or 128 + signal
  std::string out;
  std::string err;
};

/// A running `hop`; killed when the object dies.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments, const std::filesystem::path& directory);
  /// Another program, or `hop` under another name.
  Program(const std::filesystem::path& program, std::vector<std::string> arguments,
          const std::filesystem::path& directory);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  /// Processes whose parent it is: its workers, in the order of their start.
  std::vector<pid_t> children() const;
  void signal(int signal) const;
  /// Waits for the end. A program that does not come to one in ten minutes hangs: it is killed, and the test fails.
  Finished wait();
  bool running();

 private:
  pid_t pid_ = 0;
  std::filesystem::path out_, err_;
  int status_ = 0;
  bool ended_ = false;
};

/// Runs a line of the shell to its end.
Finished shell(const std::string& line, const std::filesystem::path& directory);
/// Runs `hop` to its end.
Finished hop(const std::vector<std::string>& arguments, const std::filesystem::path& directory);

/// Looks every few milliseconds until `condition` holds; false after a generous time.
bool eventually(const std::function<bool()>& condition, std::chrono::seconds patience = std::chrono::seconds(60));

/// Whether the process has ended. A process that nobody has waited for counts as ended, because in a container the
/// first process may wait for none.
bool is_gone(pid_t process);

/// The commits in a run's journal so far; none while there is no readable journal.
std::vector<hopper::record::Commit> commits(const std::filesystem::path& run_directory);

/// model -> state_sha256 of a run's results.json.
std::map<int, std::string> hashes(const std::filesystem::path& run_directory);

void write(const std::filesystem::path& file, const std::string& text);
std::string read(const std::filesystem::path& file);

}  // namespace hop::testing
