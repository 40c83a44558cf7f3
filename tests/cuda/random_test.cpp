// The device's random numbers are the CPU's: the same bits for uniform numbers and dropout; normal ones go through log
// and cos.
#include "kernels/random.h"

#include "kernels/copy.h"
#include "tests/cuda/layouts.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::close;
using hop::testing::fetch;
using hop::testing::for_each_schedule;
using hop::testing::mirror;
using hop::testing::random_tensor;
using hop::testing::same_bits;
using hop::testing::shifted;
using hop::testing::values;

constexpr RandomAddress kAddress = {.key = 0x0123456789abcdef, .step = (std::uint64_t{5} << 32) | 7, .draw = 3};
constexpr std::int64_t kSizes[] = {1, 2, 3, 4, 5, 31, 32, 33, 1023, 4099};

using CudaRandom = OnDevice;
using CudaDropout = OnDevice;

TEST_F(CudaRandom, UniformNumbersHaveTheBitsOfTheCpuAtEverySizeAndAlignment) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::int64_t n : kSizes) {
      const Tensor wanted = Tensor::empty({n}, dtype);
      uniform_(wanted, -3, 5, kAddress);
      for (const std::int64_t offset : {0, 1, 2, 4}) {
        const Tensor y = mirror(shifted(zeros({n}, dtype), offset));
        for_each_schedule([&] {
          uniform_(y, -3, 5, kAddress);
          EXPECT_TRUE(same_bits(fetch(y), wanted)) << n;
        });
      }
    }
  }
}

TEST_F(CudaRandom, UniformNumbersHaveTheGoldenValuesAndStayBelowTheirEnd) {
  const Tensor y = Tensor::empty({5}, DType::f32, Device::cuda());
  uniform_(y, 0, 1, kAddress);
  EXPECT_EQ(values<double>(fetch(y)), (std::vector<double>{0.9600809216499329, 0.16467487812042236, 0.5878869295120239,
                                                           0.07179838418960571, 0.5504826903343201}));
  const Tensor tight = Tensor::empty({5000}, DType::f32, Device::cuda());
  uniform_(tight, 1, 1.0000002, kAddress);
  for (const float v : values<float>(fetch(tight))) ASSERT_TRUE(v >= 1.0F && v < 1.0000002F);
}

TEST_F(CudaRandom, NormalNumbersAreTheCpusWithinAFewUnits) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::int64_t n : kSizes) {
      const Tensor wanted = Tensor::empty({n}, dtype), y = Tensor::empty({n}, dtype, Device::cuda());
      normal_(wanted, 2, 3, kAddress);
      for_each_schedule([&] {
        normal_(y, 2, 3, kAddress);
        EXPECT_TRUE(close(fetch(y), values<double>(wanted), hop::testing::epsilon(dtype, 2),
                          hop::testing::epsilon(DType::f64, 32)));
      });
    }
  }
}

TEST_F(CudaDropout, HasTheBitsOfTheCpuAtEverySizeAndAlignment) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::int64_t n : kSizes) {
      const Tensor x = random_tensor({n}, dtype), wanted = dropout(x, 0.3, kAddress);
      for (const std::int64_t offset : {0, 1, 2, 4}) {
        const Tensor there = mirror(shifted(x, offset));
        for_each_schedule([&] { EXPECT_TRUE(same_bits(fetch(dropout(there, 0.3, kAddress)), wanted)) << n; });
      }
    }
  }
}

TEST_F(CudaRandom, WriteTheirElementsAndNothingElse) {
  const hop::testing::FewBlocks few;
  for (const std::int64_t n : {1, 3, 5, 30, 4099}) {
    const Tensor room = zeros({n + 9}), there = mirror(room);
    uniform_(room.as_strided({n}, {1}, 4), 1, 2, kAddress);
    uniform_(there.as_strided({n}, {1}, 4), 1, 2, kAddress);
    EXPECT_TRUE(same_bits(fetch(there), room));
    normal_(there.as_strided({n}, {1}, 4), 1, 2, kAddress);
    EXPECT_EQ(values<float>(fetch(there))[static_cast<std::size_t>(n + 4)], 0);
    EXPECT_EQ(values<float>(fetch(there))[3], 0);
  }
}

// A captured step is replayed for other steps and models: the numbers follow what the memory says.
TEST_F(CudaRandom, ReadKeyAndStepFromTheDeviceWhenTheAddressSaysSo) {
  const RandomAddress other = {.key = 42, .step = 77, .draw = 3};
  const Tensor key = mirror(Tensor::from<std::int64_t>({42}, {1})),
               step = mirror(Tensor::from<std::int64_t>({77}, {1}));
  RandomAddress address = kAddress;
  address.key_at = reinterpret_cast<const std::uint64_t*>(key.raw_data());
  address.step_at = step.data<std::int64_t>();
  const Tensor x = random_tensor({257}), there = mirror(x);
  EXPECT_TRUE(same_bits(fetch(dropout(there, 0.5, address)), dropout(x, 0.5, other)));
  const Tensor y = Tensor::empty({257}, DType::f32, Device::cuda()), wanted = Tensor::empty({257}, DType::f32);
  uniform_(y, 0, 1, address);
  uniform_(wanted, 0, 1, other);
  EXPECT_TRUE(same_bits(fetch(y), wanted));
  fill_(step, 78);
  EXPECT_TRUE(same_bits(fetch(dropout(there, 0.5, address)), dropout(x, 0.5, {.key = 42, .step = 78, .draw = 3})));
}

}  // namespace
}  // namespace hop::kernels::cuda
