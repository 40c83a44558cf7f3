// RowStore: what was put in comes out, from memory and from the file.
#include "data/row_store_internal.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using Row = std::array<float, 3>;

Row row_of(std::int64_t i) { return {static_cast<float>(i), static_cast<float>(-i), 0.5F}; }

void fill(RowStore& store, std::int64_t rows) {
  for (std::int64_t i = 0; i < rows; ++i) {
    const Row row = row_of(i);
    store.append(std::as_bytes(std::span(row)), static_cast<std::uint32_t>(7 * i));
  }
}

void expect_row(const RowStore& store, std::int64_t at, const Row& right, std::uint32_t beside) {
  Row row{};
  EXPECT_EQ(store.read(at, std::as_writable_bytes(std::span(row))), beside) << at;
  EXPECT_EQ(row, right) << at;
}

TEST(RowStore, GivesBackRowsInAnyOrder) {
  const TemporaryFolder folder;
  for (const std::size_t memory : {std::size_t{1} << 20, std::size_t{100}, std::size_t{1}}) {
    RowStore store(sizeof(Row), folder.path(), memory);
    fill(store, 50);
    EXPECT_EQ(store.rows(), 50);
    for (std::int64_t i = 0; i < 50; ++i) {
      const std::int64_t at = i * 37 % 50;
      expect_row(store, at, row_of(at), static_cast<std::uint32_t>(7 * at));
    }
    EXPECT_THAT(folder.names(), testing::IsEmpty()) << "the file has no name";
  }
}

TEST(RowStore, ForgetsItsLastRowsWhereverTheyLie) {
  const TemporaryFolder folder;
  for (const std::size_t memory : {std::size_t{1} << 20, std::size_t{100}, std::size_t{1}}) {
    for (const std::int64_t kept : {50, 49, 30, 1, 0}) {
      RowStore store(sizeof(Row), folder.path(), memory);
      fill(store, 50);
      store.truncate(kept);
      EXPECT_EQ(store.rows(), kept);
      fill(store, 20);
      EXPECT_EQ(store.rows(), kept + 20);
      if (kept > 0) expect_row(store, kept - 1, row_of(kept - 1), static_cast<std::uint32_t>(7 * (kept - 1)));
      for (std::int64_t i = 0; i < 20; ++i) expect_row(store, kept + i, row_of(i), static_cast<std::uint32_t>(7 * i));
    }
  }
}

TEST(RowStore, ReplacesARowWhereverItLies) {
  const TemporaryFolder folder;
  RowStore store(sizeof(Row), folder.path(), 100);
  fill(store, 50);
  const Row other = {1, 2, 3};
  for (const std::int64_t at : {0, 30, 49}) {
    store.replace(at, std::as_bytes(std::span(other)), 9);
    expect_row(store, at, other, 9);
    if (at > 0) expect_row(store, at - 1, row_of(at - 1), static_cast<std::uint32_t>(7 * (at - 1)));
  }
}

TEST(RowStore, NamesTheFolderThatHasNoPlace) {
  RowStore store(sizeof(Row), "/no/such/folder", 100);
  EXPECT_THAT(message_of<DataError>([&] { fill(store, 50); }),
              testing::AllOf(testing::HasSubstr("/no/such/folder"), testing::HasSubstr("No such file")));
}

}  // namespace
}  // namespace hop::data
