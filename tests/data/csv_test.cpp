// CSV: RFC 4180 records, numbers, labels, headers, and where an error is. Long because each way in which a table goes
// wrong has its example here.
#include "data/formats/csv.h"

#include <limits>
#include <optional>
#include <span>

#include "data/formats/csv_cells.h"
#include "data/formats/csv_records.h"
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
  for (std::vector<std::string_view> fields; reader.next(fields);) all.emplace_back(fields.begin(), fields.end());
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
  EXPECT_THAT(records("\"\"\"\",\"\"\"a\",\"a\"\"\"\"b\"\r\n\"\"\"\"\"\",\"\"\n"),
              ElementsAre(ElementsAre("\"", "\"a", "a\"\"b"), ElementsAre("\"\"", "")));
  EXPECT_THAT(records("a\rb,c\r\r\n,\r\n"), ElementsAre(ElementsAre("a\rb", "c\r"), ElementsAre("", "")));
  EXPECT_THAT(records("\xEF\xBB\xBFid,\"x\""), ElementsAre(ElementsAre("id", "x")));
}

TEST(CsvRecords, CountsLinesThroughQuotedLineBreaks) {
  CsvRecords reader("a\n\"b\n\nc\"\nd\n", "t.csv");
  std::vector<std::string_view> fields;
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
  RawData open(const std::string& text, const LabelColumn& label = std::int64_t{0}, std::optional<bool> header = {}) {
    write_file(folder_ / "t.csv", text);
    const std::vector<fs::path> files = {folder_ / "t.csv"};
    return open_csv(files, {.label = label, .header = header});
  }
  RawData open_with(const std::string& text, const CsvOptions& options) {
    write_file(folder_ / "t.csv", text);
    return open_csv(std::vector<fs::path>{folder_ / "t.csv"}, options);
  }
  RawData open_both(const std::string& train, const std::string& test, const CsvOptions& options = {}) {
    write_file(folder_ / "train.csv", train);
    write_file(folder_ / "test.csv", test);
    return open_csv(find_csv(folder_.path()), options);
  }
  std::string error_of_both(const std::string& train, const std::string& test) {
    return message_of<DataError>([&] { (void)open_both(train, test); });
  }
  // Where missing values are errors, so that each of them has its message.
  std::string error_of(const std::string& text, const LabelColumn& label = std::int64_t{0}) {
    return message_of<DataError>([&] {
      (void)open_with(text, {.label = label, .target = TargetKind::classes, .missing = MissingValues::error});
    });
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
  EXPECT_THAT(error_of("x,kind,kind\n1,a,2\n3,b,4\n", std::string("kind")),
              AllOf(HasSubstr("got \"kind\" more than once"), HasSubstr("such as label = 1")));
  EXPECT_THAT(error_of("kind,kind,kind\n1,a,2\n3,b,4\n", std::string("kind")), HasSubstr("more than once"));
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
    EXPECT_THAT(error_of("a,1\nb,\"" + std::string(bad) + "\"\n"), HasSubstr("line 2, column 1)")) << bad;
  }
}

TEST_F(Csv, SaysWhatIsWrongWithTheTable) {
  EXPECT_THAT(error_of(""), HasSubstr("empty file"));
  EXPECT_THAT(error_of("\n\n"), HasSubstr("empty file"));
  EXPECT_THAT(error_of("kind,width\n"), HasSubstr("rows after the header"));
  EXPECT_THAT(error_of("a 1 2\nb 1 2\n"), HasSubstr("separated by none of comma, tab, semicolon and bar"));
  EXPECT_THAT(error_of("a,1\nb,1,2\n"),
              AllOf(HasSubstr("expected 2 columns, got 3"), HasSubstr("line 2"), HasSubstr("stands in quotes")));
  EXPECT_THAT(error_of("a,1\n,1\n"), HasSubstr("a label, got nothing"));
  std::string measurements;
  for (int i = 0; i < 10'001; ++i) measurements += std::to_string(i) + ".5,1\n";
  EXPECT_THAT(error_of(measurements), HasSubstr("is it the right label column?"));
}

TEST_F(Csv, KeepsItsMessagesShortWhateverTheWidth) {
  std::string row = "a";
  for (int i = 0; i < 5000; ++i) row += ",w" + std::to_string(i);
  EXPECT_LT(error_of(row + "\n" + row + "\n").size(), 600U);
}

TEST_F(Csv, ReadsTestRowsWithTheClassesOfTheTrainingRows) {
  write_file(folder_ / "train.csv", "k,v\na,1\nb,2\nc,3\n");
  write_file(folder_ / "test.csv", "c,9\nb,8\n");
  const RawData raw = open_csv(find_csv(folder_.path()), {});
  ASSERT_EQ(raw.test->rows(), 2);
  EXPECT_EQ(raw.test->classes(), 3);
  EXPECT_THAT(row(*raw.test, 0), ElementsAre(9.0F));
  EXPECT_EQ(label_, 2);
  const auto error = [&] { return message_of<DataError>([&] { (void)open_csv(find_csv(folder_.path()), {}); }); };
  write_file(folder_ / "test.csv", "c,9\nd,8\n");
  EXPECT_THAT(error(), AllOf(HasSubstr("got \"d\""), HasSubstr("test.csv, line 2")));
  write_file(folder_ / "test.csv", "c,9,1\nb,8,7\n");
  EXPECT_THAT(error(), HasSubstr("expected 2 columns, as in the training rows, got 3"));
}

// ---- headers

// 60 rows of two classes, labels first, one random-looking number per column.
std::string rows(int columns, const std::string& header = "") {
  std::string text = header.empty() ? "" : header + "\n";
  for (int i = 0; i < 60; ++i) {
    text += i % 2 == 0 ? "a" : "b";
    for (int c = 0; c < columns; ++c) text += "," + std::to_string((i * 7919 + c * 104729) % 1000 - 500) + "e-2";
    text += "\n";
  }
  return text;
}

TEST_F(Csv, FindsAHeaderThatIsMadeOfNumbers) {
  for (const char* header : {"label,2019,2020,2021", "y,400.0,400.5,401.0", "kind,10,20,30", "class,1000,777,2500",
                             "label,t-1,2020,7", "kind,0,1,2"}) {
    const RawData raw = open(rows(3, header));
    EXPECT_EQ(raw.train->rows(), 60) << header;
    EXPECT_THAT(raw.train->class_names(), ElementsAre("a", "b")) << header;
    EXPECT_EQ(raw.train->feature_names().size(), 3U) << header;
    EXPECT_THAT(raw.notes, testing::Contains(AllOf(HasSubstr("line 1"), HasSubstr("header = ")))) << header;
  }
  // Words over rows whose labels are numbers.
  EXPECT_EQ(open("price_band,1,7\n0,1.5,2\n1,3,4\n").train->rows(), 2);
}

TEST_F(Csv, KeepsARowOfDataThatMerelyComesFirst) {
  EXPECT_EQ(open(rows(3)).train->rows(), 60);
  EXPECT_EQ(open("c,0.5,-1,0.25\n" + rows(3)).train->rows(), 61) << "a rare class, numbers like the others'";
  EXPECT_EQ(open("a,2019,2020,2021\n" + rows(3)).train->rows(), 61) << "its label is a class";
  EXPECT_EQ(open("c,1,1,1\n" + rows(3)).train->rows(), 61) << "no names: they are all the same";
  EXPECT_THAT(open(rows(3)).notes, testing::Contains(HasSubstr("no header")));
}

TEST_F(Csv, TakesAHeaderOrNoneAsItIsTold) {
  EXPECT_EQ(open("a,1,2\nb,3,4\na,1,2\n", std::int64_t{0}, true).train->rows(), 2);
  EXPECT_EQ(open(rows(3, "label,2019,2020,2021"), std::int64_t{0}, false).train->rows(), 61);
  EXPECT_THAT(message_of<DataError>([&] { (void)open("k,v,w\na,1,2\n", std::int64_t{0}, false); }),
              AllOf(HasSubstr("line 1, column 1"), HasSubstr("header = true")));
  EXPECT_THROW(open("k,v\na,1\n", std::string("k"), false), ConfigError);
}

TEST_F(Csv, AFirstRowWithoutAValueIsNoHeader) {
  EXPECT_EQ(open("c,,3,4\n" + rows(3)).train->rows(), 61);
  EXPECT_THAT(error_of("c,,3,4\n" + rows(3)), HasSubstr("a missing value"));
  EXPECT_THAT(error_of("c,NA,3,4\n" + rows(3)), HasSubstr("a missing value"));
  EXPECT_THAT(error_of("c,True,3,4\n" + rows(3)), HasSubstr("1 and 0"));
}

// ---- test files

TEST_F(Csv, MatchesTheColumnsOfATestFileByName) {
  const std::string train = "label,x,noise\na,1,10\nb,2,20\n";
  const RawData swapped = open_both(train, "label,noise,x\nb,20,2\n");
  EXPECT_THAT(row(*swapped.test, 0), ElementsAre(2.0F, 20.0F));
  const RawData label_last = open_both(train, "noise,x,label\n20,2,b\n");
  EXPECT_THAT(row(*label_last.test, 0), ElementsAre(2.0F, 20.0F));
  EXPECT_EQ(label_, 1);
  const RawData extra = open_both(train, "id,x,comment,noise,label\n7,2,words,20,b\n");
  EXPECT_THAT(row(*extra.test, 0), ElementsAre(2.0F, 20.0F));
  EXPECT_THAT(extra.notes, testing::Contains(AllOf(HasSubstr("\"id\", \"comment\""), HasSubstr("ignored"))));
  const RawData years = open_both("label,2019,2020,2021\n" + rows(3), "2021,2019,2020,label\n21,19,20,a\n");
  EXPECT_THAT(row(*years.test, 0), ElementsAre(19.0F, 20.0F, 21.0F));
}

TEST_F(Csv, NamesTheColumnsThatATestFileLacks) {
  const std::string train = "label,x,noise,z\na,1,10,3\nb,2,20,4\n";
  EXPECT_THAT(error_of_both(train, "label,x\na,1\n"),
              AllOf(HasSubstr("\"noise\" and \"z\""), HasSubstr("test.csv, line 1")));
  EXPECT_THAT(error_of_both(train, "label,x,nois,z\na,1,2,3\n"),
              HasSubstr("is \"nois\" meant? Then name that column \"noise\""));
  EXPECT_THAT(error_of_both(train, "x,noise,z\n1,2,3\n"), HasSubstr("none named \"label\""));
  EXPECT_THAT(error_of_both(train, "one,two,three,four\na,1,2,3\n"), HasSubstr("none named \"label\""));
  EXPECT_THAT(error_of_both("k,v,v\na,1,2\nb,1,2\n", "v,v,k\n1,2,a\n"), HasSubstr("\"v\" more than once"));
}

TEST_F(Csv, ReadsATestFileByPlaceWhereOneOfTheTwoHasNoHeader) {
  EXPECT_THAT(row(*open_both("label,x,z\na,1,10\nb,2,20\n", "b,3,30\n").test, 0), ElementsAre(3.0F, 30.0F));
  EXPECT_THAT(row(*open_both("a,1,10\nb,2,20\n", "label,x,z\nb,3,30\n").test, 0), ElementsAre(3.0F, 30.0F));
  const RawData named = open_both("x,label\n1,a\n2,b\n", "3,b\n", {.label = std::string("label")});
  EXPECT_THAT(row(*named.test, 0), ElementsAre(3.0F));
}

// ---- labels

TEST_F(Csv, RefusesLabelsThatAreMeasurements) {
  for (const char* labels : {"0.5,1\n0.25,2\n", "1,1\n2,2\n2.5,3\n", "1e-3,1\n7,2\n", "y,x\n-0.1,1\n0.1,2\n"}) {
    EXPECT_THAT(error_of(labels), AllOf(HasSubstr("regression"), HasSubstr("label column"))) << labels;
  }
  std::string prices, names;
  for (int i = 0; i < 200; ++i) {
    prices += std::to_string(200'000 + 37 * i) + ",1\n";
    names += "person" + std::to_string(i) + ",1\n";
  }
  EXPECT_THAT(error_of(prices), HasSubstr("200 different ones in 200 rows"));
  EXPECT_THAT(error_of(names), HasSubstr("is it the right label column?"));
}

TEST_F(Csv, TakesWholeNumbersForClassesHoweverTheyAreWritten) {
  EXPECT_THAT(open("0.0,1\n1.0,2\n1.0,3\n").train->class_names(), ElementsAre("0", "1"));
  EXPECT_THAT(open("1,1\n1.0,2\n2e0,3\n").train->class_names(), ElementsAre("1", "2"));
  EXPECT_THAT(open("007,1\n12,2\n").train->class_names(), ElementsAre("007", "12"));
  EXPECT_THAT(open("1.0,2\n0.5x,1\n").train->class_names(), ElementsAre("0.5x", "1.0")) << "words among them";
  const RawData raw = open_both("0,1\n1,2\n", "1.0,5\n");
  row(*raw.test, 0);
  EXPECT_EQ(label_, 1) << "1.0 is 1";
}

TEST_F(Csv, RefusesALabelThatIsMissing) {
  for (const char* label : {"nan", "NaN", "-nan", "NAN", "inf", "-Infinity", "+inf", "NA", "N/A", "#N/A", "null", ""}) {
    for (const char* others : {"0", "cat"}) {  // numbers and words
      const std::string text = std::string(others) + ",1\n" + label + ",2\n1,3\n";
      EXPECT_THAT(error_of(text), AllOf(HasSubstr("expected a label, got"), HasSubstr("line 2, column 0"),
                                        HasSubstr("fill it in, or leave the row out")))
          << label;
    }
  }
  EXPECT_THAT(open("none,1\n-,2\nnano,3\ninfo,4\n?,5\nNaN-like,6\n").train->classes(), 6) << "words";
}

TEST_F(Csv, RefusesAMissingLabelAmongTheTestRows) {
  write_file(folder_ / "train.csv", "0,1\n1,2\n");
  write_file(folder_ / "test.csv", "1,9\nNaN,8\n");
  EXPECT_THAT(message_of<DataError>([&] { (void)open_csv(find_csv(folder_.path()), {}); }),
              AllOf(HasSubstr("expected a label, got \"NaN\""), HasSubstr("test.csv, line 2, column 0")));
}

// ---- numbers

TEST_F(Csv, ReadsNumbersThatAreTooSmallForAFloat) {
  for (const char* tiny :
       {"1e-50", "-1e-50", "1e-400", "4.9e-324", "0.00000000000000000000000000000000000000000000001"}) {
    const RawData raw = open("a,0.5\nb,\"" + std::string(tiny) + "\"\n");
    EXPECT_NEAR(row(*raw.train, 1)[0], 0, 1e-38) << tiny;
  }
  EXPECT_THAT(row(*open("a,1e-40\n").train, 0), ElementsAre(1e-40F));
  EXPECT_THAT(row(*open("a,+" + std::string(400, '0') + "1\n").train, 0), ElementsAre(1.0F));
}

TEST_F(Csv, ReadsNumbersUpToTheLargestFloatAndNoLargerOnes) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  for (const char* large : {"3.4028235e38", "3.40282346638528859811704183484516925440e+38", "3.40282356779733e38"}) {
    EXPECT_THAT(row(*open("a," + std::string(large) + "\n").train, 0), ElementsAre(kLargest)) << large;
    EXPECT_THAT(row(*open("a,-" + std::string(large) + "\n").train, 0), ElementsAre(-kLargest)) << large;
  }
  for (const char* large : {"3.4028235677973367e38", "3.5e38", "1e39", "-4e38", "1e400"}) {
    EXPECT_THAT(error_of("a," + std::string(large) + "\n"), HasSubstr("at most 3.4e38")) << large;
  }
}

TEST_F(Csv, TellsWhatToDoWithACellThatIsNoNumber) {
  const auto remedy = [&](const std::string& cell) { return error_of("a,1\nb,\"" + cell + "\"\n"); };
  for (const char* missing : {"", "NA", "nan", "NULL", "?", "None", "<NA>", "#NA", "-nan"}) {
    EXPECT_THAT(remedy(missing), HasSubstr("a missing value: fill it in")) << missing;
  }
  EXPECT_THAT(remedy("True"), HasSubstr("truth values as 1 and 0"));
  EXPECT_THAT(remedy("1,5"), HasSubstr("write 1.5, with a point for the decimals"));
  EXPECT_THAT(remedy("red"), HasSubstr("is column 1 the label? label = 1"));
  EXPECT_THAT(error_of("1,2,3,4,5,setosa\n1,2,3,4,5,virginica\n"), HasSubstr("label = 5"));
  EXPECT_THAT(remedy("\x1b[2J"), HasSubstr("\\x1b[2J")) << "nothing that a terminal obeys";
}

TEST_F(Csv, SuggestsTheNameOfALabelThatIsNotThere) {
  EXPECT_THAT(error_of("kind,width\na,1\n", std::string("kin")), HasSubstr("did you mean \"kind\"?"));
  EXPECT_THAT(error_of("kind,width\na,1\n", std::string("nope")), HasSubstr("valid are kind and width"));
}

TEST_F(Csv, TellsOfColumnsThatCountRowsOrLoseDigits) {
  std::string text = "id,kind,time\n";
  for (int i = 0; i < 20; ++i) {
    text += std::to_string(i + 100) + (i % 2 == 0 ? ",a," : ",b,") + std::to_string(1'700'000'001 + i * i) + "\n";
  }
  const RawData raw = open(text, std::string("kind"));
  EXPECT_THAT(raw.notes, testing::Contains(HasSubstr("column 0 \"id\" counts the rows")));
  EXPECT_THAT(raw.notes, testing::Contains(HasSubstr("column 2 \"time\" has whole numbers beyond 16,777,216")));
}

TEST_F(Csv, TellsOfValuesThatSevenDigitsHardlyTellApart) {
  std::string text = "kind,time,width\n";
  for (int i = 0; i < 20; ++i) {
    text += std::string(i % 2 == 0 ? "a," : "b,") + "1700000000." + (i % 2 == 0 ? "25," : "75,") + std::to_string(i) +
            ".123456789\n";
  }
  const RawData raw = open(text, std::string("kind"));
  EXPECT_THAT(raw.notes, testing::Contains(HasSubstr("column 1 \"time\" has values too near to each other")));
  EXPECT_THAT(raw.notes, testing::Not(testing::Contains(HasSubstr("counts the rows"))));
  EXPECT_THAT(raw.notes, testing::Not(testing::Contains(HasSubstr("width"))));
}

TEST_F(Csv, SaysWhichColumnItTakesForTheLabel) {
  const std::string text = "a,b\n1,0.5\n2,0.25\n1,0.125\n";
  EXPECT_THAT(open(text, std::int64_t{0}).notes, testing::Contains(HasSubstr("the label is column 0 \"a\"")));
  EXPECT_THAT(open(text, std::string("a")).notes, testing::Not(testing::Contains(HasSubstr("the label is"))));
}

TEST_F(Csv, TakesAWholeNumberForOneClassInAnyNotation) {
  const RawData raw = open("1,5\n01,6\n0,7\n-0,8\n1.0,9\n", std::int64_t{0});
  EXPECT_THAT(raw.train->class_names(), ElementsAre("0", "1"));
}

// ---- files that are no CSV

TEST_F(Csv, SaysWhatAFileIsThatIsNoText) {
  const std::pair<std::string, const char*> files[] = {
      {std::string("\xFF\xFE"
                   "a\0,\0",
                   6),
       "UTF-16"},
      {"\x1F\x8B\x08", "gunzip"},
      {"y,x\ra,1\rb,2\r", "the line ends of old Macs (CR); save it with"},
      {"PAR1\x15", "Parquet"},
      {std::string("PK\x03\x04"), "spreadsheet"},
      {"\x93NUMPY\x01", "numpy"},
      {std::string("a\0,\0"
                   "1\0",
                   6),
       "UTF-8"},
  };
  for (const auto& [bytes, word] : files) EXPECT_THAT(error_of(bytes), HasSubstr(word));
}

TEST_F(Csv, TakesACarriageReturnWithinALineForNoLineEndOfOldMacs) {
  for (const char* text : {"a,\"1\r2\"\nb,\"3\r4\"\n", "a,1\r\nb,2\r\n", "a,1\nb,2\r", "a,1\r"}) {
    EXPECT_EQ(foreign_format(as_bytes(text)), "") << text;
  }
  EXPECT_NE(foreign_format(as_bytes("a,1\rb,2")), "");
  EXPECT_NE(foreign_format(as_bytes("a,1\r" + std::string(std::size_t{2} << 20U, 'x') + "\n")), "")
      << "not all of a file is read";
}

TEST_F(Csv, NamesThePlaceOfALabelThatIsNotUtf8) {
  EXPECT_THAT(error_of("a,1\ncaf\xE9,2\n"),
              AllOf(HasSubstr("caf\\xe9"), HasSubstr("line 2, column 0)"), HasSubstr("save the file as UTF-8")));
  EXPECT_THAT(error_of("caf\xE9,w\na,1\n"), HasSubstr("line 1, column 0"));
  EXPECT_EQ(open("caf\xC3\xA9,1\nb,2\n").train->classes(), 2);
}

TEST_F(Csv, FindsItsFiles) {
  EXPECT_THAT(find_csv(folder_.path()), IsEmpty());
  write_file(folder_ / "letter.names", "a description");
  write_file(folder_ / "letter.tsv", "a\t1\n");
  EXPECT_THAT(find_csv(folder_.path()), ElementsAre(folder_ / "letter.tsv"));
  write_file(folder_ / "letter.data", "a,1\n");
  EXPECT_THAT(find_csv(folder_.path()), ElementsAre(folder_ / "letter.data"));
  write_file(folder_ / "more.csv", "a,1\n");
  EXPECT_THAT(message_of<DataError>([&] { (void)find_csv(folder_.path()); }),
              HasSubstr("a single .csv, .data or .tsv file, got 2"));
  write_file(folder_ / "train.csv", "a,1\n");
  EXPECT_THAT(find_csv(folder_.path()), ElementsAre(folder_ / "train.csv"));
}

}  // namespace
}  // namespace hop::data
