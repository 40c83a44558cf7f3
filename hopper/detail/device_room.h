// Who computes on a device, of the workers of one process. Their units run side by side while they fit. A unit that
// does not fit beside the others waits until it is alone, and gets what the others hold for units to come. So a full
// device costs time, and no unit fails because of its neighbours. Units of groups are the exception: a unit that does
// not fit fails, because the other members do not begin again. Internal to Hopscotch.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <vector>

#include "tensor/device.h"

namespace hop::hopper {

class DeviceGuest;

/// The room of one device. Its guests use it.
class DeviceRoom {
 public:
  /// The device's room in this process.
  static DeviceRoom& of(Device device);

 private:
  friend class DeviceGuest;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::uint32_t inside_ = 0;   // units side by side
  std::uint32_t wanting_ = 0;  // units that wait to be alone
  bool is_taken_ = false;      // by a unit that is alone

  std::mutex guests_mutex_;  // held while guests give way, so that none of them is destroyed meanwhile
  std::vector<DeviceGuest*> guests_;
};

/// A worker, for its compute thread. Units of several guests take turns in be_alone(); none waits for ever, because a
/// unit that wants to be alone lets no other unit in.
class DeviceGuest {
 public:
  /// `give_way` frees what the worker holds on the device beside its unit. Threads of other workers call it, and only
  /// while this guest is outside, or waits.
  DeviceGuest(DeviceRoom& room, std::function<void()> give_way);
  ~DeviceGuest();
  DeviceGuest(const DeviceGuest&) = delete;
  DeviceGuest& operator=(const DeviceGuest&) = delete;

  /// Before a unit: waits while a unit is alone, or waits to be. False if `stop` was requested first.
  bool enter(std::stop_token stop);
  /// For a unit inside that does not fit: waits until the others have left, and makes all other guests give way. False
  /// if `stop` was requested first: the unit is then outside.
  bool be_alone(std::stop_token stop);
  /// After a unit. Does nothing outside.
  void leave();
  /// Whether there are other guests.
  bool has_company() const;

 private:
  enum class Place : std::uint8_t { Outside, Inside, Alone };

  DeviceRoom& room_;
  std::function<void()> give_way_;
  Place place_ = Place::Outside;
};

}  // namespace hop::hopper
