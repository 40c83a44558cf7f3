#include "kernels/conv.h"

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;

struct Case {
  Shape x, weight;
  Conv2dOptions options = {};
};

// Channels that fill oneDNN's blocks and that do not, first layers (1 and 3 channels), every option, odd sizes.
const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {{1, 1, 1, 1}, {1, 1, 1, 1}},
      {{2, 1, 9, 8}, {6, 1, 5, 5}, {.padding = {2, 2}}},
      {{2, 3, 8, 9}, {16, 3, 3, 3}, {.padding = {1, 1}}},
      {{2, 6, 7, 7}, {16, 6, 5, 5}},
      {{2, 16, 7, 6}, {32, 16, 3, 3}, {.padding = {1, 1}}},
      {{3, 17, 5, 4}, {5, 17, 1, 1}},
      {{2, 20, 9, 9}, {10, 20, 3, 2}, {.stride = {2, 3}, .padding = {1, 0}}},
      {{1, 16, 11, 10}, {16, 16, 3, 3}, {.stride = {1, 2}, .padding = {2, 3}, .dilation = {2, 1}}},
      {{2, 5, 12, 12}, {7, 5, 3, 4}, {.stride = {3, 1}, .padding = {0, 2}, .dilation = {3, 2}}},
      {{2, 8, 6, 6}, {12, 2, 3, 3}, {.padding = {1, 1}, .groups = 4}},
      {{2, 6, 6, 5}, {6, 1, 3, 3}, {.stride = {2, 2}, .padding = {1, 1}, .groups = 6}},
      {{2, 32, 5, 5}, {32, 16, 3, 3}, {.groups = 2}},
      {{1, 4, 3, 3}, {4, 4, 3, 3}},
  };
  return list;
}

std::string name(const Case& c) { return c.x.to_string() + " * " + c.weight.to_string(); }

/// y by its definition, element by element from a padded copy of x.
std::vector<double> reference(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& o) {
  const Shape shape = conv2d_shape(x.shape(), weight.shape(), o);
  const std::int64_t height = x.size(2) + 2 * o.padding[0], width = x.size(3) + 2 * o.padding[1];
  const std::vector<double> u = values<double>(x), v = values<double>(weight);
  std::vector<double> padded(static_cast<std::size_t>(x.size(0) * x.size(1) * height * width));
  for (std::int64_t plane = 0; plane < x.size(0) * x.size(1); ++plane) {
    for (std::int64_t h = 0; h < x.size(2); ++h) {
      for (std::int64_t w = 0; w < x.size(3); ++w) {
        padded[static_cast<std::size_t>((plane * height + h + o.padding[0]) * width + w + o.padding[1])] =
            u[static_cast<std::size_t>((plane * x.size(2) + h) * x.size(3) + w)];
      }
    }
  }
  const std::int64_t per_group = weight.size(1), outputs_per_group = weight.size(0) / o.groups;
  std::vector<double> y;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t k = 0; k < shape[1]; ++k) {
      for (std::int64_t p = 0; p < shape[2]; ++p) {
        for (std::int64_t q = 0; q < shape[3]; ++q) {
          double sum = bias.defined() ? values<double>(bias)[static_cast<std::size_t>(k)] : 0;
          for (std::int64_t tap = 0; tap < weight.numel() / weight.size(0); ++tap) {
            const std::int64_t s = tap % weight.size(3), r = tap / weight.size(3) % weight.size(2);
            const std::int64_t c = tap / (weight.size(2) * weight.size(3));
            const std::int64_t plane = n * x.size(1) + k / outputs_per_group * per_group + c;
            const std::int64_t row = p * o.stride[0] + r * o.dilation[0], column = q * o.stride[1] + s * o.dilation[1];
            sum += padded[static_cast<std::size_t>((plane * height + row) * width + column)] *
                   v[static_cast<std::size_t>(k * weight.numel() / weight.size(0) + tap)];
          }
          y.push_back(sum);
        }
      }
    }
  }
  return y;
}

Tensor to_float(const Tensor& x) { return cast(x, DType::f32); }
double dot(const Tensor& a, const Tensor& b) { return sum(mul(a, b)).item<double>(); }

TEST(Conv2d, AgreesWithItsDefinition) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Case& c : cases()) {
      SCOPED_TRACE(name(c));
      const Tensor x = random_tensor(c.x, dtype, 1), weight = random_tensor(c.weight, dtype, 2);
      const Tensor bias = random_tensor({c.weight[0]}, dtype, 3);
      const double tolerance = epsilon(dtype) * std::sqrt(static_cast<double>(weight.numel() / c.weight[0]));
      EXPECT_TRUE(close(conv2d(x, weight, bias, c.options), reference(x, weight, bias, c.options), 0, tolerance));
      EXPECT_TRUE(close(conv2d(x, weight, {}, c.options), reference(x, weight, {}, c.options), 0, tolerance));
    }
  }
}

// <g, conv(x, w)> = <input_grad(g, w), x> = <weight_grad(g, x), w>: each gradient is the adjoint of the forward map.
TEST(Conv2d, GradientsAreTheAdjoints) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(name(c));
    const Tensor x = random_tensor(c.x, DType::f64, 1), weight = random_tensor(c.weight, DType::f64, 2);
    const Tensor y = conv2d(x, weight, {}, c.options);
    const Tensor g = random_tensor(y.shape(), DType::f64, 3);
    const Tensor dx = conv2d_input_grad(g, weight, c.x, c.options), dw = conv2d_weight_grad(g, x, c.weight, c.options);
    EXPECT_EQ(dx.shape(), c.x);
    EXPECT_EQ(dw.shape(), c.weight);
    EXPECT_NEAR(dot(dx, x), dot(g, y), 1e-10);
    EXPECT_NEAR(dot(dw, weight), dot(g, y), 1e-10);
  }
}

TEST(Conv2d, FloatGradientsAgreeWithDoubles) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(name(c));
    const Tensor x = random_tensor(c.x, DType::f64, 1), weight = random_tensor(c.weight, DType::f64, 2);
    const Tensor g = random_tensor(conv2d_shape(c.x, c.weight, c.options), DType::f64, 3);
    EXPECT_TRUE(close(conv2d_input_grad(to_float(g), to_float(weight), c.x, c.options),
                      values<double>(conv2d_input_grad(g, weight, c.x, c.options)), 1e-5, 2e-5));
    EXPECT_TRUE(close(conv2d_weight_grad(to_float(g), to_float(x), c.weight, c.options),
                      values<double>(conv2d_weight_grad(g, x, c.weight, c.options)), 1e-5, 2e-5));
  }
}

TEST(Conv2d, TheBitsKnowNoLayoutAndNoAddress) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(name(c));
    const Tensor x = random_tensor(c.x, DType::f32, 1), weight = random_tensor(c.weight, DType::f32, 2);
    const Tensor bias = random_tensor({c.weight[0]}, DType::f32, 3);
    const Tensor y = conv2d(x, weight, bias, c.options);
    const Tensor g = random_tensor(y.shape(), DType::f32, 4);
    const Tensor dx = conv2d_input_grad(g, weight, c.x, c.options), dw = conv2d_weight_grad(g, x, c.weight, c.options);
    const auto check = [&](const Tensor& u, const Tensor& v, const Tensor& h) {
      ASSERT_TRUE(same_bits(conv2d(u, v, bias, c.options), y));
      ASSERT_TRUE(same_bits(conv2d_input_grad(h, v, c.x, c.options), dx));
      ASSERT_TRUE(same_bits(conv2d_weight_grad(h, u, c.weight, c.options), dw));
    };
    for (std::int64_t offset = 0; offset < 16; ++offset) {
      check(shifted(x, offset), weight, shifted(g, offset));
      check(x, shifted(weight, offset), g);
    }
    const std::vector<int> channels_last = {0, 2, 3, 1}, batch_last = {1, 2, 3, 0};
    check(with_order(x, channels_last), with_order(weight, channels_last), with_order(g, channels_last));
    check(with_order(x, channels_last, 2), with_order(weight, batch_last), with_order(g, batch_last));
  }
}

TEST(Conv2d, ARepeatedCallGivesTheSameBitsOnOneAndOnTwoThreads) {
  const Case c = {{8, 16, 9, 9}, {32, 16, 3, 3}, {.padding = {1, 1}}};
  const Tensor x = random_tensor(c.x, DType::f32, 1), weight = random_tensor(c.weight, DType::f32, 2);
  const Tensor g = random_tensor({8, 32, 9, 9}, DType::f32, 3);
  for (const int threads : {1, 2}) {
    const ComputeThreads scope(threads);
    const Tensor y = conv2d(x, weight, {}, c.options);
    const Tensor dx = conv2d_input_grad(g, weight, c.x, c.options), dw = conv2d_weight_grad(g, x, c.weight, c.options);
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(same_bits(conv2d(x, weight, {}, c.options), y));
      EXPECT_TRUE(same_bits(conv2d_input_grad(g, weight, c.x, c.options), dx));
      EXPECT_TRUE(same_bits(conv2d_weight_grad(g, x, c.weight, c.options), dw));
    }
  }
}

// In f64 the sums are cut into blocks of taps and of pixels, here several of both, and over threads.
TEST(Conv2d, TheBitsInDoublesKnowNoNumberOfThreads) {
  for (const Case& c : {Case{{3, 40, 21, 19}, {9, 40, 3, 3}, {.padding = {1, 1}}},
                        Case{{2, 36, 33, 30}, {10, 18, 3, 5}, {.stride = {1, 2}, .padding = {2, 0}, .groups = 2}}}) {
    SCOPED_TRACE(name(c));
    const Tensor x = random_tensor(c.x, DType::f64, 1), weight = random_tensor(c.weight, DType::f64, 2);
    const Tensor bias = random_tensor({c.weight[0]}, DType::f64, 3);
    const Tensor y = conv2d(x, weight, bias, c.options), g = random_tensor(y.shape(), DType::f64, 4);
    const Tensor dx = conv2d_input_grad(g, weight, c.x, c.options), dw = conv2d_weight_grad(g, x, c.weight, c.options);
    EXPECT_TRUE(close(y, reference(x, weight, bias, c.options), 0, 1e-12));
    const double right = dot(conv2d(x, weight, {}, c.options), g);
    EXPECT_NEAR(dot(dx, x), right, 1e-9);
    EXPECT_NEAR(dot(dw, weight), right, 1e-9);
    for (const int threads : {2, 3}) {
      const ComputeThreads scope(threads);
      EXPECT_TRUE(same_bits(conv2d(x, weight, bias, c.options), y));
      EXPECT_TRUE(same_bits(conv2d_input_grad(g, weight, c.x, c.options), dx));
      EXPECT_TRUE(same_bits(conv2d_weight_grad(g, x, c.weight, c.options), dw));
    }
  }
}

TEST(Conv2d, AnEmptyBatchGivesAnEmptyImageAndAZeroGradient) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = random_tensor({0, 3, 5, 5}, dtype), weight = random_tensor({4, 3, 3, 3}, dtype);
    const Tensor y = conv2d(x, weight, {}, {});
    EXPECT_EQ(y.shape(), Shape({0, 4, 3, 3}));
    EXPECT_EQ(conv2d_input_grad(y, weight, x.shape(), {}).shape(), x.shape());
    EXPECT_TRUE(same_bits(conv2d_weight_grad(y, x, weight.shape(), {}), zeros(weight.shape(), dtype)));
  }
}

TEST(Conv2d, RefusesWhatDoesNotFit) {
  const auto shape = [](const Shape& x, const Shape& weight, const Conv2dOptions& o = {}) {
    return error_of<ShapeError>([&] { conv2d_shape(x, weight, o); });
  };
  EXPECT_EQ(shape({8, 1, 14, 14}, {4, 32, 3, 3}),
            "[conv2d] expected 32 input channels, got 1 (input (8, 1, 14, 14), weight (4, 32, 3, 3))");
  EXPECT_EQ(shape({8, 4, 14, 14}, {3, 2, 3, 3}, {.groups = 2}),
            "[conv2d] expected output channels in 2 equal groups, got 3 (input (8, 4, 14, 14), weight (3, 2, 3, 3))");
  EXPECT_EQ(shape({8, 1, 3, 4}, {1, 1, 3, 5}),
            "[conv2d] expected an image of at least the kernel's size 5, got 4 with padding (input (8, 1, 3, 4), "
            "weight (1, 1, 3, 5))");
  EXPECT_EQ(shape({8, 4}, {3, 2, 3, 3}),
            "[conv2d] expected input (N, C, H, W) and weight (K, C / groups, R, S), got (8, 4) and (3, 2, 3, 3)");
  EXPECT_EQ(shape({8, 0, 3, 3}, {3, 0, 3, 3}), "[conv2d] expected a weight with elements, got (3, 0, 3, 3)");
  EXPECT_EQ(shape({8, 1, 3, 3}, {1, 1, 3, 3}, {.stride = {1, 0}}),
            "[conv2d] expected stride from 1 to 16777216, got (1, 0)");
  EXPECT_EQ(shape({8, 1, 3, 3}, {1, 1, 3, 3}, {.stride = {std::int64_t{1} << 31, 1}}),
            "[conv2d] expected stride from 1 to 16777216, got (2147483648, 1)");
  EXPECT_EQ(shape({8, 1, 3, 3}, {1, 1, 3, 3}, {.padding = {-1, 0}}),
            "[conv2d] expected padding from 0 to 16777216, got (-1, 0)");
  EXPECT_EQ(shape({8, 1, 3, 3}, {1, 1, 3, 3}, {.dilation = {0, 1}}),
            "[conv2d] expected dilation from 1 to 16777216, got (0, 1)");
  EXPECT_EQ(
      shape({8, 1, 3, 3}, {1, 1, 3, 3}, {.padding = {16777216, 0}, .dilation = {16777216, 1}}),
      "[conv2d] expected a dilated kernel of at most 16777216, got 33554433 (input (8, 1, 3, 3), weight (1, 1, 3, "
      "3))");
  EXPECT_EQ(shape({8, 1, 3, 3}, {1, 1, 3, 3}, {.groups = 0}), "[conv2d] expected at least 1 group, got 0");
  const Tensor x = random_tensor({1, 2, 5, 5}), weight = random_tensor({3, 2, 3, 3});
  EXPECT_EQ(error_of<ShapeError>([&] { conv2d(x, weight, random_tensor({2}), {}); }),
            "[conv2d] expected bias of shape (3), got (2)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              conv2d_input_grad(x, weight, {1, 2, 5, 5}, {});
            }),
            "[conv2d input gradient] expected g of shape (1, 3, 3, 3), got (1, 2, 5, 5)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              conv2d_weight_grad(x, x, {3, 2, 3, 3}, {});
            }),
            "[conv2d weight gradient] expected g of shape (1, 3, 3, 3), got (1, 2, 5, 5)");
  EXPECT_EQ(error_of<DtypeError>([&] {
              conv2d(x, random_tensor({3, 2, 3, 3}, DType::f64), {}, {});
            }),
            "[conv2d] expected operands of one dtype, got f32 (1, 2, 5, 5) on cpu and f64 (3, 2, 3, 3) on cpu");
}

}  // namespace
}  // namespace hop::kernels
