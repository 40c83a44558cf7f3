// IDX files, byte by byte.
#include "data/formats/idx.h"

#include "data/formats/format.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kImages = bytes({0, 0, 8, 3, 0, 0, 0,   2,   0,   0,   0,   2,  0, 0, 0, 3,  // 2 images of 2 x 3
                                   1, 2, 3, 4, 5, 6, 250, 251, 252, 253, 254, 255});
const std::string kLabels = bytes({0, 0, 8, 1, 0, 0, 0, 2, 4, 0});

class Idx : public testing::Test {
 protected:
  void write(const std::string& prefix) {
    write_file(folder_ / (prefix + "-images-idx3-ubyte"), kImages);
    write_file(folder_ / (prefix + "-labels-idx1-ubyte"), kLabels);
  }
  std::string error_of(const std::string& images, const std::string& labels) {
    write_file(folder_ / "images", images);
    write_file(folder_ / "labels", labels);
    const std::vector<fs::path> files = {folder_ / "images", folder_ / "labels"};
    return message_of<DataError>([&] { (void)open_idx(files); });
  }
  TemporaryFolder folder_;
};

TEST_F(Idx, ReadsImagesAndLabels) {
  write("train");
  const RawData raw = open_idx(find_idx(folder_.path()));
  EXPECT_EQ(raw.format, "idx");
  EXPECT_EQ(raw.test, nullptr);
  EXPECT_THAT(raw.files,
              ElementsAre(SourceFile{"train-images-idx3-ubyte", kImages.size(), xxh3_128(as_bytes(kImages))},
                          SourceFile{"train-labels-idx1-ubyte", kLabels.size(), xxh3_128(as_bytes(kLabels))}));
  EXPECT_EQ(raw.train->rows(), 2);
  EXPECT_EQ(raw.train->feature_shape(), (Shape{1, 2, 3}));
  EXPECT_EQ(raw.train->feature_dtype(), DType::u8);
  EXPECT_EQ(raw.train->classes(), 5);
  std::vector<std::uint8_t> row(6);
  EXPECT_EQ(raw.train->read(0, std::as_writable_bytes(std::span(row))), 4);
  EXPECT_THAT(row, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(raw.train->read(1, std::as_writable_bytes(std::span(row))), 0);
  EXPECT_THAT(row, ElementsAre(250, 251, 252, 253, 254, 255));
}

TEST_F(Idx, FindsTestRowsUnderBothUsualNames) {
  write("train");
  EXPECT_EQ(find_idx(folder_.path()).size(), 2U);
  write("test");
  EXPECT_EQ(find_idx(folder_.path()).size(), 4U);
  EXPECT_EQ(open_idx(find_idx(folder_.path())).test->rows(), 2);
  write("t10k");
  EXPECT_EQ(find_idx(folder_.path())[2].filename(), "t10k-images-idx3-ubyte");
}

TEST_F(Idx, FindsNothingWithoutTrainingImagesAndMissesHalfAPair) {
  EXPECT_THAT(find_idx(folder_.path()), IsEmpty());
  write_file(folder_ / "train-images-idx3-ubyte", kImages);
  EXPECT_THAT(message_of<DataError>([&] { (void)find_idx(folder_.path()); }),
              HasSubstr("train-labels-idx1-ubyte, got only one of them"));
}

TEST_F(Idx, SaysWhatIsWrongWithAHeader) {
  EXPECT_THAT(error_of("PNG and so on", kLabels), AllOf(HasSubstr("two zero bytes"), HasSubstr("images, offset 0")));
  EXPECT_THAT(error_of(bytes({0, 0, 13, 3}) + kImages.substr(4), kLabels),
              HasSubstr("type 8 (unsigned byte), got type 13"));
  EXPECT_THAT(error_of(bytes({0, 0, 8, 0}), kLabels), HasSubstr("1 to 8 dimensions, got 0"));
  EXPECT_THAT(error_of(bytes({0, 0, 8, 9}), kLabels), HasSubstr("1 to 8 dimensions, got 9"));
  EXPECT_THAT(error_of(kImages.substr(0, 10), kLabels), HasSubstr("got the end of the file"));
  EXPECT_THAT(error_of(kImages.substr(0, 27), kLabels), HasSubstr("expected 12 elements, got 11"));
  EXPECT_THAT(error_of(kImages + "x", kLabels), HasSubstr("expected 12 elements, got 13"));
  EXPECT_THAT(error_of("", kLabels), HasSubstr("offset 0"));
  EXPECT_THAT(error_of(bytes({0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 3}), kLabels), HasSubstr("size of at least 1"));
  EXPECT_THAT(error_of(bytes({0, 0, 8, 3, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}), kLabels),
              HasSubstr("that fits the file"));
}

TEST_F(Idx, SaysWhenImagesAndLabelsDoNotBelongTogether) {
  EXPECT_THAT(error_of(kImages, bytes({0, 0, 8, 1, 0, 0, 0, 1, 4})), HasSubstr("2 labels, as many as images, got 1"));
  EXPECT_THAT(error_of(kLabels, kImages), HasSubstr("labels of 1 dimension, got 3"));
  EXPECT_THAT(error_of(kLabels, kLabels), HasSubstr("images of at least 2 dimensions"));
}

}  // namespace
}  // namespace hop::data
