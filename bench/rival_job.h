// The job of the rows rivals/..: a grid of small nets on images, the same for us and for every rival.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace hop::bench {

/// A net 784-hidden-10 with ReLU, Adam and cross-entropy.
struct RivalModel {
  int hidden = 128;
  double lr = 1e-3;
  int batch = 32;
};

struct RivalJob {
  std::filesystem::path rows;  ///< a folder with MNIST's four IDX files
  int processes = 2;
  int epochs = 3;
  int seed = 1;
  std::vector<int> hidden = {128, 256};
  std::vector<double> lr = {0.003, 0.001};
  std::vector<int> batch = {32, 64, 128, 256};

  /// All combinations.
  std::vector<RivalModel> grid() const;
  /// The file that a rival reads (bench/peers/rivals/job.py).
  std::string json() const;
  /// The experiment that `hop run` reads.
  std::string toml() const;
  /// One model, one epoch, the first rows, which are written to `folder`: what a command costs before and after it
  /// trains. Throws SideError where the files are not as expected.
  RivalJob smallest(const std::filesystem::path& folder) const;
};

}  // namespace hop::bench
