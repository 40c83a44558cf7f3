// A trained model on new rows: by the command, from a file, and with PyTorch. Judged by the labels, by the results of
// the run, and by comparing the three ways.
#include "data/dataset.h"
#include "data/glyphs.h"
#include "nn/predictor_file.h"
#include "tests/cli/answers.h"
#include "tests/cli/table.h"
#include "tests/nn/layer_cases.h"

namespace hop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kClasses =
    "name = \"case\"\nseed = 1\n[data]\nsource = \"d.csv\"\npartitions = 2\nlabel = \"y\"\nmissing = \"indicator\"\n"
    "columns = { city = \"category\", zip = \"category\", id = \"drop\" }\n[model]\n"
    "layers = [\"linear $hidden\", \"batchnorm1d\", \"gelu\", \"dropout 0.1\", \"linear $classes\"]\n[search]\n"
    "epochs = 8\n[search.space]\nlr = [0.00001, 0.02]\nhidden = [8]\nbatch_size = [16]\noptimizer = \"adam\"\n"
    "[run]\nworkers = 2\n";

// Classes that a number and two categories tell apart, with missing values, under a header of words.
std::string table(int rows, int first, bool with_label = true) {
  std::string text = with_label ? "id,age,city,zip,y\n" : "zip,city,more,age\n";
  for (int i = first; i < first + rows; ++i) {
    const bool yes = i % 2 == 0;
    const std::string age = i % 11 == 0 ? "" : std::to_string(40 + (yes ? 8 : -8) + 6 * noise(i));
    const std::string city = yes ? (i % 4 == 0 ? "Bonn" : "E") : "Kiel";
    const std::string zip = std::to_string(10 * (i % 5)) + (i % 3 == 0 ? ".0" : "");
    text += with_label ? std::to_string(i) + "," + age + "," + city + "," + zip + (yes ? ",yes\n" : ",no\n")
                       : zip + "," + city + ",x," + age + "\n";
  }
  return text;
}

std::string torch_python() { return python_with("torch", "HOP_TORCH_PYTHON"); }

class Predict : public Table {
 protected:
  Predict() {
    write(folder_ / "d.csv", table(400, 0));
    write(folder_ / "e.toml", kClasses);
    write(folder_ / "new.csv", table(150, 1000));
    write(folder_ / "bare.csv", table(150, 1000, false));
  }
  void train() { ASSERT_EQ(run("r").code, 0); }
};

TEST_F(Predict, TakesTheBestModelAndMeasuresItWhereTheRowsHaveLabels) {
  train();
  EXPECT_EQ(results("r")["best"], 1);
  const Finished finished = go({"predict", "r", "new.csv", "--to", "out.csv"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(finished.err, AllOf(HasSubstr("model 1 of r"), HasSubstr("line 1 is taken for the header")));
  EXPECT_THAT(read(folder_ / "out.csv"), StartsWith("class,p(no),p(yes)\nyes,"));
  const auto rows = cells(read(folder_ / "out.csv"));
  ASSERT_EQ(rows.size(), 150U);
  int right = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) right += rows[i][0] == (i % 2 == 0 ? "yes" : "no") ? 1 : 0;
  EXPECT_GE(right, 145);
  char accuracy[32];
  std::snprintf(accuracy, sizeof accuracy, "accuracy          %.6g", right / 150.0);
  EXPECT_THAT(finished.out, AllOf(HasSubstr("of 150 rows with labels"), HasSubstr(accuracy), HasSubstr("log_loss"),
                                  HasSubstr("confusion")));
}

TEST_F(Predict, MatchesColumnsByNameAndTellsWhatItIgnores) {
  train();
  const Finished by_name = go({"predict", "r", "bare.csv"});
  ASSERT_EQ(by_name.code, 0) << by_name.err;
  EXPECT_THAT(by_name.err,
              AllOf(HasSubstr("ignored, as the model has no use for them: \"more\""), Not(HasSubstr("accuracy"))));
  EXPECT_EQ(by_name.out, go({"predict", "r", "new.csv"}).out) << "the same rows in another order of columns";
  write(folder_ / "short.csv", "Age,city\n1,Bonn\n");
  const Finished missing = go({"predict", "r", "short.csv"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, AllOf(HasSubstr("none named \"age\" and \"zip\""),
                                 HasSubstr("is \"Age\" meant? Then name that column \"age\"")));
}

TEST_F(Predict, WithoutAHeaderTakesColumnsByTheirPlaces) {
  train();
  const std::string text = read(folder_ / "new.csv");
  write(folder_ / "rows.csv", text.substr(text.find('\n') + 1));
  const Finished by_place = go({"predict", "r", "rows.csv"});
  ASSERT_EQ(by_place.code, 0) << by_place.err;
  EXPECT_THAT(by_place.err, AllOf(HasSubstr("by their places"), HasSubstr("accuracy")));
  EXPECT_EQ(by_place.out, go({"predict", "r", "new.csv"}).out);
}

TEST_F(Predict, TellsWordsAndLabelsThatTheModelDoesNotKnow) {
  train();
  write(folder_ / "odd.csv", "id,age,city,zip,y\n1,50,Ulm,10,yes\n2,30,Kiel,20,perhaps\n3,30,Kiel,20,\n");
  const Finished odd = go({"predict", "r", "odd.csv", "--to", "out.csv"});
  ASSERT_EQ(odd.code, 0) << odd.err;
  EXPECT_THAT(odd.err, AllOf(HasSubstr("\"city\""), HasSubstr("\"Ulm\"")));
  EXPECT_THAT(odd.out, AllOf(HasSubstr("1 rows have a label that the model does not know, the first \"perhaps\""),
                             HasSubstr("1 rows have no label"), HasSubstr("of 1 rows with labels")));
  EXPECT_EQ(cells(read(folder_ / "out.csv")).size(), 3U);
}

// Elsewhere these words stand for a missing value; as a label they are classes.
TEST_F(Predict, MeasuresAClassThatIsCalledNone) {
  std::string text = "y,x,b\n";
  for (int i = 0; i < 160; ++i) {
    const char* const classes[] = {"none", "-", "?", "ok"};
    text += std::string(classes[i % 4]) + "," + std::to_string(i % 4 + 0.1 * noise(i)) + "," +
            std::to_string(noise(i + 7)) + "\n";
  }
  write(folder_ / "d.csv", text);
  write(folder_ / "e.toml", experiment("source = \"d.csv\"\npartitions = 2"));
  train();
  const Finished finished = go({"predict", "r", "d.csv", "--to", "out.csv"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(finished.out, AllOf(HasSubstr("of 160 rows with labels"), Not(HasSubstr("no label"))));
  write(folder_ / "new.csv", "y,x,b\nnone,0,0\nnull,0,0\n,1,0\n");
  EXPECT_THAT(go({"predict", "r", "new.csv", "--to", "out.csv"}).out,
              AllOf(HasSubstr("2 rows have no label"), HasSubstr("of 1 rows with labels")));
}

TEST_F(Predict, NeverWritesTheAnswersOverTheirInput) {
  train();
  ASSERT_EQ(go({"export", "r", "--best", "--to", "m.safetensors"}).code, 0);
  fs::create_symlink("new.csv", folder_ / "link.csv");
  const std::string rows = read(folder_ / "new.csv"), model = read(folder_ / "m.safetensors");
  for (const char* to : {"new.csv", "./new.csv", "link.csv", "m.safetensors"}) {
    const Finished refused = go({"predict", "m.safetensors", "new.csv", "--to", to});
    EXPECT_EQ(refused.code, 2) << to;
    EXPECT_THAT(refused.err, HasSubstr("--to: expected another file than")) << to;
  }
  EXPECT_EQ(read(folder_ / "new.csv"), rows);
  EXPECT_EQ(read(folder_ / "m.safetensors"), model);
  write(folder_ / "out.csv", "answers of yesterday");
  EXPECT_EQ(go({"predict", "m.safetensors", "new.csv", "--to", "out.csv"}).code, 0) << "another file is replaced";
}

TEST_F(Predict, WritesNothingWhereARowIsWrong) {
  train();
  write(folder_ / "bad.csv", "age,city,zip\n50,Bonn,10\nold,Bonn,10\n");
  const Finished bad = go({"predict", "r", "bad.csv", "--to", "out.csv"});
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.err, AllOf(HasSubstr("bad.csv, line 3, column \"age\""), HasSubstr("\"old\"")));
  EXPECT_FALSE(fs::exists(folder_ / "out.csv"));
  EXPECT_EQ(go({"predict", "r", "new.csv", "--to", "r/journal"}).code, 2);
  EXPECT_EQ(go({"predict", "r", "new.csv", "--to", "/dev/full"}).code, 3);
}

TEST_F(Predict, AnExportedFileAnswersAsItsRunDoes) {
  train();
  const Finished exported = go({"export", "r", "--best", "--to", "m.safetensors"});
  ASSERT_EQ(exported.code, 0) << exported.err;
  EXPECT_THAT(exported.out, AllOf(HasSubstr("of model 1 to m.safetensors"), HasSubstr("m.py")));
  fs::remove_all(folder_ / "r.moved");
  fs::rename(folder_ / "r", folder_ / "r.moved");
  const Finished from_file = go({"predict", "m.safetensors", "new.csv"});
  ASSERT_EQ(from_file.code, 0) << from_file.err;
  EXPECT_EQ(from_file.out, go({"predict", "r.moved", "new.csv"}).out);
  const nn::SafetensorsMetadata metadata = nn::load_safetensors(folder_ / "m.safetensors").metadata;
  EXPECT_EQ(nlohmann::json::parse(metadata.at("config"))["lr"], 0.02);
  EXPECT_EQ(metadata.at("classes"), "[\"no\",\"yes\"]");
  EXPECT_EQ(metadata.at("id"), "1");
}

TEST_F(Predict, AnExportReplacesItsOwnScriptAndNoOther) {
  train();
  write(folder_ / "m.py", "print('mine')\n");
  EXPECT_THAT(go({"export", "r", "--best", "--to", "m.safetensors"}).err, HasSubstr("m.py is there"));
  EXPECT_EQ(read(folder_ / "m.py"), "print('mine')\n");
  ASSERT_EQ(go({"export", "r", "--model", "0", "--to", "n.safetensors"}).code, 0);
  EXPECT_THAT(go({"export", "r", "--best", "--to", "n.safetensors"}).out, HasSubstr("wrote n.py"));
  EXPECT_EQ(go({"export", "r", "--to", "o.safetensors"}).code, 1) << "neither --best nor --model";
  EXPECT_EQ(go({"export", "r", "--best", "--model", "0", "--to", "o.safetensors"}).code, 1);
}

// pay = 1000 + 20 age, and 300 more in Bonn.
TEST_F(Predict, AnswersNumbersInTheUnitOfTheLabel) {
  std::string text = "age,city,pay\n";
  for (int i = 0; i < 400; ++i) {
    const double age = 40 + 20 * noise(i);
    text += std::to_string(age) + (i % 3 == 0 ? ",Bonn," : ",Kiel,") +
            std::to_string(1000 + 20 * age + (i % 3 == 0 ? 300 : 0)) + "\n";
  }
  write(folder_ / "d.csv", text);
  write(folder_ / "e.toml",
        "name = \"pay\"\nseed = 1\n[data]\nsource = \"d.csv\"\npartitions = 2\nlabel = \"pay\"\n"
        "columns = { city = \"category\" }\n[model]\nfamily = \"mlp\"\nloss = \"mse\"\n[search]\nepochs = 30\n"
        "[search.space]\nlr = [0.01]\nhidden = [16]\nbatch_size = [16]\noptimizer = \"adam\"\n[run]\nworkers = 2\n");
  train();
  write(folder_ / "new.csv", "city,age,pay\nBonn,30,1900\nKiel,50,2000\n");
  const Finished finished = go({"predict", "r", "new.csv", "--to", "out.csv"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_THAT(read(folder_ / "out.csv"), StartsWith("pay\n"));
  const auto rows = cells(read(folder_ / "out.csv"));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_NEAR(std::stod(rows[0][0]), 1900, 60);
  EXPECT_NEAR(std::stod(rows[1][0]), 2000, 60);
  EXPECT_THAT(finished.out, AllOf(HasSubstr("of 2 rows with labels"), HasSubstr("rmse"), HasSubstr("mae")));
  if (const std::string python = torch_python(); !python.empty()) {
    ASSERT_EQ(go({"export", "r", "--best", "--to", "m.safetensors"}).code, 0);
    const Finished theirs = shell(python + " m.py new.csv", folder_->path());
    ASSERT_EQ(theirs.code, 0) << theirs.err;
    EXPECT_LE(difference(read(folder_ / "out.csv"), theirs.out), 1e-5);
  }
}

TEST_F(Predict, PyTorchGivesTheSameAnswers) {
  const std::string python = torch_python();
  if (python.empty()) GTEST_SKIP() << "no Python that can import torch: set HOP_TORCH_PYTHON";
  train();
  ASSERT_EQ(go({"export", "r", "--best", "--to", "m.safetensors"}).code, 0);
  const Finished ours = go({"predict", "m.safetensors", "new.csv"});
  for (const char* rows : {"new.csv", "bare.csv"}) {
    const Finished theirs = shell(python + " m.py " + rows, folder_->path());
    ASSERT_EQ(theirs.code, 0) << theirs.err;
    EXPECT_LE(difference(ours.out, theirs.out), 1e-5) << rows;
  }
}

// The same table with its categories as indices: by the run, by its file, and by PyTorch.
TEST_F(Predict, CategoriesAsIndicesGiveTheSameAnswersEverywhere) {
  std::string text = kClasses;
  text.replace(text.find("[model]"), 7, "categories = \"index\"\n[model]");
  text.replace(text.find("\"linear $hidden\""), 16, "\"embed 3\", \"linear $hidden\"");
  write(folder_ / "e.toml", text);
  train();
  EXPECT_GE(results("r")["models"][1]["valid_accuracy"], 0.95);
  write(folder_ / "odd.csv", "id,age,city,zip\n1,50,Ulm,10.0\n2,,,20\n3,30,Kiel,99\n");
  ASSERT_EQ(go({"export", "r", "--best", "--to", "m.safetensors"}).code, 0);
  for (const char* rows : {"new.csv", "bare.csv", "odd.csv"}) {
    const Finished ours = go({"predict", "r", rows});
    ASSERT_EQ(ours.code, 0) << ours.err;
    EXPECT_EQ(go({"predict", "m.safetensors", rows}).out, ours.out) << rows;
    if (const std::string python = torch_python(); !python.empty()) {
      const Finished theirs = shell(python + " m.py " + rows, folder_->path());
      ASSERT_EQ(theirs.code, 0) << theirs.err;
      EXPECT_LE(difference(ours.out, theirs.out), 1e-5) << rows;
    }
  }
  EXPECT_THAT(go({"predict", "r", "odd.csv"}).err, AllOf(HasSubstr("\"Ulm\""), HasSubstr("\"zip\"")));
}

// Rows without names: all columns, those of the model alone, and rows that end too early.
TEST_F(Predict, TheScriptTakesRowsWithoutNamesAsTheCommandDoes) {
  const std::string python = torch_python();
  if (python.empty()) GTEST_SKIP() << "no Python that can import torch: set HOP_TORCH_PYTHON";
  train();
  ASSERT_EQ(go({"export", "r", "--best", "--to", "m.safetensors"}).code, 0);
  for (const char* rows : {"1,50,Bonn,10,yes\n2,30,Kiel,20,no\n", "1,50,Bonn,10\n", "50,Bonn,10\n"}) {
    write(folder_ / "rows.csv", rows);
    const Finished ours = go({"predict", "m.safetensors", "rows.csv"});
    const Finished theirs = shell(python + " m.py rows.csv", folder_->path());
    ASSERT_EQ(theirs.code, 0) << theirs.err;
    EXPECT_LE(difference(ours.out, theirs.out), 1e-5) << rows;
  }
  const auto refusal = [&](const std::string& rows) {
    write(folder_ / "rows.csv", rows);
    EXPECT_EQ(go({"predict", "m.safetensors", "rows.csv"}).code, 2) << rows;
    const Finished theirs = shell(python + " m.py rows.csv", folder_->path());
    EXPECT_NE(theirs.code, 0) << rows;
    EXPECT_THAT(theirs.err, Not(HasSubstr("Traceback")));
    return theirs.err;
  };
  EXPECT_EQ(refusal("50,Bonn\n"), "rows.csv, row 1: expected 5 columns, got 2\n");
  EXPECT_EQ(refusal("1,50,Bonn,10,yes\n2,30\n"), "rows.csv, row 2: expected 5 columns, got 2\n");
  EXPECT_EQ(refusal("age,city,zip\n50,Bonn\n"), "rows.csv, row 2: expected 3 columns, got 2\n");
  EXPECT_EQ(refusal("Age,city\n50,Bonn\n"), "rows.csv: no column named age, zip\n");
}

TEST_F(Predict, PyTorchGivesTheSameAnswersForPictures) {
  const std::string python = torch_python();
  if (python.empty()) GTEST_SKIP() << "no Python that can import torch: set HOP_TORCH_PYTHON";
  data::write_dataset(data::glyphs({.train_rows = 600, .test_rows = 100}), folder_ / "g",
                      {.name = "g", .partitions = 2, .validation = data::Validation::file()});
  std::vector<std::string> models = {
      std::string("family = \"lenet\""),
      std::string(
          "layers = [\"normalize 0.25 0.5\", \"conv2d 4 3x3 padding=1 bias=false\", \"batchnorm2d\", \"relu\", "
          "\"max_pool2d 2\", "
          "\"groupnorm 2\", \"leaky_relu 0.2\", \"elu 0.7\", \"avg_pool2d 2 padding=1\", \"silu\", \"layernorm\", "
          "\"identity\", \"global_avg_pool2d\", \"tanh\", \"linear 12\", \"sigmoid\", \"linear 10\"]"),
      std::string(
          "layers = [\"conv2d 4 3 stride=4\", \"residual { conv2d 4 3 padding=same; batchnorm2d; relu }\", \"relu\", "
          "\"residual { conv2d 8 3 stride=2 padding=1 } { conv2d 8 1 stride=2 }\", \"image_tokens\", "
          "\"positional_embedding\", \"residual { layernorm; attention 2 causal=true; dropout 0.1 }\", "
          "\"residual { layernorm; linear 16; gelu; linear 8 }\", \"token_mean\", \"linear 10\"]")};
  for (const nn::testing::LayerCase& c : nn::testing::layer_cases())
    models.push_back("layers = " + nn::testing::list_of_layers(c));
  for (const std::string& model : models) {
    SCOPED_TRACE(model);
    write(folder_ / "e.toml", "name = \"g\"\n[data]\nsource = \"g\"\n[model]\n" + model +
                                  "\n[search.space]\nlr = [0.01]\nbatch_size = [64]\n[run]\nworkers = 2\n");
    fs::remove_all(folder_ / "r");
    const Finished trained = run("r");
    ASSERT_EQ(trained.code, 0) << trained.err;
    std::string rows;
    for (int i = 0; i < 40; ++i) {
      for (int k = 0; k < 784; ++k) rows += (k == 0 ? "" : ",") + std::to_string((i * 37 + k * k * 11) % 256);
      rows += "\n";
    }
    write(folder_ / "rows.csv", rows);
    ASSERT_EQ(go({"export", "r", "--best", "--to", "m.safetensors"}).code, 0);
    const Finished ours = go({"predict", "m.safetensors", "rows.csv"});
    ASSERT_EQ(ours.code, 0) << ours.err;
    const Finished theirs = shell(python + " m.py rows.csv", folder_->path());
    ASSERT_EQ(theirs.code, 0) << theirs.err;
    EXPECT_LE(difference(ours.out, theirs.out), 1e-5);
  }
}

}  // namespace
}  // namespace hop::testing
