#include "hopper/detail/bucketed_mean.h"

#include <pthread.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "kernels/threads.h"

namespace hop::hopper {
namespace {

// Some elements of the block as a tensor with a version of its own: two threads write to different buckets.
Tensor part_of(const Tensor& block, std::size_t begin, std::size_t end) {
  return Tensor::from_blob(block.data<float>() + begin, {static_cast<std::int64_t>(end - begin)},
                           std::make_shared<Tensor>(block));
}

constexpr std::uint64_t kLeastBytes = std::uint64_t{1} << 20, kMostBuckets = 8;

}  // namespace

std::size_t bucket_bytes_of(std::uint64_t all) { return std::max(kLeastBytes, all / kMostBuckets); }
std::size_t bucket_count(std::uint64_t all) {
  const std::size_t bytes = bucket_bytes_of(all);
  return std::max<std::size_t>(1, (all + bytes - 1) / bytes);
}

BucketedMean::BucketedMean(const Tensor& gradients, const std::vector<GradientPlace>& places,
                           const std::vector<Tensor>& firsts, const Group& group, std::size_t bucket_bytes)
    : gradients_(gradients), group_(group), threads_(kernels::compute_threads()) {
  for (std::size_t r = 0; r < group_.owners.size(); ++r) {
    if (group_.owns(r)) own_.push_back(r);
  }
  std::size_t end = static_cast<std::size_t>(gradients.numel()), parameters = 0;
  for (std::size_t i = places.size(); i-- > 0;) {
    bucket_of_.emplace(places[i].leaf, buckets_.size());
    ++parameters;
    const std::size_t begin = i == 0 ? 0 : places[i].offset;
    if (i != 0 && (end - begin) * sizeof(float) < bucket_bytes) continue;
    const std::vector<Tensor> firsts_here = i == 0 ? firsts : std::vector<Tensor>();
    buckets_.push_back({GroupMean({part_of(gradients, begin, end)}, firsts_here, group_), parameters});
    buckets_.back().mean.allow(static_cast<std::uint64_t>(gradients.numel()) * sizeof(float));  // as of one exchange
    parameters = 0;
    end = begin;
  }
  thread_ = std::jthread([this](const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), "hop-exchange");
    work(stop);
  });
}

BucketedMean::~BucketedMean() {
  if (is_open_) group_.wire->fail("a member broke a step off");
  thread_.request_stop();
  thread_.join();
}

void BucketedMean::for_each(const std::function<void(GroupMean&)>& f) {
  for (Bucket& bucket : buckets_) f(bucket.mean);
}

void BucketedMean::begin(const std::vector<std::optional<double>>& shares) {
  for_each([&](GroupMean& mean) { mean.begin(shares); });
  next_ = 0;
  last_ = own_.size();
  for (std::size_t i = 0; i < own_.size(); ++i) {
    if (shares[own_[i]]) last_ = i;
  }
  after_last_ = last_ == own_.size() ? 0 : own_.size() - last_ - 1;
  for (Bucket& bucket : buckets_) bucket.missing = bucket.parameters;
  const std::scoped_lock lock(mutex_);
  released_ = exchanged_ = 0;
  is_lost_anywhere_ = false;
  is_open_ = true;
}

// Buckets go in their order, because all members exchange them in the same one. The last bucket waits for finish():
// what belongs to the first replica goes with it.
void BucketedMean::on_gradient(const void* leaf, bool is_lost) {
  const auto found = bucket_of_.find(leaf);
  if (found == bucket_of_.end() || --buckets_[found->second].missing > 0) return;
  std::size_t complete = 0;
  while (complete + 1 < buckets_.size() && buckets_[complete].missing == 0) ++complete;
  early_ += release(complete, is_lost);
}

void BucketedMean::add() {
  if (next_++ != last_) for_each([](GroupMean& mean) { mean.add(); });
}

void BucketedMean::skip() {
  if (next_++ < last_) for_each([](GroupMean& mean) { mean.skip(); });
}

bool BucketedMean::finish(bool is_lost) {
  release(buckets_.size(), is_lost);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return error_ != nullptr || exchanged_ == buckets_.size(); });
  if (error_ != nullptr) std::rethrow_exception(error_);
  is_open_ = false;
  gradients_.bump_version();
  return is_lost_anywhere_;
}

// ---- the exchange

std::size_t BucketedMean::release(std::size_t buckets, bool is_lost) {
  const std::scoped_lock lock(mutex_);
  if (buckets <= released_) return 0;
  is_lost_ = is_lost;
  changed_.notify_all();
  return buckets - std::exchange(released_, buckets);
}

bool BucketedMean::exchange(std::size_t bucket, bool is_lost) {
  GroupMean& mean = buckets_[bucket].mean;
  if (last_ != own_.size()) mean.add();
  for (std::size_t i = 0; i < after_last_; ++i) mean.skip();
  const bool is_lost_anywhere = mean.finish(is_lost);
  if (bucket + 1 < buckets_.size()) buckets_[bucket + 1].mean.expect();
  return is_lost_anywhere;
}

void BucketedMean::work(const std::stop_token& stop) {
  kernels::set_compute_threads(threads_);
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return exchanged_ < released_; })) {
    const std::size_t bucket = exchanged_;
    bool is_lost = is_lost_;
    lock.unlock();
    std::exception_ptr error;
    try {
      is_lost = exchange(bucket, is_lost);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    changed_.notify_all();
    error_ = error;
    if (error != nullptr) return;
    is_lost_anywhere_ = is_lost_anywhere_ || is_lost;
    ++exchanged_;
  }
}

}  // namespace hop::hopper
