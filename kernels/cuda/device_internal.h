// What this process keeps per device from its first use to its end: streams, the fault word, the slabs.
#pragma once

#include "kernels/cuda/runtime.h"
#include "kernels/cuda/slabs_internal.h"
#include "tensor/backend.h"

namespace hop::kernels::cuda {

struct DeviceState {
  DeviceState();

  Stream compute;
  Stream to_device;
  Stream to_host;
  Slabs slabs;
  unsigned long long* fault = nullptr;            ///< as the host sees it
  unsigned long long* fault_on_device = nullptr;  ///< as kernels do
};

/// The state of device `index`, which must be current when it is first asked for. Never destroyed: the driver may be
/// gone before the last static object is.
DeviceState& device_state(int index);

/// The backend of Device::cuda(index); throws DeviceError for one that is not there.
Backend& device_backend(std::int16_t index);

}  // namespace hop::kernels::cuda
