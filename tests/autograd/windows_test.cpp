// The options of pooling and of convolutions: gradients over odd shapes (op_case.h), inputs without a batch, plain
// numbers, and captured steps. (tests/nn/golden_windows_test.cpp compares these operations with PyTorch.)
#include "kernels/capture.h"
#include "tests/autograd/op_case.h"

namespace hop::autograd {
namespace {

const std::vector<OpCase>& cases() {
  using Xs = const std::vector<Tensor>&;
  static const std::vector<OpCase> kCases = {
      {"max_pool2d_dilated",
       {{{1, 2, 5, 6}}},
       [](Xs x) {
         return square(max_pool2d(x[0], {.kernel = {2, 3}, .stride = {1, 2}, .padding = {1, 1}, .dilation = {3, 2}}));
       }},
      {"max_pool2d_ceil",
       {{{1, 2, 5, 4}}},
       [](Xs x) {
         return square(max_pool2d(x[0], {.kernel = {2, 3}, .padding = {0, 1}, .ceil_mode = true}));
       }},
      {"avg_pool2d_ceil",
       {{{2, 1, 5, 4}}},
       [](Xs x) {
         return avg_pool2d(x[0], {.kernel = {2, 3}, .padding = {1, 1}, .ceil_mode = true});
       }},
      {"avg_pool2d_without_padding",
       {{{2, 1, 5, 5}}},
       [](Xs x) {
         return avg_pool2d(x[0], {.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1}, .count_include_pad = false});
       }},
      {"avg_pool2d_divisor",
       {{{1, 2, 5, 4}}},
       [](Xs x) { return avg_pool2d(x[0], {.ceil_mode = true, .divisor_override = -3}); }},
      {"max_pool1d_dilated",
       {{{2, 2, 7}}},
       [](Xs x) { return square(max_pool1d(x[0], {.kernel = 2, .stride = 2, .dilation = 3}, {.ceil_mode = true})); }},
      {"avg_pool1d_ceil",
       {{{2, 2, 6}}},
       [](Xs x) {
         return avg_pool1d(x[0], {.kernel = 3, .stride = 2, .padding = 1},
                           {.ceil_mode = true, .count_include_pad = false});
       }},
      {"max_pool3d_dilated",
       {{{1, 2, 3, 4, 3}}},
       [](Xs x) {
         return square(
             max_pool3d_with_indices(x[0], {{{2, 1, 0, 2}, {2, 2, 1, 1}, {2, 1, 0, 1}}}, {.ceil_mode = true}).values);
       }},
      {"avg_pool3d_divisor",
       {{{1, 1, 3, 4, 2}}},
       [](Xs x) { return avg_pool3d(x[0], {}, {.ceil_mode = true, .divisor_override = 5}); }},
      {"lp_pool2d_ceil", {{{1, 2, 3, 5}}}, [](Xs x) { return lp_pool2d(x[0], 2, {.ceil_mode = true}); }},
      {"adaptive_avg_pool_kept",
       {{{2, 3, 4}}},
       [](Xs x) {
         return adaptive_avg_pool(x[0], {kKeepSize, 3});
       }},
      {"adaptive_max_pool",
       {{{2, 5, 4}}},
       [](Xs x) {
         return square(adaptive_max_pool(x[0], {3, 2}));
       }},
      {"adaptive_max_pool_with_indices",
       {{{1, 2, 3, 4, 5}}},
       [](Xs x) {
         return square(adaptive_max_pool_with_indices(x[0], {kKeepSize, 3, 7}).values);
       }},
      {"max_pool2d_of_one", {{{2, 4, 5}}}, [](Xs x) { return square(max_pool2d(x[0], 2)); }},
      {"conv1d",
       {{{2, 4, 6}}, {{2, 2, 3}}, {{2}}},
       [](Xs x) { return conv1d(x[0], x[1], x[2], {.stride = 2, .padding = 1, .dilation = 2, .groups = 2}); }},
      {"conv1d_same", {{{1, 2, 5}}, {{3, 2, 4}}}, [](Xs x) { return conv1d(x[0], x[1], {}, kSame); }},
      {"conv2d_same",
       {{{1, 2, 4, 3}}, {{2, 1, 2, 3}}, {{2}}},
       [](Xs x) {
         return conv2d(x[0], x[1], x[2], kSame, {.dilation = {1, 2}, .groups = 2});
       }},
      {"conv3d_same", {{{1, 1, 2, 3, 2}}, {{2, 1, 2, 1, 3}}}, [](Xs x) { return conv3d(x[0], x[1], {}, kSame); }},
      {"conv3d_of_one", {{{1, 2, 3, 2}}, {{2, 1, 2, 2, 1}}, {{2}}}, [](Xs x) { return conv3d(x[0], x[1], x[2]); }},
      {"conv_transpose1d",
       {{{2, 2, 3}}, {{2, 2, 2}}, {{2}}},
       [](Xs x) {
         return conv_transpose1d(x[0], x[1], x[2], {.stride = 2, .padding = 1, .output_padding = 2, .dilation = 3});
       }},
      {"conv_transpose2d_output_padding",
       {{{1, 2, 2, 3}}, {{2, 1, 2, 2}}, {{1}}},
       [](Xs x) {
         return conv_transpose2d(x[0], x[1], x[2], {.stride = {1, 2}, .output_padding = {2, 1}, .dilation = {3, 1}});
       }},
      {"conv_transpose3d_output_padding",
       {{{1, 1, 2, 2, 1}}, {{1, 2, 1, 2, 2}}},
       [](Xs x) {
         return conv_transpose3d(x[0], x[1], {},
                                 {.padding = {0, 1, 0}, .output_padding = {1, 0, 2}, .dilation = {2, 1, 4}});
       }},
  };
  return kCases;
}

class Windows : public ::testing::TestWithParam<OpCase> {};

TEST_P(Windows, PassesTheChecks) { judge(GetParam()); }

INSTANTIATE_TEST_SUITE_P(All, Windows, ::testing::ValuesIn(cases()), [](const auto& test) { return test.param.name; });

using Function = std::function<Tensor(const Tensor&)>;

TEST(WindowsOfPlainNumbers, AreThoseOfOptions) {
  const Tensor line = random_tensor({2, 3, 11}, 1), image = random_tensor({2, 3, 9, 8}, 2),
               volume = random_tensor({1, 2, 6, 7, 5}, 3);
  const PoolWindow three{3, 2, 1}, two{.kernel = 2};
  const Pool2dOptions square_three{.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}};
  EXPECT_TRUE(same_bits(max_pool2d(image, 2), max_pool2d(image)));
  EXPECT_TRUE(same_bits(max_pool2d(image, {2, 2}), max_pool2d(image)));  // braces are options: kernels of 2 x 2
  EXPECT_TRUE(same_bits(max_pool2d(image, {}), max_pool2d(image)));
  EXPECT_TRUE(same_bits(max_pool2d(image, 3, 2, 1), max_pool2d(image, square_three)));
  EXPECT_TRUE(same_bits(avg_pool2d(image, 3, 2, 1), avg_pool2d(image, square_three)));
  EXPECT_TRUE(same_bits(avg_pool2d(image, 2), avg_pool2d(image, {2, 2})));
  EXPECT_TRUE(
      same_bits(max_pool2d_with_indices(image, 3, 2, 1).indices, max_pool2d_with_indices(image, square_three).indices));
  EXPECT_TRUE(same_bits(max_pool1d(line, 3, 2, 1), max_pool1d(line, three)));
  EXPECT_TRUE(same_bits(avg_pool1d(line, 3, 2, 1), avg_pool1d(line, three)));
  EXPECT_TRUE(same_bits(max_pool1d_with_indices(line, 2).indices, max_pool1d_with_indices(line, two).indices));
  EXPECT_TRUE(same_bits(max_pool3d(volume, 3, 2, 1), max_pool3d(volume, {three, three, three})));
  EXPECT_TRUE(same_bits(avg_pool3d(volume, 2), avg_pool3d(volume, {two, two, two})));
  EXPECT_TRUE(same_bits(max_pool3d_with_indices(volume, 2).indices, max_pool3d_with_indices(volume).indices));
  EXPECT_TRUE(same_bits(lp_pool1d(line, 2, 3, 2), lp_pool1d(line, 2, PoolWindow{3, 2})));
  EXPECT_TRUE(same_bits(lp_pool2d(image, 2, 3), lp_pool2d(image, 2, {3, 3})));
  EXPECT_TRUE(same_bits(lp_pool3d(volume, 2, 2), lp_pool3d(volume, 2)));
  const auto [y, places] = max_pool2d_with_indices(image, 2);
  EXPECT_TRUE(same_bits(max_unpool2d(y, places, 2), max_unpool2d(y, places)));
}

// x without a batch gives what a batch of x gives, without the batch; indices too.
TEST(WindowsOfOneInput, AreThoseOfABatchOfOne) {
  const Tensor line = random_tensor({3, 11}, 1), image = random_tensor({3, 6, 7}, 2),
               volume = random_tensor({2, 5, 4, 6}, 3);
  const auto compare = [](const char* name, const Tensor& x, const Function& f) {
    EXPECT_TRUE(same_bits(f(x), squeeze(f(unsqueeze(x, 0)), 0))) << name;
  };
  const Tensor kernel1 = random_tensor({2, 3, 3}, 4), kernel2 = random_tensor({2, 3, 3, 2}, 5),
               kernel3 = random_tensor({3, 2, 2, 2, 3}, 6);
  compare("max_pool1d", line, [](const Tensor& x) { return max_pool1d(x, 2); });
  compare("max_pool1d places", line, [](const Tensor& x) { return max_pool1d_with_indices(x, 3).indices; });
  compare("avg_pool1d", line, [](const Tensor& x) { return avg_pool1d(x, 3, 1); });
  compare("lp_pool1d", line, [](const Tensor& x) { return lp_pool1d(x, 2, 3); });
  compare("max_pool2d", image, [](const Tensor& x) { return max_pool2d(x, 2); });
  compare("max_pool2d places", image, [](const Tensor& x) { return max_pool2d_with_indices(x, 2).indices; });
  compare("avg_pool2d", image, [](const Tensor& x) { return avg_pool2d(x, 2); });
  compare("lp_pool2d", image, [](const Tensor& x) { return lp_pool2d(x, 3, 2); });
  compare("max_pool3d", volume, [](const Tensor& x) { return max_pool3d(x, 2); });
  compare("max_pool3d places", volume, [](const Tensor& x) { return max_pool3d_with_indices(x, 2).indices; });
  compare("avg_pool3d", volume, [](const Tensor& x) { return avg_pool3d(x, 2); });
  compare("lp_pool3d", volume, [](const Tensor& x) { return lp_pool3d(x, 2, 2); });
  compare("max_unpool1d", line, [](const Tensor& x) {
    const auto [y, places] = max_pool1d_with_indices(x, 2);
    return max_unpool1d(y, places, 2);
  });
  compare("max_unpool3d", volume, [](const Tensor& x) {
    const auto [y, places] = max_pool3d_with_indices(x, 2);
    return max_unpool3d(y, places, 2);
  });
  compare("fractional_max_pool2d", image, [](const Tensor& x) {
    return fractional_max_pool2d(x, {2, 2}, {3, 4}, kernels::full({1, 3, 2}, 0.4, DType::f64));
  });
  compare("conv1d", line, [&](const Tensor& x) { return conv1d(x, kernel1, {}, kSame); });
  compare("conv2d", image, [&](const Tensor& x) { return conv2d(x, kernel2, {}, {.stride = {2, 1}}); });
  compare("conv2d same", image, [&](const Tensor& x) { return conv2d(x, kernel2, {}, kSame); });
  compare("conv3d", volume, [&](const Tensor& x) { return conv3d(x, kernel3); });
  compare("conv_transpose1d", slice(line, 0, 0, 2), [&](const Tensor& x) { return conv_transpose1d(x, kernel1); });
  compare("conv_transpose2d", slice(image, 0, 0, 2), [&](const Tensor& x) { return conv_transpose2d(x, kernel2); });
  compare("conv_transpose3d", volume, [&](const Tensor& x) { return conv_transpose3d(x, transpose(kernel3, 0, 1)); });
}

TEST(AdaptiveMaxPool, NamesTheFirstMaximumOfEachWindow) {
  // Windows of 5 values in 3: 0..1, 1..3, 3..4.
  const Tensor x = leaf({1, 3, 3, 2, 2, 0, 3, 3, NAN, 2}, {2, 5});
  const PooledMaxima line = adaptive_max_pool_with_indices(x, {3});
  EXPECT_EQ(values(line.indices), (std::vector<double>{1, 1, 3, 1, 3, 3}));
  const PooledMaxima plane = adaptive_max_pool_with_indices(x, {1, 3});
  EXPECT_EQ(values(plane.indices), (std::vector<double>{1, 8, 8}));
  const Tensor ties = leaf({1, 1, 1, 1}, {2, 2});
  EXPECT_EQ(values(grad({sum(adaptive_max_pool(ties, {1, 1}))}, {ties})[0]), (std::vector<double>{1, 0, 0, 0}));
  const PooledMaxima same = adaptive_max_pool_with_indices(x, {kKeepSize, kKeepSize});
  EXPECT_EQ(values(same.indices), (std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(Windows, OfNoBatchesAndOfWrongOptions) {
  const Tensor none = kernels::zeros({0, 2, 5, 4}, DType::f64);
  EXPECT_EQ(max_pool2d(none, {.dilation = {2, 2}, .ceil_mode = true}).shape(), (Shape{0, 2, 2, 2}));
  EXPECT_EQ(avg_pool2d(none, {.ceil_mode = true, .count_include_pad = false}).shape(), (Shape{0, 2, 3, 2}));
  EXPECT_EQ(adaptive_max_pool_with_indices(none, {3, kKeepSize}).indices.shape(), (Shape{0, 2, 3, 4}));
  EXPECT_EQ(conv1d(kernels::zeros({0, 2, 5}), kernels::zeros({3, 2, 2})).shape(), (Shape{0, 3, 4}));
  const Tensor x = random_tensor({1, 2, 4, 4}, 1), kernel = random_tensor({2, 2, 2, 2}, 2);
  EXPECT_TRUE(throws<ShapeError>(
      [&] {
        conv2d(x, kernel, {}, kSame, {.stride = {2, 1}});
      },
      "[conv2d] expected a stride of 1 and no other padding with kSame"));
  EXPECT_TRUE(throws<ShapeError>([&] { conv1d(x, kernel); },
                                 "[conv1d] expected input (N, C, L) or (C, L) and a weight of three dimensions"));
  EXPECT_TRUE(throws<ShapeError>(
      [&] {
        conv_transpose2d(x, kernel, {}, {.stride = {2, 2}, .output_padding = {0, 3}, .dilation = {1, 3}});
      },
      "[conv_transpose2d] expected an output_padding of at least 0 and below the stride 2 or the dilation 3, got 3"));
  EXPECT_TRUE(throws<ShapeError>([&] { lp_pool2d(x, 2, {.count_include_pad = false}); },
                                 "[lp_pool2d] expected neither count_include_pad nor divisor_override"));
  EXPECT_TRUE(throws<ShapeError>([&] { avg_pool1d(select(x, 0, 0), {.dilation = 2}); }, "expected a dilation of 1"));
  EXPECT_TRUE(throws<ShapeError>([&] { max_pool3d(x, {}, {.divisor_override = 2}); },
                                 "[max_pool2d] expected neither count_include_pad nor divisor_override"));
}

TEST(Windows, ReplayTheBitsOfAnEagerStep) {
  const auto work = [](const Tensor& x) {
    const Tensor y = max_pool2d(x, {.kernel = {2, 2}, .stride = {1, 1}, .dilation = {2, 2}, .ceil_mode = true});
    const auto [best, places] = adaptive_max_pool_with_indices(y, {2, 3});
    const Tensor z = avg_pool2d(y, {.padding = {1, 1}, .count_include_pad = false});
    return std::vector{sum(square(best)) + sum(square(z)), places};
  };
  const Tensor scale = random_leaf({2, 3, 6, 7}, 9);
  const auto step = [&](const Tensor& x) {
    const auto y = work(x * scale);
    return std::vector{y[0], y[1], grad({y[0]}, {scale})[0]};
  };
  CapturedFunction captured([&](std::span<const Tensor> in) { return step(in[0]); });
  for (std::uint64_t seed = 1; seed < 6; ++seed) {
    const Tensor x = random_tensor({2, 3, 6, 7}, seed);
    const std::vector<Tensor> expected = step(x), got = captured({x});
    for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(same_bits(got[i], expected[i])) << i;
  }
}

}  // namespace
}  // namespace hop::autograd
