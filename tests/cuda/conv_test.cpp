// Convolutions on the device against the CPU's plain loops in double, for every pass and option; our own kernels also
// bit by bit under every schedule. What is done around cuDNN in bf16 and f16 is tested with a
// stand-in for it.
#include "kernels/conv.h"

#include "kernels/copy.h"
#include "kernels/cuda/conv_internal.h"
#include "kernels/elementwise.h"
#include "tests/cuda/bf16.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"
#include "tests/kernels/f16.h"
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
    {"AcrossTilesOfChannels", {2, 18, 9, 7}, {35, 18, 3, 3}, {.padding = {1, 1}}},
    {"AcrossTilesOfPixelsAndParts", {3, 2, 20, 19}, {17, 2, 5, 5}, {}},
    {"WideGroups", {2, 16, 6, 5}, {24, 8, 3, 3}, {.stride = {2, 1}, .padding = {1, 2}, .groups = 2}},
    {"WideStrides", {1, 40, 9, 8}, {70, 40, 2, 3}, {.stride = {3, 2}, .dilation = {2, 1}}},
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

// Without cuDNN our own kernels compute, strict.
TEST_P(CudaConv, ShortenedFactorsAgreeWithTheDefinitionToTheirDigits) {
  const PrecisionScope tf32(Precision::tf32);
  expect_agreement(DType::f32, 5e-3);
  const PrecisionScope bf16(Precision::bf16);
  expect_agreement(DType::f32, 4e-2);
  const PrecisionScope f16(Precision::f16);
  expect_agreement(DType::f32, 5e-3);
}

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

TEST(CudaConvWay, KeepsTheFactorsOfFirstLayers) {
  for (const Precision precision : {Precision::strict, Precision::tf32, Precision::bf16, Precision::f16}) {
    const ConvSizes grey{64, 1, 28, 28, 16, 5, 5, 24, 24, {}}, colours{64, 3, 32, 32, 16, 3, 3, 32, 32, {}};
    for (const ConvSizes& z : {grey, colours}) {
      EXPECT_EQ(conv_way(ConvPass::forward, z, precision), ConvWay::own);
      EXPECT_EQ(conv_way(ConvPass::weight_grad, z, precision), ConvWay::own);
      EXPECT_EQ(conv_way(ConvPass::input_grad, z, precision), ConvWay::cudnn);
    }
    const ConvSizes depthwise{64, 16, 32, 32, 16, 3, 3, 32, 32, {.groups = 16}};
    EXPECT_EQ(conv_way(ConvPass::forward, depthwise, precision), ConvWay::cudnn);
    EXPECT_EQ(conv_way(ConvPass::weight_grad, depthwise, precision), ConvWay::cudnn);
  }
}

TEST(CudaConvWay, ComputesStrictWeightGradientsOfFewFilters) {
  const ConvSizes few{64, 16, 32, 32, 32, 3, 3, 16, 16, {}}, many{64, 64, 8, 8, 64, 3, 3, 8, 8, {}};
  EXPECT_EQ(conv_way(ConvPass::weight_grad, few, Precision::strict), ConvWay::own);
  EXPECT_EQ(conv_way(ConvPass::weight_grad, few, Precision::tf32), ConvWay::cudnn);
  EXPECT_EQ(conv_way(ConvPass::weight_grad, many, Precision::strict), ConvWay::cudnn);
  EXPECT_EQ(conv_way(ConvPass::forward, few, Precision::strict), ConvWay::cudnn);
  EXPECT_EQ(conv_way(ConvPass::input_grad, few, Precision::strict), ConvWay::cudnn);
}

// ---- first layers

struct Sides {
  std::int64_t n, c, h, w, k, r, s;
  Conv2dOptions options = {};
};

class CudaFirstLayer : public OnDevice {
 protected:
  static ConvSizes sizes(const Sides& z) {
    const Shape y = conv2d_shape({z.n, z.c, z.h, z.w}, {z.k, z.c, z.r, z.s}, z.options);
    return {z.n, z.c, z.h, z.w, z.k, z.r, z.s, y[2], y[3], z.options};
  }
};

// One, two and many filters of a block; fewer pixels than threads, several rectangles down and across an image, the
// last ones cut; windows that see the margin on every side, or nothing else; windows so large that a block has half of
// its pixels.
const Sides kFirstLayers[] = {
    {2, 1, 28, 28, 6, 5, 5, {.padding = {2, 2}}},
    {1, 3, 32, 32, 16, 3, 3, {.padding = {1, 1}}},
    {3, 3, 9, 140, 17, 3, 5, {.padding = {1, 2}}},
    {1, 2, 47, 31, 33, 2, 3, {.stride = {1, 2}, .padding = {3, 0}, .dilation = {4, 1}}},
    {1, 3, 65, 63, 5, 7, 7, {.stride = {2, 2}, .padding = {3, 3}}},
    {1, 4, 65, 63, 5, 7, 7, {.stride = {2, 2}, .padding = {3, 3}}},
    {2, 4, 3, 3, 1, 3, 3, {.padding = {5, 5}}},
    {1, 1, 1, 1, 1, 1, 1},
    {2, 1, 1, 300, 2, 1, 9, {.padding = {0, 4}}},
};

TEST_F(CudaFirstLayer, HasTheBitsOfTilesAndAnAdditionOfTheBias) {
  for (const Sides& z : kFirstLayers) {
    SCOPED_TRACE(::testing::Message() << z.n << " " << z.c << " x " << z.h << " x " << z.w << " to " << z.k);
    const ConvSizes all = sizes(z);
    const Tensor x = on_device(random_tensor({z.n, z.c, z.h, z.w}, DType::f32, 1));
    const Tensor weight = on_device(random_tensor({z.k, z.c, z.r, z.s}, DType::f32, 2));
    const Tensor bias = on_device(random_tensor({z.k}, DType::f32, 3));
    const auto empty = [&] { return full({z.n, z.k, all.p, all.q}, -7, DType::f32, Device::cuda()); };
    const Tensor expected = empty(), plain = empty(), with_bias = empty();
    conv2d_in_tiles(ConvPass::forward, all, x, weight, expected);
    ASSERT_TRUE(conv2d_of_first_layer(all, x, weight, {}, plain));
    ASSERT_TRUE(conv2d_of_first_layer(all, x, weight, bias, with_bias));
    EXPECT_TRUE(hop::testing::same_bits(on_host(plain), on_host(expected)));
    const Tensor sum = kernels::add(expected, bias.as_strided({z.k, 1, 1}, {1, 1, 1}, 0));
    EXPECT_TRUE(hop::testing::same_bits(on_host(with_bias), on_host(sum)));
  }
}

TEST_F(CudaFirstLayer, DoesNotDependOnTheSchedule) {
  const Sides z{1, 3, 11, 70, 17, 3, 3, {.padding = {1, 1}}};
  const Tensor x = random_tensor({z.n, z.c, z.h, z.w}, DType::f32, 1);
  const Tensor weight = random_tensor({z.k, z.c, z.r, z.s}, DType::f32, 2);
  const ConvSizes all = sizes(z);
  same_bits_in_every_schedule([&] {
    const Tensor y = full({z.n, z.k, all.p, all.q}, 0, DType::f32, Device::cuda());
    EXPECT_TRUE(conv2d_of_first_layer(all, on_device(x), on_device(weight), {}, y));
    return values<float>(on_host(y));
  });
}

TEST_F(CudaFirstLayer, LeavesOtherLayersAlone) {
  const Sides others[] = {
      {1, 5, 6, 6, 2, 3, 3},                                            // many channels
      {1, 4, 6, 6, 4, 3, 3},                                            // a first layer, in f64 below
      {1, 4, 9, 9, 2, 15, 15, {.padding = {9, 9}}},                     // filters that take too much shared memory
      {1, 3, 3, 6000, 1, 1, 2, {.dilation = {1, 5000}}},                // windows that do
      {1, 3, 13, 224, 1, 7, 7, {.stride = {2, 2}, .padding = {3, 3}}},  // windows that leave less than half a block
  };
  for (const Sides& z : others) {
    const ConvSizes all = sizes(z);
    const DType dtype = z.k == 4 ? DType::f64 : DType::f32;
    const Tensor x = on_device(random_tensor({z.n, z.c, z.h, z.w}, dtype, 1));
    const Tensor weight = on_device(random_tensor({z.k, z.c, z.r, z.s}, dtype, 2));
    const Tensor y = full({z.n, z.k, all.p, all.q}, -7, dtype, Device::cuda());
    EXPECT_FALSE(conv2d_of_first_layer(all, x, weight, {}, y));
    EXPECT_TRUE(hop::testing::same_bits(on_host(y), full(y.shape(), -7, dtype, Device::cpu())));
  }
}

// ---- bf16 and f16

using hop::testing::fetch_bf16;
using hop::testing::from_bf16;
using hop::testing::rounded_to_bf16;
using hop::testing::to_bf16;

/// The numbers of 16 bits of a mode.
struct Format {
  Precision precision;
  double (*from)(std::uint16_t bits);
  std::uint16_t (*to)(double x);
  Tensor (*rounded)(const Tensor& x);
};
constexpr Format kFormats[] = {
    {Precision::bf16, from_bf16, to_bf16, rounded_to_bf16},
    {Precision::f16, hop::testing::from_f16, hop::testing::to_f16, hop::testing::rounded_to_f16}};

/// Does a convolution as cuDNN promises to: on three arrays of a format with channels innermost, one of them computed
/// from the others in more digits and rounded once.
class StandIn {
 public:
  explicit StandIn(const Format& format) : format_(&format) {}

  bool operator()(const dnn::Convolution& conv, void* x, void* weight, void* y) const {
    EXPECT_EQ(conv.precision, format_->precision);
    EXPECT_TRUE(conv.channels_last);
    const ConvSizes& z = conv.sizes;
    const Shape image{z.n, z.c, z.h, z.w}, filters{z.k, z.c / z.options.groups, z.r, z.s}, result{z.n, z.k, z.p, z.q};
    switch (conv.pass) {
      case ConvPass::forward:
        store(y, kernels::conv2d(load(x, image), load(weight, filters), {}, z.options));
        break;
      case ConvPass::input_grad:
        store(x, kernels::conv2d_input_grad(load(y, result), load(weight, filters), image, z.options));
        break;
      case ConvPass::weight_grad:
        store(weight, kernels::conv2d_weight_grad(load(y, result), load(x, image), filters, z.options));
        break;
    }
    return true;
  }

 private:
  Tensor load(const void* from, const Shape& shape) const {
    const Tensor x = empty_in(Layout::channels_last, shape, DType::f64, Device::cpu());
    const auto bits = fetch_bf16(from, shape.numel());
    for (std::size_t i = 0; i < bits.size(); ++i) x.data<double>()[i] = format_->from(bits[i]);
    return x;
  }
  void store(void* to, const Tensor& y) const {
    const Tensor last = in_layout(Layout::channels_last, y);
    std::vector<std::uint16_t> bits(static_cast<std::size_t>(y.numel()));
    for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = format_->to(last.data<double>()[i]);
    backend(Device::cuda()).copy(to, bits.data(), bits.size() * 2);
  }

  const Format* format_;
};

class CudaConvInHalf : public CudaConv {
 protected:
  ConvSizes sizes() const {
    const Shape y = conv2d_shape(c_.x, c_.weight, c_.options);
    return {c_.x[0], c_.x[1], c_.x[2], c_.x[3], y[1], c_.weight[2], c_.weight[3], y[2], y[3], c_.options};
  }
};

TEST_P(CudaConvInHalf, RoundsFactorsAndResultsAndNothingElse) {
  for (const Format& format : kFormats) {
    const auto o = operands(DType::f32);
    const auto rounded = [&](const Tensor& t) { return format.rounded(cast(t, DType::f64)); };
    const Tensor x = rounded(o[0]), weight = rounded(o[1]), g = rounded(o[3]);
    const std::vector<Tensor> expected = {kernels::conv2d(x, weight, {}, c_.options),
                                          kernels::conv2d_input_grad(g, weight, c_.x, c_.options),
                                          kernels::conv2d_weight_grad(g, x, c_.weight, c_.options)};
    for (const ConvPass pass : {ConvPass::forward, ConvPass::input_grad, ConvPass::weight_grad}) {
      SCOPED_TRACE(std::string(name(format.precision)) + " " + std::to_string(static_cast<int>(pass)));
      const Tensor there[] = {on_device(o[0]), on_device(o[1]), on_device(o[3])};
      ASSERT_TRUE(conv2d_in_half(format.precision, pass, sizes(), there[0], there[1], there[2], StandIn(format)));
      const int result = pass == ConvPass::forward ? 2 : pass == ConvPass::input_grad ? 0 : 1;
      EXPECT_TRUE(hop::testing::same_bits(cast(on_host(there[result]), DType::f64),
                                          rounded(expected[static_cast<std::size_t>(pass)])));
    }
  }
}

TEST_P(CudaConvInHalf, LeavesTheResultAloneWhereThereIsNoEngine) {
  const auto o = operands(DType::f32);
  const Tensor y = on_device(o[3]);
  const auto no_engine = [](const dnn::Convolution&, void*, void*, void*) { return false; };
  EXPECT_FALSE(
      conv2d_in_half(Precision::bf16, ConvPass::forward, sizes(), on_device(o[0]), on_device(o[1]), y, no_engine));
  EXPECT_TRUE(hop::testing::same_bits(on_host(y), o[3]));
}

INSTANTIATE_TEST_SUITE_P(Cases, CudaConvInHalf, ::testing::ValuesIn(kCases),
                         [](const auto& each) { return std::string(each.param.name); });

INSTANTIATE_TEST_SUITE_P(Cases, CudaConv, ::testing::ValuesIn(kCases),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace hop::kernels::cuda
