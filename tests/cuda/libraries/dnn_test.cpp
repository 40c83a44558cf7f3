// cuDNN plans for cards that are only described: they exist, their notes are acceptable, and the engine is the same
// every time it is asked for. The descriptions are written by hand from the cards' data sheets, in the form that cuDNN
// 9.19 accepts.
#include "kernels/cuda/dnn.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "kernels/cuda/runtime.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda::dnn {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

struct Card {
  const char* name;
  int version;          // ten times its compute capability
  const char* differs;  // what else the cards do not have in common
};

const std::vector<Card> kCards = {
    {"A100", 80, R"("multiProcessorCount": 108, "maxSharedMemoryPerBlockOptin": 166912, "maxCtasPerSM": 32,
        "maxThreadsPerSM": 2048, "smClockRateKHz": 1410000, "memClockRateKHz": 1593000, "l2CacheSize": 41943040,
        "totalGlobalMem": 85000000000, "deviceName": "NVIDIA A100-SXM4-80GB")"},
    {"H100", 90, R"("multiProcessorCount": 132, "maxSharedMemoryPerBlockOptin": 232448, "maxCtasPerSM": 32,
        "maxThreadsPerSM": 2048, "smClockRateKHz": 1980000, "memClockRateKHz": 2619000, "l2CacheSize": 52428800,
        "totalGlobalMem": 85000000000, "deviceName": "NVIDIA H100 80GB HBM3")"},
    {"RTX5090", 120, R"("multiProcessorCount": 170, "maxSharedMemoryPerBlockOptin": 101376, "maxCtasPerSM": 24,
        "maxThreadsPerSM": 1536, "smClockRateKHz": 2407000, "memClockRateKHz": 14001000, "l2CacheSize": 100663296,
        "totalGlobalMem": 33700000000, "deviceName": "NVIDIA GeForce RTX 5090")"}};

std::string describe(const Card& card) {
  return R"({"deviceVer": )" + std::to_string(card.version * 10) + ", " + card.differs +
         R"(, "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "cudaDeviceId": 0,
              "driverVer": 13000, "regsPerBlock": 65536, "warpSize": 32, "maxSharedMemoryPerBlock": 49152,
              "reservedSharedMemoryPerBlock": 1024, "maxRegistersPerSM": 65536, "maxThreadsPerBlock": 1024,
              "pciDeviceId": 0, "isTccDriver": 0, "supportCoopLaunch": 1})";
}

// 3 x 3 windows with padding 1: an inner layer of a small residual net, and its first.
ConvSizes inner_layer() { return {128, 64, 16, 16, 64, 3, 3, 16, 16, {.padding = {1, 1}}}; }
ConvSizes first_layer() { return {128, 3, 32, 32, 32, 3, 3, 32, 32, {.padding = {1, 1}}}; }

class DescribedCard : public testing::TestWithParam<Card> {
 protected:
  void SetUp() override {
    if (!available()) GTEST_SKIP() << "no cuDNN: " << why_not_available();
    if (device_count() > 0 && version_here() != GetParam().version)
      GTEST_SKIP() << "beside a card, cuDNN loads each plan's kernels, and this card is another one";
  }
  static int version_here() {
    int major = 0, minor = 0;
    check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "cudaDeviceGetAttribute");
    check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0), "cudaDeviceGetAttribute");
    return major * 10 + minor;
  }
  Choice choose(ConvPass pass, const ConvSizes& sizes, Precision precision, bool channels_last) const {
    return choice_for_device({pass, sizes, precision, channels_last}, describe(GetParam()));
  }
};

constexpr std::array kPasses = {ConvPass::forward, ConvPass::input_grad, ConvPass::weight_grad};

TEST_P(DescribedCard, HasAStrictPlanForEveryPass) {
  for (const ConvPass pass : kPasses) {
    for (const ConvSizes& sizes : {inner_layer(), first_layer()}) {
      const Choice chosen = choose(pass, sizes, Precision::strict, false);
      SCOPED_TRACE(chosen.to_string());
      EXPECT_THAT(chosen.notes, Not(Contains("NONDETERMINISTIC")));
      EXPECT_THAT(chosen.notes, Not(Contains("TENSOR_CORE")));
      EXPECT_THAT(chosen.notes, Not(Contains("DOWN_CONVERT_INPUTS")));
      EXPECT_LE(chosen.workspace, std::size_t{256} << 20);
    }
  }
}

TEST_P(DescribedCard, UsesTensorCoresWhenItMay) {
  for (const Precision precision : {Precision::tf32, Precision::bf16, Precision::f16}) {
    for (const ConvPass pass : kPasses) {
      const Choice chosen = choose(pass, inner_layer(), precision, true);
      SCOPED_TRACE(chosen.to_string());
      EXPECT_THAT(chosen.notes, Contains("TENSOR_CORE"));
      EXPECT_THAT(chosen.notes, Not(Contains("NONDETERMINISTIC")));
      EXPECT_THAT(chosen.notes, Not(Contains("REDUCED_PRECISION_REDUCTION")));
    }
  }
}

TEST_P(DescribedCard, GetsTheSameEngineEveryTime) {
  const Choice once = choose(ConvPass::weight_grad, first_layer(), Precision::strict, false);
  const Choice again = choose(ConvPass::weight_grad, first_layer(), Precision::strict, false);
  EXPECT_EQ(once.to_string(), again.to_string());
  EXPECT_THAT(once.to_string(), HasSubstr("engine " + std::to_string(once.engine)));
}

// Asked for as conv2d_in_half() does, with factors that are rounded.
TEST_P(DescribedCard, HasAPlanOf16BitsForEveryConvolutionThatItHasAStrictOneFor) {
  const ConvSizes small_image = {128, 1, 28, 28, 6, 5, 5, 28, 28, {.padding = {2, 2}}};
  const ConvSizes shortcut = {128, 16, 32, 32, 32, 1, 1, 16, 16, {.stride = {2, 2}}};
  const ConvSizes dilated = {8, 16, 15, 17, 32, 3, 3, 11, 13, {.dilation = {2, 2}, .groups = 4}};
  const ConvSizes depthwise = {8, 32, 15, 15, 32, 3, 3, 15, 15, {.padding = {1, 1}, .groups = 32}};
  const ConvSizes odd = {3, 5, 9, 7, 11, 3, 3, 7, 5, {}};
  for (const ConvSizes& sizes : {inner_layer(), first_layer(), small_image, shortcut, dilated, depthwise, odd}) {
    for (const ConvPass pass : kPasses) {
      EXPECT_NO_THROW(choose(pass, sizes, Precision::strict, false));
      EXPECT_NO_THROW(choose(pass, sizes, Precision::bf16, true));
      EXPECT_NO_THROW(choose(pass, sizes, Precision::f16, true));
    }
  }
}

TEST_P(DescribedCard, TakesStridesDilationAndGroups) {
  ConvSizes sizes = {8, 16, 15, 17, 32, 3, 5, 7, 5, {.stride = {2, 3}, .padding = {1, 2}, .dilation = {1, 1}}};
  sizes.q = (17 + 4 - 5) / 3 + 1;
  sizes.p = (15 + 2 - 3) / 2 + 1;
  EXPECT_NO_THROW(choose(ConvPass::forward, sizes, Precision::strict, false));
  sizes = {8, 16, 15, 17, 32, 3, 3, 11, 13, {.dilation = {2, 2}, .groups = 4}};
  for (const ConvPass pass : kPasses) EXPECT_NO_THROW(choose(pass, sizes, Precision::strict, false));
}

TEST_P(DescribedCard, DropsWhatIsNotAcceptable) {
  const Choice strict = choose(ConvPass::forward, inner_layer(), Precision::strict, false);
  EXPECT_GT(strict.offered, strict.dropped);
  EXPECT_GT(strict.dropped, 0U) << "tensor-core engines come first, so strict f32 must have turned some down";
}

INSTANTIATE_TEST_SUITE_P(Dnn, DescribedCard, testing::ValuesIn(kCards),
                         [](const auto& card) { return std::string(card.param.name); });

TEST(Dnn, SaysWhyItCannotRunHere) {
  if (available() && device_count() > 0) GTEST_SKIP() << "cuDNN and a device are here";
  EXPECT_THROW(choice({ConvPass::forward, inner_layer(), Precision::strict, false}), DeviceError);
  EXPECT_EQ(available(), why_not_available().empty());
}

TEST(Dnn, ADescriptionThatIsNoneIsACudaError) {
  if (!available()) GTEST_SKIP() << "no cuDNN: " << why_not_available();
  EXPECT_THROW(choice_for_device({ConvPass::forward, inner_layer(), Precision::strict, false}, "{}"), CudaError);
}

}  // namespace
}  // namespace hop::kernels::cuda::dnn
