// The model states that a node holds: files on its disk, and the most recent ones in memory too. Internal to Hopscotch.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "hopper/events.h"
#include "nn/state_file.h"
#include "nn/state_pool.h"

namespace hop::hopper {

/// The state is not here, or what is here does not pass its check.
struct StateLost : StateError {
  using StateError::StateError;
};
/// The system cannot read it now, or it arrived with another digest: that may pass.
struct StateDamaged : StateError {
  using StateError::StateError;
};

/// Versions of models, each a state block. Thread-safe: the disk thread puts, the network thread serves.
/// Durable: `put` returns when the state is a synced file, so what is here survives the process. Memory then holds a
/// few states only, however many models there are. Not durable: memory is all there is.
class StateStore {
 public:
  struct Key {
    ModelId model;
    std::uint32_t version = 0;
    auto operator<=>(const Key&) const = default;
  };

  /// Takes a line for people: which file is not what it should be, and why.
  using Tell = std::function<void(const std::string& line)>;
  /// Deletes a file; where it cannot, the file stays.
  using Remove = std::function<void(const std::filesystem::path& file)>;

  /// `folder` is created when it does not exist. Left-over temporary files in it are removed. States that come from
  /// files or are copied lie in blocks of `blocks`.
  StateStore(std::filesystem::path folder, bool durable,
             std::shared_ptr<nn::StatePool> blocks = nn::StatePool::make_shared(), Tell tell = {}, Remove remove = {});

  /// What lies on the disk, checked. A file that does not pass its check is kept as `<name>.damaged` and told of: its
  /// unit will be trained again. So it is with a file that the disk cannot read (EIO), which stays where it is. Throws
  /// StateError when the system refuses for another reason (too many open files, no permission, no memory): nothing is
  /// known about the file then. Counts the files that it has read in `progress`.
  std::vector<HeldState> scan(std::atomic<std::uint64_t>* progress = nullptr);

  /// Keeps a new state; computes and returns its digest. `state.digest` is ignored. Throws StateError (disk full).
  Digest put(const HeldState& state, const nn::StateLayout& layout, nn::StateBytes bytes);

  /// The bytes of a version, from memory or disk; null when it is not here or its file is damaged, which is told and
  /// kept as `<name>.damaged`. Nobody writes to them. Throws StateDamaged when the system cannot read the file now.
  nn::StateBytes find(Key key);
  /// The same, but null also when they are on disk only: never waits for one.
  nn::StateBytes find_in_memory(Key key);
  /// The bytes for training on: nobody else has them, and the version stays available (on disk, or in memory as a
  /// copy).
  nn::StateBytes take(Key key);
  /// Copies now what take() would copy later: for a worker that has nothing else to do.
  void copy_ahead(Key key);

  /// Forgets a version and deletes its file, if it is the one that `attempt` left. Nothing happens when it is not here.
  /// May wait for the disk. Called on the thread that puts, so that no newer file of that name is deleted.
  void release(Key key, Attempt attempt);

 private:
  struct Entry {
    nn::StateBytes bytes;  // null: on disk only
    nn::StateBytes copy;   // made ahead for take()
    nn::StateLayout layout;
    Attempt attempt;
  };
  std::filesystem::path path(Key key) const;
  void remember(Key key, Entry entry);
  std::optional<HeldState> read_file(const std::filesystem::path& file);
  void set_aside(const std::filesystem::path& file, const std::string& why);
  void tell(const std::string& line) const;
  nn::StateBytes copy_of(const AlignedBuffer& bytes);

  const std::filesystem::path folder_;
  const bool durable_;
  const std::shared_ptr<nn::StatePool> blocks_;
  const Tell tell_;
  Remove remove_;
  std::mutex mutex_;
  std::map<Key, Entry> entries_;
  std::list<Key> recent_;  // whose bytes are in memory, the latest first
};

}  // namespace hop::hopper
