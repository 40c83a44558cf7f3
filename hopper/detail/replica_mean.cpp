#include "hopper/detail/replica_mean.h"

#include <utility>

#include "hopper/strategy/group_mean.h"
#include "hopper/strategy/halving_doubling_mean.h"
#include "hopper/strategy/ring_mean.h"
#include "hopper/strategy/tree_mean.h"
#include "kernels/copy.h"

namespace hop::hopper {
namespace {

using Shares = std::vector<std::optional<double>>;

// One worker has all replicas.
class Alone final : public MeanWay {
 public:
  explicit Alone(TreeMean mean) : mean_(std::move(mean)) {}
  void begin(const Shares&) override { mean_.begin(); }
  void add(double share) override { mean_.add(share); }
  void skip() override { mean_.skip(); }
  bool finish(bool is_lost) override {
    mean_.finish();
    return is_lost;
  }

 private:
  TreeMean mean_;
};

// The members of a group add in the order of one worker.
class Together final : public MeanWay {
 public:
  explicit Together(GroupMean mean) : mean_(std::move(mean)) {}
  void begin(const Shares& shares) override { mean_.begin(shares); }
  void expect() override { mean_.expect(); }
  void add(double) override { mean_.add(); }
  void skip() override { mean_.skip(); }
  bool finish(bool is_lost) override { return mean_.finish(is_lost); }

 private:
  GroupMean mean_;
};

// The same, while backward goes on.
class InBuckets final : public MeanWay {
 public:
  explicit InBuckets(std::unique_ptr<BucketedMean> mean) : mean_(std::move(mean)) {}
  void begin(const Shares& shares) override { mean_->begin(shares); }
  void expect() override { mean_->expect(); }
  bool takes_gradients() const override { return mean_->is_at_last(); }
  void on_gradient(const void* leaf, bool is_lost) override { mean_->on_gradient(leaf, is_lost); }
  std::uint64_t early() const override { return mean_->early(); }
  void add(double) override { mean_->add(); }
  void skip() override { mean_->skip(); }
  bool finish(bool is_lost) override { return mean_->finish(is_lost); }
  void leave() override { mean_.reset(); }  // its thread ends

 private:
  std::unique_ptr<BucketedMean> mean_;
};

// The order of additions depends on the members.
class ByMembers final : public MeanWay {
 public:
  explicit ByMembers(std::unique_ptr<MemberMean> mean) : mean_(std::move(mean)) {}
  void begin(const Shares& shares) override {
    std::vector<bool> has_rows;
    for (const std::optional<double>& share : shares) has_rows.push_back(share.has_value());
    mean_->begin(std::move(has_rows));
  }
  void add(double share) override { mean_->add(share); }
  void skip() override { mean_->skip(); }
  bool finish(bool is_lost) override { return mean_->finish(is_lost); }

 private:
  std::unique_ptr<MemberMean> mean_;
};

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
    : values_(std::move(values)), sums_(sums), first_(std::move(firsts)) {
  TreeMean mean(values_, sums);
  bytes_ = mean.bytes();
  way_ = std::make_unique<Alone>(std::move(mean));
}

void ReplicaMean::join(const Group& group, const std::vector<GradientPlace>& places) {
  const Tensor& block = values_.front();
  if (sums_ == DType::f32) {
    if (auto mean = member_mean(block, first_.tensors(), group)) {
      way_ = std::make_unique<ByMembers>(std::move(mean));
      return;
    }
  }
  if (group.wire == nullptr) return;
  if (places.size() > 1 && block.device().is_cpu() && bucket_count(bytes()) > 1) {
    way_ = std::make_unique<InBuckets>(
        std::make_unique<BucketedMean>(block, places, first_.tensors(), group, bucket_bytes_of(bytes())));
  } else {
    way_ = std::make_unique<Together>(GroupMean(values_, first_.tensors(), group, sums_));
  }
}

void ReplicaMean::begin(const std::vector<std::optional<double>>& shares) {
  has_first_ = false;
  way_->begin(shares);
}

void ReplicaMean::add(double share) {
  way_->add(share);
  if (!std::exchange(has_first_, true)) first_.take();
}

bool ReplicaMean::finish(bool is_lost) {
  if (has_first_) first_.bring_back();
  return way_->finish(is_lost);
}

}  // namespace hop::hopper
