// The class that a label names, judged by the rules of the import.
#include "data/class_places.h"

#include <gtest/gtest.h>

namespace hop::data {
namespace {

TEST(ClassPlaces, AWholeNumberIsOneClassInAnyNotation) {
  const ClassPlaces places({"0", "007", "12"});
  EXPECT_EQ(places.find("7"), 1);
  EXPECT_EQ(places.find("7.0"), 1);
  EXPECT_EQ(places.find("1.2e1"), 2);
  EXPECT_EQ(places.find("3"), std::nullopt);
}

TEST(ClassPlaces, BesideAWordEveryNotationIsAWordOfItsOwn) {
  const ClassPlaces places({"1", "x"});
  EXPECT_EQ(places.find("1"), 0);
  EXPECT_EQ(places.find("1.0"), std::nullopt);
  EXPECT_EQ(places.find("x"), 1);
}

}  // namespace
}  // namespace hop::data
