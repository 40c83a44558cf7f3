// CSV: RFC 4180 records, numbers, labels, headers, and where an error is.
#include "data/formats/csv.h"

#include "data/formats/csv_table.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::vector<std::string>> records(const std::string& text) {
  std::vector<std::vector<std::string>> all;
  CsvRecords reader(text, "t.csv");
  for (std::vector<std::string> fields; reader.next(fields);) all.push_back(fields);
  return all;
}

TEST(CsvRecords, ReadsWhatRfc4180Allows) {
  EXPECT_THAT(records(""), IsEmpty());
  EXPECT_THAT(records("a,b"), ElementsAre(ElementsAre("a", "b")));
  EXPECT_THAT(records("a,b\r\nc,d\n"), ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")));
  EXPECT_THAT(records("\n\na, b \n\n\n c,d"), ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")));
  EXPECT_THAT(records("a,,\n,,"), ElementsAre(ElementsAre("a", "", ""), ElementsAre("", "", "")));
  EXPECT_THAT(records("\"a,\"\"b\"\"\",\"c\nd\",\" e \"\n\"\""),
              ElementsAre(ElementsAre("a,\"b\"", "c\nd", " e "), ElementsAre("")));
  EXPECT_THAT(records("\xEF\xBB\xBFid,\"x\""), ElementsAre(ElementsAre("id", "x")));
}

TEST(CsvRecords, CountsLinesThroughQuotedLineBreaks) {
  CsvRecords reader("a\n\"b\n\nc\"\nd\n", "t.csv");
  std::vector<std::string> fields;
  for (const std::int64_t line : {1, 2, 5}) {
    ASSERT_TRUE(reader.next(fields));
    EXPECT_EQ(reader.line(), line);
  }
}

TEST(CsvRecords, NamesTheLineOfABrokenQuote) {
  EXPECT_THAT(message_of<DataError>([] { records("a\nb,\"c\nd"); }),
              AllOf(HasSubstr("closing quote"), HasSubstr("t.csv, line 2")));
  EXPECT_THAT(message_of<DataError>([] { records("a\n\"b\"c\n"); }), HasSubstr("line 2"));
}

class Csv : public testing::Test {
 protected:
  RawData open(const std::string& text, const LabelColumn& label = std::int64_t{0}) {
    write_file(folder_ / "t.csv", text);
    const std::vector<fs::path> files = {folder_ / "t.csv"};
    return open_csv(files, label);
  }
  std::string error_of(const std::string& text, const LabelColumn& label = std::int64_t{0}) {
    return message_of<DataError>([&] { (void)open(text, label); });
  }
  static std::vector<float> row(const RowSource& source, std::int64_t index) {
    std::vector<float> x(static_cast<std::size_t>(source.feature_shape().numel()));
    label_ = source.read(index, std::as_writable_bytes(std::span(x)));
    return x;
  }
  static inline std::int64_t label_ = 0;
  TemporaryFolder folder_;
};

TEST_F(Csv, MapsLabelsToClassesInSortedOrder) {
  const RawData raw = open("pear,1,-2.5\nfig,+3,4e2\npear, .5 ,6\n");
  EXPECT_THAT(raw.train->class_names(), ElementsAre("fig", "pear"));
  EXPECT_EQ(raw.train->feature_shape(), (Shape{2}));
  EXPECT_EQ(raw.train->feature_dtype(), DType::f32);
  EXPECT_THAT(row(*raw.train, 0), ElementsAre(1.0F, -2.5F));
  EXPECT_EQ(label_, 1);
  EXPECT_THAT(row(*raw.train, 1), ElementsAre(3.0F, 400.0F));
  EXPECT_EQ(label_, 0);
  EXPECT_THAT(row(*raw.train, 2), ElementsAre(0.5F, 6.0F));
}

TEST_F(Csv, SortsIntegerLabelsAsNumbers) {
  EXPECT_THAT(open("10,1\n9,2\n-1,3\n").train->class_names(), ElementsAre("-1", "9", "10"));
  EXPECT_THAT(open("10,1\n9,2\nx,3\n").train->class_names(), ElementsAre("10", "9", "x"));
}

TEST_F(Csv, FindsTheLabelByPlaceFromBothEndsAndByName) {
  EXPECT_THAT(open("1,2,a\n3,4,b\n", std::int64_t{2}).train->class_names(), ElementsAre("a", "b"));
  EXPECT_THAT(open("1,2,a\n3,4,b\n", std::int64_t{-1}).train->class_names(), ElementsAre("a", "b"));
  const RawData raw = open("width,kind,height\n1,a,2\n3,b,4\n", std::string("kind"));
  EXPECT_THAT(row(*raw.train, 1), ElementsAre(3.0F, 4.0F));
  EXPECT_EQ(label_, 1);
  EXPECT_THAT(error_of("1,2\n", std::int64_t{2}), HasSubstr("label column below 2, got 2"));
  EXPECT_THAT(error_of("1,2\n", std::int64_t{-3}), HasSubstr("got -3"));
  EXPECT_THAT(error_of("width,height\n1,2\n", std::string("kind")), HasSubstr("column named \"kind\""));
}

TEST_F(Csv, TellsAHeaderFromARow) {
  EXPECT_EQ(open("kind,width,height\na,1,2\n").train->rows(), 1);
  EXPECT_EQ(open("a,1,2\nb,1,2\n").train->rows(), 2);
  // Column numbers as names, unless the row may as well be data.
  EXPECT_EQ(open("Letter,1,2,3,4\nT,2,8,3,5\nI,5,12,3,7\n").train->rows(), 2);
  EXPECT_EQ(open("0,1,2,3,4\n5,2,8,3,5\n7,5,12,3,7\n").train->rows(), 2);
  EXPECT_EQ(open("T,1,2,3,4\nT,2,8,3,5\nI,5,12,3,7\n").train->rows(), 3);
  EXPECT_EQ(open("S,1,2,3,5\nT,2,8,3,5\n").train->rows(), 2);
  EXPECT_EQ(open("S,2,3,4,5\nT,2,8,3,5\n").train->rows(), 2);
  EXPECT_EQ(open("S,1,2,3\nT,2,8,3\n").train->rows(), 2);
}

TEST_F(Csv, NamesLineAndColumnOfWhatIsNoNumber) {
  EXPECT_THAT(error_of("a,1,2\nb,3,x4\n"),
              AllOf(HasSubstr("a number, got \"x4\""), HasSubstr("t.csv, line 2, column 2)")));
  EXPECT_THAT(error_of("kind,w,h\n\na,1,\n"), HasSubstr("line 3, column 2 \"h\""));
  EXPECT_THAT(error_of("a,1,y\nb,2,3\n"), HasSubstr("line 1, column 2"));  // half a header is a broken row
  for (const char* bad : {"nan", "inf", "1e99", "1,5", "0x10", "1 2", "--1"}) {
    EXPECT_THAT(error_of("a,1\nb,\"" + std::string(bad) + "\"\n"), HasSubstr("line 2, column 1")) << bad;
  }
}

TEST_F(Csv, SaysWhatIsWrongWithTheTable) {
  EXPECT_THAT(error_of(""), HasSubstr("empty file"));
  EXPECT_THAT(error_of("\n\n"), HasSubstr("empty file"));
  EXPECT_THAT(error_of("kind,width\n"), HasSubstr("rows after the header"));
  EXPECT_THAT(error_of("a;1;2\nb;1;2\n"), HasSubstr("separated by commas"));
  EXPECT_THAT(error_of("a,1\nb,1,2\n"), AllOf(HasSubstr("expected 2 columns, got 3"), HasSubstr("line 2")));
  EXPECT_THAT(error_of("a,1\n,1\n"), HasSubstr("a label, got nothing"));
  std::string measurements;
  for (int i = 0; i < 10'001; ++i) measurements += std::to_string(i) + ".5,1\n";
  EXPECT_THAT(error_of(measurements), HasSubstr("is it the right label column?"));
}

TEST_F(Csv, ReadsTestRowsWithTheClassesOfTheTrainingRows) {
  write_file(folder_ / "train.csv", "k,v\na,1\nb,2\nc,3\n");
  write_file(folder_ / "test.csv", "c,9\nb,8\n");
  const RawData raw = open_csv(find_csv(folder_.path()), std::int64_t{0});
  ASSERT_EQ(raw.test->rows(), 2);
  EXPECT_EQ(raw.test->classes(), 3);
  EXPECT_THAT(row(*raw.test, 0), ElementsAre(9.0F));
  EXPECT_EQ(label_, 2);
  const auto error = [&] {
    return message_of<DataError>([&] { (void)open_csv(find_csv(folder_.path()), std::int64_t{0}); });
  };
  write_file(folder_ / "test.csv", "c,9\nd,8\n");
  EXPECT_THAT(error(), AllOf(HasSubstr("got \"d\""), HasSubstr("test.csv, line 2")));
  write_file(folder_ / "test.csv", "c,9,1\nb,8,7\n");
  EXPECT_THAT(error(), HasSubstr("expected 2 columns, as in the training rows, got 3"));
}

TEST_F(Csv, FindsItsFiles) {
  EXPECT_THAT(find_csv(folder_.path()), IsEmpty());
  write_file(folder_ / "letter.names", "a description");
  write_file(folder_ / "letter.data", "a,1\n");
  EXPECT_THAT(find_csv(folder_.path()), ElementsAre(folder_ / "letter.data"));
  write_file(folder_ / "more.csv", "a,1\n");
  EXPECT_THAT(message_of<DataError>([&] { (void)find_csv(folder_.path()); }),
              HasSubstr("a single .csv or .data file, got 2"));
  write_file(folder_ / "train.csv", "a,1\n");
  EXPECT_THAT(find_csv(folder_.path()), ElementsAre(folder_ / "train.csv"));
}

}  // namespace
}  // namespace hop::data
