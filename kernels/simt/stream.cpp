// Streams, events and launches of the runtime API.
#include <algorithm>
#include <map>
#include <utility>

#include "kernels/simt/memory_internal.h"
#include "kernels/simt/runtime_internal.h"

namespace hop::simt {
namespace {

constexpr unsigned kMaxThreads = 1024;
constexpr unsigned kMaxBlockZ = 64;
constexpr unsigned kMaxGridX = 2147483647;
constexpr unsigned kMaxGridYZ = 65535;
constexpr std::size_t kSharedBytes = std::size_t{48} << 10U;
constexpr std::size_t kSharedBytesOptIn = std::size_t{99} << 10U;

// The kernels that asked for more dynamic shared memory.
struct Limits {
  std::mutex mutex;
  std::map<const void*, std::size_t> shared_bytes;
};
Limits& limits() {
  static Limits& all = *new Limits;
  return all;
}

std::size_t shared_limit(const void* kernel) {
  const std::scoped_lock lock(limits().mutex);
  const auto found = limits().shared_bytes.find(kernel);
  return found == limits().shared_bytes.end() ? kSharedBytes : found->second;
}

cudaError_t check_limits(const Launch& launch) {
  const dim3 &grid = launch.grid, &block = launch.block;
  const bool empty = std::min({grid.x, grid.y, grid.z, block.x, block.y, block.z}) == 0;
  const bool wide = block.x > kMaxThreads || block.y > kMaxThreads || block.z > kMaxBlockZ;
  if (empty || wide || block.x * block.y * block.z > kMaxThreads) return cudaErrorInvalidConfiguration;
  if (grid.x > kMaxGridX || grid.y > kMaxGridYZ || grid.z > kMaxGridYZ) return cudaErrorInvalidConfiguration;
  return launch.shared_bytes > shared_limit(launch.kernel) ? cudaErrorInvalidValue : cudaSuccess;
}

void run_and_check_guards(const Launch& launch) {
  run(launch);
  if (const auto damage = device_memory().find_damage()) {
    throw OverrunError("[" + function_name(launch.kernel) + "] expected stores within buffers, got " + *damage);
  }
}

// Whether streams keep their work for later.
bool waits() { return options().streams != Streams::at_once; }

// Whether a handle is one of ours and alive; the default stream is null. The caller holds the lock.
bool is_live(cudaStream_t stream) { return stream == nullptr || handles().streams.contains(stream); }

}  // namespace

cudaError_t submit(Launch launch, cudaStream_t stream) {
  if (const cudaError_t wrong = check_limits(launch); wrong != cudaSuccess) return result(wrong);
  return result(enqueue(stream, [launch = std::move(launch)] { run_and_check_guards(launch); }));
}

void invalidate(cudaStream_t stream) {
  if (stream != nullptr && stream->capture) stream->capture->invalidated = true;
}

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work) {
  if (lost() != cudaSuccess) return lost();
  {
    const std::scoped_lock lock(handles().mutex);
    if (!is_live(stream)) return cudaErrorInvalidResourceHandle;
    if (stream != nullptr && stream->capture) {
      Capture& capture = *stream->capture;
      if (capture.invalidated) return cudaErrorStreamCaptureInvalidated;
      capture.nodes.push_back({std::move(work), stream->before});
      stream->before.resize(capture.nodes.size());
      stream->before.back() = true;
      return cudaSuccess;
    }
    // The default stream waits for all blocking streams, and a recorded one cannot be waited for.
    if (stream == nullptr) {
      bool implicit = false;
      for (const cudaStream_t other : handles().streams) {
        if (!other->blocking || !other->capture) continue;
        invalidate(other);
        implicit = true;
      }
      if (implicit) return cudaErrorStreamCaptureImplicit;
    }
  }
  if (stream != nullptr && waits()) {
    stream->queue->give(std::move(work));
    return cudaSuccess;
  }
  reach_end(stream);
  work();
  return cudaSuccess;
}

void reach_end(cudaStream_t stream) {
  if (stream != nullptr) return queues().reach(end_of(stream));
  std::vector<Point> ends;
  {
    const std::scoped_lock lock(handles().mutex);
    for (const cudaStream_t other : handles().streams) {
      if (other->blocking) ends.push_back(end_of(other));
    }
  }
  for (const Point& end : ends) queues().reach(end);
}

Point end_of(cudaStream_t stream) { return {stream->queue, stream->queue->end()}; }

}  // namespace hop::simt

using hop::simt::enqueue;
using hop::simt::handles;
using hop::simt::result;
using hop::simt::waits;

// ---- Streams

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  auto created = std::make_unique<CUstream_st>();
  created->blocking = (flags & cudaStreamNonBlocking) == 0;
  const std::scoped_lock lock(handles().mutex);
  *stream = created.release();
  handles().streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

// Work that the stream was given still runs when a call waits for all streams.
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::scoped_lock lock(handles().mutex);
  if (handles().streams.erase(stream) == 0) return result(cudaErrorInvalidResourceHandle);
  hop::simt::invalidate(stream);
  delete stream;
  return cudaSuccess;
}

namespace {

// The host may wait for a live stream unless the stream records.
cudaError_t check_wait(cudaStream_t stream) {
  if (hop::simt::lost() != cudaSuccess) return hop::simt::lost();
  const std::scoped_lock lock(handles().mutex);
  if (stream == nullptr) return cudaSuccess;
  if (!handles().streams.contains(stream)) return cudaErrorInvalidResourceHandle;
  if (!stream->capture) return cudaSuccess;
  hop::simt::invalidate(stream);
  return cudaErrorStreamCaptureUnsupported;
}

}  // namespace

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (const cudaError_t refused = check_wait(stream); refused != cudaSuccess) return result(refused);
  hop::simt::reach_end(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (const cudaError_t refused = check_wait(stream); refused != cudaSuccess) return result(refused);
  if (stream == nullptr || hop::simt::queues().ask(hop::simt::end_of(stream))) return cudaSuccess;
  return result(cudaErrorNotReady);
}

namespace {

// A stream that waits for an event of a capture joins the capture. The caller holds the lock.
cudaError_t join_capture(cudaStream_t stream, cudaEvent_t event) {
  const auto capture = event->capture.lock();
  if (!capture) return cudaErrorInvalidValue;  // recorded in a capture that has ended
  if (stream == nullptr) {
    capture->invalidated = true;
    return cudaErrorStreamCaptureImplicit;
  }
  if (stream->capture && stream->capture != capture) {
    capture->invalidated = true;
    hop::simt::invalidate(stream);
    return cudaErrorStreamCaptureMerge;
  }
  if (!stream->capture) stream->before.clear();
  stream->capture = capture;
  stream->before.resize(std::max(stream->before.size(), event->before.size()));
  for (std::size_t node = 0; node < event->before.size(); ++node) {
    if (event->before[node]) stream->before[node] = true;
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  hop::simt::Point point;
  {
    const std::scoped_lock lock(handles().mutex);
    const bool known = stream == nullptr || handles().streams.contains(stream);
    if (!known || !handles().events.contains(event)) return result(cudaErrorInvalidResourceHandle);
    if (event->state == CUevent_st::State::captured) return result(join_capture(stream, event));
    if (event->state == CUevent_st::State::fresh) return cudaSuccess;
    if (stream != nullptr && stream->capture) {
      hop::simt::invalidate(stream);
      return result(cudaErrorStreamCaptureIsolation);
    }
    point = event->point;
    if (stream != nullptr && waits()) {
      stream->queue->wait_for(point);
      return cudaSuccess;
    }
  }
  hop::simt::queues().reach(point);
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* argument) {
  return result(enqueue(stream, [=] { function(argument); }));
}

// ---- Events

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  auto created = std::make_unique<CUevent_st>();
  created->timing = (flags & cudaEventDisableTiming) == 0;
  const std::scoped_lock lock(handles().mutex);
  *event = created.release();
  handles().events.insert(*event);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const std::scoped_lock lock(handles().mutex);
  if (handles().events.erase(event) == 0) return result(cudaErrorInvalidResourceHandle);
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (stream == nullptr) hop::simt::reach_end(nullptr);
  const std::scoped_lock lock(handles().mutex);
  const bool known = stream == nullptr || handles().streams.contains(stream);
  if (!known || !handles().events.contains(event)) return result(cudaErrorInvalidResourceHandle);
  if (stream != nullptr && stream->capture) {
    event->state = CUevent_st::State::captured;
    event->capture = stream->capture;
    event->before = stream->before;
    return cudaSuccess;
  }
  event->state = CUevent_st::State::recorded;
  event->time = std::make_shared<std::atomic<std::int64_t>>(0);
  event->point = {};
  const auto pass = [time = event->time] { *time = std::chrono::steady_clock::now().time_since_epoch().count(); };
  if (stream != nullptr && waits())
    event->point = {stream->queue, stream->queue->give(pass)};
  else
    pass();
  return cudaSuccess;
}

namespace {

// Finds the point that the host waits for. The host may not wait for an event of a capture.
cudaError_t check_wait(cudaEvent_t event, hop::simt::Point& point) {
  if (hop::simt::lost() != cudaSuccess) return hop::simt::lost();
  const std::scoped_lock lock(handles().mutex);
  if (!handles().events.contains(event)) return cudaErrorInvalidResourceHandle;
  point = event->point;
  if (event->state != CUevent_st::State::captured) return cudaSuccess;
  if (const auto capture = event->capture.lock()) capture->invalidated = true;
  return cudaErrorCapturedEvent;
}

}  // namespace

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  hop::simt::Point point;
  if (const cudaError_t refused = check_wait(event, point); refused != cudaSuccess) return result(refused);
  hop::simt::queues().reach(point);
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  hop::simt::Point point;
  if (const cudaError_t refused = check_wait(event, point); refused != cudaSuccess) return result(refused);
  return result(hop::simt::queues().ask(point) ? cudaSuccess : cudaErrorNotReady);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop) {
  const std::scoped_lock lock(handles().mutex);
  for (const cudaEvent_t event : {start, stop}) {
    const bool usable = handles().events.contains(event) && event->timing;
    if (!usable || event->state != CUevent_st::State::recorded) return result(cudaErrorInvalidResourceHandle);
    if (*event->time == 0) return result(cudaErrorNotReady);
  }
  using Milliseconds = std::chrono::duration<float, std::milli>;
  *milliseconds = Milliseconds(std::chrono::steady_clock::duration(*stop->time - *start->time)).count();
  return cudaSuccess;
}

// ---- Kernels

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return cudaSuccess;
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return result(cudaErrorInvalidValue);
  if (value < 0 || static_cast<std::size_t>(value) > hop::simt::kSharedBytesOptIn) return result(cudaErrorInvalidValue);
  const std::scoped_lock lock(hop::simt::limits().mutex);
  hop::simt::limits().shared_bytes[function] = static_cast<std::size_t>(value);
  return cudaSuccess;
}
