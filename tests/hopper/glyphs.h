// The data on which the tests of whole runs train: glyphs, in a folder of the test or of its suite.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>

#include "data/glyphs.h"
#include "hopper/experiment.h"
#include "tests/temporary_folder.h"

namespace hop::hopper {

/// Writes glyphs into `folder / "data"`: so many rows to train on, and a fifth as many for validation.
inline void write_glyphs(const TemporaryFolder& folder, std::uint32_t rows, std::uint32_t partitions) {
  data::write_dataset(
      data::glyphs({.train_rows = rows, .test_rows = rows / 5}), folder / "data",
      {.name = "glyphs-" + std::to_string(rows), .partitions = partitions, .validation = data::Validation::file()});
}

/// An experiment on these glyphs, to be completed.
inline Experiment toy_experiment(const TemporaryFolder& folder) {
  Experiment e;
  e.name = "toy";
  e.data.source = folder / "data";
  return e;
}

/// A suite of tests that share their glyphs.
template <std::uint32_t kRows, std::uint32_t kPartitions>
class OnGlyphs : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_.emplace();
    write_glyphs(*folder_, kRows, kPartitions);
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static inline std::optional<TemporaryFolder> folder_;
};

}  // namespace hop::hopper
