// The trainers of a worker: places in which models of one architecture are trained one after the other. Internal to
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

namespace hop::hopper {

/// Thread-safe. The CPU's trainers are built whenever one is wanted. On another device two per architecture are enough:
/// while one trains, the next state arrives in the other and the last one leaves. Where two do not fit, one is.
/// Building there waits for the device, so the thread that computes does it.
class Slots {
 public:
  /// The references outlive the slots.
  Slots(const Experiment& experiment, const data::Dataset& dataset, Device device,
        std::shared_ptr<const data::DeviceRows> rows = nullptr);

  Device device() const { return device_; }
  /// Bytes of the model's state, where a model of its architecture has been built already.
  std::optional<std::uint64_t> known_state_bytes(ModelId model, const Config& config);
  /// The same; where none has been, one is. Throws ConfigError for a model that cannot be built.
  std::uint64_t state_bytes(ModelId model, const Config& config);
  /// A free trainer for the next unit of the model, at once; null where there is none, or where one per architecture
  /// must do: that one is for whoever computes.
  std::unique_ptr<Trainer> take_free(ModelId model, const Config& config);
  /// The same, but built where none is free. Building on the CPU takes milliseconds. On a device it would wait for the
  /// device: null there.
  std::unique_ptr<Trainer> take_early(ModelId model, const Config& config);
  /// A trainer for now. Where a second one does not fit, a free one is taken, now and from now on. Throws ConfigError,
  /// MemoryError (free trainers of other architectures were given up before).
  std::unique_ptr<Trainer> take(ModelId model, const Config& config);
  /// Keeps the trainer for other models; of too many free ones, the one that was not used for the longest time goes.
  void give_back(std::unique_ptr<Trainer> trainer);
  /// Destroys the free trainers: memory is short.
  void clear();
  /// From now on one trainer per architecture must do on this device.
  void make_one_enough();
  /// Destroys a trainer that was taken, and forgets what the calling thread's work has met on the device: the next unit
  /// is not blamed for it.
  void forget(std::unique_ptr<Trainer> trainer);

 private:
  std::unique_ptr<Trainer> find_free(const std::string& key);
  std::unique_ptr<Trainer> build_or_find(ModelId model, const Config& config, const std::string& key);
  std::unique_ptr<Trainer> build(ModelId model, const Config& config, const std::string& key);

  const Experiment& experiment_;
  const data::Dataset& dataset_;
  const Device device_;
  const std::shared_ptr<const data::DeviceRows> rows_;

  std::mutex mutex_;
  std::list<std::unique_ptr<Trainer>> free_;  // the latest used first
  std::map<std::string, int> built_;          // by key: free ones and those that were taken
  int enough_;                                // of one architecture, on a device
  std::map<std::string, std::uint64_t> state_bytes_;
};

}  // namespace hop::hopper
