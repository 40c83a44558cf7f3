// oneDNN as our kernels use it: one engine, limited to the instruction set that isa() names; primitives made once per
// shape and thread, then called with addresses alone. With the same shape, layout, threads and library, a primitive
// gives the same bits whatever the addresses are (tested).
#pragma once

#include <array>
#include <initializer_list>
#include <list>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tensor/storage.h"

namespace hop::kernels::onednn {

/// Throws DeviceError if an earlier user of oneDNN in this process has fixed another instruction set.
const dnnl::engine& engine();

/// To be called before any other call of oneDNN: fixes its instruction set for the process and its threads for this
/// thread. Returns their number, compute_threads().
int prepare();

/// Throws MemoryError or Error, `[op] oneDNN: message`, for what oneDNN throws; to be called in a catch block.
[[noreturn]] void rethrow(const char* op, const dnnl::error& error);

/// A primitive with its memory objects. For the thread that made it.
class Step {
 public:
  struct Argument {
    int name;  ///< DNNL_ARG_SRC, ..
    dnnl::memory::desc desc;
  };
  /// `primitive` was made with scratchpad_mode::user; `scratchpad` is its need. Conversions (reorders) have none.
  Step(dnnl::primitive primitive, std::initializer_list<Argument> arguments, const dnnl::memory::desc& scratchpad = {});

  /// Runs on `addresses`, one per argument in their order. Inputs are not written to.
  void run(std::initializer_list<const void*> addresses);

 private:
  dnnl::primitive primitive_;
  std::vector<dnnl::memory> memory_;
  std::vector<dnnl_exec_arg_t> arguments_;
  std::size_t scratch_bytes_ = 0;
};

/// Attributes of every primitive: we bring the scratchpad, from the caching allocator.
dnnl::primitive_attr user_scratchpad();

/// What a primitive depends on, as numbers: sizes, strides, options, threads.
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

/// The values of the `capacity` keys that were asked for last. One per thread and operation (thread_local).
template <std::size_t N, class Value>
class Cache {
 public:
  explicit Cache(std::size_t capacity) : capacity_(capacity) {}

  /// The value of `key`; made by make() if it is not there.
  template <class Make>
  Value& get(const Key<N>& key, const Make& make) {
    if (const auto found = places_.find(key); found != places_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
    } else {
      entries_.emplace_front(key, make());
      places_[key] = entries_.begin();
      if (entries_.size() > capacity_) {
        places_.erase(entries_.back().first);
        entries_.pop_back();
      }
    }
    return entries_.front().second;
  }

 private:
  using Entries = std::list<std::pair<Key<N>, Value>>;  // the latest first
  std::size_t capacity_;
  Entries entries_;
  std::unordered_map<Key<N>, typename Entries::iterator, KeyHash<N>> places_;
};

}  // namespace hop::kernels::onednn
