// The trainers of a worker. In a trainer, models of one architecture are trained one after the other. Internal to
// Hopscotch.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "hopper/trainer.h"
#include "tensor/memory_pool.h"

namespace hop::hopper {

/// Thread-safe: a worker's network, disk and compute threads call it. On the CPU one trainer per architecture is
/// enough: states arrive and leave as bytes, and an exchange of pointers loads one when its unit begins. A second
/// trainer would have activations of its own, which the caches do not know, and would record each step once more. On
/// another device two are enough: while one trains, the next state arrives in the other and the last state leaves. If
/// two do not fit, one has to be enough. Building on a device waits for the device, so the compute thread builds.
///
/// Because one trains at a time, a few of them compute in one memory: blocks of the same size serve them all. What
/// another trainer has just touched is in the caches.
class TrainerPool {
 public:
  /// The references outlive the pool.
  TrainerPool(const Experiment& experiment, const data::Dataset& dataset, Device device,
              std::shared_ptr<const data::DeviceRows> rows = nullptr);

  Device device() const { return device_; }
  /// Bytes of the model's state, if a model of its architecture has already been built.
  std::optional<std::uint64_t> known_state_bytes(ModelId model, const Config& config);
  /// Bytes of the model's state; builds a model if necessary. Throws ConfigError for a model that cannot be built.
  std::uint64_t state_bytes(ModelId model, const Config& config);
  /// A free trainer for the next unit of the model, without waiting. Null if there is none, or if one trainer per
  /// architecture must do: this one is reserved for the compute thread.
  std::unique_ptr<Trainer> try_take(ModelId model, const Config& config);
  /// A unit of the model follows soon: a free trainer of its architecture is the last one that is destroyed. False if
  /// no such trainer has been built, free or taken.
  bool expect(ModelId model, const Config& config);
  /// If there is no trainer of the model's architecture, builds a free one, so that take_now() need not. Throws as
  /// take_now().
  void build_ahead(ModelId model, const Config& config);
  /// A trainer for a unit that begins now. If a second trainer does not fit, takes a free one, now and from now on.
  /// Throws ConfigError; MemoryError, after free trainers of other architectures were destroyed.
  std::unique_ptr<Trainer> take_now(ModelId model, const Config& config);
  /// Keeps the trainer for other models. If too many are free, destroys the one that was unused for the longest time.
  void give_back(std::unique_ptr<Trainer> trainer);
  /// Destroys the free trainers, because memory is short.
  void clear();
  /// From now on one trainer per architecture must do on this device.
  void make_one_enough();
  /// Destroys a taken trainer, and drops the errors of the calling thread's work on the device, so that the next unit
  /// is not blamed for them.
  void forget(std::unique_ptr<Trainer> trainer);

 private:
  std::unique_ptr<Trainer> find_free(const std::string& key);
  std::unique_ptr<Trainer> assigned(std::unique_ptr<Trainer> trainer, ModelId model, const Config& config);
  std::unique_ptr<Trainer> build_or_find(ModelId model, const Config& config, const std::string& key);
  std::unique_ptr<Trainer> build(ModelId model, const Config& config, const std::string& key);
  std::shared_ptr<MemoryPool> shared_memory();

  const Experiment& experiment_;
  const data::Dataset& dataset_;
  const Device device_;
  const std::shared_ptr<const data::DeviceRows> rows_;
  const std::shared_ptr<Exchange> exchange_;  // of the strategy, for all trainers: one trains at a time

  std::mutex mutex_;
  std::list<std::unique_ptr<Trainer>> free_;  // the latest used first
  std::map<std::string, int> built_;          // by key: trainers that are free or taken
  std::shared_ptr<MemoryPool> memory_;        // null: the next trainer gets a new one
  std::size_t users_ = 0;                     // trainers that got memory_
  int enough_;                                // of one architecture
  std::map<std::string, std::uint64_t> state_bytes_;
};

}  // namespace hop::hopper
