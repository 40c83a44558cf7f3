#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "base/json_depth_internal.h"

namespace hop {
namespace {

std::string lists(int depth) {
  const auto n = static_cast<std::size_t>(depth);
  return std::string(n, '[') + std::string(n, ']');
}

TEST(JsonDepth, IsThatOfListsAndObjectsInEachOther) {
  EXPECT_FALSE(is_deep_json(""));
  EXPECT_FALSE(is_deep_json(lists(kMostJsonDepth)));
  EXPECT_TRUE(is_deep_json(lists(kMostJsonDepth + 1)));
  EXPECT_TRUE(is_deep_json(R"({"a": )" + lists(kMostJsonDepth) + "}"));
  EXPECT_FALSE(is_deep_json("[" + lists(kMostJsonDepth - 1) + "," + lists(kMostJsonDepth - 1) + "]"))
      << "beside each other";
  EXPECT_THROW(check_json_depth(lists(kMostJsonDepth + 1)), DataError);
}

TEST(JsonDepth, DoesNotCountWhatStandsInTexts) {
  EXPECT_FALSE(is_deep_json('"' + std::string(100, '[') + '"'));
  EXPECT_FALSE(is_deep_json(R"("\")" + std::string(100, '[') + '"')) << "an escaped quote ends no text";
  EXPECT_TRUE(is_deep_json(R"("\\")" + std::string(100, '['))) << "an escaped backslash escapes no quote";
}

}  // namespace
}  // namespace hop
