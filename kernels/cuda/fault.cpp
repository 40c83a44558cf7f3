#include "kernels/cuda/fault_internal.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "kernels/cuda/device_internal.h"
#include "kernels/cuda/graph_recorder_internal.h"

namespace hop::kernels::cuda {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kBytesPerWord = 64;  // a cache line each, because threads look at their words often

/// The words of one device that the calling thread looks at.
struct Watched {
  std::shared_ptr<FaultSlot> own;
  std::uint64_t kept = 0;                                                     // a note of streams that have ended
  std::vector<std::pair<std::shared_ptr<FaultSlot>, cudaStream_t>> replayed;  // each graph's once per stream
};
Watched& watched(int device) {
  thread_local std::map<int, Watched> by_device;
  return by_device[device];
}

/// The names of operations at their numbers, from 1 on. A name whose place is taken goes to the next one.
constexpr std::size_t kNames = 4095;
std::array<std::atomic<const char*>, kNames + 1> names;

std::uint64_t number_of(const char* operation) {
  for (std::size_t number = 1 + hash64(0, operation) % kNames;; number = 1 + number % kNames) {
    const char* there = nullptr;
    if (names[number].compare_exchange_strong(there, operation) || std::strcmp(there, operation) == 0) return number;
  }
}

unsigned long long* word_of_thread() {
  if (const GraphRecorder* recorder = GraphRecorder::current()) return recorder->faults()->on_device();
  const int device = current_device();
  std::shared_ptr<FaultSlot>& own = watched(device).own;
  if (own == nullptr) own = std::make_shared<FaultSlot>(device);
  return own->on_device();
}

}  // namespace

Fault fault_of(const char* operation) { return {word_of_thread(), number_of(operation)}; }

void throw_fault(std::uint64_t note) {
  if (note == 0) return;
  const std::uint64_t position = kFaultPositions - 1 - note % kFaultPositions;
  throw IndexError("[" + std::string(names.at(note / kFaultPositions).load()) +
                   "] expected indices inside their dimension, got another at position " + std::to_string(position) +
                   " (found when the device was waited for)");
}

void FaultWords::add_page() {
  auto* const host = static_cast<std::byte*>(allocate_pinned(kPage, cudaHostAllocMapped | cudaHostAllocPortable));
  void* device = nullptr;
  check(cudaHostGetDevicePointer(&device, host, 0), "cudaHostGetDevicePointer");
  for (std::size_t at = 0; at < kPage; at += kBytesPerWord) {
    free_.push_back({reinterpret_cast<unsigned long long*>(host + at),
                     reinterpret_cast<unsigned long long*>(static_cast<std::byte*>(device) + at)});
    *free_.back().host = 0;
  }
}

FaultWords::Word FaultWords::take() {
  Word word;
  {
    const std::scoped_lock lock(mutex_);
    if (free_.empty()) add_page();
    word = free_.front();
    free_.pop_front();
  }
  // The last owner may have ended without waiting for its work, which may still write to the word.
  if (std::exchange(word.used, true)) device_state(current_device()).compute.synchronize();
  *word.host = 0;
  return word;
}

void FaultWords::give_back(Word word) {
  const std::scoped_lock lock(mutex_);
  free_.push_back(word);
}

FaultSlot::FaultSlot(int device) : device_(device), word_(device_state(device).faults.take()) {}
FaultSlot::~FaultSlot() { device_state(device_).faults.give_back(word_); }
std::uint64_t FaultSlot::take_note() const { return std::atomic_ref(*word_.host).exchange(0); }

void answer_for(int device, const std::shared_ptr<FaultSlot>& slot, cudaStream_t stream) {
  auto& replayed = watched(device).replayed;
  const std::pair entry(slot, stream);
  if (std::find(replayed.begin(), replayed.end(), entry) == replayed.end()) replayed.push_back(entry);
}

std::uint64_t take_faults(int device, std::span<const cudaStream_t> waited_for) {
  Watched& mine = watched(device);
  std::uint64_t note = std::exchange(mine.kept, 0);
  if (mine.own != nullptr) note = std::max(note, mine.own->take_note());
  for (const auto& [slot, stream] : mine.replayed) note = std::max(note, slot->take_note());
  std::erase_if(mine.replayed, [&](const auto& entry) {
    return std::find(waited_for.begin(), waited_for.end(), entry.second) != waited_for.end();
  });
  return note;
}

void keep_faults(int device, std::span<const cudaStream_t> waited_for) {
  const std::uint64_t note = take_faults(device, waited_for);
  watched(device).kept = note;
}

}  // namespace hop::kernels::cuda
