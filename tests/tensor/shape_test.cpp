#include "tensor/shape.h"

#include <gtest/gtest.h>

#include <sstream>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "tests/tensor/error_of.h"

namespace hop {
namespace {

using testing::error_of;

TEST(Shape, CountsItsElements) {
  EXPECT_EQ(Shape({}).numel(), 1);
  EXPECT_EQ(Shape({2, 3, 4}).numel(), 24);
  EXPECT_EQ(Shape({2, 0, 4}).numel(), 0);
  EXPECT_EQ(Shape({8, 1, 28}).to_string(), "(8, 1, 28)");
  EXPECT_EQ(Shape({}).to_string(), "()");
  std::ostringstream out;
  out << Shape({2, 0}) << Shape({});
  EXPECT_EQ(out.str(), "(2, 0)()");
}

TEST(Shape, IsMadeOfOneNumberAsOfAListOfIt) {
  const Shape one = 5;
  EXPECT_EQ(one, Shape({5}));
  EXPECT_EQ(Shape(std::int64_t{7}).to_string(), "(7)");
  EXPECT_EQ(Shape(2).size(), 1);
  EXPECT_EQ(Shape({2, 2}).size(), 2);
  EXPECT_EQ(Shape{}.size(), 0);
  EXPECT_EQ(Strides(3).back(), 3);
  static_assert(!std::is_convertible_v<bool, Shape> && !std::is_convertible_v<double, Dims>);
}

TEST(Shape, ComparesByLengthAndSizes) {
  EXPECT_EQ(Shape({2, 3}), Shape({2, 3}));
  EXPECT_FALSE(Shape({2, 3}) == Shape({2, 3, 1}));
  EXPECT_FALSE(Shape({2, 3}) == Shape({3, 2}));
  Shape shrunk = {2, 3};
  shrunk.resize(1);
  EXPECT_EQ(shrunk, Shape({2}));
}

TEST(Shape, HoldsEightDimensionsAndNoMore) {
  Shape shape;
  for (int i = 0; i < kMaxDims; ++i) shape.push_back(2);
  EXPECT_EQ(shape.numel(), 256);
  EXPECT_THROW(shape.push_back(2), ShapeError);
  EXPECT_THROW(shape.resize(9), ShapeError);
  const std::vector<std::int64_t> nine(9, 1);
  EXPECT_EQ(error_of<ShapeError>([&] { Shape(std::span<const std::int64_t>(nine)); }),
            "[shape] expected at most 8 dimensions, got 9");
}

TEST(Strides, OfARowMajorTensorAreTheProductsOfTheSizesBehind) {
  EXPECT_EQ(contiguous_strides({2, 3, 4}), Strides({12, 4, 1}));
  EXPECT_EQ(contiguous_strides({}), Strides({}));
  EXPECT_EQ(contiguous_strides({2, 0, 3}), Strides({3, 3, 1}));
}

TEST(NormalizeDim, CountsNegativeDimensionsFromTheBack) {
  EXPECT_EQ(normalize_dim(-1, 3, "sum"), 2);
  EXPECT_EQ(normalize_dim(-3, 3, "sum"), 0);
  EXPECT_EQ(normalize_dim(2, 3, "sum"), 2);
  EXPECT_EQ(normalize_dim(0, 0, "sum"), 0);
  EXPECT_EQ(normalize_dim(-1, 0, "sum"), 0);
  EXPECT_EQ(error_of<IndexError>([] { normalize_dim(3, 3, "sum"); }), "[sum] expected a dimension in -3..2, got 3");
  EXPECT_THROW(normalize_dim(-4, 3, "sum"), IndexError);
  EXPECT_THROW(normalize_dim(1, 0, "sum"), IndexError);
}

TEST(BroadcastShapes, FollowsNumPy) {
  EXPECT_EQ(broadcast_shapes({4, 1}, {3}, "add"), Shape({4, 3}));
  EXPECT_EQ(broadcast_shapes({}, {2, 3}, "add"), Shape({2, 3}));
  EXPECT_EQ(broadcast_shapes({5, 1, 7}, {6, 1}, "add"), Shape({5, 6, 7}));
  EXPECT_EQ(broadcast_shapes({1}, {0}, "add"), Shape({0}));
  EXPECT_EQ(broadcast_shapes({2, 0}, {1, 1}, "add"), Shape({2, 0}));
  EXPECT_EQ(error_of<ShapeError>([] {
              broadcast_shapes({2, 3}, {2, 4}, "add");
            }),
            "[add] shapes (2, 3) and (2, 4) do not broadcast");
  EXPECT_THROW(broadcast_shapes({3}, {0}, "add"), ShapeError);
}

}  // namespace
}  // namespace hop
