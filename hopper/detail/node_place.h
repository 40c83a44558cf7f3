// The place of a node in a run, as a file beside its states: a worker that comes back asks for this place, because only
// there the run looks for them. Internal to Hopscotch.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/files.h"
#include "base/ids.h"

namespace hop::hopper {

struct NodePlace {
  std::string run{};  ///< JournalHeader::run_id
  WorkerId worker{};
  bool operator==(const NodePlace&) const = default;
};

/// Keeps a node's folder for one process: the states of two workers in one folder would be taken for one worker's.
class NodeLock {
 public:
  /// Creates the folder if it does not exist. Throws ConfigError if another worker uses it.
  explicit NodeLock(const std::filesystem::path& folder);

 private:
  Descriptor file_;
};

/// None if the folder has no such file. Throws DataError for a file that is not understood.
std::optional<NodePlace> read_node_place(const std::filesystem::path& folder);
/// Creates the folder if it does not exist. Throws DataError.
void write_node_place(const std::filesystem::path& folder, const NodePlace& place);

}  // namespace hop::hopper
