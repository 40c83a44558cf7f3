// A mean of gradients that the members of a group exchange while backward goes on. Internal to Hopscotch.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "hopper/strategy/group_mean.h"
#include "hopper/strategy/group_wire.h"
#include "tensor/tensor.h"

namespace hop::hopper {

/// How many bytes of gradients a bucket has at least: 1 MiB, which is on its way for 8 ms at 1 Gbit/s, and an eighth of
/// all, because each bucket waits for the latency of the network.
std::size_t bucket_bytes_of(std::uint64_t all);
/// How many buckets that makes, where parameters are small.
std::size_t bucket_count(std::uint64_t all);

/// Where the gradient of a parameter lies in the block of all gradients.
struct GradientPlace {
  const void* leaf;    ///< Tensor::id() of the parameter
  std::size_t offset;  ///< in elements
};

/// GroupMean over one block of f32 gradients on the CPU, with the same bits, in buckets. A bucket is a row of whole
/// parameters. Backward reaches the last layers first, so the last parameters are in the first bucket.
/// When all gradients of a bucket are there, a thread exchanges it, one bucket after the other, while the caller
/// computes the gradients of the next ones. (DistributedDataParallel does the same.) All members have the same buckets.
///
///   mean.begin(shares);
///   mean.expect();
///   for (each own replica) {
///     ...            // backward; if mean.is_at_last(): mean.on_gradient(leaf, is_lost) for each gradient that is there
///     mean.add();    // or mean.skip(), for a replica that has no rows
///   }
///   mean.finish(is_lost);
class BucketedMean {
 public:
  /// `places`: by offset. `firsts`: as GroupMean, exchanged with the last bucket.
  BucketedMean(const Tensor& gradients, const std::vector<GradientPlace>& places, const std::vector<Tensor>& firsts,
               const Group& group, std::size_t bucket_bytes);
  BucketedMean(const BucketedMean&) = delete;
  BucketedMean& operator=(const BucketedMean&) = delete;
  /// If a step was not finished, gives the group up, because the other members wait for the rest.
  ~BucketedMean();

  std::size_t buckets() const { return buckets_.size(); }
  /// How many were ready for their exchange before finish(), in all steps so far.
  std::uint64_t early() const { return early_; }
  /// How many of them have been exchanged in this step. Any thread.
  std::size_t exchanged() const {
    const std::scoped_lock lock(mutex_);
    return exchanged_;
  }

  /// As GroupMean::begin.
  void begin(const std::vector<std::optional<double>>& shares);
  /// As GroupMean::expect.
  void expect() { buckets_.front().mean.expect(); }
  /// Whether the next own replica is the last one that has rows: whose gradients complete a bucket.
  bool is_at_last() const { return next_ == last_; }
  /// Of the last one: the gradient of this parameter is complete. `is_lost`: whether an own replica has lost its loss.
  void on_gradient(const void* leaf, bool is_lost);
  void add();
  void skip();
  /// As GroupMean::finish. Waits until all buckets have been exchanged.
  bool finish(bool is_lost);

 private:
  struct Bucket {
    GroupMean mean;
    std::size_t parameters = 0;  // whose gradients complete it
    std::size_t missing = 0;     // of them, in this step
  };
  void for_each(const std::function<void(GroupMean&)>& f);
  std::size_t release(std::size_t buckets, bool is_lost);
  bool exchange(std::size_t bucket, bool is_lost);
  void work(const std::stop_token& stop);

  const Tensor gradients_;
  const Group group_;
  std::deque<Bucket> buckets_;                              // in the order of their exchange
  std::unordered_map<const void*, std::size_t> bucket_of_;  // by leaf
  std::vector<std::size_t> own_;                            // the own replicas
  std::size_t next_ = 0, last_ = 0;                         // in own_; last_ is its size if none has rows
  std::uint64_t early_ = 0;
  const int threads_;           // of the caller's kernels
  std::size_t after_last_ = 0;  // own replicas without rows after the last one that has some

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t released_ = 0, exchanged_ = 0;  // buckets of this step
  bool is_lost_ = false, is_lost_anywhere_ = false, is_open_ = false;
  std::exception_ptr error_;
  std::jthread thread_;  // the last member: it uses the others
};

}  // namespace hop::hopper
