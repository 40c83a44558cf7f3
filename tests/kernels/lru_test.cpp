#include "kernels/cpu/lru_internal.h"

#include <gtest/gtest.h>

namespace hop::kernels {
namespace {

TEST(LruCache, MakesAValueOnceAndForgetsTheOneThatWasAskedForLongestAgo) {
  LruCache<2, int> cache(2);
  int made = 0;
  const auto get = [&](std::int64_t a, std::int64_t b) { return cache.get({a, b}, [&] { return ++made; }); };
  EXPECT_EQ(get(1, 2), 1);
  EXPECT_EQ(get(2, 1), 2);
  EXPECT_EQ(get(1, 2), 1);  // still there, and now the latest
  EXPECT_EQ(get(3, 3), 3);  // (2, 1) goes
  EXPECT_EQ(get(1, 2), 1);
  EXPECT_EQ(get(2, 1), 4);
  EXPECT_EQ(get(3, 3), 5);
}

TEST(LruCache, KeepsNothingOfAMakerThatThrows) {
  LruCache<1, int> cache(2);
  EXPECT_THROW(cache.get({1}, []() -> int { throw 1; }), int);
  EXPECT_EQ(cache.get({1}, [] { return 7; }), 7);
}

}  // namespace
}  // namespace hop::kernels
