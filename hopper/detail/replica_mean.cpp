#include "hopper/detail/replica_mean.h"

#include <utility>

#include "kernels/copy.h"

namespace hop::hopper {

void Snapshot::take() {
  for (std::size_t i = 0; i < values_.size(); ++i) kernels::copy_(values_[i], tensors_[i]);
  for (std::size_t i = values_.size(); i < tensors_.size(); ++i) values_.push_back(kernels::clone(tensors_[i]));
}

void Snapshot::bring_back() const {
  for (std::size_t i = 0; i < values_.size(); ++i) kernels::copy_(tensors_[i], values_[i]);
}

ReplicaMean::ReplicaMean(std::vector<Tensor> values, std::vector<Tensor> firsts, DType sums)
    : values_(std::move(values)), sums_(sums), alone_(values_, sums), first_(std::move(firsts)) {}

void ReplicaMean::join(const Group& group) { together_.emplace(values_, first_.tensors(), group, sums_); }

void ReplicaMean::begin(const std::vector<std::optional<double>>& shares) {
  has_first_ = false;
  together_ ? together_->begin(shares) : alone_.begin();
}

void ReplicaMean::add(double share) {
  together_ ? together_->add() : alone_.add(share);
  if (!std::exchange(has_first_, true)) first_.take();
}

void ReplicaMean::skip() { together_ ? together_->skip() : alone_.skip(); }

bool ReplicaMean::finish(bool is_lost) {
  if (has_first_) first_.bring_back();
  if (together_) return together_->finish(is_lost);
  alone_.finish();
  return is_lost;
}

}  // namespace hop::hopper
