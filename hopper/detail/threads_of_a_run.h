// The threads of a unit, outside of a worker. Internal to Hopscotch.
#pragma once

#include <cstdint>

#include "kernels/threads.h"

namespace hop::hopper {

/// Sets the threads of a unit, and puts the caller's number back.
class ThreadsOfARun {
 public:
  explicit ThreadsOfARun(std::uint32_t threads) : before_(kernels::compute_threads()) {
    kernels::set_compute_threads(static_cast<int>(threads));
  }
  ~ThreadsOfARun() { kernels::set_compute_threads(before_); }
  ThreadsOfARun(const ThreadsOfARun&) = delete;
  ThreadsOfARun& operator=(const ThreadsOfARun&) = delete;

 private:
  int before_;
};

}  // namespace hop::hopper
