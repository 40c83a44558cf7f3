// The statistics are of the whole process, so every expectation is a difference.
#include "tensor/allocator.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop {
namespace {

constexpr Device kCpu = Device::cpu();

class Allocator : public ::testing::Test {
 protected:
  void SetUp() override { memory::empty_cache(); }
  void TearDown() override {
    memory::set_limit(0);
    memory::empty_cache();
  }
};

TEST_F(Allocator, CountsActiveAndCachedBytes) {
  const std::size_t before = memory::active();
  void* p = memory::allocate(1000, kCpu);
  EXPECT_GE(memory::active() - before, 1000U);
  EXPECT_LE(memory::active() - before, 1125U + kAlignment);
  EXPECT_EQ(memory::cached(), 0U);
  const std::size_t size = memory::active() - before;
  memory::free(p, 1000, kCpu);
  EXPECT_EQ(memory::active(), before);
  EXPECT_EQ(memory::cached(), size);
  memory::empty_cache();
  EXPECT_EQ(memory::cached(), 0U);
}

TEST_F(Allocator, RemembersThePeak) {
  memory::reset_peak();
  const std::size_t before = memory::peak();
  memory::free(memory::allocate(1 << 20, kCpu), 1 << 20, kCpu);
  EXPECT_EQ(memory::peak(), before + (1 << 20));
  memory::reset_peak();
  EXPECT_EQ(memory::peak(), memory::active());
}

TEST_F(Allocator, ReusesABlockOfTheSameClassWithoutAskingTheSystem) {
  void* p = memory::allocate(5000, kCpu);
  memory::free(p, 5000, kCpu);
  const auto asked = memory::system_allocations();
  void* q = memory::allocate(4900, kCpu);
  EXPECT_EQ(q, p);
  EXPECT_EQ(memory::system_allocations(), asked);
  memory::free(q, 4900, kCpu);
}

TEST_F(Allocator, WastesAtMostAnEighthAndAlignsEveryBlock) {
  for (std::size_t size = 1; size < 3'000'000; size += 1 + size / 7) {
    const std::size_t before = memory::active();
    void* p = memory::allocate(size, kCpu);
    const std::size_t taken = memory::active() - before;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % kAlignment, 0U) << size;
    EXPECT_GE(taken, size);
    EXPECT_LE(taken, align_up(size) + align_up(size) / 8) << size;
    memory::free(p, size, kCpu);
    EXPECT_EQ(memory::active(), before) << size;
  }
}

// A request for one byte more than a block serves belongs to the next class, up to the largest tensors.
TEST_F(Allocator, NeverServesARequestWithASmallerBlock) {
  std::uint64_t asked = memory::system_allocations();
  for (std::size_t size = 1; size < 64'000'000;) {
    const std::size_t before = memory::active();
    void* p = memory::allocate(size, kCpu);
    EXPECT_EQ(memory::system_allocations(), ++asked) << size << " bytes came from the cache";
    const std::size_t block = memory::active() - before;
    memory::free(p, size, kCpu);
    void* again = memory::allocate(block, kCpu);
    EXPECT_EQ(again, p) << block;
    memory::free(again, block, kCpu);
    size = block + 1;
  }
}

TEST_F(Allocator, GivesNothingForNothing) {
  const std::size_t before = memory::active();
  EXPECT_EQ(memory::allocate(0, kCpu), nullptr);
  memory::free(nullptr, 0, kCpu);
  EXPECT_EQ(memory::active(), before);
}

TEST_F(Allocator, EmptiesItsCacheBeforeItRefusesWhatPassesTheLimit) {
  void* a = memory::allocate(1 << 20, kCpu);
  void* b = memory::allocate(1 << 18, kCpu);
  memory::free(a, 1 << 20, kCpu);  // cached now
  memory::set_limit(memory::active() + (1 << 20) + (1 << 19));
  void* c = memory::allocate((1 << 20) + (1 << 19), kCpu);  // fits only without the cache
  EXPECT_EQ(memory::cached(), 0U);
  EXPECT_THROW(memory::allocate(1 << 19, kCpu), MemoryError);
  memory::free(c, (1 << 20) + (1 << 19), kCpu);
  void* d = memory::allocate(1 << 19, kCpu);  // an error leaves it usable
  memory::free(d, 1 << 19, kCpu);
  memory::free(b, 1 << 18, kCpu);
}

TEST_F(Allocator, KeepsTheLimitWhenItIsSetBelowWhatIsCached) {
  memory::free(memory::allocate(1 << 20, kCpu), 1 << 20, kCpu);
  memory::set_limit(memory::active() + 64);
  EXPECT_EQ(memory::cached(), 0U);
}

TEST_F(Allocator, SaysWhatItCouldStillGive) {
  memory::set_limit(memory::active() + 4096);
  EXPECT_EQ(memory::available(), 4096U);
  memory::free(memory::allocate(1024, kCpu), 1024, kCpu);
  EXPECT_EQ(memory::available(), 4096U) << "the cache counts as free";
}

TEST_F(Allocator, SaysWhatItRefusedAndWhy) {
  memory::set_limit(memory::active() + 1024);
  try {
    Tensor::empty({1 << 20}, DType::f32);
    FAIL() << "expected a MemoryError";
  } catch (const MemoryError& e) {
    EXPECT_NE(std::string(e.what()).find("[allocate] 4194304 bytes more would pass the limit of"), std::string::npos);
  }
}

// Four threads fill blocks with their own pattern and find it again: no block is handed out twice.
TEST_F(Allocator, ServesManyThreadsAtOnce) {
  const std::size_t before = memory::active();
  std::atomic<int> damaged = 0;
  std::vector<std::thread> threads;
  for (unsigned char t = 0; t < 4; ++t) {
    threads.emplace_back([t, &damaged] {
      PhiloxStream random({.key = t});
      std::array<std::pair<unsigned char*, std::size_t>, 16> held{};
      for (int i = 0; i < 4000; ++i) {
        auto& [data, size] = held[random.below(16)];
        for (std::size_t k = 0; k < size; ++k) damaged += data[k] != t;
        memory::free(data, size, kCpu);
        size = 1 + random.below(400);
        data = static_cast<unsigned char*>(memory::allocate(size, kCpu));
        std::memset(data, t, size);
      }
      for (auto& [data, size] : held) memory::free(data, size, kCpu);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(damaged, 0);
  EXPECT_EQ(memory::active(), before);
}

TEST_F(Allocator, RefusesADeviceThatThisBuildLacks) {
  EXPECT_THROW(memory::allocate(1, Device::cuda(7)), DeviceError);
  EXPECT_THROW(Tensor::empty({1}, DType::f32, Device::cuda(7)), DeviceError);
}

}  // namespace
}  // namespace hop
