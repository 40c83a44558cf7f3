// CsvLine: a record in its usual form. The judge is CsvRecords, which knows all forms, with number_in().
#include "data/formats/csv_line_internal.h"

#include <cmath>
#include <random>

#include "data/formats/csv_cells.h"
#include "data/formats/csv_records.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using enum CsvLine::Cell;

std::vector<CsvLine::Cell> cells() { return {number, text, skipped, number}; }

// Whether the line was read; then it holds what CsvRecords reads.
bool reads(const std::string& rest, char separator = ',') {
  CsvLine line(cells(), separator);
  const std::size_t bytes = line.read(rest);
  if (bytes == 0) return false;
  CsvRecords records(rest, "t.csv", separator);
  std::vector<std::string_view> fields;
  EXPECT_TRUE(records.next(fields)) << rest;
  EXPECT_EQ(records.position(), bytes) << rest;
  EXPECT_EQ(fields.size(), 4U) << rest;
  if (fields.size() != 4) return true;
  EXPECT_EQ(line.number(0), number_in(fields[0])) << rest;
  EXPECT_EQ(line.text(1), fields[1]) << rest;
  EXPECT_EQ(line.number(3), number_in(fields[3])) << rest;
  return true;
}

TEST(CsvLine, ReadsTheUsualForm) {
  for (const char* rest : {"1,a,b,2\n", "1,a,b,2", "1,a,b,2\r\n3", "-1.5e3,,,0\n\n", "1,a b,\"x\" y,2\n5,c,d,6\n",
                           "0.1,\xC3\xA4,b,1e-40\n", "1,a\rb,c,2\n"}) {
    EXPECT_TRUE(reads(rest) || std::string(rest).find('"') != std::string::npos) << rest;
  }
}

TEST(CsvLine, KnowsTheSeparator) {
  EXPECT_TRUE(reads("1;a,b;c;2\n", ';'));
  EXPECT_TRUE(reads("1\ta\t\t2\r\n", '\t'));
  EXPECT_TRUE(reads("-1|a;b|c|0.5", '|'));
  EXPECT_FALSE(reads("1,a,b,2\n", ';'));
  EXPECT_FALSE(reads("1,5;a;b;2\n", ';')) << "a decimal comma is no number";
  CsvLine line({number_or_nothing, text}, ';');
  EXPECT_EQ(line.read(";a\n"), 3U);
  EXPECT_TRUE(std::isnan(line.number(0)));
}

TEST(CsvLine, LeavesOtherFormsAlone) {
  for (const char* rest : {"",
                           "\n1,a,b,2\n",
                           "\r\n1,a,b,2\n",
                           "+1,a,b,2\n",
                           " 1,a,b,2\n",
                           "1,a,b, 2\n",
                           "1,a,b,2 \n",
                           "1, a,b,2\n",
                           "1,a ,b,2\n",
                           "1,\"a\",b,2\n",
                           "\"1\",a,b,2\n",
                           ",a,b,2\n",
                           "1,a,b,\n",
                           "1,a,b\n",
                           "1,a,b,2,\n",
                           "1,a,b,2,3\n",
                           "x,a,b,2\n",
                           "1,a,b,2x\n",
                           "nan,a,b,2\n",
                           "inf,a,b,2\n",
                           "1e39,a,b,2\n",
                           "0x1,a,b,2\n",
                           "1,a,b,2\r",
                           "1,a,b,2\r3\n",
                           "1,a\t,b,2\n",
                           "1e,a,b,2\n",
                           "01,a,b,2\n",
                           "1,a,b,00\n",
                           "1,\"a,b,2\n"}) {
    EXPECT_FALSE(reads(rest)) << rest;
  }
}

TEST(CsvLine, ReadsNothingAsNaNWhereThatIsANumber) {
  for (const char* rest : {",a\n", ",a", ",a\r\n"}) {
    CsvLine line({number_or_nothing, text});
    EXPECT_EQ(line.read(rest), std::string_view(rest).size()) << rest;
    EXPECT_TRUE(std::isnan(line.number(0)));
  }
  for (const char* rest : {"a,\n", "a,", "a,\r\n"}) {
    CsvLine line({text, number_or_nothing});
    EXPECT_EQ(line.read(rest), std::string_view(rest).size()) << rest;
    EXPECT_TRUE(std::isnan(line.number(1)));
  }
  CsvLine line({number_or_nothing, text});
  EXPECT_EQ(line.read("NA,a\n"), 0U);
  EXPECT_EQ(line.read(" ,a\n"), 0U);
  EXPECT_EQ(line.read("2,a\n"), 4U);
  EXPECT_EQ(line.number(0), 2);
}

TEST(CsvLine, NeverDiffersFromTheOtherReader) {
  std::mt19937 random(1);
  for (const char separator : {',', ';', '\t'}) {
    std::string letters = "01.-e+,,,,\n\n\r\"a \t";
    std::ranges::replace(letters, ',', separator);
    int read = 0;
    for (int i = 0; i < 1'000'000; ++i) {
      std::string rest;
      const std::size_t size = random() % 16;
      while (rest.size() < size) rest += letters[random() % letters.size()];
      CsvLine line(cells(), separator);
      if (line.read(rest) > 0) read += reads(rest, separator) ? 1 : 0;
    }
    EXPECT_GT(read, 100) << "the text hits the usual form often enough";
  }
}

}  // namespace
}  // namespace hop::data
