// A mean over replicas by recursive halving and doubling, as MPI libraries and Gloo compute it.
#pragma once

#include <cstdint>
#include <vector>

#include "hopper/strategy/member_mean.h"

namespace hop::hopper {

/// A MemberMean by Rabenseifner's algorithm (Optimization of Collective Reduction Operations, ICCS 2004).
///
/// P is the largest power of two up to W members, and E = W - P. Fold, if E > 0: of the first 2 E members the even ones
/// send all values to the member behind them, which adds its own. The other P members have places 0 to P - 1, in their
/// order. Halving, log2 P rounds, with d = 1, 2, 4, ..: the members at places v and v ^ d have the same range of
/// elements; each sends one half of it, the lower place the upper half, and adds its own values to the half that it
/// gets. Doubling, log2 P rounds, with d = .., 4, 2, 1: they send each other what is complete. Unfold: the even members
/// get the result. Members without rows pass on what they get.
///
/// So each element is added in a binary tree over the places, neighbours first. This is the order of MPICH
/// (allreduce_intra_reduce_scatter_allgather.c), and of Gloo's allreduce_halving_doubling.h where W is a power of two;
/// for others Gloo joins blocks of members. If W is a power of two and each member has equally many replicas, also
/// a power of two, the bits are those of GroupMean. In general another number of workers gives other bits.
///
/// Bytes that all members send together: 2 (W - 1) times the bytes of `values`, (W - 1) times those of `firsts`, and 8
/// for each message of the halving, of the fold and of the unfold: 8 (P log2 P + 2 E).
class HalvingDoublingMean final : public MemberMean {
 public:
  /// As MemberMean.
  HalvingDoublingMean(Tensor values, std::vector<Tensor> firsts, Group group);

 private:
  std::uint32_t folded() const { return members() - places_; }  // E
  bool is_of_a_pair(std::uint32_t member) const { return member < 2 * folded(); }
  bool is_folded(std::uint32_t member) const { return is_of_a_pair(member) && member % 2 == 0; }
  std::uint32_t place_of(std::uint32_t member) const;
  std::uint32_t member_at(std::uint32_t place) const;
  Chunk all() const { return chunks(0, 1, 1); }
  Message whole(std::uint32_t member, bool has_firsts) const { return {member, all(), true, has_firsts}; }
  Chunk held(std::uint32_t place, std::uint32_t distance) const;
  bool has_values_near(std::uint32_t place, std::uint32_t distance) const;
  void add_alone(Sums& sums) override;
  void exchange() override;
  void fold();
  void halve(std::uint32_t distance);
  void double_up(std::uint32_t distance);
  void unfold();
  void rest();

  const std::uint32_t places_;  // P
};

}  // namespace hop::hopper
