// Every row goes to exactly one place.
#include "data/split.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::uint32_t> all_rows(const Split& split) {
  std::vector<std::uint32_t> rows = split.validation;
  for (const auto& partition : split.partitions) rows.insert(rows.end(), partition.begin(), partition.end());
  return rows;
}

TEST(RandomPermutation, HoldsEveryNumberOnceAndIsAFunctionOfItsKey) {
  for (const std::int64_t n : {0, 1, 2, 3, 7, 64, 1000, 4099}) {
    const auto order = random_permutation(n, 42);
    auto sorted = order;
    std::ranges::sort(sorted);
    EXPECT_EQ(sorted, ascending_rows(n));
    EXPECT_EQ(order, random_permutation(n, 42));
    if (n >= 64) {
      EXPECT_NE(order, random_permutation(n, 43));
    }
  }
}

TEST(RandomPermutation, IsTheSameOnEveryMachine) {
  // From a second implementation of Philox, Lemire's bounded draw and Fisher-Yates (in Python).
  EXPECT_THAT(random_permutation(8, 2026), ElementsAre(2, 0, 5, 6, 1, 4, 7, 3));
  EXPECT_THAT(random_permutation(8, std::uint64_t{1} << 40), ElementsAre(1, 6, 5, 7, 3, 2, 4, 0));
}

TEST(RandomPermutation, DrawsEveryOrderEquallyOften) {
  std::map<std::vector<std::uint32_t>, int> seen;
  for (std::uint64_t key = 0; key < 24'000; ++key) ++seen[random_permutation(4, key)];
  ASSERT_EQ(seen.size(), 24U);
  // 1000 expected, standard deviation 31; the sum of squares over 24 cells exceeds 60 once in 30,000 (chi squared, 23).
  double chi2 = 0.0;
  for (const auto& [order, count] : seen) chi2 += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi2, 60.0);
}

TEST(SplitRows, PutsEveryRowIntoExactlyOnePlace) {
  for (const std::int64_t rows : {10, 11, 97, 1000}) {
    for (const std::uint32_t partitions : {1U, 2U, 3U, 7U}) {
      for (const Validation& validation : {Validation::none(), Validation::tail(3), Validation::fraction(0.25)}) {
        for (const bool shuffle : {false, true}) {
          const Split split = split_rows(rows, partitions, validation, 5, shuffle);
          auto all = all_rows(split);
          std::ranges::sort(all);
          ASSERT_EQ(all, ascending_rows(rows));
          ASSERT_EQ(split.partitions.size(), partitions);
          const auto [least, most] = std::ranges::minmax(split.partitions, {}, &std::vector<std::uint32_t>::size);
          ASSERT_LE(most.size() - least.size(), 1U);
        }
      }
    }
  }
}

TEST(SplitRows, TakesTheTailBeforeItShuffles) {
  const Split split = split_rows(10, 2, Validation::tail(3), 1, true);
  EXPECT_THAT(split.validation, ElementsAre(7, 8, 9));
}

TEST(SplitRows, DrawsAFractionFromEverywhere) {
  const Split split = split_rows(1000, 4, Validation::fraction(0.1), 1, true);
  ASSERT_EQ(split.validation.size(), 100U);
  EXPECT_TRUE(std::ranges::is_sorted(split.validation));
  const double mean = std::accumulate(split.validation.begin(), split.validation.end(), 0.0) / 100;
  EXPECT_NEAR(mean, 499.5, 115);  // four standard deviations
  EXPECT_NE(split.validation, split_rows(1000, 4, Validation::fraction(0.1), 2, true).validation);
  EXPECT_EQ(split.validation, split_rows(1000, 3, Validation::fraction(0.1), 1, false).validation);
}

TEST(SplitRows, KeepsTheOrderOfTheSourceWithoutShuffle) {
  const Split split = split_rows(7, 3, Validation::none(), 1, false);
  EXPECT_THAT(split.partitions, ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3), ElementsAre(4, 5, 6)));
}

TEST(SplitRows, ShufflesAcrossPartitionsByItsSeed) {
  const auto a = split_rows(100, 4, Validation::none(), 1, true).partitions;
  EXPECT_EQ(a, split_rows(100, 4, Validation::none(), 1, true).partitions);
  EXPECT_NE(a, split_rows(100, 4, Validation::none(), 2, true).partitions);
  EXPECT_THAT(a[0], Not(testing::Each(testing::Lt(25U))));
}

TEST(SplitRows, SaysWhatTheRowsDoNotAllow) {
  const auto error = [](std::int64_t rows, std::uint32_t partitions, const Validation& validation) {
    return message_of<ConfigError>([&] { (void)split_rows(rows, partitions, validation, 0, true); });
  };
  EXPECT_THAT(error(10, 0, Validation::none()), HasSubstr("1 to 10 partitions (one row each at least), got 0"));
  EXPECT_THAT(error(10, 11, Validation::none()), HasSubstr("got 11"));
  EXPECT_THAT(error(10, 8, Validation::tail(3)), HasSubstr("1 to 7 partitions"));
  EXPECT_THAT(error(10, 1, Validation::tail(0)), HasSubstr("tail of 1 to 9 rows, got 0"));
  EXPECT_THAT(error(10, 1, Validation::tail(10)), HasSubstr("got 10"));
  EXPECT_THAT(error(10, 1, Validation::fraction(0.0)), HasSubstr("between 0 and 1, got 0"));
  EXPECT_THAT(error(10, 1, Validation::fraction(1.5)), HasSubstr("got 1.5"));
  EXPECT_THAT(error(10, 1, Validation::fraction(0.01)),
              HasSubstr("rows on both sides, got 0 of 10 rows: for 0.01 at least 50 are needed"));
}

TEST(Validation, SaysWhatItIs) {
  EXPECT_EQ(Validation::none().to_string(), "none");
  EXPECT_EQ(Validation::file().to_string(), "file");
  EXPECT_EQ(Validation::tail(4000).to_string(), "tail 4000");
  EXPECT_EQ(Validation::fraction(0.1).to_string(), "fraction 0.1");
}

// Of each class the same share, and some of each class on both sides.
TEST(Split, SetsTheSameShareOfEachClassAside) {
  std::vector<std::uint32_t> classes;
  for (std::uint32_t row = 0; row < 1000; ++row)
    classes.push_back(row % 100 == 0 ? 1 : row == 501 ? 2 : row % 400 == 3 ? 3 : 0);
  const Split split = split_rows(1000, 4, Validation::fraction(0.2, true), 7, true, classes);
  std::vector<int> all(4), aside(4), kept(4);
  for (const std::uint32_t c : classes) ++all[c];
  for (const std::uint32_t row : split.validation) ++aside[classes[row]];
  for (const auto& partition : split.partitions) {
    for (const std::uint32_t row : partition) ++kept[classes[row]];
  }
  for (std::size_t c = 0; c < 4; ++c) EXPECT_EQ(aside[c] + kept[c], all[c]);
  EXPECT_EQ(all, (std::vector<int>{986, 10, 1, 3}));
  EXPECT_EQ(aside, (std::vector<int>{197, 2, 0, 1})) << "round(0.2 n), but one of three, and none of one";
  EXPECT_TRUE(std::ranges::is_sorted(split.validation));
  EXPECT_EQ(split.validation, split_rows(1000, 2, Validation::fraction(0.2, true), 7, false, classes).validation);
  EXPECT_NE(split.validation, split_rows(1000, 4, Validation::fraction(0.2, true), 8, true, classes).validation);
  EXPECT_EQ(Validation::fraction(0.2, true).to_string(), "stratified fraction 0.2");
}

}  // namespace
}  // namespace hop::data
