// Work that streams have not run yet: Options::streams other than at_once. Each stream has a queue, first in, first
// out; an item may wait for a point of another queue. Nothing runs until somebody waits for a point; then the calling
// thread runs what stands before it, and what that waits for.
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

/// A place in a queue: behind the first `position` items ever given to it. Without a queue: nothing to wait for.
struct Point {
  std::shared_ptr<Queue> queue;
  std::uint64_t position = 0;
};

/// One stream's work. All members may be called from several threads.
class Queue {
 public:
  /// The position behind it.
  std::uint64_t give(std::function<void()> work);
  void wait_for(const Point& point);
  /// Behind everything given so far.
  std::uint64_t end() const;

 private:
  friend class Queues;
  struct Item {
    std::function<void()> work;
    Point waits_for;
  };
  std::uint64_t push(Item item);
  /// Runs the first `position` items ever given, those that have not run. Call with Queues' lock.
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
  /// A stream's. Queues keeps it until the stream is gone and the work done.
  std::shared_ptr<Queue> make();

  /// Returns when everything before the point has run. Where Options::streams says so, all other streams run first.
  void reach(const Point& point);
  /// Whether it has. If not, runs it: whoever asks again and again gets on.
  bool ask(const Point& point);
  /// Everything that all streams have: the oldest stream first, or where others go first the youngest.
  void reach_all();
  /// The same for callers that must not throw: what is thrown is kept for the next one who waits.
  void reach_all_quietly() noexcept;

 private:
  /// In the order in which reach_all() runs them.
  std::vector<std::shared_ptr<Queue>> all();
  void throw_kept();

  std::recursive_mutex running_;  // recursive: the work's owner may free device memory where it ends
  std::exception_ptr kept_;       // guarded by running_
  std::mutex mutex_;
  std::vector<std::shared_ptr<Queue>> queues_;  // in the order of their making
};
Queues& queues();

}  // namespace hop::simt
