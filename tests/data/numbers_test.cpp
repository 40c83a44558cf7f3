// Labels that are numbers to predict, from the files to the batches. Judged by the numbers of the files, and by mean
// and deviation computed here in the textbook's way.
#include <cmath>

#include "data/batches.h"
#include "data/formats/csv.h"
#include "data/formats/npy.h"
#include "data/prepare.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Labels = std::vector<std::vector<float>>;

class Numbers : public testing::Test {
 protected:
  Dataset import(const std::string& text, DataOptions options = {}) {
    write_file(folder_ / "t.csv", text);
    options.source = (folder_ / "t.csv").string();
    options.partitions = 1;
    if (!options.validation) options.validation = Validation::none();
    return prepare_dataset(options, folder_ / ("out" + std::to_string(++imports_)));
  }
  template <class E = DataError>
  std::string error_of(const std::string& text, const DataOptions& options = {}) {
    return message_of<E>([&] { import(text, options); });
  }
  // {label.., features..} of all rows, sorted, because rows are shuffled.
  static Labels rows_of(const Partition& partition) {
    Labels rows;
    for (std::int64_t r = 0; r < partition.rows(); ++r) {
      std::vector<float>& row = rows.emplace_back();
      for (const std::size_t column : {1, 0}) {
        const auto* values = reinterpret_cast<const float*>(partition.row(column, r).data());
        row.insert(row.end(), values, values + partition.columns()[column].shape.numel());
      }
    }
    std::ranges::sort(rows);
    return rows;
  }
  static Labels rows_of(const Dataset& dataset) { return rows_of(dataset.partition(PartitionId(0))); }
  static const std::vector<std::string>& notes_of(const Dataset& d) { return d.manifest().provenance.notes; }

  TemporaryFolder folder_;
  int imports_ = 0;
};

TEST_F(Numbers, OfACsvFileStandInThePartitionsAsTheyAre) {
  const Dataset dataset = import("price,rooms\n100.5,2\n-3,4\n7e2,6\n", {.label = std::string("price")});
  EXPECT_EQ(dataset.manifest().columns[1], (Column{"y", DType::f32, {1}}));
  EXPECT_EQ(dataset.target().kind, TargetKind::numbers);
  EXPECT_EQ(dataset.classes(), 0);
  EXPECT_THAT(rows_of(dataset), ElementsAre(ElementsAre(-3, 4), ElementsAre(100.5F, 2), ElementsAre(700, 6)));
  EXPECT_THAT(notes_of(dataset), Contains(AllOf(HasSubstr("\"price\" holds numbers such as 100.5"),
                                                HasSubstr("regression"), HasSubstr("target = \"class\""))));
  EXPECT_EQ(Dataset::open(dataset.folder()).target(), dataset.target());
  EXPECT_THAT(describe(dataset), HasSubstr("a number to predict: price ["));
}

TEST_F(Numbers, AreScaledByMeanAndDeviationOfTheTrainingRows) {
  const Dataset dataset = import("1.5,0\n2.5,0\n6.5,0\n1000,0\n", {.validation = Validation::tail(1)});
  const double mean = (1.5 + 2.5 + 6.5) / 3;
  const double variance = (std::pow(1.5 - mean, 2) + std::pow(2.5 - mean, 2) + std::pow(6.5 - mean, 2)) / 3;
  const TargetColumn& column = dataset.target().columns.at(0);
  EXPECT_NEAR(column.scale.offset, mean, 1e-12);
  EXPECT_NEAR(column.scale.factor, 1 / std::sqrt(variance), 1e-12);
  EXPECT_EQ(column.least, 1.5);
  EXPECT_EQ(column.greatest, 6.5);
  EXPECT_THAT(rows_of(dataset.validation()), ElementsAre(ElementsAre(1000, 0)));
}

TEST_F(Numbers, OfSeveralColumnsKeepTheOrderOfTheFile) {
  const std::vector<ColumnPlace> labels = {std::string("b"), std::string("a")};
  const Dataset dataset = import("a,x,b\n1,2,3\n4,5,6\n", {.label = labels});
  EXPECT_EQ(dataset.manifest().columns[1].shape, Shape{2});
  EXPECT_EQ(dataset.target().columns[0].name, "a");
  EXPECT_EQ(dataset.target().columns[1].name, "b");
  EXPECT_THAT(rows_of(dataset), ElementsAre(ElementsAre(1, 3, 2), ElementsAre(4, 6, 5)));
  EXPECT_EQ(dataset.manifest().provenance.label, "b, a");
  EXPECT_EQ(dataset.manifest().table->columns[0].kind, ColumnKind::label);
  EXPECT_EQ(dataset.manifest().table->columns[2].kind, ColumnKind::label);
  EXPECT_THAT(error_of<ConfigError>("a,x,b\n1,2,3\n", {.label = labels, .target = TargetKind::classes}),
              HasSubstr("one label column for classes"));
  EXPECT_THAT(error_of<ConfigError>("1,2,3\n", {.label = std::vector<ColumnPlace>{std::int64_t{0}, std::int64_t{-3}}}),
              HasSubstr("column 0 more than once"));
}

TEST_F(Numbers, AreWhatIsSaidOfThem) {
  const std::string whole = "1,10\n2,20\n1,30\n2,40\n";
  EXPECT_EQ(import(whole).classes(), 2);
  EXPECT_THAT(rows_of(import(whole, {.target = TargetKind::numbers})),
              ElementsAre(ElementsAre(1, 10), ElementsAre(1, 30), ElementsAre(2, 20), ElementsAre(2, 40)));
  EXPECT_EQ(import(whole, {.wanted = TargetKind::numbers}).classes(), 0);
  EXPECT_THAT(notes_of(import(whole, {.target = TargetKind::numbers})), Not(Contains(HasSubstr("regression"))));
  EXPECT_THAT(error_of("0.5,1\n0.25,2\n", {.target = TargetKind::classes}),
              AllOf(HasSubstr("regression"), HasSubstr("loss = \"mse\""), HasSubstr("label column")));
}

TEST_F(Numbers, SayWhichLabelIsNone) {
  const DataOptions said{.target = TargetKind::numbers};
  EXPECT_THAT(error_of("1,2\npear,3\n", said), AllOf(HasSubstr("a number to predict, got \"pear\""),
                                                     HasSubstr("line 2, column 0"), HasSubstr("\"cross_entropy\"")));
  EXPECT_THAT(error_of("1,2\nNA,3\n", said), HasSubstr("leave it out"));
  EXPECT_THAT(error_of("1,2\n1e99,3\n", said), HasSubstr("at most 3.4e38"));
  EXPECT_EQ(import("0.5,2\npear,3\n0.5,1\n").classes(), 2) << "one word makes all of them classes";
}

TEST_F(Numbers, AreNoHeaderWhereTheyGrow) {
  std::string growing, years = "2018,2019,2020,2021\n", named = "y,7\n";
  for (int i = 0; i < 20; ++i) {
    growing += std::to_string(i) + ".5," + std::to_string(10 * i) + "\n";
    years += "0." + std::to_string(i) + ",1,2,3\n";
    named += "0." + std::to_string(i) + ",1\n";
  }
  EXPECT_EQ(import(growing).rows(), 20);
  EXPECT_EQ(import(years).rows(), 20);
  EXPECT_EQ(import(named).rows(), 20);
  EXPECT_EQ(import("a,0.5\nb,1.5\n", {.label = std::int64_t{1}, .columns = {{"0", "category"}}}).rows(), 2);
}

TEST_F(Numbers, OfATestFileAreFoundByName) {
  write_file(folder_ / "s" / "train.csv", "x,a,b\n1,0.5,10\n2,0.25,20\n");
  write_file(folder_ / "s" / "test.csv", "b,x,a\n30,3,0.75\n");
  const Dataset dataset = prepare_dataset({.source = (folder_ / "s").string(),
                                           .partitions = 1,
                                           .label = std::vector<ColumnPlace>{std::string("a"), std::string("b")}},
                                          folder_ / "d");
  EXPECT_THAT(rows_of(dataset.validation()), ElementsAre(ElementsAre(0.75F, 30, 3)));
}

TEST_F(Numbers, GiveADataSetItsOwnDigest) {
  const std::string text = "1,10\n2,20\n1,30\n2,40\n";
  const Dataset numbers = import(text, {.target = TargetKind::numbers});
  EXPECT_NE(numbers.digest(), import(text).digest());
  EXPECT_EQ(numbers.digest(), import(text, {.target = TargetKind::numbers}).digest());
  EXPECT_NE(numbers.digest(), import("1,10\n2,20\n1,30\n3,40\n", {.target = TargetKind::numbers}).digest());
  EXPECT_THAT(message_of<ConfigError>([&] {
                prepare_dataset({.source = numbers.folder().string(), .target = TargetKind::classes}, folder_ / "e");
              }),
              AllOf(HasSubstr("target = \"class\""), HasSubstr("are numbers"), HasSubstr("--target class")));
}

// ---- other sources

std::string npy(const std::string& type, const std::string& shape, std::initializer_list<float> values) {
  std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');
  header += '\n';
  std::string text = "\x93NUMPY" + bytes({1, 0, 118, 0}) + header;
  for (const float value : values) text.append(reinterpret_cast<const char*>(&value), sizeof value);
  return text;
}

TEST_F(Numbers, OfNumpyArrays) {
  write_file(folder_ / "n" / "x.npy", npy("<f4", "(2, 1)", {1, 2}));
  write_file(folder_ / "n" / "y.npy", npy("<f4", "(2,)", {0.5F, 3}));
  const RawData raw = open_npy(find_npy(folder_ / "n"));
  EXPECT_THAT(raw.train->number_names(), ElementsAre(""));
  EXPECT_THAT(raw.notes, Contains(HasSubstr("regression")));
  std::vector<float> number(1);
  raw.train->read_numbers(1, number);
  EXPECT_THAT(number, ElementsAre(3));
  write_file(folder_ / "n" / "y.npy", npy("<f4", "(2, 2)", {1, 2, 3, 4}));
  const Dataset dataset = prepare_dataset(
      {.source = (folder_ / "n").string(), .partitions = 1, .validation = Validation::none()}, folder_ / "d");
  EXPECT_THAT(rows_of(dataset), ElementsAre(ElementsAre(1, 2, 1), ElementsAre(3, 4, 2)));
  write_file(folder_ / "n" / "y.npy", npy("<f4", "(2,)", {1, NAN}));
  EXPECT_THAT(message_of<DataError>([&] { (void)open_npy(find_npy(folder_ / "n"), TargetKind::numbers); }),
              AllOf(HasSubstr("finite"), HasSubstr("row 1")));
}

RawData tensors(const Tensor& x, const Tensor& y, std::vector<std::string> names = {}) {
  RawData raw{.format = "tensors", .train = nullptr, .test = nullptr, .files = {}};
  raw.train = tensor_source(x, y, std::move(names));
  return raw;
}

TEST_F(Numbers, OfTensors) {
  const Tensor x = Tensor::from<std::uint8_t>({1, 2, 3}, {3, 1});
  const Dataset dataset = write_dataset(tensors(x, Tensor::from<float>({3, 4, 5, 6, 7, 9}, {3, 2}), {"a", "b"}),
                                        folder_ / "d", {.partitions = 1, .shuffle = false});
  EXPECT_EQ(dataset.target().columns[1].name, "b");
  EXPECT_EQ(dataset.target().columns[0].scale.offset, 5);
  EXPECT_EQ(dataset.scale(), (Scale{0.0, 1.0 / 255.0})) << "the features are scaled as ever";
  EXPECT_THAT(message_of<DtypeError>([&] {
                tensor_source(x, Tensor::from<std::int64_t>({1, 2, 3}, {3}));
              }),
              HasSubstr("f32 numbers to predict"));
  EXPECT_THAT(message_of<ShapeError>([&] { tensor_source(x, Tensor::from<float>({1, 2}, {2})); }), HasSubstr("(3, k)"));
  EXPECT_THAT(message_of<DataError>([&] {
                tensor_source(x, Tensor::from<float>({1, INFINITY, 3}, {3}));
              }),
              HasSubstr("row 1"));
  EXPECT_THAT(message_of<DataError>([&] {
                tensor_source(x, Tensor::from<float>({1, 2, 3}, {3}), {"a", "b"});
              }),
              HasSubstr("one name per number"));
}

TEST_F(Numbers, ComeInBatchesAsTheyStand) {
  Tensor x = Tensor::empty({70, 3}, DType::f32), y = Tensor::empty({70, 2}, DType::f32);
  for (std::int64_t i = 0; i < 70; ++i) {
    for (std::int64_t j = 0; j < 3; ++j) x.data<float>()[3 * i + j] = static_cast<float>(i + j);
    for (std::int64_t j = 0; j < 2; ++j) y.data<float>()[2 * i + j] = static_cast<float>(1000 * i + j);
  }
  const Dataset dataset = write_dataset(tensors(x, y), folder_ / "d", {.partitions = 1});
  const auto batches = make_batches({.batch_size = 32}, Device::cpu());
  batches->start(dataset.partition(PartitionId(0)), 5);
  std::vector<float> seen;
  while (const std::int64_t rows = batches->next()) {
    const Batch batch = batches->batch();
    ASSERT_EQ(batch.y.shape(), (Shape{rows, 2}));
    ASSERT_EQ(batch.rows(), rows);
    for (std::int64_t i = 0; i < rows; ++i) {
      const float row = batch.x.data<float>()[3 * i];
      EXPECT_EQ(batch.y.data<float>()[2 * i], 1000 * row);
      EXPECT_EQ(batch.y.data<float>()[2 * i + 1], 1000 * row + 1);
      seen.push_back(row);
    }
  }
  std::ranges::sort(seen);
  for (std::size_t i = 0; i < 70; ++i) EXPECT_EQ(seen.at(i), static_cast<float>(i));
}

}  // namespace
}  // namespace hop::data
