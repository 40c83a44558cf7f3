#include "hopper/strategy/member_mean.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "hopper/detail/group_talk.h"
#include "kernels/copy.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kBlock = 16;                         // elements: 64 bytes
constexpr std::size_t kFlagBytes = sizeof(std::uint64_t);  // of Message::has_flag

void resize(AlignedBuffer& buffer, std::size_t size) {
  if (buffer.size() != size) buffer = AlignedBuffer(size);
}

std::uint32_t members_of(const Group& group) {
  return group.wire != nullptr ? group.wire->members() : group.owners.empty() ? 1 : group.owners.back() + 1;
}

}  // namespace

MemberMean::MemberMean(Tensor values, std::vector<Tensor> firsts, Group group)
    : values_(std::move(values)),
      firsts_(std::move(firsts)),
      group_(std::move(group)),
      members_(members_of(group_)),
      mean_({values_}),
      sum_(static_cast<std::size_t>(values_.numel())) {
  if (values_.dtype() != DType::f32) {
    throw DtypeError("[reduce_exchange] expected f32 values, got " + values_.describe());
  }
  first_bytes_ = bytes_of(firsts_);
  if (is_alone()) sums_.resize(members_);
}

std::uint32_t MemberMean::first_member() const {
  return group_.owners[static_cast<std::size_t>(std::ranges::find(has_rows_, true) - has_rows_.begin())];
}

MemberMean::Chunk MemberMean::chunks(std::uint32_t begin, std::uint32_t end, std::uint32_t of) const {
  const std::size_t elements = sum_.size(), blocks = (elements + kBlock - 1) / kBlock;
  const auto edge = [&](std::size_t chunk) { return std::min(blocks * chunk / of * kBlock, elements); };
  return {edge(begin), edge(end)};
}

void MemberMean::join(std::span<float> to, const float* left, const float* right) {
  if (left != nullptr && right != nullptr) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = left[i] + right[i];
    return;
  }
  const float* const only = left != nullptr ? left : right;
  if (only != nullptr && only != to.data()) std::copy_n(only, to.size(), to.data());
}

void MemberMean::begin(std::vector<bool> has_rows) {
  has_rows_ = std::move(has_rows);
  has_values_.assign(members_, false);
  for (std::size_t r = 0; r < has_rows_.size(); ++r) {
    if (has_rows_[r]) has_values_[group_.owners[r]] = true;
  }
  mean_.begin();
  replica_ = 0;
  while (!group_.owns(replica_)) ++replica_;
}

void MemberMean::add(double share) {
  mean_.add(share);
  next_replica();
}

void MemberMean::skip() {
  mean_.skip();
  next_replica();
}

// The replicas of a member are neighbours.
void MemberMean::next_replica() {
  const std::uint32_t member = group_.owners[replica_++];
  if (replica_ < group_.owners.size() && group_.owners[replica_] == member) return;
  keep_sum(member, mean_.take());
}

// Without sums the member has no values.
void MemberMean::keep_sum(std::uint32_t member, const std::vector<Tensor>& sums) {
  std::vector<float>& own = is_alone() ? sums_[member] : sum_;
  if (sums.empty()) return own.assign(sum_.size(), 0.0F);
  own.resize(sum_.size());
  if (own.empty()) return;
  const Tensor host = kernels::contiguous(kernels::to_device(sums.front(), Device::cpu()));
  std::memcpy(own.data(), host.data<float>(), own.size() * sizeof(float));
}

bool MemberMean::finish(bool is_lost) {
  is_lost_ = is_lost;
  if (is_alone()) {
    add_alone(sums_);
  } else {
    exchange();
  }
  bring_values();
  return is_lost_;
}

const float* MemberMean::swap(const Round& round, const std::optional<Message>& out, const std::optional<Message>& in) {
  if (out) write(round->out[out->member], *out);
  if (in) resize(round->in[in->member], size_of(*in));
  group_.wire->swap(round);
  return in ? read(round->in[in->member], *in) : nullptr;
}

std::size_t MemberMean::size_of(const Message& message) const {
  return (message.has_flag ? kFlagBytes : 0) + message.chunk.bytes() + (message.has_firsts ? first_bytes_ : 0);
}

void MemberMean::write(AlignedBuffer& to, const Message& message) const {
  resize(to, size_of(message));
  std::byte* at = to.data();
  if (message.has_flag) {
    const std::uint64_t flag = is_lost_ ? 1 : 0;
    std::memcpy(at, &flag, kFlagBytes);
    at += kFlagBytes;
  }
  const std::size_t bytes = message.chunk.bytes();
  if (bytes > 0) std::memcpy(at, sum_.data() + message.chunk.begin, bytes);
  if (message.has_firsts && first_bytes_ > 0) read_values(firsts_, at + bytes);
}

const float* MemberMean::read(const AlignedBuffer& from, const Message& message) {
  const std::byte* at = from.data();
  if (message.has_flag) {
    std::uint64_t flag = 0;
    std::memcpy(&flag, at, kFlagBytes);
    is_lost_ = is_lost_ || flag != 0;
    at += kFlagBytes;
  }
  if (message.has_firsts && first_bytes_ > 0) write_values(firsts_, at + message.chunk.bytes());
  return reinterpret_cast<const float*>(at);
}

void MemberMean::bring_values() const {
  const bool is_here = values_.device().is_cpu() && values_.is_contiguous();
  const Tensor host = is_here ? values_ : Tensor::empty(values_.shape(), DType::f32);
  if (!sum_.empty()) std::memcpy(host.data<float>(), sum_.data(), sum_.size() * sizeof(float));
  is_here ? values_.bump_version() : kernels::copy_(values_, kernels::to_device(host, values_.device()));
}

}  // namespace hop::hopper
