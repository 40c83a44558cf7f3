// A small run for tests that disturb it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/glyphs.h"
#include "tests/cli/program.h"

namespace hop::testing {

namespace fs = std::filesystem;

/// A run of a few seconds, and the hashes of its models when nobody disturbs it.
class ToyRun : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_.emplace();
    data::write_dataset(data::glyphs({.train_rows = 6000, .test_rows = 200}), *folder_ / "data",
                        {.name = "glyphs-6000", .partitions = 4, .validation = data::Validation::file()});
    write(*folder_ / "toy.toml", R"(
name = "toy"
seed = 5
[data]
source = "data"
[model]
layers = ["flatten", "linear 64", "relu", "dropout 0.2", "linear 10"]
[search]
epochs = 3
[search.space]
lr = [0.003, 0.001]
batch_size = [32, 16]
optimizer = "adam"
[run]
workers = 2
)");
    const Finished calm = hop({"run", "toy.toml", "--run-dir", "calm", "--json"}, folder_->path());
    ASSERT_EQ(calm.code, 0) << calm.err;
    expected_ = new std::map<int, std::string>(hashes(*folder_ / "calm"));
  }
  static void TearDownTestSuite() {
    delete expected_;
    folder_.reset();
  }

  static std::vector<std::string> run_in(const std::string& directory, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"run", "toy.toml", "--run-dir", directory};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  // Lets the run commit `units` units; true if it is still going then.
  static bool reach(Program& program, const std::string& directory, std::size_t units) {
    return eventually([&] { return !program.running() || commits(*folder_ / directory).size() >= units; }) &&
           program.running();
  }

  static inline std::optional<TemporaryFolder> folder_;
  static inline std::map<int, std::string>* expected_ = nullptr;
};

}  // namespace hop::testing
