// The options of pooling and of convolutions, and inputs without a batch, against PyTorch, in f64
// (golden/generate_windows.py), and what the layers refuse.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "nn/functional.h"
#include "nn/layers.h"
#include "tests/nn/golden_cases.h"
#include "tests/nn/golden_module_cases.h"

namespace hop::nn {
namespace {

using namespace testing;
using Cases = std::vector<GoldenCase>;

constexpr DType kF64 = DType::f64;
Tensor ones(const Shape& shape) { return kernels::ones(shape); }

GoldenCases& modules() {
  static GoldenCases cases("windows_modules.safetensors", [](const std::string&) { return 1e-10; });
  return cases;
}

template <class M>
void check(const std::string& name, M module) {
  modules().check(name, std::move(module));
}
/// With a batch and without one.
template <class M>
void both(const std::string& name, const M& module) {
  check(name, module);
  check(name + "_one", module);
}

void maxima() {
  both("max1", MaxPool1d(3, {.stride = 2, .padding = 1, .dilation = 2, .ceil_mode = true}));
  both("max2", MaxPool2d({2, 3}, {.stride = Size2d{3, 2}, .padding = {1, 1}, .dilation = {2, 1}, .ceil_mode = true}));
  check("max2_dilated", MaxPool2d(2, {.stride = 1, .padding = 1, .dilation = 3}));
  both("max3", MaxPool3d({2, 3, 2},
                         {.stride = Size3d{2, 2, 3}, .padding = {1, 1, 0}, .dilation = {2, 1, 2}, .ceil_mode = true}));
  both("adaptive_max1", AdaptiveMaxPool1d(4));
  both("adaptive_max2", AdaptiveMaxPool2d({5, kKeepSize}));
  both("adaptive_max3", AdaptiveMaxPool3d({kKeepSize, 4, 2}));
  check("adaptive_ties", AdaptiveMaxPool2d(2));
}

void averages() {
  both("avg1", AvgPool1d(4, {.stride = 3, .padding = 2, .ceil_mode = true, .count_include_pad = false}));
  check("avg1_ceil", AvgPool1d(4, {.stride = 3, .padding = 2, .ceil_mode = true}));
  both("avg2",
       AvgPool2d({3, 2}, {.stride = Size2d{2, 3}, .padding = 1, .ceil_mode = true, .count_include_pad = false}));
  check("avg2_ceil", AvgPool2d(3, {.stride = 2, .padding = 1, .ceil_mode = true}));
  check("avg2_divisor", AvgPool2d(3, {.stride = 2, .padding = 1, .divisor_override = -4}));
  both("avg3",
       AvgPool3d({3, 2, 2}, {.stride = Size3d{2, 3, 3}, .padding = 1, .ceil_mode = true, .count_include_pad = false}));
  check("avg3_divisor", AvgPool3d(2, {.stride = 2, .padding = 1, .ceil_mode = true, .divisor_override = 5}));
  both("lp1", LPPool1d(2, 4, 3, true));
  both("lp2", LPPool2d(3, {2, 3}, {}, true));
  both("lp3", LPPool3d(2, 2, 3, true));
  both("adaptive_avg1", AdaptiveAvgPool1d(4));
  both("adaptive_avg2", AdaptiveAvgPool2d({kKeepSize, 3}));
  both("adaptive_avg3", AdaptiveAvgPool3d({2, kKeepSize, 3}));
}

void norms_and_pads() {
  check("instance1_one", InstanceNorm1d(4, {.affine = true, .dtype = kF64}));
  check("instance2_one", InstanceNorm2d(4));
  check("instance3_one", InstanceNorm3d(4, {.affine = true, .dtype = kF64}));
  check("reflect1_one", ReflectionPad1d({1, 2}));
  check("zero2_one", ZeroPad2d({1, 0, 2, 1}));
  check("circular3_one", CircularPad3d(1));
}

void padding_modes() {
  const std::pair<const char*, PadMode> modes[] = {
      {"reflect", PadMode::reflect}, {"replicate", PadMode::replicate}, {"circular", PadMode::circular}};
  for (const auto& [name, mode] : modes) {
    const std::string m = name;
    both("conv1_" + m,
         Conv1d(4, 2, 3, {.stride = 2, .padding = 2, .dilation = 2, .groups = 2, .padding_mode = mode, .dtype = kF64}));
    both("conv2_" + m, Conv2d(4, 2, {3, 2}, {.padding = {1, 2}, .padding_mode = mode, .dtype = kF64}));
    check("conv2_" + m + "_same", Conv2d(4, 2, {4, 3}, {.padding = kSame, .padding_mode = mode, .dtype = kF64}));
    both("conv3_" + m,
         Conv3d(4, 2, {1, 3, 2}, {.padding = {0, 1, 1}, .bias = false, .padding_mode = mode, .dtype = kF64}));
  }
  check("conv1_reflect_same", Conv1d(4, 2, 4, {.padding = kSame, .padding_mode = PadMode::reflect, .dtype = kF64}));
  check("conv3_circular_same",
        Conv3d(4, 2, {2, 3, 1}, {.padding = kSame, .padding_mode = PadMode::circular, .dtype = kF64}));
}

template <class M, class Size>
void with_output_size(const std::string& name, M module, Size size) {
  for (const char* ending : {"", "_one"})
    modules().check(name + ending, &module, [&](Xs x) { return Tensors{module(x[0], size)}; });
}

void convolutions() {
  both("conv1", Conv1d(4, 3, 3, {.dtype = kF64}));
  both("conv2", Conv2d(4, 3, 3, {.dtype = kF64}));
  both("conv3", Conv3d(4, 3, 2, {.dtype = kF64}));
  with_output_size("transposed1", ConvTranspose1d(4, 3, 3, {.stride = 2, .dtype = kF64}), std::int64_t{20});
  with_output_size("transposed2", ConvTranspose2d(4, 3, {3, 2}, {.stride = {3, 2}, .padding = {1, 0}, .dtype = kF64}),
                   Size2d{21, 13});
  with_output_size("transposed3", ConvTranspose3d(4, 3, 2, {.stride = {2, 1, 3}, .dtype = kF64}), Size3d{11, 5, 9});
  check("transposed1_dilated",
        ConvTranspose1d(4, 3, 2, {.stride = 2, .output_padding = 4, .dilation = 5, .dtype = kF64}));
  check("transposed2_dilated", ConvTranspose2d(4, 2, {2, 3},
                                               {.stride = {1, 2},
                                                .padding = {1, 0},
                                                .output_padding = {2, 1},
                                                .groups = 2,
                                                .dilation = {3, 1},
                                                .dtype = kF64}));
  check("transposed3_dilated",
        ConvTranspose3d(4, 1, 2,
                        {.stride = {1, 2, 1}, .output_padding = {1, 0, 2}, .dilation = {2, 1, 3}, .dtype = kF64}));
}

TEST(GoldenWindows, MaximaAgreeWithPyTorch) { maxima(); }
TEST(GoldenWindows, AveragesAgreeWithPyTorch) { averages(); }
TEST(GoldenWindows, NormsAndPadsOfOneInputAgreeWithPyTorch) { norms_and_pads(); }
TEST(GoldenWindows, PaddingModesAgreeWithPyTorch) { padding_modes(); }
TEST(GoldenWindows, ConvolutionsAgreeWithPyTorch) { convolutions(); }
TEST(GoldenWindows, EveryModuleOfTheFileIsTested) {
  maxima();
  averages();
  norms_and_pads();
  padding_modes();
  convolutions();
  modules().expect_all_checked();
}

const GoldenFile& functions() {
  static const GoldenFile kFile("windows_functions.safetensors");
  return kFile;
}

using Pool = std::function<PooledMaxima(const Tensor& x)>;

void pooled(Cases& all, const std::string& name, const Pool& pool) {
  all.push_back(one(name + "_places", [pool](Xs x) { return pool(x[0]).indices; }));
  all.push_back(one(name + "_values", [pool](Xs x) { return pool(x[0]).values; }));
}

Cases places() {
  Cases all;
  pooled(all, "max1",
         [](const Tensor& x) { return MaxPool1d(2, {.stride = 2, .dilation = 3, .ceil_mode = true}).with_indices(x); });
  pooled(all, "max2", [](const Tensor& x) {
    return MaxPool2d({3, 2}, {.stride = 2, .padding = 1, .dilation = 2, .ceil_mode = true}).with_indices(x);
  });
  pooled(all, "max2_one", [](const Tensor& x) {
    return max_pool2d_with_indices(x, {.kernel = {3, 3}, .stride = {2, 2}, .ceil_mode = true});
  });
  pooled(all, "max3", [](const Tensor& x) {
    return MaxPool3d(2, {.stride = Size3d{1, 2, 3}, .padding = 1, .dilation = {2, 1, 2}, .ceil_mode = true})
        .with_indices(x);
  });
  pooled(all, "adaptive1", [](const Tensor& x) { return AdaptiveMaxPool1d(4).with_indices(x); });
  pooled(all, "adaptive1_more", [](const Tensor& x) { return AdaptiveMaxPool1d(13).with_indices(x); });
  pooled(all, "adaptive2", [](const Tensor& x) { return AdaptiveMaxPool2d({3, 5}).with_indices(x); });
  pooled(all, "adaptive2_ties", [](const Tensor& x) { return AdaptiveMaxPool2d(3).with_indices(x); });
  pooled(all, "adaptive3", [](const Tensor& x) { return AdaptiveMaxPool3d({2, 4, 3}).with_indices(x); });
  return all;
}

Cases convolved() {
  return {one("conv1d",
              [](Xs x) {
                return functional::conv1d(x[0], x[1], x[2], {.stride = 2, .padding = 1, .dilation = 2, .groups = 2});
              }),
          one("conv1d_same", [](Xs x) { return functional::conv1d(x[0], x[1], {}, kSame, {.dilation = 3}); }),
          one("conv2d_same",
              [](Xs x) {
                return functional::conv2d(x[0], x[1], x[2], kSame, {.dilation = {2, 1}});
              }),
          one("conv2d_valid", [](Xs x) { return functional::conv2d(x[0], x[1]); }),
          one("conv3d_same", [](Xs x) { return functional::conv3d(x[0], x[1], {}, kSame); }),
          one("conv_transpose1d", [](Xs x) {
            return functional::conv_transpose1d(
                x[0], x[1], x[2], {.stride = 2, .padding = 1, .output_padding = 2, .groups = 2, .dilation = 3});
          })};
}

TEST(GoldenWindows, PlacesOfMaximaAgreeWithPyTorch) { functions().check(places()); }
TEST(GoldenWindows, FunctionsOfConvolutionsAgreeWithPyTorch) { functions().check(convolved()); }
TEST(GoldenWindows, EveryFunctionOfTheFileIsTested) { functions().expect_all_tested({places(), convolved()}); }

TEST(WindowLayers, PrintTheirOptions) {
  EXPECT_EQ(MaxPool2d(3, {.stride = 2, .padding = 1, .dilation = 2, .ceil_mode = true}).to_string(),
            "MaxPool2d(kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(2, 2), ceil_mode=True)");
  EXPECT_EQ(AvgPool2d(2, {.count_include_pad = false, .divisor_override = 3}).to_string(),
            "AvgPool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0), count_include_pad=False, "
            "divisor_override=3)");
  EXPECT_EQ(MaxPool1d(3, {.dilation = 2}).to_string(), "MaxPool1d(kernel_size=3, stride=3, padding=0, dilation=2)");
  EXPECT_EQ(AvgPool3d(2, {.ceil_mode = true}).to_string(),
            "AvgPool3d(kernel_size=(2, 2, 2), stride=(2, 2, 2), padding=(0, 0, 0), ceil_mode=True)");
  EXPECT_EQ(LPPool1d(2, 3, {}, true).to_string(), "LPPool1d(norm_type=2, kernel_size=3, stride=3, ceil_mode=True)");
  EXPECT_EQ(AdaptiveAvgPool2d({kKeepSize, 7}).to_string(), "AdaptiveAvgPool2d(output_size=(None, 7))");
  EXPECT_EQ(AdaptiveMaxPool1d(kKeepSize).to_string(), "AdaptiveMaxPool1d(output_size=None)");
  EXPECT_EQ(Conv2d(1, 2, 3, {.padding = kSame, .bias = false, .padding_mode = PadMode::reflect}).to_string(),
            "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=same, bias=False, padding_mode=reflect)");
  EXPECT_EQ(Conv1d(1, 2, 3, {.padding = 1, .padding_mode = PadMode::circular}).to_string(),
            "Conv1d(1, 2, kernel_size=(3,), stride=(1,), padding=(1,), padding_mode=circular)");
  EXPECT_EQ(Conv3d(1, 2, 3, {.padding = 1, .padding_mode = PadMode::replicate}).to_string(),
            "Conv3d(1, 2, kernel_size=(3, 3, 3), stride=(1, 1, 1), padding=(1, 1, 1), padding_mode=replicate)");
}

TEST(WindowLayers, SayWhatTheyExpect) {
  EXPECT_EQ(message_of<ConfigError>([] { MaxPool2d(2, {.count_include_pad = false}); }),
            "[MaxPool2d] expected neither count_include_pad nor divisor_override, which belong to averages");
  EXPECT_EQ(message_of<ConfigError>([] { AvgPool1d(2, {.dilation = 2}); }),
            "[AvgPool1d] expected a dilation of 1, because only maxima have another");
  EXPECT_EQ(message_of<ConfigError>([] { AvgPool3d(2, {.divisor_override = 0}); }),
            "[AvgPool3d] expected a divisor_override other than 0, got 0");
  EXPECT_THROW(MaxPool3d(2, {.dilation = {1, 0, 1}}), ConfigError);
  EXPECT_THROW(AdaptiveMaxPool2d({3, -1}), ConfigError);
  EXPECT_EQ(message_of<ShapeError>([] { AdaptiveMaxPool1d(2)(ones({5})); }),
            "[AdaptiveMaxPool1d] expected (N, C, L) or (C, L), got (5)");
  EXPECT_THROW(AdaptiveAvgPool2d(2)(ones({5, 5})), ShapeError);
  EXPECT_EQ(message_of<ConfigError>([] {
              Conv2d(1, 1, 3, {.padding = {1, -1}, .padding_mode = PadMode::reflect});
            }),
            "[Conv2d] expected padding of at least 0, got -1");
  ConvTranspose2d up(1, 1, 3, {.stride = 2});
  EXPECT_EQ(message_of<ShapeError>([&] {
              up(ones({1, 1, 4, 4}), {10, 8});
            }),
            "[ConvTranspose2d] expected an output_size from 9 to 10 along dimension 3, got 8");
  EXPECT_THROW(up(ones({4, 4}), 10), ShapeError);
  EXPECT_THROW(Conv1d(2, 2, 3)(ones({3, 5})), ShapeError);
  EXPECT_EQ(message_of<ShapeError>([] {
              ZeroPad2d(1)(ones({4, 4}));
            }),
            "[ZeroPad2d] expected (N, C, H, W) or (C, H, W), got (4, 4)");
}

}  // namespace
}  // namespace hop::nn
