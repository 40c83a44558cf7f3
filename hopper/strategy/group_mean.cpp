#include "hopper/strategy/group_mean.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "hopper/detail/group_talk.h"
#include "hopper/strategy/mean_internal.h"
#include "hopper/strategy/pair_mean.h"
#include "hopper/strategy/scattered_mean.h"
#include "kernels/copy.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kBlock = 16;  // elements: 64 bytes of f32

void resize(AlignedBuffer& buffer, std::size_t size) {
  if (buffer.size() != size) buffer = AlignedBuffer(size);
}

}  // namespace

GroupMean::GroupMean(std::vector<Tensor> values, std::vector<Tensor> firsts, Group group, DType sums)
    : values_(std::move(values)),
      firsts_(std::move(firsts)),
      first_bytes_(bytes_of(firsts_)),
      group_(std::move(group)),
      sums_(sums),
      nodes_(largest_nodes(group_.owners)),
      mean_(values_, sums),
      own_sums_(nodes_.size()),
      inputs_(nodes_.size()),
      multiplied_(nodes_.size()),
      reduce_(std::make_shared<GroupRound>(group_.wire->members())),
      gather_(std::make_shared<GroupRound>(group_.wire->members())) {
  for (const Tensor& x : values_) {
    begins_.push_back(elements_);
    elements_ += align_up(static_cast<std::size_t>(x.numel()), kBlock);
    if (x.dtype() == DType::f32) continue;
    if (sums_ == DType::f32) throw DtypeError("[group_mean] expected f32 values, got " + x.describe());
    means_ = DType::f64;
  }
  if (PairMean::fits(group_, sums_)) {
    streamed_ = std::make_unique<PairMean>(values_, firsts_, group_);
  } else if (ScatteredMean::fits(values_, group_, sums_)) {
    streamed_ = std::make_unique<ScatteredMean>(values_.front(), firsts_, group_);
  }
}

// ---- who has what

GroupMean::Part GroupMean::part_of(std::uint32_t rank) const {
  const std::size_t blocks = elements_ / kBlock, members = group_.wire->members();
  const std::size_t servers = group_.servers == 0 ? members : std::min<std::size_t>(members, group_.servers);
  const auto edge = [&](std::size_t r) { return blocks * std::min(r, servers) / servers * kBlock; };
  return {edge(rank), edge(rank + std::size_t{1})};
}

// Calls f(rank, place in the part of the rank, place in the tensor, elements) for each part that has some of the
// tensor.
template <class F>
void GroupMean::for_each_piece(std::size_t tensor, const F& f) const {
  const std::size_t from = begins_[tensor], to = from + static_cast<std::size_t>(values_[tensor].numel());
  for (std::uint32_t rank = 0; rank < group_.wire->members(); ++rank) {
    const Part part = part_of(rank);
    const std::size_t begin = std::max(part.begin, from), end = std::min(part.end, to);
    if (begin < end) f(rank, begin - part.begin, begin - from, end - begin);
  }
}

bool GroupMean::has_values(const TreeNode& node) const {
  const auto begin = shares_.begin() + static_cast<std::ptrdiff_t>(node.first);
  return std::any_of(begin, begin + static_cast<std::ptrdiff_t>(node.leaves),
                     [](const std::optional<double>& share) { return share.has_value(); });
}

// The bytes that a member sends of each element of a part: one number for each of its nodes.
std::size_t GroupMean::width_of(std::uint32_t rank) const {
  std::size_t width = 0;
  for (const TreeNode& node : nodes_) {
    if (node.owner == rank && has_values(node)) width += size_of(dtype_of(node));
  }
  return width;
}

std::uint32_t GroupMean::first_owner() const {
  const auto has_rows = [](const std::optional<double>& share) { return share.has_value(); };
  return group_.owners[static_cast<std::size_t>(std::ranges::find_if(shares_, has_rows) - shares_.begin())];
}

// ---- the own replicas

void GroupMean::begin(std::vector<std::optional<double>> shares) {
  if (streamed_) return streamed_->begin(shares);
  shares_ = std::move(shares);
  mean_.begin();
  const std::uint32_t self = group_.wire->rank();
  node_ = static_cast<std::size_t>(std::ranges::find(nodes_, self, &TreeNode::owner) - nodes_.begin());
  leaves_done_ = kept_ = width_ = 0;
  const std::size_t of_mean = size_of(means_);
  for (std::uint32_t rank = 0; rank < group_.wire->members(); ++rank) {
    if (rank == self) continue;
    resize(reduce_->out[rank], kFlagBytes + width_of(self) * part_of(rank).size());
    resize(reduce_->in[rank], kFlagBytes + width_of(rank) * own().size());
    resize(gather_->out[rank], of_mean * own().size() + firsts_from(self));
    resize(gather_->in[rank], of_mean * part_of(rank).size() + firsts_from(rank));
  }
}

void GroupMean::add() {
  if (streamed_) return streamed_->add();
  const TreeNode& node = nodes_[node_];
  if (!is_raw(node)) mean_.add(*shares_[node.first + leaves_done_]);
  next_leaf();
}

void GroupMean::skip() {
  if (streamed_) return streamed_->skip();
  if (!is_raw(nodes_[node_])) mean_.skip();
  next_leaf();
}

void GroupMean::next_leaf() {
  const TreeNode& node = nodes_[node_];
  if (++leaves_done_ < node.leaves) return;
  const std::vector<Tensor> sums = is_raw(node) ? values_ : mean_.take();
  if (has_values(node)) keep_sum(node, sums);
  ++node_;
  leaves_done_ = 0;
}

// The sum of an own node: its parts go to the members that have them.
void GroupMean::keep_sum(const TreeNode& node, const std::vector<Tensor>& sums) {
  const std::uint32_t self = group_.wire->rank();
  const std::size_t width = size_of(dtype_of(node));
  resize(own_sums_[kept_], width * own().size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const Tensor host = kernels::contiguous(kernels::cast(kernels::to_device(sums[i], Device::cpu()), dtype_of(node)));
    for_each_piece(i, [&](std::uint32_t rank, std::size_t in_part, std::size_t in_tensor, std::size_t elements) {
      std::byte* const part = rank == self ? own_sums_[kept_].data()
                                           : reduce_->out[rank].data() + kFlagBytes + width_ * part_of(rank).size();
      std::memcpy(part + in_part * width, host.raw_data() + in_tensor * width, elements * width);
    });
  }
  ++kept_;
  width_ += width;
}

// ---- the exchange

bool GroupMean::finish(bool is_lost) {
  if (streamed_) return streamed_->finish(is_lost);
  const bool is_lost_anywhere = reduce_scatter(is_lost);
  const std::byte* const mean = own_mean();
  all_gather(mean);
  write_mean(mean);
  return is_lost_anywhere;
}

bool GroupMean::reduce_scatter(bool is_lost) {
  const std::uint32_t self = group_.wire->rank(), members = group_.wire->members();
  const std::uint64_t flag = is_lost ? 1 : 0;
  for (std::uint32_t rank = 0; rank < members; ++rank) {
    if (rank == self) continue;
    std::memcpy(reduce_->out[rank].data(), &flag, kFlagBytes);
  }
  group_.wire->swap(reduce_);

  std::size_t kept = 0;
  std::vector<std::size_t> width(members);  // of the nodes so far, of each other member
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const TreeNode& node = nodes_[i];
    inputs_[i] = nullptr;
    if (!has_values(node)) continue;
    std::byte* const sum = node.owner == self
                               ? own_sums_[kept].data()
                               : reduce_->in[node.owner].data() + kFlagBytes + width[node.owner] * own().size();
    if (node.owner == self) ++kept;
    width[node.owner] += size_of(dtype_of(node));
    inputs_[i] = is_raw(node) ? multiplied(i, sum) : sum;
  }
  for (std::uint32_t rank = 0; rank < members; ++rank) {
    std::uint64_t theirs = 0;
    if (rank != self) std::memcpy(&theirs, reduce_->in[rank].data(), kFlagBytes);
    is_lost = is_lost || theirs != 0;
  }
  return is_lost;
}

// What TreeMean::add() does with the values of a replica, for the own part: share * values, in f64.
std::byte* GroupMean::multiplied(std::size_t node, const std::byte* values) {
  const double share = *shares_[nodes_[node].first];
  const std::size_t size = own().size();
  resize(multiplied_[node], size * sizeof(double));
  auto* const to = reinterpret_cast<double*>(multiplied_[node].data());
  const auto multiply = [&](const auto* x) {
    for (std::size_t i = 0; i < size; ++i) to[i] = static_cast<double>(x[i]) * share;
  };
  means_ == DType::f32 ? multiply(reinterpret_cast<const float*>(values))
                       : multiply(reinterpret_cast<const double*>(values));
  return multiplied_[node].data();
}

// The sum of the own part over the leaves of a node of the tree; null if none has values. `node`: the place of the
// first of the largest nodes below it, then the place behind the last one.
template <class T>
T* GroupMean::fold(std::size_t leaves, std::size_t& node) const {
  if (nodes_[node].leaves == leaves) return reinterpret_cast<T*>(inputs_[node++]);
  const std::size_t of_left = leaves_of_first_child(leaves);
  T* const left = fold<T>(of_left, node);
  T* const right = fold<T>(leaves - of_left, node);
  if (left == nullptr || right == nullptr) return left != nullptr ? left : right;
  const std::size_t elements = own().size();
  for (std::size_t i = 0; i < elements; ++i) left[i] += right[i];
  return left;
}

// The mean of the own part, as it is sent.
const std::byte* GroupMean::own_mean() {
  std::size_t node = 0;
  if (sums_ == DType::f32) return reinterpret_cast<const std::byte*>(fold<float>(group_.owners.size(), node));
  const double* const mean = fold<double>(group_.owners.size(), node);
  if (means_ == DType::f64) return reinterpret_cast<const std::byte*>(mean);
  rounded_.resize(own().size());
  std::transform(mean, mean + rounded_.size(), rounded_.begin(), [](double x) { return static_cast<float>(x); });
  return reinterpret_cast<const std::byte*>(rounded_.data());
}

void GroupMean::all_gather(const std::byte* mean) {
  const std::uint32_t self = group_.wire->rank(), members = group_.wire->members();
  const std::size_t own_bytes = size_of(means_) * own().size();
  std::vector<std::byte> firsts(firsts_from(self));
  if (!firsts.empty()) read_values(firsts_, firsts.data());
  for (std::uint32_t rank = 0; rank < members; ++rank) {
    if (rank == self) continue;
    std::byte* const to = gather_->out[rank].data();
    if (own_bytes > 0) std::memcpy(to, mean, own_bytes);
    if (!firsts.empty()) std::memcpy(to + own_bytes, firsts.data(), firsts.size());
  }
  group_.wire->swap(gather_);
}

// The parts of the mean, and what came from the first replica.
void GroupMean::write_mean(const std::byte* mean) {
  const std::uint32_t self = group_.wire->rank();
  const std::size_t width = size_of(means_);
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const Tensor& values = values_[i];
    const bool is_here = values.device().is_cpu() && values.dtype() == means_ && values.is_contiguous();
    const Tensor host = is_here ? values : Tensor::empty(values.shape(), means_);
    for_each_piece(i, [&](std::uint32_t rank, std::size_t in_part, std::size_t in_tensor, std::size_t elements) {
      const std::byte* const from = rank == self ? mean : std::as_const(gather_->in[rank]).data();
      std::memcpy(host.raw_data() + in_tensor * width, from + in_part * width, elements * width);
    });
    is_here ? values.bump_version() : kernels::copy_(values, kernels::to_device(host, values.device()));
  }
  const std::uint32_t first = first_owner();
  if (first == self || first_bytes_ == 0) return;
  const AlignedBuffer& in = gather_->in[first];
  write_values(firsts_, in.data() + in.size() - first_bytes_);
}

}  // namespace hop::hopper
