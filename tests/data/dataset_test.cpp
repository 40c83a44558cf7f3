// A data set on disk: written whole or not at all, and checked when it is opened.
#include "data/dataset.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/manifest_internal.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST(WriteDataset, PutsEveryRowOfTheSourceIntoExactlyOnePartition) {
  for (const std::uint32_t partitions : {1U, 2U, 3U, 8U}) {
    for (const Validation& validation :
         {Validation::none(), Validation::file(), Validation::tail(9), Validation::fraction(0.2)}) {
      const TemporaryFolder folder;
      const Dataset dataset = write_dataset(numbered(101, 17), folder / "d",
                                            {.partitions = partitions, .validation = validation, .seed = 3});
      std::vector<std::int64_t> train, valid;
      for (std::uint32_t q = 0; q < partitions; ++q)
        std::ranges::copy(rows_in(dataset.partition(PartitionId(q))), std::back_inserter(train));
      if (dataset.has_validation()) valid = rows_in(dataset.validation());
      EXPECT_EQ(dataset.rows(), std::ssize(train));
      EXPECT_EQ(dataset.validation_rows(), std::ssize(valid));
      if (validation.kind == Validation::Kind::file) {
        EXPECT_EQ(valid.front(), 101);  // the order of the source
      }
      std::vector<std::int64_t> all = train;
      all.insert(all.end(), valid.begin(), valid.end());
      std::ranges::sort(all);
      const std::int64_t expected = validation.kind == Validation::Kind::file ? 118 : 101;
      ASSERT_EQ(std::ssize(all), expected);
      for (std::int64_t i = 0; i < expected; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)], i);
    }
  }
}

TEST(WriteDataset, GivesTheSameBytesForTheSameRowsAndOptions) {
  const TemporaryFolder folder;
  const WriteOptions options{.partitions = 3, .validation = Validation::tail(5), .seed = 8};
  write_dataset(numbered(50), folder / "a", options);
  write_dataset(numbered(50), folder / "b", options);
  for (const char* file : {"manifest.json", "part-00000.hopd", "part-00002.hopd", "valid.hopd"}) {
    EXPECT_EQ(read_file(folder / "a" / file), read_file(folder / "b" / file)) << file;
  }
}

TEST(WriteDataset, NamesWhatItHoldsByADigestOfRowsAndSplit) {
  const WriteOptions options{.partitions = 3, .validation = Validation::file(), .seed = 8};
  const Digest digest = dataset_digest(numbered(50, 5), options);
  EXPECT_EQ(digest, dataset_digest(numbered(50, 5), options));
  const TemporaryFolder folder;
  EXPECT_EQ(write_dataset(numbered(50, 5), folder / "d", options).digest(), digest);
  WriteOptions other = options;
  other.partitions = 4;
  EXPECT_NE(digest, dataset_digest(numbered(50, 5), other));
  other = options;
  other.seed = 9;
  EXPECT_NE(digest, dataset_digest(numbered(50, 5), other));
  other = options;
  other.validation = Validation::tail(5);
  EXPECT_NE(digest, dataset_digest(numbered(50, 5), other));
  EXPECT_NE(digest, dataset_digest(numbered(50, 6), options));
  EXPECT_NE(digest, dataset_digest(numbered(51, 5), options));
  EXPECT_NE(digest, dataset_digest(numbered(50, 5, {3, 2}), options));
}

RawData floats(std::vector<float> values, const Shape& shape) {
  RawData raw{.format = "tensors", .train = nullptr, .test = nullptr, .files = {}};
  const std::int64_t rows = shape[0];
  std::vector<std::int64_t> labels(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i % 2);
  raw.train = tensor_source(Tensor::from(std::span<const float>(values), shape),
                            Tensor::from(std::span<const std::int64_t>(labels), {rows}), 2);
  return raw;
}

TEST(WriteDataset, ScalesEachColumnOfATableByItsTrainingRows) {
  const TemporaryFolder folder;
  // A small column, a large one, one that never changes; the last row is for validation.
  const RawData table = floats({-1, 100'000, 7, 1, 300'000, 7, -1, 100'000, 7, 1, 300'000, 7, 99, 99, 99}, {5, 3});
  const Dataset dataset = write_dataset(table, folder / "a", {.partitions = 2, .validation = Validation::tail(1)});
  const auto& columns = dataset.scale().columns();
  ASSERT_EQ(columns.size(), 3U);
  EXPECT_NEAR(columns[0].scale.offset, 0, 1e-12);
  EXPECT_NEAR(columns[0].scale.factor, 1, 1e-12);
  EXPECT_NEAR(columns[1].scale.offset, 200'000, 1e-6);
  EXPECT_NEAR(columns[1].scale.factor, 1e-5, 1e-15);
  EXPECT_EQ(columns[2].scale, (Scale{7, 0}));
  EXPECT_EQ(Dataset::open(folder / "a").scale(), dataset.scale()) << "it travels in the manifest";
  EXPECT_THAT(describe(dataset), HasSubstr("scale by column: 0 ["));
}

TEST(WriteDataset, IgnoresWhatIsNotFiniteWhenItFitsAScale) {
  const TemporaryFolder folder;
  const RawData table = floats({1, NAN, 3, INFINITY, 1, 5, 3, 5}, {4, 2});
  const Dataset dataset = write_dataset(table, folder / "a", {.partitions = 1});
  EXPECT_EQ(dataset.scale().columns()[0].scale, (Scale{2, 1}));
  EXPECT_EQ(dataset.scale().columns()[1].scale, (Scale{5, 0}));
}

// Rows of f32 are scaled in f32, where 1e40 is infinite and 0 times it NaN.
TEST(WriteDataset, FitsOnlyScalesThatItsRowsCompute) {
  const TemporaryFolder folder;
  constexpr float kLargest = std::numeric_limits<float>::max();
  const RawData tiny = floats({1e-40F, 0, 3e-40F, 1, 1e-40F, 0, 3e-40F, 1}, {4, 2});
  const Dataset dataset = write_dataset(tiny, folder / "t", {.partitions = 1});
  EXPECT_EQ(dataset.scale().columns()[0].scale.factor, kLargest);
  EXPECT_EQ(dataset.scale().columns()[1].scale, (Scale{0.5, 2}));
  EXPECT_EQ(write_dataset(floats({0, 1e-40F, 0, 1e-40F}, {2, 2, 1}), folder / "p", {.partitions = 1}).scale(),
            (Scale{0, kLargest}));
  const auto of = [&](std::vector<float> values, const Shape& shape) {
    return message_of<DataError>(
        [&] { write_dataset(floats(std::move(values), shape), folder / "l", {.partitions = 1}); });
  };
  EXPECT_THAT(of({-2e38F, 2e38F, -2e38F, 2e38F}, {4, 1}), HasSubstr("that differ by at most 3.4e38, got -"));
  EXPECT_THAT(of({-2e38F, 2e38F, -2e38F, 2e38F}, {2, 2, 1}), HasSubstr("write them in a larger unit"));
}

TEST(WriteDataset, ScalesPicturesAsAWholeAndIntegersNotAtAll) {
  const TemporaryFolder folder;
  EXPECT_EQ(write_dataset(numbered(11), folder / "a", {.validation = Validation::tail(1)}).scale(), Scale{});
  const RawData maps = floats({0, 1, 2, 3, 4, 9, 10, 8}, {2, 2, 2});
  EXPECT_EQ(write_dataset(maps, folder / "m", {.partitions = 1}).scale(), (Scale{0.0, 0.1}));
  RawData images{.format = "tensors", .train = nullptr, .test = nullptr, .files = {}};
  images.train = tensor_source(Tensor::from<std::uint8_t>({3, 4}, {2, 1}), Tensor::from<std::int64_t>({0, 1}, {2}), 2);
  EXPECT_EQ(write_dataset(images, folder / "b", {.partitions = 1}).scale(), (Scale{0.0, 1.0 / 255.0}));
  EXPECT_EQ(write_dataset(images, folder / "c", {.partitions = 1, .scale = Scale{1.0, 2.0}}).scale(),
            (Scale{1.0, 2.0}));
}

TEST(WriteDataset, RefusesAFolderThatHoldsSomething) {
  const TemporaryFolder folder;
  write_file(folder / "d" / "thesis.txt", "mine");
  EXPECT_THAT(message_of<DataError>([&] { write_dataset(numbered(9), folder / "d", {}); }),
              AllOf(HasSubstr("new or empty folder"), HasSubstr((folder / "d").string())));
  EXPECT_EQ(read_file(folder / "d" / "thesis.txt"), "mine");
  EXPECT_THAT(folder.names(), ElementsAre("d"));
  write_file(folder / "file", "");
  EXPECT_THROW(write_dataset(numbered(9), folder / "file", {}), DataError);
}

TEST(WriteDataset, FillsAnEmptyFolderAndMakesMissingOnes) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "empty");
  EXPECT_EQ(write_dataset(numbered(9), folder / "empty", {}).rows(), 9);
  EXPECT_EQ(write_dataset(numbered(9), folder / "a/b/c/", {}).rows(), 9);
  EXPECT_EQ(Dataset::open(folder / "a/b/c").rows(), 9);
}

// Says a wrong label in the middle of its rows.
class BrokenSource final : public RowSource {
 public:
  std::int64_t rows() const override { return 10; }
  DType feature_dtype() const override { return DType::u8; }
  Shape feature_shape() const override { return {2}; }
  std::int64_t classes() const override { return 2; }
  std::int64_t read(std::int64_t row, MutableByteView) const override { return row == 6 ? 2 : 0; }
};

TEST(WriteDataset, LeavesNothingBehindWhenTheSourceFails) {
  const TemporaryFolder folder;
  RawData raw{.format = "tensors", .train = std::make_unique<BrokenSource>(), .test = nullptr, .files = {}};
  EXPECT_THAT(message_of<DataError>([&] { write_dataset(raw, folder / "d", {}); }),
              HasSubstr("label below 2, got 2 (row 6 of the source)"));
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(WriteDataset, SaysThatThereIsNoTestFile) {
  const TemporaryFolder folder;
  EXPECT_THAT(
      message_of<ConfigError>([&] { write_dataset(numbered(9), folder / "d", {.validation = Validation::file()}); }),
      HasSubstr("no test file"));
}

class OpenDataset : public testing::Test {
 protected:
  OpenDataset() { write_dataset(numbered(30, 6), root_, {.partitions = 3, .validation = Validation::file()}); }
  std::string error() {
    return message_of<DataError>([&] {
      const Dataset dataset = Dataset::open(root_);
      for (std::uint32_t q = 0; q < dataset.partition_count(); ++q) (void)dataset.partition(PartitionId(q));
    });
  }
  void replace_in_manifest(const std::string& from, const std::string& to) {
    std::string text = read_file(root_ / "manifest.json");
    ASSERT_NE(text.find(from), std::string::npos) << from;
    write_file(root_ / "manifest.json", text.replace(text.find(from), from.size(), to));
  }
  TemporaryFolder folder_;
  fs::path root_ = folder_ / "d";
};

TEST_F(OpenDataset, KeepsTheManifest) {
  TemporaryFolder other;
  const Dataset written =
      write_dataset(numbered(30, 6), other / "named",
                    {.name = "numbers", .partitions = 3, .validation = Validation::file(), .seed = 4, .label = "y"});
  const Manifest m = Dataset::open(other / "named").manifest();
  EXPECT_EQ(m.name, "numbers");
  EXPECT_EQ(m.target.kind, TargetKind::classes);
  EXPECT_EQ(m.rows, 30);
  EXPECT_THAT(m.columns, ElementsAre(Column{"x", DType::i32, {2, 3}}, Column{"y", DType::i64, {}}));
  EXPECT_EQ(m.target.classes, 3);
  EXPECT_EQ(m.partitions, written.manifest().partitions);
  EXPECT_EQ(m.partitions[1].file, "part-00001.hopd");
  EXPECT_EQ(m.partitions[1].digest, xxh3_128(as_bytes(read_file(other / "named/part-00001.hopd"))));
  EXPECT_EQ(m.validation, written.manifest().validation);
  EXPECT_EQ(m.digest, written.digest());
  EXPECT_EQ(m.scale, written.scale());
  EXPECT_EQ(m.provenance, (Provenance{"tensors", {}, "y", "file", 4, true, {}}));
}

// Nothing writes numbers to predict without a reader of files, so the manifest is made by hand. What is compared: the
// members that are read against the ones that were written.
TEST(Manifest, KeepsTheNumbersToPredict) {
  Manifest written{
      .rows = 3,
      .columns = {{"x", DType::f32, {2}}, {"y", DType::f32, {2}}},
      .target = {.kind = TargetKind::numbers, .columns = {{"price", {100, 0.25}, -3, 200}, {"", {7, 0}, 7, 7}}},
      .partitions = {{"part-00000.hopd", 3, 8192, {3, 4}}}};
  const std::string text = to_json(written);
  const Target read = parse_manifest(text, "manifest.json").target;
  EXPECT_EQ(read, written.target);
  EXPECT_EQ(read.outputs(), 2);
  EXPECT_EQ(undo(read.columns[0].scale, 2), 108);
  EXPECT_EQ(undo(read.columns[1].scale, 2), 7) << "a column that does not vary";

  written.columns[1].shape = {3};
  EXPECT_THAT(message_of<DataError>([&] { parse_manifest(to_json(written), "m.json"); }), HasSubstr("column \"y\""));
  std::string other = text;
  other.replace(other.find("regression"), 10, "ranking");
  EXPECT_THAT(message_of<DataError>([&] { parse_manifest(other, "m.json"); }), HasSubstr("got \"ranking\""));
}

TEST_F(OpenDataset, NamesWhatIsMissing) {
  fs::remove(root_ / "part-00001.hopd");
  EXPECT_THAT(error(), AllOf(HasSubstr("part-00001.hopd"), HasSubstr("got nothing")));
  const Dataset owned = Dataset::open(root_, Files::present);
  EXPECT_TRUE(owned.has_partition(PartitionId(0)));
  EXPECT_FALSE(owned.has_partition(PartitionId(1)));
  EXPECT_FALSE(owned.has_partition(PartitionId(7)));
  EXPECT_EQ(owned.partition(PartitionId(0)).rows(), 10);
  EXPECT_THROW((void)owned.partition(PartitionId(1)), DataError);
  EXPECT_THROW((void)owned.partition(PartitionId(3)), IndexError);
  EXPECT_THAT(message_of<DataError>([&] { Dataset::open(folder_ / "none"); }),
              HasSubstr("expected a data set, got nothing at"));
}

TEST_F(OpenDataset, FindsAFileOfAnotherSize) {
  write_file(root_ / "valid.hopd", read_file(root_ / "valid.hopd") + "x");
  EXPECT_THAT(error(), AllOf(HasSubstr("valid.hopd"), HasSubstr("bytes, got")));
}

TEST_F(OpenDataset, FindsPartitionsThatChangedPlaces) {
  fs::rename(root_ / "part-00000.hopd", root_ / "t");
  fs::rename(root_ / "part-00001.hopd", root_ / "part-00000.hopd");
  fs::rename(root_ / "t", root_ / "part-00001.hopd");
  EXPECT_THAT(error(), HasSubstr("the place in the data set"));
}

TEST_F(OpenDataset, FindsAPartitionOfAnotherDataSet) {
  write_dataset(numbered(30, 6), folder_ / "e", {.partitions = 3, .validation = Validation::file(), .seed = 1});
  fs::copy_file(folder_ / "e/part-00002.hopd", root_ / "part-00002.hopd", fs::copy_options::overwrite_existing);
  EXPECT_THAT(error(), AllOf(HasSubstr("a partition of the data set"), HasSubstr("part-00002.hopd")));
}

TEST_F(OpenDataset, FindsABrokenManifest) {
  const std::string good = read_file(root_ / "manifest.json");
  for (std::size_t size = 0; size + 2 < good.size(); size += 7) {
    write_file(root_ / "manifest.json", good.substr(0, size));
    ASSERT_THAT(error(), HasSubstr("manifest.json")) << size;
  }
  const std::vector<std::pair<std::string, std::string>> edits = {
      {"\"version\": 1", "\"version\": 2"},
      {"\"rows\": 30", "\"rows\": 31"},
      {"\"rows\": 10", "\"rows\": -10"},
      {"part-00000.hopd", "../part-00000.hopd"},
      {"\"dtype\": \"i32\"", "\"dtype\": \"i33\""},
      {"\"seed\": 0", "\"seed\": \"none\""},
      {"\"scale\"", "\"skale\""},
      {"\"name\": \"x\"", "\"name\": \"z\""},
      {"\"digest\": \"", "\"digest\": \"q"},
      {"\"classes\": 3", "\"classes\": 0"},
      {"\"classes\": 3", "\"classes\": 1e300"},
      {"\"classes\": 3", "\"classes\": 3.5"},
      {"\"rows\": 30", "\"rows\": 30.5"},
      {"\"rows\": 10", "\"rows\": 9223372036854775807"},
      {"\"seed\": 0", "\"seed\": -1"},
  };
  for (const auto& [from, to] : edits) {
    write_file(root_ / "manifest.json", good);
    replace_in_manifest(from, to);
    EXPECT_THAT(error(), HasSubstr("manifest.json")) << to;
  }
}

TEST_F(OpenDataset, FindsAManifestThatDiffersFromTheHeaders) {
  replace_in_manifest("\"classes\": 3", "\"classes\": 4");
  EXPECT_THAT(error(), HasSubstr("the classes"));
}

TEST_F(OpenDataset, HasNoValidationRowsWhereThereAreNone) {
  const Dataset dataset = write_dataset(numbered(4), folder_ / "e", {.partitions = 2});
  EXPECT_FALSE(dataset.has_validation());
  EXPECT_THAT(message_of<DataError>([&] { (void)dataset.validation(); }), HasSubstr("expected validation rows"));
}

TEST_F(OpenDataset, TurnsAnUnusablePathIntoADataError) {
  EXPECT_THROW(Dataset::open(folder_ / std::string(5000, 'a')), DataError);
  EXPECT_THROW(write_dataset(numbered(4), folder_ / std::string(5000, 'a'), {}), DataError);
}

TEST_F(OpenDataset, DescribesItself) {
  EXPECT_THAT(describe(Dataset::open(root_)),
              AllOf(HasSubstr("30 rows and 6 for validation, 3 classes"), HasSubstr("i32 (2, 3)"),
                    HasSubstr("3 of 10 rows"), HasSubstr("validation: file")));
}

}  // namespace
}  // namespace hop::data
