// What a table's columns are taken for, judged by tables whose columns are known.
#include "data/table_guess.h"

#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

class TableGuesses : public testing::Test {
 protected:
  TableGuess guess(const std::string& text, const std::optional<std::string>& label = {}) {
    write_file(folder_ / "t.csv", text);
    return guess_table(folder_ / "t.csv", label);
  }
  TemporaryFolder folder_;
};

TEST_F(TableGuesses, FindColumnsOfEveryKind) {
  std::string text = "id,age,city,note,kind,empty\n";
  for (int i = 0; i < 200; ++i) {
    text += std::to_string(i) + "," + (i % 10 == 0 ? "" : std::to_string(20.5 + i % 50)) + "," +
            (i % 3 == 0 ? "Bonn" : "Kiel") + ",note " + std::to_string(i) + "," + (i % 4 == 0 ? "a" : "b") + ",NA\n";
  }
  const TableGuess found = guess(text);
  EXPECT_TRUE(found.has_header);
  EXPECT_EQ(found.rows, 200);
  EXPECT_EQ(found.columns[0].word, "drop");
  EXPECT_EQ(found.columns[1].word, "number");
  EXPECT_THAT(found.columns[1].reason, HasSubstr("missing in 20 rows"));
  EXPECT_EQ(found.columns[2].word, "category");
  EXPECT_EQ(found.columns[3].word, "drop");
  EXPECT_THAT(found.columns[3].reason, HasSubstr("too many"));
  EXPECT_EQ(found.columns[5].word, "drop");
  EXPECT_TRUE(found.has_missing);
  EXPECT_EQ(found.label, 4U) << "the last column has no values";
  EXPECT_EQ(found.label_reason, "the last column that can be one, and its values repeat");
  EXPECT_EQ(found.classes, 2);
}

TEST_F(TableGuesses, NameTheCellThatKeepsAColumnFromBeingNumbers) {
  std::string text = "income,kind\n";
  for (int i = 0; i < 300; ++i) text += (i == 48 ? "abc" : std::to_string(1000.5 + i)) + (i % 4 == 0 ? ",a\n" : ",b\n");
  const TableGuess found = guess(text);
  EXPECT_EQ(found.columns[0].word, "drop");
  EXPECT_EQ(found.columns[0].reason,
            "299 of 300 values are numbers, but line 50 has \"abc\": correct it or leave it empty, and write number");
}

TEST_F(TableGuesses, TakeAWordAmongMeasurementsForASlipInASmallTable) {
  std::string slip = "x,age,kind\n", words = slip, codes = slip;
  for (int i = 0; i < 60; ++i) {
    const std::string kind = i % 4 == 0 ? ",a\n" : ",b\n", x = std::to_string(i % 7) + ".5,";
    slip += x + (i % 9 == 0 ? "unknown" : std::to_string(20.25 + i)) + kind;
    words += x + (i % 3 == 0 ? "old" : std::to_string(20.25 + i)) + kind;
    codes += x + (i % 9 == 0 ? "A" : std::to_string(i % 5)) + kind;
  }
  const TableGuess found = guess(slip);
  EXPECT_EQ(found.columns[1].word, "drop");
  EXPECT_THAT(found.columns[1].reason, HasSubstr("53 of 60 values are numbers, but line 2 has \"unknown\""));
  EXPECT_EQ(guess(words).columns[1].word, "category") << "too many words for slips";
  EXPECT_EQ(guess(codes).columns[1].word, "category") << "its numbers repeat";
}

// Such as house numbers: 12, 12a, 14.
TEST_F(TableGuesses, TakeManyDifferentWordsAmongNumbersForACategory) {
  std::string houses = "house,x,kind\n", few = houses;
  for (int i = 0; i < 100; ++i) {
    const std::string rest = "," + std::to_string(i % 7) + (i % 4 == 0 ? ".5,a\n" : ".5,b\n");
    const int house = 10 + i % 56;
    houses += std::to_string(house) + (i % 7 == 0 ? "a" : "") + rest;
    if (i < 10) few += (i == 3 ? "A1" : i == 8 ? "B2" : std::to_string(house)) + rest;
  }
  EXPECT_EQ(guess(houses).columns[0].word, "category");
  EXPECT_EQ(guess(few).columns[0].word, "category") << "few rows say little";
}

TEST_F(TableGuesses, TakeNoOtherLabelWhereTheLastColumnHasSlips) {
  std::string last = "kind,x,size\n", named = "target,x,kind\n";
  for (int i = 0; i < 60; ++i) {
    const std::string size = i == 9 ? "unknown" : std::to_string(20.25 + i), x = "," + std::to_string(i % 7) + ".5,";
    last += (i % 4 == 0 ? "a" : "b") + x + size + "\n";
    named += size + x + (i % 4 == 0 ? "a\n" : "b\n");
  }
  EXPECT_THAT([&] { guess(last); },
              ThrowsMessage<DataError>(testing::AllOf(HasSubstr("column 2 \"size\", the label (the last column"),
                                                      HasSubstr("line 11 has \"unknown\""), HasSubstr("--label"))));
  EXPECT_THAT([&] { guess(named); }, ThrowsMessage<DataError>(HasSubstr("column 0 \"target\"")));
  EXPECT_EQ(guess(last, "kind").columns[2].word, "drop");
}

// It lies outside the range of the other rows, as a year does.
TEST_F(TableGuesses, TakeTheFirstRowOfASortedTableForData) {
  std::string times = "0,0.0,1,start\n", falling = "100,start\n", evenly = "5,10,15,setup\n", years = "2019,kind\n",
              measured = "0.25,start\n";
  for (int i = 1; i < 40; ++i) {
    const std::string kind = i % 4 == 0 ? ",stop\n" : ",run\n", half = std::to_string(i * 0.5);
    times += std::to_string(i) + "," + half + "," + std::to_string(i + 1) + kind;
    falling += std::to_string(100 - 2 * i - i % 2) + kind;
    evenly += std::to_string(5 + i) + "," + std::to_string(10 + i * i % 11) + "," + std::to_string(i % 20) + kind;
    years += half + kind;
    measured += std::to_string(10 + i * 7 % 40) + kind;
  }
  EXPECT_FALSE(guess(times).has_header);
  EXPECT_FALSE(guess(falling).has_header);
  EXPECT_FALSE(guess(evenly).has_header);
  EXPECT_FALSE(guess(measured).has_header) << "no whole number";
  EXPECT_TRUE(guess(years).has_header);
}

// A row more, and every number of the column a word, if the header were a row.
TEST_F(TableGuesses, FindAHeaderWithTheIndexOfPandasOrWithYears) {
  std::string index = ",x,y\n", years = "label,2019,2020,2021\n", row = ",Bonn,a\n", numbers = "a,1,2,3\n";
  for (int i = 0; i < 40; ++i) {
    const std::string kind = i % 4 == 0 ? "a" : "b", value = std::to_string(i * 0.25);
    index += std::to_string(i) + "," + value + "," + kind + "\n";
    years += kind + "," + value + "," + value + "," + value + "\n";
    row += value + (i % 3 == 0 ? ",Bonn," : ",Kiel,") + kind + "\n";
    numbers += kind + "," + value + ",5,7\n";
  }
  const TableGuess of_pandas = guess(index);
  EXPECT_TRUE(of_pandas.has_header);
  EXPECT_EQ(of_pandas.rows, 40);
  EXPECT_EQ(of_pandas.label, 2U);
  EXPECT_EQ(of_pandas.columns[0].reason, "counts the rows");
  const TableGuess of_years = guess(years);
  EXPECT_TRUE(of_years.has_header);
  EXPECT_EQ(of_years.label, 0U) << "because of its name";
  EXPECT_EQ(of_years.classes, 2);
  EXPECT_FALSE(guess(row).has_header) << "a missing value, not a name";
  EXPECT_FALSE(guess(numbers).has_header) << "a class that comes again";
}

TEST_F(TableGuesses, SayWhichTextIsNoUtf8) {
  for (const char* text : {"x,gr\xF6\xDF"
                           "e\n1.5,a\n2.5,b\n",
                           "x,y\n1.5,a\n2.5,f\xFCr\n"}) {
    EXPECT_THAT([&] { guess(text); },
                ThrowsMessage<DataError>(testing::AllOf(HasSubstr("expected UTF-8, got"), HasSubstr("column 1"),
                                                        HasSubstr("save the file as UTF-8"))));
  }
}

TEST_F(TableGuesses, SeeThatManyWordsNeedIndices) {
  std::string text = "shop,kind\n", few = text;
  for (int i = 0; i < 400; ++i) {
    const std::string kind = i % 4 == 0 ? ",a\n" : ",b\n";
    text += "s" + std::to_string(i % 100) + kind;
    few += "s" + std::to_string(i % 10) + kind;
  }
  EXPECT_EQ(guess(text).columns[0].word, "category");
  EXPECT_EQ(guess(text).categories, Categories::index);
  EXPECT_EQ(guess(few).categories, Categories::one_hot);
}

TEST_F(TableGuesses, TakeTheLabelByItsNameThenByItsValues) {
  EXPECT_EQ(guess("x,Class,z\n1.5,a,2\n2.5,b,3\n1.1,a,4\n2.2,b,5\n").label, 1U);
  const TableGuess last = guess("x,z,q\n1.5,2.5,a\n2.5,3.5,b\n1.1,2.7,a\n2.2,3.3,b\n");
  EXPECT_EQ(last.label, 2U);
  EXPECT_EQ(last.classes, 2);
  EXPECT_THAT(last.label_reason, HasSubstr("the last column"));
  EXPECT_EQ(guess("a,1.5,2.5\nb,2.5,3.5\na,1.7,2.2\nb,2.1,3.9\n").label, 0U) << "no header, the first repeats";
  const TableGuess said = guess("x,Class,z\n1.5,a,2\n2.5,b,3\n1.1,a,4\n2.2,b,5\n", "z");
  EXPECT_EQ(said.label, 2U);
  EXPECT_THAT([&] { guess("x,class\n1,2\n2,3\n", "Class"); },
              ThrowsMessage<DataError>(HasSubstr("did you mean \"class\"?")));
}

TEST_F(TableGuesses, TellClassesFromNumbers) {
  std::string numbers = "x,y\n", classes = "x,y\n";
  for (int i = 0; i < 100; ++i) {
    numbers += std::to_string(i % 7) + ".5," + std::to_string(i * 1.25) + "\n";
    classes += std::to_string(i % 7) + ".5," + (i % 25 == 0 ? "1" : "0") + "\n";
  }
  EXPECT_EQ(guess(numbers).target, TargetKind::numbers);
  const TableGuess found = guess(classes);
  EXPECT_EQ(found.target, TargetKind::classes);
  EXPECT_EQ(found.classes, 2);
  EXPECT_DOUBLE_EQ(found.rarest, 0.04);
}

// What stands first and repeats is the label of a few classes, but not a shop or a zip code.
TEST_F(TableGuesses, TakeShopsAndCodesInTheFirstColumnForNoLabel) {
  const auto label_of = [&](const char* prefix, int words) {
    std::string text = "first,x,last\n";
    for (int i = 0; i < 400; ++i) {
      text += prefix + std::to_string(10 + i % words) + "," + std::to_string(i * 0.5) + "," +
              std::to_string(i * 1.25 + 0.1) + "\n";
    }
    return guess(text).label;
  };
  EXPECT_EQ(label_of("class", 26), 0U);
  EXPECT_EQ(label_of("shop", 100), 2U);
  EXPECT_EQ(label_of("010", 10), 2U);
}

TEST_F(TableGuesses, TellThatAWordOfALabelStandsForAMissingValue) {
  EXPECT_THAT([&] { guess("x,y\n1.5,click\n2.5,NA\n3.5,NA\n", "y"); },
              ThrowsMessage<DataError>(HasSubstr("got \"click\" and, in 2 rows, \"NA\", which stands for a missing "
                                                 "value (write another word for it), in column 1 \"y\"")));
}

// As the import does, which knows what becomes of a label.
TEST_F(TableGuesses, TakeAWordOfALabelForAClassWhateverItStandsForElsewhere) {
  std::string words = "x,y\n", marks = "x,y\n", prices = "x,y\n";
  for (int i = 0; i < 60; ++i) {
    const std::string x = std::to_string(i) + ".5,";
    words += x + (i % 10 == 0 ? "?\n" : i % 3 == 0 ? "none\n" : "click\n");
    marks += x + (i % 10 == 0 ? "-\n" : i % 3 == 0 ? "0\n" : "1\n");
    prices += x + (i % 10 == 0 ? "-\n" : std::to_string(i * 1.25) + "\n");
  }
  const TableGuess found = guess(words, "y");
  EXPECT_EQ(found.classes, 3);
  EXPECT_EQ(found.rarest_class, "?");
  EXPECT_EQ(found.rarest_rows, 6);
  EXPECT_EQ(guess(marks, "y").classes, 3);
  EXPECT_EQ(guess(prices, "y").target, TargetKind::numbers) << "a missing value among numbers to predict";
}

TEST_F(TableGuesses, RefuseWhatIsNoTable) {
  EXPECT_THAT([&] { guess("a b\n1 2\n"); },
              ThrowsMessage<DataError>(HasSubstr("separated by one of comma, tab, semicolon and bar")));
  EXPECT_THAT([&] { guess("a,b\n1,2,3\n"); }, ThrowsMessage<DataError>(HasSubstr("expected 2 columns, got 3")));
  EXPECT_THROW(guess(""), DataError);
  EXPECT_THAT([&] { guess("\x1F\x8B"); }, ThrowsMessage<DataError>(HasSubstr("gzip")));
}

TEST_F(TableGuesses, FindTheSeparator) {
  for (const char separator : {',', ';', '\t', '|'}) {
    std::string text = "x,y\n1.5,a\n2.5,b\n1.1,a\n2.2,b\n";
    std::ranges::replace(text, ',', separator);
    const TableGuess found = guess(text);
    EXPECT_EQ(found.separator, separator);
    EXPECT_EQ(found.columns.size(), 2U);
    EXPECT_EQ(found.classes, 2);
  }
}

TEST_F(TableGuesses, TakeCodesForNamesAndLeaveOutWhatIsTheSameInAllRows) {
  std::string text = "zip,phone,same,part,y\n";
  for (int i = 0; i < 200; ++i) {
    text += std::string(i % 4 == 0 ? "01067," : "80331,") + "0" + std::to_string(40'000 + 7 * i) + ",7," +
            (i % 2 == 0 ? "007" : "42") + (i % 3 == 0 ? ",a\n" : ",b\n");
  }
  const TableGuess found = guess(text);
  EXPECT_EQ(found.columns[0].word, "category");
  EXPECT_EQ(found.columns[0].reason, "2 different codes with leading zeros, such as 01067");
  EXPECT_TRUE(found.columns[0].has_codes);
  EXPECT_EQ(found.columns[1].word, "drop");
  EXPECT_THAT(found.columns[1].reason, HasSubstr("an id"));
  EXPECT_EQ(found.columns[2].word, "drop");
  EXPECT_EQ(found.columns[2].reason, "the same in all rows: 7");
  EXPECT_EQ(found.columns[3].word, "category");
}

TEST_F(TableGuesses, RefuseNumbersWithCommasInsteadOfTakingThemForWords) {
  std::string text = "price,y\n";
  for (int i = 0; i < 100; ++i) {
    text += (i == 0 ? "7" : "\"" + std::to_string(i) + ",500.25\"") + (i % 2 == 0 ? ",a\n" : ",b\n");
  }
  EXPECT_THAT([&] { guess(text); },
              ThrowsMessage<DataError>(testing::AllOf(HasSubstr("column 0 \"price\""), HasSubstr("line 3"),
                                                      HasSubstr("write 1500.25, with a point for the decimals"))));
}

TEST_F(TableGuesses, RefuseALabelThatIsTheSameInAllRowsAndOneThatIsNotThere) {
  EXPECT_THAT([&] { guess("x,y\n1,a\n2,a\n3,a\n", "y"); },
              ThrowsMessage<DataError>(
                  testing::AllOf(HasSubstr("got \"a\" in every row of column 1 \"y\""), HasSubstr("--label"))));
  EXPECT_THAT([&] { guess("x,y\n1,0.5\n2,0.5\n", "y"); }, ThrowsMessage<DataError>(HasSubstr("two values")));
  EXPECT_THAT([&] { guess("x,y\n1,2,3,4\n", "z"); }, ThrowsMessage<DataError>(HasSubstr("--label: expected a column")))
      << "before the rows are read";
}

}  // namespace
}  // namespace hop::data
