// Device::cuda(i) as the floors below see it, and the state behind it.
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/device_internal.h"
#include "kernels/cuda/dnn.h"
#include "kernels/cuda/graph_recorder_internal.h"

namespace hop::kernels::cuda {
namespace {

/// A CUDA event as a Fence::Point.
class EventPoint final : public Fence::Point {
 public:
  explicit EventPoint(int device) : device_(device) {}
  void record(cudaStream_t stream) const { event_.record(stream); }
  void wait() override {
    use_device(device_);
    event_.synchronize();
  }
  const Event& event() const { return event_; }

 private:
  int device_;
  Event event_;
};

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
    void* const data = size <= Slabs::kLargest ? device_state(index_).slabs.allocate(size) : allocate_from_driver(size);
    if (data != nullptr) return data;
    throw MemoryError("[allocate] cuda:" + std::to_string(index_) + " has no " + std::to_string(size) + " bytes left");
  }

  void free(void* data, std::size_t) noexcept override {
    ignore(cudaSetDevice(index_));
    if (!device_state(index_).slabs.free(data)) ignore(cudaFree(data));
  }
  void drain() noexcept override {
    ignore(cudaSetDevice(index_));
    device_state(index_).own_streams.drain();
  }

  void copy(void* to, const void* from, std::size_t size) override {
    use_device(index_);
    expect_no_recording();
    const cudaStream_t stream = current_stream();
    check(cudaMemcpyAsync(to, from, size, cudaMemcpyDefault, stream), "cudaMemcpyAsync");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    throw_fault(take_faults(index_, std::array{stream}));
  }

  // While a step is recorded, memory is cleared (a gradient that counted as zero before the step) once, before the
  // graph runs, as on the CPU: on the stream on which the graph will be launched, not as a part of every replay.
  void zero(void* data, std::size_t size) override {
    use_device(index_);
    const GraphRecorder* const recorder = GraphRecorder::current();
    const cudaStream_t stream = recorder != nullptr ? recorder->launched_on() : current_stream();
    check(cudaMemsetAsync(data, 0, size, stream), "cudaMemsetAsync");
  }

  void synchronize() override { throw_fault(take_faults(index_, wait_for_streams())); }

  std::string description() override {
    cudaDeviceProp card;
    check(cudaGetDeviceProperties(&card, index_), "cudaGetDeviceProperties");
    return std::string(card.name) + ", compute " + std::to_string(card.major) + "." + std::to_string(card.minor) +
           ", CUDA " + std::to_string(CUDART_VERSION) + ", cuBLASLt " + blas::version() + ", cuDNN " + dnn::version();
  }

  bool wait_for_thread() noexcept override {
    try {
      use_device(index_);
      if (stream_is_capturing()) return false;
      check(cudaStreamSynchronize(current_stream()), "cudaStreamSynchronize");
      return true;
    } catch (...) {  // the device is lost: nothing reads there any more
      return true;
    }
  }

  void discard_faults() noexcept override {
    try {
      static_cast<void>(take_faults(index_, wait_for_streams()));
    } catch (...) {  // the next use of the device reports the error
    }
  }

  AlignedBuffer host_buffer(std::size_t size) override {
    if (size == 0) return {};
    use_device(index_);
    try {
      void* const data = allocate_pinned(size, cudaHostAllocPortable);
      std::memset(data, 0, size);
      return {static_cast<std::byte*>(data), size, free_host};
    } catch (const MemoryError&) {  // cudaMemcpyAsync also takes memory that is not pinned
      return AlignedBuffer(size);
    }
  }

  Fence fence() override {
    use_device(index_);
    const auto point = std::make_shared<EventPoint>(index_);
    point->record(current_stream());
    return Fence(point);
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

 protected:
  // The event is made before the copy: once the copy has begun, only its fence keeps the two ranges from being freed.
  Fence begin_copy(Way way, void* to, const void* from, std::size_t size, const Fence& after) override {
    use_device(index_);
    const bool is_up = way == Way::to_device;
    const cudaStream_t stream = (is_up ? to_device_stream() : to_host_stream()).get();
    const auto point = std::make_shared<EventPoint>(index_);
    if (after.point() != nullptr) wait_on(stream, after);
    const cudaMemcpyKind kind = is_up ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost;
    if (size != 0) check(cudaMemcpyAsync(to, from, size, kind, stream), "cudaMemcpyAsync");
    point->record(stream);
    return Fence(point);
  }

 private:
  static void expect_no_recording() {
    if (stream_is_capturing()) throw StateError("[capture] no value can be read while a step is recorded");
  }

  // Stream by stream, not cudaDeviceSynchronize: that is forbidden while any thread records. Of the streams that a
  // program made itself, only the calling thread's current one is waited for. Returns the streams that were waited for.
  std::array<cudaStream_t, 4> wait_for_streams() const {
    use_device(index_);
    expect_no_recording();
    const DeviceState& state = device_state(index_);
    const std::array streams = {state.compute.get(), state.to_device.get(), state.to_host.get(), current_stream()};
    for (const cudaStream_t stream : streams) check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    return streams;
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

DeviceState& device_state(int index) {
  Everything& all = everything();
  const auto i = static_cast<std::size_t>(index);
  std::call_once(all.made[i], [&] { all.states[i] = std::make_unique<DeviceState>(); });
  return *all.states[i];
}

}  // namespace hop::kernels::cuda
