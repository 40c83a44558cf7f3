// Numbers that are names: postal codes, telephone numbers, ids with leading zeros. Judged by the features that the
// import makes of them, and by the lines that it says.
#include "data/formats/csv_cells.h"
#include "data/prepare.h"
#include "data/row_encoder.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class CsvCodes : public testing::Test {
 protected:
  Dataset import(const std::string& text, DataOptions options = {}) {
    write_file(folder_ / "t.csv", text);
    options.source = (folder_ / "t.csv").string();
    if (!options.validation) options.validation = Validation::none();
    if (options.label == LabelColumn{std::int64_t{0}}) options.label = std::string("y");
    return prepare_dataset(options, folder_ / ("out" + std::to_string(++imports_)));
  }
  static const TableColumn& column(const Dataset& dataset, std::size_t place) {
    return dataset.manifest().table->columns[place];
  }
  static const std::vector<std::string>& notes(const Dataset& dataset) { return dataset.manifest().provenance.notes; }

  // y, and a column of `rows` cells.
  template <class Cell>
  static std::string table(int rows, Cell cell, const std::string& name = "zip") {
    std::string text = "y," + name + ",x\n";
    for (int i = 0; i < rows; ++i) {
      text += (i % 2 == 0 ? "a," : "b,") + std::string(cell(i)) + "," + std::to_string(i % 5) + "\n";
    }
    return text;
  }

  TemporaryFolder folder_;
  int imports_ = 0;
};

TEST(Codes, AreDigitsWithALeadingZero) {
  for (const char* code : {"01067", "00", "007"}) EXPECT_TRUE(is_code(code)) << code;
  for (const char* number : {"", "0", "10", "0.5", "00.5", "-01", "0x1", "01 "})
    EXPECT_FALSE(is_code(number)) << number;
}

TEST_F(CsvCodes, MakeAColumnACategoryWhereverTheFirstOneStands) {
  for (const int first : {0, 1, 57, 199}) {
    const Dataset dataset = import(table(200, [&](int i) {
      return i == first ? "01067" : i % 3 == 0 ? "1067" : "80331";
    }));
    EXPECT_EQ(column(dataset, 1).kind, ColumnKind::category) << first;
    EXPECT_THAT(column(dataset, 1).words, ElementsAre("01067", "1067", "80331")) << first;
    EXPECT_EQ(column(dataset, 2).kind, ColumnKind::number);
    EXPECT_EQ(dataset.feature_shape(), Shape{4});
    EXPECT_EQ(dataset.rows(), 200);
    EXPECT_THAT(notes(dataset), Contains(AllOf(HasSubstr("column 1 \"zip\" has leading zeros, such as \"01067\""),
                                               HasSubstr("a category; columns = { \"zip\" = \"number\" }"))));
  }
}

TEST_F(CsvCodes, MayStandInManyColumnsAndInOneRow) {
  std::string text = "y,a,b,c,d\n";
  for (int i = 0; i < 60; ++i) {
    text += (i % 2 == 0 ? "a" : "b");
    for (const int at : {10, 10, 30, 59}) text += i == at ? ",07" : "," + std::to_string(i % 3);
    text += "\n";
  }
  const Dataset dataset = import(text);
  for (std::size_t place = 1; place < 5; ++place) {
    EXPECT_THAT(column(dataset, place).words, ElementsAre("0", "07", "1", "2")) << place;
  }
}

TEST_F(CsvCodes, CountAsNumbersWhereThatIsSaid) {
  const auto cell = [](int i) { return i % 2 == 0 ? "007" : "12"; };
  const Dataset dataset = import(table(20, cell), {.columns = {{"zip", "number"}}});
  EXPECT_EQ(column(dataset, 1).kind, ColumnKind::number);
  EXPECT_THAT(notes(dataset), Not(Contains(HasSubstr("leading zeros"))));
  EXPECT_EQ(column(import(table(20, cell), {.columns = {{"zip", "minmax"}}}), 1).kind, ColumnKind::number);
  EXPECT_EQ(import(table(20, cell), {.columns = {{"zip", "drop"}}}).feature_shape(), Shape{1});
}

TEST_F(CsvCodes, ThatHardlyRepeatAreLeftOutLikeIds) {
  for (const int rows : {200, 6000}) {  // the second one shows it before its end
    const Dataset dataset = import(table(
        rows, [](int i) { return "0" + std::to_string(40'000 + i); }, "phone"));
    EXPECT_EQ(column(dataset, 1).kind, ColumnKind::ignored) << rows;
    EXPECT_EQ(dataset.feature_shape(), Shape{1});
    EXPECT_EQ(dataset.rows(), rows);
    EXPECT_THAT(notes(dataset), Contains(AllOf(HasSubstr("\"phone\""), HasSubstr("like an id: left out"))));
  }
}

TEST_F(CsvCodes, OfTooManyWordsSayWhatToWrite) {
  const std::string text = table(1000, [](int i) { return "0" + std::to_string(1000 + i % 100); });
  EXPECT_THAT(
      message_of<DataError>([&] { import(text); }),
      AllOf(HasSubstr("at most 64 words in column 1 \"zip\", got 100"), HasSubstr("{ \"zip\" = \"drop\" }"),
            HasSubstr("{ \"zip\" = \"number\" } takes them for numbers, without the leading zeros of \"01000\"")));
}

TEST_F(CsvCodes, OfTestRowsFollowTheTrainingRows) {
  write_file(folder_ / "s" / "train.csv", table(40, [](int i) { return i % 2 == 0 ? "12" : "13"; }));
  write_file(folder_ / "s" / "test.csv", table(4, [](int) { return "012"; }));
  const Dataset dataset = prepare_dataset(
      {.source = (folder_ / "s").string(), .validation = Validation::file(), .label = std::string("y")}, folder_ / "o");
  EXPECT_EQ(column(dataset, 1).kind, ColumnKind::number);
  EXPECT_EQ(dataset.validation_rows(), 4);
}

TEST_F(CsvCodes, NoOtherRowOfNumbersIsTouched) {
  const Dataset dataset = import(table(40, [](int i) { return i % 2 == 0 ? "0" : "0.5"; }));
  EXPECT_EQ(column(dataset, 1).kind, ColumnKind::number);
  EXPECT_THAT(notes(dataset), Not(Contains(HasSubstr("zip"))));
}

TEST_F(CsvCodes, AreWordsForAPredictorWhichTakesNoNumberForOne) {
  const Dataset dataset = import(table(40, [](int i) { return i % 2 == 0 ? "01067" : "80331"; }));
  RowEncoder encoder(row_schema(dataset.manifest()));
  encoder.match_places(2, "here");
  std::vector<float> input(static_cast<std::size_t>(encoder.inputs()));
  encoder.encode(std::vector<std::string_view>{"01067", "1"}, {}, input);
  EXPECT_EQ(input[0], 1.0F);
  EXPECT_THAT(encoder.unseen(), IsEmpty());
  EXPECT_THAT(message_of<DataError>([&] {
                encoder.encode(std::vector<double>{1067, 1}, {}, input);
              }),
              HasSubstr("give the rows as text"));
}

// ---- other lines about columns

TEST_F(CsvCodes, AColumnThatIsTheSameInAllRowsIsTold) {
  std::string text = "y,one,word,x\n";
  for (int i = 0; i < 40; ++i) text += (i % 2 == 0 ? "a,7,u," : "b,7.0,u,") + std::to_string(i % 5) + "\n";
  const Dataset dataset = import(text, {.columns = {{"word", "category"}}});
  EXPECT_THAT(notes(dataset), Contains(AllOf(HasSubstr("column 1 \"one\" is 7 in every row"),
                                             HasSubstr("columns = { \"one\" = \"drop\" } leaves it out"))));
  EXPECT_THAT(notes(dataset), Contains(HasSubstr("column 2 \"word\" is u in every row")));
  EXPECT_THAT(notes(dataset), Not(Contains(HasSubstr("column 3"))));
  EXPECT_EQ(column(dataset, 1).kind, ColumnKind::number) << "the import reads what it is given";
}

TEST_F(CsvCodes, NumbersWithCommasAreRefusedWithTheNumbersToWrite) {
  for (const auto& [cell, answer] : std::vector<std::pair<std::string, std::string>>{
           {"12,345.67", "write 12345.67, with"},
           {"12.345,67", "write 12345.67, with"},
           {"1,234,567", "write 1234567, with"},
           {"-1,5", "write -1.5, with"},
           {"0,125", "write 0.125, with"},
           {"-12,345", "write -12345 or -12.345 (whichever is meant), with"}}) {
    EXPECT_THAT(message_of<DataError>([&] { import("y,p\na,1\nb,\"" + cell + "\"\na,2\n"); }),
                AllOf(HasSubstr("line 3, column 1 \"p\""), HasSubstr(answer)));
    EXPECT_THAT(message_of<DataError>([&] { import("y;p\na;1\nb;" + cell + "\na;2\n"); }), HasSubstr(answer));
  }
}

TEST_F(CsvCodes, SeveralLabelsStandInTheOrderOfTheFileAndThatIsTold) {
  const std::string text = "u,x,v\n1.5,1,10\n2.5,2,20\n3.5,3,30\n";
  const auto labels = [](const char* a, const char* b) {
    return std::vector<ColumnPlace>{std::string(a), std::string(b)};
  };
  const Dataset turned = import(text, {.partitions = 1, .label = labels("v", "u")});
  ASSERT_EQ(turned.target().columns.size(), 2U);
  EXPECT_EQ(turned.target().columns[0].name, "u");
  EXPECT_EQ(turned.target().columns[1].name, "v");
  EXPECT_THAT(notes(turned), Contains(HasSubstr("in the order of the file and not of the key")));
  const Dataset straight = import(text, {.partitions = 1, .label = labels("u", "v")});
  EXPECT_EQ(straight.digest(), turned.digest());
  EXPECT_THAT(notes(straight), Not(Contains(HasSubstr("order"))));
}

}  // namespace
}  // namespace hop::data
