// How fast bytes move: on the card (the yardstick of every memory-bound kernel), over the bus each way and both ways at
// once; and the cost of a launch, from the host and inside a graph.
#include "bench/gpu/rows.h"
#include "kernels/capture_operations.h"
#include "kernels/copy.h"
#include "kernels/copy_operations.h"
#include "kernels/cuda/runtime.h"
#include "tensor/backend.h"

namespace hop::bench::gpu {
namespace {

namespace cuda = hop::kernels::cuda;

void queue_copy(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
  cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream), "cudaMemcpyAsync");
}

Row rate(const Timing& t, double bytes) {
  const double gigabytes = bytes * 1e-9;
  return {"", "", gigabytes / t.seconds, "GB/s", gigabytes / t.seconds * t.spread / t.seconds, 0, ""};
}

/// Both directions on their own streams; the current stream waits for both.
void queue_both_ways(std::byte* device, const cuda::PinnedBuffer& up, const cuda::PinnedBuffer& down) {
  static const cuda::Event start, up_done, down_done;
  start.record(cuda::current_stream());
  cuda::to_device_stream().wait(start);
  cuda::to_host_stream().wait(start);
  queue_copy(device, up.data(), up.size(), cuda::to_device_stream().get());
  queue_copy(down.data(), device + up.size(), down.size(), cuda::to_host_stream().get());
  up_done.record(cuda::to_device_stream().get());
  down_done.record(cuda::to_host_stream().get());
  for (const cuda::Event* done : {&up_done, &down_done}) {
    cuda::check(cudaStreamWaitEvent(cuda::current_stream(), done->get(), 0), "cudaStreamWaitEvent");
  }
}

}  // namespace

double copy_rate(Size size) {
  static const double bytes_per_second = [size] {
    const std::size_t bytes = size == Size::full ? std::size_t{1} << 30 : 4096;
    const Storage from(bytes, Device::cuda()), to(bytes, Device::cuda());
    backend(Device::cuda()).zero(from.data(), bytes);
    const Timing t = time_on_device([&] { queue_copy(to.data(), from.data(), bytes, cuda::current_stream()); }, size);
    return 2 * static_cast<double>(bytes) / t.seconds;
  }();
  return bytes_per_second;
}

std::vector<Row> copies(Size size) {
  const std::size_t bytes = size == Size::full ? std::size_t{256} << 20 : 4096;
  const Storage device(2 * bytes, Device::cuda());
  const cuda::PinnedBuffer up(bytes), down(bytes);
  const auto timed = [&](const std::function<void()>& work) { return time_on_device(work, size); };
  const auto all = static_cast<double>(bytes);
  return {
      {"copies", "device to device, read + written", copy_rate(size) * 1e-9, "GB/s", 0, 0, ""},
      guarded("copies", "pinned host to device",
              [&] {
                return rate(timed([&] { queue_copy(device.data(), up.data(), bytes, cuda::current_stream()); }), all);
              })[0],
      guarded("copies", "device to pinned host",
              [&] {
                return rate(timed([&] { queue_copy(down.data(), device.data(), bytes, cuda::current_stream()); }), all);
              })[0],
      guarded("copies", "both ways at once, sum",
              [&] { return rate(timed([&] { queue_both_ways(device.data(), up, down); }), 2 * all); })[0]};
}

std::vector<Row> launches(Size size) {
  const Tensor one = Tensor::empty({1}, DType::f32, Device::cuda());
  const auto launch = [&] { kernels::CopyOperations::cuda.fill(one, 1.0); };
  constexpr int kNodes = 1000;
  return {guarded("launches", "smallest kernel, given by the host",
                  [&] {
                    const Timing t = time_on_host(launch, size);
                    return Row{"", "", t.seconds * 1e6, "us", t.spread * 1e6, 0, ""};
                  })[0],
          guarded("launches", "smallest kernel, a node of a graph of 1,000", [&] {
            const auto recording = kernels::CaptureOperations::cuda.capture(Device::cuda(), [&] {
              for (int i = 0; i < kNodes; ++i) launch();
            });
            const Timing t = time_on_device([&] { recording->replay(); }, size);
            return Row{"", "", t.seconds * 1e6 / kNodes, "us", t.spread * 1e6 / kNodes, 0, ""};
          })[0]};
}

}  // namespace hop::bench::gpu
