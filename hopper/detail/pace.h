// The distance between the host and a device that trains. Internal to Hopscotch.
#pragma once

#include "tensor/backend.h"

namespace hop::hopper {

/// The host is at most twice this many steps ahead of the device: enough to hide every launch, and few enough for
/// accurate progress and a prompt stop.
inline constexpr int kStepsPerFence = 16;

/// Keeps the host close behind the device, because nothing else in a step waits for the device.
class Pace {
 public:
  explicit Pace(Device device) : device_(device) {}
  void step() {
    if (++steps_ % kStepsPerFence != 0) return;
    last_.wait();
    last_ = backend(device_).fence();
  }

 private:
  Device device_;
  int steps_ = 0;
  Fence last_;
};

}  // namespace hop::hopper
