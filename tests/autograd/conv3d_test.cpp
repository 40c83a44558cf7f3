// Convolution of volumes and its transpose: derivatives of both orders, edges, and messages of errors.
// (tests/nn/golden_rare_layers_test.cpp compares values with PyTorch.)
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

using Values = std::vector<double>;
using Xs = const std::vector<Tensor>&;

void expect_derivatives(const hop::testing::DifferentiableFunction& f, const std::vector<Tensor>& inputs,
                        const std::string& what) {
  const auto first = hop::testing::gradcheck(f, inputs), second = hop::testing::gradgradcheck(f, inputs);
  EXPECT_TRUE(first) << what << ": " << first.message;
  EXPECT_TRUE(second) << what << ": " << second.message;
}

TEST(Conv3d, HasTheDerivativesOfBothOrders) {
  const Conv3dOptions options{{2, 1, 1}, {1, 0, 1}, {1, 2, 1}, 2};
  for (const Layout layout : kLayouts) {
    const std::vector<Tensor> inputs = {random_leaf({2, 2, 3, 3, 2}, 1, layout),
                                        random_leaf({2, 1, 2, 2, 2}, 2, layout), random_leaf({2}, 3)};
    expect_derivatives(
        [&](Xs x) {
          return std::vector<Tensor>{
              conv3d(as_used(x[0], {2, 2, 3, 3, 2}), as_used(x[1], {2, 1, 2, 2, 2}), x[2], options)};
        },
        inputs, name(layout));
  }
}

TEST(ConvTranspose3d, HasTheDerivativesOfBothOrders) {
  const ConvTranspose3dOptions options{{2, 1, 1}, {1, 0, 1}, {1, 0, 0}, 2, {1, 2, 1}};
  for (const Layout layout : kLayouts) {
    const std::vector<Tensor> inputs = {random_leaf({2, 2, 2, 2, 3}, 1, layout),
                                        random_leaf({2, 1, 2, 2, 2}, 2, layout), random_leaf({2}, 3)};
    expect_derivatives(
        [&](Xs x) {
          return std::vector<Tensor>{
              conv_transpose3d(as_used(x[0], {2, 2, 2, 2, 3}), as_used(x[1], {2, 1, 2, 2, 2}), x[2], options)};
        },
        inputs, name(layout));
  }
}

// A kernel of one row and one column sees the depth alone.
TEST(Conv3d, SumsAlongTheDepth) {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5}, {1, 1, 5, 1, 1});
  const Tensor w = Tensor::from<float>({1, 10, 100}, {1, 1, 3, 1, 1});
  EXPECT_EQ(values(conv3d(x, w)), (Values{321, 432, 543}));
  EXPECT_EQ(values(conv3d(x, w, {}, {.stride = {2, 1, 1}, .padding = {1, 0, 0}})), (Values{210, 432, 54}));
  EXPECT_EQ(values(conv3d(x, w, Tensor::from<float>({1000}, {1}), {.dilation = {2, 1, 1}})), (Values{1531}));
}

TEST(ConvTranspose3d, SpreadsEachPlaneOverTheKernel) {
  const Tensor x = Tensor::from<float>({1, 10}, {1, 1, 2, 1, 1});
  const Tensor w = Tensor::from<float>({1, 2, 3}, {1, 1, 3, 1, 1});
  EXPECT_EQ(values(conv_transpose3d(x, w)), (Values{1, 12, 23, 30}));
  EXPECT_EQ(values(conv_transpose3d(x, w, {}, {.padding = {1, 0, 0}})), (Values{12, 23}));
  EXPECT_EQ(values(conv_transpose3d(x, w, Tensor::from<float>({100}, {1}),
                                    {.stride = {3, 1, 1}, .output_padding = {1, 0, 0}})),
            (Values{101, 102, 103, 110, 120, 130, 100}));
}

TEST(Conv3d, AndItsTransposeOfNoVolumesAreEmpty) {
  const Tensor x = leaf({}, {0, 2, 3, 3, 3}), w = random_leaf({3, 2, 2, 2, 2}, 1), v = random_leaf({2, 3, 2, 2, 2}, 1);
  const Tensor y = conv3d(x, w), z = conv_transpose3d(x, v);
  EXPECT_EQ(y.shape(), (Shape{0, 3, 2, 2, 2}));
  EXPECT_EQ(z.shape(), (Shape{0, 3, 4, 4, 4}));
  EXPECT_EQ(values(grad({sum(y)}, {w})[0]), Values(48, 0));
  EXPECT_EQ(values(grad({sum(z)}, {v})[0]), Values(48, 0));
}

TEST(Conv3d, SaysWhatIsWrong) {
  const Tensor x = random_leaf({1, 2, 3, 3, 3}, 1), w = random_leaf({2, 2, 2, 2, 2}, 2);
  EXPECT_TRUE(throws<ShapeError>(
      [&] {
        conv3d(reshape(x, {6, 3, 3}), w);
      },
      "[conv3d] expected input (N, C, D, H, W) and a weight (K, C / groups, T, R, S)"));
  EXPECT_TRUE(throws<ShapeError>([&] { conv3d(x, random_leaf({2, 3, 2, 2, 2}, 1)); }, "C = 3 groups input channels"));
  EXPECT_TRUE(throws<ShapeError>(
      [&] {
        conv3d(x, random_leaf({2, 2, 4, 1, 1}, 1));
      },
      "a volume of at least the kernel's size 4, got 3 with padding"));
  EXPECT_TRUE(throws<ShapeError>([&] { conv3d(x, w, {}, {.stride = {1, 0, 1}}); }, "strides of at least 1"));
  EXPECT_THROW(conv3d(x, w, {}, {.padding = {-1, 0, 0}}), ShapeError);
  EXPECT_THROW(conv3d(x, w, {}, {.dilation = {1, 1, 0}}), ShapeError);
  EXPECT_THROW(conv3d(x, w, {}, {.dilation = {std::int64_t{1} << 62, 1, 1}}), ShapeError);
  EXPECT_THROW(conv3d(x, w, {}, {.groups = 0}), ShapeError);
  EXPECT_THROW(conv3d(x, random_leaf({3, 1, 1, 1, 1}, 1), {}, {.groups = 2}), ShapeError);  // 3 channels in 2 groups
  EXPECT_THROW(conv3d(x, leaf({}, {2, 2, 0, 2, 2})), ShapeError);
  EXPECT_TRUE(throws<ShapeError>([&] { conv3d(x, w, random_leaf({3}, 1)); }, "[conv3d]"));
  EXPECT_THROW(conv3d(x, to(w, DType::f32)), DtypeError);
}

TEST(ConvTranspose3d, SaysWhatIsWrong) {
  const Tensor x = random_leaf({1, 2, 3, 3, 3}, 1), w = random_leaf({2, 3, 2, 2, 2}, 2);
  EXPECT_TRUE(throws<ShapeError>(
      [&] {
        conv_transpose3d(x, random_leaf({3, 2, 2, 2, 2}, 1));
      },
      "[conv_transpose3d] expected C input channels in 1 equal groups"));
  EXPECT_TRUE(throws<ShapeError>(
      [&] {
        conv_transpose3d(x, w, {}, {.padding = {2, 0, 0}});
      },
      "a padding that leaves a result, got 2 of 4 on two sides"));
  EXPECT_THROW(conv_transpose3d(x, w, {}, {.stride = {2, 1, 1}, .output_padding = {2, 0, 0}}), ShapeError);
  EXPECT_THROW(conv_transpose3d(x, w, {}, {.output_padding = {-1, 0, 0}}), ShapeError);
  EXPECT_THROW(conv_transpose3d(leaf({}, {1, 2, 0, 3, 3}), w), ShapeError);
  EXPECT_THROW(conv_transpose3d(x, w, {}, {.groups = 4}), ShapeError);
  EXPECT_THROW(conv_transpose3d(x, w, random_leaf({2}, 1)), ShapeError);
  EXPECT_THROW(conv_transpose3d(x, to(w, DType::f32)), DtypeError);
  EXPECT_THROW(conv_transpose3d(x, w, {}, {.stride = {std::int64_t{1} << 62, 1, 1}}), ShapeError);
}

}  // namespace
}  // namespace hop::autograd
