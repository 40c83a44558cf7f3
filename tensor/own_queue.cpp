#include "tensor/own_queue.h"

#include <atomic>

namespace hop {
namespace {

using MakeQueue = std::unique_ptr<DeviceQueue> (*)(std::int16_t);
std::atomic<MakeQueue> make_cuda_queue = nullptr;

}  // namespace

void register_queues(DeviceType type, MakeQueue make) {
  if (type == DeviceType::cuda) make_cuda_queue = make;
}

OwnQueue::OwnQueue(Device device) {
  const MakeQueue make = make_cuda_queue;
  if (device.is_cpu() || make == nullptr) return;
  reserve_.emplace(device);
  queue_ = make(device.index);
}

}  // namespace hop
