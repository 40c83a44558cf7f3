// Judged by the entries that are left after each use.
#include "base/recently_used.h"

#include <gtest/gtest.h>

namespace hop {
namespace {

int* find(RecentlyUsed<int>& list, int wanted) {
  return list.find([&](int entry) { return entry == wanted; });
}

TEST(RecentlyUsed, DropsTheEntryThatWasUsedLongestAgo) {
  RecentlyUsed<int> list(3);
  for (int entry : {1, 2, 3}) list.add(entry);
  ASSERT_NE(find(list, 1), nullptr);  // 2 is the oldest now
  list.add(4);
  EXPECT_EQ(list.size(), 3U);
  EXPECT_EQ(find(list, 2), nullptr);
  for (int entry : {1, 3, 4}) EXPECT_NE(find(list, entry), nullptr) << entry;
}

TEST(RecentlyUsed, KeepsAnEntryAtItsAddressUntilItGoes) {
  RecentlyUsed<int> list(2);
  const int* first = &list.add(1);
  list.add(2);
  EXPECT_EQ(find(list, 1), first);
  EXPECT_EQ(*first, 1);
}

TEST(RecentlyUsed, FindsTheMatchThatWasUsedLast) {
  RecentlyUsed<int> list(4);
  for (int entry : {1, 2, 3}) list.add(entry);
  EXPECT_EQ(*list.find([](int) { return true; }), 3);
  find(list, 2);
  EXPECT_EQ(*list.find([](int entry) { return entry != 1; }), 2);
}

TEST(RecentlyUsed, ForgetsWhatIsRemoved) {
  RecentlyUsed<int> list(4);
  for (int entry : {1, 2, 3}) list.add(entry);
  list.remove_if([](int entry) { return entry != 2; });
  EXPECT_EQ(list.size(), 1U);
  EXPECT_EQ(find(list, 3), nullptr);
  list.clear();
  EXPECT_EQ(find(list, 2), nullptr);
}

}  // namespace
}  // namespace hop
