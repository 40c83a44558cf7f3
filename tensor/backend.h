// What a device must do for the floors above: hold bytes and move them. Mathematics lives in kernels/.
#pragma once

#include <cstddef>

#include "tensor/device.h"

namespace hop {

class Backend {
 public:
  virtual ~Backend() = default;
  /// `size` > 0 bytes on a 64-byte boundary, uninitialised; throws MemoryError when the device has none.
  virtual void* allocate(std::size_t size) = 0;
  virtual void free(void* data, std::size_t size) noexcept = 0;
  /// Copies between this device and the host, or within the device, after all work that was given to the device before;
  /// returns when `to` may be read.
  virtual void copy(void* to, const void* from, std::size_t size) = 0;
  /// Clears `size` bytes, in order with the work that was given to the device before.
  virtual void zero(void* data, std::size_t size) = 0;
  /// Waits for all work that was given to the device, and throws what it met (IndexError for a label out of range, ..).
  virtual void synchronize() = 0;
};

/// The backend of a device; throws DeviceError for a device that this program or machine lacks.
Backend& backend(Device device);

/// Adds a device type; once per type, before its first use. `of` gives the backend of device number `index`, which
/// lives as long as the program, or throws DeviceError.
void register_backend(DeviceType type, Backend& (*of)(std::int16_t index));

}  // namespace hop
