// New rows as input, judged by the rows that the import and the loader make of the same cells.
#include "data/row_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"
#include "data/loader.h"
#include "data/prepare.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

// A table with all that a column can be.
constexpr const char* kTrain =
    "age,id,city,kind,pay,y\n"
    "20,1,Bonn,1,1000.5,yes\n"
    "40,2,Kiel,2,,no\n"
    "60,3,Bonn,1.0,3000.25,yes\n"
    ",4,,3,2000,no\n";

class RowEncoding : public testing::Test {
 protected:
  RowEncoding() : dataset_(import()) {}

  Dataset import() {
    write_file(folder_ / "d.csv", kTrain);
    ImportOptions options;
    options.partitions = 1;
    options.validation = Validation::none();
    options.label = std::string("y");
    options.missing = MissingValues::indicator;
    options.columns = {{"id", "drop"}, {"city", "category"}, {"kind", "category"}, {"pay", "minmax"}};
    const fs::path file = folder_ / "d.csv";
    return import_dataset(find_format("csv"), std::span(&file, 1), folder_ / "data", options);
  }
  RowSchema schema() const { return row_schema(dataset_.manifest()); }
  // The inputs of all training rows, sorted: the import shuffles them.
  std::vector<std::vector<float>> loaded() const {
    Loader loader({.batch_size = 64, .scale = dataset_.scale()});
    loader.start(dataset_.partition(PartitionId(0)));
    const Batch batch = *loader.next();
    std::vector<std::vector<float>> rows;
    const std::int64_t width = batch.x.size(1);
    for (std::int64_t i = 0; i < batch.rows(); ++i) {
      rows.emplace_back(batch.x.data<float>() + i * width, batch.x.data<float>() + (i + 1) * width);
    }
    std::ranges::sort(rows);
    return rows;
  }
  static std::vector<float> encoded(RowEncoder& encoder, const std::vector<std::string_view>& cells) {
    std::vector<float> input(static_cast<std::size_t>(encoder.inputs()));
    encoder.encode(cells, {"rows.csv", "line", 7}, input);
    return input;
  }

  TemporaryFolder folder_;
  Dataset dataset_;
};

TEST_F(RowEncoding, GivesTheInputsOfTheTrainingRowsBitForBit) {
  RowEncoder encoder(schema());
  encoder.match_names(std::vector<std::string_view>{"age", "id", "city", "kind", "pay", "y"}, "here");
  std::vector<std::vector<float>> rows = {encoded(encoder, {"20", "1", "Bonn", "1", "1000.5", "yes"}),
                                          encoded(encoder, {"40", "2", "Kiel", "2", "", "no"}),
                                          encoded(encoder, {"60", "3", "Bonn", "1.0", "3000.25", "yes"}),
                                          encoded(encoder, {"", "4", "", "3", "2000", "no"})};
  std::ranges::sort(rows);
  EXPECT_EQ(rows, loaded());
  EXPECT_THAT(encoder.unseen(), IsEmpty());
}

TEST_F(RowEncoding, FindsColumnsByNameInAnyOrder) {
  RowEncoder by_name(schema()), by_place(schema());
  by_name.match_names(std::vector<std::string_view>{"pay", "more", "kind", "city", "age"}, "here");
  by_place.match_places(4, "here");
  EXPECT_EQ(encoded(by_name, {"7", "x", "2", "Kiel", "30"}), encoded(by_place, {"30", "Kiel", "2", "7"}));
  EXPECT_THAT(by_name.ignored(), ElementsAre("more"));
  EXPECT_THAT(by_name.labels(), IsEmpty());
}

TEST_F(RowEncoding, KnowsWhereTheLabelIs) {
  RowEncoder encoder(schema());
  encoder.match_names(std::vector<std::string_view>{"y", "pay", "kind", "city", "age"}, "here");
  EXPECT_THAT(encoder.labels(), ElementsAre(0));
  encoder.match_places(6, "here");
  EXPECT_THAT(encoder.labels(), ElementsAre(5));
  encoder.match_places(5, "here");  // all but the label
  EXPECT_THAT(encoder.labels(), IsEmpty());
}

TEST_F(RowEncoding, NamesTheColumnsThatAreMissing) {
  RowEncoder encoder(schema());
  EXPECT_THAT(
      [&] {
        encoder.match_names(std::vector<std::string_view>{"Age", "city", "kind"}, "rows.csv, line 1");
      },
      ThrowsMessage<DataError>(AllOf(HasSubstr("none named \"age\" and \"pay\""),
                                     HasSubstr("is \"Age\" meant? Then name that column \"age\""),
                                     HasSubstr("rows.csv, line 1"))));
  EXPECT_THAT(
      [&] {
        encoder.match_names(std::vector<std::string_view>{"age", "age", "city", "kind", "pay"}, "here");
      },
      ThrowsMessage<DataError>(HasSubstr("\"age\" more than once")));
  EXPECT_THAT([&] { encoder.match_places(3, "here"); },
              ThrowsMessage<DataError>(HasSubstr("expected 4 columns (or 5 with those that are not used), or 6 with "
                                                 "the label, got 3")));
}

TEST_F(RowEncoding, SaysWhichCellIsWrong) {
  RowEncoder encoder(schema());
  encoder.match_places(4, "here");
  EXPECT_THAT(
      [&] {
        encoded(encoder, {"old", "Bonn", "1", "1"});
      },
      ThrowsMessage<DataError>(
          AllOf(HasSubstr("expected a number, got \"old\""), HasSubstr("rows.csv, line 7, column \"age\""))));
  EXPECT_THAT(
      [&] {
        encoded(encoder, {"1", "Bonn", "1"});
      },
      ThrowsMessage<DataError>(AllOf(HasSubstr("expected 4 columns, got 3"), HasSubstr("line 7"))));
}

TEST_F(RowEncoding, CountsWordsThatNoTrainingRowHas) {
  RowEncoder encoder(schema());
  encoder.match_places(4, "here");
  const std::vector<float> ulm = encoded(encoder, {"20", "Ulm", "1", "7"});
  const std::vector<float> bonn = encoded(encoder, {"20", "Bonn", "1", "7"});
  EXPECT_NE(ulm, bonn);
  encoded(encoder, {"20", "Aalen", "1", "7"});
  ASSERT_EQ(encoder.unseen().size(), 1U);
  EXPECT_EQ(encoder.unseen()[0].first, "Ulm");
  EXPECT_EQ(encoder.unseen()[0].rows, 2);
  EXPECT_THAT(encoder.unseen()[0].column, HasSubstr("\"city\""));
}

// An older import took fewer words for missing values.
TEST_F(RowEncoding, TakesAWordOfTheTrainingRowsAsItStands) {
  const auto index_of = [&](const std::vector<std::string>& words, std::string_view city) {
    RowSchema old = schema();
    old.table->columns[2].words = words;
    old.table->columns[2].categories = Categories::index;  // its feature stands behind all others
    old.features.shape = {static_cast<std::int64_t>(old.table->features())};
    old.scale = Scale{};
    RowEncoder encoder(old);
    encoder.match_places(4, "here");
    const float index = encoded(encoder, {"20", city, "1", "7"}).back();
    EXPECT_EQ(encoder.unseen().empty(), index > 0) << city;
    return index;
  };
  EXPECT_EQ(index_of({"<NA>", "Bonn"}, "<NA>"), 1.0F);
  EXPECT_EQ(index_of({"<NA>", "Bonn"}, "NA"), 0.0F);
  EXPECT_EQ(index_of({"", "<NA>", "Bonn"}, "<NA>"), 2.0F);
  EXPECT_EQ(index_of({"", "<NA>", "Bonn"}, "NA"), 1.0F);
  EXPECT_EQ(index_of({"", "Bonn"}, "<NA>"), 1.0F);
}

TEST_F(RowEncoding, AMissingNumberThatNothingStandsForIsAnError) {
  RowSchema strict = schema();
  for (TableColumn& column : strict.table->columns) column.fill.reset();
  for (TableColumn& column : strict.table->columns) column.indicator = false;
  strict.features.shape = {static_cast<std::int64_t>(strict.table->features())};
  strict.scale = Scale{};
  RowEncoder encoder(strict);
  encoder.match_places(4, "here");
  EXPECT_THAT(
      [&] {
        encoded(encoder, {"", "Bonn", "1", "1"});
      },
      ThrowsMessage<DataError>(HasSubstr("no training row lacked one here")));
}

TEST_F(RowEncoding, TakesNumbersAsTheCellsThatTheyAre) {
  RowSchema numbers = schema();
  numbers.table->columns[2].words = {"", "10", "20"};  // city: a zip code
  numbers.features.shape = {static_cast<std::int64_t>(numbers.table->features())};
  numbers.scale = Scale{};
  RowEncoder encoder(numbers);
  const double row[] = {std::numeric_limits<double>::quiet_NaN(), 20, 1, 7};
  std::vector<float> input(static_cast<std::size_t>(encoder.inputs()));
  encoder.encode(std::span<const double>(row), {}, input);
  EXPECT_EQ(input, encoded(encoder, {"", "20", "1", "7"}));
  RowEncoder words(schema());
  EXPECT_THAT([&] { words.encode(std::span<const double>(row), {}, input); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("expected a word"), HasSubstr("\"city\""))));
}

TEST_F(RowEncoding, TellsAHeaderFromARow) {
  const RowEncoder encoder(schema());
  using Record = std::vector<std::string_view>;
  EXPECT_TRUE(encoder.is_header(Record{"city", "age", "kind", "pay"}));
  EXPECT_TRUE(encoder.is_header(Record{"y", "1", "2"}));
  EXPECT_FALSE(encoder.is_header(Record{"20", "Bonn", "1", "7"}));
}

TEST(RowEncoder, OfPicturesTakesAPixelPerColumn) {
  const RowSchema pictures{
      .features = {"x", DType::u8, {1, 2, 2}}, .scale = Scale{0, 1.0 / 255}, .table = {}, .target = {.classes = 2}};
  RowEncoder encoder(pictures);
  std::vector<float> input(4);
  encoder.encode(std::vector<std::string_view>{"0", "51", "102", "255"}, {}, input);
  const auto factor = static_cast<float>(1.0 / 255);
  EXPECT_THAT(input, ElementsAre(0, 51 * factor, 102 * factor, 255 * factor));
}

}  // namespace
}  // namespace hop::data
