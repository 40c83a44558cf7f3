// What is said of the columns of a CSV file: kinds, scales, missing values. Judged by the data set that is written.
// Long because every word for a column is tried on the same small tables.
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/formats/csv.h"
#include "data/prepare.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class CsvColumns : public testing::Test {
 protected:
  Dataset import(const std::string& text, DataOptions options = {}) {
    write_file(folder_ / "t.csv", text);
    options.source = (folder_ / "t.csv").string();
    return prepare(options);
  }
  Dataset import_both(const std::string& train, const std::string& test, DataOptions options = {}) {
    write_file(folder_ / "s" / "train.csv", train);
    write_file(folder_ / "s" / "test.csv", test);
    options.source = (folder_ / "s").string();
    options.validation = Validation::file();
    return prepare(options);
  }
  // One partition, and the last row for validation.
  Dataset prepare(DataOptions options) {
    options.partitions = 1;
    if (!options.validation) options.validation = Validation::tail(1);
    return prepare_dataset(options, folder_ / ("out" + std::to_string(++imports_)));
  }
  template <class E = DataError>
  std::string error_of(const std::string& text, const DataOptions& options = {}) {
    return message_of<E>([&] { import(text, options); });
  }
  // The features of all rows, sorted, because rows are shuffled.
  static std::vector<std::vector<float>> rows_of(const Partition& partition) {
    std::vector<std::vector<float>> rows;
    for (std::int64_t r = 0; r < partition.rows(); ++r) {
      const auto* x = reinterpret_cast<const float*>(partition.row(0, r).data());
      rows.emplace_back(x, x + partition.columns()[0].shape.numel());
    }
    std::ranges::sort(rows);
    return rows;
  }
  static std::vector<std::vector<float>> training(const Dataset& d) { return rows_of(d.partition(PartitionId(0))); }
  static std::vector<std::vector<float>> validation(const Dataset& d) { return rows_of(d.validation()); }
  static std::vector<std::string> names(const Dataset& dataset) {
    std::vector<std::string> all;
    for (const FeatureColumn& column : dataset.scale().columns()) all.push_back(column.name);
    return all;
  }

  TemporaryFolder folder_;
  int imports_ = 0;
};

// ---- categories

TEST_F(CsvColumns, ACategoryIsOneFeaturePerWordOfTheTrainingRows) {
  const Dataset dataset = import("y,n,city\na,1,Rom\nb,2,Bonn\na,3,Rom\nb,4,Oslo\nb,5,Paris\n",
                                 {.columns = {{"city", "category"}, {"n", "none"}}});
  EXPECT_THAT(names(dataset), ElementsAre("n", "city=Bonn", "city=Oslo", "city=Rom"));
  EXPECT_THAT(training(dataset), ElementsAre(ElementsAre(1, 0, 0, 1), ElementsAre(2, 1, 0, 0), ElementsAre(3, 0, 0, 1),
                                             ElementsAre(4, 0, 1, 0)));
  EXPECT_THAT(validation(dataset), ElementsAre(ElementsAre(5, 0, 0, 0))) << "Paris is in no training row";
  EXPECT_THAT(dataset.manifest().provenance.notes,
              Contains(HasSubstr("column 2 \"city\" has 1 word that no training")));
  for (const FeatureColumn& column : dataset.scale().columns()) EXPECT_EQ(column.scale, Scale{}) << column.name;
  const TableColumn& city = dataset.manifest().table->columns[2];
  EXPECT_EQ(city.index_of("Bonn"), 1U);
  EXPECT_EQ(city.index_of("Rom"), 3U);
  EXPECT_EQ(city.index_of("Paris"), 0U);
  EXPECT_EQ(city.index_of(""), 0U);
}

TEST_F(CsvColumns, NumbersMayBeNamesAndAMissingOneIsAWordOfItsOwn) {
  const Dataset dataset =
      import("y,zip\na,53111\nb,01067\na,53111.0\nb,\na,NA\nb,1067\n", {.columns = {{"zip", "category"}}});
  EXPECT_THAT(names(dataset), ElementsAre("zip=", "zip=01067", "zip=53111"));
  EXPECT_THAT(training(dataset), ElementsAre(ElementsAre(0, 0, 1), ElementsAre(0, 0, 1), ElementsAre(0, 1, 0),
                                             ElementsAre(1, 0, 0), ElementsAre(1, 0, 0)));
  EXPECT_THAT(validation(dataset), ElementsAre(ElementsAre(0, 0, 0))) << "1067 is not 01067";
  EXPECT_THAT(describe(dataset), HasSubstr("column      1 \"zip\": category of 3 words: (missing) 01067 53111"));
}

TEST_F(CsvColumns, TheWordsOfATestFileAreFoundInTheDictionary) {
  const Dataset dataset = import_both("y,c,n\na,red,1\nb,blue,2\n", "n,extra,c,y\n3,q,blue,a\n4,q,green,b\n",
                                      {.columns = {{"c", "category"}, {"n", "none"}}});
  EXPECT_THAT(training(dataset), ElementsAre(ElementsAre(0, 1, 1), ElementsAre(1, 0, 2)));
  EXPECT_THAT(validation(dataset), ElementsAre(ElementsAre(0, 0, 4), ElementsAre(1, 0, 3)));
}

TEST_F(CsvColumns, ACategoryMayBeAnIndexWhichIsNeverScaled) {
  const std::string text = "y,city,n\na,Rom,1\nb,Bonn,2\na,,3\nb,Oslo,4\nb,Paris,5\n";
  const DataOptions options{.columns = {{"city", "category"}, {"n", "none"}}, .categories = Categories::index};
  const Dataset dataset = import(text, options);
  EXPECT_THAT(names(dataset), ElementsAre("n", "city"));
  EXPECT_THAT(training(dataset),
              ElementsAre(ElementsAre(1, 4), ElementsAre(2, 2), ElementsAre(3, 1), ElementsAre(4, 3)))
      << "the words are \"\", Bonn, Oslo and Rom";
  EXPECT_THAT(validation(dataset), ElementsAre(ElementsAre(5, 0))) << "Paris is in no training row";
  EXPECT_EQ(dataset.scale().columns()[1].scale, Scale{});
  EXPECT_THAT(dataset.manifest().provenance.notes, Contains(HasSubstr("it is index 0")));
  EXPECT_THAT(describe(dataset), HasSubstr("4 words: (missing) Bonn Oslo Rom; the feature is the number of the word"));
  DataOptions scaled = options;
  scaled.columns["n"] = "standard";
  EXPECT_NE(import(text, scaled).scale().columns()[0].scale, Scale{});
  EXPECT_EQ(import(text, scaled).scale().columns()[1].scale, Scale{});

  std::string other = text;
  other.replace(other.find("Oslo"), 4, "Omsk");
  EXPECT_EQ(training(import(other, options)), training(dataset));
  EXPECT_NE(import(other, options).digest(), dataset.digest()) << "the same numbers mean other words";
}

TEST_F(CsvColumns, AnImportedDataSetKeepsHowItsCategoriesBecameFeatures) {
  DataOptions options{.columns = {{"city", "category"}}, .categories = Categories::index};
  const Dataset dataset = import("y,city\na,Rom\nb,Bonn\na,Rom\n", options);
  options.source = dataset.folder().string();
  options.partitions = 1;
  EXPECT_EQ(prepare_dataset(options, folder_ / "copy").input(), dataset.input());
  options.categories = Categories::one_hot;
  EXPECT_THAT(message_of<ConfigError>([&] { prepare_dataset(options, folder_ / "other"); }),
              HasSubstr("categories = one_hot, but"));
}

TEST_F(CsvColumns, AColumnOfTooManyWordsSaysWhatToWrite) {
  std::string text = "y,id\n";
  for (int i = 0; i < 66; ++i) text += (i % 2 == 0 ? "a,w" : "b,w") + std::to_string(i % 65) + "\n";
  EXPECT_THAT(error_of(text, {.columns = {{"id", "category"}}}),
              AllOf(HasSubstr("at most 64 words in column 1 \"id\", got 65"), HasSubstr("categories = \"index\""),
                    HasSubstr("\"embed 16\""), HasSubstr("columns = { \"id\" = \"drop\" }")));
  const Dataset indexed = import(text, {.columns = {{"id", "category"}}, .categories = Categories::index});
  EXPECT_EQ(indexed.feature_shape(), Shape{1});
  EXPECT_THAT(indexed.input().words, ElementsAre(65));
  text.replace(text.find("w64"), 3, "w63");
  EXPECT_EQ(import(text, {.columns = {{"id", "category"}}}).feature_shape(), Shape{64});
}

TEST_F(CsvColumns, AWordWhereANumberBelongsNamesAllColumnsOfWords) {
  EXPECT_THAT(error_of("y,n,city,color\na,1,Rom,red\nb,2,Bonn,blue\n"),
              AllOf(HasSubstr("expected a number, got \"Rom\""), HasSubstr("line 2, column 2"),
                    HasSubstr("columns = { \"city\" = \"category\", \"color\" = \"category\" }")));
  EXPECT_THAT(error_of("a,1,Rom\nb,2,Bonn\n"), HasSubstr("columns = { \"2\" = \"category\" }"));
  EXPECT_THAT(error_of("y,n,ok\na,1,1\nb,2,yes\n"), AllOf(HasSubstr("1 and 0"), HasSubstr("\"category\" }")));
}

TEST_F(CsvColumns, CategoriesAreNoHeader) {
  const std::string rows = "p,x,s\ne,b,s\np,x,t\ne,f,s\n";
  const ColumnWords words = {{"1", "category"}, {"2", "category"}};
  EXPECT_EQ(import(rows, {.columns = words}).rows(), 3) << "the first row is like the others";
  EXPECT_EQ(import("z,x,s\n" + rows, {.columns = words}).rows(), 4) << "a rare class, words like the others'";
  EXPECT_EQ(import("class,cap,stalk\n" + rows, {.columns = words}).rows(), 3);
  EXPECT_EQ(import("class,cap,stalk\n" + rows, {.columns = {{"cap", "category"}, {"stalk", "category"}}}).rows(), 3);
}

// ---- missing values

TEST_F(CsvColumns, AMissingNumberBecomesTheMedianOfTheTrainingRows) {
  const std::string text = "y,n\na,1\nb,\na,10\nb,NA\na,4\nb,nan\na,7\nb,?\n";
  const Dataset dataset = import(text, {.columns = {{"n", "none"}}});
  EXPECT_THAT(training(dataset), ElementsAre(ElementsAre(1), ElementsAre(4), ElementsAre(5.5), ElementsAre(5.5),
                                             ElementsAre(5.5), ElementsAre(7), ElementsAre(10)));
  EXPECT_THAT(validation(dataset), ElementsAre(ElementsAre(5.5)));
  EXPECT_THAT(dataset.manifest().provenance.notes,
              Contains(AllOf(HasSubstr("column 1 \"n\" lacks 4 of 8 values"), HasSubstr("missing = "))));
  EXPECT_EQ(dataset.manifest().table->columns[1].fill, 5.5);
  EXPECT_THAT(describe(dataset), HasSubstr("column      1 \"n\": number [0, 1], a missing one becomes 5.5"));
}

TEST_F(CsvColumns, AnIndicatorTellsWhereAValueIsMissing) {
  const Dataset dataset = import("y,n,m\na,1,1\nb,,2\na,9,3\nb,5,4\na,,5\n",
                                 {.columns = {{"n", "none"}, {"m", "none"}}, .missing = MissingValues::indicator});
  EXPECT_THAT(names(dataset), ElementsAre("n", "n is missing", "m"));
  EXPECT_THAT(training(dataset),
              ElementsAre(ElementsAre(1, 0, 1), ElementsAre(5, 0, 4), ElementsAre(5, 1, 2), ElementsAre(9, 0, 3)));
  EXPECT_THAT(validation(dataset), ElementsAre(ElementsAre(5, 1, 5)));
}

TEST_F(CsvColumns, MissingValuesAreAnErrorWhereThatIsSaid) {
  EXPECT_THAT(error_of("y,n\na,1\nb,\n", {.missing = MissingValues::error}),
              AllOf(HasSubstr("line 3, column 1"), HasSubstr("missing = \"median\"")));
  EXPECT_THAT(error_of("y,c\na,u\nb,NA\n", {.columns = {{"c", "category"}}, .missing = MissingValues::error}),
              AllOf(HasSubstr("expected a word, got \"NA\""), HasSubstr("line 3, column 1")));
  EXPECT_THAT(error_of("y,n\na,1\nb,x\n"), HasSubstr("expected a number, got \"x\"")) << "a word is not missing";
}

TEST_F(CsvColumns, OnlyTheTestRowsMayLackAValue) {
  const Dataset dataset = import_both("y,n\na,1\nb,2\na,6\n", "y,n\na,\nb,8\n", {.columns = {{"n", "none"}}});
  EXPECT_THAT(validation(dataset), ElementsAre(ElementsAre(2), ElementsAre(8)));
  EXPECT_THAT(dataset.manifest().provenance.notes, Contains(HasSubstr("test.csv: column 1 \"n\" lacks 1 of 2")));
}

TEST_F(CsvColumns, AColumnWithoutAnyValueIsRefused) {
  EXPECT_THAT(error_of("y,n,m\na,,1\nb,,2\na,,3\nb,5,4\n"),
              AllOf(HasSubstr("column 1 \"n\", got none in the training rows"), HasSubstr("\"drop\"")));
}

// ---- scales

TEST_F(CsvColumns, EachColumnIsScaledAsItIsSaid) {
  const Dataset dataset = import("y,s,m,n,c\na,2,2,2,7\nb,4,4,4,7\na,6,6,6,7\nb,9,9,9,9\n",
                                 {.columns = {{"s", "standard"}, {"m", "minmax"}, {"n", "none"}, {"c", "minmax"}}});
  const auto& columns = dataset.scale().columns();
  EXPECT_EQ(columns[0].scale.offset, 4);
  EXPECT_NEAR(1 / columns[0].scale.factor, std::sqrt(8.0 / 3), 1e-12);
  EXPECT_EQ(columns[1].scale, (Scale{2, 0.25}));
  EXPECT_EQ(columns[2].scale, (Scale{0, 1}));
  EXPECT_EQ(columns[3].scale, (Scale{7, 0})) << "it does not vary in the training rows";
}

// ---- columns that are left out, and names

TEST_F(CsvColumns, ADroppedColumnIsNotRead) {
  const std::string text = "id,y,n,comment\n17,a,1,\"one, two\"\n18,b,2,\n19,a,3,x\n";
  const Dataset dataset = import(text, {.label = std::string("y"), .columns = {{"id", "drop"}, {"comment", "drop"}}});
  EXPECT_THAT(names(dataset), ElementsAre("n"));
  EXPECT_THAT(dataset.manifest().provenance.notes, Not(Contains(HasSubstr("counts the rows"))));
  EXPECT_THAT(describe(dataset), AllOf(HasSubstr("column      0 \"id\": ignored"), HasSubstr("1 \"y\": label")));
  const Dataset by_place = import(text, {.label = std::int64_t{1}, .columns = {{"0", "drop"}, {"-1", "drop"}}});
  EXPECT_EQ(by_place.digest(), dataset.digest());
  EXPECT_THAT(
      error_of(text, {.label = std::string("y"), .columns = {{"id", "drop"}, {"comment", "drop"}, {"n", "drop"}}}),
      HasSubstr("a column beside the label that is not dropped"));
  const Dataset tested =
      import_both("id,y,n\n1,a,2\n2,b,3\n", "n,y\n4,a\n", {.label = std::string("y"), .columns = {{"id", "drop"}}});
  EXPECT_EQ(tested.validation_rows(), 1) << "a test file need not have it";
}

TEST_F(CsvColumns, AnUnknownColumnTellsTheNearest) {
  const std::string text = "y,age,zip\na,1,2\nb,3,4\na,5,6\n";
  EXPECT_THAT(error_of<ConfigError>(text, {.columns = {{"aeg", "minmax"}}}),
              AllOf(HasSubstr("\"aeg\""), HasSubstr("did you mean \"age\"?")));
  EXPECT_THAT(error_of<ConfigError>(text, {.columns = {{"3", "minmax"}}}), HasSubstr("\"3\""));
  EXPECT_THAT(error_of<ConfigError>(text, {.columns = {{"age", "minmx"}}}), HasSubstr("did you mean \"minmax\"?"));
  EXPECT_THAT(error_of<ConfigError>(text, {.columns = {{"y", "category"}}}), HasSubstr("it is the label"));
  EXPECT_THAT(error_of<ConfigError>(text, {.columns = {{"age", "none"}, {"1", "none"}}}), HasSubstr("named twice"));
  EXPECT_THAT(error_of<ConfigError>("y,v,v\na,1,2\nb,1,2\n", {.columns = {{"v", "none"}}}),
              HasSubstr("more than once"));
  EXPECT_THAT(error_of<ConfigError>("a,1\nb,2\n", {.header = false, .columns = {{"age", "none"}}}),
              HasSubstr("the number of a column"));
}

TEST_F(CsvColumns, AYearIsANameWhereThereIsAHeader) {
  const std::string text = "y,2019,2020\na,1,2\nb,3,4\na,5,6\n";
  EXPECT_THAT(names(import(text, {.columns = {{"2020", "drop"}}})), ElementsAre("2019"));
  EXPECT_THAT(names(import("y,1,2\na,1,2\nb,3,4\na,5,6\n", {.header = true, .columns = {{"2", "drop"}}})),
              ElementsAre("1"));
}

// ---- what travels

TEST_F(CsvColumns, TheManifestKeepsTheTable) {
  const Dataset dataset = import("y,n,c,d\na,1,u,1\nb,,v,1\na,3,,1\nb,4,u,1\n",
                                 {.columns = {{"c", "category"}, {"d", "drop"}}, .missing = MissingValues::indicator});
  const Dataset again = Dataset::open(dataset.folder());
  ASSERT_TRUE(again.manifest().table.has_value());
  EXPECT_EQ(
      again.manifest().table->columns,
      (std::vector<TableColumn>{{.name = "y", .place = 0, .kind = ColumnKind::label},
                                {.name = "n", .place = 1, .kind = ColumnKind::number, .fill = 2, .indicator = true},
                                {.name = "c", .place = 2, .kind = ColumnKind::category, .words = {"", "u", "v"}},
                                {.name = "d", .place = 3, .kind = ColumnKind::ignored}}));
  EXPECT_EQ(again.manifest().provenance.columns, "c = \"category\", d = \"drop\"");
  EXPECT_EQ(again.manifest().provenance.missing, "indicator");
}

TEST_F(CsvColumns, AManifestWithoutATableIsRead) {
  const Dataset dataset = import("y,n\na,1\nb,2\na,3\n");
  const fs::path file = dataset.folder() / "manifest.json";
  auto json = nlohmann::ordered_json::parse(read_file(file));
  EXPECT_EQ(json.erase("table"), 1U);
  json["provenance"].erase("columns");
  EXPECT_EQ(json["provenance"].erase("missing"), 1U);
  write_file(file, json.dump());
  const Dataset old = Dataset::open(dataset.folder());
  EXPECT_FALSE(old.manifest().table.has_value());
  EXPECT_EQ(old.scale(), dataset.scale());
  EXPECT_EQ(old.partition(PartitionId(0)).rows(), 2);
  EXPECT_THAT(describe(old), HasSubstr("scale by column: n ["));
}

TEST_F(CsvColumns, ATableThatDoesNotFitTheRowsIsRefused) {
  const Dataset dataset = import("y,n\na,1\nb,2\na,3\n");
  std::string text = read_file(dataset.folder() / "manifest.json");
  const std::size_t at = text.find("\"kind\": \"number\"");
  ASSERT_NE(at, std::string::npos);
  write_file(dataset.folder() / "manifest.json", text.replace(at, 16, "\"kind\": \"ignored\""));
  EXPECT_THAT(message_of<DataError>([&] { Dataset::open(dataset.folder()); }), HasSubstr("as many features"));
}

TEST_F(CsvColumns, WhatWasSaidCannotBeTakenBack) {
  const Dataset dataset = import("y,n\na,1\nb,2\na,3\n", {.columns = {{"n", "minmax"}}});
  const auto reopen = [&](const DataOptions& options) { prepare_dataset(options, dataset.folder()); };
  EXPECT_NO_THROW(reopen({.source = "gone"}));
  EXPECT_NO_THROW(reopen({.source = "gone", .columns = {{"n", "minmax"}}, .missing = MissingValues::median}));
  EXPECT_THAT(message_of<ConfigError>([&] {
                reopen({.source = "gone", .columns = {{"n", "none"}}});
              }),
              AllOf(HasSubstr("n = \"none\""), HasSubstr("imported with n = \"minmax\"")));
  EXPECT_THAT(message_of<ConfigError>([&] { reopen({.source = "gone", .missing = MissingValues::error}); }),
              HasSubstr("imported with median"));
}

TEST_F(CsvColumns, OnlyTablesHaveColumns) {
  EXPECT_THAT(message_of<ConfigError>([&] {
                prepare({.source = "glyphs", .columns = {{"0", "drop"}}});
              }),
              HasSubstr("the columns of a CSV file, got glyphs"));
  EXPECT_THAT(message_of<ConfigError>([&] { prepare({.source = "glyphs", .missing = MissingValues::error}); }),
              HasSubstr("missing"));
  EXPECT_THROW(
      import_dataset(find_format("idx"), std::vector{folder_.path()}, folder_ / "o", {.columns = {{"0", "drop"}}}),
      ConfigError);
}

TEST_F(CsvColumns, PlainNumbersKeepTheirDigest) {
  const std::string text = "kind,width,height\neven,0,0\nodd,1,2\neven,2,4\nodd,3,6\neven,4,8\n";
  const Dataset dataset = import(text);
  EXPECT_EQ(dataset.digest().hex(), "254dad1e144a39e3c9f3706a8e94ad2d") << "of the time before columns had kinds";
  EXPECT_EQ(import(text, {.columns = {{"width", "minmax"}}}).digest(), dataset.digest()) << "the same rows";
  EXPECT_NE(import(text, {.columns = {{"width", "category"}}}).digest(), dataset.digest());
}

// ---- what the rows allow

TEST_F(CsvColumns, SayWhereValidationCannotWork) {
  std::string sorted;
  for (int i = 0; i < 40; ++i) sorted += (i < 30 ? "a," : "b,") + std::to_string(i % 7) + "\n";
  const Dataset tail = import(sorted, {.validation = Validation::tail(10)});
  EXPECT_THAT(tail.manifest().provenance.notes,
              AllOf(Contains(AllOf(HasSubstr("no training row has the class \"b\""), HasSubstr("stratified"))),
                    Contains(HasSubstr("all validation rows have the class \"b\""))));
  const Dataset fair = import(sorted, {.validation = Validation::fraction(0.25, true)});
  EXPECT_THAT(fair.manifest().provenance.notes, Not(Contains(HasSubstr("class"))));
  EXPECT_EQ(fair.validation_rows(), 8 + 3);
  std::string same;
  for (int i = 0; i < 20; ++i) same += "0.5," + std::to_string(i % 7) + "\n";
  EXPECT_THAT(import(same).manifest().provenance.notes, Contains(HasSubstr("is 0.5 in all training rows")));
}

TEST_F(CsvColumns, SayWhatLooksLikeAnId) {
  std::string text = "y,id,age,size\n";
  for (int i = 0; i < 1500; ++i) {
    text += std::to_string(i % 2) + "," + std::to_string((i * 7919) % 10007 + 500) + "," + std::to_string(i % 90) +
            "," + std::to_string(i * 0.37) + "\n";
  }
  const auto notes = import(text, {.label = std::string("y")}).manifest().provenance.notes;
  EXPECT_THAT(notes, Contains(AllOf(HasSubstr("\"id\""), HasSubstr("like an id"))));
  EXPECT_THAT(notes, Not(Contains(AnyOf(HasSubstr("\"age\""), HasSubstr("\"size\"")))));
}

}  // namespace
}  // namespace hop::data
