// Warp operations against their definition in the CUDA C++ Programming Guide and the PTX ISA, computed for all lanes at
// once; votes of a block; atomics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <numeric>

#include "tests/cuda/schedules.h"
#include "tests/simt/device_array.h"

namespace hop::kernels::cuda {
namespace {

using ::hop::testing::DeviceArray;
using ::hop::testing::for_each_schedule;
using ::testing::Each;

constexpr unsigned kFullMask = 0xffffffffU;
constexpr unsigned kLanes = 32;

__device__ inline unsigned thread() { return threadIdx.x; }

// Every lane brings 100 + its number; what comes back names the source.
template <class T>
__global__ void shuffles(T* from, T* up, T* down, T* other, int argument, int width) {
  const T mine = static_cast<T>(100 + thread());
  const auto delta = static_cast<unsigned>(argument);
  from[thread()] = __shfl_sync(kFullMask, mine, argument, width);
  up[thread()] = __shfl_up_sync(kFullMask, mine, delta, width);
  down[thread()] = __shfl_down_sync(kFullMask, mine, delta, width);
  other[thread()] = __shfl_xor_sync(kFullMask, mine, argument, width);
}

template <class T>
class Shuffle : public ::testing::Test {};
using Shuffled = ::testing::Types<int, unsigned, float, double, long long>;
TYPED_TEST_SUITE(Shuffle, Shuffled);

TYPED_TEST(Shuffle, TakesFromTheLaneThatTheDefinitionNames) {
  const DeviceArray<TypeParam> from(kLanes), up(kLanes), down(kLanes), other(kLanes);
  for (const int width : {2, 4, 8, 16, 32}) {
    for (const int argument : {0, 1, 3, 7, 16, 31}) {
      launch(shuffles<TypeParam>, 1, kLanes, 0, nullptr, from.data(), up.data(), down.data(), other.data(), argument,
             width);
      const auto got_from = from.to_host(), got_up = up.to_host(), got_down = down.to_host(),
                 got_other = other.to_host();
      for (int lane = 0; lane < 32; ++lane) {
        const int first = lane / width * width, place = lane - first;
        const auto value = [](int source) { return static_cast<TypeParam>(100 + source); };
        const auto i = static_cast<std::size_t>(lane);
        EXPECT_EQ(got_from[i], value(first + argument % width));
        EXPECT_EQ(got_up[i], value(place - argument >= 0 ? lane - argument : lane));
        EXPECT_EQ(got_down[i], value(place + argument < width ? lane + argument : lane));
        EXPECT_EQ(got_other[i], value((lane ^ argument) < first + width ? lane ^ argument : lane));
      }
    }
  }
}

// ---- Votes and reductions, over the whole warp and over two groups that do not meet

__global__ void votes(unsigned* ballot, int* any, int* all, unsigned* match, unsigned mask_of_low) {
  const bool low = (mask_of_low >> thread() & 1U) != 0;
  const unsigned mask = low ? mask_of_low : ~mask_of_low;
  ballot[thread()] = __ballot_sync(mask, thread() % 3 == 0);
  any[thread()] = __any_sync(mask, thread() == 31);
  all[thread()] = __all_sync(mask, thread() < 31);
  match[thread()] = __match_any_sync(mask, static_cast<int>(thread() % 5));
}

TEST(Vote, CountsTheLanesOfTheMask) {
  for (const unsigned low : {kFullMask, 0x0000ffffU, 0x55555555U, 1U}) {
    for_each_schedule([&] {
      const DeviceArray<unsigned> ballot(kLanes), match(kLanes);
      const DeviceArray<int> any(kLanes), all(kLanes);
      launch(votes, 1, kLanes, 0, nullptr, ballot.data(), any.data(), all.data(), match.data(), low);
      for (unsigned lane = 0; lane < kLanes; ++lane) {
        const unsigned mask = (low >> lane & 1U) != 0 ? low : ~low;
        unsigned thirds = 0, same = 0;
        for (unsigned other = 0; other < kLanes; ++other) {
          thirds |= (other % 3 == 0 ? 1U : 0U) << other;
          same |= (other % 5 == lane % 5 ? 1U : 0U) << other;
        }
        const bool has_last = (mask >> 31U) != 0;
        EXPECT_EQ(ballot.to_host()[lane], thirds & mask);
        EXPECT_EQ(match.to_host()[lane], same & mask);
        EXPECT_EQ(any.to_host()[lane] != 0, has_last);
        EXPECT_EQ(all.to_host()[lane] != 0, !has_last);
      }
    });
  }
}

__global__ void reductions(int* out) {
  const int value = thread() == 7 ? -5 : static_cast<int>(thread());
  const auto bits = static_cast<unsigned>(value);
  const std::array results = {__reduce_add_sync(kFullMask, value),
                              __reduce_min_sync(kFullMask, value),
                              __reduce_max_sync(kFullMask, value),
                              static_cast<int>(__reduce_max_sync(kFullMask, bits)),
                              static_cast<int>(__reduce_and_sync(kFullMask, bits | 64U)),
                              static_cast<int>(__reduce_or_sync(kFullMask, thread())),
                              static_cast<int>(__reduce_xor_sync(kFullMask, 1U << thread()))};
  for (std::size_t i = 0; i < results.size(); ++i) out[i * kLanes + thread()] = results[i];
}

TEST(Reduce, GivesEveryLaneTheResult) {
  const DeviceArray<int> out(7 * kLanes);
  launch(reductions, 1, kLanes, 0, nullptr, out.data());
  const int golden[] = {496 - 7 - 5, -5, 31, -5, 64, 31, -1};
  for (std::size_t i = 0; i < 7; ++i) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) EXPECT_EQ(out.to_host()[i * kLanes + lane], golden[i]) << i;
  }
}

// A warp that the block does not fill: the lanes that are not there take no part.
__global__ void last_warp(unsigned* out) {
  const unsigned present = __ballot_sync(kFullMask, 1);
  out[thread()] = present;
}

TEST(Vote, LeavesOutLanesThatTheBlockDoesNotHave) {
  const DeviceArray<unsigned> out(37);
  launch(last_warp, 1, 37, 0, nullptr, out.data());
  EXPECT_EQ(out.to_host()[31], kFullMask);
  EXPECT_EQ(out.to_host()[32], 0x1fU);
}

// ---- Barriers that vote

__global__ void block_votes(int* out, int limit) {
  const int index = static_cast<int>(thread());
  out[index * 3] = __syncthreads_count(index < limit);
  out[index * 3 + 1] = __syncthreads_or(index < limit);
  out[index * 3 + 2] = __syncthreads_and(index < limit);
}

TEST(Barrier, CountsPredicatesOfTheBlock) {
  for (const int limit : {0, 1, 69, 70}) {
    const DeviceArray<int> out(70 * 3);
    launch(block_votes, 1, 70, 0, nullptr, out.data(), limit);
    for (std::size_t i = 0; i < 70; ++i) {
      EXPECT_EQ(out.to_host()[i * 3], limit);
      EXPECT_EQ(out.to_host()[i * 3 + 1] != 0, limit > 0);
      EXPECT_EQ(out.to_host()[i * 3 + 2] != 0, limit == 70);
    }
  }
}

__global__ void early_leavers(int* out) {
  if (thread() >= 40) return;
  out[thread()] = __syncthreads_count(1);
}

TEST(Barrier, WaitsOnlyForThreadsThatHaveNotEnded) {
  const DeviceArray<int> out(40);
  launch(early_leavers, 1, 64, 0, nullptr, out.data());
  EXPECT_THAT(out.to_host(), Each(40));
}

// ---- Atomics

template <class T>
__global__ void atomics(T* cells) {
  const T one = 1, mine = static_cast<T>(blockIdx.x * blockDim.x + threadIdx.x);
  atomicAdd(&cells[0], one);
  atomicMax(&cells[1], mine);
  atomicMin(&cells[2], mine);
  atomicXor(&cells[3], mine);
  atomicOr(&cells[4], mine);
  atomicAnd(&cells[5], static_cast<T>(~(mine & 2)));
  if (atomicCAS(&cells[6], static_cast<T>(7), mine) == 7) atomicAdd(&cells[7], one);
}

template <class T>
class Atomic : public ::testing::Test {};
using Integers = ::testing::Types<int, unsigned, unsigned long long>;
TYPED_TEST_SUITE(Atomic, Integers);

TYPED_TEST(Atomic, LosesNothingBetweenBlocksOnTwoWorkers) {
  using T = TypeParam;
  for_each_schedule([] {
    const DeviceArray<T> cells(std::vector<T>{0, 0, 1000, 0, 0, static_cast<T>(15), 7, 0});
    launch(atomics<T>, 5, 50, 0, nullptr, cells.data());
    const auto got = cells.to_host();
    T all_xor = 0, all_or = 0;
    for (T i = 0; i < 250; ++i) all_xor = static_cast<T>(all_xor ^ i), all_or = static_cast<T>(all_or | i);
    EXPECT_EQ(got[0], static_cast<T>(250));
    EXPECT_EQ(got[1], static_cast<T>(249));
    EXPECT_EQ(got[2], static_cast<T>(0));
    EXPECT_EQ(got[3], all_xor);
    EXPECT_EQ(got[4], all_or);
    EXPECT_EQ(got[5], static_cast<T>(13));
    EXPECT_GE(got[7], static_cast<T>(1));
  });
}

__global__ void increments(unsigned* cells) {
  atomicInc(&cells[0], 6);
  atomicSub(&cells[1], 2U);
  atomicExch(&cells[2], 9U);
}

TEST(Atomic, CountsRoundsExchangesAndSubtracts) {
  const DeviceArray<unsigned> cells(std::vector<unsigned>{0, 100, 0});
  launch(increments, 1, 45, 0, nullptr, cells.data());
  EXPECT_EQ(cells.to_host(), (std::vector<unsigned>{45 % 7, 10, 9}));
}

}  // namespace
}  // namespace hop::kernels::cuda
