// How the CPU's work becomes replayable. Every CPU operation ends in launch(work): `work` is a closure that holds
// addresses and sizes by value, no tensor and no reference. The closure runs at once. While this thread records a step,
// a copy of the closure is kept. (CUDA does not need this file: a stream records itself.)
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace hop::kernels {

/// A flat list of bound calls, in order, packed into few large blocks: replaying reads memory front to back.
class CallList {
 public:
  CallList() = default;
  CallList(const CallList&) = delete;
  CallList& operator=(const CallList&) = delete;
  ~CallList() { clear(); }

  template <class F>
  void add(const F& f) {
    static_assert(alignof(F) <= kUnit);
    void* closure = new (reserve(sizeof(F))) F(f);
    Call call{[](void* c) { (*static_cast<F*>(c))(); }, nullptr, closure};
    if constexpr (!std::is_trivially_destructible_v<F>) call.destroy = [](void* c) { static_cast<F*>(c)->~F(); };
    calls_.push_back(call);
  }
  void run() const { run(0, size()); }
  void run(std::size_t begin, std::size_t end) const {
    for (std::size_t i = begin; i < end; ++i) calls_[i].run(calls_[i].closure);
  }
  std::size_t size() const { return calls_.size(); }
  void clear();

 private:
  static constexpr std::size_t kUnit = 64;
  static constexpr std::size_t kBlock = 32 << 10;
  struct Call {
    void (*run)(void* closure);
    void (*destroy)(void* closure);
    void* closure;
  };
  struct alignas(kUnit) Unit {
    std::byte bytes[kUnit];
  };

  void* reserve(std::size_t size);

  std::vector<Call> calls_;
  std::vector<std::unique_ptr<Unit[]>> blocks_;
  std::size_t left_ = 0;  // units of the last block
  Unit* next_ = nullptr;
};

/// The list that records this thread's launches; null while nothing is recorded.
extern constinit thread_local CallList* recording;

/// Runs `work` now, and, if a step is being recorded, in every replay of the step.
template <class F>
inline void launch(const F& work) {
  work();
  if (recording != nullptr) [[unlikely]]
    recording->add(work);
}

}  // namespace hop::kernels
