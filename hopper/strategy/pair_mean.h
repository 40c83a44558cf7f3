// A mean over replicas that two members compute together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "hopper/strategy/streamed_mean.h"

namespace hop::hopper {

/// A StreamedMean of two members. They send each other their sums and both add all of them, in one round: as many bytes
/// as with a part for each member.
///
/// Bytes of a member: its values or its sum, if it has rows; `firsts`, if they are its own; and 8 that say whether its
/// loss is lost.
class PairMean final : public StreamedMean, private GroupStream {
 public:
  /// Whether the group is a pair.
  static bool fits(const Group& group, DType sums);
  /// As StreamedMean.
  PairMean(std::vector<Tensor> values, std::vector<Tensor> firsts, Group group);

  void expect() override { wire().expect(*this); }
  void allow(std::uint64_t bytes) override { allowance = bytes; }

 private:
  std::uint32_t other() const { return 1 - self(); }
  void prepare() override;
  bool exchange(bool is_lost) override;
  void take(std::span<const ByteView> pieces, std::uint64_t at) override;
  void write_mean(std::size_t tensor, std::size_t begin, const float* theirs, std::size_t elements) const;

  std::size_t sum_bytes_ = 0;
  std::shared_ptr<AlignedBuffer> own_end_;  // behind the sum: tensors of the first replica, and a flag
  AlignedBuffer their_end_;
};

}  // namespace hop::hopper
