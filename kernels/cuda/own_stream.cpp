// Threads with a stream of their own.
#include <algorithm>
#include <array>

#include "kernels/cuda/device_internal.h"

namespace hop::kernels::cuda {
namespace {

class OwnStream final : public DeviceQueue {
 public:
  explicit OwnStream(int device) : device_(device), guard_(stream_) {
    device_state(device_).own_streams.add(stream_.get());
  }
  ~OwnStream() override {
    try {
      use_device(device_);
      stream_.synchronize();
      keep_faults(device_, std::array{stream_.get()});
    } catch (...) {  // the next call on the device reports it
    }
    device_state(device_).own_streams.remove(stream_.get());
  }

 private:
  int device_;
  Stream stream_;
  StreamGuard guard_;
};

}  // namespace

void OwnStreams::add(cudaStream_t stream) {
  const std::scoped_lock lock(mutex_);
  streams_.push_back(stream);
}
void OwnStreams::remove(cudaStream_t stream) {
  const std::scoped_lock lock(mutex_);
  std::erase(streams_, stream);
}
void OwnStreams::drain() noexcept {
  const std::scoped_lock lock(mutex_);
  if (!streams_.empty()) ++drains_;
  for (const cudaStream_t stream : streams_) ignore(cudaStreamSynchronize(stream));
}

std::unique_ptr<DeviceQueue> make_own_stream(std::int16_t index) {
  use_device(index);
  return std::make_unique<OwnStream>(index);
}

}  // namespace hop::kernels::cuda
