// A whole system (launcher, daemons, workers), measured from outside, whatever it is written in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hop::bench {

/// What a command and all processes that descend from it have used.
struct Watched {
  double seconds = 0;                         ///< from the start of the command to its end
  double cpu_seconds = 0;                     ///< of all processes, also of those that are gone
  std::uint64_t peak_bytes = 0;               ///< the largest sum of proportional set sizes (PSS) that was seen
  std::optional<std::uint64_t> sent_bytes{};  ///< over the loopback device; none without the right to make a network
  std::string output{};                       ///< the last line that the command wrote
};

/// Runs a command on two cores, in a network of its own that has nothing but loopback, and waits until no process of it
/// is left; what remains after `limit_seconds` is killed. Home and temporary directory of the command are `folder`,
/// which keeps its output (`out`, `err`). `program` is hop_bench itself: it does the watching in a process of its own.
/// Throws SideError, with the last words of the command, if the command fails.
Watched watched(const std::filesystem::path& program, const std::vector<std::string>& command,
                const std::filesystem::path& folder, double limit_seconds);

/// The watching process: hop_bench --watch FOLDER SECONDS COMMAND... Writes FOLDER/usage.json.
int watch(const std::vector<std::string>& words);

}  // namespace hop::bench
