// A mean over replicas of which each member adds up a part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "hopper/strategy/streamed_mean.h"

namespace hop::hopper {

/// A StreamedMean of at least two members over one block of values. Its rounds are those of GroupMean, and each server
/// has a part of the elements. Reduce-scatter: a server gets its part of the others' sums, and adds them piece by piece
/// in the order of the tree. All-gather: it sends its part of the mean to all, who receive it where it belongs.
///
/// Bytes of a member: to each server its part of the sum, if the member has rows; to each member the own part of the
/// mean, `firsts`, if they are its own, and 8 that say whether its loss is lost.
class ScatteredMean final : public StreamedMean {
 public:
  static bool fits(const std::vector<Tensor>& values, const Group& group, DType sums);
  /// As StreamedMean, of one tensor.
  ScatteredMean(Tensor values, std::vector<Tensor> firsts, Group group);

  void expect() override { wire().expect(reduce_); }
  void allow(std::uint64_t bytes) override { reduce_.allowance = gather_.allowance = bytes; }

 private:
  struct Reduce final : GroupStream {
    explicit Reduce(ScatteredMean& owner);
    void take(std::span<const ByteView> pieces, std::uint64_t at) override;
    ScatteredMean& mean;
  };
  struct Gather final : GroupStream {
    explicit Gather(ScatteredMean& owner);
    void take(std::span<const ByteView> pieces, std::uint64_t at) override;
    ScatteredMean& mean;
  };

  /// `factor` times a few elements; null: no leaf below has values.
  struct Term {
    const float* values = nullptr;
    float factor = 1;
  };

  void prepare() override;
  bool exchange(bool is_lost) override;
  void reduce_scatter();
  void all_gather();
  std::size_t bytes_of_part(std::uint32_t rank) const { return (edges_[rank + 1] - edges_[rank]) * sizeof(float); }
  MutableByteView part_of(const Tensor& block, std::uint32_t rank) const;
  void add_up(std::span<const ByteView> pieces, std::size_t at, std::size_t elements);
  Term fold(std::size_t leaves, std::uint32_t& rank, std::size_t depth, std::size_t elements);
  static void write_sum(const Term& left, const Term& right, float* to, std::size_t elements);

  std::vector<std::size_t> edges_;  // of the parts, in elements
  Reduce reduce_;
  Gather gather_;
  bool is_lost_ = false;  // a loss, as far as this member has heard
  std::shared_ptr<AlignedBuffer> own_flag_, own_firsts_;
  AlignedBuffer their_firsts_;
  std::vector<const float*> inputs_;         // by rank, of the elements that are being added; null: it has no values
  std::vector<std::vector<float>> columns_;  // by depth in the tree: the sum of a few elements
};

}  // namespace hop::hopper
