// The host's half of the fault words; see fault.h.
//
// Several threads share a device, and a thread must not be thrown the faults of another thread's kernels. So every
// thread has its own word per device, which its launches carry. A recorded graph carries its word to every replay on
// any thread, so each recording has its own word, too. A thread that waits for a stream looks at its own word, and at
// the words of the graphs that it has replayed since it last waited.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>

#include "kernels/cuda/language.h"

namespace hop::kernels::cuda {

/// A note is operation * kFaultPositions + (kFaultPositions - 1 - position).
inline constexpr std::uint64_t kFaultPositions = std::uint64_t{1} << 52;

/// What the kernels of a launch report with.
struct Fault {
  unsigned long long* word = nullptr;  ///< at the address that kernels use
  std::uint64_t operation = 0;         ///< the number that stands for its name in a note
};

/// For launches of the calling thread on the current device: the thread's own word, or that of the graph that it
/// records. `operation` is a literal, the name in the IndexError. Its number is a hash, so that it does not depend on
/// which operation ran first (unless two names share a hash).
Fault fault_of(const char* operation);

/// Throws the IndexError that `note` encodes; does nothing for 0.
void throw_fault(std::uint64_t note);

/// The words of one device, in pinned host memory, which the host reads without a copy.
class FaultWords {
 public:
  struct Word {
    unsigned long long* host = nullptr;    ///< its address on the host
    unsigned long long* device = nullptr;  ///< its address for kernels
    bool used = false;                     ///< whether it had an owner before
  };
  /// A word that is 0 until the new owner's kernels write it. (Precondition: the last owner's work on the program's own
  /// streams was waited for.) `device` must be current.
  Word take();
  void give_back(Word word);

 private:
  void add_page();

  std::mutex mutex_;
  std::deque<Word> free_;  // fresh words first, then the word that was given back first
};

/// Owns a word of the current device.
class FaultSlot {
 public:
  explicit FaultSlot(int device);
  ~FaultSlot();
  FaultSlot(const FaultSlot&) = delete;
  FaultSlot& operator=(const FaultSlot&) = delete;

  unsigned long long* on_device() const { return word_.device; }
  /// Returns the kernels' note and clears it.
  std::uint64_t take_note() const;

 private:
  int device_;
  FaultWords::Word word_;
};

/// From now on the calling thread watches `slot`, the word of a graph that it replays on `stream`, until it has waited
/// for the stream and looked at the word.
void answer_for(int device, const std::shared_ptr<FaultSlot>& slot, cudaStream_t stream);

/// Returns and clears the notes of the calling thread's work on the device: the highest number of an operation,
/// then the lowest position, as in a single word. Words of graphs on streams that were not just waited for will be
/// looked at again.
std::uint64_t take_faults(int device, std::span<const cudaStream_t> waited_for);
/// For a stream of the thread that ends: keeps the notes that take_faults() would take now, for the next call of
/// take_faults() on this thread.
void keep_faults(int device, std::span<const cudaStream_t> waited_for);

}  // namespace hop::kernels::cuda
