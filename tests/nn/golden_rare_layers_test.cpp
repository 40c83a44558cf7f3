// Convolutions of volumes, last layers for many classes, unpooling, windows at random places, power means, cubic and
// area interpolation against PyTorch, in f64 (golden/generate_rare_layers.py), and what they refuse.
// Long because each of PyTorch's rare layers has its cases.
#include <array>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "nn/functional.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/loss_objects.h"
#include "tests/nn/golden_cases.h"
#include "tests/nn/golden_module_cases.h"

namespace hop::nn {
namespace {

using namespace testing;
using Cases = std::vector<GoldenCase>;

constexpr DType kF64 = DType::f64;
Tensor ones(const Shape& shape) { return kernels::ones(shape); }

GoldenCases& modules() {
  static GoldenCases cases("rare_modules.safetensors", [](const std::string&) { return 1e-10; });
  return cases;
}

template <class M>
void check(const std::string& name, M module) {
  modules().check(name, std::move(module));
}

void convolutions_of_volumes() {
  check("conv3d", Conv3d(2, 3, 2, {.dtype = kF64}));
  check("conv3d_options", Conv3d(4, 6, {3, 2, 1},
                                 {.stride = {2, 1, 3},
                                  .padding = {1, 0, 2},
                                  .dilation = {1, 2, 1},
                                  .groups = 2,
                                  .bias = false,
                                  .dtype = kF64}));
  check("conv3d_depth",
        Conv3d(1, 2, {3, 1, 1}, {.stride = {2, 1, 1}, .padding = {2, 0, 0}, .dilation = {2, 1, 1}, .dtype = kF64}));
  check("conv3d_plane", Conv3d(3, 2, {1, 2, 2}, {.dtype = kF64}));
  check("conv3d_same", Conv3d(2, 2, 3, {.padding = kSame, .dtype = kF64}));
  check("conv3d_same_uneven", Conv3d(2, 2, {2, 3, 4}, {.padding = kSame, .dilation = {1, 2, 1}, .dtype = kF64}));
  check("conv_transpose3d", ConvTranspose3d(2, 3, 2, {.dtype = kF64}));
  check("conv_transpose3d_options", ConvTranspose3d(4, 6, {3, 2, 1},
                                                    {.stride = {2, 3, 2},
                                                     .padding = {1, 0, 0},
                                                     .output_padding = {1, 2, 0},
                                                     .groups = 2,
                                                     .bias = false,
                                                     .dilation = {2, 1, 1},
                                                     .dtype = kF64}));
  check("conv_transpose3d_one", ConvTranspose3d(1, 1, 1, {.stride = 3, .output_padding = 2, .dtype = kF64}));
  check("conv_transpose3d_overlap",
        ConvTranspose3d(2, 1, {4, 3, 2}, {.stride = {1, 2, 1}, .padding = {2, 1, 0}, .dtype = kF64}));
}

AdaptiveLogSoftmaxWithLoss adaptive(bool head_bias) {
  return {9, 10, {3, 5}, {.div_value = 2, .head_bias = head_bias, .dtype = kF64}};
}

void many_classes() {
  const auto check_loss = [](const std::string& name, LinearCrossEntropyLoss loss) {
    modules().check(name, &loss, [&](Xs x) { return Tensors{loss(x[0], x[1])}; });
  };
  check_loss("linear_cross_entropy", LinearCrossEntropyLoss(4, 10, {.dtype = kF64}));
  check_loss(
      "linear_cross_entropy_options",
      LinearCrossEntropyLoss(
          4, 10,
          {.bias = true, .reduction = Reduction::sum, .ignore_index = 2, .label_smoothing = 0.1, .dtype = kF64}));
  check_loss("linear_cross_entropy_weight",
             LinearCrossEntropyLoss(4, 10, {.weight = kernels::cast(ones({10}), kF64), .dtype = kF64}));
  const auto check_adaptive = [](const std::string& name, AdaptiveLogSoftmaxWithLoss layer) {
    modules().check(name, &layer, [&](Xs x) {
      const AdaptiveLogSoftmaxResult result = layer(x[0], x[1]);
      return Tensors{result.output, result.loss};
    });
  };
  check_adaptive("adaptive_softmax", adaptive(false));
  check_adaptive("adaptive_softmax_bias", adaptive(true));
  check_adaptive("adaptive_softmax_uneven", {11, 10, {3, 5}, {.div_value = 1.1, .dtype = kF64}});
  check("adaptive_log_prob", adaptive(true));
}

TEST(GoldenRareLayers, ConvolutionsOfVolumesAgreeWithPyTorch) { convolutions_of_volumes(); }
TEST(GoldenRareLayers, LastLayersForManyClassesAgreeWithPyTorch) { many_classes(); }
TEST(GoldenRareLayers, EveryModuleOfTheFileIsTested) {
  convolutions_of_volumes();
  many_classes();
  modules().expect_all_checked();
}

const GoldenFile& functions() {
  static const GoldenFile kFile("rare_functions.safetensors");
  return kFile;
}

using Pool = std::function<PooledMaxima(const Tensor& x)>;

void pooled(Cases& all, const std::string& name, const Pool& pool) {
  all.push_back(one(name + "_places", [pool](Xs x) { return pool(x[0]).indices; }));
  all.push_back(one(name + "_values", [pool](Xs x) { return pool(x[0]).values; }));
}

Cases places() {
  const Pool3dOptions options{.stride = Size3d{1, 2, 2}, .padding = {1, 1, 0}};
  Cases all;
  pooled(all, "max_pool1d", [](const Tensor& x) { return MaxPool1d(2).with_indices(x); });
  pooled(all, "max_pool1d_ties",
         [](const Tensor& x) { return MaxPool1d(3, {.stride = 2, .padding = 1}).with_indices(x); });
  pooled(all, "max_pool2d", [](const Tensor& x) { return MaxPool2d(2).with_indices(x); });
  pooled(all, "max_pool2d_padded", [](const Tensor& x) {
    return MaxPool2d({3, 2}, {.stride = Size2d{3, 2}, .padding = 1}).with_indices(x);
  });
  pooled(all, "max_pool3d", [](const Tensor& x) { return MaxPool3d(2).with_indices(x); });
  pooled(all, "max_pool3d_options", [options](const Tensor& x) {
    return MaxPool3d({2, 3, 1}, options).with_indices(x);
  });
  pooled(all, "max_pool3d_ties", [](const Tensor& x) { return MaxPool3d(2).with_indices(x); });
  return all;
}

Cases unpools() {
  return {one("max_unpool1d", [](Xs x) { return MaxUnpool1d(2)(x[0], x[1]); }),
          one("max_unpool1d_size", [](Xs x) { return MaxUnpool1d(2)(x[0], x[1], 7); }),
          one("max_unpool2d", [](Xs x) { return MaxUnpool2d(2)(x[0], x[1]); }),
          one("max_unpool2d_size",
              [](Xs x) {
                return MaxUnpool2d(2)(x[0], x[1], Size2d{5, 6});
              }),
          one("max_unpool2d_padded",
              [](Xs x) {
                return MaxUnpool2d({3, 2}, {.stride = Size2d{3, 2}, .padding = 1})(x[0], x[1], Size2d{5, 6});
              }),
          one("max_unpool3d", [](Xs x) {
            return MaxUnpool3d(2)(x[0], x[1], Size3d{4, 5, 4});
          })};
}

Cases random_windows() {
  Cases all;
  const auto add = [&all](const std::string& name, const std::function<PooledMaxima(Xs)>& pool) {
    all.push_back(one("fractional_" + name + "_places", [pool](Xs x) { return pool(x).indices; }));
    all.push_back(one("fractional_" + name + "_values", [pool](Xs x) { return pool(x).values; }));
  };
  const auto plane = [](Size2d kernel, FractionalPool2dOptions options) {
    return [kernel, options](Xs x) mutable {
      options.random_samples = x[1].detach();
      return FractionalMaxPool2d(kernel, options).with_indices(x[0]);
    };
  };
  const auto volume = [](Size3d kernel, FractionalPool3dOptions options) {
    return [kernel, options](Xs x) mutable {
      options.random_samples = x[1].detach();
      return FractionalMaxPool3d(kernel, options).with_indices(x[0]);
    };
  };
  add("2d", plane(2, {.output_size = Size2d{5, 4}}));
  add("2d_wide", plane({3, 2}, {.output_size = Size2d{4, 7}}));
  add("2d_one", plane({9, 3}, {.output_size = 1}));
  add("2d_ratio", plane(2, {.output_ratio = std::array{0.7, 0.5}}));
  add("3d", volume({2, 1, 3}, {.output_size = Size3d{3, 4, 5}}));
  add("3d_ratio", volume(2, {.output_ratio = std::array{0.5, 0.6, 0.8}}));
  return all;
}

Cases power_means() {
  return {one("lp_pool1d", [](Xs x) { return LPPool1d(2, 2)(x[0]); }),
          one("lp_pool1d_third", [](Xs x) { return LPPool1d(3, 3, 2)(x[0]); }),
          one("lp_pool1d_odd", [](Xs x) { return LPPool1d(1, 2)(x[0]); }),
          one("lp_pool2d",
              [](Xs x) {
                return LPPool2d(2, {2, 3}, Size2d{1, 2})(x[0]);
              }),
          one("lp_pool2d_half", [](Xs x) { return LPPool2d(1.5, 2)(x[0]); }),
          one("lp_pool3d", [](Xs x) {
            return LPPool3d(2, {2, 1, 3})(x[0]);
          })};
}

GoldenCase resized(const std::string& name, InterpolateOptions options) {
  return one(name, [options](Xs x) { return interpolate(x[0], options); });
}

Cases interpolations() {
  constexpr InterpolateMode kCubic = InterpolateMode::bicubic, kArea = InterpolateMode::area;
  return {resized("bicubic_up", {.size = {9, 7}, .mode = kCubic}),
          resized("bicubic_down", {.size = {3, 4}, .mode = kCubic}),
          resized("bicubic_corners", {.size = {9, 7}, .mode = kCubic, .align_corners = true}),
          resized("bicubic_corners_one", {.size = {1, 8}, .mode = kCubic, .align_corners = true}),
          resized("bicubic_factor", {.scale_factor = {1.7, 0.6}, .mode = kCubic}),
          resized("bicubic_same_size", {.scale_factor = {1.1}, .mode = kCubic}),
          resized("bicubic_recomputed", {.scale_factor = {1.7}, .mode = kCubic, .recompute_scale_factor = true}),
          resized("bicubic_small", {.size = {5, 3}, .mode = kCubic}),
          resized("area1d", {.size = {3}, .mode = kArea}),
          resized("area2d", {.scale_factor = {0.5, 1.5}, .mode = kArea}),
          resized("area3d", {.size = {2, 3, 5}, .mode = kArea})};
}

Cases triples() {
  const TripletMarginWithDistanceLoss plain,
      cosine{.distance_function = [](const Tensor&a, const Tensor&b) { return 1 - cosine_similarity(a, b); },
             .margin = 0.5,
             .swap = true,
             .reduction = Reduction::none};
  return {one("triplet_distance", [plain](Xs x) { return plain(x[0], x[1], x[2]); }),
          one("triplet_distance_options", [cosine](Xs x) { return cosine(x[0], x[1], x[2]); })};
}

TEST(GoldenRareLayers, PlacesOfMaximaAgreeWithPyTorch) { functions().check(places()); }
TEST(GoldenRareLayers, UnpoolingAgreesWithPyTorch) { functions().check(unpools()); }
TEST(GoldenRareLayers, RandomWindowsAgreeWithPyTorch) { functions().check(random_windows()); }
TEST(GoldenRareLayers, PowerMeansAgreeWithPyTorch) { functions().check(power_means()); }
TEST(GoldenRareLayers, InterpolationAgreesWithPyTorch) { functions().check(interpolations()); }
TEST(GoldenRareLayers, TriplesAgreeWithPyTorch) { functions().check(triples()); }
TEST(GoldenRareLayers, EveryFunctionOfTheFileIsTested) {
  functions().expect_all_tested({places(), unpools(), random_windows(), power_means(), interpolations(), triples()});
}

TEST(LinearCrossEntropyLoss, KeepsTheWeightOfClassesAsABuffer) {
  const Tensor given = Tensor::from<float>({1, 2, 3}, {3});
  LinearCrossEntropyLoss loss(2, 3, {.weight = given});
  const StateDict state = loss.state_dict();
  ASSERT_EQ(state.size(), 2U);
  EXPECT_EQ(state[0].name, "weight");
  EXPECT_EQ(state[1].name, "linear.weight");
  loss.to(DType::f64);
  EXPECT_EQ(loss.weight.dtype(), DType::f64);
  EXPECT_EQ(given.dtype(), DType::f32);
  EXPECT_FALSE(LinearCrossEntropyLoss(2, 3).weight.defined());
  EXPECT_THROW(LinearCrossEntropyLoss(2, 3, {.weight = ones({2})}), ShapeError);
}

TEST(AdaptiveLogSoftmax, OfARowIsThatOfABatch) {
  AdaptiveLogSoftmaxWithLoss layer = adaptive(true);
  init_parameters(layer, 1);
  const Tensor x = randn({6, 9}, {.key = 5}, {.dtype = kF64});
  const Tensor labels = Tensor::from<std::int64_t>({0, 3, 9, 2, 5, 4}, {6}), all = layer.log_prob(x);
  const AdaptiveLogSoftmaxResult batch = layer(x, labels);
  for (std::int64_t i = 0; i < 6; ++i) {
    const AdaptiveLogSoftmaxResult row = layer(select(x, 0, i), select(labels, 0, i));
    EXPECT_EQ(row.output.shape(), Shape{});
    EXPECT_NEAR(row.output.item<double>(), select(batch.output, 0, i).item<double>(), 1e-12);
    EXPECT_NEAR(row.loss.item<double>(), -row.output.item<double>(), 1e-12);
    const std::int64_t label = select(labels, 0, i).item<std::int64_t>();
    EXPECT_NEAR(row.output.item<double>(), select(select(all, 0, i), 0, label).item<double>(), 1e-12);
  }
  expect_close(sum(exp(all), {1}), kernels::cast(ones({6}), kF64), 1e-12, "probabilities");
  EXPECT_EQ(values(layer.predict(x)), values(argmax(all, 1)));
}

TEST(AdaptiveLogSoftmax, SaysWhatItExpects) {
  using Layer = AdaptiveLogSoftmaxWithLoss;
  EXPECT_EQ(message_of<ConfigError>([] {
              Layer(8, 10, {3, 3});
            }),
            "[AdaptiveLogSoftmaxWithLoss] expected cutoffs that ascend within 1..9, got (3, 3)");
  EXPECT_THROW(Layer(8, 10, {}), ConfigError);
  EXPECT_THROW(Layer(8, 10, {0}), ConfigError);
  EXPECT_THROW(Layer(8, 10, {10}), ConfigError);
  EXPECT_THROW(Layer(8, 10, {3, 6}), ConfigError);  // 8 / 4^2 leaves no dimension
  for (const double div_value : {0.0, -2.0, 1e-300, HUGE_VAL, std::nan("")})
    EXPECT_THROW(Layer(8, 10, {3}, {.div_value = div_value}), ConfigError) << div_value;
  Layer layer(8, 10, {3});
  init_parameters(layer, 1);
  const auto labels = [](std::int64_t label) { return Tensor::from<std::int64_t>({0, label}, {2}); };
  EXPECT_NO_THROW(layer(ones({2, 8}), labels(9)));
  EXPECT_THAT(message_of<IndexError>([&] {
                layer(ones({2, 8}), labels(10));
              }),
              ::testing::StartsWith("[AdaptiveLogSoftmaxWithLoss] expected indices"));
  EXPECT_THROW(layer(ones({2, 8}), labels(-1)), IndexError);
  EXPECT_THROW(layer(ones({3, 8}), labels(1)), ShapeError);
  EXPECT_THROW(layer(ones({2, 8}), ones({2})), DtypeError);
  EXPECT_THROW(layer.log_prob(ones({8})), ShapeError);
}

TEST(Convolutions3d, PrintTheirOptions) {
  EXPECT_EQ(Conv3d(1, 2, {1, 2, 3}, {.padding = {0, 1, 1}, .bias = false}).to_string(),
            "Conv3d(1, 2, kernel_size=(1, 2, 3), stride=(1, 1, 1), padding=(0, 1, 1), bias=False)");
  EXPECT_EQ(Conv3d(2, 4, 3, {.padding = kSame, .dilation = 2, .groups = 2}).to_string(),
            "Conv3d(2, 4, kernel_size=(3, 3, 3), stride=(1, 1, 1), padding=same, dilation=(2, 2, 2), groups=2)");
  EXPECT_EQ(ConvTranspose3d(4, 2, 3, {.stride = 2, .output_padding = {1, 0, 1}}).to_string(),
            "ConvTranspose3d(4, 2, kernel_size=(3, 3, 3), stride=(2, 2, 2), output_padding=(1, 0, 1))");
}

TEST(Convolutions3d, SayWhatIsWrong) {
  EXPECT_THROW(Conv3d(1, 2, 3, {.stride = 2, .padding = kSame}), ConfigError);
  EXPECT_THROW(Conv3d(3, 2, 3, {.groups = 2}), ConfigError);
  EXPECT_THROW(Conv3d(1, 2, {3, 0, 1}), ConfigError);
  EXPECT_THROW(ConvTranspose3d(2, 3, 3, {.groups = 2}), ConfigError);
  EXPECT_THROW(Conv3d(1, 2, 3)(ones({1, 1, 3, 3})), ShapeError);
}

TEST(RareLayers, PrintTheirOptions) {
  EXPECT_EQ(MaxUnpool1d(3).to_string(), "MaxUnpool1d(kernel_size=(3,), stride=(3,), padding=(0,))");
  EXPECT_EQ(MaxUnpool2d(2, {.stride = 2, .padding = 1}).to_string(),
            "MaxUnpool2d(kernel_size=(2, 2), stride=(2, 2), padding=(1, 1))");
  EXPECT_EQ(MaxUnpool3d({2, 1, 2}).to_string(),
            "MaxUnpool3d(kernel_size=(2, 1, 2), stride=(2, 1, 2), padding=(0, 0, 0))");
  EXPECT_EQ(LPPool1d(1.5, 3).to_string(), "LPPool1d(norm_type=1.5, kernel_size=3, stride=3, ceil_mode=False)");
}

TEST(RareLayers, SayWhatTheyExpect) {
  EXPECT_THROW(LPPool2d(0, 2), ConfigError);
  EXPECT_THROW(LPPool1d(HUGE_VAL, 2), ConfigError);
  EXPECT_THROW(LPPool3d(2, {1, 0, 1}), ConfigError);
  EXPECT_THROW(LPPool1d(2, 3)(ones({3})), ShapeError);
  EXPECT_THROW(MaxUnpool2d(0), ConfigError);
  const Tensor y = ones({1, 1, 2}), at = Tensor::from<std::int64_t>({0, 2}, {1, 1, 2});
  MaxUnpool1d unpool(2);
  EXPECT_EQ(values(unpool(y, at)), (std::vector<double>{1, 0, 1, 0}));
  EXPECT_EQ(message_of<ShapeError>([&] { unpool(y, at, 6); }),
            "[max_unpool1d] expected an output size from 3 to 5, got 6 along dimension 2");
  EXPECT_THROW(unpool(y, at, 2), ShapeError);
  EXPECT_THROW(unpool(y, ones({1, 1, 2})), DtypeError);
  EXPECT_THROW(unpool(y, at + 2), IndexError);
  EXPECT_THROW(unpool(y, reshape(at, {1, 2, 1})), ShapeError);
  EXPECT_THROW(unpool(y), Error);
  EXPECT_EQ(unpool(ones({0, 1, 2}), Tensor::empty({0, 1, 2}, DType::i64)).shape(), (Shape{0, 1, 4}));
  EXPECT_EQ(message_of<ConfigError>(
                [&] { interpolate(y, {.size = {4}, .mode = InterpolateMode::area, .align_corners = true}); }),
            "[interpolate] expected align_corners with a linear or cubic mode, got area");
  EXPECT_THROW(interpolate(y, {.size = {4}, .mode = InterpolateMode::bicubic}), ShapeError);
}

// Overlapping windows name a place twice: the last value counts, and it has the gradient.
TEST(RareLayers, DrawRandomWindowsAtTheRandomAddress) {
  const Tensor x = Tensor::empty({2, 3, 9, 9}, DType::f32);
  init::uniform_(x, {.key = 1}, -1, 1);
  FractionalMaxPool2d pool(2, {.output_ratio = std::array{0.7, 0.7}});
  EXPECT_THROW(pool(x), ConfigError);  // no random key
  pool.set_random_key(5);
  const Tensor y = pool(x), other = pool(x);
  EXPECT_EQ(y.shape(), (Shape{2, 3, 6, 6}));
  EXPECT_NE(bits(y), bits(other));
  pool.set_step(0);
  EXPECT_EQ(bits(pool(x)), bits(y));
  EXPECT_EQ(pool(Tensor::empty({0, 3, 9, 9}, DType::f32)).shape(), (Shape{0, 3, 6, 6}));
}

TEST(RareLayers, SayWhichRandomWindowsDoNotFit) {
  const Tensor x = ones({1, 1, 4, 4}), samples = kernels::zeros({1, 1, 2}, DType::f32);
  EXPECT_EQ(
      message_of<ShapeError>([&] {
        fractional_max_pool2d(x, {2, 2}, {3, 4}, samples);
      }),
      "[fractional_max_pool2d] expected a kernel and an output size of at least 1 and together at most 4 + 1, got "
      "2 and 4 along dimension 3");
  EXPECT_THROW(fractional_max_pool2d(x, {2, 2}, {2, 2}, kernels::zeros({1, 1, 3}, DType::f32)), ShapeError);
  EXPECT_THROW(fractional_max_pool2d(x, {2, 2}, {2, 2}, kernels::zeros({1, 1, 2}, DType::f64)), DtypeError);
  EXPECT_EQ(message_of<ConfigError>([] { FractionalMaxPool2d(2); }),
            "[FractionalMaxPool2d] expected either output_size or output_ratio, got none of them");
  EXPECT_EQ(message_of<ConfigError>([] {
              FractionalMaxPool3d(2, {.output_size = 2, .output_ratio = std::array{0.5, 0.5, 0.5}});
            }),
            "[FractionalMaxPool3d] expected either output_size or output_ratio, got both");
  EXPECT_THROW(FractionalMaxPool2d(2, {.output_ratio = std::array{0.5, 1.0}}), ConfigError);
  EXPECT_THROW(FractionalMaxPool2d(0, {.output_size = 2}), ConfigError);
  FractionalMaxPool2d pool(2, {.output_size = 2});
  EXPECT_THROW(pool(ones({4, 4})), ShapeError);
}

TEST(RareLayers, UnpoolTheLastValueOfAPlace) {
  const Tensor y = Tensor::from<double>({1, 2}, {1, 1, 2}).set_requires_grad();
  const Tensor at = Tensor::from<std::int64_t>({1, 1}, {1, 1, 2}), x = max_unpool1d(y, at, {.kernel = 2, .stride = 1});
  EXPECT_EQ(values(x), (std::vector<double>{0, 2, 0}));
  EXPECT_EQ(values(grad({sum(x)}, {y})[0]), (std::vector<double>{0, 1}));
}

}  // namespace
}  // namespace hop::nn
