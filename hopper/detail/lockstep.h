// Replicas of one worker that meet in the middle of a step. Internal to Hopscotch.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "kernels/replica_norm_internal.h"

namespace hop::hopper {

/// Runs the work of several lanes, one lane at a time. A lane computes until it meets the others (ReplicaTalk::share).
/// Then the next lane computes. When the last one has come, the numbers of all are exchanged, and the first lane goes
/// on:
///
///   lane 0   part 0              | part 1              | part 2
///   lane 1           part 0      |         part 1      |         part 2
///                      exchange -+          exchange --+
///
/// Each lane but the first has a thread of its own, which keeps what a computation leaves in the middle; lane 0 is on
/// the thread that calls run(). Only one of them computes at any time, so lanes may share what they compute with.
class Lockstep {
 public:
  using Numbers = std::vector<std::vector<double>>;  ///< of several replicas
  /// Of the numbers of the lanes that take part makes those of all replicas of the step.
  using Exchange = std::function<Numbers(const Numbers& own)>;

  explicit Lockstep(std::size_t lanes);
  Lockstep(const Lockstep&) = delete;
  Lockstep& operator=(const Lockstep&) = delete;
  ~Lockstep();

  /// Where this lane meets the others. To be used in the lane's work alone.
  std::shared_ptr<kernels::ReplicaTalk> talk(std::size_t lane);
  /// Calls work(lane) for each of `lanes`, which increase, and returns when all have ended. Rethrows the first error of
  /// a lane or of the exchange; the others are broken off where they meet. Throws StateError if the lanes do not meet
  /// equally often, or with different counts of numbers.
  void run(std::vector<std::size_t> lanes, const Exchange& exchange, const std::function<void(std::size_t)>& work);

 private:
  class Talk;
  const Numbers& meet(std::size_t lane, std::vector<double> own);
  bool has_turn(std::size_t lane) const { return turn_ < lanes_.size() && lanes_[turn_] == lane; }
  void pass_turn();
  void play(std::size_t lane);
  void serve(std::size_t lane, const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  // Of the step
  std::vector<std::size_t> lanes_;
  std::vector<bool> is_over_;        // by place in lanes_
  std::vector<bool> may_begin_;      // by lane
  std::size_t turn_ = 0, over_ = 0;  // the place of the lane that computes; how many have ended
  const Exchange* exchange_ = nullptr;
  const std::function<void(std::size_t)>* work_ = nullptr;
  Numbers said_, all_;  // the numbers of the next meeting so far, and those of the last one
  std::exception_ptr error_;

  std::vector<std::jthread> threads_;  // the last member: they use the others
};

}  // namespace hop::hopper
