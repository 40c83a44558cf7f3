// Data sets that C programs write: judged by the files that the library itself writes for the same rows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>

#include "capi/hop_c.h"
#include "data/dataset.h"
#include "tests/temporary_folder.h"

namespace hop {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kRows = 61, kColumns = 3;

struct Table {
  std::vector<float> features, numbers, weights;
  std::vector<std::int64_t> classes;
};

Table table() {
  Table rows;
  for (std::int64_t i = 0; i < kRows; ++i) {
    for (std::int64_t k = 0; k < kColumns; ++k) rows.features.push_back(std::sin(static_cast<float>(3 * i + k)));
    rows.classes.push_back(i % 2);
    rows.numbers.push_back(static_cast<float>(i) / 4);
    rows.weights.push_back(static_cast<float>(i % 3));
  }
  return rows;
}

// Rows `first` .. `first + count - 1`, labelled with classes.
hop_rows part(const Table& rows, std::int64_t first, std::int64_t count) {
  const auto n = static_cast<std::size_t>(count);
  return {.count = count,
          .features = rows.features.data() + first * kColumns,
          .feature_bytes = n * kColumns * sizeof(float),
          .labels = rows.classes.data() + first,
          .label_bytes = n * sizeof(std::int64_t),
          .weights = nullptr};
}

std::string bytes_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class CDataset : public ::testing::Test {
 protected:
  hop_writer* open(const std::string& schema, const std::string& name = "c") {
    hop_writer* writer = nullptr;
    EXPECT_EQ(hop_writer_open((folder_ / name).c_str(), schema.c_str(), &writer), HOP_OK) << hop_last_error();
    return writer;
  }
  // The text of the error with which a schema is refused.
  std::string refusal(const std::string& schema) {
    hop_writer* writer = nullptr;
    EXPECT_EQ(hop_writer_open((folder_ / "c").c_str(), schema.c_str(), &writer), HOP_ERROR_CONFIG);
    EXPECT_EQ(writer, nullptr);
    return hop_last_error();
  }
  void expect_same_files() {
    for (const auto& entry : fs::directory_iterator(folder_ / "cpp")) {
      if (entry.path().extension() != ".hopd") continue;
      EXPECT_EQ(bytes_of(entry.path()), bytes_of(folder_ / "c" / entry.path().filename())) << entry.path();
    }
  }
  TemporaryFolder folder_;
};

TEST_F(CDataset, HasTheBytesOfTheLibrarysOwn) {
  const Table rows = table();
  hop_writer* writer =
      open(R"({"shape": [3], "classes": 2, "partitions": 3, "seed": 7, "validation": {"fraction": 0.2}})");
  for (std::int64_t first = 0; first < kRows; first += 25) {
    const hop_rows some = part(rows, first, std::min<std::int64_t>(25, kRows - first));
    ASSERT_EQ(hop_writer_append(writer, &some), HOP_OK) << hop_last_error();
  }
  char digest[33] = "";
  ASSERT_EQ(hop_writer_finish(writer, digest), HOP_OK) << hop_last_error();
  hop_writer_close(writer);

  const data::RawData raw{.format = "tensors",
                          .train = data::tensor_source(Tensor::from<float>(rows.features, {kRows, kColumns}),
                                                       Tensor::from<std::int64_t>(rows.classes, {kRows}), 2)};
  const data::Dataset own = data::write_dataset(
      raw, folder_ / "cpp", {.partitions = 3, .validation = data::Validation::fraction(0.2), .seed = 7});
  EXPECT_EQ(digest, own.digest().hex());
  const data::Dataset opened = data::Dataset::open(folder_ / "c");
  EXPECT_EQ(opened.partition_count(), 3U);
  EXPECT_EQ(opened.validation_rows(), 12);
  EXPECT_EQ(opened.scale(), own.scale());
  expect_same_files();
}

TEST_F(CDataset, TakesNumbersToPredictAndNamesOfThem) {
  const Table rows = table();
  hop_writer* writer = open(R"({"shape": [3], "numbers": ["price"], "partitions": 2, "validation": {"tail": 11}})");
  hop_rows all = part(rows, 0, kRows);
  all.labels = rows.numbers.data();
  all.label_bytes = rows.numbers.size() * sizeof(float);
  ASSERT_EQ(hop_writer_append(writer, &all), HOP_OK) << hop_last_error();
  ASSERT_EQ(hop_writer_finish(writer, nullptr), HOP_OK) << hop_last_error();
  hop_writer_close(writer);
  const data::RawData raw{.format = "tensors",
                          .train = data::tensor_source(Tensor::from<float>(rows.features, {kRows, kColumns}),
                                                       Tensor::from<float>(rows.numbers, {kRows}), {"price"})};
  const data::Dataset own =
      data::write_dataset(raw, folder_ / "cpp", {.partitions = 2, .validation = data::Validation::tail(11)});
  EXPECT_EQ(data::Dataset::open(folder_ / "c").target(), own.target());
  expect_same_files();
}

TEST_F(CDataset, KeepsClassNamesAndWeights) {
  const Table rows = table();
  hop_writer* writer = open(R"({"shape": [3], "class_names": ["no", "yes"], "weights": true})");
  hop_rows all = part(rows, 0, kRows);
  EXPECT_EQ(hop_writer_append(writer, &all), HOP_ERROR_ARGUMENT);
  EXPECT_THAT(hop_last_error(), HasSubstr("expected weights"));
  all.weights = rows.weights.data();
  ASSERT_EQ(hop_writer_append(writer, &all), HOP_OK) << hop_last_error();
  ASSERT_EQ(hop_writer_finish(writer, nullptr), HOP_OK) << hop_last_error();
  EXPECT_EQ(hop_writer_append(writer, &all), HOP_ERROR_ARGUMENT) << "it is finished";
  hop_writer_close(writer);
  const data::Dataset dataset = data::Dataset::open(folder_ / "c");
  EXPECT_EQ(dataset.class_names(), (std::vector<std::string>{"no", "yes"}));
  EXPECT_TRUE(dataset.has_weights());
  EXPECT_EQ(dataset.rows() + dataset.validation_rows(), kRows);
}

TEST_F(CDataset, NamesTheRowThatIsWrongAndTakesNoneOfItsBatch) {
  Table rows = table();
  hop_writer* writer = open(R"({"shape": [3], "classes": 2})");
  const hop_rows first = part(rows, 0, 40);
  ASSERT_EQ(hop_writer_append(writer, &first), HOP_OK);
  rows.classes[45] = 2;
  const hop_rows second = part(rows, 40, kRows - 40);
  EXPECT_EQ(hop_writer_append(writer, &second), HOP_ERROR_DATA);
  EXPECT_THAT(hop_last_error(), HasSubstr("expected labels from 0 to 1, got 2 (row 45)"));
  rows.classes[45] = 1;
  rows.features[50 * kColumns + 1] = NAN;
  EXPECT_EQ(hop_writer_append(writer, &second), HOP_ERROR_DATA);
  EXPECT_THAT(hop_last_error(), HasSubstr("(row 50)"));
  rows.features[50 * kColumns + 1] = 0;
  ASSERT_EQ(hop_writer_append(writer, &second), HOP_OK) << hop_last_error();
  ASSERT_EQ(hop_writer_finish(writer, nullptr), HOP_OK) << hop_last_error();
  EXPECT_STREQ(hop_last_error(), "") << "the call before had none";
  hop_writer_close(writer);
  const data::Dataset dataset = data::Dataset::open(folder_ / "c");
  EXPECT_EQ(dataset.rows() + dataset.validation_rows(), kRows);
}

TEST_F(CDataset, RefusesSizesThatDoNotFitTheSchema) {
  const Table rows = table();
  hop_writer* writer = open(R"({"shape": [3], "classes": 2})");
  hop_rows some = part(rows, 0, 10);
  --some.feature_bytes;
  EXPECT_EQ(hop_writer_append(writer, &some), HOP_ERROR_ARGUMENT);
  EXPECT_THAT(hop_last_error(), HasSubstr("expected 10 rows of 12 bytes of features, got 119 bytes"));
  some = part(rows, 0, 10);
  some.labels = nullptr;
  EXPECT_EQ(hop_writer_append(writer, &some), HOP_ERROR_ARGUMENT);
  some = part(rows, 0, 10);
  some.count = -1;
  EXPECT_EQ(hop_writer_append(writer, &some), HOP_ERROR_DATA);
  EXPECT_EQ(hop_writer_append(nullptr, &some), HOP_ERROR_ARGUMENT);
  EXPECT_EQ(hop_writer_append(writer, nullptr), HOP_ERROR_ARGUMENT);
  EXPECT_EQ(hop_last_status(), HOP_ERROR_ARGUMENT);
  hop_writer_close(writer);
}

TEST_F(CDataset, NamesTheKeyOfASchemaThatIsWrong) {
  EXPECT_THAT(refusal("{"), HasSubstr("expected a JSON object"));
  EXPECT_THAT(refusal(R"({"classes": 2})"), HasSubstr("[schema] shape"));
  EXPECT_THAT(refusal(R"({"shape": [0], "classes": 2})"), HasSubstr("[schema] shape"));
  EXPECT_THAT(refusal(R"({"shape": [3]})"), HasSubstr("expected classes"));
  EXPECT_THAT(refusal(R"({"shape": [3], "classes": 3, "class_names": ["a", "b"]})"), HasSubstr("2 class_names"));
  EXPECT_THAT(refusal(R"({"shape": [3], "classes": 2, "numbers": ["a"]})"), HasSubstr("got both"));
  EXPECT_THAT(refusal(R"({"shape": [3], "classes": 2, "partition": 4})"), HasSubstr("did you mean \"partitions\"?"));
  EXPECT_THAT(refusal(R"({"shape": [3], "classes": 2, "dtype": "f16"})"), HasSubstr("[schema] dtype"));
  EXPECT_THAT(refusal(R"({"shape": [3], "classes": 2, "validation": {"fraction": 2}})"), HasSubstr("between 0 and 1"));
}

TEST_F(CDataset, LeavesNothingBehindWithoutAnEnd) {
  const Table rows = table();
  hop_writer* writer = open(R"({"shape": [3], "classes": 2})");
  const hop_rows all = part(rows, 0, kRows);
  EXPECT_EQ(hop_writer_append(writer, &all), HOP_OK);
  hop_writer_close(writer);
  hop_writer_close(nullptr);
  EXPECT_THAT(folder_.names(), IsEmpty());
}

TEST_F(CDataset, RefusesAFolderThatIsTakenBeforeRowsCome) {
  std::ofstream(folder_ / "file") << "mine";
  hop_writer* writer = nullptr;
  EXPECT_EQ(hop_writer_open(folder_.path().c_str(), R"({"shape": [3], "classes": 2})", &writer), HOP_ERROR_DATA);
  EXPECT_EQ(writer, nullptr);
  EXPECT_THAT(hop_last_error(), HasSubstr("expected a new or empty folder"));
}

}  // namespace
}  // namespace hop
