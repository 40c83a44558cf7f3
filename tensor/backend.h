// The duties of a device towards the floors above: hold bytes and move them. Mathematics lives in kernels/.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "tensor/device.h"

namespace hop {

/// A point in a device's work that can be waited for. A copy is the same point; an empty fence has been passed.
class Fence {
 public:
  class Point {
   public:
    virtual ~Point() = default;
    /// The host waits until the device has passed this point.
    virtual void wait() = 0;
  };

  Fence() = default;
  explicit Fence(std::shared_ptr<Point> point) : point_(std::move(point)) {}
  void wait() const {
    if (point_) point_->wait();
  }
  /// The point as the device's own backend knows it; null for an empty fence.
  Point* point() const { return point_.get(); }

 private:
  std::shared_ptr<Point> point_;
};

/// The default implementations of the second half (copies beside the computation) suit a device whose calls return when
/// their work is done, as on the CPU.
class Backend {
 public:
  virtual ~Backend() = default;
  /// `size` > 0 bytes on a 64-byte boundary, uninitialised; throws MemoryError when the device has none.
  virtual void* allocate(std::size_t size) = 0;
  /// Precondition: drain() was called.
  virtual void free(void* data, std::size_t size) noexcept = 0;
  /// Waits for the work of the threads with an OwnQueue; free() itself waits for the others': blocks are to be freed.
  virtual void drain() noexcept {}
  /// Copies between this device and the host, or within the device, after all work that was given to the device before;
  /// returns when `to` may be read.
  virtual void copy(void* to, const void* from, std::size_t size) = 0;
  /// Clears `size` bytes, in order with the work that was given to the device before.
  virtual void zero(void* data, std::size_t size) = 0;
  /// Waits for all work that was given to the device, but not for that of other threads with an OwnQueue. Throws the
  /// errors that the calling thread's work met (IndexError for a label out of range, ..).
  virtual void synchronize() = 0;
  /// Waits as synchronize() does, and drops the errors that the calling thread's work met. For callers that abandon the
  /// work for another reason.
  virtual void discard_faults() noexcept {}
  /// Waits until the device has done the work of the calling thread. Returns false without waiting while a step is
  /// being recorded, because no work may be waited for then.
  virtual bool wait_for_thread() noexcept { return true; }

  /// Everything beside the program that decides the bits of a computation on this device: the card, the libraries and
  /// their versions. For the CPU see kernels/versions.h.
  virtual std::string description() { return {}; }

  /// `size` zero-filled bytes of pinned host memory: the device copies from and to it without the host's help. If the
  /// host has no pinned memory left, the result is plain memory: copies give the same bytes and take the host's time.
  /// If there is no memory at all, throws std::bad_alloc, and never MemoryError, which would mean that the device is
  /// full.
  virtual AlignedBuffer host_buffer(std::size_t size) { return AlignedBuffer(size); }
  /// Begins a copy from the host to this device, or back, and returns. The copy starts once `after` has been passed and
  /// runs beside the computation; each direction has its own stream. Do not touch the two ranges before the returned
  /// fence is passed. If the call throws, no copy is running.
  Fence upload(void* to, const void* from, std::size_t size, const Fence& after);
  Fence download(void* to, const void* from, std::size_t size, const Fence& after);
  /// A fence behind all computation that was given to the device so far.
  virtual Fence fence() { return {}; }
  /// Work that is given to the device from now on starts after `fence`. The host does not wait.
  virtual void order_behind(const Fence& fence) { fence.wait(); }
  /// How many bytes allocate() could still give, as far as one can know.
  virtual std::size_t free_bytes();

 protected:
  enum class Way { to_device, to_host };
  /// Begins the copy of upload() or download(). May throw while the copy runs: upload() and download() wait for its
  /// end.
  virtual Fence begin_copy(Way way, void* to, const void* from, std::size_t size, const Fence& after);

 private:
  Fence copy_beside(Way way, void* to, const void* from, std::size_t size, const Fence& after);
};

/// The backend of a device; throws DeviceError for a device that this program or machine lacks.
Backend& backend(Device device);

/// How many devices of a type this program can use on this machine.
int device_count(DeviceType type);

/// Adds a device type; once per type, before its first use. `of` gives the backend of device number `index`, which
/// lives as long as the program, or throws DeviceError.
void register_backend(DeviceType type, Backend& (*of)(std::int16_t index));

}  // namespace hop
