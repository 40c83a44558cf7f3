// RowShuffle: rows leave in the order of their places, from one bucket in memory and from many in a file. The judge is
// the permutation itself.
#include "data/row_shuffle_internal.h"

#include <numeric>

#include "data/split.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using Row = std::array<std::uint32_t, 5>;

Row row_of(std::uint32_t i) { return {i, 2 * i, ~i, 7, i % 3}; }

// Row numbers in the order in which they leave, `most` at a time; checks the contents of each row.
std::vector<std::uint32_t> shuffled(const std::vector<std::uint32_t>& places, const fs::path& folder,
                                    std::size_t memory, std::size_t block, std::size_t most) {
  RowShuffle shuffle(sizeof(Row), places, folder, memory);
  std::vector<Row> rows;
  for (std::uint32_t i = 0; i < places.size(); ++i) {
    rows.push_back(row_of(i));
    if (rows.size() < block && i + 1 < places.size()) continue;
    shuffle.append(std::as_bytes(std::span(rows)));
    rows.clear();
  }
  std::vector<std::uint32_t> order;
  while (order.size() < places.size()) {
    const std::size_t left = std::min(most, places.size() - order.size());
    const ByteView taken = shuffle.take(left);
    EXPECT_GE(taken.size(), sizeof(Row));
    EXPECT_LE(taken.size(), left * sizeof(Row));
    for (std::size_t at = 0; at < taken.size(); at += sizeof(Row)) {
      Row row{};
      std::memcpy(row.data(), taken.data() + at, sizeof(Row));
      EXPECT_EQ(row, row_of(row[0]));
      order.push_back(row[0]);
    }
  }
  return order;
}

TEST(RowShuffle, GivesEachRowItsPlace) {
  const TemporaryFolder folder;
  for (const std::int64_t rows : {1, 2, 100, 20'000}) {
    const std::vector<std::uint32_t> order = random_permutation(rows, 5);
    std::vector<std::uint32_t> places(order.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) places[order[i]] = i;
    for (const std::size_t memory : {std::size_t{1} << 20, std::size_t{70'000}, std::size_t{1}}) {
      EXPECT_EQ(shuffled(places, folder.path(), memory, 13, 64), order) << rows << " rows, " << memory << " bytes";
    }
  }
  EXPECT_THAT(folder.names(), testing::IsEmpty()) << "the file has no name";
}

TEST(RowShuffle, NamesTheFolderThatHasNoPlace) {
  std::vector<std::uint32_t> places(20'000);
  std::iota(places.begin(), places.end(), 0U);
  EXPECT_THAT(message_of<DataError>([&] { shuffled(places, "/no/such/folder", 1, 1, 1); }),
              testing::HasSubstr("/no/such/folder"));
}

}  // namespace
}  // namespace hop::data
