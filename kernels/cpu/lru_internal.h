// A bounded cache of values that are costly to make and depend on a few numbers: oneDNN primitives.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <utility>

namespace hop::kernels {

/// The numbers that a value depends on: sizes, strides, options, threads.
template <std::size_t N>
using Key = std::array<std::int64_t, N>;

template <std::size_t N>
struct KeyHash {
  std::size_t operator()(const Key<N>& key) const {
    std::uint64_t h = 0;
    for (const std::int64_t word : key) {
      h = (h ^ static_cast<std::uint64_t>(word)) * 0x9E3779B97F4A7C15;
      h ^= h >> 32;
    }
    return h;
  }
};

/// The values of the `capacity` keys that were used last; the least recently used is dropped first. Not thread-safe:
/// one per thread and operation, as a thread_local.
template <std::size_t N, class Value>
class LruCache {
 public:
  explicit LruCache(std::size_t capacity) : capacity_(capacity) {}

  /// The value of `key`, made by make() if it is not there. Valid until the next call.
  template <class Make>
  Value& get(const Key<N>& key, const Make& make) {
    if (const auto found = places_.find(key); found != places_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return entries_.front().second;
    }
    entries_.emplace_front(key, make());
    places_[key] = entries_.begin();
    if (entries_.size() > capacity_) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return entries_.front().second;
  }

 private:
  using Entries = std::list<std::pair<Key<N>, Value>>;  // the latest first
  std::size_t capacity_;
  Entries entries_;
  std::unordered_map<Key<N>, typename Entries::iterator, KeyHash<N>> places_;
};

}  // namespace hop::kernels
