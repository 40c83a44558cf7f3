// From a table to a leaderboard: no silent wrong number, and each mistake has a line that says what to write.
#include "tests/cli/table.h"

namespace hop::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

using Tables = Table;

// ---- numbers

TEST_F(Tables, ALargeColumnDrownsNoOther) {
  std::string text = "y,x,income,id\n";
  for (int i = 0; i < 600; ++i) {
    const bool first = i % 2 == 0;
    text += (first ? "a," : "b,") + std::to_string((first ? -1 : 1) + 0.5 * noise(i)) + "," +
            std::to_string(20'000 + (i * 7919) % 180'000) + "," + std::to_string(1e12 + 1e7 * noise(i + 3)) + "\n";
  }
  write(folder_ / "d.csv", text);
  write(folder_ / "e.toml", experiment("source = \"d.csv\"\npartitions = 2", 15));
  ASSERT_EQ(run("r").code, 0);
  EXPECT_GE(accuracy("r"), 0.97);
}

TEST_F(Tables, TheColumnsOfATestFileAreMatchedByName) {
  fs::create_directory(folder_ / "s");
  write(folder_ / "s" / "train.csv", two_classes());
  std::string test = "extra,b,x,y\n";
  for (int i = 0; i < 60; ++i) {
    test += "7," + std::to_string(noise(i)) + (i % 2 == 0 ? ",-1,a\n" : ",1,b\n");
  }
  write(folder_ / "s" / "test.csv", test);
  write(folder_ / "e.toml", experiment("source = \"s\"\npartitions = 2\nvalidation = \"file\"", 15));
  const Finished finished = run("r");
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(finished.err, AllOf(HasSubstr("\"extra\""), HasSubstr("ignored")));
  EXPECT_GE(accuracy("r"), 0.97);
  write(folder_ / "s" / "test.csv", "y,b\na,1\n");
  const Finished refused = run("q");
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("\"x\""), HasSubstr("test.csv")));
}

TEST_F(Tables, WhatIsGuessedIsToldAndCanBeSaid) {
  write(folder_ / "d.csv", two_classes(60, "label,2019,2020"));
  const Finished guessed = go({"data", "import", "csv", "d.csv", "--out", "o"});
  EXPECT_EQ(guessed.code, 0) << guessed.err;
  EXPECT_THAT(guessed.out, HasSubstr("line 1 is taken for the header"));
  EXPECT_THAT(go({"data", "info", "o"}).out, AllOf(HasSubstr("line 1 is taken"), HasSubstr("2 classes"),
                                                   HasSubstr("column      1 \"2019\": number [")));
  const Finished told = go({"data", "import", "csv", "d.csv", "--no-header", "--out", "p"});
  EXPECT_THAT(told.out, HasSubstr("3 classes"));
  write(folder_ / "e.toml", experiment("source = \"d.csv\"\npartitions = 2\nheader = false"));
  ASSERT_EQ(run("r").code, 0);
  EXPECT_THAT(read(folder_ / "r" / "experiment.toml"), HasSubstr("header = false"));
  EXPECT_THAT(go({"data", "info", "r/data"}).out, HasSubstr("3 classes"));
}

// 50,000 + 300 x, 1,000 more in Rom, and noise from -10 to 10, whose deviation is 5.8.
TEST_F(Tables, ANumberIsPredictedInItsOwnUnit) {
  std::string text = "price,city,x\n";
  for (int i = 0; i < 600; ++i) {
    const double x = 2 * noise(i), price = 50'000 + 300 * x + (i % 3 == 0 ? 1'000 : 0) + 10 * noise(3 * i + 1);
    text += std::to_string(price) + (i % 3 == 0 ? ",Rom," : ",Oslo,") + std::to_string(x) + "\n";
  }
  write(folder_ / "d.csv", text);
  const std::string data = "source = \"d.csv\"\npartitions = 2\nlabel = \"price\"\ncolumns = { city = \"category\" }";
  write(folder_ / "e.toml", experiment(data, 30));
  const Finished classes = run("q");
  EXPECT_EQ(classes.code, 2);
  EXPECT_THAT(classes.err, AllOf(HasSubstr("regression"), HasSubstr("loss = \"mse\"")));
  const Finished numbers = run("r", {"--set", "model.loss=mse"});
  ASSERT_EQ(numbers.code, 0) << numbers.err;
  EXPECT_THAT(numbers.out, AllOf(HasSubstr("rmse="), HasSubstr("r2=0.99")));
  EXPECT_LT(results("r")["models"][0]["metrics"]["rmse"], 25.0);
  EXPECT_THAT(go({"data", "info", "r/data"}).out, HasSubstr("a number to predict: price [50"));
  EXPECT_THAT(go({"data", "import", "csv", "d.csv", "--label", "price", "--label", "x", "--column", "city=drop",
                  "--column", "0=drop", "--out", "o"})
                  .err,
              HasSubstr("it is the label"));
  const Finished two = go({"data", "import", "csv", "d.csv", "--label", "x", "--label", "price", "--column",
                           "city=category", "--out", "o"});
  EXPECT_THAT(two.out, AllOf(HasSubstr("numbers to predict: price ["), HasSubstr(", x [")));
}

TEST_F(Tables, ColumnsAreWhatIsSaidOfThem) {
  // The city decides the class; its number would decide nothing, and every fifth row lacks the noise.
  std::string text = "id,city,x,y\n";
  for (int i = 0; i < 300; ++i) {
    const char* city = i % 3 == 0 ? "Rom," : i % 3 == 1 ? "Bonn," : "Oslo,";
    text +=
        std::to_string(i) + "," + city + (i % 5 == 0 ? "" : std::to_string(noise(i))) + (i % 3 == 1 ? ",b\n" : ",a\n");
  }
  write(folder_ / "d.csv", text);
  const std::string data = "source = \"d.csv\"\npartitions = 2\nlabel = \"y\"\n";
  write(folder_ / "e.toml", experiment(data));
  const Finished words = run("r");
  EXPECT_EQ(words.code, 2);
  EXPECT_THAT(words.err, HasSubstr("columns = { \"city\" = \"category\" }"));
  write(folder_ / "e.toml",
        experiment(data + "columns = { city = \"category\", id = \"drop\" }\nmissing = \"indicator\"", 15));
  const Finished trained = run("r");
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("\"x\" lacks 60 of 300 values"));
  EXPECT_EQ(accuracy("r"), 1);
  EXPECT_THAT(
      read(folder_ / "r" / "experiment.toml"),
      AllOf(HasSubstr("columns = { city = \"category\", id = \"drop\" }"), HasSubstr("missing = \"indicator\"")));
  const Finished imported = go({"data", "import", "csv", "d.csv", "--label", "y", "--column", "city=category",
                                "--column", "id=drop", "--missing", "indicator", "--out", "o"});
  EXPECT_EQ(imported.code, 0) << imported.err;
  EXPECT_THAT(go({"data", "info", "o"}).out,
              AllOf(HasSubstr("\"city\": category of 3 words: Bonn Oslo Rom"), HasSubstr("\"id\": ignored"),
                    HasSubstr("and sets an indicator"), HasSubstr("f32 (5)")));
}

TEST_F(Tables, ABatchLargerThanTheRowsIsAllRows) {
  ASSERT_EQ(run("all", {"--set", "search.space.batch_size=100"}).code, 0);  // 180 training rows in two partitions
  ASSERT_EQ(run("more", {"--set", "search.space.batch_size=101"}).code, 0);
  for (const char* size : {"9223372036854775807", "4611686018427387904", "4294967296", "1000000000000"}) {
    const std::string directory = std::string("r") + size;
    const Finished finished = run(directory, {"--set", std::string("search.space.batch_size=") + size});
    EXPECT_EQ(finished.code, 0) << size << ": " << finished.err;
    EXPECT_EQ(hashes(folder_ / directory), hashes(folder_ / "all")) << size;
  }
  EXPECT_EQ(run("zero", {"--set", "search.space.batch_size=0"}).code, 2);
}

TEST_F(Tables, OtherSizesAreBoundedToo) {
  for (const char* size :
       {"search.space.hidden=9223372036854775807", "search.space.hidden=1000000000000", "search.space.depth=1000000",
        "search.epochs=4611686018427387904", "run.workers=1000000", "data.partitions=1000000",
        "data.validation={tail=9223372036854775807}", "data.label=9223372036854775807", "run.threads_per_worker=100000",
        "search.samples=9223372036854775807"}) {
    const Finished finished = run("r", {"--set", size});
    EXPECT_EQ(finished.code, 2) << size << ": " << finished.err;
    EXPECT_LT(finished.err.size(), 400U) << size;
  }
  EXPECT_EQ(go({"data", "import", "csv", "d.csv", "--label", "99999999999999999999", "--out", "o"}).code, 2);
  std::string values = "[1";
  for (int i = 2; i < 200; ++i) values += "," + std::to_string(i);
  const Finished grid =
      run("r", {"--set", "search.space.hidden=" + values + "]", "--set", "search.space.depth=" + values + "]", "--set",
                "search.space.batch_size=" + values + "]"});
  EXPECT_EQ(grid.code, 2);
  EXPECT_THAT(grid.err, HasSubstr("7880599")) << "a grid says how many combinations it has";
}

// ---- ranks and ends

TEST_F(Tables, AModelThatDivergedIsNotTheBest) {
  // A schedule whose rate explodes after the first epoch: metrics that looked best, then nothing.
  const Finished finished = run("r", {"--set", "search.epochs=6", "--set", "search.space.schedule=step", "--set",
                                      "search.space.step_size=40", "--set", "search.space.gamma=[1e30, 0.5]"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const nlohmann::json json = results("r");
  ASSERT_EQ(json["models"][0]["status"], "diverged");
  ASSERT_EQ(json["models"][1]["status"], "finished");
  EXPECT_EQ(json["best"], 1);
  EXPECT_THAT(read(folder_ / "r" / "log"),
              ::testing::ContainsRegex("worker [01] used [0-9.]+ s of its processors and at most [1-9]"));
  for (const std::string& table : {finished.out, go({"report", "r"}).out}) {
    EXPECT_THAT(table, ::testing::ContainsRegex("\n +1 +1 .*finished"));
    EXPECT_THAT(table, ::testing::ContainsRegex("\n +- +0 .*diverged.*the loss was no finite number in epoch [0-9]+"));
  }
  const Finished all = run("q", {"--set", "search.space.lr=1e9", "--set", "search.space.optimizer=sgd"});
  EXPECT_EQ(all.code, 3);
  EXPECT_THAT(all.err, HasSubstr("no model came through; model 0 diverged"));
}

// ---- messages

TEST_F(Tables, ACommandThatDoesNotExistIsAnsweredWithTheNearest) {
  const Finished finished = go({"reprot", "r"});
  EXPECT_EQ(finished.code, 1);
  EXPECT_THAT(finished.err, HasSubstr("unknown command \"reprot\"; did you mean \"report\"?"));
}

TEST_F(Tables, ATextIsNoExperiment) {
  write(folder_ / "book.txt", "It was a dark night.\nNo star, no moon, no light.\nNothing.\n");
  EXPECT_THAT(go({"run", "book.txt"}).err,
              HasSubstr("book.txt is a text; an experiment file (TOML) is wanted: `hop init"));
}

TEST_F(Tables, NoDataIsNoExperiment) {
  for (const char* toml :
       {"name = \"x\"\n[model]\nfamily = \"mlp\"\n[search.space]\nlr = 0.1\n",
        "name = \"x\"\n[data]\n[model]\nfamily = \"mlp\"\n[search.space]\nlr = 0.1\n",
        "name = \"x\"\n[data]\npartitions = 2\n[model]\nfamily = \"mlp\"\n[search.space]\nlr = 0.1\n"}) {
    write(folder_ / "e.toml", toml);
    const Finished finished = run("r");
    EXPECT_EQ(finished.code, 2) << toml;
    EXPECT_THAT(finished.err, AllOf(HasSubstr("[data] source"), HasSubstr("glyphs"))) << toml;
  }
}

TEST_F(Tables, SayWhatToWrite) {
  struct Mistake {
    std::vector<std::string> words;
    const char* answer;
  };
  const Mistake mistakes[] = {
      {{"--workers", "0"}, "at least 1"},
      {{"--workers", "-2"}, "at least 1"},
      {{"--set", "search.space.lr=[nan]"}, "lr: expected finite numbers, got nan"},
      {{"--set", "search.space.lr=inf"}, "lr: expected finite numbers"},
      {{"--set", "data.source="}, "source: expected"},
      {{"--set", "search.method=random", "--set", "search.samples=2", "--set", "search.space.lr={min=1e-7,max=1e-9}"},
       "1e-07"},
      {{"--set", "run.device=gpu"}, "\"cuda\""},
      {{"--set", "search.space.learning_rate=[0.1]"}, "\"lr\""},
      {{"--set", "search.space.bs=4"}, "\"batch_size\""},
      {{"--set", "search.method=random", "--set", "search.samples=2", "--set", "search.space.hidden={min=8,max=16}"},
       "hidden: expected whole numbers, got a range of all numbers; add type = \"int\""},
      {{"--set", "search.space.hidden=[8.5]"}, "hidden: expected a whole number, got 8.5"},
      {{"--set", "search.space.batch_size=32.0"}, "batch_size: expected a whole number"},
      {{"--set", "model.loss=mse_loss"}, "loss: unknown value \"mse_loss\"; did you mean \"mse\"?"},
      {{"--set", "model.family=mpl"}, "family: expected the name of a family, got \"mpl\"; did you mean \"mlp\"?"},
      {{"--set", "model.family=transformer", "--set", "search.space.heads=8"}, "did you mean \"tab_transformer\"?"},
      {{"--set", "data.label=nope"}, "valid are y, x and b"},
      {{"--set", "data.label=Y"}, "did you mean \"y\"?"},
      {{"--set", "data.columns={nope=\"drop\"}"}, "valid are y, x and b"},
      {{"--set", "data.columns={x=\"categry\"}"}, "\"x\": unknown value \"categry\"; did you mean \"category\"?"},
      {{"--set", "data.columns={x=1}"}, "\"x\": expected a word, got the integer 1"},
      {{"--set", "data.missing=mean"}, "median"},
      {{"--set", "data.validation={fraction=0.001}"}, "at least 500 are needed"},
      {{"--set", "run.num_workers=3"}, "\"workers\""},
      {{"--set", "run.gpu=1"}, "\"device\""},
      {{"--set", "run.device=GPU"}, "\"cuda\""},
      {{"--set", "run.seed=1"}, "seed: unknown key; it is a key of the file itself, before its first section"},
      {{"--set", "epochs=3"}, "epochs: unknown key; it is a key of [search]"},
      {{"--set", "search.space.epochs=[3]"}, "nothing reads this name; it is a key of [search]"},
      {{"--set", "search.space.n_epochs=[3]"}, "did you mean \"epochs\" of [search]?"},
      {{"--set", "model.hidden=8"}, "hidden: unknown key; it is a key of [search.space]"},
      {{"--set", "model.hidden_size=8"}, "did you mean \"hidden\" of [search.space]?"},
      {{"--set", "run.learning_rate=0.1"}, "did you mean \"lr\" of [search.space]?"},
      {{"--set", "search.batchsize=8"}, "did you mean \"batch_size\" of [search.space]?"},
      {{"--set", "search.metric=accuracy"}, "did you mean \"objective\"?"},
      {{"--set", "data.sep=tab"}, "did you mean \"separator\"?"},
      {{"--set", "data.test_size=0.2"}, "did you mean \"validation\"?"},
      {{"--set", "data.separator=:"}, "valid are comma, tab, semicolon and bar"},
      {{"--set", "model.loss=CrossEntropyLoss"}, "did you mean \"cross_entropy\"?"},
      {{"--set", "model.loss=MSELoss"}, "did you mean \"mse\"?"},
      {{"--set", "model.optimizer=AdamW"}, "did you mean \"adamw\"?"},
      {{"--set", "model.metrics=[\"f1_macro\"]"}, "did you mean \"macro_f1\"?"},
      {{"--set", "search.objective=val_acc"}, "did you mean \"valid_accuracy\"?"},
      {{"--set", "search.method=GridSearchCV"}, "did you mean \"grid\"?"},
  };
  for (const Mistake& mistake : mistakes) {
    const Finished finished = run("never", mistake.words);
    const std::string line = finished.err.substr(0, finished.err.find('\n'));
    EXPECT_THAT(finished.code, AnyOf(1, 2)) << mistake.answer;
    EXPECT_THAT(line, HasSubstr(mistake.answer));
    EXPECT_LT(line.size(), 300U) << line;
    EXPECT_FALSE(fs::exists(folder_ / "never")) << mistake.answer;
  }
}

TEST_F(Tables, SayWhereItIsWritten) {
  write(folder_ / "e.toml", experiment("source = \"d.csv\"", 1, "units = [3]\n"));
  EXPECT_THAT(run("r").err,
              HasSubstr("e.toml:14: [search.space] units: nothing reads this name; did you mean \"hidden\"?"));
  write(folder_ / "e.toml", "name = \"../x\"\n");
  EXPECT_THAT(run("r").err, HasSubstr("e.toml:1: name"));
  std::string layers = experiment();
  layers.replace(layers.find("family = \"mlp\""), 14, "layers = [\"dense 8\", \"linear 2\"]");
  layers.erase(layers.find("hidden"), 14);
  write(folder_ / "e.toml", layers);
  EXPECT_THAT(run("r").err, HasSubstr("did you mean \"linear 8\"?"));
  layers.replace(layers.find("dense 8"), 7, "linear $w");
  layers.replace(layers.find("lr = [0.01]"), 11, "lr = [0.01]\nw = { min = 8, max = 16 }");
  write(folder_ / "e.toml", layers);
  EXPECT_THAT(run("r", {"--set", "search.method=random", "--set", "search.samples=2"}).err,
              AllOf(HasSubstr("e.toml:12"), HasSubstr("w: expected whole numbers"), HasSubstr("type = \"int\"")));
}

TEST_F(Tables, SayWhatAFileIs) {
  fs::create_directory(folder_ / "folder");
  EXPECT_THAT(go({"run", "folder"}).err, HasSubstr("folder is a directory; an experiment file (TOML) is wanted"));
  ASSERT_EQ(run("r").code, 0);
  EXPECT_THAT(go({"run", "r"}).err, HasSubstr("hop resume r"));
  write(folder_ / "d.csv", "a,1\ncaf\xE9,2\n");
  EXPECT_THAT(run("q").err, AllOf(HasSubstr("line 2, column 0"), HasSubstr("save the file as UTF-8")));
  write(folder_ / "d.csv", std::string("\xFF\xFE"
                                       "a\0,\0",
                                       6));
  EXPECT_THAT(run("q").err, HasSubstr("UTF-16"));
  write(folder_ / "d.csv", "a,1\n");
  EXPECT_THAT(run("q").err, AllOf(HasSubstr("1 row"), HasSubstr("at least")));
  write(folder_ / "d.csv", "y,x\na,1\nb,2\n");
  EXPECT_THAT(run("q").err, AllOf(HasSubstr("2 rows"), HasSubstr("at least")));
  write(folder_ / "d.csv", "0.5,1\n0.25,2\n");
  EXPECT_THAT(run("q").err, HasSubstr("regression"));
  EXPECT_FALSE(fs::exists(folder_ / "q"));
}

}  // namespace
}  // namespace hop::testing
