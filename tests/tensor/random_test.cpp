#include "tensor/random.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace hop {
namespace {

using Words = std::array<std::uint32_t, 4>;

// kat_vectors of Random123 (D. E. Shaw Research), philox4x32 with 10 rounds.
TEST(Philox, HasThePublishedKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// From a separate implementation in Python: the counter is (block, draw, step, high halves of step and block).
TEST(RandomAddress, PlacesStepDrawAndBlockInTheCounter) {
  const RandomAddress address = {.key = 0x0123456789abcdef, .step = (std::uint64_t{5} << 32) | 7, .draw = 3};
  EXPECT_EQ(address.words(0), (Words{0xf5c7dded, 0x2a28228b, 0x967fc275, 0x126161fb}));
  EXPECT_EQ(address.words(1)[0], 0x8cec6f46U);
  EXPECT_EQ(address.words((std::uint64_t{1} << 32) + 1)[1], 0x9fc8640bU);
}

TEST(RandomAddress, GivesOtherWordsForEveryPartOfItself) {
  std::set<std::uint32_t> first;
  const std::uint64_t high = std::uint64_t{1} << 40;
  for (const std::uint64_t key : {std::uint64_t{1}, high}) {
    for (const std::uint64_t step : {std::uint64_t{0}, std::uint64_t{1}, high}) {
      for (const std::uint32_t draw : {0U, 1U}) {
        for (const std::uint64_t block : {std::uint64_t{0}, std::uint64_t{1}, high}) {
          first.insert(RandomAddress{key, step, draw}.words(block)[0]);
        }
      }
    }
  }
  EXPECT_EQ(first.size(), 36U);
}

TEST(Uniform01, TakesThe24HighBits) {
  EXPECT_EQ(uniform01(0), 0.0F);
  EXPECT_EQ(uniform01(0xff), 0.0F);
  EXPECT_EQ(uniform01(0x80000000), 0.5F);
  EXPECT_LT(uniform01(0xffffffff), 1.0F);
}

TEST(PhiloxStream, IsTheWordsOfItsAddressInOrder) {
  const RandomAddress address = {.key = 9, .step = 2, .draw = 1};
  PhiloxStream stream(address);
  for (std::uint64_t i = 0; i < 21; ++i) EXPECT_EQ(stream.next(), address.words(i / 4)[i % 4]);
}

TEST(PhiloxStream, DrawsBelowABoundWithoutBias) {
  PhiloxStream stream({.key = 3});
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) {
    const std::uint32_t v = stream.below(7);
    ASSERT_LT(v, 7U);
    ++counts[v];
  }
  for (const int count : counts) EXPECT_NEAR(count, 10000, 400);
  EXPECT_EQ(stream.below(1), 0U);
  const std::uint32_t large = 0xC0000000;  // a quarter of all words is rejected; else multiples of 3 came half the time
  int thirds = 0;
  for (int i = 0; i < 30000; ++i) thirds += stream.below(large) % 3 == 0;
  EXPECT_NEAR(thirds, 10000, 400);
}

TEST(PhiloxStream, DrawsNormalsWithTheirMoments) {
  PhiloxStream stream({.key = 4});
  double sum = 0, squares = 0;
  for (int i = 0; i < 100000; ++i) {
    const double v = stream.normal();
    sum += v;
    squares += v * v;
  }
  EXPECT_NEAR(sum / 100000, 0, 0.015);
  EXPECT_NEAR(squares / 100000, 1, 0.02);
}

}  // namespace
}  // namespace hop
