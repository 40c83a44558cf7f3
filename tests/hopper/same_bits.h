// What every way of training promises: the bits of a run depend neither on its workers, nor on recordings, nor on a
// kill.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>

#include "hopper/run.h"
#include "tests/hopper/hashes.h"
#include "tests/hopper/killed_run.h"

namespace hop::hopper {

/// `experiment` has at least two workers. Its run in the new folder `directory` is replayed, and done again by one
/// worker, and by one that records nothing.
inline void expect_the_same_bits_however_it_runs(Experiment experiment, const std::filesystem::path& directory) {
  const Results first = run(experiment, {.run_directory = directory}).results;
  EXPECT_GT(first.hops, 0U);
  for (const Replayed& replayed : replay(directory)) EXPECT_TRUE(replayed.matches) << replayed.model.value;
  experiment.run.workers = 1;
  const Results alone = run(experiment).results;
  EXPECT_EQ(hashes(alone), hashes(first));
  for (const ModelResult& model : alone.models) EXPECT_EQ(model.valid_loss, first.model(model.id).valid_loss);
  experiment.run.capture = false;
  EXPECT_EQ(hashes(run(experiment).results), hashes(first)) << "not recorded";
}

/// Kills the run when `units` units are done, goes on, and compares with a run that nobody killed.
inline void expect_the_same_bits_after_a_kill(const Experiment& experiment, const std::filesystem::path& directory,
                                              std::uint64_t units) {
  ASSERT_NO_FATAL_FAILURE(run_until_killed(experiment, directory, units));
  EXPECT_EQ(hashes(resume(directory).results), hashes(run(experiment).results));
}

}  // namespace hop::hopper
