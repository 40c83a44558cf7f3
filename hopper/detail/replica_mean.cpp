#include "hopper/detail/replica_mean.h"

#include <utility>

#include "hopper/strategy/halving_doubling_mean.h"
#include "hopper/strategy/ring_mean.h"
#include "kernels/copy.h"

namespace hop::hopper {
namespace {

// Null for an exchange whose bits do not depend on the members.
std::unique_ptr<MemberMean> member_mean(const Tensor& values, const std::vector<Tensor>& firsts, const Group& group) {
  switch (group.exchange) {
    case ReduceExchange::Direct:
      return nullptr;
    case ReduceExchange::Ring:
      return std::make_unique<RingMean>(values, firsts, group);
    case ReduceExchange::HalvingDoubling:
      return std::make_unique<HalvingDoublingMean>(values, firsts, group);
  }
  return nullptr;
}

}  // namespace

void Snapshot::take() {
  for (std::size_t i = 0; i < values_.size(); ++i) kernels::copy_(values_[i], tensors_[i]);
  for (std::size_t i = values_.size(); i < tensors_.size(); ++i) values_.push_back(kernels::clone(tensors_[i]));
}

void Snapshot::bring_back() const {
  for (std::size_t i = 0; i < values_.size(); ++i) kernels::copy_(tensors_[i], values_[i]);
}

ReplicaMean::ReplicaMean(std::vector<Tensor> values, std::vector<Tensor> firsts, DType sums)
    : values_(std::move(values)), sums_(sums), alone_(values_, sums), first_(std::move(firsts)) {}

void ReplicaMean::join(const Group& group, const std::vector<GradientPlace>& places) {
  const Tensor& block = values_.front();
  if (sums_ == DType::f32) by_members_ = member_mean(block, first_.tensors(), group);
  if (by_members_ || group.wire == nullptr) return;
  if (places.size() > 1 && block.device().is_cpu() && bucket_count(bytes()) > 1) {
    buckets_.emplace(block, places, first_.tensors(), group, bucket_bytes_of(bytes()));
  } else {
    together_.emplace(values_, first_.tensors(), group, sums_);
  }
}

void ReplicaMean::begin(const std::vector<std::optional<double>>& shares) {
  has_first_ = false;
  if (by_members_) {
    std::vector<bool> has_rows;
    for (const std::optional<double>& share : shares) has_rows.push_back(share.has_value());
    return by_members_->begin(std::move(has_rows));
  }
  if (buckets_) return buckets_->begin(shares);
  together_ ? together_->begin(shares) : alone_.begin();
}

void ReplicaMean::expect() {
  if (buckets_) return buckets_->expect();
  if (together_ && !by_members_) together_->expect();
}

void ReplicaMean::add(double share) {
  if (by_members_) {
    by_members_->add(share);
  } else if (buckets_) {
    buckets_->add();
  } else {
    together_ ? together_->add() : alone_.add(share);
  }
  if (!std::exchange(has_first_, true)) first_.take();
}

void ReplicaMean::skip() {
  if (by_members_) return by_members_->skip();
  if (buckets_) return buckets_->skip();
  together_ ? together_->skip() : alone_.skip();
}

bool ReplicaMean::finish(bool is_lost) {
  if (has_first_) first_.bring_back();
  if (by_members_) return by_members_->finish(is_lost);
  if (buckets_) return buckets_->finish(is_lost);
  if (together_) return together_->finish(is_lost);
  alone_.finish();
  return is_lost;
}

}  // namespace hop::hopper
