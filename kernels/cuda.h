// CUDA for an application: programs linked with Hopscotch::kernels_cuda (built with HOP_CUDA=ON) have it.
#pragma once

namespace hop::kernels::cuda {

/// Tells the floors below what Device::cuda(i) is: its backend and its operations. Once, at the start of a program.
/// Needs neither a driver nor a card: what there is shows in device_count(DeviceType::cuda).
void register_device();

}  // namespace hop::kernels::cuda
