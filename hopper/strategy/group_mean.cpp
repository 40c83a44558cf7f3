#include "hopper/strategy/group_mean.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "kernels/copy.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kBlock = 16;                         // elements: 64 bytes
constexpr std::size_t kFlagBytes = sizeof(std::uint64_t);  // whether the sender's loss is lost, before its sums

std::size_t bytes_of(const Tensor& x) { return static_cast<std::size_t>(x.numel()) * size_of(x.dtype()); }

void resize(AlignedBuffer& buffer, std::size_t size) {
  if (buffer.size() != size) buffer = AlignedBuffer(size);
}

void read(const std::vector<Tensor>& tensors, std::byte* to) {
  for (const Tensor& x : tensors) {
    const Tensor host = kernels::to_device(x, Device::cpu());
    std::memcpy(to, host.raw_data(), bytes_of(x));
    to += bytes_of(x);
  }
}

void write(const std::vector<Tensor>& tensors, const std::byte* from) {
  for (const Tensor& x : tensors) {
    const Tensor host = Tensor::empty(x.shape(), x.dtype());
    std::memcpy(host.raw_data(), from, bytes_of(x));
    kernels::copy_(x, kernels::to_device(host, x.device()));
    from += bytes_of(x);
  }
}

}  // namespace

GroupMean::GroupMean(Tensor values, std::vector<Tensor> buffers, Group group)
    : values_(std::move(values)),
      buffers_(std::move(buffers)),
      group_(std::move(group)),
      nodes_(largest_nodes(group_.owners)),
      mean_({values_}),
      inputs_(nodes_.size()),
      reduce_(std::make_shared<GroupRound>(group_.wire->members())),
      gather_(std::make_shared<GroupRound>(group_.wire->members())) {
  if (values_.dtype() != DType::f32) throw DtypeError("[group_mean] expected f32 values, got " + values_.describe());
  for (const Tensor& x : buffers_) buffer_bytes_ += bytes_of(x);
  for (const TreeNode& node : nodes_) {
    if (node.owner != group_.wire->rank()) continue;
    own_sums_.emplace_back(own().end - own().begin);
  }
}

GroupMean::Part GroupMean::part_of(std::uint32_t rank) const {
  const auto elements = static_cast<std::size_t>(values_.numel());
  const std::size_t blocks = (elements + kBlock - 1) / kBlock, members = group_.wire->members();
  const auto edge = [&](std::size_t r) { return std::min(blocks * r / members * kBlock, elements); };
  return {edge(rank), edge(rank + std::size_t{1})};
}

bool GroupMean::has_values(const TreeNode& node) const {
  const auto begin = has_rows_.begin() + static_cast<std::ptrdiff_t>(node.first);
  return std::find(begin, begin + static_cast<std::ptrdiff_t>(node.leaves), true) !=
         begin + static_cast<std::ptrdiff_t>(node.leaves);
}

std::size_t GroupMean::sums_of(std::uint32_t rank) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(nodes_, [&](const TreeNode& node) { return node.owner == rank && has_values(node); }));
}

std::uint32_t GroupMean::first_owner() const {
  return group_.owners[static_cast<std::size_t>(std::ranges::find(has_rows_, true) - has_rows_.begin())];
}

void GroupMean::begin(std::vector<bool> has_rows) {
  has_rows_ = std::move(has_rows);
  mean_.begin();
  const std::uint32_t self = group_.wire->rank();
  node_ = static_cast<std::size_t>(std::ranges::find(nodes_, self, &TreeNode::owner) - nodes_.begin());
  leaves_done_ = sums_ = 0;
  for (std::uint32_t rank = 0; rank < group_.wire->members(); ++rank) {
    if (rank == self) continue;
    resize(reduce_->out[rank], kFlagBytes + sums_of(self) * part_of(rank).bytes());
    resize(reduce_->in[rank], kFlagBytes + sums_of(rank) * own().bytes());
    resize(gather_->out[rank], own().bytes() + (first_owner() == self ? buffer_bytes_ : 0));
    resize(gather_->in[rank], part_of(rank).bytes() + (first_owner() == rank ? buffer_bytes_ : 0));
  }
}

void GroupMean::add(double share) {
  mean_.add(share);
  next_leaf();
}

void GroupMean::skip() {
  mean_.skip();
  next_leaf();
}

void GroupMean::next_leaf() {
  const TreeNode& node = nodes_[node_];
  if (++leaves_done_ < node.leaves) return;
  mean_.finish();
  if (has_values(node)) keep_sum(node);
  ++node_;
  leaves_done_ = 0;
}

// The values are the sum of an own node: its parts go to the members that have them.
void GroupMean::keep_sum(const TreeNode& node) {
  const Tensor host = kernels::to_device(values_, Device::cpu());
  const float* sum = host.data<float>();
  for (std::uint32_t rank = 0; rank < group_.wire->members(); ++rank) {
    const Part part = part_of(rank);
    if (part.bytes() == 0) continue;
    std::byte* to = rank == node.owner ? reinterpret_cast<std::byte*>(own_sums_[sums_].data())
                                       : reduce_->out[rank].data() + kFlagBytes + sums_ * part.bytes();
    std::memcpy(to, sum + part.begin, part.bytes());
  }
  ++sums_;
}

bool GroupMean::finish(bool is_lost) {
  const bool is_lost_anywhere = reduce_scatter(is_lost);
  std::size_t node = 0;
  all_gather(fold(group_.owners.size(), node));
  return is_lost_anywhere;
}

bool GroupMean::reduce_scatter(bool is_lost) {
  const std::uint32_t self = group_.wire->rank(), members = group_.wire->members();
  const std::uint64_t flag = is_lost ? 1 : 0;
  for (std::uint32_t rank = 0; rank < members; ++rank) {
    if (rank != self) std::memcpy(reduce_->out[rank].data(), &flag, kFlagBytes);
  }
  group_.wire->swap(reduce_);

  std::vector<std::size_t> taken(members);  // sums of each member
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const std::uint32_t owner = nodes_[i].owner;
    inputs_[i] = nullptr;
    if (!has_values(nodes_[i])) continue;
    const std::size_t place = taken[owner]++;
    inputs_[i] = owner == self
                     ? own_sums_[place].data()
                     : reinterpret_cast<float*>(reduce_->in[owner].data() + kFlagBytes + place * own().bytes());
  }
  for (std::uint32_t rank = 0; rank < members; ++rank) {
    std::uint64_t theirs = 0;
    if (rank != self) std::memcpy(&theirs, reduce_->in[rank].data(), kFlagBytes);
    is_lost = is_lost || theirs != 0;
  }
  return is_lost;
}

// The sum of the own part over the leaves of a node of the tree; null if none has values. `node`: the place of the
// first of the largest nodes below it, then the place behind the last one.
float* GroupMean::fold(std::size_t leaves, std::size_t& node) {
  if (nodes_[node].leaves == leaves) return inputs_[node++];
  const std::size_t of_left = leaves_of_first_child(leaves);
  float* const left = fold(of_left, node);
  float* const right = fold(leaves - of_left, node);
  if (left == nullptr || right == nullptr) return left != nullptr ? left : right;
  const std::size_t elements = own().end - own().begin;
  for (std::size_t i = 0; i < elements; ++i) left[i] += right[i];
  return left;
}

void GroupMean::all_gather(const float* mean) {
  const std::uint32_t self = group_.wire->rank(), members = group_.wire->members();
  const std::size_t own_buffers = first_owner() == self ? buffer_bytes_ : 0;
  std::vector<std::byte> buffers(own_buffers);
  if (own_buffers > 0) read(buffers_, buffers.data());
  for (std::uint32_t rank = 0; rank < members; ++rank) {
    if (rank == self) continue;
    std::byte* const to = gather_->out[rank].data();
    if (own().bytes() > 0) std::memcpy(to, mean, own().bytes());
    if (own_buffers > 0) std::memcpy(to + own().bytes(), buffers.data(), own_buffers);
  }
  group_.wire->swap(gather_);

  const Tensor host = Tensor::empty(values_.shape(), DType::f32);
  for (std::uint32_t rank = 0; rank < members; ++rank) {
    const Part part = part_of(rank);
    const std::byte* from =
        rank == self ? reinterpret_cast<const std::byte*>(mean) : std::as_const(gather_->in[rank]).data();
    if (part.bytes() > 0) std::memcpy(host.data<float>() + part.begin, from, part.bytes());
    if (rank != self && first_owner() == rank) write(buffers_, from + part.bytes());
  }
  kernels::copy_(values_, kernels::to_device(host, values_.device()));
}

}  // namespace hop::hopper
