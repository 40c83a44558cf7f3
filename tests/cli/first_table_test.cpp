// A newcomer's table as it comes: another separator, codes with leading zeros, a file in the wrong place. Judged by
// the answers of a trained model, and by what the messages say to write.
#include "tests/cli/table.h"

namespace hop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using FirstTable = Table;

// Two classes that the number and the postal code tell apart, beside a constant and a text that stays unread.
std::string places(char separator, int rows = 200) {
  std::string text = "zip,age,same,y\n";
  for (int i = 0; i < rows; ++i) {
    const bool first = i % 2 == 0;
    text += (first        ? "01067,"
             : i % 4 == 1 ? "1067,"
                          : "80331,") +
            std::to_string((first ? 30 : 50) + 5 * noise(i)) + (first ? ",7,cat\n" : ",7,dog\n");
  }
  std::ranges::replace(text, ',', separator);
  return text;
}

TEST_F(FirstTable, OfAnySeparatorGoesFromInitToAnswers) {
  write(folder_ / "t.csv", places(';'));
  const Finished made = go({"init", "t.csv"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.out, AllOf(HasSubstr("200 rows, 4 columns"),
                              HasSubstr("column 0 \"zip\" is a category: 3 different codes with leading zeros"),
                              HasSubstr("column 2 \"same\" is left out: the same in all rows: 7")));
  EXPECT_THAT(read(folder_ / "t.toml"),
              AllOf(HasSubstr("separator = \"semicolon\""), HasSubstr("\"zip\" = \"category\""),
                    HasSubstr("\"same\" = \"drop\""), HasSubstr("stratified = true")));
  const Finished ran = go({"run", "t.toml", "--run-dir", "r", "--set", "search.epochs=3"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(read(folder_ / "r" / "experiment.toml"), HasSubstr("separator = \"semicolon\""));
  const nlohmann::json ours = results("r");
  EXPECT_GE(ours["models"][ours["best"].get<int>()]["valid_accuracy"], 0.95);

  EXPECT_THAT(go({"data", "info", "r"}).out,
              AllOf(HasSubstr("\"zip\": category of 3 words: 01067 1067 80331"), HasSubstr("\"same\": ignored")));
  write(folder_ / "tomorrow.csv", places(';', 20));
  const std::string answers = go({"predict", "r", "tomorrow.csv"}).out;
  EXPECT_THAT(answers, StartsWith("class,p(cat),p(dog)\ncat,"));
  for (const char separator : {',', '\t', '|'}) {  // saved by another program
    write(folder_ / "tomorrow.csv", places(separator, 20));
    EXPECT_EQ(go({"predict", "r", "tomorrow.csv"}).out, answers) << separator;
  }
}

TEST_F(FirstTable, MayBeginWithALineForExcel) {
  write(folder_ / "plain.csv", places(';'));
  write(folder_ / "t.csv", "sep=;\n" + places(';'));
  ASSERT_EQ(go({"init", "plain.csv", "--to", "plain.toml"}).code, 0);
  const Finished made = go({"init", "t.csv"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("200 rows, 4 columns"));
  ASSERT_EQ(go({"run", "plain.toml", "--run-dir", "plain", "--set", "search.epochs=3"}).code, 0);
  ASSERT_EQ(go({"run", "t.toml", "--run-dir", "r", "--set", "search.epochs=3"}).code, 0);
  EXPECT_EQ(hashes(folder_ / "r"), hashes(folder_ / "plain"));
  EXPECT_EQ(go({"predict", "r", "t.csv"}).out, go({"predict", "plain", "plain.csv"}).out);
}

TEST_F(FirstTable, IsNotImportedAsIsSaidTwice) {
  const Finished twice =
      go({"data", "import", "csv", "d.csv", "--out", "o", "--column", "x=drop", "--column", "x=number"});
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.err, HasSubstr("x: the column is named twice"));
}

TEST_F(FirstTable, IsImportedAsIsSaid) {
  write(folder_ / "t.csv", places('|'));
  const Finished found = go({"data", "import", "csv", "t.csv", "--label", "y", "--out", "found"});
  ASSERT_EQ(found.code, 0) << found.err;
  EXPECT_THAT(found.out, AllOf(HasSubstr("bars separate its cells"), HasSubstr("leading zeros, such as \"01067\""),
                               HasSubstr("\"same\" is 7 in every row")));
  EXPECT_EQ(go({"data", "import", "csv", "t.csv", "--label", "y", "--separator", "|", "--out", "said"}).code, 0);
  const Finished wrong = go({"data", "import", "csv", "t.csv", "--label", "y", "--separator", ";", "--out", "wrong"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("separator = \"semicolon\" does not separate its cells"));
  const Finished none = go({"data", "import", "csv", "t.csv", "--separator", "colon", "--out", "none"});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("--separator: unknown value \"colon\""));
}

TEST_F(FirstTable, WhereAnExperimentIsWantedIsToldFromOne) {
  for (const char separator : {',', ';'}) {
    write(folder_ / "t.csv", places(separator));
    const Finished run = go({"run", "t.csv"});
    EXPECT_EQ(run.code, 2);
    EXPECT_THAT(run.err, AllOf(HasSubstr("t.csv is a table"), HasSubstr("`hop init t.csv` writes one")));
  }
  write(folder_ / "t.gz", "\x1F\x8B\x08");
  EXPECT_THAT(go({"run", "t.gz"}).err, AllOf(HasSubstr("an experiment file"), HasSubstr("a gzip file")));
  fs::create_directory(folder_ / "folder");
  write(folder_ / "folder" / "t.csv", places(';'));
  EXPECT_THAT(go({"run", "folder"}).err, HasSubstr("`hop init folder` writes one for the table there"));
  EXPECT_THAT(go({"run", "e.toml", "--set", "search.epochs=0"}).err, Not(HasSubstr("hop init")));
  write(folder_ / "bad.toml", "name = \n");
  EXPECT_THAT(go({"run", "bad.toml"}).err, AllOf(HasSubstr("bad.toml:1"), Not(HasSubstr("hop init"))));
}

TEST_F(FirstTable, WhereADataSetIsWantedIsToldFromOne) {
  const Finished file = go({"data", "info", "d.csv"});
  EXPECT_EQ(file.code, 2);
  EXPECT_THAT(file.err, AllOf(HasSubstr("got the file d.csv"), HasSubstr("`hop init d.csv`")));
  EXPECT_THAT(go({"data", "info", "nowhere"}).err, HasSubstr("got nothing at nowhere"));
  ASSERT_EQ(run("r").code, 0);
  EXPECT_EQ(go({"data", "info", "r"}).out, go({"data", "info", "r/data"}).out);
  EXPECT_THAT(go({"run", "r/data"}).err, HasSubstr("it holds a data set: an experiment names it as [data] source"));
}

TEST_F(FirstTable, BesideTheExperimentIsNamedAsItMustBe) {
  fs::create_directory(folder_ / "sub");
  write(folder_ / "sub" / "own.csv", two_classes());
  write(folder_ / "sub" / "e.toml", experiment("source = \"own.csv\"\npartitions = 2"));
  const Finished missing = go({"run", "sub/e.toml", "--run-dir", "r"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, AllOf(HasSubstr("got nothing at own.csv in " + folder_->path().string()),
                                 HasSubstr("write source = \"sub/own.csv\"")));
  EXPECT_FALSE(fs::exists(folder_ / "r"));
  EXPECT_EQ(go({"run", "sub/e.toml", "--run-dir", "r", "--set", "data.source=sub/own.csv"}).code, 0);
  EXPECT_THAT(go({"run", "sub/e.toml", "--run-dir", "q", "--set", "data.source=gone.csv"}).err,
              AllOf(HasSubstr("got nothing at gone.csv"), Not(HasSubstr("beside"))));
}

TEST_F(FirstTable, InitWritesWhereItIsTold) {
  const Finished shown = go({"init", "d.csv", "--to", "/dev/stdout"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(StartsWith("# Written by `hop init`"), HasSubstr("[search.space]")));
  EXPECT_THAT(shown.err, HasSubstr("200 rows"));
  EXPECT_NE(go({"init", "d.csv", "--to", "/dev/full"}).code, 0);
  EXPECT_EQ(go({"init", "d.csv", "--to", "e.toml"}).code, 2) << "a file that is there stays";
}

TEST_F(FirstTable, WithFewRowsStillGivesAnExperimentThatRuns) {
  for (const int rows : {3, 4, 6, 12}) {
    write(folder_ / "t.csv", two_classes(rows));
    fs::remove(folder_ / "t.toml");
    const Finished made = go({"init", "t.csv", "--label", "y"});
    ASSERT_EQ(made.code, 0) << made.err;
    const bool are_few = made.out.find("rows are too few to learn from and to measure by") != std::string::npos;
    EXPECT_EQ(are_few, rows < 5) << made.out;
    const Finished ran = go({"run", "t.toml", "--run-dir", "r" + std::to_string(rows), "--set", "search.epochs=1"});
    EXPECT_EQ(ran.code, 0) << rows << ": " << ran.err << read(folder_ / "t.toml");
  }
  write(folder_ / "t.csv", two_classes(40) + "c,1,1\n");
  fs::remove(folder_ / "t.toml");
  EXPECT_THAT(go({"init", "t.csv", "--label", "y"}).out, HasSubstr("the class \"c\" has 1 row:"));
}

TEST_F(FirstTable, EqualConfigurationsOfAGridAreTrainedOnceAndTold) {
  const Finished twice = run("twice", {"--set", "search.space.lr=[0.01, 0.02, 1e-2, 0.01]"});
  ASSERT_EQ(twice.code, 0) << twice.err;
  EXPECT_THAT(twice.err, HasSubstr("lr: 0.01 comes again in its list: equal configurations are trained once"));
  ASSERT_EQ(run("once", {"--set", "search.space.lr=[0.01, 0.02]"}).code, 0);
  EXPECT_EQ(hashes(folder_ / "twice"), hashes(folder_ / "once"));
  EXPECT_EQ(go({"resume", "twice"}).code, 0);
}

}  // namespace
}  // namespace hop::testing
