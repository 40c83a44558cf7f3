// A data set that is written in shares, judged by one that is written at once and by the fit over all rows.
#include "data/share.h"

#include <cmath>

#include "base/files.h"
#include "data/prepare.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr std::int64_t kColumns = 3;

// Rows first .. first + count - 1 of an endless table.
std::unique_ptr<RowSource> rows(std::int64_t first, std::int64_t count) {
  std::vector<float> features;
  std::vector<std::int64_t> labels;
  for (std::int64_t i = first; i < first + count; ++i) {
    for (std::int64_t k = 0; k < kColumns; ++k) features.push_back(std::sin(static_cast<float>(3 * i + k)));
    labels.push_back(i % 2);
  }
  return tensor_source(Tensor::from<float>(features, {count, kColumns}), Tensor::from<std::int64_t>(labels, {count}),
                       2);
}

std::unique_ptr<RowSource> numbers(std::int64_t first, std::int64_t count) {
  std::vector<float> features, labels;
  for (std::int64_t i = first; i < first + count; ++i) {
    for (std::int64_t k = 0; k < kColumns; ++k) features.push_back(std::sin(static_cast<float>(3 * i + k)));
    labels.push_back(static_cast<float>(i) / 4);
  }
  return tensor_source(Tensor::from<float>(features, {count, kColumns}), Tensor::from<float>(labels, {count}),
                       {"price"});
}

class Shares : public testing::Test {
 protected:
  static constexpr std::int64_t kSizes[] = {11, 1, 30};
  static std::int64_t first_of(std::uint32_t index) { return index == kValidationIndex ? 900 : 100 * index; }
  static std::unique_ptr<RowSource> part(std::uint32_t index) {
    return rows(first_of(index), index == kValidationIndex ? 7 : kSizes[index]);
  }
  static std::vector<MeasuredPart> measured(std::initializer_list<std::uint32_t> indices) {
    std::vector<MeasuredPart> parts;
    for (const std::uint32_t index : indices) parts.push_back(measure_part(*part(index), index));
    return parts;
  }
  // Writes these parts into a folder of their own, and says so in `parts`.
  void write(std::vector<MeasuredPart>& parts, const Digest& digest, const std::string& folder) {
    for (MeasuredPart& each : parts) each.file = write_part(*part(each.index), each.index, digest, folder_ / folder);
  }
  void write_manifest(const std::string& text, const std::string& folder) {
    write_file_atomically(folder_ / folder / "manifest.json", as_bytes(text), raise<DataError>);
  }
  TemporaryFolder folder_;
  WriteOptions options_{.name = "shared", .partitions = 3};
};

TEST_F(Shares, MakeADataSetThatIsReadLikeAnyOther) {
  std::vector<MeasuredPart> parts = measured({1, kValidationIndex, 0, 2});
  const Digest digest = digest_of_parts(*part(0), options_, parts);
  write(parts, digest, "all");
  write_manifest(manifest_of_parts(*part(0), options_, parts), "all");

  const Dataset dataset = Dataset::open(folder_ / "all");
  EXPECT_EQ(dataset.digest(), digest);
  EXPECT_EQ(dataset.rows(), 42);
  EXPECT_EQ(dataset.validation_rows(), 7);
  EXPECT_EQ(dataset.validation().rows(), 7);
  std::vector<std::byte> features(kColumns * sizeof(float));
  for (std::uint32_t q = 0; q < 3; ++q) {
    const Partition partition = dataset.partition(PartitionId(q));
    ASSERT_EQ(partition.rows(), kSizes[q]);
    part(q)->read(kSizes[q] - 1, features);
    const ByteView stored = partition.row(0, kSizes[q] - 1);
    EXPECT_TRUE(std::equal(stored.begin(), stored.end(), features.begin(), features.end())) << q;
  }
}

TEST_F(Shares, ScaleAsOneFitOverAllRowsWould) {
  std::vector<MeasuredPart> parts = measured({0, 1, 2});
  write(parts, digest_of_parts(*part(0), options_, parts), "all");
  write_manifest(manifest_of_parts(*part(0), options_, parts), "all");
  ScalingFit fit(DType::f32, {kColumns});
  std::vector<std::byte> features(kColumns * sizeof(float));
  for (std::uint32_t q = 0; q < 3; ++q) {
    for (std::int64_t row = 0; row < kSizes[q]; ++row) {
      part(q)->read(row, features);
      fit.include(features);
    }
  }
  const Scaling wanted = fit.result({}), got = Dataset::open(folder_ / "all").scale();
  ASSERT_EQ(got.columns().size(), wanted.columns().size());
  for (std::size_t i = 0; i < wanted.columns().size(); ++i) {
    EXPECT_NEAR(got.columns()[i].scale.offset, wanted.columns()[i].scale.offset, 1e-14);
    EXPECT_NEAR(got.columns()[i].scale.factor, wanted.columns()[i].scale.factor, 1e-12);
  }
}

TEST_F(Shares, DoNotDependOnWhoWritesWhat) {
  std::vector<MeasuredPart> together = measured({0, 1, 2, kValidationIndex});
  const Digest digest = digest_of_parts(*part(0), options_, together);
  write(together, digest, "all");

  std::vector<MeasuredPart> one = measured({2, kValidationIndex}), other = measured({kValidationIndex, 1, 0});
  std::vector<MeasuredPart> both = one;
  both.insert(both.end(), other.begin(), other.end());
  EXPECT_EQ(digest_of_parts(*part(0), options_, both), digest);
  write(one, digest, "one");
  write(other, digest, "other");
  both = one;
  both.insert(both.end(), other.begin(), other.end());
  EXPECT_EQ(manifest_of_parts(*part(0), options_, both), manifest_of_parts(*part(0), options_, together));
  std::vector<MeasuredPart> fewer = measured({0, 1, 2});
  EXPECT_NE(digest_of_parts(*part(0), options_, fewer), digest) << "without validation rows";
}

TEST_F(Shares, TravelAsJson) {
  std::vector<MeasuredPart> parts = measured({0, 2, kValidationIndex});
  EXPECT_EQ(parse_parts(to_json(parts)), parts);
  write(parts, digest_of_parts(*part(0), {.partitions = 1}, measured({0})), "some");
  EXPECT_EQ(parse_parts(to_json(parts)), parts);
  const MeasuredPart number = measure_part(*numbers(5, 9), 1);
  EXPECT_EQ(number.numbers.size(), 1U);
  EXPECT_EQ(parse_parts(to_json(std::vector{number})), std::vector{number});
  for (const char* wrong : {"", "{}x", R"([{"part": -1}])", R"([{"part":0,"rows":1,"content":"12","counts":true}])"}) {
    EXPECT_THROW(parse_parts(wrong), DataError) << wrong;
  }
}

TEST_F(Shares, PredictNumbersInTheScaleOfTheTrainingRows) {
  std::vector<MeasuredPart> parts;
  const std::unique_ptr<RowSource> first = numbers(0, 10), second = numbers(10, 6);
  parts.push_back(measure_part(*first, 0));
  parts.push_back(measure_part(*second, 1));
  const WriteOptions options{.partitions = 2};
  const Digest digest = digest_of_parts(*first, options, parts);
  parts[0].file = write_part(*first, 0, digest, folder_ / "numbers");
  parts[1].file = write_part(*second, 1, digest, folder_ / "numbers");
  write_manifest(manifest_of_parts(*first, options, parts), "numbers");
  const Target target = Dataset::open(folder_ / "numbers").target();
  ASSERT_EQ(target.columns.size(), 1U);
  EXPECT_EQ(target.columns[0].name, "price");
  EXPECT_EQ(target.columns[0].least, 0);
  EXPECT_EQ(target.columns[0].greatest, 15.0 / 4);
  EXPECT_NEAR(target.columns[0].scale.offset, 7.5 / 4, 1e-14);
}

TEST_F(Shares, RefuseWhatIsMissingOrTwofold) {
  const auto refusal = [&](const std::vector<MeasuredPart>& parts) {
    try {
      digest_of_parts(*part(0), options_, parts);
    } catch (const DataError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(refusal(measured({0, 2})), HasSubstr("got none in partition 1: take fewer partitions"));
  std::vector<MeasuredPart> twofold = measured({0, 1, 2, kValidationIndex});
  twofold.push_back(measure_part(*rows(901, 7), kValidationIndex));
  EXPECT_THAT(refusal(twofold), HasSubstr("expected the validation rows with one content"));
  std::vector<MeasuredPart> far = measured({0, 1, 2});
  far.push_back(measure_part(*rows(0, 3), 3));
  EXPECT_THAT(refusal(far), HasSubstr("expected a partition below 3, got 3"));
  EXPECT_THROW(measure_part(*rows(0, 0), 0), DataError);
  EXPECT_THROW(manifest_of_parts(*part(0), options_, measured({0, 1, 2})), DataError) << "without files";
}

// The machine of a coordinator has the manifest; the rows lie on others.
TEST_F(Shares, AreAdoptedByTheirManifestAlone) {
  std::vector<MeasuredPart> parts = measured({0, 1, 2, kValidationIndex});
  write(parts, digest_of_parts(*part(0), options_, parts), "elsewhere");
  fs::create_directory(folder_ / "here");
  write_manifest(manifest_of_parts(*part(0), options_, parts), "here");
  const DataOptions options{.source = (folder_ / "here").string()};
  EXPECT_THROW(prepare_dataset(options, folder_ / "run" / "data", Keep::own), DataError);
  fs::create_directory(folder_ / "run");
  const Dataset dataset = prepare_dataset(options, folder_ / "run" / "data", Keep::present);
  EXPECT_EQ(dataset.partition_count(), 3U);
  EXPECT_FALSE(dataset.has_partition(PartitionId(0)));
  EXPECT_EQ(prepare_dataset(options, folder_ / "run" / "data", Keep::present).digest(), dataset.digest());
  fs::copy_file(folder_ / "elsewhere" / "part-00001.hopd", folder_ / "here" / "part-00001.hopd");
  EXPECT_TRUE(prepare_dataset(options, folder_ / "other", Keep::present).has_partition(PartitionId(1)));
}

TEST(Moments, OfTwoPartsAreThoseOfAllValues) {
  Moments all, first, second, nothing;
  for (int i = 0; i < 50; ++i) {
    const double value = 1e6 + std::sin(i);
    all.include(value);
    (i < 13 ? first : second).include(value);
  }
  first.include(nothing);
  nothing.include(first);
  EXPECT_EQ(nothing, first);
  first.include(second);
  EXPECT_EQ(first.count, all.count);
  EXPECT_EQ(first.low, all.low);
  EXPECT_EQ(first.high, all.high);
  EXPECT_NEAR(first.mean, all.mean, 1e-9);
  EXPECT_NEAR(first.squares, all.squares, 1e-8);
}

}  // namespace
}  // namespace hop::data
