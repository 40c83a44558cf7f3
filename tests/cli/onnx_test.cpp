// `hop export --to NAME.onnx`: the file in onnxruntime, judged by the answers of `hop predict` for the same rows.
// onnx_predict.py has onnx.checker look at each file, too.
#include "data/dataset.h"
#include "data/glyphs.h"
#include "tests/cli/answers.h"
#include "tests/cli/table.h"
#include "tests/nn/layer_cases.h"
#include "tests/source_tree.h"

namespace hop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kTolerance = 1e-5;  // of numbers of size 1

class Onnx : public Table {
 protected:
  // An experiment over d.csv, or over the folder g.
  void train(const std::string& data, const std::string& model, int epochs = 4) {
    write(folder_ / "e.toml", "name = \"case\"\nseed = 1\n[data]\n" + data + "\n[model]\n" + model +
                                  "\n[search]\nepochs = " + std::to_string(epochs) +
                                  "\n[search.space]\nlr = [0.01]\nbatch_size = [32]\noptimizer = \"adam\"\n"
                                  "[run]\nworkers = 2\n");
    fs::remove_all(folder_ / "r");
    const Finished trained = run("r");
    ASSERT_EQ(trained.code, 0) << trained.err;
  }

  // Exports the model, and compares the answers for rows.csv, which it prints.
  void expect_equal_answers(double tolerance = kTolerance) {
    const Finished exported = go({"export", "r", "--best", "--to", "m.onnx"});
    ASSERT_EQ(exported.code, 0) << exported.err;
    const std::string python = python_with("numpy, onnx, onnxruntime", "HOP_ONNX_PYTHON");
    if (python.empty()) GTEST_SKIP() << "no Python that can import onnx and onnxruntime: set HOP_ONNX_PYTHON";
    const Finished ours = go({"predict", "r", "rows.csv"});
    ASSERT_EQ(ours.code, 0) << ours.err;
    const std::string script = (source_directory() / "tests/cli/onnx_predict.py").string();
    const Finished theirs = shell(python + " " + script + " m.onnx rows.csv", folder_->path());
    ASSERT_EQ(theirs.code, 0) << theirs.err;
    const double greatest = difference(ours.out, theirs.out);
    std::printf("%zu rows, the greatest difference is %.2g\n", cells(ours.out).size(), greatest);
    EXPECT_LE(greatest, tolerance);
  }
};

// Pictures of 28 x 28 bytes.
std::string picture_rows(int rows) {
  std::string text;
  for (int i = 0; i < rows; ++i) {
    for (int k = 0; k < 784; ++k) text += (k == 0 ? "" : ",") + std::to_string((i * 37 + k * k * 11) % 256);
    text += "\n";
  }
  return text;
}

// Numbers, one with missing values, and three categories: words, whole numbers, and one with missing values.
std::string mixed_table(int rows, int first, bool is_new) {
  std::string text = "id,age,city,pay,zip,shoe,y\n";
  for (int i = first; i < first + rows; ++i) {
    const bool yes = i % 2 == 0;
    const std::string age = i % 11 == 0 ? "" : std::to_string(40 + (yes ? 8 : -8) + 6 * noise(i));
    const std::string city = is_new && i % 13 == 0 ? "Ulm" : yes ? (i % 4 == 0 ? "Bonn" : "Köln") : "Kiel";
    const std::string zip = std::to_string(10 * (i % 5)) + (i % 3 == 0 ? ".0" : "");
    const std::string shoe = i % 7 == 0 ? (is_new ? "Na" : "?") : i % 7 < 4 ? "boot" : "E";
    text += std::to_string(i) + "," + age + "," + city + "," + std::to_string(1000 * noise(i + 3)) + "," + zip + "," +
            shoe + (yes ? ",yes\n" : ",no\n");
  }
  return text;
}

TEST_F(Onnx, AnswersATableOfNumbersWordsAndMissingValues) {
  write(folder_ / "d.csv", mixed_table(400, 0, false));
  write(folder_ / "rows.csv", mixed_table(10'000, 1000, true));
  for (const std::string missing : {"indicator", "median"}) {
    train("source = \"d.csv\"\npartitions = 2\nlabel = \"y\"\nmissing = \"" + missing +
              "\"\ncolumns = { city = \"category\", zip = \"category\", shoe = \"category\", id = \"drop\" }",
          "layers = [\"linear 8\", \"batchnorm1d\", \"gelu\", \"dropout 0.1\", \"layernorm\", \"linear $classes\"]");
    expect_equal_answers();
  }
  const Finished exported = go({"export", "r", "--best", "--to", "m.onnx"});
  EXPECT_THAT(exported.out, HasSubstr("age, city, pay, zip and shoe in, label and probabilities out"));
}

TEST_F(Onnx, AnswersCategoriesThatAreIndices) {
  write(folder_ / "d.csv", mixed_table(400, 0, false));
  write(folder_ / "rows.csv", mixed_table(1'000, 1000, true));
  train(
      "source = \"d.csv\"\npartitions = 2\nlabel = \"y\"\nmissing = \"indicator\"\ncategories = \"index\"\n"
      "columns = { city = \"category\", zip = \"category\", shoe = \"category\", id = \"drop\" }",
      "layers = [\"embed 3\", \"linear 8\", \"relu\", \"linear $classes\"]");
  expect_equal_answers();
}

// Numbers alone are one matrix; the classes have no names.
TEST_F(Onnx, AnswersATableOfNumbers) {
  std::string text = "a,b,y\n";
  for (int i = 0; i < 300; ++i) {
    text += std::to_string(3 * (i % 3) + noise(i)) + "," + (i % 10 == 0 ? "?" : std::to_string(noise(i + 1))) + "," +
            std::to_string(i % 3) + "\n";
  }
  write(folder_ / "d.csv", text);
  write(folder_ / "rows.csv", text);
  train("source = \"d.csv\"\npartitions = 2\nlabel = \"y\"\nmissing = \"indicator\"", "family = \"mlp\"");
  expect_equal_answers();
  EXPECT_THAT(go({"export", "r", "--best", "--to", "m.onnx"}).out, HasSubstr("rows in"));
}

TEST_F(Onnx, AnswersWordsAlone) {
  std::string text = "city,shoe,y\n";
  for (int i = 0; i < 200; ++i) text += i % 4 < 2 ? "Bonn,boot,no\n" : i % 4 == 2 ? "Kiel,,yes\n" : "Ulm,boot,yes\n";
  write(folder_ / "d.csv", text);
  write(folder_ / "rows.csv", text + "Rom,none,no\n");
  train("source = \"d.csv\"\npartitions = 2\nlabel = \"y\"\ncolumns = { city = \"category\", shoe = \"category\" }",
        "family = \"mlp\"");
  expect_equal_answers();
}

// Seconds since 1970 in f64: an f32 has them in steps of 128.
TEST_F(Onnx, AnswersRowsThatAnF32WouldRound) {
  constexpr int kRows = 300;
  const Tensor x = Tensor::empty({kRows, 2}, DType::f64), y = Tensor::empty({kRows}, DType::i64);
  std::string rows;
  for (int i = 0; i < kRows; ++i) {
    x.data<double>()[2 * i] = 1'700'000'000 + i;
    x.data<double>()[2 * i + 1] = noise(i);
    y.data<std::int64_t>()[i] = i % 100 < 50 ? 0 : 1;
    rows += std::to_string(1'700'000'000 + i) + "," + std::to_string(noise(i)) + "\n";
  }
  data::RawData raw{.format = "tensors"};
  raw.train = data::tensor_source(x, y, 2);
  data::write_dataset(raw, folder_ / "g", {.name = "g", .partitions = 2});
  write(folder_ / "rows.csv", rows);
  train("source = \"g\"", "family = \"mlp\"");
  expect_equal_answers();
}

TEST_F(Onnx, AnswersPictures) {
  data::write_dataset(data::glyphs({.train_rows = 600, .test_rows = 100}), folder_ / "g",
                      {.name = "g", .partitions = 2, .validation = data::Validation::file()});
  write(folder_ / "rows.csv", picture_rows(200));
  train("source = \"g\"", "family = \"lenet\"", 1);
  expect_equal_answers();
  train("source = \"g\"",
        "layers = [\"normalize 0.25 0.5\", \"conv2d 4 3x1 padding=1 bias=false\", \"batchnorm2d\", \"relu\", "
        "\"max_pool2d 2\", \"conv2d 8 3 "
        "stride=2 groups=2 dilation=2\", \"groupnorm 2\", \"leaky_relu 0.2\", \"elu 0.7\", \"avg_pool2d 2 padding=1\", "
        "\"silu\", "
        "\"layernorm\", \"dropout 0.2\", \"identity\", \"global_avg_pool2d\", \"tanh\", \"linear 12 bias=false\", "
        "\"batchnorm1d affine=false\", \"groupnorm 3 affine=false\", \"layernorm elementwise_affine=false\", "
        "\"batchnorm1d bias=false\", \"groupnorm 3 bias=false\", \"layernorm bias=false\", "
        "\"sigmoid\", \"linear 10\"]",
        1);
  expect_equal_answers();
  train("source = \"g\"",
        "layers = [\"conv2d 4 3 stride=4\", \"residual { conv2d 4 3 padding=same; batchnorm2d; relu }\", \"relu\", "
        "\"residual { conv2d 8 3 stride=2 padding=1 } { conv2d 8 1 stride=2 }\", \"image_tokens\", "
        "\"positional_embedding\", \"residual { layernorm; attention 2 causal=true; dropout 0.1 }\", "
        "\"residual { layernorm; linear 16; gelu approximate=tanh; linear 8 }\", \"last_token\", \"linear 10\"]",
        1);
  expect_equal_answers();
}

TEST_F(Onnx, AnswersWindowsWithOptions) {
  data::write_dataset(data::glyphs({.train_rows = 300, .test_rows = 50}), folder_ / "g",
                      {.name = "g", .partitions = 2, .validation = data::Validation::file()});
  write(folder_ / "rows.csv", picture_rows(50));
  train("source = \"g\"",
        "layers = [\"conv2d 4 3 stride=2 padding=2x1 padding_mode=reflect\", "
        "\"max_pool2d 2x3 stride=1x2 padding=1 dilation=2x1 ceil_mode=true\", \"relu\", "
        "\"conv2d 4 4x3 padding=same padding_mode=circular\", \"max_pool2d 2 stride=1 padding=1 dilation=2\", "
        "\"avg_pool2d 3 stride=2 padding=1 ceil_mode=true count_include_pad=false\", "
        "\"conv2d 4 2 padding=1 padding_mode=replicate\", \"avg_pool2d 2x3 ceil_mode=true divisor_override=5\", "
        "\"max_pool2d 2 stride=3 ceil_mode=true\", \"flatten\", \"linear 10\"]",
        1);
  expect_equal_answers();
}

TEST_F(Onnx, AnswersEveryLayerThatATextMayName) {
  data::write_dataset(data::glyphs({.train_rows = 300, .test_rows = 50}), folder_ / "g",
                      {.name = "g", .partitions = 2, .validation = data::Validation::file()});
  write(folder_ / "rows.csv", picture_rows(40));
  for (const nn::testing::LayerCase& c : nn::testing::layer_cases()) {
    SCOPED_TRACE(c.name);
    train("source = \"g\"", "layers = " + nn::testing::list_of_layers(c), 1);
    expect_equal_answers();
    if (IsSkipped() || HasFailure()) return;
  }
}

// Two numbers and a category that make what is to be predicted, of size 1.
std::string numbers_table(const std::string& labels, const std::function<std::string(double, bool)>& label) {
  std::string text = "a,b,city" + labels + "\n";
  for (int i = 0; i < 400; ++i) {
    const double a = noise(i), b = noise(3 * i + 1);
    const bool in_bonn = i % 3 == 0;
    text += std::to_string(a) + "," + std::to_string(b) + (in_bonn ? ",Bonn" : ",Kiel") + label(a + b, in_bonn) + "\n";
  }
  return text;
}

TEST_F(Onnx, AnswersNumbersAsTheLossMeansThem) {
  const std::string model = "layers = [\"linear 16\", \"relu\", \"linear $outputs\"]\nloss = ";
  const std::string data = "source = \"d.csv\"\npartitions = 2\ncolumns = { city = \"category\" }\nlabel = ";
  const auto compare = [&](const std::string& text, const std::string& label, const std::string& loss) {
    SCOPED_TRACE(loss);
    write(folder_ / "d.csv", text);
    write(folder_ / "rows.csv", text);
    train(data + label, model + loss);
    expect_equal_answers();
  };
  compare(numbers_table(",p,q",
                        [](double x, bool bonn) {
                          return "," + std::to_string(1000 + 200 * x) + "," + std::to_string(bonn ? x : 3 * x);
                        }),
          "[\"p\", \"q\"]", "\"mse\"");
  compare(numbers_table(",n",
                        [](double x, bool bonn) { return "," + std::to_string(std::lround(3 + x) + (bonn ? 2 : 0)); }),
          "\"n\"", "\"poisson_nll\"");
  compare(numbers_table(",hit", [](double x, bool bonn) { return x + (bonn ? 0.5 : 0) > 0 ? ",1" : ",0"; }), "\"hit\"",
          "\"bce\"");
}

TEST_F(Onnx, TheNameDecidesTheFormat) {
  ASSERT_EQ(run("r").code, 0);
  for (const char* name : {"m.pt", "m.onnx.gz", "m.ONNX", "m.py"}) {
    const Finished refused = go({"export", "r", "--model", "0", "--to", name});
    EXPECT_EQ(refused.code, 2) << name;
    EXPECT_THAT(refused.err, AllOf(HasSubstr(".safetensors or .onnx"), HasSubstr(name)));
    EXPECT_FALSE(fs::exists(folder_ / name));
  }
  ASSERT_EQ(go({"export", "r", "--model", "0", "--to", "m.onnx"}).code, 0);
  EXPECT_FALSE(fs::exists(folder_ / "m.py"));
  const Finished predicted = go({"predict", "m.onnx", "d.csv"});
  EXPECT_EQ(predicted.code, 2);
  EXPECT_THAT(predicted.err, HasSubstr("onnxruntime"));
}

}  // namespace
}  // namespace hop::testing
