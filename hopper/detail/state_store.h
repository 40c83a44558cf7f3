// The model states of a node: files on its disk, and the most recent ones also in memory. Internal to Hopscotch.
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

/// The state is not here, or fails its check.
struct StateLost : StateError {
  using StateError::StateError;
};
/// The system cannot read the state now, or it arrived with another digest. The trouble may pass.
struct StateDamaged : StateError {
  using StateError::StateError;
};

/// Versions of models, each a state block: the mechanism of a worker's disk. worker::Jobs knows which states are here,
/// and decides which are deleted. Thread-safe. The disk thread calls everything except find_in_memory(), which the
/// network thread calls. Durable: `put` returns when the state is a synced file, so states survive the process. Memory
/// then holds only a few states, and nothing about the others, for any number of models. Not durable: states are in
/// memory only.
class StateStore {
 public:
  struct Key {
    ModelId model;
    Version version{};
    auto operator<=>(const Key&) const = default;
  };
  /// The bytes of a state, null if it is not here, and their digest.
  struct Stored {
    nn::StateBytes bytes;
    Digest digest{};
    explicit operator bool() const { return bytes != nullptr; }
  };

  /// Takes a line for people that names the damaged file and the damage.
  using Tell = std::function<void(const std::string& line)>;
  /// Deletes a file. If it cannot be deleted, it stays.
  using Remove = std::function<void(const std::filesystem::path& file)>;

  /// Creates `folder` if it does not exist, and removes left-over temporary files in it. States that are read or copied
  /// lie in blocks of `blocks`.
  StateStore(std::filesystem::path folder, bool durable,
             std::shared_ptr<nn::StatePool> blocks = nn::StatePool::make_shared(), Tell tell = {}, Remove remove = {});

  /// Reads and checks the states on the disk. A file that fails its check is kept as `<name>.damaged` and reported; its
  /// unit will be trained again. A file that the disk cannot read (EIO) is reported, too, and stays where it is. Throws
  /// StateError if the system refuses for another reason (too many open files, no permission, no memory), because then
  /// nothing is known about the file. Counts the files that it has read in `progress`.
  std::vector<HeldState> scan(std::atomic<std::uint64_t>* progress = nullptr);

  /// Keeps a new state; computes and returns its digest. `state.digest` is ignored. Throws StateError (disk full).
  Digest put(const HeldState& state, const nn::StateLayout& layout, nn::StateBytes bytes);

  /// The same for a copy of another worker's state, but keeps nothing in memory: the room there is for states that are
  /// about to hop or to be trained on. Only for durable stores.
  Digest put_copy(const HeldState& state, const nn::StateLayout& layout, ByteView block);
  /// The header of a version's file, for a worker that copies it; none if the file is not here or is damaged, even if
  /// memory has the version's bytes. Throws StateDamaged if the system cannot read the file now, StateError for a store
  /// that is not durable.
  std::optional<std::vector<std::byte>> header(Key key) const;

  /// A version, from memory or disk; read-only. Null if the version is not here, or if its file is damaged: a damaged
  /// file is reported and kept as `<name>.damaged`. Throws StateDamaged if the system cannot read the file now.
  Stored find(Key key);
  /// The same, but also null if the version is only on disk. Never waits for a disk.
  Stored find_in_memory(Key key);
  /// A version for training: no other handle shares the bytes. The version stays available (on disk, or in memory as a
  /// copy).
  Stored take(Key key);
  /// Makes the copy of take() in advance, for a worker that has nothing else to do.
  void copy_ahead(Key key);

  /// Forgets a version and deletes its file. Does nothing if the version is not here. May wait for the disk. Call it on
  /// the thread that puts, so that it cannot delete a newer file of the same name.
  void remove(Key key);

 private:
  struct Entry {
    Stored stored;
    nn::StateBytes copy;  // made ahead for take()
  };
  std::filesystem::path path(Key key) const;
  void remember(Key key, Stored stored);
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
  std::map<Key, Entry> in_memory_;
  std::list<Key> recent_;  // if durable: the states in memory, the latest first
};

}  // namespace hop::hopper
