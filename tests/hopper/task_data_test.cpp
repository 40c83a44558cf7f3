// Task parallelism whose workers have only their own rows at first, and fetch the others: whole runs, workers as
// threads. The judge is hopping on one worker. tests/cli/faults_test.cpp kills workers that are processes.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "base/error.h"
#include "data/dataset.h"
#include "hopper/run.h"
#include "tests/hopper/glyphs.h"
#include "tests/hopper/hashes.h"
#include "tests/hopper/killed_run.h"

namespace hop::hopper {
namespace {

namespace fs = std::filesystem;

// 330 rows: partitions of 83, 83, 82 and 82.
class TaskDataRun : public OnGlyphs<330, 4>, public testing::WithParamInterface<std::tuple<TaskData, std::uint32_t>> {
 protected:
  static constexpr std::uint32_t kEpochs = 3;

  static Experiment experiment(const std::string& strategy, std::uint32_t workers) {
    Experiment e = toy_experiment(*folder_);
    e.seed = 11;
    e.model.layers = {"flatten", "dropout 0.1", "linear 12", "relu", "linear 10"};
    e.search.epochs = kEpochs;
    e.search.space = {{"lr", Choices{0.01, 0.003, 0.001}},
                      {"batch_size", Choices{std::int64_t{16}}},
                      {"optimizer", Choices{std::string("adam")}}};
    e.run.strategy = strategy;
    e.run.workers = workers;
    return e;
  }
  static Experiment scattered(TaskData data, std::uint32_t workers) {
    Experiment e = experiment("task_parallel", workers);
    e.run.task_data = data;
    if (data == TaskData::Cache) e.run.task_cache_bytes = cache_bytes();
    return e;
  }
  static data::Dataset dataset() { return data::Dataset::open(*folder_ / "data"); }
  static std::uint64_t bytes_of(std::uint32_t partition) { return dataset().manifest().partitions[partition].bytes; }
  // Room for one partition, and not for two: the sizes differ by less than 1,024 bytes.
  static std::uint64_t cache_bytes() { return std::max(bytes_of(0), bytes_of(1)); }
  static const Results& of_hopping() {
    static const Results results = run(experiment("hopping", 1)).results;
    return results;
  }

  // What must cross the network for these units: each pass over a partition of another node, but for partitions that
  // the worker has kept from earlier passes. The units of a worker follow each other in an order that only it knows, so
  // the kept ones are told by their number alone; all partitions are of nearly one size.
  static std::pair<std::uint64_t, std::uint64_t> bytes_by_formula(const Results& results, TaskData data) {
    const Spread spread{4, results.workers};
    std::map<WorkerId, std::uint64_t> units;
    for (const ModelResult& model : results.models) {
      for (const Visit& visit : model.visits) ++units[visit.worker];
    }
    std::uint64_t least = 0, most = 0;
    for (const auto& [worker, count] : units) {
      std::uint64_t others = 0, largest = 0, smallest = bytes_of(0);
      for (std::uint32_t q = 0; q < 4; ++q) {
        if (spread.owner(PartitionId(q)) == worker) continue;
        others += bytes_of(q);
        largest = std::max(largest, bytes_of(q));
        smallest = std::min(smallest, bytes_of(q));
      }
      const std::uint64_t again = data == TaskData::Replicate ? 0 : count - 1;
      const bool keeps_one = data == TaskData::Cache && others > 0;
      least += others + again * (others - (keeps_one ? largest : 0));
      most += others + again * (others - (keeps_one ? smallest : 0));
    }
    return {least, most};
  }
};

TEST_P(TaskDataRun, HasTheBitsOfHoppingAndMovesTheBytesOfTheFormula) {
  const auto [data, workers] = GetParam();
  const Results results = run(scattered(data, workers)).results;
  EXPECT_EQ(hashes(results), hashes(of_hopping()));
  for (const ModelResult& model : results.models) {
    EXPECT_EQ(model.status, "finished");
    EXPECT_EQ(model.train_loss, of_hopping().model(model.id).train_loss);
    EXPECT_EQ(model.valid_loss, of_hopping().model(model.id).valid_loss);
  }
  const auto [least, most] = bytes_by_formula(results, data);
  EXPECT_GE(results.network.data, least);
  EXPECT_LE(results.network.data, most);
  EXPECT_EQ(results.network.data == 0, workers == 1);
  EXPECT_EQ(results.data_wait_seconds == 0, workers == 1);
}

TEST_P(TaskDataRun, SaysWhatANodeComesToHold) {
  const auto [data, workers] = GetParam();
  const std::uint64_t valid = dataset().manifest().validation->bytes, all = dataset().bytes();
  std::uint64_t own = 0;
  for (std::uint32_t w = 0; w < workers; ++w) {
    std::uint64_t block = valid;
    for (std::uint32_t q = 0; q < 4; ++q) {
      if (Spread{4, workers}.owner(PartitionId(q)) == WorkerId(w)) block += bytes_of(q);
    }
    own = std::max(own, block);
  }
  const std::uint64_t kept = data == TaskData::Replicate ? all : data == TaskData::Cache ? cache_bytes() : 0;
  EXPECT_EQ(run(scattered(data, workers)).results.data_bytes_per_worker, std::min(all, own + kept));
}

INSTANTIATE_TEST_SUITE_P(Kinds, TaskDataRun,
                         testing::Combine(testing::Values(TaskData::Replicate, TaskData::Remote, TaskData::Cache),
                                          testing::Values(1U, 2U, 3U, 5U)));

class TaskData_ : public TaskDataRun {
 protected:
  static std::set<fs::path> copies_in(const fs::path& directory) {
    std::set<fs::path> copies;
    for (const fs::directory_entry& file : fs::recursive_directory_iterator(directory / "nodes")) {
      const bool is_copy = file.path().parent_path().filename() == "rows" && file.path().extension() == ".hopd";
      if (is_copy) copies.insert(file.path());
    }
    return copies;
  }
};

TEST_F(TaskData_, ACopyOnTheDiskServesTheNextLifeOfAWorker) {
  const fs::path directory = *folder_ / "killed";
  const Experiment e = scattered(TaskData::Replicate, 2);
  ASSERT_NO_FATAL_FAILURE(run_until_killed(e, directory, 6));
  EXPECT_GE(copies_in(directory).size(), 2U) << "a worker has the partitions of the other one";
  const Results results = resume(directory).results;
  EXPECT_EQ(hashes(results), hashes(of_hopping()));
  EXPECT_LE(results.network.data, dataset().bytes()) << "nothing came twice";
}

TEST_F(TaskData_, ADamagedCopyIsFetchedAgain) {
  const fs::path directory = *folder_ / "damaged";
  const Experiment e = scattered(TaskData::Replicate, 2);
  ASSERT_NO_FATAL_FAILURE(run_until_killed(e, directory, 4));
  const std::uint64_t before = inspect(directory).network.data;
  for (const fs::path& copy : copies_in(directory)) {
    std::fstream stream(copy, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(fs::file_size(copy) / 2));
    stream.put('\x55').put('\x2a');
  }
  const Results results = resume(directory).results;
  EXPECT_EQ(hashes(results), hashes(of_hopping()));
  EXPECT_GT(results.network.data, before) << "the next life fetched them again";
}

// Strategies that do not read the key are as they were.
TEST_F(TaskData_, IsForTasksAlone) {
  Experiment e = experiment("hopping", 2);
  const std::uint64_t own = run(e).results.data_bytes_per_worker;
  e.run.task_data = TaskData::Replicate;
  const Results results = run(e).results;
  EXPECT_EQ(results.data_bytes_per_worker, own);
  EXPECT_EQ(results.network.data, 0U);
}

TEST_F(TaskData_, ARunReplaysWithoutWorkers) {
  const fs::path directory = *folder_ / "replayed";
  run(scattered(TaskData::Remote, 3), {.run_directory = directory});
  for (const Replayed& model : replay(directory)) EXPECT_TRUE(model.matches);
}

TEST_F(TaskData_, ACacheNeedsASizeAndASizeACache) {
  Experiment e = scattered(TaskData::Cache, 2);
  e.run.task_cache_bytes = 0;
  EXPECT_THROW(e.check(), ConfigError);
  e = scattered(TaskData::Remote, 2);
  e.run.task_cache_bytes = 1;
  EXPECT_THROW(e.check(), ConfigError);
  const Experiment again = parse_experiment(to_toml(scattered(TaskData::Cache, 2)), "again");
  EXPECT_EQ(again.run.task_data, TaskData::Cache);
  EXPECT_EQ(again.run.task_cache_bytes, cache_bytes());
}

}  // namespace
}  // namespace hop::hopper
