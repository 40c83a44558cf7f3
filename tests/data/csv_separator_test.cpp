// The separator of a table, judged by tables that were written with a known one, and by what is read with it.
#include "data/formats/csv_separator.h"

#include <nlohmann/json.hpp>

#include "data/formats/csv_rows.h"
#include "data/prepare.h"
#include "data/row_encoder.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(FindSeparator, TakesTheOneThatCutsAllRecordsAlike) {
  EXPECT_EQ(find_separator("a,b\n1,2\n"), ',');
  EXPECT_EQ(find_separator("a;b\n1;2\n"), ';');
  EXPECT_EQ(find_separator("a\tb\n1\t2\n"), '\t');
  EXPECT_EQ(find_separator("a|b\n1|2\n"), '|');
  EXPECT_EQ(find_separator("a;b\n1,5;2\n3;4\n"), ';') << "commas do not cut all records";
  EXPECT_EQ(find_separator("name;y\n\"Doe, J\";2\n\"Roe; K\";3\n"), ';') << "quotes count";
  EXPECT_EQ(find_separator("a;b,y\nc;d,z\n"), ',') << "a table that commas cut is one of commas";
  EXPECT_EQ(find_separator("a;b\tc\nd;e\tf\n"), '\t');
}

TEST(FindSeparator, TakesNoDecimalCommaForASeparator) {
  EXPECT_EQ(find_separator("1,5;2,5\n3,5;4,5\n"), ';');
  EXPECT_EQ(find_separator("1,5\t2,5\n3,5\t4,5\n"), '\t');
  EXPECT_EQ(find_separator("1,2\n3,4\n"), ',') << "nothing else separates";
}

TEST(FindSeparator, TakesTheUsualOneWhereNoneFitsAndTheBestOfThoseThatNearlyFit) {
  EXPECT_EQ(find_separator(""), ',');
  EXPECT_EQ(find_separator("a\nb\n"), ',');
  EXPECT_EQ(find_separator("a\nb\n", ';'), ';');
  EXPECT_EQ(find_separator("a;b\n1;2\n3;4;5\n6;7\n"), ';') << "a message about commas would mislead";
  EXPECT_EQ(find_separator("a,b\n1,2\n3,4,5\n6,7\n"), ',');
  EXPECT_EQ(find_separator("a,b;c\n1,2;3\n", ';'), ';') << "the usual one is tried first";
  EXPECT_EQ(find_separator("a,b\n1,2\n", ';'), ',');
}

TEST(FindSeparator, IsToldByAFirstLineForExcel) {
  EXPECT_EQ(find_separator("sep=;\na,b\n1,2\n"), ';') << "whatever the records look like";
  EXPECT_EQ(find_separator("\xEF\xBB\xBFsep=,\r\na;b\r\n1;2\r\n", ';'), ',');
  EXPECT_EQ(find_separator("sep=\t\na,b\n1,2\n"), '\t');
  EXPECT_EQ(find_separator("sep=\\t\na,b\n1,2\n"), '\t');
  EXPECT_EQ(find_separator("sep=;"), ';');
  EXPECT_EQ(find_separator("sep=:\na,b\n1,2\n"), ',') << "no separator of ours";
  EXPECT_EQ(find_separator("sep=;,b\n1,2\n"), ',') << "a record";
  EXPECT_EQ(find_separator("a,b\nsep=;\n1,2\n3,4\n"), ',') << "not the first line";
}

TEST(ParseSeparator, TakesTheCharacterAndItsName) {
  for (const Separator& separator : separators()) {
    EXPECT_EQ(parse_separator(separator.name, "key"), separator.character);
    EXPECT_EQ(parse_separator(std::string(1, separator.character), "key"), separator.character);
    EXPECT_EQ(name_of_separator(separator.character), separator.name);
  }
  EXPECT_EQ(parse_separator("\\t", "key"), '\t');
  EXPECT_THAT(message_of<ConfigError>([] { parse_separator("semicolons", "key"); }),
              AllOf(HasSubstr("key: unknown value \"semicolons\""), HasSubstr("did you mean \"semicolon\"?")));
  EXPECT_THROW(parse_separator(":", "key"), ConfigError);
  EXPECT_THROW(parse_separator("", "key"), ConfigError);
}

TEST(LooksLikeTable, IsNotFooledByAnExperiment) {
  EXPECT_TRUE(looks_like_table("a,b\n1,2\n"));
  EXPECT_TRUE(looks_like_table("a;b\n1;2\n"));
  EXPECT_FALSE(looks_like_table("name = \"x\"\n[data]\nsource = \"d.csv\"\n[search]\nlr = [1, 2\n"));
  EXPECT_FALSE(looks_like_table("a,b\n")) << "one line may be anything";
}

class SeparatedTables : public testing::Test {
 protected:
  static std::string text(char separator) {
    std::string text = "y,x,z\n";
    for (int i = 0; i < 40; ++i) {
      text += std::string(i % 2 == 0 ? "a" : "b") + "," + std::to_string(i * 0.5) + "," + std::to_string(i % 7) + "\n";
    }
    std::ranges::replace(text, ',', separator);
    return text;
  }
  Dataset import(const std::string& text, DataOptions options = {}) {
    write_file(folder_ / "t.csv", text);
    options.source = (folder_ / "t.csv").string();
    if (!options.validation) options.validation = Validation::none();
    return prepare_dataset(options, folder_ / ("out" + std::to_string(++imports_)));
  }
  TemporaryFolder folder_;
  int imports_ = 0;
};

TEST_F(SeparatedTables, GiveTheSameRowsWhateverSeparatesThem) {
  const Dataset commas = import(text(','));
  EXPECT_THAT(commas.manifest().provenance.notes, Not(Contains(HasSubstr("separate"))));
  EXPECT_THAT(read_file(commas.folder() / "manifest.json"), Not(HasSubstr("\"separator\"")));
  for (const char separator : {';', '\t', '|'}) {
    const Dataset other = import(text(separator));
    EXPECT_EQ(other.digest(), commas.digest());
    EXPECT_EQ(other.scale(), commas.scale());
    const std::string name(name_of_separator(separator));
    EXPECT_THAT(other.manifest().provenance.notes, Contains(HasSubstr(name + "s separate its cells; separator = ")));
    EXPECT_EQ(Dataset::open(other.folder()).manifest().table->separator, separator);
    EXPECT_EQ(parse_row_schema(to_json(row_schema(other.manifest())), "x").table->separator, separator);
    EXPECT_EQ(import(text(separator), {.separator = separator}).digest(), commas.digest());
  }
}

TEST_F(SeparatedTables, AreReadAsIsSaid) {
  EXPECT_THAT(message_of<DataError>([&] { import(text(';'), {.separator = ','}); }),
              HasSubstr("separator = \"comma\" does not separate its cells"));
  const Dataset dataset = import("y;t,1\na;u,2\nb;v,3\n", {.partitions = 1, .header = true, .separator = ','});
  EXPECT_THAT(dataset.class_names(), ElementsAre("a;u", "b;v"));
  EXPECT_THAT(message_of<ConfigError>([&] { prepare_dataset({.source = "gone", .separator = ';'}, dataset.folder()); }),
              HasSubstr("imported with comma"));
  EXPECT_THAT(
      message_of<ConfigError>([&] { prepare_dataset({.source = "glyphs", .separator = ';'}, folder_ / "glyphs"); }),
      HasSubstr("[data] separator"));
}

TEST_F(SeparatedTables, MayNameTheirSeparatorInTheFirstLine) {
  const Dataset plain = import(text(','));
  for (const std::string first : {"sep=;\n", "\xEF\xBB\xBFsep=;\r\n", "sep=;\n\n"}) {
    const Dataset named = import(first + text(';'));
    EXPECT_EQ(named.digest(), plain.digest()) << "the line is no row";
    EXPECT_EQ(named.manifest().table->separator, ';');
  }
  EXPECT_EQ(import("sep=,\n" + text(',')).digest(), plain.digest());
  EXPECT_EQ(import("sep=\t\n" + text('\t')).digest(), plain.digest());
  EXPECT_EQ(import("sep=;\n" + text(';'), {.separator = ';'}).digest(), plain.digest()) << "said twice";
  EXPECT_THAT(message_of<DataError>([&] { import("sep=;\ny;x\na;1\nb;2;3\n", {.header = true}); }),
              HasSubstr("t.csv, line 4"));
  EXPECT_THAT(message_of<DataError>([&] { import("sep=;\n"); }), HasSubstr("empty file"));
}

TEST_F(SeparatedTables, MayHaveATestFileOfAnotherSeparator) {
  write_file(folder_ / "s" / "train.csv", text(';'));
  write_file(folder_ / "s" / "test.csv", "x\ty\tz\n0.25\ta\t3\n");
  const Dataset dataset =
      prepare_dataset({.source = (folder_ / "s").string(), .validation = Validation::file()}, folder_ / "both");
  EXPECT_EQ(dataset.validation_rows(), 1);
}

TEST_F(SeparatedTables, AreFoundAnewWhereAModelReadsThem) {
  const Dataset trained = import(text(';'), {.label = std::string("y"), .header = true});
  const auto inputs = [&](const std::string& rows, std::vector<std::string>& notes) {
    write_file(folder_ / "rows.csv", rows);
    RowEncoder encoder(row_schema(trained.manifest()));
    CsvRows reader(folder_ / "rows.csv", encoder);
    notes = reader.notes();
    std::vector<float> all, input(static_cast<std::size_t>(encoder.inputs()));
    for (std::vector<std::string_view> cells; reader.next(cells);) {
      encoder.encode(cells, reader.place(), input);
      all.insert(all.end(), input.begin(), input.end());
    }
    return all;
  };
  std::vector<std::string> notes;
  const std::vector<float> expected = inputs("x;z\n1.5;2\n3.5;4\n", notes);
  ASSERT_EQ(expected.size(), 4U);
  EXPECT_THAT(notes, Not(Contains(HasSubstr("separate"))));
  EXPECT_EQ(inputs("x,z\n1.5,2\n3.5,4\n", notes), expected);
  EXPECT_THAT(notes, Contains(HasSubstr("commas separate its cells")));
  EXPECT_EQ(inputs("1.5;2\n3.5;4\n", notes), expected) << "without a header";
  EXPECT_EQ(inputs("sep=,\nx,z\n1.5,2\n3.5,4\n", notes), expected);
  EXPECT_THAT(notes, Contains(HasSubstr("line 2 is taken for the header")));
  EXPECT_EQ(inputs("sep=,\n1.5,2\n3.5,4\n", notes), expected) << "the line is no row";
}

}  // namespace
}  // namespace hop::data
