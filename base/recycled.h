// Memory of objects that are made and destroyed all the time.
#pragma once

#include <cstddef>
#include <new>

namespace hop {
namespace detail {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kRecycles = false;  // a sanitizer must see each object come and go
#elif defined(__clang__)
inline constexpr bool kRecycles = !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
inline constexpr bool kRecycles = true;
#endif

struct Spare {
  Spare* next;
};
/// The freed objects of one type that a thread keeps.
struct Spares {
  Spare* first = nullptr;
  std::size_t count = 0;
  bool thread_ends = false;
};

}  // namespace detail

/// Base of a class T whose freed memory its thread keeps for the next T, a few at most. That costs a tenth of malloc
/// and free. An object may be destroyed by another thread than the one that made it.
template <class T>
class Recycled {
 public:
  static void* operator new(std::size_t size) {
    detail::Spare* const spare = spares_.first;
    if (spare == nullptr) return ::operator new(size);
    spares_.first = spare->next;
    --spares_.count;
    return spare;
  }
  static void operator delete(void* memory) noexcept {
    static_assert(sizeof(T) >= sizeof(detail::Spare));
    if (!detail::kRecycles || spares_.count == kMost || spares_.thread_ends) return ::operator delete(memory);
    if (spares_.count == 0) free_all_at_thread_end();
    spares_.first = new (memory) detail::Spare{spares_.first};
    ++spares_.count;
  }

 private:
  static constexpr std::size_t kMost = 64;

  static void free_all_at_thread_end() {
    struct AtThreadEnd {
      ~AtThreadEnd() {
        spares_.thread_ends = true;  // objects with static storage die later
        while (detail::Spare* const spare = spares_.first) {
          spares_.first = spare->next;
          ::operator delete(spare);
        }
      }
    };
    static thread_local AtThreadEnd guard;
    static_cast<void>(guard);
  }

  static inline constinit thread_local detail::Spares spares_{};
};

}  // namespace hop
