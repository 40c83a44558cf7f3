#include "kernels/pool.h"

#include <limits>

#include "base/error.h"
#include "kernels/copy.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using CudaPool = OnDevice;

struct Case {
  Shape x;
  Pool2dOptions options;
};
const std::vector<Case> kCases = {
    {{1, 1, 2, 2}, {}},
    {{2, 3, 8, 8}, {}},
    {{2, 3, 9, 12}, {}},                         // packets of windows, and a last row that no window covers
    {{1, 2, 7, 33}, {}},                         // what no window covers is left out
    {{3, 1, 9, 31}, {{3, 3}, {1, 1}, {1, 1}}},   // overlapping windows
    {{1, 2, 11, 70}, {{3, 5}, {2, 1}, {1, 2}}},  // rows of more than sixteen outputs
    {{2, 1, 5, 40}, {{2, 3}, {3, 2}, {0, 1}}},   // gaps between windows
    {{1, 1, 6, 6}, {{6, 6}, {1, 1}, {3, 3}}},
};

const std::vector<Case> kCeilCases = {
    {{2, 3, 7, 33}, {.ceil_mode = true}},
    {{1, 2, 9, 8}, {.ceil_mode = true}},  // rows of whole packets, and a last window that reaches out
    {{1, 2, 8, 18}, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}, .ceil_mode = true}},
    {{1, 1, 20, 33}, {.kernel = {20, 30}, .stride = {7, 20}, .padding = {4, 15}, .ceil_mode = true}},
};
const std::vector<Case> kDilatedCases = {
    {{2, 3, 9, 40}, {.kernel = {2, 3}, .stride = {1, 1}, .dilation = {2, 3}}},
    {{1, 2, 11, 37}, {.kernel = {3, 3}, .stride = {2, 3}, .padding = {2, 3}, .dilation = {2, 3}}},
    {{1, 2, 6, 5}, {.kernel = {2, 3}, .padding = {2, 2}, .dilation = {3, 2}, .ceil_mode = true}},
    {{1, 1, 8, 8}, {.dilation = {2, 1}}},
};
std::vector<Case> joined(const std::vector<std::vector<Case>>& lists) {
  std::vector<Case> all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}
/// Averages that count in three ways.
std::vector<Case> average_cases() {
  std::vector<Case> all = joined({kCases, kCeilCases});
  for (Case c : joined({kCases, kCeilCases})) {
    c.options.count_include_pad = false;
    all.push_back(c);
    c.options.divisor_override = -7;
    all.push_back(c);
  }
  return all;
}

TEST_F(CudaPool, MaxHasTheCpusBitsForwardAndBackward) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Case& c : joined({kCases, kCeilCases, kDilatedCases})) {
      const Tensor x = random_tensor(c.x, dtype), x_there = on_device(x);
      const MaxPool2dResult expected = max_pool2d(x, c.options);
      const Tensor g = random_tensor(expected.y.shape(), dtype, 2), g_there = on_device(g);
      const auto y = in_every_schedule([&] {
        const MaxPool2dResult r = max_pool2d(x_there, c.options);
        return std::vector{r.y, r.indices, max_pool2d_grad(g_there, r.indices, c.x),
                           max_pool2d_gather(x_there, r.indices), max_pool2d_grad(g_there, r.indices, c.x, &c.options)};
      });
      EXPECT_TRUE(same_bits(y[0], expected.y)) << x.describe();
      EXPECT_TRUE(same_bits(y[1], expected.indices)) << x.describe();
      EXPECT_TRUE(same_bits(y[2], max_pool2d_grad(g, expected.indices, c.x))) << x.describe();
      EXPECT_TRUE(same_bits(y[3], max_pool2d_gather(x, expected.indices))) << x.describe();
      EXPECT_TRUE(same_bits(y[4], y[2])) << "gathered by windows: " << x.describe();
    }
  }
}

TEST_F(CudaPool, AvgHasTheCpusBitsForwardAndBackward) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Case& c : average_cases()) {
      const Tensor x = random_tensor(c.x, dtype), x_there = on_device(x), expected = avg_pool2d(x, c.options);
      const Tensor g = random_tensor(expected.shape(), dtype, 2), g_there = on_device(g);
      const auto y = in_every_schedule([&] {
        return std::vector{avg_pool2d(x_there, c.options), avg_pool2d_grad(g_there, c.x, c.options)};
      });
      EXPECT_TRUE(same_bits(y[0], expected)) << x.describe();
      EXPECT_TRUE(same_bits(y[1], avg_pool2d_grad(g, c.x, c.options))) << x.describe();
    }
  }
}

TEST_F(CudaPool, AddsGradientsOfOnePlaceInTheOrderOfTheOutputs) {
  const Shape image = {3, 1, 4, 5};
  const Tensor indices = random_tensor({3, 1, 9, 13}, DType::i64, 3, 0, 3);  // 117 outputs on three places
  const Tensor g = random_tensor({3, 1, 9, 13}), g_there = on_device(g), indices_there = on_device(indices);
  const auto dx = in_every_schedule([&] { return std::vector{max_pool2d_grad(g_there, indices_there, image)}; });
  EXPECT_TRUE(same_bits(dx[0], max_pool2d_grad(g, indices, image)));
}

TEST_F(CudaPool, AddsGradientsOfPlanesThatDoNotFitIntoSharedMemory) {
  const Shape image = {1, 2, 113, 112};  // 50,624 bytes
  const Tensor x = random_tensor(image);
  const MaxPool2dResult r = max_pool2d(x, {{3, 3}, {2, 2}, {1, 1}});
  const Tensor dx = on_host(max_pool2d_grad(on_device(r.y), on_device(r.indices), image));
  EXPECT_TRUE(same_bits(dx, max_pool2d_grad(r.y, r.indices, image)));
}

TEST_F(CudaPool, LetsTheFirstNanWinAndNamesAPlaceInWindowsOfInfinity) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Tensor x = random_tensor({1, 1, 6, 6});
  for (std::int64_t i = 0; i < 12; ++i) x.data<float>()[i] = -kInfinity;
  x.data<float>()[14] = x.data<float>()[20] = NAN;
  x.data<float>()[30] = kInfinity;
  for (const Pool2dOptions& options :
       {Pool2dOptions{}, Pool2dOptions{{3, 3}, {2, 2}, {1, 1}}, Pool2dOptions{{2, 2}, {1, 1}, {1, 1}, {2, 2}, true}}) {
    const MaxPool2dResult there = max_pool2d(on_device(x), options), here = max_pool2d(x, options);
    EXPECT_TRUE(same_bits(on_host(there.y), here.y));
    EXPECT_TRUE(same_bits(on_host(there.indices), here.indices));
  }
}

TEST_F(CudaPool, AnIndexOutsideItsPlaneIsAnIndexErrorAtTheNextSynchronize) {
  const auto wait = [] { backend(Device::cuda()).synchronize(); };
  for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{9}, std::numeric_limits<std::int64_t>::max()}) {
    const Tensor indices = on_device(Tensor::from<std::int64_t>({0, 8, 3, wrong}, {1, 1, 2, 2}));
    const Tensor dx = max_pool2d_grad(on_device(full({1, 1, 2, 2}, 2.0)), indices, {1, 1, 3, 3});
    EXPECT_EQ(error_of<IndexError>(wait),
              "[max_pool2d_grad] expected indices inside their dimension, got another at position 3 (found when the "
              "device was waited for)");
    EXPECT_TRUE(close(on_host(dx), {2, 0, 0, 2, 0, 0, 0, 0, 2}, 0, 0));
    const Tensor y = max_pool2d_gather(on_device(full({1, 1, 3, 3}, 2.0)), indices);
    EXPECT_NE(error_of<IndexError>(wait), "nothing thrown");
    EXPECT_TRUE(close(on_host(y), {2, 2, 2, NAN}, 0, 0));
  }
}

}  // namespace
}  // namespace hop::kernels::cuda
