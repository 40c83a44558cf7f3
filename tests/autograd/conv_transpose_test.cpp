// Transposed convolution and the windows of an image: derivatives of both orders, edges, and messages of errors.
// (tests/nn/golden_pieces_test.cpp compares values with PyTorch.)
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

using Values = std::vector<double>;

Tensor image(const Shape& shape, Layout layout) { return random_leaf(shape, 1, layout); }

TEST(ConvTranspose2d, HasTheDerivativesOfBothOrders) {
  const ConvTranspose2dOptions options{{2, 1}, {1, 0}, {1, 0}, 2, {1, 2}};
  for (const Layout layout : kLayouts) {
    const std::vector<Tensor> inputs = {image({2, 4, 3, 2}, layout), random_leaf({4, 1, 2, 2}, 2), random_leaf({2}, 3)};
    const auto f = [&](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{conv_transpose2d(as_used(x[0], {2, 4, 3, 2}), x[1], x[2], options)};
    };
    const auto first = hop::testing::gradcheck(f, inputs), second = hop::testing::gradgradcheck(f, inputs);
    EXPECT_TRUE(first) << name(layout) << ": " << first.message;
    EXPECT_TRUE(second) << name(layout) << ": " << second.message;
  }
}

TEST(ConvTranspose2d, SpreadsEachPixelOverTheKernel) {
  const Tensor x = Tensor::from<float>({1, 10}, {1, 1, 1, 2}), w = Tensor::from<float>({1, 2, 3}, {1, 1, 1, 3});
  EXPECT_EQ(values(conv_transpose2d(x, w)), (Values{1, 12, 23, 30}));
  EXPECT_EQ(values(conv_transpose2d(x, w, {}, {.padding = {0, 1}})), (Values{12, 23}));
  EXPECT_EQ(
      values(conv_transpose2d(x, w, Tensor::from<float>({100}, {1}), {.stride = {1, 3}, .output_padding = {0, 1}})),
      (Values{101, 102, 103, 110, 120, 130, 100}));
}

TEST(ConvTranspose2d, OfNoImagesIsEmpty) {
  const Tensor x = leaf({}, {0, 2, 3, 3}), w = random_leaf({2, 3, 2, 2}, 1);
  const Tensor y = conv_transpose2d(x, w);
  EXPECT_EQ(y.shape(), (Shape{0, 3, 4, 4}));
  const std::vector<Tensor> gradients = grad({sum(y)}, {x, w});
  EXPECT_EQ(gradients[0].shape(), x.shape());
  EXPECT_EQ(values(gradients[1]), Values(24, 0));
}

TEST(ConvTranspose2d, SaysWhatIsWrong) {
  const Tensor x = random_leaf({1, 2, 3, 3}, 1), w = random_leaf({2, 3, 2, 2}, 2);
  EXPECT_THROW(conv_transpose2d(x, random_leaf({3, 2, 2, 2}, 1)), ShapeError);
  EXPECT_THROW(conv_transpose2d(reshape(x, {6, 3}), w), ShapeError);
  EXPECT_THROW(conv_transpose2d(leaf({}, {1, 2, 0, 3}), w), ShapeError);
  EXPECT_THROW(conv_transpose2d(x, w, {}, {.stride = {2, 2}, .output_padding = {2, 0}}), ShapeError);
  EXPECT_THROW(conv_transpose2d(x, w, {}, {.output_padding = {-1, 0}}), ShapeError);
  EXPECT_THROW(conv_transpose2d(x, w, {}, {.padding = {2, 0}}), ShapeError);
  EXPECT_THROW(conv_transpose2d(x, w, {}, {.padding = {-1, 0}}), ShapeError);
  EXPECT_THROW(conv_transpose2d(x, w, {}, {.stride = {0, 1}}), ShapeError);
  EXPECT_THROW(conv_transpose2d(x, w, {}, {.groups = 0}), ShapeError);
  EXPECT_THROW(conv_transpose2d(x, w, {}, {.groups = 4}), ShapeError);  // they do not divide the 2 channels
  EXPECT_THROW(conv_transpose2d(x, w, random_leaf({2}, 1)), ShapeError);
  EXPECT_THROW(conv_transpose2d(x, to(w, DType::f32)), DtypeError);
  EXPECT_THROW(conv_transpose2d(x, w, {}, {.stride = {std::int64_t{1} << 62, 1}}), ShapeError);
}

TEST(Unfold, AndFoldHaveTheDerivativesOfBothOrders) {
  const WindowOptions options{{2, 2}, {1, 2}, {1, 0}, {2, 1}};
  for (const Layout layout : kLayouts) {
    const std::vector<Tensor> pictures = {image({2, 2, 3, 4}, layout)}, columns = {random_leaf({2, 8, 6}, 2, layout)};
    const auto open = [&](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{unfold(as_used(x[0], {2, 2, 3, 4}), options) * 2.0};
    };
    const auto close = [&](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{fold(as_used(x[0], {2, 8, 6}), {3, 4}, options)};
    };
    for (const auto& [f, inputs] : {std::pair(hop::testing::DifferentiableFunction(open), pictures),
                                    std::pair(hop::testing::DifferentiableFunction(close), columns)}) {
      const auto first = hop::testing::gradcheck(f, inputs), second = hop::testing::gradgradcheck(f, inputs);
      EXPECT_TRUE(first) << name(layout) << ": " << first.message;
      EXPECT_TRUE(second) << name(layout) << ": " << second.message;
    }
  }
}

TEST(Unfold, MakesColumnsOfWindowsOfAnyDtype) {
  const Tensor x = Tensor::from<std::uint8_t>({1, 2, 3, 4, 5, 6}, {1, 1, 2, 3});
  const Tensor y = unfold(x, {.kernel = {2, 2}});
  EXPECT_EQ(y.dtype(), DType::u8);
  EXPECT_EQ(y.shape(), (Shape{1, 4, 2}));
  EXPECT_EQ(values(y), (Values{1, 2, 2, 3, 4, 5, 5, 6}));
}

// A neighbour that is infinite does not disturb a window without it, as it would in a product with an identity.
TEST(Unfold, KeepsInfiniteValuesInTheirPlaces) {
  const Tensor x = Tensor::from<float>({1, HUGE_VALF, 3}, {1, 1, 1, 3});
  EXPECT_EQ(values(unfold(x, {.kernel = {1, 1}})), (Values{1, HUGE_VAL, 3}));
}

TEST(Unfold, AndFoldSayWhatIsWrong) {
  const Tensor x = random_leaf({1, 1, 3, 3}, 1);
  EXPECT_THROW(unfold(reshape(x, {1, 3, 3}), {}), ShapeError);
  EXPECT_THROW(unfold(x, {.kernel = {4, 1}}), ShapeError);
  EXPECT_THROW(unfold(x, {.stride = {0, 1}}), ShapeError);
  EXPECT_THROW(unfold(x, {.padding = {-1, 0}}), ShapeError);
  EXPECT_THROW(fold(random_leaf({1, 4, 3}, 1), {3, 3}, {}), ShapeError);  // 4 windows
  EXPECT_THROW(fold(random_leaf({1, 3, 4}, 1), {3, 3}, {}), ShapeError);  // 3 rows are not 2 x 2
  EXPECT_THROW(fold(random_leaf({1, 4, 4}, 1), {-3, 3}, {}), ShapeError);
  EXPECT_EQ(unfold(leaf({}, {0, 2, 3, 3}), {}).shape(), (Shape{0, 8, 4}));
  EXPECT_EQ(fold(leaf({}, {0, 8, 4}), {3, 3}, {}).shape(), (Shape{0, 2, 3, 3}));
}

}  // namespace
}  // namespace hop::autograd
