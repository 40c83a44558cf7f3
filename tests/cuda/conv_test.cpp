// Convolutions on the device against the CPU's plain loops in double, for every pass and option; our own kernels also
// bit by bit under every schedule.
#include "kernels/conv.h"

#include "kernels/cuda/operations_internal.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::random_tensor;
using hop::testing::same_bits_in_every_schedule;
using hop::testing::values;

struct Case {
  const char* name;
  Shape x, weight;
  Conv2dOptions options;
};

const std::vector<Case> kCases = {
    {"Plain", {2, 3, 7, 6}, {4, 3, 3, 3}, {}},
    {"OneByOne", {1, 5, 4, 4}, {3, 5, 1, 1}, {}},
    {"StridesAndPadding", {2, 2, 9, 8}, {3, 2, 3, 2}, {.stride = {2, 3}, .padding = {1, 2}}},
    {"Dilation", {1, 2, 11, 9}, {2, 2, 3, 3}, {.padding = {2, 0}, .dilation = {2, 3}}},
    {"Groups", {3, 6, 5, 5}, {4, 3, 2, 2}, {.padding = {1, 1}, .groups = 2}},
    {"Depthwise", {1, 4, 6, 6}, {8, 1, 3, 3}, {.stride = {2, 1}, .groups = 4}},
    {"WindowLargerThanTheImage", {1, 1, 2, 2}, {1, 1, 5, 5}, {.padding = {2, 2}}},
};

class CudaConv : public OnDevice, public ::testing::WithParamInterface<Case> {
 protected:
  const Case& c_ = GetParam();

  /// forward with bias, input gradient, weight gradient, computed where the operands are.
  std::vector<Tensor> passes(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& g) const {
    return {kernels::conv2d(x, weight, bias, c_.options), kernels::conv2d_input_grad(g, weight, x.shape(), c_.options),
            kernels::conv2d_weight_grad(g, x, weight.shape(), c_.options)};
  }
  std::vector<Tensor> operands(DType dtype) const {
    const Shape y = conv2d_shape(c_.x, c_.weight, c_.options);
    return {random_tensor(c_.x, dtype, 1), random_tensor(c_.weight, dtype, 2), random_tensor({y[1]}, dtype, 3),
            random_tensor(y, dtype, 4)};
  }
  std::vector<Tensor> on_cuda(DType dtype) const {
    const auto o = operands(dtype);
    auto results = passes(on_device(o[0]), on_device(o[1]), on_device(o[2]), on_device(o[3]));
    for (Tensor& r : results) r = on_host(r);
    return results;
  }
  void expect_agreement(DType dtype, double tolerance) const {
    const auto o = operands(DType::f64);
    const auto expected = passes(o[0], o[1], o[2], o[3]);
    const auto results = on_cuda(dtype);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(hop::testing::close(results[i], values<double>(expected[i]), tolerance, tolerance)) << "pass " << i;
    }
  }
};

TEST_P(CudaConv, OwnKernelsAgreeWithTheDefinition) {
  const MathGuard own({.own_kernels = true});
  expect_agreement(DType::f64, 1e-13);
  expect_agreement(DType::f32, 2e-5);
}

TEST_P(CudaConv, TheDefaultAgreesWithTheDefinition) { expect_agreement(DType::f32, 2e-5); }

TEST_P(CudaConv, OwnKernelsDoNotDependOnTheSchedule) {
  const MathGuard own({.own_kernels = true});
  same_bits_in_every_schedule([&] {
    std::vector<float> all;
    for (const Tensor& r : on_cuda(DType::f32)) {
      const auto list = values<float>(r);
      all.insert(all.end(), list.begin(), list.end());
    }
    return all;
  });
}

INSTANTIATE_TEST_SUITE_P(Cases, CudaConv, ::testing::ValuesIn(kCases),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace hop::kernels::cuda
