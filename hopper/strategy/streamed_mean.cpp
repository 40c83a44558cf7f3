#include "hopper/strategy/streamed_mean.h"

#include <algorithm>
#include <span>
#include <utility>

#include "hopper/detail/group_talk.h"
#include "hopper/strategy/mean_internal.h"
#include "kernels/copy.h"

namespace hop::hopper {

StreamedMean::StreamedMean(std::vector<Tensor> values, std::vector<Tensor> firsts, Group group)
    : values_(std::move(values)),
      firsts_(std::move(firsts)),
      first_bytes_(bytes_of(firsts_)),
      group_(std::move(group)),
      nodes_(largest_nodes(group_.owners)),
      mean_(values_),
      sums_(nodes_.size()) {}

// ---- the own replicas

void StreamedMean::begin(const std::vector<std::optional<double>>& shares) {
  for (const TreeNode& node : nodes_) {
    const auto below = std::span(shares).subspan(node.first, node.leaves);
    Sum& sum = sums_[node.owner] = {};
    sum.exists = std::ranges::any_of(below, [](const auto& share) { return share.has_value(); });
    if (sum.exists && node.leaves == 1) sum.factor = static_cast<float>(*below.front());  // as TreeMean rounds it
    if (node.owner == self()) shares_.assign(below.begin(), below.end());
  }
  first_member_ = static_cast<std::uint32_t>(std::ranges::find(sums_, true, &Sum::exists) - sums_.begin());
  mean_.begin();
  leaves_done_ = 0;
  prepare();
}

void StreamedMean::add() {
  if (own().leaves > 1) mean_.add(*shares_[leaves_done_]);
  next_leaf();
}

void StreamedMean::skip() {
  if (own().leaves > 1) mean_.skip();
  next_leaf();
}

void StreamedMean::next_leaf() {
  if (++leaves_done_ == own().leaves && own().leaves > 1) keep_sum(mean_.take());
}

void StreamedMean::keep_sum(const std::vector<Tensor>& sums) {
  own_sum_.clear();
  for (const Tensor& sum : sums) own_sum_.push_back(kernels::contiguous(kernels::to_device(sum, Device::cpu())));
}

// ---- the exchange

bool StreamedMean::finish(bool is_lost) {
  const bool exists = sum(self()).exists;
  if (own().leaves == 1) keep_sum(exists ? values_ : std::vector<Tensor>());
  means_.clear();
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const Tensor& x = values_[i];
    means_.push_back(is_here(x) ? x : exists ? own_sum_[i] : Tensor::empty(x.shape(), DType::f32));
  }
  is_lost = exchange(is_lost);
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const Tensor& x = values_[i];
    is_here(x) ? x.bump_version() : kernels::copy_(x, kernels::to_device(means_[i], x.device()));
  }
  return is_lost;
}

}  // namespace hop::hopper
