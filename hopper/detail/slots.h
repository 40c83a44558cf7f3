// The trainers of a worker: places in which models of one architecture are trained one after the other. Internal to
// Hopscotch.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "hopper/trainer.h"

namespace hop::hopper {

/// Thread-safe. The CPU's trainers are built whenever one is wanted. On another device two per architecture are enough:
/// while one trains, the next state arrives in the other and the last one leaves. Building there waits for the device,
/// so the thread that computes does it.
class Slots {
 public:
  /// The references outlive the slots.
  Slots(const Experiment& experiment, const data::Dataset& dataset, Device device,
        std::shared_ptr<const data::DeviceRows> rows = nullptr);

  Device device() const { return device_; }
  /// Bytes of the model's state. Throws ConfigError for a model that cannot be built.
  std::uint64_t state_bytes(ModelId model, const Config& config);
  /// A trainer for the next unit of the model, without waiting for the device; null where none is free there.
  std::unique_ptr<Trainer> take_early(ModelId model, const Config& config);
  /// A trainer for now. Throws ConfigError, MemoryError (free trainers of other architectures were given up before).
  std::unique_ptr<Trainer> take(ModelId model, const Config& config);
  /// Keeps the trainer for other models; of too many free ones, the one that was not used for the longest time goes.
  void give_back(std::unique_ptr<Trainer> trainer);
  /// Destroys the free trainers: memory is short.
  void clear();
  /// Destroys a trainer that was taken.
  void forget(std::unique_ptr<Trainer> trainer);

 private:
  std::unique_ptr<Trainer> find_free(const std::string& key);
  /// Whether there were any.
  bool give_up_free();
  std::unique_ptr<Trainer> build(ModelId model, const Config& config, const std::string& key);

  const Experiment& experiment_;
  const data::Dataset& dataset_;
  const Device device_;
  const std::shared_ptr<const data::DeviceRows> rows_;

  std::mutex mutex_;
  std::list<std::unique_ptr<Trainer>> free_;  // the latest used first
  std::map<std::string, int> built_;          // by key: free ones and those that were taken
  std::map<std::string, std::uint64_t> state_bytes_;
};

}  // namespace hop::hopper
