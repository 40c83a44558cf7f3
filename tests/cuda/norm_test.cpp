#include "kernels/norm.h"

#include "tests/cuda/results.h"
#include "tests/kernels/batch_norm_tail.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using CudaLayerNorm = OnDevice;
using CudaBatchNorm = OnDevice;

constexpr double kEps = 1e-5;

double tolerance(DType dtype) { return epsilon(dtype, 64); }

struct Parameters {
  Tensor weight, bias;

  Parameters on_device() const {
    return weight.defined() ? Parameters{cuda::on_device(weight), cuda::on_device(bias)} : Parameters{};
  }
};
/// Random ones of `shape`, or none.
Parameters parameters(const Shape& shape, DType dtype, bool some) {
  if (!some) return {};
  return {random_tensor(shape, dtype, 11, 0.5, 2), random_tensor(shape, dtype, 12)};
}

void expect_near(const std::vector<Tensor>& results, const std::vector<Tensor>& expected, double unit,
                 const std::string& what) {
  ASSERT_EQ(results.size(), expected.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    ASSERT_EQ(results[i].defined(), expected[i].defined());
    if (!results[i].defined()) continue;
    EXPECT_TRUE(near(results[i], expected[i], unit)) << what << ", result " << i;
  }
}

std::vector<Tensor> list(const NormResult& r) { return {r.y, r.mean, r.rstd, r.var}; }
std::vector<Tensor> list(const NormGrads& r) { return {r.dx, r.dweight, r.dbias}; }

/// Forward and backward on the device against the CPU.
void check_layer_norm(const Tensor& x, const Shape& normalized, bool with_parameters) {
  const Parameters p = parameters(normalized, x.dtype(), with_parameters);
  const Tensor x_there = on_device(x);
  const Parameters there = p.on_device();
  const NormResult expected = layer_norm(x, p.weight, p.bias, kEps);
  expect_near(in_every_schedule([&] { return list(layer_norm(x_there, there.weight, there.bias, kEps)); }),
              list(expected), tolerance(x.dtype()), "forward of " + x.describe());

  const Tensor g = random_tensor(x.shape(), x.dtype(), 3), g_there = on_device(g);
  const Tensor mean = on_device(expected.mean), rstd = on_device(expected.rstd);
  expect_near(in_every_schedule([&] { return list(layer_norm_grad(g_there, x_there, there.weight, mean, rstd)); }),
              list(layer_norm_grad(g, x, p.weight, expected.mean, expected.rstd)), tolerance(x.dtype()) * 4,
              "gradient of " + x.describe());
}

void check_batch_norm(const Tensor& x, bool with_parameters) {
  const Parameters p = parameters({x.shape()[1]}, x.dtype(), with_parameters);
  const Tensor x_there = on_device(x);
  const Parameters there = p.on_device();
  const NormResult expected = batch_norm(x, p.weight, p.bias, kEps);
  expect_near(in_every_schedule([&] { return list(batch_norm(x_there, there.weight, there.bias, kEps)); }),
              list(expected), tolerance(x.dtype()), "forward of " + x.describe());

  const Tensor g = random_tensor(x.shape(), x.dtype(), 3), g_there = on_device(g);
  const Tensor mean = on_device(expected.mean), rstd = on_device(expected.rstd);
  const auto rest = in_every_schedule([&] {
    std::vector<Tensor> results = list(batch_norm_grad(g_there, x_there, there.weight, mean, rstd));
    results.push_back(batch_norm_apply(x_there, there.weight, there.bias, mean, rstd));
    return results;
  });
  std::vector<Tensor> wanted = list(batch_norm_grad(g, x, p.weight, expected.mean, expected.rstd));
  wanted.push_back(batch_norm_apply(x, p.weight, p.bias, expected.mean, expected.rstd));
  expect_near(rest, wanted, tolerance(x.dtype()) * 4, "gradient of " + x.describe());
  EXPECT_TRUE(same_bits(rest[3], wanted[3])) << "given statistics leave nothing to sum";
}

TEST_F(CudaLayerNorm, IsTheCpusForwardAndBackward) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::int64_t length : {1, 16, 31, 32, 33, 256, 260, 1023, 1024, 1500, 2044, 4096, 4099, 8188, 8193})
      check_layer_norm(random_tensor({3, length}, dtype, 1, -2, 3), {length}, true);
    check_layer_norm(random_tensor({2, 3, 5, 7}, dtype), {5, 7}, true);
    for (const std::int64_t length : {33, 1500, 4100, 8193})
      check_layer_norm(random_tensor({2, length}, dtype), {length}, false);
  }
}

TEST_F(CudaLayerNorm, SumsTheGradientsOfItsParametersInParts) {
  check_layer_norm(random_tensor({331, 8}), {8}, true);
  check_layer_norm(random_tensor({131, 70}), {70}, true);
  check_layer_norm(random_tensor({37, 260}), {260}, true);  // in one walk over the rows
}

TEST_F(CudaLayerNorm, KeepsTheDigitsOfRowsFarFromZero) {
  const Tensor x = random_tensor({2, 300}, DType::f32, 5, 10'000, 10'001);
  EXPECT_TRUE(near(on_host(layer_norm(on_device(x), {}, {}, kEps).y), layer_norm(x, {}, {}, kEps).y, 8e-3));
}

TEST_F(CudaLayerNorm, HasTheSameBitsAtEveryAddress) {
  const Tensor x = random_tensor({3, 1024}), expected = on_host(layer_norm(on_device(x), {}, {}, kEps).y);
  for (std::int64_t offset = 1; offset < 4; ++offset)
    EXPECT_TRUE(same_bits(on_host(layer_norm(on_device(shifted(x, offset)), {}, {}, kEps).y), expected));

  const Tensor weight = on_device(random_tensor({1024}, DType::f32, 2));
  const Tensor mean = on_device(random_tensor({3}, DType::f32, 3)), rstd = on_device(random_tensor({3}, DType::f32, 4));
  const auto gradient = [&](const Tensor& of) {
    const NormGrads grads = layer_norm_grad(of, of, weight, mean, rstd);
    return std::array{on_host(grads.dx), on_host(grads.dweight), on_host(grads.dbias)};
  };
  const auto wanted = gradient(on_device(x)), there = gradient(on_device(shifted(x, 1)));
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE(same_bits(there[i], wanted[i])) << i;
}

TEST_F(CudaBatchNorm, IsTheCpusForwardAndBackward) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape :
         {Shape{2, 1, 1}, {31, 3}, {33, 5}, {4, 3, 8, 8}, {2, 2, 1023}, {3, 2, 5, 7}, {5, 2, 3}, {31, 9}, {300, 16}})
      check_batch_norm(random_tensor(shape, dtype, 1, -2, 3), true);
    check_batch_norm(random_tensor({6, 2, 4, 4}, dtype), false);
  }
}

TEST_F(CudaBatchNorm, MergesThePartsOfAChannel) {
  check_batch_norm(random_tensor({3, 2, 1000}), true);    // two parts, the second is short
  check_batch_norm(random_tensor({2049, 9}), true);       // of channels side by side
  if (kRaceCheck) return;                                 // more parts race no more than two
  check_batch_norm(random_tensor({5, 1, 5003}), true);    // 13 parts of single values
  check_batch_norm(random_tensor({2, 1, 80'000}), true);  // 40 parts: some lanes merge two
}

TailResults brought_home(TailResults results) {
  for (Tensor& x : results) x = x.defined() ? on_host(x) : x;
  return results;
}

/// The tail in the same pass against operations of its own, every one at addresses `offset` elements off.
void check_tails(const Shape& shape, DType dtype, std::int64_t offset = 0) {
  SCOPED_TRACE(shape.to_string() + " " + std::string(name(dtype)));
  for (const TailCase& c : tail_cases(shape, dtype)) {
    const auto there = [&] { return c.map([&](const Tensor& t) { return on_device(shifted(t, offset)); }); };
    const TailResults expected = brought_home(one_by_one(there()));
    expect_same_results(brought_home(in_one_pass(there(), false)), expected);
    expect_same_results(in_every_schedule([&] { return in_one_pass(there(), true); }), expected);
  }
}

TEST_F(CudaBatchNorm, HasATailWithTheBitsOfTheOperationsOneAfterTheOther) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : {Shape{33, 5}, {31, 9}, {4, 3, 4, 4}, {3, 2, 5, 7}}) check_tails(shape, dtype);
  }
  check_tails({2, 1, 1}, DType::f32);
  check_tails({2, 3, 16}, DType::f32, 1);
  check_tails({3, 1, 1000}, DType::f32);  // two parts
}

TEST_F(CudaBatchNorm, HasATailOnPartsOfChannelsSideBySide) {
  if (kRaceCheck) GTEST_SKIP() << "too slow for the race check, which has seen parts";
  for (const TailCase& c : tail_cases({2049, 9}, DType::f32)) {
    if (!c.relu || !c.weight.defined()) continue;
    const TailCase there = c.map([](const Tensor& t) { return on_device(t); });
    expect_same_results(brought_home(in_one_pass(there, false)), brought_home(one_by_one(there)));
  }
}

TEST_F(CudaBatchNorm, LetsNanPassThroughItsTail) {
  for (TailCase c : tail_cases({2, 3, 5}, DType::f32)) {
    c = c.map([](const Tensor& t) { return shifted(t, 0); });
    c.x.data<float>()[7] = NAN;
    if (c.residual.defined()) c.residual.data<float>()[1] = NAN;
    const auto there = [&] { return c.map([](const Tensor& t) { return on_device(t); }); };
    EXPECT_TRUE(std::isnan(on_host(in_one_pass(there(), false)[0]).data<float>()[7]));
    expect_same_results(in_every_schedule([&] { return in_one_pass(there(), true); }),
                        brought_home(one_by_one(there())));
  }
}

TEST_F(CudaBatchNorm, KeepsTheDigitsOfChannelsFarFromZero) {
  const Tensor x = random_tensor({4, 1, 2000}, DType::f32, 5, 10'000, 10'001);
  EXPECT_TRUE(near(on_host(batch_norm(on_device(x), {}, {}, kEps).y), batch_norm(x, {}, {}, kEps).y, 8e-3));
}

TEST_F(CudaBatchNorm, HasTheSameBitsAtEveryAddress) {
  const Tensor x = random_tensor({3, 2, 1024}), expected = on_host(batch_norm(on_device(x), {}, {}, kEps).y);
  for (std::int64_t offset = 1; offset < 4; ++offset)
    EXPECT_TRUE(same_bits(on_host(batch_norm(on_device(shifted(x, offset)), {}, {}, kEps).y), expected));
}

TEST_F(CudaBatchNorm, LeavesANanInItsChannel) {
  Tensor x = random_tensor({2, 3, 5});
  x.data<float>()[7] = NAN;
  EXPECT_TRUE(near(on_host(batch_norm(on_device(x), {}, {}, kEps).y), batch_norm(x, {}, {}, kEps).y, 1e-5));
}

}  // namespace
}  // namespace hop::kernels::cuda
