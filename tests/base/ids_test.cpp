// Swaps that must not compile, and the steps between units, versions and epochs.
#include "base/ids.h"

#include <gtest/gtest.h>

#include <concepts>
#include <functional>
#include <sstream>
#include <type_traits>

namespace hop {
namespace {

template <class A, class B>
concept Comparable = requires(A a, B b) {
  a == b;
}
|| requires(A a, B b) { a < b; };
template <class A, class B>
concept Addable = requires(A a, B b) {
  a + b;
};
template <class A, class B>
concept Subtractable = requires(A a, B b) {
  a - b;
};
template <class A>
concept Countable = requires(A a) {
  ++a;
}
|| Addable<A, std::uint32_t>;

// An id is made of a number on purpose only, is no number, and is no id of another kind.
template <class A, class B>
constexpr bool kMayBeSwapped = std::is_convertible_v<A, B> || std::is_constructible_v<B, A> ||
                               std::is_assignable_v<B&, A> || Comparable<A, B> || Subtractable<A, B>;
template <class... All>
constexpr bool are_apart() {
  const auto is_apart_from_all = []<class A>(std::type_identity<A>) {
    return ((std::same_as<A, All> || !kMayBeSwapped<A, All>)&&...);
  };
  return (is_apart_from_all(std::type_identity<All>{}) && ...);
}
static_assert(are_apart<ModelId, PartitionId, WorkerId, Incarnation, Attempt, Unit, Version, Epoch>());

static_assert(!std::is_convertible_v<std::uint32_t, Unit> && std::is_constructible_v<Unit, std::uint32_t>);
static_assert(!std::is_convertible_v<Unit, std::uint32_t> && !std::is_constructible_v<std::uint32_t, Unit>);
static_assert(!Comparable<Unit, std::uint32_t> && !Comparable<Epoch, std::uint32_t>);

// A call with swapped arguments.
using Train = std::function<void(Unit, Version, Epoch)>;
static_assert(std::is_invocable_v<Train, Unit, Version, Epoch>);
static_assert(!std::is_invocable_v<Train, Version, Unit, Epoch>);
static_assert(!std::is_invocable_v<Train, Unit, Epoch, Version>);
static_assert(!std::is_invocable_v<Train, std::uint32_t, Version, Epoch>);

// Only units, versions and epochs are counted on. The distance of two is a count, and their sum is nothing.
static_assert(Countable<Unit> && Countable<Version> && Countable<Epoch>);
static_assert(!Countable<ModelId> && !Countable<PartitionId> && !Countable<WorkerId> && !Countable<Attempt>);
static_assert(!Subtractable<ModelId, ModelId> && !Addable<Unit, Unit> && !Addable<Version, Unit>);
static_assert(std::same_as<decltype(Unit{3} - Unit{1}), std::uint32_t>);
static_assert(std::same_as<decltype(Epoch{3} + 1), Epoch>);

// A state has no number for screens: "version 1" is the state after the first unit.
template <class P>
concept Numbered = requires(P place) {
  number_of(place);
};
static_assert(Numbered<Unit> && Numbered<Epoch> && !Numbered<Version> && !Numbered<ModelId>);

TEST(Ids, LetUnitsAndVersionsAlternate) {
  static_assert(std::same_as<decltype(after(Unit{})), Version> && std::same_as<decltype(after(Version{})), Unit>);
  EXPECT_EQ(before(Unit{0}), Version{0});
  EXPECT_EQ(after(Unit{0}), Version{1});
  EXPECT_EQ(after(Version{0}), Unit{0});
  EXPECT_EQ(before(Version{1}), Unit{0});
  for (Unit unit{0}; unit < Unit{5}; ++unit) {
    EXPECT_EQ(after(before(unit)), unit);
    EXPECT_EQ(before(after(unit)), unit);
    EXPECT_EQ(after(unit), before(unit + 1));
  }
}

TEST(Ids, KnowTheirBeginning) {
  EXPECT_TRUE(is_first(Unit{}) && is_initial(Version{}));
  EXPECT_TRUE(!is_first(Unit{1}) && !is_initial(Version{1}));
}

TEST(Ids, CountOn) {
  EXPECT_EQ(Epoch{2} + 3, Epoch{5});
  EXPECT_EQ(Version{7} - Version{4}, 3U);
  EXPECT_EQ(number_of(Epoch{0}), 1U) << "screens count from 1";
  EXPECT_EQ(number_of(Unit{6}), 7U);
}

TEST(Ids, ArePrintedAsNumbers) {
  std::ostringstream text;
  text << Unit{12} << " " << ModelId{3};
  EXPECT_EQ(text.str(), "12 3");
  EXPECT_EQ(to_string(Version{12}), "12");
}

}  // namespace
}  // namespace hop
