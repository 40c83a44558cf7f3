#include "hopper/strategy/member_mean.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "hopper/detail/group_talk.h"
#include "hopper/strategy/mean_internal.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"

namespace hop::hopper {
namespace {

std::uint32_t members_of(const Group& group) {
  return group.wire != nullptr ? group.wire->members() : group.owners.empty() ? 1 : group.owners.back() + 1;
}

}  // namespace

MemberMean::MemberMean(Tensor values, std::vector<Tensor> firsts, Group group)
    : values_(std::move(values)),
      firsts_(std::move(firsts)),
      group_(std::move(group)),
      members_(members_of(group_)),
      has_one_replica_(group_.wire != nullptr && std::ranges::count(group_.owners, group_.wire->rank()) == 1),
      mean_({values_}) {
  if (values_.dtype() != DType::f32) {
    throw DtypeError("[reduce_exchange] expected f32 values, got " + values_.describe());
  }
  first_bytes_ = bytes_of(firsts_);
  sum_ = is_here(values_) ? values_ : kernels::zeros(values_.shape(), DType::f32);
  if (is_alone()) sums_.resize(members_);
}

std::uint32_t MemberMean::first_member() const {
  return group_.owners[static_cast<std::size_t>(std::ranges::find(has_rows_, true) - has_rows_.begin())];
}

MemberMean::Chunk MemberMean::chunks(std::uint32_t begin, std::uint32_t end, std::uint32_t of) const {
  const std::vector<std::size_t> edges = edges_of(static_cast<std::size_t>(values_.numel()), of);
  return {edges[begin], edges[end]};
}

std::span<float> MemberMean::sum(const Chunk& chunk) const {
  return {sum_.data<float>() + chunk.begin, chunk.end - chunk.begin};
}

void MemberMean::join(std::span<float> to, const float* left, const float* right) {
  if (left != nullptr && right != nullptr) {
    float* const sum = to.data();
    return for_each_element(to.size(), [=](std::size_t k) { sum[k] = left[k] + right[k]; });
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
  has_one_replica_ ? void(share_ = share) : mean_.add(share);
  next_replica();
}

void MemberMean::skip() {
  has_one_replica_ ? share_.reset() : mean_.skip();
  next_replica();
}

// The replicas of a member are neighbours.
void MemberMean::next_replica() {
  const std::uint32_t member = group_.owners[replica_++];
  if (replica_ < group_.owners.size() && group_.owners[replica_] == member) return;
  if (!has_one_replica_) keep_sum(member);
}

// Without sums the member has no values.
void MemberMean::keep_sum(std::uint32_t member) {
  const std::vector<Tensor> sums = mean_.take();
  if (!is_alone()) {
    if (!sums.empty()) kernels::copy_(sum_, kernels::to_device(sums.front(), Device::cpu()));
    return;
  }
  std::vector<float>& own = sums_[member];
  own.resize(static_cast<std::size_t>(values_.numel()));
  if (sums.empty() || own.empty()) return;
  const Tensor host = kernels::contiguous(kernels::to_device(sums.front(), Device::cpu()));
  std::memcpy(own.data(), host.data<float>(), own.size() * sizeof(float));
}

bool MemberMean::finish(bool is_lost) {
  is_lost_ = is_lost;
  if (is_alone()) {
    add_alone(sums_);
  } else {
    if (has_one_replica_ && share_) {
      if (!is_here(values_)) kernels::copy_(sum_, kernels::to_device(values_, Device::cpu()));
      const auto factor = static_cast<double>(static_cast<float>(*share_));  // as TreeMean rounds it
      kernels::evaluate_into(sum_, kernels::rows::Mul{}, sum_, factor);
    }
    exchange();
  }
  is_here(values_) ? values_.bump_version() : kernels::copy_(values_, kernels::to_device(sum_, values_.device()));
  return is_lost_;
}

// ---- messages

/// A round of a MemberMean.
class MemberMean::Pass final : public GroupStream {
 public:
  Pass(const MemberMean& mean, const std::optional<Message>& out_message, const std::optional<Message>& in_message,
       Join how)
      : GroupStream(mean.members()), mean_(mean), in_message_(in_message), how_(how) {
    const auto memory = std::make_shared<Tensor>(mean.sum_);
    if (out_message) {
      const std::span<float> values = mean.sum(out_message->chunk);
      const auto end = mean.end_of(*out_message);
      out[out_message->member] = {{ByteView(std::as_bytes(values)), memory, out_message->is_passed_on},
                                  {end->span(), end}};
    }
    if (in_message) {
      end_ = AlignedBuffer(mean.size_of_end(*in_message));
      Coming& coming = in[in_message->member];
      coming.bytes = in_message->chunk.bytes() + end_.size();
      if (how == Join::Replace) {
        coming.place = std::as_writable_bytes(mean.sum(in_message->chunk));
        coming.memory = memory;
      }
    }
  }

  void take(std::span<const ByteView> pieces, std::uint64_t at) override {
    const ByteView piece = pieces[in_message_->member];
    const std::uint64_t values = in_message_->chunk.bytes(), end = at + piece.size();
    if (at < values) add(piece.first(static_cast<std::size_t>(std::min(end, values) - at)), at);
    copy_end(piece, at, values, end_.data());
  }

  const AlignedBuffer& end() const { return end_; }

 private:
  void add(ByteView piece, std::uint64_t at) const {
    if (how_ == Join::Replace || how_ == Join::Keep) return;
    const auto to = mean_.sum(in_message_->chunk)
                        .subspan(static_cast<std::size_t>(at) / sizeof(float), piece.size() / sizeof(float));
    const auto* const comes = reinterpret_cast<const float*>(piece.data());
    how_ == Join::AddBefore ? join(to, comes, to.data()) : join(to, to.data(), comes);
  }

  const MemberMean& mean_;
  const std::optional<Message> in_message_;
  const Join how_;
  AlignedBuffer end_;  // of the message that comes
};

void MemberMean::pass(const std::optional<Message>& out, const std::optional<Message>& in, Join how) {
  Pass pass(*this, out, in, how);
  group_.wire->stream(pass);
  if (in) read_end(*in, pass.end());
}

std::size_t MemberMean::size_of_end(const Message& message) const {
  return (message.has_flag ? kFlagBytes : 0) + (message.has_firsts ? first_bytes_ : 0);
}

std::shared_ptr<AlignedBuffer> MemberMean::end_of(const Message& message) const {
  const auto end = std::make_shared<AlignedBuffer>(size_of_end(message));
  std::byte* at = end->data();
  if (message.has_flag) {
    const std::uint64_t flag = is_lost_ ? 1 : 0;
    std::memcpy(at, &flag, kFlagBytes);
    at += kFlagBytes;
  }
  if (message.has_firsts && first_bytes_ > 0) read_values(firsts_, at);
  return end;
}

void MemberMean::read_end(const Message& message, const AlignedBuffer& end) {
  const std::byte* at = end.data();
  if (message.has_flag) {
    std::uint64_t flag = 0;
    std::memcpy(&flag, at, kFlagBytes);
    is_lost_ = is_lost_ || flag != 0;
    at += kFlagBytes;
  }
  if (message.has_firsts && first_bytes_ > 0) write_values(firsts_, at);
}

}  // namespace hop::hopper
