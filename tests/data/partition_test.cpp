// The partition file: what is written is what is read.
#include "data/partition.h"

#include "data/partition_writer.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct FileCase {
  DType dtype;
  Shape shape;
  std::int64_t rows;
  std::uint32_t block_bytes;
};

class RoundTrip : public testing::TestWithParam<FileCase> {};

std::string pattern(std::size_t size, std::size_t salt) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 31 + salt * 17 + i * salt) & 0xFF);
  return text;
}

TEST_P(RoundTrip, KeepsEveryRowOfEveryColumn) {
  const TemporaryFolder folder;
  const FileCase& c = GetParam();
  PartitionHeader header{.rows = c.rows,
                         .columns = {{"x", c.dtype, c.shape}, {"y", DType::i64, {}}, {"extra", DType::u8, {3}}},
                         .classes = 2,
                         .class_names = {"no", "yes"},
                         .dataset = {.low = 7, .high = 9},
                         .index = 5,
                         .block_bytes = c.block_bytes};
  PartitionWriter writer(folder / "a.hopd", header);
  const auto column_bytes = [&](std::size_t i, std::int64_t r) {
    return pattern(header.columns[i].row_bytes(), static_cast<std::size_t>(r) * 3 + i);
  };
  for (std::int64_t r = 0; r < c.rows; ++r) {
    const std::string x = column_bytes(0, r), y = column_bytes(1, r), extra = column_bytes(2, r);
    writer.append(std::vector<ByteView>{as_bytes(x), as_bytes(y), as_bytes(extra)});
  }
  const WrittenPartition written = writer.finish();
  const std::string file = read_file(folder / "a.hopd");
  EXPECT_EQ(written.bytes, file.size());
  EXPECT_EQ(written.digest, xxh3_128(as_bytes(file)));

  const Partition partition = Partition::open(folder / "a.hopd");
  EXPECT_EQ(partition.rows(), c.rows);
  EXPECT_EQ(partition.columns(), header.columns);
  EXPECT_EQ(partition.header().classes, 2);
  EXPECT_EQ(partition.header().class_names, header.class_names);
  EXPECT_EQ(partition.header().dataset, header.dataset);
  EXPECT_EQ(partition.header().index, 5U);
  EXPECT_EQ(partition.column_index("extra"), 2U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(partition.column(i).data()) % (i == 0 ? 4096 : 64), 0U);
    for (std::int64_t r = 0; r < c.rows; ++r) EXPECT_EQ(as_text(partition.row(i, r)), column_bytes(i, r));
  }
}

INSTANTIATE_TEST_SUITE_P(Partition, RoundTrip,
                         testing::Values(FileCase{DType::u8, {1, 28, 28}, 10, 64 << 10},
                                         FileCase{DType::u8, {7}, 1, 64},      // less than a block
                                         FileCase{DType::f32, {16}, 128, 64},  // a row is a block
                                         FileCase{DType::f64, {5}, 33, 128},   // rows straddle blocks
                                         FileCase{DType::i32, {}, 1000, 256},  // a number per row
                                         FileCase{DType::boolean, {1, 1, 1}, 65, 4096},
                                         FileCase{DType::i64, {3, 3, 3, 3}, 2, 64}));

// A value of every compiler: the order of a call's arguments must not show in the bytes.
TEST(PartitionWriter, WritesTheSameBytesWhoeverCompilesIt) {
  const TemporaryFolder folder;
  PartitionWriter writer(folder / "a.hopd",
                         {.rows = 1, .columns = {{"x", DType::u8, {1, 2}}, {"label", DType::u8, {}}}});
  writer.append(std::vector<ByteView>{as_bytes("ab"), as_bytes("c")});
  EXPECT_EQ(writer.finish().digest.hex(), "809ba4cab77958ba6d1ab1a013a4a60d");
}

TEST(Partition, StaysMappedAsLongAsAHandleLivesAndAfterItsPagesWereReleased) {
  const TemporaryFolder folder;
  const Dataset dataset = write_dataset(numbered(50), folder / "d", {.partitions = 1});
  std::optional<Partition> first = dataset.partition(PartitionId(0));
  const Partition second = *first;
  first.reset();
  fs::remove_all(folder / "d");
  const auto before = rows_in(second);
  second.release_pages();
  EXPECT_EQ(rows_in(second), before);
}

TEST(Partition, NamesAColumnOrRowThatItDoesNotHave) {
  const TemporaryFolder folder;
  const Partition p = write_dataset(numbered(5), folder / "d", {.partitions = 1}).partition(PartitionId(0));
  EXPECT_THAT(message_of<DataError>([&] { (void)p.column_index("z"); }), HasSubstr("column \"z\""));
  EXPECT_THAT(message_of<IndexError>([&] { (void)p.row(0, 5); }), HasSubstr("row below 5, got 5"));
  EXPECT_THAT(message_of<IndexError>([&] { (void)p.row(0, -1); }), HasSubstr("got -1"));
  EXPECT_THAT(message_of<IndexError>([&] { (void)p.column(2); }), HasSubstr("column below 2, got 2"));
}

TEST(PartitionWriter, LeavesNothingBehindWithoutFinish) {
  const TemporaryFolder folder;
  write_file(folder / "a.hopd", "older");
  {
    PartitionWriter writer(folder / "a.hopd", {.rows = 2, .columns = {{"x", DType::u8, {}}}});
    writer.append(std::vector<ByteView>{as_bytes("1")});
    EXPECT_THAT(message_of<DataError>([&] { writer.finish(); }), HasSubstr("expected 2 rows, got 1"));
  }
  EXPECT_THAT(folder.names(), ElementsAre("a.hopd"));
  EXPECT_EQ(read_file(folder / "a.hopd"), "older");
}

TEST(PartitionWriter, RejectsARowThatDoesNotFit) {
  const TemporaryFolder folder;
  PartitionWriter writer(folder / "a.hopd", {.rows = 1, .columns = {{"x", DType::i32, {2}}}});
  EXPECT_THAT(message_of<DataError>([&] { writer.append(std::vector<ByteView>{as_bytes("1234567")}); }),
              AllOf(HasSubstr("8 bytes"), HasSubstr("got 7")));
  writer.append(std::vector<ByteView>{as_bytes("12345678")});
  EXPECT_THROW(writer.append(std::vector<ByteView>{as_bytes("12345678")}), DataError);
}

TEST(PartitionWriter, RejectsAHeaderThatDescribesNoFile) {
  const TemporaryFolder folder;
  const Column x{"x", DType::u8, {4}};
  for (const PartitionHeader& header : std::vector<PartitionHeader>{
           {.rows = 0, .columns = {x}},
           {.rows = 1},
           {.rows = 1, .columns = {x, x}},
           {.rows = 1, .columns = {{"", DType::u8, {4}}}},
           {.rows = 1, .columns = {{"x", DType::u8, {0}}}},
           {.rows = 1, .columns = {{"x", DType::f64, {1LL << 40, 1LL << 40}}}},
           {.rows = 1, .columns = {{"x", DType::u8, {(1LL << 50) + 1}}}},
           {.rows = 1, .columns = {x}, .classes = 2, .class_names = {"one"}},
           {.rows = 1, .columns = {x}, .block_bytes = 100},
       }) {
    EXPECT_THROW(PartitionWriter(folder / "a.hopd", header), DataError);
  }
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(PartitionWriter, NamesTheFileThatItCannotCreate) {
  EXPECT_THAT(message_of<DataError>([] {
                PartitionWriter("/nowhere/at/all/a.hopd", {.rows = 1, .columns = {{"x", DType::u8, {}}}});
              }),
              AllOf(HasSubstr("/nowhere/at/all/a.hopd"), HasSubstr("No such file")));
}

}  // namespace
}  // namespace hop::data
