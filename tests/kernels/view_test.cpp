#include "kernels/view.h"

#include "base/error.h"
#include "kernels/copy.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

using testing::error_of;
using testing::random_tensor;
using testing::same_bits;
using testing::values;

Tensor counting(const Shape& shape) { return *kernels::try_reshape_view(kernels::arange(shape.numel()), shape); }

// All shapes of 24 elements with sizes from this list, against every layout of (2, 3, 4).
TEST(ReshapeView, HasTheElementsOfTheContiguousTensorOrDoesNotExist) {
  const Tensor x = random_tensor({2, 3, 4});
  std::vector<Shape> shapes = {{24},         {2, 12},   {6, 4},  {3, 8}, {2, 3, 4},       {1, 24}, {2, 1, 3, 4},
                               {2, 3, 2, 2}, {6, 2, 2}, {24, 1}, {4, 6}, {2, 3, 1, 4, 1}, {8, 3},  {2, 2, 6}};
  int views = 0;
  for (const Tensor& layout : testing::layouts(x)) {
    for (const Shape& shape : shapes) {
      const auto y = kernels::try_reshape_view(layout, shape);
      if (!y) continue;
      ++views;
      EXPECT_EQ(y->storage(), layout.storage());
      ASSERT_TRUE(same_bits(*y, x.as_strided(shape, contiguous_strides(shape), 0))) << shape.to_string();
    }
  }
  EXPECT_GT(views, 60);
}

TEST(ReshapeView, ExistsExactlyWhereStridesAllowIt) {
  const Tensor x = counting({4, 6});
  const Tensor turned = kernels::transpose(x, 0, 1), columns = kernels::slice(x, 1, 0, 4);
  EXPECT_FALSE(kernels::try_reshape_view(turned, {24}));
  EXPECT_TRUE(kernels::try_reshape_view(turned, {2, 3, 4}));
  EXPECT_TRUE(kernels::try_reshape_view(turned, {6, 2, 2}));
  EXPECT_FALSE(kernels::try_reshape_view(columns, {16}));
  EXPECT_TRUE(kernels::try_reshape_view(columns, {4, 2, 2}));
  EXPECT_TRUE(kernels::try_reshape_view(columns, {2, 2, 4}));
  EXPECT_TRUE(kernels::try_reshape_view(kernels::slice(x, 0, 1, 3), {12}));
  EXPECT_TRUE(kernels::try_reshape_view(kernels::slice(x, 0, 0, 4, 2), {1, 2, 1, 6}));
  const Tensor ones = counting({40}).as_strided({4, 1, 3}, {6, 99, 2}, 0);  // a size of 1 may have any stride
  EXPECT_TRUE(same_bits(*kernels::try_reshape_view(ones, {12}), kernels::slice(counting({24}), 0, 0, 24, 2)));
  const Tensor wide = kernels::expand(counting({1, 3}), {4, 3});
  EXPECT_FALSE(kernels::try_reshape_view(wide, {12}));
  EXPECT_TRUE(kernels::try_reshape_view(wide, {2, 2, 3}));
}

TEST(ReshapeView, InfersOneSize) {
  EXPECT_EQ(kernels::infer_shape({-1, 4}, 24), Shape({6, 4}));
  EXPECT_EQ(kernels::infer_shape({2, -1, 3}, 0), Shape({2, 0, 3}));
  EXPECT_EQ(kernels::infer_shape({}, 1), Shape({}));
  EXPECT_EQ(error_of<ShapeError>([] {
              kernels::infer_shape({5, -1}, 24);
            }),
            "[reshape] expected a shape of 24 elements, got (5, -1)");
  EXPECT_THROW(kernels::infer_shape({-1, -1}, 4), ShapeError);
  EXPECT_THROW(kernels::infer_shape({-2, 2}, 4), ShapeError);
  EXPECT_THROW(kernels::infer_shape({3}, 4), ShapeError);
  EXPECT_THROW(kernels::infer_shape({0, -1}, 4), ShapeError);
  EXPECT_THROW(kernels::infer_shape({0, -1}, 0), ShapeError);  // any size would do
}

TEST(Permute, MovesDimensionsWithoutCopying) {
  const Tensor x = counting({2, 3, 4});
  const std::int64_t order[] = {2, 0, -2};
  const Tensor y = kernels::permute(x, order);
  EXPECT_EQ(y.shape(), Shape({4, 2, 3}));
  EXPECT_EQ(y.strides(), Strides({1, 12, 4}));
  EXPECT_EQ(y.storage(), x.storage());
  EXPECT_EQ(values<int>(kernels::transpose(counting({2, 3}), -1, 0)), (std::vector<int>{0, 3, 1, 4, 2, 5}));
  const std::int64_t twice[] = {0, 0, 1}, few[] = {0, 1};
  EXPECT_THROW(kernels::permute(x, twice), ShapeError);
  EXPECT_THROW(kernels::permute(x, few), ShapeError);
  EXPECT_EQ(error_of<IndexError>([&] { kernels::transpose(x, 0, 3); }),
            "[transpose] expected a dimension in -3..2, got 3");
}

TEST(Slice, TakesEveryStepthElementAndClampsItsEnds) {
  const Tensor x = counting({10});
  EXPECT_EQ(values<int>(kernels::slice(x, 0, 2, 9, 3)), (std::vector<int>{2, 5, 8}));
  EXPECT_EQ(values<int>(kernels::slice(x, 0, -3, 100)), (std::vector<int>{7, 8, 9}));
  EXPECT_EQ(values<int>(kernels::slice(x, -1, -100, 2)), (std::vector<int>{0, 1}));
  EXPECT_EQ(kernels::slice(x, 0, 7, 3).numel(), 0);
  EXPECT_EQ(kernels::slice(x, 0, 10, 10).shape(), Shape({0}));
  EXPECT_EQ(values<int>(kernels::slice(kernels::slice(x, 0, 1, 9, 2), 0, 1, 4, 2)), (std::vector<int>{3, 7}));
  EXPECT_THROW(kernels::slice(x, 0, 0, 5, 0), IndexError);
  EXPECT_THROW(kernels::slice(counting({}), 0, 0, 1), ShapeError);
}

TEST(Select, RemovesItsDimension) {
  const Tensor x = counting({2, 3});
  EXPECT_EQ(values<int>(kernels::select(x, 0, 1)), (std::vector<int>{3, 4, 5}));
  EXPECT_EQ(values<int>(kernels::select(x, 1, -1)), (std::vector<int>{2, 5}));
  EXPECT_EQ(kernels::select(kernels::select(x, 0, 0), 0, 2).shape(), Shape({}));
  EXPECT_EQ(error_of<IndexError>([&] { kernels::select(x, 0, 2); }), "[select] expected an index in -2..1, got 2");
}

TEST(Expand, RepeatsWithStrideZero) {
  const Tensor x = counting({2, 1});
  EXPECT_EQ(values<int>(kernels::expand(x, {2, 3})), (std::vector<int>{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(kernels::expand(x, {4, -1, 3}).shape(), Shape({4, 2, 3}));
  EXPECT_EQ(kernels::expand(x, {2, 0}).shape(), Shape({2, 0}));
  EXPECT_EQ(error_of<ShapeError>([&] {
              kernels::expand(x, {3, 3});
            }),
            "[expand] expected a shape that (2, 1) broadcasts to, got (3, 3)");
  EXPECT_THROW(kernels::expand(x, {-1, 2, 1}), ShapeError);
  EXPECT_THROW(kernels::expand(x, {2}), ShapeError);
}

TEST(Squeeze, AndUnsqueezeAreInverse) {
  const Tensor x = testing::with_order(random_tensor({2, 3}), {1, 0}, 2);
  for (std::int64_t d = -3; d < 3; ++d) {
    const Tensor y = kernels::unsqueeze(x, d);
    EXPECT_EQ(y.shape()[normalize_dim(d, 3, "test")], 1);
    EXPECT_TRUE(same_bits(kernels::squeeze(y, d), x));
  }
  EXPECT_EQ(kernels::squeeze(x, 0).shape(), x.shape());
  EXPECT_EQ(kernels::unsqueeze(counting({}), 0).shape(), Shape({1}));
  EXPECT_THROW(kernels::unsqueeze(x, 3), IndexError);
}

TEST(Views, ShareTheVersionCounter) {
  const Tensor x = counting({2, 3});
  const Tensor y = kernels::transpose(x, 0, 1);
  kernels::fill_(y, 1);
  EXPECT_EQ(x.version(), y.version());
  EXPECT_EQ(values<int>(x), (std::vector<int>(6, 1)));
}

}  // namespace
}  // namespace hop
