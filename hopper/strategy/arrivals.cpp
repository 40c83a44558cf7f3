#include "hopper/strategy/arrivals.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "base/error.h"

namespace hop::hopper {
namespace {

constexpr std::uint32_t kLow = 0x7F, kMore = 0x80;  // of a byte of LEB128: seven bits, and whether another byte follows
constexpr std::uint32_t kBits = 7;

}  // namespace

Arrivals::Arrivals(std::vector<std::int64_t> batches, std::optional<std::uint32_t> staleness)
    : batches_(std::move(batches)),
      clocks_(batches_.size()),
      staleness_(staleness),
      total_(std::accumulate(batches_.begin(), batches_.end(), std::int64_t{0})),
      waits_(batches_.size()),
      answered_(batches_.size()) {}

bool Arrivals::may_compute(std::uint32_t replica) const {
  return replica < batches_.size() && !waits_[replica] && clocks_[replica] < batches_[replica];
}

// The clock of the slowest replica that still has batches.
std::int64_t Arrivals::slowest() const {
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (std::size_t r = 0; r < clocks_.size(); ++r) {
    if (clocks_[r] < batches_[r]) least = std::min(least, clocks_[r]);
  }
  return least;
}

std::vector<std::uint32_t> Arrivals::apply(std::uint32_t replica) {
  ++ages_[order_.size() - answered_[replica]];
  order_.push_back(replica);
  ++clocks_[replica];
  waits_[replica] = true;
  if (!staleness_) {
    answer(replica);
    return {replica};
  }
  std::vector<std::uint32_t> answered;
  const std::int64_t least = slowest();
  for (std::uint32_t r = 0; r < clocks_.size(); ++r) {
    const bool is_done = clocks_[r] == batches_[r];
    if (!waits_[r] || (!is_done && clocks_[r] - least > std::int64_t{*staleness_})) continue;
    answer(r);
    answered.push_back(r);
  }
  return answered;
}

void Arrivals::answer(std::uint32_t replica) {
  waits_[replica] = false;
  answered_[replica] = order_.size();
}

std::map<std::uint64_t, std::uint64_t> ages_of(std::span<const std::uint32_t> order,
                                               std::optional<std::uint32_t> staleness) {
  if (order.empty()) return {};
  std::vector<std::int64_t> batches(std::ranges::max(order) + std::size_t{1});
  for (const std::uint32_t replica : order) ++batches[replica];
  Arrivals arrivals(std::move(batches), staleness);
  for (const std::uint32_t replica : order) arrivals.apply(replica);
  return arrivals.ages();
}

std::vector<std::uint8_t> encode_arrivals(std::span<const std::uint32_t> order) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(order.size());
  for (std::uint32_t rest : order) {
    for (; rest > kLow; rest >>= kBits) bytes.push_back(static_cast<std::uint8_t>((rest & kLow) | kMore));
    bytes.push_back(static_cast<std::uint8_t>(rest));
  }
  return bytes;
}

std::vector<std::uint32_t> decode_arrivals(std::span<const std::uint8_t> bytes, std::size_t replicas) {
  const auto refuse = [&](const std::string& got) {
    throw StateError("[arrivals] expected an order of " + std::to_string(replicas) + " replicas, got " + got);
  };
  std::vector<std::uint32_t> order;
  order.reserve(bytes.size());
  std::uint64_t replica = 0;
  std::uint32_t shift = 0;
  for (const std::uint8_t byte : bytes) {
    replica |= std::uint64_t{byte & kLow} << shift;
    shift += kBits;
    if (replica >= replicas) refuse("replica " + std::to_string(replica));
    if ((byte & kMore) != 0) {
      if (shift >= 32) refuse("a number of more than 32 bits");
      continue;
    }
    order.push_back(static_cast<std::uint32_t>(replica));
    replica = 0;
    shift = 0;
  }
  if (shift != 0) refuse("bytes that end in the middle of a number");
  return order;
}

std::size_t most_arrival_bytes(std::int64_t gradients, std::size_t replicas) {
  std::size_t bytes_of_one = 1;
  for (std::size_t rest = (replicas == 0 ? 0 : replicas - 1) >> kBits; rest != 0; rest >>= kBits) ++bytes_of_one;
  return static_cast<std::size_t>(gradients) * bytes_of_one;
}

}  // namespace hop::hopper
