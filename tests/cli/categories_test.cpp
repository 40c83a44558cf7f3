// Categories of many words beside numbers, from the file to the answers. Judged by numbers that are known, by the bits
// of other ways to the same states, and by what the messages say to write.
#include <signal.h>

#include "tests/cli/table.h"

namespace hop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kSales =
    "name = \"sales\"\nseed = 1\n[data]\nsource = \"d.csv\"\npartitions = 3\nlabel = \"sales\"\n"
    "columns = { shop = \"category\", promo = \"category\" }\ncategories = \"index\"\n[model]\n"
    "layers = [\"embed $size\", \"linear 16\", \"relu\", \"linear $outputs\"]\nloss = \"mae\"\n[search]\nepochs = 6\n"
    "[search.space]\nsize = [2, 4]\nlr = [0.01]\nbatch_size = [32]\noptimizer = \"adam\"\n[run]\nworkers = 2\n";

// 100 + 10 area, and 80 noise(shop) for each of 120 shops, and 30 with a promotion; nobody knows the promotion of every
// 9th row, which is then 15.
std::string sales(int rows) {
  std::string text = "shop,area,promo,sales\n";
  for (int i = 0; i < rows; ++i) {
    const int shop = (i * 7) % 120;
    const double area = noise(i + 3), promotion = i % 9 == 0 ? 15 : i % 2 == 0 ? 30 : 0;
    text += "s" + std::to_string(shop) + "," + std::to_string(area) + "," +
            (i % 9 == 0   ? ""
             : i % 2 == 0 ? "yes"
                          : "no") +
            "," + std::to_string(100 + 10 * area + 80 * noise(shop) + promotion) + "\n";
  }
  return text;
}

class Categories : public Table {
 protected:
  Categories() {
    write(folder_ / "d.csv", sales(1800));
    write(folder_ / "e.toml", kSales);
  }
};

TEST_F(Categories, OfManyWordsAreLearntByAnExperimentFile) {
  const Finished ran = run("r", {"--set", "search.epochs=25"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const nlohmann::json all = results("r");
  EXPECT_LT(all["models"][all["best"].get<int>()]["metrics"]["mae"], 6) << "without the shops it would be 40";
  write(folder_ / "new.csv", "promo,shop,area\nyes,s7,0.5\nno,s7,0.5\n,s7,0.5\n");
  const Finished answers = go({"predict", "r", "new.csv"});
  ASSERT_EQ(answers.code, 0) << answers.err;
  double yes = 0, no = 0, unknown = 0;
  ASSERT_EQ(std::sscanf(answers.out.c_str(), "sales %lf %lf %lf", &yes, &no, &unknown), 3) << answers.out;
  EXPECT_NEAR(yes, 135 + 80 * noise(7), 12);
  EXPECT_NEAR(yes - no, 30, 8);
  EXPECT_NEAR(yes - unknown, 15, 8) << "a missing word is a word of its own";
}

TEST_F(Categories, GiveTheSameBitsOnAnyNumberOfWorkersAndAfterAKill) {
  ASSERT_EQ(run("w2").code, 0);
  const auto expected = hashes(folder_ / "w2");
  ASSERT_EQ(expected.size(), 2U);
  for (const std::string workers : {"1", "3"}) {
    ASSERT_EQ(run("w" + workers, {"--workers", workers}).code, 0);
    EXPECT_EQ(hashes(folder_ / ("w" + workers)), expected) << workers;
  }
  ASSERT_EQ(run("eager", {"--set", "run.capture=false"}).code, 0);
  EXPECT_EQ(hashes(folder_ / "eager"), expected);

  Program program({"run", "e.toml", "--run-dir", "killed"}, folder_->path());
  EXPECT_TRUE(eventually([&] { return commits(folder_ / "killed").size() >= 5 || !program.running(); }));
  program.signal(SIGKILL);
  program.wait();
  const Finished resumed = go({"resume", "killed"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(hashes(folder_ / "killed"), expected);

  ASSERT_EQ(run("short", {"--set", "search.epochs=2"}).code, 0);
  ASSERT_EQ(go({"resume", "short", "--epochs", "6"}).code, 0);
  EXPECT_EQ(hashes(folder_ / "short"), expected);
}

TEST_F(Categories, ThatAModelWouldTakeForNumbersSayWhatToWrite) {
  const auto error = [&](const std::vector<std::string>& sets) {
    std::vector<std::string> words;
    for (const std::string& set : sets) words.insert(words.end(), {"--set", set});
    const Finished finished = run("r", words);
    EXPECT_EQ(finished.code, 2) << finished.err;
    return finished.err;
  };
  EXPECT_THAT(error({"model.layers=[\"linear $size\", \"linear 1\"]"}), HasSubstr("expected \"embed SIZE\""));
  EXPECT_THAT(error({"model.layers=[]", "model.family=mlp", "search.space={ lr = 0.1 }"}),
              HasSubstr("write layers = [\"embed 16\""));
  EXPECT_THAT(error({"data.categories=one_hot"}),
              AllOf(HasSubstr("at most 64 words"), HasSubstr("got 120"), HasSubstr("categories = \"index\"")));
  EXPECT_THAT(error({"data.columns={ shop = \"drop\", promo = \"category\" }", "data.categories=one_hot"}),
              HasSubstr("write categories = \"index\" in [data]"));
  EXPECT_THAT(error({"data.categories=hashed"}), AllOf(HasSubstr("[data] categories"), HasSubstr("index")));
}

TEST_F(Categories, OfManyWordsGetAModelFromInit) {
  std::string text = "shop,area,sales\n";
  for (int i = 0; i < 400; ++i) {
    text += "s" + std::to_string(i % 100) + "," + std::to_string(noise(i)) + "," +
            std::to_string(100.5 + 80 * noise(i % 100)) + "\n";
  }
  write(folder_ / "shops.csv", text);
  ASSERT_EQ(go({"init", "shops.csv", "--label", "sales"}).code, 0);
  EXPECT_THAT(read(folder_ / "shops.toml"), AllOf(HasSubstr("categories = \"index\""), HasSubstr("\"embed $embed\""),
                                                  HasSubstr("\"shop\" = \"category\"")));
  const Finished ran = go({"run", "shops.toml", "--set", "search.epochs=1", "--run-dir", "r"});
  EXPECT_EQ(ran.code, 0) << ran.err;
}

}  // namespace
}  // namespace hop::testing
