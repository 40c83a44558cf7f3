// Work that streams have not run yet, for Options::streams other than at_once. Each stream has a queue, first in, first
// out; an item may wait for a point of another queue. Nothing runs until a thread waits for a point. Then this thread
// runs all items before the point, and the items that these wait for.
#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace hop::simt {

class Queue;

/// A place in a queue: behind the first `position` items ever given to it. A point without a queue has always been
/// reached.
struct Point {
  std::shared_ptr<Queue> queue;
  std::uint64_t position = 0;
};

/// One stream's work. All members may be called from several threads.
class Queue {
 public:
  /// Appends `work`; returns the position behind it.
  std::uint64_t give(std::function<void()> work);
  void wait_for(const Point& point);
  /// The position behind all items given so far.
  std::uint64_t end() const;

 private:
  friend class Queues;
  struct Item {
    std::function<void()> work;
    Point waits_for;
  };
  std::uint64_t push(Item item);
  /// Of the first `position` items ever given, runs those that have not run. The caller holds Queues' lock.
  void run_until(std::uint64_t position);
  bool has_run(std::uint64_t position) const;

  mutable std::mutex mutex_;
  std::deque<Item> items_;
  std::uint64_t begun_ = 0;
};

/// The queues of all streams. One thread runs work at a time; an exception of the work (KernelError) goes to the thread
/// that runs it.
class Queues {
 public:
  /// Makes a stream's queue. Queues keeps it until the stream is gone and the work is done.
  std::shared_ptr<Queue> make();

  /// Returns when everything before the point has run. With Streams::others_first, all other streams run first.
  void reach(const Point& point);
  /// Whether the point has been reached. If not, runs work up to it, so that a caller that asks repeatedly makes
  /// progress.
  bool ask(const Point& point);
  /// Runs all work of all streams: the oldest stream first, or with Streams::others_first the youngest.
  void reach_all();
  /// reach_all() for callers that must not throw: an exception is kept and thrown to the next thread that waits.
  void reach_all_quietly() noexcept;

 private:
  /// The queues in the order in which reach_all() runs them.
  std::vector<std::shared_ptr<Queue>> all();
  void throw_kept();

  std::recursive_mutex running_;  // recursive: the destructor of a work item may free device memory
  std::exception_ptr kept_;       // guarded by running_
  std::mutex mutex_;
  std::vector<std::shared_ptr<Queue>> queues_;  // in the order of their making
};
Queues& queues();

}  // namespace hop::simt
