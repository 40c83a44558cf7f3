#include "hopper/strategy/ring_mean.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "hopper/detail/group_talk.h"
#include "kernels/copy.h"

namespace hop::hopper {
namespace {

constexpr std::size_t kBlock = 16;                         // elements: 64 bytes
constexpr std::size_t kFlagBytes = sizeof(std::uint64_t);  // whether a loss is lost, as far as the sender has heard

void resize(AlignedBuffer& buffer, std::size_t size) {
  if (buffer.size() != size) buffer = AlignedBuffer(size);
}

std::uint32_t members_of(const Group& group) {
  return group.wire != nullptr ? group.wire->members() : group.owners.empty() ? 1 : group.owners.back() + 1;
}

}  // namespace

RingMean::RingMean(Tensor values, std::vector<Tensor> firsts, Group group)
    : values_(std::move(values)),
      firsts_(std::move(firsts)),
      group_(std::move(group)),
      members_(members_of(group_)),
      mean_({values_}),
      sum_(static_cast<std::size_t>(values_.numel())),
      reduce_(std::make_shared<GroupRound>(members_)),
      gather_(std::make_shared<GroupRound>(members_)) {
  if (values_.dtype() != DType::f32) throw DtypeError("[ring_mean] expected f32 values, got " + values_.describe());
  first_bytes_ = bytes_of(firsts_);
  if (is_alone()) sums_.resize(members_);
}

std::uint32_t RingMean::before(std::uint32_t rank, std::uint32_t steps) const {
  return (rank + members_ - steps % members_) % members_;
}

RingMean::Chunk RingMean::chunk(std::uint32_t member) const {
  const std::size_t elements = sum_.size(), blocks = (elements + kBlock - 1) / kBlock;
  const auto edge = [&](std::size_t m) { return std::min(blocks * m / members_ * kBlock, elements); };
  return {edge(member), edge(member + std::size_t{1})};
}

void RingMean::begin(std::vector<bool> has_rows) {
  has_rows_ = std::move(has_rows);
  has_values_.assign(members_, false);
  for (std::size_t r = 0; r < has_rows_.size(); ++r) {
    if (has_rows_[r]) has_values_[group_.owners[r]] = true;
  }
  mean_.begin();
  replica_ = 0;
  while (!group_.owns(replica_)) ++replica_;
}

void RingMean::add(double share) {
  mean_.add(share);
  next_replica();
}

void RingMean::skip() {
  mean_.skip();
  next_replica();
}

// The replicas of a member are neighbours.
void RingMean::next_replica() {
  const std::uint32_t member = group_.owners[replica_++];
  if (replica_ < group_.owners.size() && group_.owners[replica_] == member) return;
  mean_.finish();
  keep_sum(member);
}

void RingMean::keep_sum(std::uint32_t member) {
  std::vector<float>& sum = is_alone() ? sums_[member] : sum_;
  sum.assign(sum_.size(), 0.0F);
  if (!has_values_[member] || sum.empty()) return;
  const Tensor host = kernels::to_device(values_, Device::cpu());
  std::memcpy(sum.data(), host.data<float>(), sum.size() * sizeof(float));
}

bool RingMean::finish(bool is_lost) {
  if (is_alone()) {
    sum_alone();
  } else {
    is_lost = reduce_scatter(is_lost);
    all_gather();
  }
  bring_values();
  return is_lost;
}

// Whether one of the first `steps` members on the way of a chunk has values.
bool RingMean::has_values_between(std::uint32_t chunk, std::uint32_t steps) const {
  for (std::uint32_t step = 0; step < steps; ++step) {
    if (has_values_[before(chunk, step + 1)]) return true;
  }
  return false;
}

void RingMean::sum_alone() {
  for (std::uint32_t c = 0; c < members_; ++c) {
    const Chunk part = chunk(c);
    for (std::uint32_t step = 0; step < members_; ++step) {
      const std::uint32_t member = before(c, step + 1);
      if (!has_values_[member]) continue;
      const std::vector<float>& own = sums_[member];
      const bool is_first = !has_values_between(c, step);
      for (std::size_t i = part.begin; i < part.end; ++i) sum_[i] = is_first ? own[i] : sum_[i] + own[i];
    }
  }
}

// In round s a member sends the chunk that began s members behind it, and gets the next one.
bool RingMean::reduce_scatter(bool is_lost) {
  const std::uint32_t self = group_.wire->rank();
  for (std::uint32_t step = 0; step + 1 < members_; ++step) {
    const std::uint32_t going = behind(self, step + 1), coming = behind(self, step + 2);
    const Chunk out = chunk(going), in = chunk(coming);
    GroupRound& round = *reduce_;
    resize(round.out[before(self)], kFlagBytes + out.bytes());
    resize(round.in[behind(self)], kFlagBytes + in.bytes());
    const std::uint64_t flag = is_lost ? 1 : 0;
    std::byte* const to = round.out[before(self)].data();
    std::memcpy(to, &flag, kFlagBytes);
    if (out.bytes() > 0) std::memcpy(to + kFlagBytes, sum_.data() + out.begin, out.bytes());
    group_.wire->swap(reduce_);

    std::uint64_t theirs = 0;
    const std::byte* const from = std::as_const(round.in[behind(self)]).data();
    std::memcpy(&theirs, from, kFlagBytes);
    is_lost = is_lost || theirs != 0;
    if (!has_values_between(coming, step + 1)) continue;  // the own values, which stand there, begin the sum
    const auto* got = reinterpret_cast<const float*>(from + kFlagBytes);
    for (std::size_t i = in.begin; i < in.end; ++i) {
      sum_[i] = has_values_[self] ? got[i - in.begin] + sum_[i] : got[i - in.begin];
    }
  }
  return is_lost;
}

// In round s a member sends the chunk that is complete s members behind it. The tensors of the first replica travel
// from their owner with the chunk.
void RingMean::all_gather() {
  const std::uint32_t self = group_.wire->rank();
  const std::uint32_t first =
      group_.owners[static_cast<std::size_t>(std::ranges::find(has_rows_, true) - has_rows_.begin())];
  const std::uint32_t distance = (first + members_ - self) % members_;  // rounds before this member has the tensors
  for (std::uint32_t step = 0; step + 1 < members_; ++step) {
    const Chunk out = chunk(behind(self, step)), in = chunk(behind(self, step + 1));
    GroupRound& round = *gather_;
    const bool gives = step == distance, takes = step + 1 == distance;
    AlignedBuffer &to = round.out[before(self)], &from = round.in[behind(self)];
    resize(to, out.bytes() + (gives ? first_bytes_ : 0));
    resize(from, in.bytes() + (takes ? first_bytes_ : 0));
    if (out.bytes() > 0) std::memcpy(to.data(), sum_.data() + out.begin, out.bytes());
    if (gives && first_bytes_ > 0) read_values(firsts_, to.data() + out.bytes());
    group_.wire->swap(gather_);
    if (in.bytes() > 0) std::memcpy(sum_.data() + in.begin, std::as_const(from).data(), in.bytes());
    if (takes && first_bytes_ > 0) write_values(firsts_, std::as_const(from).data() + in.bytes());
  }
}

void RingMean::bring_values() const {
  const Tensor host = Tensor::empty(values_.shape(), DType::f32);
  if (!sum_.empty()) std::memcpy(host.data<float>(), sum_.data(), sum_.size() * sizeof(float));
  kernels::copy_(values_, kernels::to_device(host, values_.device()));
}

}  // namespace hop::hopper
