// A small table of two classes, an experiment that trains on it, and shells that run `hop`.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cli/program.h"

namespace hop::testing {

namespace fs = std::filesystem;

/// A fixed sequence that looks random, in [-1, 1).
inline double noise(int i) { return static_cast<double>((i * 2'654'435'761U) % 2000U) / 1000.0 - 1.0; }

/// `rows` rows of two separable classes under the header: y is the label, x tells the classes apart, b is noise.
inline std::string two_classes(int rows = 200, const std::string& header = "y,x,b") {
  std::string text = header + "\n";
  for (int i = 0; i < rows; ++i) {
    const bool first = i % 2 == 0;
    text += (first ? "a," : "b,") + std::to_string((first ? -1 : 1) + 0.5 * noise(i)) + "," +
            std::to_string(noise(i + 7)) + "\n";
  }
  return text;
}

inline std::string experiment(const std::string& data = "source = \"d.csv\"\npartitions = 2", int epochs = 2,
                              const std::string& more = "") {
  return "name = \"case\"\nseed = 1\n[data]\n" + data +
         "\n[model]\nfamily = \"mlp\"\n[search]\nepochs = " + std::to_string(epochs) +
         "\n[search.space]\nlr = [0.01]\nhidden = [16]\nbatch_size = [16]\noptimizer = \"adam\"\n" + more +
         "[run]\nworkers = 2\n";
}

/// A folder with d.csv and e.toml.
class Table : public ::testing::Test {
 protected:
  Table() {
    write(folder_ / "d.csv", two_classes());
    write(folder_ / "e.toml", experiment());
  }

  Finished run(const std::string& directory, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"run", "e.toml", "--run-dir", directory};
    words.insert(words.end(), more.begin(), more.end());
    return go(words);
  }
  Finished go(const std::vector<std::string>& words) { return hop(words, folder_->path()); }

  nlohmann::json results(const std::string& directory) {
    return nlohmann::json::parse(read(folder_ / directory / "results.json"));
  }
  double accuracy(const std::string& directory) { return results(directory)["models"][0]["valid_accuracy"]; }

  struct Folder : TemporaryFolder {
    const Folder* operator->() const { return this; }
  } folder_;
};

}  // namespace hop::testing
