// A shared, counted pointer whose count lies in the object: one word, one allocation, thread-safe counting.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/single_threaded.h"

namespace hop {

/// Base of objects that IntrusivePtr counts.
class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 protected:
  ~Counted() = default;

 private:
  template <class T>
  friend class IntrusivePtr;
  std::atomic<std::uint32_t> count_{0};
};

template <class T>
class IntrusivePtr {
 public:
  IntrusivePtr() = default;
  explicit IntrusivePtr(T* object) : object_(object) { retain(); }
  IntrusivePtr(const IntrusivePtr& other) : object_(other.object_) { retain(); }
  IntrusivePtr(IntrusivePtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  IntrusivePtr& operator=(IntrusivePtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~IntrusivePtr() { release(); }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  bool operator==(const IntrusivePtr&) const = default;
  std::uint32_t use_count() const { return object_ == nullptr ? 0 : object_->count_.load(std::memory_order_relaxed); }

 private:
  void retain() {
    if (object_ == nullptr) return;
    std::atomic<std::uint32_t>& count = object_->count_;
    if (is_single_threaded()) {
      count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    } else {
      count.fetch_add(1, std::memory_order_relaxed);
    }
  }
  void release() {
    if (object_ != nullptr && count_down(object_->count_) == 0) delete object_;
  }
  /// Returns the count that is left.
  static std::uint32_t count_down(std::atomic<std::uint32_t>& count) {
    if (!is_single_threaded()) return count.fetch_sub(1, std::memory_order_acq_rel) - 1;
    const std::uint32_t left = count.load(std::memory_order_relaxed) - 1;
    count.store(left, std::memory_order_relaxed);
    return left;
  }
  T* object_ = nullptr;
};

}  // namespace hop
