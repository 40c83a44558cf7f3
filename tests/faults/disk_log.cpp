#include "tests/faults/disk_log.h"

#include <algorithm>
#include <fstream>
#include <random>
#include <stdexcept>
#include <utility>

#include "tests/cli/program.h"

namespace hop::testing {

namespace fs = std::filesystem;

DiskLog::DiskLog() { add(/*is_folder=*/true, {}); }

int DiskLog::add(bool is_folder, std::string bytes) {
  first_.push_back({is_folder, {}, std::move(bytes)});
  nodes_.push_back(first_.back());
  return static_cast<int>(nodes_.size()) - 1;
}

std::optional<int> DiskLog::find(const std::string& path) const {
  int node = 0;
  for (const fs::path& name : fs::path(path)) {
    const auto& entries = nodes_[static_cast<std::size_t>(node)].entries;
    const auto entry = entries.find(name.string());
    if (entry == entries.end()) return std::nullopt;
    node = entry->second;
  }
  return node;
}

DiskLog::Place DiskLog::place_of(const std::string& path) const {
  const std::optional<int> folder = find(fs::path(path).parent_path().string());
  if (!folder) throw std::runtime_error("[disk log] no folder for " + path);
  return {*folder, fs::path(path).filename().string()};
}

void DiskLog::log(Operation operation) {
  apply(operation, nodes_);
  operations_.push_back(std::move(operation));
}

void DiskLog::create(const std::string& path, bool is_folder) {
  const Place place = place_of(path);
  log({.kind = Kind::Enter, .node = place.folder, .name = place.name, .entered = add(is_folder, {})});
}

void DiskLog::link(const std::string& path, const std::string& bytes) {
  const Place place = place_of(path);
  log({.kind = Kind::Enter, .node = place.folder, .name = place.name, .entered = add(false, bytes)});
}

void DiskLog::remove(const std::string& path) {
  const Place place = place_of(path);
  log({.kind = Kind::Remove, .node = place.folder, .name = place.name});
}

void DiskLog::rename(const std::string& from, const std::string& to) {
  const Place old = place_of(from), place = place_of(to);
  const std::optional<int> entered = find(from);
  if (!entered) throw std::runtime_error("[disk log] no file " + from);
  log({.kind = Kind::Rename,
       .node = place.folder,
       .name = place.name,
       .old_name = old.name,
       .old_folder = old.folder,
       .entered = *entered});
}

void DiskLog::write(int file, std::uint64_t offset, const std::string& bytes) {
  log({.kind = Kind::Write, .node = file, .offset = offset, .bytes = bytes});
}

void DiskLog::resize(int file, std::uint64_t size) { log({.kind = Kind::Resize, .node = file, .offset = size}); }

void DiskLog::sync(int node, std::size_t until) { log({.kind = Kind::Sync, .node = node, .offset = until}); }

void DiskLog::begin_with(const fs::path& folder, const std::string& name) {
  if (fs::is_directory(folder / name)) {
    create(name, /*is_folder=*/true);
    for (const auto& entry : fs::directory_iterator(folder / name)) {
      begin_with(folder, name + "/" + entry.path().filename().string());
    }
  } else if (fs::exists(folder / name)) {
    link(name, read(folder / name));
  }
  sync(place_of(name).folder, size());
  known_before_ = size();
}

std::size_t DiskLog::until_first(const std::string& ending) const {
  for (std::size_t i = 0; i < operations_.size(); ++i) {
    const bool names = operations_[i].kind == Kind::Enter || operations_[i].kind == Kind::Rename;
    if (names && operations_[i].name.ends_with(ending)) return i + 1;
  }
  return size();
}

void DiskLog::apply(const Operation& operation, std::vector<Node>& nodes) {
  Node& node = nodes[static_cast<std::size_t>(operation.node)];
  switch (operation.kind) {
    case Kind::Enter:
      node.entries[operation.name] = operation.entered;
      break;
    case Kind::Remove:
      node.entries.erase(operation.name);
      break;
    case Kind::Rename:
      nodes[static_cast<std::size_t>(operation.old_folder)].entries.erase(operation.old_name);
      node.entries[operation.name] = operation.entered;
      break;
    case Kind::Write:
      node.bytes.resize(std::max<std::size_t>(node.bytes.size(), operation.offset + operation.bytes.size()));
      node.bytes.replace(operation.offset, operation.bytes.size(), operation.bytes);
      break;
    case Kind::Resize:
      node.bytes.resize(operation.offset);
      break;
    case Kind::Sync:
      break;
  }
}

// Repeats the operations before the cut, as a disk may have carried them out.
class DiskLog::Replay {
 public:
  Replay(const DiskLog& log, std::size_t operations, PowerCut cut, std::uint64_t seed)
      : log_(log), operations_(operations), cut_(cut), random_(seed), nodes_(log.first_) {
    // An operation is durable when a sync of its node came after it.
    std::vector<std::size_t> synced(nodes_.size(), 0);
    for (std::size_t i = 0; i < operations_; ++i) {
      const Operation& operation = log_.operations_[i];
      std::size_t& until = synced[static_cast<std::size_t>(operation.node)];
      if (operation.kind == Kind::Sync) until = std::max<std::size_t>(until, operation.offset);
    }
    for (std::size_t i = 0; i < operations_; ++i) {
      const Operation& operation = log_.operations_[i];
      if (operation.kind == Kind::Sync) continue;
      const bool is_durable = i < synced[static_cast<std::size_t>(operation.node)];
      if (is_durable) {
        apply(operation, nodes_);
      } else if (operation.kind == Kind::Write || operation.kind == Kind::Resize) {
        unsynced_bytes(operation);
      } else if (keeps_entry()) {
        apply(operation, nodes_);
      }
    }
  }

  void build(const fs::path& folder) const { build(folder, 0); }

 private:
  enum class Fate : std::uint8_t { Kept, Torn, Zeros, Lost };
  static constexpr int kFates = 4;

  bool keeps_entry() { return cut_ == PowerCut::LosesBytes || (cut_ == PowerCut::LosesSome && random_() % 2 == 0); }

  // A disk keeps the first unsynced writes to a file. After the first write that it loses, it loses all of them.
  void unsynced_bytes(const Operation& operation) {
    Fate& fate = fates_.try_emplace(operation.node, first_fate()).first->second;
    if (fate == Fate::Lost) return;
    if (cut_ == PowerCut::LosesSome) fate = static_cast<Fate>(random_() % kFates);
    if (fate == Fate::Lost) return;
    Operation left = operation;
    if (fate == Fate::Zeros) std::fill(left.bytes.begin(), left.bytes.end(), '\0');
    if (fate == Fate::Torn && !left.bytes.empty()) left.bytes.resize(random_() % left.bytes.size());
    apply(left, nodes_);
    if (fate != Fate::Kept) fate = Fate::Lost;  // of the following ones
  }

  Fate first_fate() const {
    return cut_ == PowerCut::LosesNames || cut_ == PowerCut::LosesSome ? Fate::Kept : Fate::Lost;
  }

  void build(const fs::path& path, int node) const {
    const Node& here = nodes_[static_cast<std::size_t>(node)];
    if (!here.is_folder) {
      std::ofstream(path, std::ios::binary) << here.bytes;
      return;
    }
    fs::create_directories(path);
    if (node != 0) fs::permissions(path, fs::perms::owner_all);
    for (const auto& [name, entry] : here.entries) build(path / name, entry);
  }

  const DiskLog& log_;
  std::size_t operations_;
  PowerCut cut_;
  std::mt19937_64 random_;
  std::vector<Node> nodes_;
  std::map<int, Fate> fates_;  // of each file's unsynced writes
};

void DiskLog::build(const fs::path& folder, std::size_t operations, PowerCut cut, std::uint64_t seed) const {
  Replay(*this, operations, cut, seed).build(folder);
}

}  // namespace hop::testing
