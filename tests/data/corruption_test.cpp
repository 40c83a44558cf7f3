// Damage of every kind, at every place of a partition file: always a DataError that names file and place, never a
// crash.
#include "data/partition_generated.h"
#include "data/partition_layout_internal.h"
#include "data/partition_writer.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class CorruptPartition : public testing::Test {
 protected:
  CorruptPartition() {
    PartitionHeader header{.rows = 5,
                           .columns = {{"x", DType::f32, {7}}, {"y", DType::i64, {}}},
                           .classes = 2,
                           .class_names = {"even", "odd"},
                           .dataset = {.low = 1, .high = 2},
                           .block_bytes = 64};
    PartitionWriter writer(file_, header);
    for (std::int64_t r = 0; r < 5; ++r) {
      const std::string x(28, static_cast<char>('a' + r));
      const std::int64_t y = r % 2;
      writer.append(std::vector<ByteView>{as_bytes(x), std::as_bytes(std::span(&y, 1))});
    }
    writer.finish();
    good_ = read_file(file_);
  }

  /// In place: thousands of files that are cut to nothing and written again take a disk minutes.
  void put(const std::string& bytes) {
    std::fstream(file_, std::ios::in | std::ios::out | std::ios::binary) << bytes;
    fs::resize_file(file_, bytes.size());
  }
  std::string error_of(const std::string& bytes, Verify verify = Verify::yes) {
    put(bytes);
    return message_of<DataError>([&] { Partition::open(file_, verify); });
  }
  /// Replaces the bytes before the columns by those of `header`, under valid checksums.
  std::string with_header(const std::string& header) const {
    return with_header(header, good_.substr(kFirstColumnAlignment));
  }
  static std::string with_header(const std::string& header, const std::string& columns) {
    std::string front(first_column_offset(header.size()), '\0');
    front.replace(sizeof(Prologue), header.size(), header);
    Prologue prologue{.file_bytes = front.size() + columns.size(),
                      .header_bytes = static_cast<std::uint32_t>(header.size()),
                      .header_crc = crc32c(as_bytes(front).subspan(sizeof(Prologue)))};
    prologue.prologue_crc = crc_of(prologue);
    std::memcpy(front.data(), &prologue, sizeof prologue);
    return front + columns;
  }
  std::string header() const {
    Prologue prologue;
    std::memcpy(&prologue, good_.data(), sizeof prologue);
    return good_.substr(sizeof prologue, prologue.header_bytes);
  }

  TemporaryFolder folder_;
  fs::path file_ = folder_ / "p.hopd";
  std::string good_;
};

TEST_F(CorruptPartition, IsFoundByAnyFlippedBit) {
  ASSERT_EQ(good_.size(), 4096U + 192 + 64);
  for (std::size_t at = 0; at < good_.size(); ++at) {
    std::string bad = good_;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    const std::string message = error_of(bad);
    ASSERT_THAT(message, AllOf(HasSubstr(file_.string()), HasSubstr("offset "))) << "byte " << at;
    const char* place = at < 32 ? "prologue" : at < 4096 ? "header" : at < 4288 ? "column \"x\"" : "column \"y\"";
    ASSERT_THAT(message, HasSubstr(place)) << "byte " << at;
  }
}

TEST_F(CorruptPartition, IsFoundAtAnyLengthThatIsTooShort) {
  for (std::size_t size = good_.size() - 1; size > 0; --size) {
    ASSERT_THAT(error_of(good_.substr(0, size), Verify::no), HasSubstr(file_.string())) << "size " << size;
  }
  EXPECT_THAT(error_of(""), HasSubstr("got a file of 0"));
  EXPECT_THAT(error_of(good_.substr(0, 4100)), HasSubstr("expected a file of 4352 bytes, got 4100"));
}

TEST_F(CorruptPartition, IsFoundByTrailingBytes) {
  for (const std::size_t extra : {std::size_t{1}, std::size_t{64}, std::size_t{5000}}) {
    EXPECT_THAT(error_of(good_ + std::string(extra, '\0'), Verify::no),
                HasSubstr("expected a file of 4352 bytes, got " + std::to_string(4352 + extra)));
  }
}

TEST_F(CorruptPartition, NamesMagicVersionAndBlock) {
  std::string bad = good_;
  bad.replace(0, 4, "PK\3\4");
  EXPECT_THAT(error_of(bad), AllOf(HasSubstr("magic \"HOPD\""), HasSubstr("offset 0")));
  bad = good_;
  bad[4] = 2;
  EXPECT_THAT(error_of(bad), AllOf(HasSubstr("format version 1, got 2"), HasSubstr("offset 4")));
  bad = good_;
  bad[4096 + 64 + 1] = '!';
  EXPECT_THAT(error_of(bad), AllOf(HasSubstr("offset 4160"), HasSubstr("block 1 of column \"x\"")));
  bad = good_;
  bad[4288 + 63] = '!';  // in the padding after the last label
  EXPECT_THAT(error_of(bad), AllOf(HasSubstr("offset 4288"), HasSubstr("block 0 of column \"y\"")));
}

TEST_F(CorruptPartition, PassesWithoutVerificationOnlyIfTheHeaderIsWhole) {
  std::string bad = good_;
  bad[4096] = '!';
  put(bad);
  EXPECT_EQ(Partition::open(file_, Verify::no).rows(), 5);
  bad[40] = static_cast<char>(bad[40] ^ 1);
  EXPECT_THAT(error_of(bad, Verify::no), HasSubstr("header"));
}

TEST_F(CorruptPartition, MayLieUnderValidChecksumsAndIsReadWithinItsBounds) {
  // A hostile writer can make checksums that fit. So each bit of the header is turned, and a file that opens must be
  // readable.
  const std::string honest = header();
  int opened = 0;
  for (std::size_t bit = 0; bit < 8 * honest.size(); ++bit) {
    std::string lie = honest;
    lie[bit / 8] = static_cast<char>(lie[bit / 8] ^ (1 << bit % 8));
    put(with_header(lie));
    try {
      const Partition partition = Partition::open(file_);
      ++opened;
      for (std::size_t c = 0; c < partition.columns().size(); ++c) {
        for (std::int64_t r = 0; r < partition.rows(); ++r) (void)sha256_hex(partition.row(c, r));
      }
    } catch (const DataError&) {
    }
  }
  EXPECT_GT(opened, 0);  // a digest, a class name: they open
}

TEST_F(CorruptPartition, NamesWhatAHeaderGetsWrong) {
  const PartitionHeader good = Partition::open(file_).header();
  const auto error_with = [&](PartitionHeader h) {
    Layout layout{.columns = std::vector<ColumnExtent>(h.columns.size())};
    return error_of(with_header(encode_header(h, layout, BlockCrcs(h.columns.size()))));
  };
  PartitionHeader h = good;
  h.rows = -1;
  EXPECT_THAT(error_with(h), HasSubstr("rows, got -1"));
  h = good;
  h.rows = 1LL << 60;
  EXPECT_THAT(error_with(h), HasSubstr("rows, got 1152921504606846976"));
  h = good;
  h.columns[0].shape = {1LL << 62};
  EXPECT_THAT(error_with(h), HasSubstr("below 2^50 bytes"));
  h = good;
  h.block_bytes = 0;
  EXPECT_THAT(error_with(h), HasSubstr("blocks of a power of two"));
  h = good;
  h.rows = 6;
  EXPECT_THAT(error_with(h), HasSubstr("offset or number of blocks of column 0"));
  h = good;
  h.columns.assign(65, good.columns[0]);
  EXPECT_THAT(error_with(h), HasSubstr("at most 64 columns"));
}

TEST_F(CorruptPartition, MayNotEndBeforeOrAfterItsColumns) {
  const std::string columns = good_.substr(kFirstColumnAlignment);
  for (const std::string& wrong : {columns.substr(64), columns + std::string(64, '\0'), std::string()}) {
    EXPECT_THAT(error_of(with_header(header(), wrong)), HasSubstr("columns of 256 bytes in all"));
  }
}

TEST_F(CorruptPartition, MayNotPointAColumnElsewhere) {
  const PartitionHeader good = Partition::open(file_).header();
  const Layout layout = layout_of(good);
  const BlockCrcs crcs = {{0, 0, 0}, {0}};
  EXPECT_THAT(error_of(with_header(encode_header(good, layout, crcs))), HasSubstr("block 0"));  // accepted up to here
  Layout shifted = layout;
  shifted.columns[1].offset += 64;
  EXPECT_THAT(error_of(with_header(encode_header(good, shifted, crcs))),
              HasSubstr("offset or number of blocks of column 1"));
}

TEST_F(CorruptPartition, NamesADtypeThatDoesNotExist) {
  std::string lie = header();
  lie.replace(lie.find("f32"), 3, "f99");
  EXPECT_THAT(error_of(with_header(lie)), AllOf(HasSubstr("f99"), HasSubstr(file_.string())));
}

TEST_F(CorruptPartition, IsRefusedWithMoreTablesThanAHeaderMayHave) {
  flatbuffers::FlatBufferBuilder b;
  std::vector<flatbuffers::Offset<fbs::Column>> columns;
  for (int i = 0; i < 2000; ++i) {
    const std::vector<std::int64_t> shape = {1};
    columns.push_back(fbs::CreateColumn(b, b.CreateString("c" + std::to_string(i)), b.CreateString("u8"),
                                        b.CreateVector(shape), 0, b.CreateVector(std::vector<std::uint32_t>{0})));
  }
  const fbs::Digest digest(1, 2);
  b.Finish(fbs::CreatePartitionHeader(b, 1, b.CreateVector(columns), 0, 0, &digest, 0, 64));
  const std::string many(reinterpret_cast<const char*>(b.GetBufferPointer()), b.GetSize());
  EXPECT_THAT(error_of(with_header(many)), HasSubstr("not valid FlatBuffers"));
}

TEST_F(CorruptPartition, NamesAFileThatIsNotThereOrNoFile) {
  EXPECT_THAT(message_of<DataError>([&] { Partition::open(folder_ / "none.hopd"); }),
              AllOf(HasSubstr("none.hopd"), HasSubstr("No such file")));
  EXPECT_THROW(Partition::open(folder_.path()), DataError);
}

}  // namespace
}  // namespace hop::data
