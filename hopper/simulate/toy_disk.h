// The disk of a simulated worker: it works on one thing at a time, and its files can be lost or damaged.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "hopper/simulate/world.h"

namespace hop::hopper::simulate {

/// The damage of a file. Rotten: its bytes fail their check when they are read. Unreadable: the system refuses to read
/// it until the worker starts again.
enum class Damage : std::uint8_t { None, Rotten, Unreadable };

class ToyDisk {
 public:
  explicit ToyDisk(World& world) : world_(world) {}

  /// Does `work` when all work before it is done and `duration` has passed; at once if nothing has to be waited for.
  template <class F>
  void then(Time duration, F work) {
    const Time now = world_.now();
    free_at_ = std::max(now, free_at_) + duration;
    if (waiting_ == 0 && free_at_ == now) return work();
    ++waiting_;
    world_.after(free_at_ - now, [this, power = power_, work = std::move(work)] {
      if (power != power_) return;
      --waiting_;
      work();
    });
  }
  /// The time at which all its work is done.
  Time free_at() const { return free_at_; }
  /// The power fails, or the process is killed: waiting work is never done.
  void stop() {
    ++power_;
    waiting_ = 0;
    free_at_ = {};
  }

  void write(const HeldState& state, Damage damage = Damage::None) {
    files_[{state.model, state.version}] = {state, damage};
  }
  /// Removes the file of this name, if there is one.
  void remove(ModelId model, Version version) { files_.erase({model, version}); }
  void harm(ModelId model, Version version, Damage damage) { files_.at({model, version}).damage = damage; }
  /// A file with its bytes as they were written, or null.
  const HeldState* find(ModelId model, Version version) const {
    const auto file = files_.find({model, version});
    return file == files_.end() || file->second.damage != Damage::None ? nullptr : &file->second.state;
  }
  /// A file, damaged or not.
  std::optional<HeldState> file(ModelId model, Version version) const {
    const auto found = files_.find({model, version});
    return found == files_.end() ? std::nullopt : std::optional(found->second.state);
  }
  /// Reads a file. A file that fails its check is set aside.
  Reading read(ModelId model, Version version) {
    const auto file = files_.find({model, version});
    if (file == files_.end()) return {Reading::Kind::Lost, {}, {}};
    const HeldState& state = file->second.state;
    if (file->second.damage == Damage::Unreadable) return {Reading::Kind::Unreadable, {}, {}};
    if (file->second.damage == Damage::None) return {Reading::Kind::Read, state.digest, state};
    files_.erase(file);
    return {Reading::Kind::Lost, {}, {}};
  }
  /// The states of all files, damaged or not.
  std::vector<HeldState> files() const {
    std::vector<HeldState> all;
    for (const auto& entry : files_) all.push_back(entry.second.state);
    return all;
  }
  /// Reads all files when a worker starts: only those without damage stay.
  std::vector<HeldState> scan() {
    std::erase_if(files_, [](const auto& entry) { return entry.second.damage != Damage::None; });
    return files();
  }

 private:
  struct File {
    HeldState state;
    Damage damage = Damage::None;
  };
  World& world_;
  std::map<std::pair<ModelId, Version>, File> files_;
  Time free_at_{};
  std::uint64_t waiting_ = 0;
  std::uint64_t power_ = 0;
};

}  // namespace hop::hopper::simulate
