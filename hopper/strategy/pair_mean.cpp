#include "hopper/strategy/pair_mean.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "hopper/detail/group_talk.h"
#include "kernels/copy.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kFlagBytes = sizeof(std::uint64_t);  // whether the sender's loss is lost

bool is_here(const Tensor& x) { return x.device().is_cpu() && x.is_contiguous(); }

ByteView bytes_of(const Tensor& x) { return {x.raw_data(), static_cast<std::size_t>(x.numel()) * sizeof(float)}; }

}  // namespace

bool PairMean::fits(const Group& group, DType sums) {
  return group.wire->members() == 2 && group.servers == 0 && sums == DType::f32 && is_pair(group.owners);
}

PairMean::PairMean(std::vector<Tensor> values, std::vector<Tensor> firsts, Group group)
    : values_(std::move(values)),
      firsts_(std::move(firsts)),
      first_bytes_(hopper::bytes_of(firsts_)),
      group_(std::move(group)),
      nodes_(largest_nodes(group_.owners)),
      mean_(values_),
      sum_bytes_(hopper::bytes_of(values_)) {}

// ---- the own replicas

void PairMean::begin(const std::vector<std::optional<double>>& shares) {
  const auto shares_of = [&](const TreeNode& node) { return std::span(shares).subspan(node.first, node.leaves); };
  const auto sum_of = [&](const TreeNode& node) {
    Sum sum;
    for (const std::optional<double>& share : shares_of(node)) sum.exists = sum.exists || share.has_value();
    if (sum.exists && node.leaves == 1) sum.factor = static_cast<float>(*shares[node.first]);  // as TreeMean rounds it
    return sum;
  };
  const auto own_shares = shares_of(own());
  shares_.assign(own_shares.begin(), own_shares.end());
  own_ = sum_of(own());
  theirs_ = sum_of(nodes_[1 - self()]);
  mean_.begin();
  leaves_done_ = 0;

  const bool is_first_own = own_.exists && (self() == 0 || !theirs_.exists);  // the first replica with rows
  own_end_ = std::make_shared<AlignedBuffer>((is_first_own ? first_bytes_ : 0) + kFlagBytes);
  their_end_ = AlignedBuffer((is_first_own ? 0 : first_bytes_) + kFlagBytes);
  in = (theirs_.exists ? sum_bytes_ : 0) + their_end_.size();
}

void PairMean::add() {
  if (own().leaves > 1) mean_.add(*shares_[leaves_done_]);
  next_leaf();
}

void PairMean::skip() {
  if (own().leaves > 1) mean_.skip();
  next_leaf();
}

void PairMean::next_leaf() {
  if (++leaves_done_ == own().leaves && own().leaves > 1) keep_sum(mean_.take());
}

void PairMean::keep_sum(const std::vector<Tensor>& sums) {
  own_sum_.clear();
  for (const Tensor& sum : sums) own_sum_.push_back(kernels::contiguous(kernels::to_device(sum, Device::cpu())));
}

// ---- the exchange

bool PairMean::finish(bool is_lost) {
  if (own_.exists && own().leaves == 1) keep_sum(values_);
  means_.clear();
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const Tensor& x = values_[i];
    means_.push_back(is_here(x) ? x : own_.exists ? own_sum_[i] : Tensor::empty(x.shape(), DType::f32));
  }
  if (own_end_->size() > kFlagBytes) read_values(firsts_, own_end_->data());
  std::uint64_t flag = is_lost ? 1 : 0;
  std::memcpy(own_end_->data() + own_end_->size() - kFlagBytes, &flag, kFlagBytes);
  out.clear();
  if (own_.exists) {
    for (const Tensor& sum : own_sum_) out.push_back({bytes_of(sum), std::make_shared<Tensor>(sum)});
  }
  out.push_back({own_end_->span(), own_end_});

  group_.wire->stream(*this);

  for (std::size_t i = 0; i < values_.size(); ++i) {
    const Tensor &x = values_[i], &mean = means_[i];
    if (!theirs_.exists) write_mean(i, 0, nullptr, static_cast<std::size_t>(x.numel()));
    is_here(x) ? x.bump_version() : kernels::copy_(x, kernels::to_device(mean, x.device()));
  }
  if (their_end_.size() > kFlagBytes) write_values(firsts_, their_end_.data());
  std::memcpy(&flag, their_end_.data() + their_end_.size() - kFlagBytes, kFlagBytes);
  return is_lost || flag != 0;
}

void PairMean::take(ByteView piece, std::uint64_t at) {
  if (theirs_.exists) {
    std::uint64_t begin = 0;  // of a tensor in the sum
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const std::uint64_t end = begin + bytes_of(means_[i]).size();
      const std::uint64_t from = std::max(begin, at), to = std::min(end, at + piece.size());
      if (from < to) {
        write_mean(i, (from - begin) / sizeof(float), reinterpret_cast<const float*>(piece.data() + (from - at)),
                   (to - from) / sizeof(float));
      }
      begin = end;
    }
  }
  const std::uint64_t from = std::max(in - their_end_.size(), at), to = at + piece.size();
  if (from < to)
    std::memcpy(their_end_.data() + (from - (in - their_end_.size())), piece.data() + (from - at), to - from);
}

// Some elements of the mean. The sum of a member without rows adds nothing. Both members run the same loop over the
// same sides, so that even the sum of two NaN has the same bits.
void PairMean::write_mean(std::size_t tensor, std::size_t begin, const float* theirs, std::size_t elements) const {
  if (elements == 0) return;
  float* const mean = means_[tensor].data<float>() + begin;
  const float* const own = own_.exists ? own_sum_[tensor].data<float>() + begin : nullptr;
  if (own == nullptr || theirs == nullptr) {
    const float* const only = own != nullptr ? own : theirs;
    const float factor = own != nullptr ? own_.factor : theirs_.factor;
#pragma GCC ivdep
    for (std::size_t k = 0; k < elements; ++k) mean[k] = only[k] * factor;
    return;
  }
  const bool is_left = self() == 0;
  const float *const left = is_left ? own : theirs, *const right = is_left ? theirs : own;
  const float of_left = is_left ? own_.factor : theirs_.factor, of_right = is_left ? theirs_.factor : own_.factor;
#pragma GCC ivdep  // the mean may be written where the own values lie
  for (std::size_t k = 0; k < elements; ++k) mean[k] = left[k] * of_left + right[k] * of_right;
}

}  // namespace hop::hopper
