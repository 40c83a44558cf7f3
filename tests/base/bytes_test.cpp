#include "base/bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace hop {
namespace {

TEST(AlignedBuffer, IsZeroAndStartsOnItsBoundaryAtEverySize) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{63}, std::size_t{65}, (std::size_t{2} << 20) - 1,
                                 std::size_t{2} << 20, (std::size_t{5} << 20) + 13}) {
    AlignedBuffer buffer(size);
    ASSERT_EQ(buffer.size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % kAlignment, 0U) << size;
    EXPECT_TRUE(std::all_of(buffer.span().begin(), buffer.span().end(), [](std::byte b) { return b == std::byte{}; }));
    std::fill(buffer.span().begin(), buffer.span().end(), std::byte{255});
  }
}

TEST(AlignedBuffer, LiesOnLargePagesWhereItIsLarge) {
  const AlignedBuffer buffer(std::size_t{3} << 20);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % (std::size_t{2} << 20), 0U);
}

TEST(AlignedBuffer, ThrowsWhenTheSystemHasNoSuchMemory) {
  EXPECT_THROW(AlignedBuffer(std::numeric_limits<std::size_t>::max() / 4), std::bad_alloc);
}

}  // namespace
}  // namespace hop
