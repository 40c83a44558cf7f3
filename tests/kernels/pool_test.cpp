#include "kernels/pool.h"

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;

struct Case {
  Shape x;
  Pool2dOptions options = {};
};

// Steps of 1, 2 and more, overlaps and gaps, padding, rows longer than a block of 64, a window as large as the image.
const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {{2, 3, 8, 8}},
      {{2, 3, 7, 9}},
      {{1, 2, 9, 150}, {.kernel = {3, 2}, .stride = {2, 1}}},
      {{2, 1, 10, 11}, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}}},
      {{1, 3, 12, 170}, {.kernel = {2, 2}, .stride = {2, 2}, .padding = {1, 1}}},
      {{1, 2, 11, 13}, {.kernel = {5, 4}, .stride = {3, 3}, .padding = {2, 1}}},
      {{2, 2, 9, 9}, {.kernel = {1, 2}, .stride = {4, 5}}},
      {{3, 2, 5, 6}, {.kernel = {5, 6}}},
      {{1, 1, 1, 1}, {.kernel = {1, 1}}},
  };
  return list;
}

// Dilated windows and windows that reach out of the image.
const std::vector<Case>& wide_cases() {
  static const std::vector<Case> list = {
      {{2, 3, 9, 40}, {.kernel = {2, 3}, .stride = {1, 1}, .dilation = {2, 3}}},
      {{1, 2, 11, 37}, {.kernel = {3, 3}, .stride = {2, 3}, .padding = {2, 3}, .dilation = {2, 3}}},
      {{1, 2, 6, 5}, {.kernel = {2, 3}, .padding = {2, 2}, .dilation = {3, 2}, .ceil_mode = true}},
      {{2, 2, 4, 3}, {.kernel = {3, 2}, .stride = {1, 1}, .padding = {3, 1}, .dilation = {3, 1}}},
  };
  return list;
}
const std::vector<Case>& ceil_cases() {
  static const std::vector<Case> list = {
      {{2, 3, 7, 35}, {.ceil_mode = true}},
      {{1, 2, 8, 18}, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .ceil_mode = true}},
      {{1, 1, 2, 2}, {.kernel = {3, 3}, .stride = {2, 2}, .ceil_mode = true}},
      {{1, 2, 5, 7}, {.kernel = {1, 2}, .stride = {3, 4}, .ceil_mode = true}},
      {{1, 1, 20, 33}, {.kernel = {20, 30}, .stride = {7, 20}, .padding = {4, 15}, .ceil_mode = true}},
  };
  return list;
}
std::vector<Case> joined(const std::vector<std::vector<Case>>& lists) {
  std::vector<Case> all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}
std::vector<Case> max_cases() { return joined({cases(), wide_cases(), ceil_cases()}); }
/// Averages that count in three ways.
std::vector<Case> average_cases() {
  std::vector<Case> all = joined({cases(), ceil_cases()});
  for (Case c : joined({cases(), ceil_cases()})) {
    c.options.count_include_pad = false;
    all.push_back(c);
    c.options.divisor_override = c.x[2] % 2 == 0 ? 3 : -7;
    all.push_back(c);
  }
  return all;
}

/// Calls f(output index, plane * H * W, list of h * W + w of the window's values, row-major) for every output.
template <class F>
void for_each_window(const Case& c, const F& f) {
  const Shape y = pool2d_shape(c.x, c.options, "test");
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const std::int64_t q = i % y[3], p = i / y[3] % y[2], plane = i / (y[3] * y[2]);
    std::vector<std::int64_t> window;
    for (std::int64_t r = 0; r < c.options.kernel[0]; ++r) {
      for (std::int64_t s = 0; s < c.options.kernel[1]; ++s) {
        const std::int64_t row_step = c.options.stride[0] == 0 ? c.options.kernel[0] : c.options.stride[0];
        const std::int64_t column_step = c.options.stride[1] == 0 ? c.options.kernel[1] : c.options.stride[1];
        const std::int64_t h = p * row_step + r * c.options.dilation[0] - c.options.padding[0];
        const std::int64_t w = q * column_step + s * c.options.dilation[1] - c.options.padding[1];
        if (h >= 0 && h < c.x[2] && w >= 0 && w < c.x[3]) window.push_back(h * c.x[3] + w);
      }
    }
    f(static_cast<std::size_t>(i), plane * c.x[2] * c.x[3], window);
  }
}

double dot(const Tensor& a, const Tensor& b) { return sum(mul(a, b)).item<double>(); }

TEST(Pool, MaxIsTheFirstMaximumOfEachWindow) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Case& c : max_cases()) {
      SCOPED_TRACE(c.x.to_string());
      const Tensor x = cast(random_tensor(c.x, DType::i64, 1, -3, 3), dtype);  // few values, many ties
      const std::vector<double> v = values<double>(x);
      const MaxPool2dResult result = max_pool2d(x, c.options);
      const std::vector<double> y = values<double>(result.y);
      const std::vector<std::int64_t> indices = values<std::int64_t>(result.indices);
      for_each_window(c, [&](std::size_t i, std::int64_t plane, const std::vector<std::int64_t>& window) {
        std::int64_t best = window.front();
        for (const std::int64_t at : window) {
          if (v[static_cast<std::size_t>(plane + at)] > v[static_cast<std::size_t>(plane + best)]) best = at;
        }
        ASSERT_EQ(indices[i], best);
        ASSERT_EQ(y[i], v[static_cast<std::size_t>(plane + best)]);
      });
    }
  }
}

TEST(Pool, ANanIsTheMaximumAndTheFirstOneIsNamed) {
  const Tensor x = zeros({1, 1, 2, 4});
  for (const int at : {1, 4, 7}) x.data<float>()[at] = NAN;
  const MaxPool2dResult r = max_pool2d(x, {});
  EXPECT_TRUE(close(r.y, {NAN, NAN}, 0, 0));
  EXPECT_TRUE(close(r.indices, {1, 7}, 0, 0));
}

TEST(Pool, MinusInfinityIsAValueToo) {
  const MaxPool2dResult r =
      max_pool2d(full({1, 1, 3, 3}, -INFINITY), {.kernel = {2, 2}, .stride = {1, 1}, .padding = {1, 1}});
  EXPECT_EQ(values<float>(r.y)[0], -INFINITY);
  EXPECT_EQ(values<std::int64_t>(r.indices)[0], 0);
  EXPECT_EQ(values<std::int64_t>(r.indices)[15], 8);
}

/// The values of an output's window along dimension d that lie in the image and in its padding.
std::int64_t with_padding(const Case& c, std::size_t d, std::int64_t output) {
  const std::int64_t step = c.options.stride[d] == 0 ? c.options.kernel[d] : c.options.stride[d];
  std::int64_t count = 0;
  for (std::int64_t k = 0; k < c.options.kernel[d]; ++k) {
    if (output * step + k < c.x[static_cast<int>(d) + 2] + 2 * c.options.padding[d]) ++count;
  }
  return count;
}

TEST(Pool, AverageCountsThePaddedZerosIfItIsTold) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Case& c : average_cases()) {
      SCOPED_TRACE(c.x.to_string());
      const Tensor x = random_tensor(c.x, dtype);
      const std::vector<double> v = values<double>(x);
      const Shape y = pool2d_shape(c.x, c.options, "test");
      std::vector<double> golden;
      for_each_window(c, [&](std::size_t i, std::int64_t plane, const std::vector<std::int64_t>& window) {
        double sum = 0;
        for (const std::int64_t at : window) sum += v[static_cast<std::size_t>(plane + at)];
        const auto output = static_cast<std::int64_t>(i);
        std::int64_t divisor = static_cast<std::int64_t>(window.size());
        if (c.options.count_include_pad)
          divisor = with_padding(c, 0, output / y[3] % y[2]) * with_padding(c, 1, output % y[3]);
        golden.push_back(sum / static_cast<double>(c.options.divisor_override.value_or(divisor)));
      });
      EXPECT_TRUE(close(avg_pool2d(x, c.options), golden, epsilon(dtype), epsilon(dtype)));
    }
  }
}

// An output more only where its window begins in the image or the padding before it.
TEST(Pool, CeilModeRoundsTheNumberOfWindowsUp) {
  const auto columns = [](std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
    const Pool2dOptions o{.kernel = {1, kernel}, .stride = {1, stride}, .padding = {0, padding}, .ceil_mode = true};
    return pool2d_shape({1, 1, 1, size}, o, "test")[3];
  };
  EXPECT_EQ(columns(8, 2, 2, 0), 4);
  EXPECT_EQ(columns(9, 2, 2, 0), 5);
  EXPECT_EQ(columns(2, 3, 2, 0), 1);
  EXPECT_EQ(columns(6, 2, 4, 1), 2);
  EXPECT_EQ(columns(7, 2, 4, 1), 2);  // a third window would begin in the padding behind the image
  EXPECT_EQ(columns(5, 1, 3, 0), 2);
}

// <g, pool(x)> = <grad(g), x>, and gather is the adjoint of scatter.
TEST(Pool, GradientsAreTheAdjointsAndFloatAgreesWithDouble) {
  for (const Case& c : max_cases()) {
    SCOPED_TRACE(c.x.to_string());
    const Tensor x = random_tensor(c.x, DType::f64, 1);
    const MaxPool2dResult max = max_pool2d(x, c.options);
    const Tensor g = random_tensor(max.y.shape(), DType::f64, 2), gg = random_tensor(c.x, DType::f64, 3);
    const Tensor dmax = max_pool2d_grad(g, max.indices, c.x);
    EXPECT_NEAR(dot(dmax, x), dot(g, max.y), 1e-10);
    EXPECT_NEAR(dot(dmax, gg), dot(g, max_pool2d_gather(gg, max.indices)), 1e-10);
    const Tensor single = cast(g, DType::f32);
    EXPECT_TRUE(close(max_pool2d_grad(single, max.indices, c.x), values<double>(dmax), 1e-6, 1e-6));
  }
  for (const Case& c : average_cases()) {
    SCOPED_TRACE(c.x.to_string());
    const Tensor x = random_tensor(c.x, DType::f64, 1), average = avg_pool2d(x, c.options);
    const Tensor g = random_tensor(average.shape(), DType::f64, 2), davg = avg_pool2d_grad(g, c.x, c.options);
    EXPECT_NEAR(dot(davg, x), dot(g, average), 1e-10);
    const Tensor single = cast(g, DType::f32);
    EXPECT_TRUE(close(avg_pool2d_grad(single, c.x, c.options), values<double>(davg), 1e-6, 1e-6));
  }
}

// An average counts what it counts here, too, and a maximum takes no option of it.
TEST(Pool, WindowsOfOneKindKnowNoLayoutAndNoAddress) {
  const std::vector<std::vector<int>> orders = {{0, 1, 2, 3}, {0, 2, 3, 1}, {3, 2, 1, 0}};
  for (const Case& c : joined({wide_cases(), ceil_cases()})) {
    const Tensor x = random_tensor(c.x);
    const MaxPool2dResult max = max_pool2d(x, c.options);
    const Tensor dx = max_pool2d_grad(max.y, max.indices, c.x, &c.options);
    for (const std::int64_t offset : {1, 3, 7})
      ASSERT_TRUE(same_bits(max_pool2d(shifted(x, offset), c.options).y, max.y));
    for (const auto& order : orders) {
      const MaxPool2dResult there = max_pool2d(with_order(x, order, 1), c.options);
      ASSERT_TRUE(same_bits(there.y, max.y));
      ASSERT_TRUE(same_bits(there.indices, max.indices));
      ASSERT_TRUE(same_bits(max_pool2d_grad(there.y, there.indices, c.x, &c.options), dx));
    }
  }
  for (const Case& c : average_cases()) {
    const Tensor x = random_tensor(c.x), average = avg_pool2d(x, c.options), g = random_tensor(average.shape());
    const Tensor dx = avg_pool2d_grad(g, c.x, c.options);
    for (const auto& order : orders) {
      ASSERT_TRUE(close(avg_pool2d(with_order(x, order, 1), c.options), values<double>(average), 1e-6, 1e-6));
      ASSERT_TRUE(close(avg_pool2d_grad(with_order(g, order, 1), c.x, c.options), values<double>(dx), 1e-6, 1e-6));
    }
  }
}

TEST(Pool, AWindowOfInfinityNamesItsFirstValue) {
  const Tensor x = full({1, 1, 5, 5}, -INFINITY);
  const MaxPool2dResult r =
      max_pool2d(x, {.kernel = {2, 2}, .stride = {1, 1}, .padding = {1, 1}, .dilation = {2, 2}, .ceil_mode = true});
  EXPECT_EQ(values<std::int64_t>(r.indices), (std::vector<std::int64_t>{6, 5, 6,  7,  8,  1,  0,  1,  2,  3,  6,  5, 6,
                                                                        7, 8, 11, 10, 11, 12, 13, 16, 15, 16, 17, 18}));
}

TEST(Pool, TheBitsKnowNoLayoutNoAddressAndNoThreads) {
  for (const Case& c : cases()) {
    const Tensor x = random_tensor(c.x);
    const MaxPool2dResult max = max_pool2d(x, c.options);
    const Tensor average = avg_pool2d(x, c.options);
    const Tensor g = random_tensor(average.shape(), DType::f32, 2);
    const Tensor dmax = max_pool2d_grad(g, max.indices, c.x), davg = avg_pool2d_grad(g, c.x, c.options);
    std::vector<std::vector<int>> orders = {{0, 1, 2, 3}, {0, 2, 3, 1}, {3, 2, 1, 0}};
    for (std::int64_t offset = 0; offset < 16; ++offset) {
      ASSERT_TRUE(same_bits(max_pool2d(shifted(x, offset), c.options).y, max.y));
      ASSERT_TRUE(same_bits(avg_pool2d(shifted(x, offset), c.options), average));
    }
    for (const auto& order : orders) {
      const Tensor v = with_order(x, order, 1), h = with_order(g, order, 1), at = with_order(max.indices, order, 1);
      ASSERT_TRUE(same_bits(max_pool2d(v, c.options).indices, max.indices));
      ASSERT_TRUE(same_bits(avg_pool2d(v, c.options), average));
      ASSERT_TRUE(same_bits(max_pool2d_grad(h, at, c.x), dmax));
      ASSERT_TRUE(same_bits(max_pool2d_gather(v, at), max.y));
      ASSERT_TRUE(same_bits(avg_pool2d_grad(h, c.x, c.options), davg));
    }
  }
  const Tensor x = random_tensor({16, 8, 28, 28});
  const Tensor golden = avg_pool2d_grad(avg_pool2d(x, {}), x.shape(), {});
  const ComputeThreads two(2);
  EXPECT_TRUE(same_bits(avg_pool2d_grad(avg_pool2d(x, {}), x.shape(), {}), golden));
}

TEST(Pool, AnEmptyBatchGivesAnEmptyImage) {
  const Tensor x = Tensor::empty({0, 3, 4, 4}, DType::f32);
  const MaxPool2dResult r = max_pool2d(x, {});
  EXPECT_EQ(r.y.shape(), Shape({0, 3, 2, 2}));
  EXPECT_EQ(max_pool2d_grad(r.y, r.indices, x.shape()).shape(), x.shape());
  EXPECT_EQ(avg_pool2d_grad(avg_pool2d(x, {}), x.shape(), {}).shape(), x.shape());
}

TEST(Pool, RefusesWhatDoesNotFit) {
  const Tensor x = random_tensor({1, 1, 3, 5});
  const auto max = [&](const Pool2dOptions& o) { return error_of<ShapeError>([&] { max_pool2d(x, o); }); };
  EXPECT_EQ(max({.kernel = {4, 2}}),
            "[max_pool2d] expected an image of at least the kernel's size 4, got (1, 1, 3, 5) with padding 0");
  EXPECT_EQ(max({.kernel = {3, 2}, .padding = {2, 0}}),
            "[max_pool2d] expected padding of at most half the kernel, got 2 for kernel 3");
  EXPECT_EQ(max({.kernel = {0, 2}}),
            "[max_pool2d] expected a kernel of at least 1 and a stride of at least 0, got kernel 0 and stride 0");
  EXPECT_EQ(max({.dilation = {2, 0}}), "[max_pool2d] expected a dilation of at least 1, got 0");
  EXPECT_EQ(max({.kernel = {2, 2}, .stride = {1, 1}, .padding = {0, 3}, .dilation = {1, 6}}),
            "[max_pool2d] expected windows that meet the image, got dilation 6 and padding 3 for 5 values");
  EXPECT_EQ(max({.kernel = {4, 2}, .stride = {1, 1}, .ceil_mode = true}),
            "[max_pool2d] expected an image of at least the kernel's size 4, got (1, 1, 3, 5) with padding 0");
  EXPECT_EQ(max({.count_include_pad = false}),
            "[max_pool2d] expected neither count_include_pad nor divisor_override, which belong to averages");
  const auto average = [&](const Pool2dOptions& o) { return error_of<ShapeError>([&] { avg_pool2d(x, o); }); };
  EXPECT_EQ(average({.dilation = {1, 2}}),
            "[avg_pool2d] expected a dilation of 1, because only maxima have another, got (1, 2)");
  EXPECT_EQ(average({.divisor_override = 0}), "[avg_pool2d] expected a divisor_override other than 0, got 0");
  EXPECT_EQ(error_of<ShapeError>([&] {
              avg_pool2d(random_tensor({3, 5}), {});
            }),
            "[avg_pool2d] expected x (N, C, H, W), got (3, 5)");
  EXPECT_EQ(error_of<DtypeError>([&] {
              avg_pool2d(random_tensor({1, 1, 3, 5}, DType::i64), {});
            }),
            "[avg_pool2d] expected f32, f64, bf16 or f16, got i64 (1, 1, 3, 5) on cpu");
  EXPECT_EQ(error_of<ShapeError>([&] { avg_pool2d_grad(x, x.shape(), {}); }),
            "[avg_pool2d gradient] expected g of shape (1, 1, 1, 2), got (1, 1, 3, 5)");
  const MaxPool2dResult r = max_pool2d(x, {});
  EXPECT_EQ(error_of<ShapeError>([&] { max_pool2d_grad(x, r.indices, x.shape()); }),
            "[max_pool2d gradient] expected g of shape (1, 1, 1, 2), got (1, 1, 3, 5)");
  EXPECT_EQ(error_of<ShapeError>([&] {
              max_pool2d_gather(random_tensor({1, 2, 3, 5}), r.indices);
            }),
            "[max_pool2d gather] expected indices (N, C, P, Q) for an image (1, 2, 3, 5), got (1, 1, 1, 2)");
  r.indices.data<std::int64_t>()[1] = 15;
  EXPECT_EQ(error_of<IndexError>([&] { max_pool2d_grad(r.y, r.indices, x.shape()); }),
            "[max_pool2d gradient] expected indices in 0..14, got one outside the plane: 15");
}

// One sum in f32 would stand still at 2^24 ones.
TEST(Pool, AveragesALargeWindowWithoutLosingItsValues) {
  const auto average = [](const Shape& window) {
    const Tensor x = full({1, 1, window[0], window[1]}, 0.1, DType::f32);
    return avg_pool2d(x, {.kernel = {window[0], window[1]}}).data<float>()[0];
  };
  EXPECT_NEAR(average({512, 512}), 0.1, 1e-6);
  EXPECT_NEAR(average({5000, 5000}), 0.1, 1e-6);
  EXPECT_NEAR(average({1, 20'000'000}), 0.1, 1e-6);
}

}  // namespace
}  // namespace hop::kernels
