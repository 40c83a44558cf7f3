// The disk thread of a worker calls all functions, except find_in_memory(): the network thread calls it. mutex_ guards
// the states in memory, and nobody holds it while reading or writing a file.
#include "hopper/detail/state_store.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "hopper/detail/run_directory.h"
#include "hopper/detail/state_fields.h"
#include "hopper/detail/unreadable_file.h"

namespace hop::hopper {
namespace {

// Durable stores keep this many states in memory, for states that are about to hop or to be trained on.
constexpr std::size_t kStatesInMemory = 4;

void remove_quietly(const fs::path& file) {
  std::error_code ignored;
  fs::remove(file, ignored);
}

}  // namespace

StateStore::StateStore(fs::path folder, bool durable, std::shared_ptr<nn::StatePool> blocks, Tell tell, Remove remove)
    : folder_(std::move(folder)),
      durable_(durable),
      blocks_(std::move(blocks)),
      tell_(std::move(tell)),
      remove_(remove ? std::move(remove) : remove_quietly) {
  if (!durable_) return;
  create_folder(folder_);
  for (const fs::directory_entry& file : fs::directory_iterator(folder_)) {
    const fs::path kind = file.path().extension();
    std::error_code ignored;
    if (file.symlink_status().type() == fs::file_type::regular && kind != ".hop" && kind != ".damaged") {
      fs::remove(file.path(), ignored);
    }
  }
}

std::vector<HeldState> StateStore::scan(std::atomic<std::uint64_t>* progress) {
  std::vector<HeldState> held;
  if (!durable_) return held;
  for (const fs::directory_entry& file : fs::directory_iterator(folder_)) {
    if (progress != nullptr) ++*progress;
    if (file.path().extension() != ".hop") continue;
    if (file.symlink_status().type() != fs::file_type::regular) {
      tell(file.path().string() + " is no regular file and is left alone");
    } else if (auto state = read_file(file.path())) {
      held.push_back(*std::move(state));
    }
  }
  std::sort(held.begin(), held.end(), [](const HeldState& a, const HeldState& b) {
    return std::pair(a.model, a.version) < std::pair(b.model, b.version);
  });
  return held;
}

std::optional<HeldState> StateStore::read_file(const fs::path& file) {
  try {
    return read_patiently(file, [&] {
      const nn::StateHeader header = nn::read_state_header(file);
      AlignedBuffer block(header.layout.bytes);
      nn::load_state(file, header.layout, block.span());
      const HeldState state = from_header(header);
      if (path({state.model, state.version}) != file) {
        throw StateError("[state] expected " + path({state.model, state.version}).filename().string() + ", got " +
                         file.string());
      }
      return std::optional(state);
    });
  } catch (const Unreadable& error) {
    if (error.error != EIO) throw;
    tell(std::string(error.what()) + "; what it held is trained again");
  } catch (const StateError& error) {
    set_aside(file, error.what());
  }
  return std::nullopt;
}

void StateStore::set_aside(const fs::path& file, const std::string& why) {
  tell(why + "; " + keep_damaged_file(file) + "; what it held is trained again");
}

void StateStore::tell(const std::string& line) const {
  if (tell_) tell_(line);
}

Digest StateStore::put(const HeldState& state, const nn::StateLayout& layout, nn::StateBytes bytes) {
  const Key key{state.model, state.version};
  const ByteView block = std::as_const(*bytes).span();
  const Digest digest = durable_ ? put_copy(state, layout, block) : xxh3_128(block);
  const std::scoped_lock lock(mutex_);
  remember(key, {std::move(bytes), digest});
  return digest;
}

Digest StateStore::put_copy(const HeldState& state, const nn::StateLayout& layout, ByteView block) {
  return nn::save_state(path({state.model, state.version}),
                        {.identity = "model " + std::to_string(state.model.value),
                         .layout = layout,
                         .digest = {},
                         .metrics = to_fields(state)},
                        block);
}

std::optional<std::vector<std::byte>> StateStore::header(Key key) const {
  if (!durable_) throw StateError("[state] expected a state that is a file, got one in memory only");
  const fs::path file = path(key);
  try {
    return read_patiently(file, [&] { return nn::encode_state_header(nn::read_state_header(file)); });
  } catch (const Unreadable& error) {
    if (error.error != ENOENT) throw StateDamaged(error.what());
    tell(error.what());
  } catch (const StateError& error) {
    tell(error.what());
  }
  return std::nullopt;
}

// The caller holds mutex_.
void StateStore::remember(Key key, Stored stored) {
  in_memory_[key] = {std::move(stored), nullptr};
  if (!durable_) return;
  recent_.remove(key);
  recent_.push_front(key);
  while (recent_.size() > kStatesInMemory) {
    in_memory_.erase(recent_.back());
    recent_.pop_back();
  }
}

// The layout is read from the file each time: a worker may hold states of many thousand models, and the layouts of all
// would fill its memory.
StateStore::Stored StateStore::find(Key key) {
  if (Stored stored = find_in_memory(key)) return stored;
  if (!durable_) return {};
  const fs::path file = path(key);
  try {
    return read_patiently(file, [&] {
      const nn::StateHeader header = nn::read_state_header(file);
      nn::StateBytes bytes = blocks_->make(header.layout.bytes);
      nn::load_state(file, header.layout, bytes->span());
      return Stored{std::move(bytes), header.digest};
    });
  } catch (const Unreadable& error) {
    if (error.error != ENOENT) throw StateDamaged(error.what());
    tell(error.what());
  } catch (const StateError& error) {
    set_aside(file, error.what());
  }
  return {};
}

StateStore::Stored StateStore::find_in_memory(Key key) {
  const std::scoped_lock lock(mutex_);
  const auto it = in_memory_.find(key);
  return it == in_memory_.end() ? Stored() : it->second.stored;
}

StateStore::Stored StateStore::take(Key key) {
  {
    const std::scoped_lock lock(mutex_);
    const auto it = in_memory_.find(key);
    if (it != in_memory_.end() && it->second.copy) return {std::move(it->second.copy), it->second.stored.digest};
    if (it != in_memory_.end() && durable_ && it->second.stored.bytes.use_count() == 1) {
      Stored stored = std::move(it->second.stored);  // the file keeps the version, so memory can give its bytes away
      in_memory_.erase(it);
      recent_.remove(key);
      return stored;
    }
  }
  Stored stored = find(key);
  if (!stored || stored.bytes.use_count() == 1) return stored;  // fresh from the disk
  return {copy_of(*stored.bytes), stored.digest};
}

void StateStore::copy_ahead(Key key) {
  if (durable_) return;  // take() gives the bytes away and copies nothing
  const Stored stored = find_in_memory(key);
  if (!stored) return;
  try {
    nn::StateBytes copy = copy_of(*stored.bytes);
    const std::scoped_lock lock(mutex_);
    const auto it = in_memory_.find(key);
    if (it != in_memory_.end() && it->second.stored.bytes == stored.bytes) it->second.copy = std::move(copy);
  } catch (const std::exception&) {  // no memory now: take() will try again
  }
}

nn::StateBytes StateStore::copy_of(const AlignedBuffer& bytes) {
  nn::StateBytes copy = blocks_->make(bytes.size());
  std::copy_n(bytes.data(), bytes.size(), copy->data());
  return copy;
}

void StateStore::remove(Key key) {
  {
    const std::scoped_lock lock(mutex_);
    in_memory_.erase(key);
    recent_.remove(key);
  }
  if (durable_) remove_(path(key));  // without the lock, because a file system may take seconds
}

fs::path StateStore::path(Key key) const {
  return folder_ / (std::to_string(key.model.value) + "-" + to_string(key.version) + ".hop");
}

}  // namespace hop::hopper
