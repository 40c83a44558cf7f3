// Strong ids and places: swapping a ModelId and a PartitionId, or a unit and a version, does not compile.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>

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

/// The units and the states of one model alternate: version 0, unit 0, version 1, unit 1, ... An epoch is one or
/// more units.
using Unit = Id<struct UnitTag>;        ///< what is leased at once: some passes of one epoch, counted from 0
using Version = Id<struct VersionTag>;  ///< the state of a model after so many units; version 0 is the initial one
using Epoch = Id<struct EpochTag>;      ///< counted from 0 in the code, from 1 on screens (number_of)

/// The state from which a unit starts.
constexpr Version before(Unit unit) { return Version{unit.value}; }
/// The state that a unit makes.
constexpr Version after(Unit unit) { return Version{unit.value + 1}; }
/// The unit that made a state. Version 0 has none.
constexpr Unit before(Version version) { return Unit{version.value - 1}; }
/// The unit that starts from a state.
constexpr Unit after(Version version) { return Unit{version.value}; }
constexpr bool is_initial(Version version) { return version.value == 0; }
constexpr bool is_first(Unit unit) { return unit.value == 0; }

/// A place in a row that counts from 0. Ordinal + count is a place, place - place is a count. Counts are plain numbers.
template <class T>
concept Ordinal = std::same_as<T, Unit> || std::same_as<T, Version> || std::same_as<T, Epoch>;

template <Ordinal P>
constexpr P operator+(P place, std::uint32_t count) {
  return P{place.value + count};
}
template <Ordinal P>
constexpr std::uint32_t operator-(P place, P earlier) {
  return place.value - earlier.value;
}
template <Ordinal P>
constexpr P& operator++(P& place) {
  ++place.value;
  return place;
}
/// Its number on screens: 1 for the first. So many units or epochs are done at its end.
template <class P>
requires std::same_as<P, Unit> || std::same_as<P, Epoch>
constexpr std::uint32_t number_of(P place) { return place.value + 1; }

/// The plain number.
template <class Tag>
std::string to_string(Id<Tag> id) {
  return std::to_string(id.value);
}
template <class Tag>
std::ostream& operator<<(std::ostream& out, Id<Tag> id) {
  return out << id.value;
}

}  // namespace hop

template <class Tag>
struct std::hash<hop::Id<Tag>> {
  std::size_t operator()(hop::Id<Tag> id) const noexcept { return std::hash<std::uint32_t>{}(id.value); }
};
