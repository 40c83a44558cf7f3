// Real files, where they are at hand: a reader that drops rows or mixes up labels does not pass.
#include <algorithm>
#include <array>
#include <map>

#include "data/loader.h"
#include "data/prepare.h"
#include "tests/data/support.h"
#include "tests/source_tree.h"

namespace hop::data {
namespace {

fs::path real_data(const std::string& name) {
  const char* folder = std::getenv("HOP_TEST_DATA");
  return (folder != nullptr ? fs::path(folder) : source_directory() / "../shared/data") / name;
}

#define REQUIRE_REAL_DATA(name) \
  if (!fs::exists(real_data(name))) GTEST_SKIP() << "no real data: set HOP_TEST_DATA to a folder that holds " << (name)

/// Rows with their labels, as text, in no order: two data sets hold the same rows when these are equal.
using Rows = std::vector<std::string>;

Rows rows_of(const Partition& partition) {
  Rows rows;
  for (std::int64_t r = 0; r < partition.rows(); ++r) {
    rows.push_back(std::string(as_text(partition.row(0, r))) + std::string(1, as_text(partition.row(1, r))[0]));
  }
  return rows;
}

Rows training_rows(const Dataset& dataset) {
  Rows all;
  for (std::uint32_t q = 0; q < dataset.partition_count(); ++q) {
    std::ranges::move(rows_of(dataset.partition(PartitionId(q))), std::back_inserter(all));
  }
  return all;
}

Rows sorted(Rows rows) {
  std::ranges::sort(rows);
  return rows;
}

/// Records as they lie in a file: `size` bytes each after `skip`, the label from `label_of`.
template <class F>
Rows direct(const std::string& file, std::size_t skip, std::size_t size, F&& row_and_label) {
  Rows rows;
  for (std::size_t at = skip, i = 0; at < file.size(); at += size, ++i)
    rows.push_back(row_and_label(file.substr(at, size), i));
  return rows;
}

TEST(RealData, MnistKeepsEveryImageWithItsLabel) {
  REQUIRE_REAL_DATA("mnist");
  const TemporaryFolder folder;
  const Dataset dataset = prepare_dataset({.source = real_data("mnist").string(), .partitions = 4}, folder / "d");
  EXPECT_EQ(dataset.rows(), 8334);
  EXPECT_EQ(dataset.validation_rows(), 1666);
  EXPECT_EQ(dataset.feature_shape(), (Shape{1, 28, 28}));
  EXPECT_EQ(dataset.classes(), 10);
  for (const auto& [prefix, rows] :
       {std::pair("train", training_rows(dataset)), std::pair("test", rows_of(dataset.validation()))}) {
    const std::string labels = read_file(real_data("mnist") / (std::string(prefix) + "-labels-idx1-ubyte")).substr(8);
    const Rows expected = direct(read_file(real_data("mnist") / (std::string(prefix) + "-images-idx3-ubyte")), 16, 784,
                                 [&](std::string row, std::size_t i) { return row + labels[i]; });
    EXPECT_TRUE(sorted(rows) == sorted(expected)) << prefix;
    EXPECT_FALSE(rows == expected && std::string(prefix) == "train") << "not shuffled";
  }
}

TEST(RealData, MnistPartitionsHaveTheClassesOfTheWhole) {
  REQUIRE_REAL_DATA("mnist");
  const TemporaryFolder folder;
  const Dataset dataset = prepare_dataset({.source = real_data("mnist").string(), .partitions = 4}, folder / "d");
  std::array<int, 256> expected{};
  for (const char label : read_file(real_data("mnist") / "train-labels-idx1-ubyte").substr(8))
    ++expected[static_cast<std::size_t>(label)];
  std::array<int, 256> seen{};
  Loader loader({.batch_size = 100, .scale = dataset.scale()});
  for (std::uint32_t q = 0; q < 4; ++q) {
    loader.start(dataset.partition(PartitionId(q)), q);
    while (const auto batch = loader.next()) {
      for (std::int64_t i = 0; i < batch->rows(); ++i)
        ++seen[static_cast<std::size_t>(batch->y.data<std::int64_t>()[i])];
      const auto [low, high] =
          std::ranges::minmax(std::span(batch->x.data<float>(), static_cast<std::size_t>(batch->x.numel())));
      EXPECT_EQ(low, 0.0F);
      EXPECT_NEAR(high, 1.0F, 1e-6F);
    }
  }
  EXPECT_EQ(seen, expected);
}

TEST(RealData, CifarKeepsEveryImageWithItsLabel) {
  REQUIRE_REAL_DATA("cifar10");
  const TemporaryFolder folder;
  const Dataset dataset = prepare_dataset({.source = real_data("cifar10").string(), .partitions = 4}, folder / "d");
  EXPECT_EQ(dataset.rows(), 10'000);
  EXPECT_EQ(dataset.validation_rows(), 2'000);
  EXPECT_EQ(dataset.feature_shape(), (Shape{3, 32, 32}));
  const auto label_last = [](const std::string& row, std::size_t) { return row.substr(1) + row[0]; };
  EXPECT_TRUE(rows_of(dataset.validation()) ==
              direct(read_file(real_data("cifar10") / "test_batch.bin"), 0, 3073, label_last));
  EXPECT_TRUE(sorted(training_rows(dataset)) ==
              sorted(direct(read_file(real_data("cifar10") / "data_batch_1.bin"), 0, 3073, label_last)));
}

TEST(RealData, LetterKeepsEveryRowUnderAHeaderOfNumbers) {
  REQUIRE_REAL_DATA("letter");
  const TemporaryFolder folder;
  const Dataset dataset = prepare_dataset(
      {.source = real_data("letter").string(), .partitions = 4, .validation = Validation::tail(4000)}, folder / "d");
  EXPECT_EQ(dataset.rows(), 16'000);
  EXPECT_EQ(dataset.validation_rows(), 4'000);
  EXPECT_EQ(dataset.classes(), 26);
  EXPECT_EQ(dataset.class_names()[25], "Z");
  ASSERT_EQ(dataset.scale().columns().size(), 16U);
  EXPECT_NEAR(dataset.scale().columns()[0].scale.offset, 4, 0.1);  // x-box, of 0 to 15
  std::istringstream lines(read_file(real_data("letter") / "letter-recognition.data"));
  Rows expected;
  std::string line;
  std::getline(lines, line);  // the header
  while (std::getline(lines, line)) {
    std::ranges::replace(line, ',', ' ');
    std::istringstream fields(line.substr(1));
    std::string row;
    for (float x = 0.0F; fields >> x;) row.append(reinterpret_cast<const char*>(&x), sizeof x);
    expected.push_back(row + static_cast<char>(line[0] - 'A'));
  }
  ASSERT_EQ(expected.size(), 20'000U);
  EXPECT_TRUE(rows_of(dataset.validation()) == Rows(expected.begin() + 16'000, expected.end()));
  expected.resize(16'000);
  EXPECT_TRUE(sorted(training_rows(dataset)) == sorted(expected));
}

}  // namespace
}  // namespace hop::data
