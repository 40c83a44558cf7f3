// The operations of programs on the files of a folder, in order, and the states in which a power cut may leave it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hop::testing {

/// How a disk treats bytes and entries that nobody has synced. A sync of a file keeps its bytes, a sync of a folder its
/// entries.
enum class PowerCut : std::uint8_t {
  LosesEverything,
  LosesBytes,  ///< entries are kept: a renamed file may be empty
  LosesNames,  ///< bytes are kept: of files that may have no name
  LosesSome,   ///< drawn for each entry and file: kept, lost, torn, or zeros
};
inline constexpr int kPowerCuts = 4;

/// A log of operations, and the files as the living programs see them. Paths are relative to the folder; "" is the
/// folder itself. A hard link is a file of its own here.
class DiskLog {
 public:
  DiskLog();

  /// The file or folder of that name; nothing where there is none.
  std::optional<int> find(const std::string& path) const;
  /// A new file or folder under that name.
  void create(const std::string& path, bool is_folder = false);
  /// A file whose bytes are on the disk already.
  void link(const std::string& path, const std::string& bytes);
  void remove(const std::string& path);
  void rename(const std::string& from, const std::string& to);
  void write(int file, std::uint64_t offset, const std::string& bytes);
  void resize(int file, std::uint64_t size);
  /// Keeps what the first `until` operations did to the file or folder.
  void sync(int node, std::size_t until);

  /// The file or folder `name` in `folder` is on the disk from the beginning. Call it before all other functions.
  void begin_with(const std::filesystem::path& folder, const std::string& name);

  std::size_t size() const { return operations_.size(); }
  /// How many operations there were when begin_with() had put in what was there.
  std::size_t known_before() const { return known_before_; }
  /// How many operations there were when the first file got a name with that ending; size() where none did.
  std::size_t until_first(const std::string& ending) const;

  /// Makes the folder as a cut after the first `operations` operations leaves it.
  void build(const std::filesystem::path& folder, std::size_t operations, PowerCut cut, std::uint64_t seed) const;

 private:
  enum class Kind : std::uint8_t { Enter, Remove, Rename, Write, Resize, Sync };
  struct Operation {
    Kind kind;
    int node = 0;  ///< whose sync keeps it: a folder for its entries, a file for its bytes
    std::string name = {};
    std::string old_name = {};
    int old_folder = 0;
    int entered = 0;
    std::uint64_t offset = 0;  ///< or the size, or how many operations are synced
    std::string bytes = {};
  };
  struct Node {
    bool is_folder = false;
    std::map<std::string, int> entries;
    std::string bytes;
  };
  struct Place {
    int folder;
    std::string name;
  };
  class Replay;

  Place place_of(const std::string& path) const;
  int add(bool is_folder, std::string bytes);
  void log(Operation operation);
  static void apply(const Operation& operation, std::vector<Node>& nodes);

  std::vector<Node> first_;  ///< nodes as they are created: without entries, with the bytes that need no sync
  std::vector<Node> nodes_;  ///< as the living see them
  std::vector<Operation> operations_;
  std::size_t known_before_ = 0;
};

}  // namespace hop::testing
