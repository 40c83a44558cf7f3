// CUDA for an application, in programs that link Hopscotch::kernels_cuda (built with HOP_CUDA=ON).
#pragma once

namespace hop::kernels::cuda {

/// Registers the backend and the operations of Device::cuda(i). Call once, at the start of a program. Works without a
/// driver or a card: device_count(DeviceType::cuda) then says 0.
void register_device();

}  // namespace hop::kernels::cuda
