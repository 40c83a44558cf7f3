// The order in which an asynchronous parameter server applies the gradients of replicas, and when it answers each.
// Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace hop::hopper {

/// The clocks of the replicas of one epoch. A replica's clock counts its gradients that were applied. The answer to a
/// gradient brings the weights, with which the replica computes its next one:
///
///   Arrivals arrivals(batches, staleness);
///   while (!arrivals.is_over()) {
///     const std::uint32_t replica = ...;               // one that may compute, and whose gradient is here
///     ...                                              // one update by this gradient
///     for (std::uint32_t r : arrivals.apply(replica)) ...   // r is answered: it takes the weights as they are now
///   }
///
/// With `staleness` (stale synchronous parallel: Ho et al., NIPS 2013) the answer waits while the replica's clock is
/// more than so many batches ahead of the slowest replica that still has batches. So clocks never differ by more than
/// staleness + 1. Without it every gradient is answered at once.
///
/// All of it is a function of batches, staleness and the order of the calls alone.
class Arrivals {
 public:
  /// `batches`: of each replica in the epoch.
  explicit Arrivals(std::vector<std::int64_t> batches, std::optional<std::uint32_t> staleness = {});

  /// Whether the replica has weights and a batch to compute. At first all have the weights from before the epoch.
  bool may_compute(std::uint32_t replica) const;
  /// The gradient of this replica, which may compute, is applied. Returns who is answered now, in ascending order.
  std::vector<std::uint32_t> apply(std::uint32_t replica);

  std::int64_t clock(std::uint32_t replica) const { return clocks_[replica]; }
  /// Whether all gradients of the epoch are applied.
  bool is_over() const { return static_cast<std::int64_t>(order_.size()) == total_; }
  /// The replicas whose gradients were applied so far, in that order.
  const std::vector<std::uint32_t>& order() const { return order_; }
  /// How many gradients had each age: the updates between the answer that brought its weights and its own.
  const std::map<std::uint64_t, std::uint64_t>& ages() const { return ages_; }

 private:
  std::int64_t slowest() const;
  void answer(std::uint32_t replica);

  std::vector<std::int64_t> batches_, clocks_;
  std::optional<std::uint32_t> staleness_;
  std::int64_t total_ = 0;
  std::vector<bool> waits_;              // for an answer
  std::vector<std::uint64_t> answered_;  // after how many updates of the epoch
  std::vector<std::uint32_t> order_;
  std::map<std::uint64_t, std::uint64_t> ages_;
};

/// Arrivals::ages() of a whole epoch in this order. If the epoch was broken off, replicas count as if they had had no
/// more batches.
std::map<std::uint64_t, std::uint64_t> ages_of(std::span<const std::uint32_t> order,
                                               std::optional<std::uint32_t> staleness);

/// An order as bytes: for each gradient the number of its replica as LEB128, one byte for the first 128 replicas.
std::vector<std::uint8_t> encode_arrivals(std::span<const std::uint32_t> order);
/// The inverse. Throws StateError for bytes that are no order of so many replicas.
std::vector<std::uint32_t> decode_arrivals(std::span<const std::uint8_t> bytes, std::size_t replicas);

/// The most bytes of an order that a result and a record can carry: half of the largest message.
inline constexpr std::size_t kMostArrivalBytes = std::size_t{1} << 19;
/// Bytes of an order of so many gradients at most.
std::size_t most_arrival_bytes(std::int64_t gradients, std::size_t replicas);

}  // namespace hop::hopper
