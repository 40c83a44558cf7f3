// Padding, pooling, activations that cut, norms of volumes and the layers that rearrange against PyTorch
// (golden/generate_small_layers.py), and what they refuse.
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "nn/loss_objects.h"
#include "tests/nn/golden_cases.h"

namespace hop::nn {
namespace {

using namespace testing;
using Xs = const std::vector<Tensor>&;
using Cases = std::vector<GoldenCase>;

const GoldenFile& file() {
  static const GoldenFile kFile("small_layers.safetensors");
  return kFile;
}

/// The case that is named after the module, with an ending.
template <class M>
GoldenCase of(const M& module, const std::string& ending = "") {
  const auto own = std::make_shared<M>(module);
  return one(own->type_name() + ending, [own](Xs x) { return (*own)(x[0]); });
}
template <class Distance>
GoldenCase of_two(const std::string& name, const Distance& distance) {
  return one(name, [distance](Xs x) { return distance(x[0], x[1]); });
}

using Pads = std::vector<std::int64_t>;
const Pads kLine = {1, 2}, kImage = {2, 1, 1, 3}, kVolume = {1, 2, 0, 1, 2, 1};

Cases paddings() {
  return {of(ZeroPad1d(kLine)),
          of(ZeroPad2d(kImage)),
          of(ZeroPad3d(kVolume)),
          of(ZeroPad2d(1), "_one"),
          of(ReflectionPad1d(kLine)),
          of(ReflectionPad2d(kImage)),
          of(ReflectionPad3d(kVolume)),
          of(ReflectionPad2d(1), "_one"),
          of(ReplicationPad1d(kLine)),
          of(ReplicationPad2d(kImage)),
          of(ReplicationPad3d(kVolume)),
          of(ReplicationPad2d(1), "_one"),
          of(CircularPad1d(kLine)),
          of(CircularPad2d(kImage)),
          of(CircularPad3d(kVolume)),
          of(CircularPad2d(1), "_one"),
          of(ConstantPad1d({0, 2}, 1.5)),
          of(ConstantPad2d(1, -2.0)),
          of(ConstantPad3d({1, 0, -1, 0, 2, 0}, 0.5))};
}

Cases pools() {
  const Pool3dOptions options{.stride = Size3d{1, 2, 2}, .padding = {1, 1, 0}};
  return {of(MaxPool1d(2)),
          of(MaxPool1d(3, {.stride = 2, .padding = 1}), "_options"),
          of(AvgPool1d(3)),
          of(AvgPool1d(4, {.stride = 3, .padding = 2}), "_options"),
          of(MaxPool3d(2)),
          of(MaxPool3d({2, 3, 1}, options), "_options"),
          of(AvgPool3d(2)),
          of(AvgPool3d({2, 3, 1}, options), "_options"),
          of(AdaptiveAvgPool1d(3)),
          of(AdaptiveAvgPool1d(7), "_more"),
          of(AdaptiveAvgPool2d({3, 2})),
          of(AdaptiveAvgPool2d({2, 3}), "_even"),
          of(AdaptiveAvgPool3d({2, 3, 1})),
          of(AdaptiveMaxPool1d(3)),
          of(AdaptiveMaxPool2d({3, 2})),
          of(AdaptiveMaxPool3d(2))};
}

Cases activations() {
  RReLU rrelu(0.1, 0.5);
  rrelu.eval();
  return {of(Hardshrink()),         of(Hardshrink(1), "_options"),
          of(Softshrink()),         of(Softshrink(0.3), "_options"),
          of(Tanhshrink()),         of(Softmin()),
          of(Softmin(0), "_dim"),   of(Threshold(0.5, -1)),
          of(rrelu, "_evaluation"), of(Softmax2d()),
          of(Softmax2d(), "_one")};
}

Cases others() {
  BatchNorm1d sequence(3, {.dtype = DType::f64});
  BatchNorm3d volume(2, {.dtype = DType::f64});
  init_parameters(sequence, 1);
  init_parameters(volume, 1);
  return {of(sequence, "_sequence"),
          of(volume),
          of(InstanceNorm3d(2, {.dtype = DType::f64})),
          of(Unflatten(1, {2, 3})),
          of(Unflatten(-1, {2, -1}), "_inferred"),
          of(PixelUnshuffle(2)),
          of(ChannelShuffle(3)),
          of_two("CosineSimilarity", CosineSimilarity{}),
          of_two("PairwiseDistance", PairwiseDistance{}),
          of_two("PairwiseDistance_options", PairwiseDistance{.p = 3, .keepdim = true})};
}

TEST(GoldenSmallLayers, PaddingAgreesWithPyTorch) { file().check(paddings()); }
TEST(GoldenSmallLayers, PoolingAgreesWithPyTorch) { file().check(pools()); }
TEST(GoldenSmallLayers, ActivationsAgreeWithPyTorch) { file().check(activations()); }
TEST(GoldenSmallLayers, NormsAndRearrangementsAgreeWithPyTorch) { file().check(others()); }
TEST(GoldenSmallLayers, EveryCaseOfTheFileIsTested) {
  file().expect_all_tested({paddings(), pools(), activations(), others()});
}

Tensor ones(const Shape& shape) { return kernels::ones(shape); }

TEST(SmallLayers, DropWholeChannels) {
  const auto expect_whole = [](Module& layer, const Tensor& x) {
    init_parameters(layer, 1);
    layer.set_random_key(5);
    layer.train();
    const Tensor y = layer(x);
    const std::int64_t channels = x.size(0) * x.size(1), size = x.numel() / channels;
    int dropped = 0;
    for (std::int64_t c = 0; c < channels; ++c) {
      const float first = y.data<float>()[c * size];
      dropped += first == 0 ? 1 : 0;
      for (std::int64_t i = 0; i < size; ++i) EXPECT_EQ(y.data<float>()[c * size + i], first) << layer.type_name();
    }
    EXPECT_GT(dropped, channels / 4) << layer.type_name();
    EXPECT_LT(dropped, 3 * channels / 4) << layer.type_name();
    layer.eval();
    EXPECT_TRUE(layer(x).is_same(x)) << layer.type_name();
  };
  Dropout1d one_dimension;
  Dropout3d three;
  expect_whole(one_dimension, ones({8, 8, 5}));
  expect_whole(three, ones({8, 8, 2, 3, 2}));
}

TEST(SmallLayers, FeatureAlphaDropoutMarksWholeChannels) {
  FeatureAlphaDropout layer(0.5);
  layer.set_random_key(5);
  const Tensor x = ones({8, 8, 3}), y = layer(x);
  for (std::int64_t c = 0; c < 64; ++c) {
    for (std::int64_t i = 1; i < 3; ++i) EXPECT_EQ(y.data<float>()[3 * c + i], y.data<float>()[3 * c]);
  }
  EXPECT_THROW(layer(ones({3})), ShapeError);
}

TEST(SmallLayers, RReLUDrawsSlopesWhileTraining) {
  RReLU layer(0.1, 0.3);
  layer.set_random_key(5);
  const Tensor x = ones({100}) * -1, y = layer(x);
  double sum = 0;
  for (int i = 0; i < 100; ++i) {
    EXPECT_GE(-y.data<float>()[i], 0.1F);
    EXPECT_LE(-y.data<float>()[i], 0.3F);
    sum -= static_cast<double>(y.data<float>()[i]);
  }
  EXPECT_NEAR(sum / 100, 0.2, 0.03);
}

TEST(SmallLayers, SayWhatTheyExpect) {
  EXPECT_THROW(ReflectionPad2d({1, 2, 3}), ConfigError);
  EXPECT_THROW(ZeroPad1d(1)(ones({2})), ShapeError);
  EXPECT_THROW(MaxPool1d(0), ConfigError);
  EXPECT_THROW(MaxPool3d(2)(ones({2, 3, 4})), ShapeError);
  EXPECT_THROW(AvgPool1d(5)(ones({1, 2, 3})), ShapeError);
  EXPECT_THROW(AdaptiveMaxPool1d(0), ConfigError);
  EXPECT_THROW(AdaptiveAvgPool3d(2)(ones({1, 2, 3})), ShapeError);
  EXPECT_THROW(adaptive_avg_pool(ones({2, 3}), {}), ShapeError);
  EXPECT_THROW(adaptive_avg_pool(ones({2, 0}), {2}), ShapeError);
  EXPECT_THROW(Softshrink(-1), ConfigError);
  EXPECT_THROW(RReLU(2, 1), ConfigError);
  EXPECT_THROW(Softmax2d()(ones({2, 3})), ShapeError);
  EXPECT_THROW(Dropout1d()(ones({2, 3})), ShapeError);
  EXPECT_THROW(BatchNorm1d(3)(ones({2, 3, 4, 5})), ShapeError);
  EXPECT_THROW(InstanceNorm3d(2)(ones({1, 2, 3})), ShapeError);
  EXPECT_THROW(Unflatten(1, {2, 2})(ones({3, 5})), ShapeError);
  EXPECT_THROW(Unflatten(4, {2, 2})(ones({3, 4})), IndexError);
  EXPECT_THROW(PixelUnshuffle(2)(ones({1, 3, 3})), ShapeError);
  EXPECT_THROW(ChannelShuffle(2)(ones({1, 3})), ShapeError);
  EXPECT_THROW(ChannelShuffle(0), ConfigError);
  EXPECT_EQ(ChannelShuffle(2)(ones({0, 4, 3})).shape(), (Shape{0, 4, 3}));
}

}  // namespace
}  // namespace hop::nn
