#include "hopper/membership.h"

#include <algorithm>
#include <utility>

namespace hop::hopper {
namespace {

std::string name_of(WorkerId place) { return "worker " + std::to_string(place.value); }

}  // namespace

Membership::Membership(const Itinerary& itinerary, std::vector<Digest> partitions)
    : itinerary_(itinerary), partitions_(std::move(partitions)), taken_(itinerary.workers) {}

Admission Membership::admit(const MemberOffer& offer) {
  if (const auto why = objection(offer)) return Unfit{*why};
  std::vector<WorkerId> places;
  for (std::uint32_t w = 0; w < itinerary_.workers; ++w) {
    const WorkerId place(w);
    if (offer.had ? place == *offer.had : fits(place, offer)) places.push_back(place);
  }
  if (offer.had && (places.empty() || !fits(places.front(), offer))) {
    return Unfit{"expected the partitions of " + name_of(*offer.had) +
                 ", whose states lie on this node, got others; a second worker says --node and another folder"};
  }
  if (places.empty()) return Unfit{"expected a node with all partitions of a place: " + wanted()};
  const auto preferred = std::ranges::find_if(places, [&](WorkerId place) { return place == offer.prefers; });
  if (preferred != places.end()) std::iter_swap(places.begin(), preferred);
  const auto free = std::ranges::find_if_not(places, [this](WorkerId place) { return is_taken(place); });
  if (free == places.end()) {
    return Occupied{places.size() == 1 ? name_of(places.front()) + " is here already"
                                       : "all " + std::to_string(places.size()) + " places that fit are taken"};
  }
  taken_[free->index()] = true;
  return Admitted{*free};
}

std::optional<std::string> Membership::objection(const MemberOffer& offer) const {
  if (!offer.partitions) return std::nullopt;
  for (const OfferedPartition& p : *offer.partitions) {
    const std::string name = "partition " + std::to_string(p.partition.value);
    if (p.partition.index() >= partitions_.size()) {
      return "expected partitions of a data set with " + std::to_string(partitions_.size()) + ", got " + name;
    }
    const Digest& expected = partitions_[p.partition.index()];
    if (p.digest != expected) {
      return "expected " + name + " with the digest " + expected.hex() + ", got " + p.digest.hex() +
             ": these are other rows";
    }
  }
  return std::nullopt;
}

bool Membership::fits(WorkerId place, const MemberOffer& offer) const {
  if (!offer.partitions) return true;
  for (std::uint32_t q = 0; q < itinerary_.partitions; ++q) {
    const PartitionId partition(q);
    if (!itinerary_.holds(place, partition)) continue;
    if (std::ranges::find(*offer.partitions, partition, &OfferedPartition::partition) == offer.partitions->end()) {
      return false;
    }
  }
  return true;
}

// "0 1 for worker 0; 2 3 for worker 1", as far as a person reads on.
std::string Membership::wanted() const {
  constexpr std::size_t kLongest = 300;
  std::string text;
  for (std::uint32_t w = 0; w < itinerary_.workers && text.size() < kLongest; ++w) {
    text += text.empty() ? "" : "; ";
    for (std::uint32_t q = 0; q < itinerary_.partitions; ++q) {
      if (itinerary_.holds(WorkerId(w), PartitionId(q))) text += std::to_string(q) + " ";
    }
    text += "for " + name_of(WorkerId(w));
  }
  return text.size() < kLongest ? text : text.substr(0, kLongest) + "...";
}

}  // namespace hop::hopper
