// Device::cuda(i) as the floors below see it, and the state behind it.
#include <memory>
#include <vector>

#include "base/error.h"
#include "kernels/cuda/device_internal.h"
#include "kernels/cuda/fault_internal.h"

namespace hop::kernels::cuda {
namespace {

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
    static_cast<void>(cudaSetDevice(index_));
    if (!device_state(index_).slabs.free(data)) static_cast<void>(cudaFree(data));
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

 private:
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
  use_device(index);
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
