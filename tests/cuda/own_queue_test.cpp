// Threads with an order of work of their own on one device.
#include "tensor/own_queue.h"

#include <optional>
#include <thread>
#include <vector>

#include "autograd/elementwise.h"
#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/cuda/device_internal.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/matmul.h"
#include "tests/cuda/support.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::random_tensor;
using hop::testing::same_bits;
using hop::testing::values;

/// Lets the streams of simt run only when they are waited for. Work that is not ordered then comes late.
class Lazily {
 public:
#if defined(HOP_SIMT)
  Lazily() : before_(simt::options().streams) { simt::options().streams = simt::Streams::lazy; }
  ~Lazily() { simt::options().streams = before_; }

 private:
  simt::Streams before_;
#else
  Lazily() {}
  ~Lazily() {}
#endif
};

class OwnQueueOnDevice : public OnDevice {
 protected:
  const Device device_ = Device::cuda();
  const Lazily lazily_;
};

TEST_F(OwnQueueOnDevice, ThreadsOfOneDeviceHaveStreamsOfTheirOwn) {
  const cudaStream_t shared = current_stream();
  cudaStream_t first = nullptr, second = nullptr;
  std::thread([&] {
    const OwnQueue queue(device_);
    use_device(0);
    first = current_stream();
    std::thread([&] {
      const OwnQueue other(device_);
      use_device(0);
      second = current_stream();
    }).join();
  }).join();
  EXPECT_NE(first, shared);
  EXPECT_NE(second, shared);
  EXPECT_NE(first, second);
  EXPECT_EQ(current_stream(), shared);
}

TEST_F(OwnQueueOnDevice, AThreadHasOneAtATime) {
  std::thread([&] {
    std::optional<OwnQueue> queue(device_);
    EXPECT_THROW(OwnQueue{device_}, StateError);
    queue.reset();
    EXPECT_NO_THROW(OwnQueue{device_});
  }).join();
}

// A block that one thread freed may still be written by that thread's work.
TEST_F(OwnQueueOnDevice, FreedMemoryIsUsedAgainByItsOwnThreadAlone) {
  constexpr std::int64_t kCount = 3000;
  memory::empty_cache(device_);
  Tensor mine;
  std::thread([&] {
    std::optional<OwnQueue> queue(device_);
    const void* first = nullptr;
    {
      const Tensor x = full({kCount}, 1, DType::f32, device_);
      first = x.raw_data();
    }
    std::thread([&] { mine = full({kCount}, 2, DType::f32, device_); }).join();  // on the stream that all share
    EXPECT_NE(mine.raw_data(), first);
    const Tensor again = Tensor::empty({kCount}, DType::f32, device_);
    EXPECT_EQ(again.raw_data(), first);
    backend(device_).synchronize();
  }).join();
  for (const float value : values<float>(on_host(mine))) ASSERT_EQ(value, 2.0F);
}

TEST_F(OwnQueueOnDevice, MemoryOfAQueueThatHasEndedIsEverybodys) {
  constexpr std::int64_t kCount = 5000;
  memory::empty_cache(device_);
  Tensor outlives;
  std::thread([&] {
    const OwnQueue queue(device_);
    outlives = full({kCount}, 3, DType::f32, device_);
    full({2 * kCount}, 4, DType::f32, device_);
  }).join();
  const auto asked = memory::system_allocations(device_);
  const Tensor x = full({2 * kCount}, 5, DType::f32, device_);
  for (const float value : values<float>(on_host(outlives))) ASSERT_EQ(value, 3.0F);
  outlives = {};
  const Tensor y = full({kCount}, 6, DType::f32, device_);
  EXPECT_EQ(memory::system_allocations(device_), asked);
  for (const float value : values<float>(on_host(x))) ASSERT_EQ(value, 5.0F);
}

// Whose memory it is, the device is asked for room only after everything there has run.
TEST_F(OwnQueueOnDevice, MemoryThatGoesBackToTheDeviceIsIdle) {
  constexpr std::int64_t kCount = 4000;
  Tensor mine;
  std::thread([&] {
    const OwnQueue queue(device_);
    full({kCount}, 1, DType::f32, device_);
    std::thread([&] {
      memory::empty_cache(device_);
      mine = full({kCount}, 2, DType::f32, device_);
    }).join();
    backend(device_).synchronize();
  }).join();
  for (const float value : values<float>(on_host(mine))) ASSERT_EQ(value, 2.0F);
}

// The thread that drops the last handle may still read there.
TEST_F(OwnQueueOnDevice, MemoryThatAnotherThreadFreesIsUsedAgainBehindThatThreadsWork) {
  constexpr std::int64_t kCount = 3000;
  memory::empty_cache(device_);
  Tensor twice;
  std::thread([&] {
    const OwnQueue queue(device_);
    Tensor x = full({kCount}, 1, DType::f32, device_);
    const void* const place = x.raw_data();
    backend(device_).synchronize();
    std::thread([&] {
      twice = kernels::add(x, x);  // on the stream that all share
      x = {};
    }).join();
    const Tensor other = full({kCount}, 5, DType::f32, device_);
    EXPECT_EQ(other.raw_data(), place);
    check(cudaStreamSynchronize(current_stream()), "cudaStreamSynchronize");  // this thread's alone
  }).join();
  for (const float value : values<float>(on_host(twice))) ASSERT_EQ(value, 2.0F);
}

TEST_F(OwnQueueOnDevice, EverybodysMemoryIsUsedAgainBehindTheWorkOfTheQueueThatFreedIt) {
  constexpr std::int64_t kCount = 3000;
  memory::empty_cache(device_);
  Tensor x = full({kCount}, 1, DType::f32, device_);
  const void* const place = x.raw_data();
  backend(device_).synchronize();
  std::thread([&] {
    const OwnQueue queue(device_);
    const Tensor twice = kernels::add(x, x);
    x = {};
    std::thread([&] {
      const Tensor other = full({kCount}, 5, DType::f32, device_);
      EXPECT_EQ(other.raw_data(), place);
      backend(device_).synchronize();
    }).join();
    for (const float value : values<float>(on_host(twice))) ASSERT_EQ(value, 2.0F);
  }).join();
}

TEST_F(OwnQueueOnDevice, BlocksThatGoBackTogetherWaitOnce) {
  memory::empty_cache(device_);
  std::thread([&] {
    const OwnQueue queue(device_);
    for (std::int64_t n = 1; n < 6; ++n) full({n * 5000}, 1, DType::f32, device_);
    const std::uint64_t before = device_state(0).own_streams.drains();
    memory::empty_cache(device_);
    EXPECT_EQ(device_state(0).own_streams.drains(), before + 1);
  }).join();
}

TEST_F(OwnQueueOnDevice, AnErrorThatItsWorkMetIsThrownAfterItsEnd) {
  std::thread([&] {
    {
      const OwnQueue queue(device_);
      const Tensor x = full({3, 2}, 1, DType::f32, device_);
      kernels::index_select(x, 0, on_device(Tensor::from<std::int64_t>({7}, {1})));
    }
    EXPECT_THROW(backend(device_).synchronize(), IndexError);
    EXPECT_NO_THROW(backend(device_).synchronize());
  }).join();
}

/// A few steps of something like training: a step that is recorded, with scratch of its own, and eager work between.
Tensor train(Device device, std::uint64_t seed) {
  const Tensor a = on_device(random_tensor({24, 24}, DType::f32, seed));
  const Tensor x = on_device(random_tensor({7, 24}, DType::f32, seed + 1));
  const auto step = [&] { copy_(x, kernels::sigmoid(kernels::matmul(x, a))); };
  const hop::Recording recording = hop::capture(step, device);
  for (int i = 0; i < 6; ++i) {
    recording.replay();
    if (i % 2 == 0) step();
  }
  return on_host(x);
}

TEST_F(OwnQueueOnDevice, ModelsSideBySideGetTheBitsThatTheyGetAlone) {
  constexpr std::uint64_t kModels = 6;
  std::vector<Tensor> alone, together(kModels);
  for (std::uint64_t m = 0; m < kModels; ++m) alone.push_back(train(device_, m));
  std::vector<std::thread> threads;
  for (std::uint64_t m = 0; m < kModels; ++m) {
    threads.emplace_back([&, m] {
      const OwnQueue queue(device_);
      together[m] = train(device_, m);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::uint64_t m = 0; m < kModels; ++m) EXPECT_TRUE(same_bits(together[m], alone[m])) << m;
}

TEST(OwnQueue, ChangesNothingOnTheCpu) {
  const OwnQueue queue(Device::cpu());
  const Tensor x = full({3}, 1, DType::f32, Device::cpu());
  EXPECT_EQ(values<float>(x), (std::vector<float>{1, 1, 1}));
}

}  // namespace
}  // namespace hop::kernels::cuda
