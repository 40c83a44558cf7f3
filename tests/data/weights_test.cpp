// Weights of rows: a column of a CSV file, or an application's. Judged by the partitions that are written.
#include <limits>
#include <map>

#include "data/formats/csv.h"
#include "data/loader.h"
#include "data/prepare.h"
#include "data/row_encoder.h"
#include "data/row_schema.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr const char* kText = "y,w,n\na,2,1\nb,0.5,2\na,0,3\nb,1,4\n";

class RowWeights : public testing::Test {
 protected:
  // One partition, and the last row for validation.
  Dataset import(const std::string& text, DataOptions options = {.columns = {{"w", "weight"}}}) {
    write_file(folder_ / "t.csv", text);
    options.source = (folder_ / "t.csv").string();
    options.validation = Validation::tail(1);
    return prepare(std::move(options));
  }
  Dataset import_both(const std::string& train, const std::string& test) {
    write_file(folder_ / "s" / "train.csv", train);
    write_file(folder_ / "s" / "test.csv", test);
    return prepare({.source = (folder_ / "s").string(),
                    .validation = Validation::file(),
                    .label = std::string("y"),
                    .columns = {{"w", "weight"}}});
  }
  Dataset prepare(DataOptions options) {
    options.partitions = 1;
    return prepare_dataset(options, folder_ / ("out" + std::to_string(++imports_)));
  }
  template <class E = DataError>
  std::string error_of(const std::string& text, const DataOptions& options = {.columns = {{"w", "weight"}}}) {
    return message_of<E>([&] { import(text, options); });
  }
  static Partition training(const Dataset& dataset) { return dataset.partition(PartitionId(0)); }
  // The last feature of each row -> its weight.
  static std::map<float, float> weights_of(const Partition& partition) {
    std::map<float, float> weights;
    const std::int64_t features = partition.columns()[0].shape.numel();
    const std::size_t w = partition.column_index("w");
    for (std::int64_t r = 0; r < partition.rows(); ++r) {
      const auto* x = reinterpret_cast<const float*>(partition.row(0, r).data());
      weights[x[features - 1]] = *reinterpret_cast<const float*>(partition.row(w, r).data());
    }
    return weights;
  }

  TemporaryFolder folder_;
  int imports_ = 0;
};

TEST_F(RowWeights, StandBesideTheLabelAndAreNoFeature) {
  const Dataset dataset = import(kText);
  EXPECT_TRUE(dataset.has_weights());
  EXPECT_THAT(dataset.manifest().columns,
              ElementsAre(Column{"x", DType::f32, {1}}, Column{"y", DType::i64, {}}, Column{"w", DType::f32, {}}));
  EXPECT_THAT(weights_of(training(dataset)), ElementsAre(Pair(1, 2), Pair(2, 0.5), Pair(3, 0)));
  EXPECT_THAT(weights_of(dataset.validation()), ElementsAre(Pair(4, 1)));
  EXPECT_EQ(total_weight(training(dataset)), 2.5);
  const Dataset again = Dataset::open(dataset.folder());
  EXPECT_EQ(again.manifest().table->columns[1], (TableColumn{.name = "w", .place = 1, .kind = ColumnKind::weight}));
  EXPECT_TRUE(again.has_weights());
  EXPECT_THAT(describe(again),
              AllOf(HasSubstr("  weights     one per row"), HasSubstr("  column      1 \"w\": weight\n")));
}

TEST_F(RowWeights, BelongToTheirRowsWhenColumnsBecomeSeveralFeatures) {
  const Dataset dataset = import("y,c,w,n\na,u,2,1\nb,v,0.5,2\na,u,3,\nb,v,1,4\n",
                                 {.columns = {{"w", "weight"}, {"c", "category"}}, .missing = MissingValues::median});
  EXPECT_EQ(dataset.feature_shape(), Shape{3});
  EXPECT_THAT(weights_of(training(dataset)), testing::Contains(Pair(1, 2)));
  EXPECT_THAT(weights_of(training(dataset)), testing::Contains(Pair(2, 0.5)));
  EXPECT_EQ(total_weight(training(dataset)), 5.5);
}

TEST_F(RowWeights, StandBesideNumbersToPredict) {
  const Dataset dataset = import("y,w,n\n1.5,2,1\n2.5,0.5,2\n3.5,0,3\n4.5,1,4\n",
                                 {.target = TargetKind::numbers, .columns = {{"w", "weight"}}});
  EXPECT_THAT(weights_of(training(dataset)), ElementsAre(Pair(1, 2), Pair(2, 0.5), Pair(3, 0)));
  for (std::int64_t r = 0; r < 3; ++r) {
    const float x = *reinterpret_cast<const float*>(training(dataset).row(0, r).data());
    EXPECT_EQ(*reinterpret_cast<const float*>(training(dataset).row(1, r).data()), x + 0.5F);
  }
  EXPECT_EQ(dataset.target().columns[0].scale.offset, 2.5) << "scales are fitted to all rows, whatever their weight";
}

TEST_F(RowWeights, ChangeNothingOfADataSetWithoutThem) {
  const Dataset without = import("y,n\na,1\nb,2\na,3\nb,4\n", {}),
                dropped = import(kText, {.columns = {{"w", "drop"}}});
  EXPECT_FALSE(dropped.has_weights());
  EXPECT_FALSE(total_weight(training(dropped)).has_value());
  EXPECT_EQ(dropped.digest(), without.digest());
  EXPECT_EQ(read_file(dropped.folder() / "part-00000.hopd"), read_file(without.folder() / "part-00000.hopd"));
  const Dataset weighted = import(kText), other = import("y,w,n\na,2,1\nb,0.5,2\na,0.25,3\nb,1,4\n");
  EXPECT_NE(weighted.digest(), without.digest());
  EXPECT_NE(weighted.digest(), other.digest());
}

TEST_F(RowWeights, ComeWithTheBatches) {
  const Dataset dataset = import(kText);
  Loader loader({.batch_size = 2});
  loader.start(training(dataset), 5);
  std::map<float, float> weights;
  while (const auto batch = loader.next()) {
    ASSERT_EQ(batch->w.shape(), Shape{batch->rows()});
    for (std::int64_t i = 0; i < batch->rows(); ++i) weights[batch->x.data<float>()[i]] = batch->w.data<float>()[i];
  }
  EXPECT_EQ(weights, weights_of(training(dataset)));
  loader.start(training(import("y,n\na,1\nb,2\na,3\nb,4\n", {})), 5);
  EXPECT_FALSE(loader.next()->w.defined());
}

// ---- CSV files

TEST_F(RowWeights, AreFiniteNumbersOfZeroOrMore) {
  for (const std::string cell : {"-1", "heavy", "", "inf", "NA", "1e99", "true", "-0.5"}) {
    const std::string error = error_of("y,w,n\na,1,1\nb," + cell + ",2\na,1,3\nb,1,4\n");
    EXPECT_THAT(error, AllOf(HasSubstr("expected a weight, a finite number of 0 or more, got "),
                             HasSubstr(cell.empty() ? "nothing" : "\"" + cell + "\""), HasSubstr("t.csv, line 3"),
                             HasSubstr("column 1 \"w\""), HasSubstr("weight 1 counts once")));
  }
  for (const std::string cell : {"0", "1e-3", "+2", "007", " 3 ", "\"4\""}) {
    EXPECT_EQ(import("y,w,n\na,1,1\nb," + cell + ",2\na,1,3\nb,1,4\n").rows(), 3) << cell;
  }
}

TEST_F(RowWeights, StandInOneColumnThatIsNoLabel) {
  EXPECT_THAT(error_of<ConfigError>(kText, {.columns = {{"n", "weight"}, {"w", "weight"}}}),
              HasSubstr("one column of weights at most"));
  EXPECT_THAT(error_of<ConfigError>(kText, {.columns = {{"y", "weight"}}}), HasSubstr("it is the label"));
  EXPECT_THAT(error_of("y,w\na,1\nb,1\n"), HasSubstr("and no weight, got none"));
}

TEST_F(RowWeights, AreNotAllZero) {
  EXPECT_THAT(error_of("y,w,n\na,0,1\nb,0,2\na,0,3\nb,1,4\n"), HasSubstr("training rows with weights above 0"));
  EXPECT_THAT(error_of("y,w,n\na,1,1\nb,0,2\na,0,3\nb,0,4\n"), HasSubstr("validation rows with weights above 0"));
}

TEST_F(RowWeights, OfATestFileAreFoundByName) {
  const Dataset dataset = import_both("y,w,n\na,1,1\nb,2,2\n", "n,more,w,y\n5,0,3,a\n6,0,1,b\n");
  EXPECT_THAT(weights_of(dataset.validation()), ElementsAre(Pair(5, 3), Pair(6, 1)));
  EXPECT_THAT(message_of<DataError>([&] { import_both("y,w,n\na,1,1\nb,2,2\n", "n,y\n5,a\n6,b\n"); }),
              HasSubstr("none named \"w\""));
}

TEST_F(RowWeights, MayBeGivenByTheirPlace) {
  const DataOptions options{.columns = {{"1", "weight"}}};
  EXPECT_THAT(weights_of(training(import("a,2,1\nb,0.5,2\na,0,3\nb,1,4\n", options))),
              ElementsAre(Pair(1, 2), Pair(2, 0.5), Pair(3, 0)));
  for (const char* header : {"kind,heft,size", "kind,heft,2019"}) {
    const Dataset dataset = import(std::string(header) + "\na,2,1\nb,0.5,2\na,0,3\nb,1,4\n", options);
    EXPECT_EQ(dataset.rows(), 3) << header << ": a word where a weight belongs is a name";
    EXPECT_EQ(dataset.manifest().table->columns[1].name, "heft");
  }
}

// ---- new rows

TEST_F(RowWeights, AreNotNeededOfNewRows) {
  const Dataset dataset = import("y,w,n,id\na,2,1,7\nb,0.5,2,8\na,1,3,9\nb,1,4,7\n",
                                 {.columns = {{"w", "weight"}, {"n", "none"}, {"id", "drop"}}});
  const RowSchema schema = row_schema(dataset.manifest());
  EXPECT_EQ(parse_row_schema(to_json(schema), "here"), schema);
  RowEncoder encoder(schema);
  const auto encoded = [&](const std::vector<std::string_view>& cells) {
    float input = 0;
    encoder.encode(cells, {"rows.csv", "line", 2}, std::span(&input, 1));
    return input;
  };
  const auto names = [](std::vector<std::string_view> all) { return all; };
  encoder.match_names(names({"n"}), "here");
  EXPECT_EQ(encoded({"5"}), 5);
  encoder.match_names(names({"w", "n"}), "here");
  EXPECT_EQ(encoded({"no weight", "6"}), 6);
  EXPECT_THAT(encoder.ignored(), ElementsAre("w"));
  encoder.match_names(names({"y", "w", "n", "id"}), "here");
  EXPECT_EQ(encoded({"a", "", "7", ""}), 7);
  EXPECT_THAT(encoder.labels(), ElementsAre(0));
  encoder.match_places(2, "here");  // n and id
  EXPECT_EQ(encoded({"8", ""}), 8);
  EXPECT_THAT(encoder.labels(), IsEmpty());
  EXPECT_THAT(message_of<DataError>([&] { encoder.match_places(3, "here"); }),
              HasSubstr("expected 1 columns (or 2 with those that are not used), or 4 with the label and the weight"));
}

// ---- rows of an application

class WeightedRows final : public RowSource {
 public:
  explicit WeightedRows(std::vector<float> weights) : weights_(std::move(weights)) {}
  std::int64_t rows() const override { return static_cast<std::int64_t>(weights_.size()); }
  DType feature_dtype() const override { return DType::f32; }
  Shape feature_shape() const override { return {1}; }
  std::int64_t classes() const override { return 2; }
  std::int64_t read(std::int64_t row, MutableByteView features) const override {
    *reinterpret_cast<float*>(features.data()) = static_cast<float>(row);
    return row % 2;
  }
  bool has_weights() const override { return true; }
  float read_weight(std::int64_t row) const override { return weights_[static_cast<std::size_t>(row)]; }

 private:
  std::vector<float> weights_;
};

TEST_F(RowWeights, MayBeAnApplications) {
  const Dataset dataset = prepare(
      {.validation = Validation::none(), .rows = std::make_shared<WeightedRows>(std::vector<float>{1, 0, 2.5})});
  EXPECT_THAT(weights_of(training(dataset)), ElementsAre(Pair(0, 1), Pair(1, 0), Pair(2, 2.5)));
  for (std::int64_t r = 0; r < 3; ++r) {
    const float x = *reinterpret_cast<const float*>(training(dataset).row(0, r).data());
    EXPECT_EQ(*reinterpret_cast<const std::int64_t*>(training(dataset).row(1, r).data()), x == 1 ? 1 : 0);
  }
  for (const float wrong : {-1.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_THAT(message_of<DataError>([&] {
                  prepare({.validation = Validation::none(),
                           .rows = std::make_shared<WeightedRows>(std::vector<float>{1, wrong, 2})});
                }),
                AllOf(HasSubstr("a finite weight of 0 or more"), HasSubstr("row 1 of the source")));
  }
}

}  // namespace
}  // namespace hop::data
