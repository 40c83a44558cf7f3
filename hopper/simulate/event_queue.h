// Virtual time: tasks run in the order of their times, and time jumps from one task to the next.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace hop::hopper::simulate {

/// A discrete-event queue. Tasks of the same time run in the order in which they were added.
class EventQueue {
 public:
  using Task = std::function<void()>;

  Time now() const { return now_; }
  bool empty() const { return tasks_.empty(); }
  /// The time of the next task. Precondition: there is one.
  Time next() const { return tasks_.top().due; }

  void after(Time delay, Task task) { tasks_.push({now_ + delay, ++count_, std::move(task)}); }

  /// Runs the next task.
  void run_next() {
    Entry entry = std::move(const_cast<Entry&>(tasks_.top()));  // popped at once, so the heap never compares it again
    tasks_.pop();
    now_ = entry.due;
    entry.task();
  }

 private:
  struct Entry {
    Time due;
    std::uint64_t number;
    Task task;
    bool operator<(const Entry& other) const {  // std::priority_queue serves the largest first
      return std::pair(other.due, other.number) < std::pair(due, number);
    }
  };
  std::priority_queue<Entry> tasks_;
  Time now_{};
  std::uint64_t count_ = 0;
};

}  // namespace hop::hopper::simulate
