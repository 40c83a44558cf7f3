// Strong ids: swapping a ModelId and a PartitionId does not compile.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace hop {

/// A number that compares only with numbers of its own kind. `Tag` is never instantiated.
template <class Tag>
struct Id {
  std::uint32_t value = 0;

  constexpr Id() = default;
  constexpr explicit Id(std::uint32_t v) : value(v) {}
  constexpr auto operator<=>(const Id&) const = default;
  /// For indexing a vector that holds one entry per id.
  constexpr std::size_t index() const { return value; }
};

using ModelId = Id<struct ModelTag>;            ///< one configuration of the search
using PartitionId = Id<struct PartitionTag>;    ///< one partition of the training data
using WorkerId = Id<struct WorkerTag>;          ///< one node: owns a block of partitions
using Incarnation = Id<struct IncarnationTag>;  ///< counts the lives of one worker
using Attempt = Id<struct AttemptTag>;          ///< counts the leases of one run; never reused

}  // namespace hop

template <class Tag>
struct std::hash<hop::Id<Tag>> {
  std::size_t operator()(hop::Id<Tag> id) const noexcept { return std::hash<std::uint32_t>{}(id.value); }
};
