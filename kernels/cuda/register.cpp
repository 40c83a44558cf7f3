#include "kernels/cuda/device_internal.h"
#include "kernels/cuda/operations_internal.h"

namespace hop::kernels::cuda {

void register_device() {
  register_backend(DeviceType::cuda, device_backend);
  register_queues(DeviceType::cuda, make_own_stream);
  register_operations(DeviceType::cuda, operations());
}

}  // namespace hop::kernels::cuda
