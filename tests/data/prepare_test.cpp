// From the [data] section of an experiment to an opened data set.
#include "data/prepare.h"

#include "data/glyphs.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string table(int rows) {
  std::string text = "kind,width,height\n";
  for (int i = 0; i < rows; ++i)
    text += (i % 2 == 0 ? "even," : "odd,") + std::to_string(i) + "," + std::to_string(2 * i) + "\n";
  return text;
}

class Prepare : public testing::Test {
 protected:
  Prepare() { write_file(raw_ / "numbers.csv", table(40)); }
  DataOptions csv() const { return {.source = raw_.string(), .partitions = 3, .validation = Validation::tail(10)}; }
  TemporaryFolder folder_;
  fs::path raw_ = folder_ / "raw";
  fs::path out_ = folder_ / "out";
};

TEST_F(Prepare, ImportsAFolderOfRawFiles) {
  const Dataset dataset = prepare_dataset(csv(), out_);
  EXPECT_EQ(dataset.name(), "raw");
  EXPECT_EQ(dataset.rows(), 30);
  EXPECT_EQ(dataset.validation_rows(), 10);
  EXPECT_EQ(dataset.partition_count(), 3U);
  EXPECT_THAT(dataset.class_names(), ElementsAre("even", "odd"));
  EXPECT_EQ(dataset.scale(), (Scale{0.0, 1.0 / 58.0}));
  EXPECT_EQ(dataset.manifest().provenance.files[0].name, "numbers.csv");
  EXPECT_THAT(describe(dataset), HasSubstr("even odd"));
}

TEST_F(Prepare, TakesASingleCsvFileToo) {
  DataOptions options = csv();
  options.source = (raw_ / "numbers.csv").string();
  EXPECT_EQ(prepare_dataset(options, out_).name(), "numbers");
}

TEST_F(Prepare, OpensWhatTheSameImportLeftThere) {
  const Digest digest = prepare_dataset(csv(), out_).digest();
  const auto written = fs::last_write_time(out_ / "manifest.json");
  EXPECT_EQ(prepare_dataset(csv(), out_).digest(), digest);
  EXPECT_EQ(fs::last_write_time(out_ / "manifest.json"), written);
  DataOptions other = csv();
  other.partitions = 4;
  EXPECT_THAT(message_of<DataError>([&] { prepare_dataset(other, out_); }), HasSubstr("got another one in"));
  write_file(raw_ / "numbers.csv", table(41));
  EXPECT_THROW(prepare_dataset(csv(), out_), DataError);
  EXPECT_EQ(Dataset::open(out_).digest(), digest);
}

TEST_F(Prepare, OpensWhatAnImportLeftThereWhenTheSourceIsGone) {
  const Digest digest = prepare_dataset(csv(), out_).digest();
  fs::remove_all(raw_);
  EXPECT_EQ(prepare_dataset(csv(), out_).digest(), digest);
  DataOptions other = csv();
  other.validation = Validation::none();
  EXPECT_THROW(prepare_dataset(other, out_), ConfigError);
  EXPECT_THROW(prepare_dataset(csv(), folder_ / "elsewhere"), DataError);
}

TEST_F(Prepare, OpensAPartitionedSourceWhereItLies) {
  prepare_dataset(csv(), folder_ / "imported");
  const DataOptions options{.source = (folder_ / "imported").string()};
  EXPECT_EQ(prepare_dataset(options, out_).folder(), folder_ / "imported");
  EXPECT_FALSE(fs::exists(out_));
  DataOptions same = csv();
  same.source = options.source;
  EXPECT_EQ(prepare_dataset(same, out_).rows(), 30);
  DataOptions other = options;
  other.partitions = 4;
  EXPECT_THAT(message_of<ConfigError>([&] { prepare_dataset(other, out_); }),
              AllOf(HasSubstr("partitions = 4"), HasSubstr("already partitioned into 3")));
  other = options;
  other.validation = Validation::tail(9);
  EXPECT_THAT(message_of<ConfigError>([&] { prepare_dataset(other, out_); }),
              HasSubstr("imported with validation = tail 10"));
}

TEST_F(Prepare, GeneratesGlyphs) {
  const Dataset dataset = prepare_dataset({.partitions = 2}, out_);
  EXPECT_EQ(dataset.name(), "glyphs");
  EXPECT_EQ(dataset.rows(), 8000);
  EXPECT_EQ(dataset.validation_rows(), 2000);
  EXPECT_EQ(dataset.classes(), kGlyphClasses);
  EXPECT_EQ(dataset.feature_shape(), (Shape{1, 28, 28}));
}

TEST_F(Prepare, TakesATenthForValidationWhereTheSourceHasNoTestFile) {
  const Dataset dataset = prepare_dataset({.source = raw_.string()}, out_);
  EXPECT_EQ(dataset.rows(), 36);
  EXPECT_EQ(dataset.validation_rows(), 4);
  EXPECT_EQ(dataset.partition_count(), 4U);
}

TEST_F(Prepare, SaysWhatItLookedFor) {
  EXPECT_THAT(message_of<DataError>([&] { prepare_dataset({.source = "no/such/place"}, out_); }),
              HasSubstr("got nothing at no/such/place"));
  fs::create_directory(folder_ / "empty");
  EXPECT_THAT(message_of<DataError>([&] { prepare_dataset({.source = (folder_ / "empty").string()}, out_); }),
              AllOf(HasSubstr("train-images-idx3-ubyte (idx)"), HasSubstr("data_batch_*.bin (cifar)"),
                    HasSubstr("(csv)"), HasSubstr("got none of them in")));
  write_file(folder_ / "packed/train-images-idx3-ubyte.gz", "");
  EXPECT_THAT(message_of<DataError>([&] { prepare_dataset({.source = (folder_ / "packed").string()}, out_); }),
              HasSubstr("train-images-idx3-ubyte.gz must be unpacked"));
  write_file(raw_ / "data_batch_1.bin", "");
  EXPECT_THAT(message_of<DataError>([&] { prepare_dataset(csv(), out_); }),
              HasSubstr("files of one format, got cifar and csv"));
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(Prepare, RefusesToImportIntoAFolderThatHoldsSomething) {
  write_file(out_ / "notes.txt", "mine");
  EXPECT_THAT(message_of<DataError>([&] { prepare_dataset(csv(), out_); }), HasSubstr("new or empty folder"));
  EXPECT_EQ(read_file(out_ / "notes.txt"), "mine");
}

TEST_F(Prepare, ImportsFilesByFormat) {
  const std::vector<fs::path> files = {raw_ / "numbers.csv"};
  const Dataset dataset =
      import_dataset(Format::csv, files, out_, {.name = "n", .partitions = 2, .label = std::string("kind")});
  EXPECT_EQ(dataset.name(), "n");
  EXPECT_EQ(dataset.manifest().provenance.label, "kind");
  EXPECT_THAT(message_of<DataError>([&] { import_dataset(Format::idx, std::vector{raw_}, folder_ / "o", {}); }),
              HasSubstr("[idx] expected train-images-idx3-ubyte in"));
  EXPECT_THAT(
      message_of<DataError>([&] { import_dataset(Format::csv, std::vector{folder_ / "x"}, folder_ / "o", {}); }),
      HasSubstr("got nothing at"));
  EXPECT_THROW(import_dataset(Format::csv, {}, folder_ / "o", {}), DataError);
}

TEST(FormatName, GoesBothWays) {
  for (const Format format : {Format::idx, Format::cifar, Format::csv})
    EXPECT_EQ(format_from_name(name(format)), format);
  EXPECT_THAT(message_of<ConfigError>([] { (void)format_from_name("parquet"); }), HasSubstr("\"parquet\""));
}

}  // namespace
}  // namespace hop::data
