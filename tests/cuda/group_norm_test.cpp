#include "kernels/group_norm.h"

#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using CudaGroupNorm = OnDevice;

constexpr double kEps = 1e-5;

void expect_near(const std::vector<Tensor>& results, const std::vector<Tensor>& expected, DType dtype,
                 const std::string& what) {
  ASSERT_EQ(results.size(), expected.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    ASSERT_EQ(results[i].defined(), expected[i].defined());
    if (!results[i].defined()) continue;
    EXPECT_TRUE(near(results[i], expected[i], epsilon(dtype, 256))) << what << ", result " << i;
  }
}

Tensor there_or_none(const Tensor& x) { return x.defined() ? on_device(x) : x; }

/// Forward and backward on the device against the CPU.
void check(const Tensor& x, std::int64_t groups, bool with_parameters) {
  const auto parameter = [&](std::uint64_t seed) {
    return with_parameters ? random_tensor({x.size(1)}, x.dtype(), seed, 0.5, 2) : Tensor();
  };
  const Tensor weight = parameter(11), bias = parameter(12), g = random_tensor(x.shape(), x.dtype(), 3);
  const Tensor x_there = on_device(x), g_there = on_device(g), w = there_or_none(weight), b = there_or_none(bias);
  const std::string what = x.describe() + " in " + std::to_string(groups);
  const NormResult expected = group_norm(x, groups, weight, bias, kEps);
  expect_near(in_every_schedule([&] {
                const NormResult r = group_norm(x_there, groups, w, b, kEps);
                return std::vector{r.y, r.mean, r.rstd};
              }),
              {expected.y, expected.mean, expected.rstd}, x.dtype(), what);
  const Tensor mean = on_device(expected.mean), rstd = on_device(expected.rstd);
  const auto list = [](const NormGrads& r) { return std::vector{r.dx, r.dweight, r.dbias}; };
  expect_near(in_every_schedule([&] { return list(group_norm_grad(g_there, x_there, w, mean, rstd)); }),
              list(group_norm_grad(g, x, weight, expected.mean, expected.rstd)), x.dtype(), "gradient of " + what);
}

// Rows of every kind that rows_device.h knows: groups of 3 to 8,200 values, channels of 1 to 4,100.
TEST_F(CudaGroupNorm, IsTheCpusForwardAndBackward) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    check(random_tensor({2, 6}, dtype, 1, -2, 3), 2, true);
    check(random_tensor({3, 4, 5}, dtype, 1, -2, 3), 2, true);
    check(random_tensor({2, 6, 3, 7}, dtype, 1, -2, 3), 3, false);
    check(random_tensor({2, 8, 8, 8}, dtype, 1, -2, 3), 4, true);
    check(random_tensor({1, 4, 131}, dtype, 1, -2, 3), 2, true);
    check(random_tensor({1, 4, 700}, dtype, 1, -2, 3), 2, true);
    check(random_tensor({1, 2, 3000}, dtype, 1, -2, 3), 1, true);
    check(random_tensor({1, 2, 4100}, dtype, 1, -2, 3), 1, true);
    check(random_tensor({70, 64}, dtype, 1, -2, 3), 32, true);
  }
}

TEST_F(CudaGroupNorm, HasTheSameBitsInEveryLayoutAndAtEveryAddress) {
  const Tensor x = on_device(random_tensor({2, 4, 3, 5})), w = on_device(random_tensor({4}, DType::f32, 2));
  const NormResult r = group_norm(x, 2, w, w, kEps);
  const NormGrads grads = group_norm_grad(x, x, w, r.mean, r.rstd);
  for (const std::int64_t offset : {1, 2, 3}) {
    const Tensor moved = on_device(shifted(on_host(x), offset));
    EXPECT_TRUE(same_bits(on_host(group_norm(moved, 2, w, w, kEps).y), on_host(r.y)));
    EXPECT_TRUE(same_bits(on_host(group_norm_grad(moved, moved, w, r.mean, r.rstd).dx), on_host(grads.dx)));
  }
  const Tensor strided = x.as_strided({2, 4, 5, 3}, {60, 15, 1, 5}, 0);
  EXPECT_TRUE(near(on_host(group_norm(strided, 2, w, w, kEps).y),
                   group_norm(on_host(strided), 2, on_host(w), on_host(w), kEps).y, epsilon(DType::f32, 64)));
}

TEST_F(CudaGroupNorm, OfNoSamplesIsEmpty) {
  const Tensor none = on_device(random_tensor({0, 4, 3})), w = on_device(random_tensor({4}));
  const NormResult r = group_norm(none, 2, w, w, kEps);
  EXPECT_EQ(r.y.numel(), 0);
  EXPECT_TRUE(close(on_host(group_norm_grad(none, none, w, r.mean, r.rstd).dbias), {0, 0, 0, 0}, 0, 0));
}

}  // namespace
}  // namespace hop::kernels::cuda
