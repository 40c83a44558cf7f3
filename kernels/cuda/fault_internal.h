// The host's half of the fault words; see fault.h.
//
// Several threads share a device, each with work of its own: what one's kernels met must not be thrown at another. So
// every thread has a word of its own per device, which its launches carry. A recorded graph carries its word to every
// replay, whoever replays it; so a recording has one of its own as well, and a thread that waits for a stream looks at
// its own word and at those of the graphs that it has replayed and not waited for since.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>

#include "kernels/cuda/language.h"

namespace hop::kernels::cuda {

enum class Fault : std::uint8_t {
  none,
  cross_entropy,
  gather,
  scatter_add,
  index_select,
  index_add,
  max_pool2d_grad,
  max_pool2d_gather,
  embedding,
};

/// A note is fault * kFaultPositions + (kFaultPositions - 1 - position).
inline constexpr std::uint64_t kFaultPositions = std::uint64_t{1} << 56;

/// The word for what the calling thread launches now on the current device, as kernels see it: its own, or that of the
/// graph that it records.
unsigned long long* fault_word();

/// Throws the IndexError that `note` stands for; 0 stands for none.
void throw_fault(std::uint64_t note);

/// The words of one device, in pinned host memory: reading one costs the host no copy.
class FaultWords {
 public:
  struct Word {
    unsigned long long* host = nullptr;    ///< as the host sees it
    unsigned long long* device = nullptr;  ///< as kernels do
    bool used = false;                     ///< by somebody before
  };
  /// A word that is 0 and stays so until the new owner's kernels write it, if what its last owner gave to streams of
  /// the program's own was waited for. `device` must be current.
  Word take();
  void give_back(Word word);

 private:
  void add_page();

  std::mutex mutex_;
  std::deque<Word> free_;  // fresh ones first, then whichever was given back first
};

/// Owns a word of the current device.
class FaultSlot {
 public:
  explicit FaultSlot(int device);
  ~FaultSlot();
  FaultSlot(const FaultSlot&) = delete;
  FaultSlot& operator=(const FaultSlot&) = delete;

  unsigned long long* on_device() const { return word_.device; }
  /// What kernels have noted; clears it.
  std::uint64_t take_note() const;

 private:
  int device_;
  FaultWords::Word word_;
};

/// The calling thread answers for a graph that it replays on `stream` and that notes its faults in `slot`, until it has
/// looked there after waiting for that stream.
void answer_for(int device, const std::shared_ptr<FaultSlot>& slot, cudaStream_t stream);

/// What the calling thread's work on the device has noted so far; clears it. The highest operation of all, then the
/// lowest position, as in a single word. Graphs on other streams than those just waited for are looked at again.
std::uint64_t take_faults(int device, std::span<const cudaStream_t> waited_for);
/// Leaves what take_faults() would take to the next call of take_faults() on this thread: a stream of the thread ends.
void keep_faults(int device, std::span<const cudaStream_t> waited_for);

}  // namespace hop::kernels::cuda
