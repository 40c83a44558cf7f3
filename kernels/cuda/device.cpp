// Device::cuda(i) as the floors below see it, and the state behind it.
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"
#include "kernels/cuda/device_internal.h"
#include "kernels/cuda/fault_internal.h"

namespace hop::kernels::cuda {
namespace {

/// An event, as the floors below see it.
class EventPoint final : public Fence::Point {
 public:
  EventPoint(int device, cudaStream_t stream) : device_(device) { event_.record(stream); }
  void wait() override {
    use_device(device_);
    event_.synchronize();
  }
  const Event& event() const { return event_; }

 private:
  int device_;
  Event event_;
};

Fence point_of(int device, cudaStream_t stream) { return Fence(std::make_shared<EventPoint>(device, stream)); }

void wait_on(cudaStream_t stream, const Fence& fence) {
  if (const auto* point = dynamic_cast<EventPoint*>(fence.point())) {
    check(cudaStreamWaitEvent(stream, point->event().get(), 0), "cudaStreamWaitEvent");
  } else {
    fence.wait();
  }
}

void free_host(std::byte* data) { ignore(cudaFreeHost(data)); }

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int index) : index_(index) {}

  void* allocate(std::size_t size) override {
    use_device(index_);
    void* data = nullptr;
    cudaError_t status = cudaErrorMemoryAllocation;
    if (size <= Slabs::kLargest) {
      data = device_state(index_).slabs.allocate(size);
      if (data != nullptr) return data;
    } else {
      status = cudaMalloc(&data, size);
      if (status == cudaSuccess) return data;
    }
    if (status != cudaErrorMemoryAllocation) check(status, "cudaMalloc");
    static_cast<void>(cudaGetLastError());
    throw MemoryError("[allocate] cuda:" + std::to_string(index_) + " has no " + std::to_string(size) + " bytes left");
  }

  void free(void* data, std::size_t) noexcept override {
    ignore(cudaSetDevice(index_));
    if (!device_state(index_).slabs.free(data)) ignore(cudaFree(data));
  }

  void copy(void* to, const void* from, std::size_t size) override {
    use_device(index_);
    if (stream_is_capturing()) throw StateError("[capture] no value can be read while a step is recorded");
    const cudaStream_t stream = current_stream();
    check(cudaMemcpyAsync(to, from, size, cudaMemcpyDefault, stream), "cudaMemcpyAsync");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    throw_fault(*device_state(index_).fault);
  }

  void zero(void* data, std::size_t size) override {
    use_device(index_);
    check(cudaMemsetAsync(data, 0, size, current_stream()), "cudaMemsetAsync");
  }

  void synchronize() override {
    use_device(index_);
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    throw_fault(*device_state(index_).fault);
  }

  AlignedBuffer host_buffer(std::size_t size) override {
    if (size == 0) return {};
    use_device(index_);
    void* data = nullptr;
    check(cudaHostAlloc(&data, size, cudaHostAllocPortable), "cudaHostAlloc");
    std::memset(data, 0, size);
    return {static_cast<std::byte*>(data), size, free_host};
  }

  Fence upload(void* to, const void* from, std::size_t size, const Fence& after) override {
    use_device(index_);
    return transfer(to, from, size, cudaMemcpyHostToDevice, to_device_stream(), after);
  }
  Fence download(void* to, const void* from, std::size_t size, const Fence& after) override {
    use_device(index_);
    return transfer(to, from, size, cudaMemcpyDeviceToHost, to_host_stream(), after);
  }
  Fence fence() override {
    use_device(index_);
    return point_of(index_, current_stream());
  }
  void order_behind(const Fence& fence) override {
    use_device(index_);
    if (fence.point() != nullptr) wait_on(current_stream(), fence);
  }
  std::size_t free_bytes() override {
    use_device(index_);
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return free;
  }

 private:
  Fence transfer(void* to, const void* from, std::size_t size, cudaMemcpyKind kind, const Stream& stream,
                 const Fence& after) const {
    if (after.point() != nullptr) wait_on(stream.get(), after);
    if (size != 0) check(cudaMemcpyAsync(to, from, size, kind, stream.get()), "cudaMemcpyAsync");
    return point_of(index_, stream.get());
  }

  int index_;
};

// Backends and states of all devices, made together: their number never changes while a process lives.
struct Everything {
  std::vector<CudaBackend> backends;
  std::vector<std::unique_ptr<DeviceState>> states;
  std::vector<std::once_flag> made;

  Everything() : states(static_cast<std::size_t>(device_count())), made(states.size()) {
    for (int i = 0; i < device_count(); ++i) backends.emplace_back(i);
  }
};
Everything& everything() {
  static Everything& all = *new Everything;
  return all;
}

}  // namespace

Backend& device_backend(std::int16_t index) {
  expect_device(index);
  return everything().backends[static_cast<std::size_t>(index)];
}

DeviceState::DeviceState() {
  void* word = nullptr;
  check(cudaHostAlloc(&word, sizeof(*fault), cudaHostAllocMapped | cudaHostAllocPortable), "cudaHostAlloc");
  fault = static_cast<unsigned long long*>(word);
  *fault = 0;
  check(cudaHostGetDevicePointer(&word, word, 0), "cudaHostGetDevicePointer");
  fault_on_device = static_cast<unsigned long long*>(word);
}

DeviceState& device_state(int index) {
  Everything& all = everything();
  const auto i = static_cast<std::size_t>(index);
  std::call_once(all.made[i], [&] { all.states[i] = std::make_unique<DeviceState>(); });
  return *all.states[i];
}

unsigned long long* fault_word() { return device_state(current_device()).fault_on_device; }

}  // namespace hop::kernels::cuda
