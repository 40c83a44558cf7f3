// The network, disk and compute threads of a worker call these functions. mutex_ guards the lists, and nobody holds it
// while building or destroying a trainer.
#include "hopper/detail/trainer_pool.h"

#include <algorithm>

#include "base/error.h"
#include "tensor/allocator.h"
#include "tensor/backend.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kFree = 8;  // of all architectures

// On a device the next state arrives in a second trainer.
int enough_per_architecture(Device device) { return device.is_cpu() ? 1 : 2; }

}  // namespace

TrainerPool::TrainerPool(const Experiment& experiment, const data::Dataset& dataset, Device device,
                         std::shared_ptr<const data::DeviceRows> rows)
    : experiment_(experiment),
      dataset_(dataset),
      device_(device),
      rows_(std::move(rows)),
      exchange_(strategy_of(experiment)->exchange()),
      enough_(enough_per_architecture(device)) {}

std::optional<std::uint64_t> TrainerPool::known_state_bytes(ModelId model, const Config& config) {
  const std::string key = architecture_key(experiment_, model, config);
  const std::scoped_lock lock(mutex_);
  const auto found = state_bytes_.find(key);
  return found != state_bytes_.end() ? std::optional(found->second) : std::nullopt;
}

std::uint64_t TrainerPool::state_bytes(ModelId model, const Config& config) {
  if (const auto known = known_state_bytes(model, config)) return *known;
  const std::shared_ptr<nn::Module> module = build_module(experiment_, config, dataset_);
  const Updates updates = make_updates(experiment_, config, *module);
  const std::uint64_t bytes = nn::StateBlock(*module, updates.optimizer.get()).layout().bytes;
  const std::scoped_lock lock(mutex_);
  return state_bytes_[architecture_key(experiment_, model, config)] = bytes;
}

std::unique_ptr<Trainer> TrainerPool::try_take(ModelId model, const Config& config) {
  {
    const std::scoped_lock lock(mutex_);
    if (enough_ == 1) return nullptr;
  }
  std::unique_ptr<Trainer> trainer = find_free(architecture_key(experiment_, model, config));
  return trainer != nullptr ? assigned(std::move(trainer), model, config) : nullptr;
}

bool TrainerPool::expect(ModelId model, const Config& config) {
  const std::string key = architecture_key(experiment_, model, config);
  const std::scoped_lock lock(mutex_);
  const auto found = std::find_if(free_.begin(), free_.end(), [&](const auto& t) { return t->key() == key; });
  if (found != free_.end()) free_.splice(free_.begin(), free_, found);
  return built_[key] > 0;
}

// Two jobs may have asked for it, one behind the other.
void TrainerPool::build_ahead(ModelId model, const Config& config) {
  if (expect(model, config)) return;
  give_back(build_or_find(model, config, architecture_key(experiment_, model, config)));
}

// A configuration that cannot be assigned costs no trainer.
std::unique_ptr<Trainer> TrainerPool::assigned(std::unique_ptr<Trainer> trainer, ModelId model, const Config& config) {
  try {
    trainer->assign(model, config);
  } catch (...) {
    give_back(std::move(trainer));
    throw;
  }
  return trainer;
}

std::unique_ptr<Trainer> TrainerPool::take_now(ModelId model, const Config& config) {
  const std::string key = architecture_key(experiment_, model, config);
  bool enough = true;
  {
    const std::scoped_lock lock(mutex_);
    enough = built_[key] >= enough_;
  }
  std::unique_ptr<Trainer> trainer = enough ? find_free(key) : nullptr;
  if (trainer == nullptr) trainer = build_or_find(model, config, key);
  return assigned(std::move(trainer), model, config);
}

std::unique_ptr<Trainer> TrainerPool::find_free(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::find_if(free_.begin(), free_.end(), [&](const auto& t) { return t->key() == key; });
  if (found == free_.end()) return nullptr;
  std::unique_ptr<Trainer> trainer = std::move(*found);
  free_.erase(found);
  return trainer;
}

void TrainerPool::clear() {
  std::list<std::unique_ptr<Trainer>> given_up;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& free : free_) --built_[free->key()];
    given_up.swap(free_);
    memory_.reset();  // it goes when the last trainer that computes in it goes
  }
  given_up.clear();
  memory::empty_cache(device_);
}

void TrainerPool::make_one_enough() {
  const std::scoped_lock lock(mutex_);
  enough_ = 1;
}

// If memory is short, takes a trainer that has become free meanwhile. If there is none, destroys all free trainers and
// tries once more.
std::unique_ptr<Trainer> TrainerPool::build_or_find(ModelId model, const Config& config, const std::string& key) {
  try {
    return build(model, config, key);
  } catch (const MemoryError&) {
    std::unique_ptr<Trainer> free = find_free(key);
    if (free != nullptr) {
      make_one_enough();
      return free;
    }
  }
  clear();
  return build(model, config, key);
}

std::unique_ptr<Trainer> TrainerPool::build(ModelId model, const Config& config, const std::string& key) {
  auto trainer = std::make_unique<Trainer>(experiment_, model, config, dataset_, device_, rows_);
  trainer->set_exchange(exchange_);
  const std::scoped_lock lock(mutex_);
  trainer->share_memory(shared_memory());
  ++built_[key];
  state_bytes_[key] = trainer->state().layout().bytes;
  return trainer;
}

// A block in the memory keeps its size, so what was made for an architecture stays when its trainer goes. If there are
// ever new architectures, the memory that a few of them shared goes with the last one. The caller holds mutex_.
std::shared_ptr<MemoryPool> TrainerPool::shared_memory() {
  if (memory_ == nullptr || users_ == kFree) {
    memory_ = std::make_shared<MemoryPool>(device_);
    users_ = 0;
  }
  ++users_;
  return memory_;
}

void TrainerPool::give_back(std::unique_ptr<Trainer> trainer) {
  std::unique_ptr<Trainer> dropped;  // destroyed outside of the lock
  const std::scoped_lock lock(mutex_);
  free_.push_front(std::move(trainer));
  if (free_.size() <= kFree) return;
  dropped = std::move(free_.back());
  free_.pop_back();
  --built_[dropped->key()];
}

void TrainerPool::forget(std::unique_ptr<Trainer> trainer) {
  backend(device_).discard_faults();
  const std::scoped_lock lock(mutex_);
  --built_[trainer->key()];
}

}  // namespace hop::hopper
