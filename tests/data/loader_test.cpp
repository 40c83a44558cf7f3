// A pass: every row once, in an order that its key alone decides, scaled, in a tensor that stays where it is.
#include "data/loader.h"

#include <algorithm>
#include <limits>
#include <thread>

#include "data/split.h"
#include "tests/data/support.h"

namespace hop::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Partition one_partition(const TemporaryFolder& folder, const RawData& raw) {
  static int count = 0;
  return write_dataset(raw, folder / std::to_string(count++), {.partitions = 1, .shuffle = false})
      .partition(PartitionId(0));
}

/// Row numbers in the order in which a pass gives them; checks features and labels of each.
std::vector<std::int64_t> pass(Loader& loader) {
  std::vector<std::int64_t> rows;
  while (const auto batch = loader.next()) {
    const std::int64_t n = batch->x.numel() / batch->rows();
    for (std::int64_t i = 0; i < batch->rows(); ++i) {
      const float* x = batch->x.data<float>() + i * n;
      rows.push_back(static_cast<std::int64_t>(x[0]) / 1000);
      for (std::int64_t j = 0; j < n; ++j) EXPECT_EQ(x[j], static_cast<float>(1000 * rows.back() + j));
      EXPECT_EQ(batch->y.data<std::int64_t>()[i], rows.back() % 3);
    }
  }
  return rows;
}

TEST(Loader, GivesEveryRowOnceInTheOrderOfItsKey) {
  const TemporaryFolder folder;
  for (const std::int64_t rows : {1, 2, 31, 32, 33, 100}) {
    const Partition partition = one_partition(folder, numbered(rows));
    for (const std::int64_t batch_size : {1, 7, 32, 1000}) {
      Loader loader({.batch_size = batch_size});
      loader.start(partition, 99);
      const auto order = random_permutation(rows, 99);
      EXPECT_EQ(pass(loader), std::vector<std::int64_t>(order.begin(), order.end()));
      EXPECT_FALSE(loader.next().has_value());
      loader.start(partition);
      const auto in_order = ascending_rows(rows);
      EXPECT_EQ(pass(loader), std::vector<std::int64_t>(in_order.begin(), in_order.end()));
    }
  }
}

TEST(Loader, DependsOnItsKeyAlone) {
  const TemporaryFolder folder;
  const Partition partition = one_partition(folder, numbered(64));
  Loader a({.batch_size = 8});
  Loader b({.batch_size = 8});
  b.start(partition, 1);
  for (int i = 0; i < 3; ++i) (void)b.next();  // a pass given up in the middle leaves no trace
  a.start(partition, 2);
  b.start(partition, 2);
  const auto order = pass(a);
  EXPECT_EQ(order, pass(b));
  b.start(partition, 3);
  EXPECT_NE(order, pass(b));
}

TEST(Loader, KeepsTheShortLastBatchAndTheAddressOfAllBatches) {
  const TemporaryFolder folder;
  const Partition partition = one_partition(folder, numbered(10));
  const Partition smaller = one_partition(folder, numbered(3));
  Loader loader({.batch_size = 4});
  EXPECT_EQ(loader.batches(), 0);
  EXPECT_FALSE(loader.next().has_value());
  loader.start(partition, 7);
  EXPECT_EQ(loader.batches(), 3);
  const Batch first = *loader.next();
  EXPECT_EQ(first.x.shape(), (Shape{4, 2, 3}));
  EXPECT_EQ(first.y.shape(), (Shape{4}));
  const std::uint32_t version = first.x.version();
  EXPECT_TRUE(loader.next()->x.is_same(first.x));
  EXPECT_GT(first.x.version(), version);
  const Batch last = *loader.next();
  EXPECT_EQ(last.x.shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(last.rows(), 2);
  EXPECT_TRUE(last.x.is_contiguous());
  EXPECT_EQ(last.x.raw_data(), first.x.raw_data());
  loader.start(smaller, 8);
  const Batch next = *loader.next();
  EXPECT_EQ(next.rows(), 3);
  EXPECT_EQ(next.x.raw_data(), first.x.raw_data());
  EXPECT_EQ(next.y.raw_data(), first.y.raw_data());
}

template <class T>
std::vector<float> scaled(const std::vector<T>& values, const Scaling& scale) {
  const TemporaryFolder folder;
  RawData raw{.format = "tensors", .train = nullptr, .test = nullptr, .files = {}};
  raw.train = tensor_source(Tensor::from(std::span<const T>(values), {1, static_cast<std::int64_t>(values.size())}),
                            Tensor::from<std::int64_t>({0}, {1}), 1);
  Loader loader({.batch_size = 1, .scale = scale});
  loader.start(one_partition(folder, raw));
  const Batch batch = *loader.next();
  return {batch.x.data<float>(), batch.x.data<float>() + batch.x.numel()};
}

TEST(Loader, ScalesEveryDtypeToFloat) {
  std::vector<std::uint8_t> bytes(259);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7);
  std::vector<float> expected;
  for (const std::uint8_t b : bytes) expected.push_back((static_cast<float>(b) - 2.0F) * (1.0F / 255.0F));
  EXPECT_EQ(scaled(bytes, Scale{2.0, 1.0F / 255.0F}), expected);  // bit for bit, in the vector part and in the tail
  EXPECT_THAT(scaled<std::int32_t>({-4, 8}, Scale{1.0, 0.5}), ElementsAre(-2.5F, 3.5F));
  EXPECT_THAT(scaled<std::int64_t>({-4, 8}, Scale{1.0, 0.5}), ElementsAre(-2.5F, 3.5F));
  EXPECT_THAT(scaled<float>({-4.5F, 8}, Scale{1.0, 0.5}), ElementsAre(-2.75F, 3.5F));
  EXPECT_THAT(scaled<double>({0.1, 8}, {}), ElementsAre(0.1F, 8.0F));
}

TEST(Loader, ScalesEachColumnByItsOwn) {
  constexpr std::size_t kColumns = 37;  // a vector part and a tail
  std::vector<float> values, expected;
  std::vector<FeatureColumn> columns;
  for (std::size_t i = 0; i < kColumns; ++i) {
    values.push_back(static_cast<float>(1000 * i) + 0.5F);
    columns.push_back({"", {static_cast<double>(i), 0.5 / static_cast<double>(i + 1)}});
    expected.push_back((values[i] - static_cast<float>(i)) * static_cast<float>(columns[i].scale.factor));
  }
  EXPECT_EQ(scaled(values, Scaling(columns)), expected);
  columns.pop_back();
  EXPECT_THROW(scaled(values, Scaling(columns)), DataError);
}

// An f32 would make these values equal before the offset is gone.
TEST(Loader, SubtractsTheOffsetBeforeItRounds) {
  EXPECT_THAT(scaled<double>({1.7e9 + 0.25, 1.7e9 + 0.5}, Scale{1.7e9, 2}), ElementsAre(0.5F, 1.0F));
  EXPECT_THAT(scaled<std::int64_t>({100'000'000, 100'000'001}, Scale{1e8, 1}), ElementsAre(0.0F, 1.0F));
  EXPECT_THAT(scaled<std::int32_t>({100'000'000, 100'000'001}, Scale{1e8, 1}), ElementsAre(0.0F, 1.0F));
  const Scaling columns({FeatureColumn{"a", {1.7e9, 2}}, FeatureColumn{"b", {0, 1}}});
  EXPECT_THAT(scaled<double>({1.7e9 + 0.25, 0.1}, columns), ElementsAre(0.5F, 0.1F));
}

TEST(Loader, TakesABatchLargerThanThePartitionForAllOfIt) {
  const TemporaryFolder folder;
  const Partition small = one_partition(folder, numbered(5));
  Loader loader({.batch_size = std::numeric_limits<std::int64_t>::max()});
  loader.start(small);
  EXPECT_EQ(loader.batches(), 1);
  EXPECT_EQ(loader.next()->rows(), 5);
  EXPECT_FALSE(loader.next());
  const TemporaryFolder other;
  loader.start(one_partition(other, numbered(9)), 3);
  EXPECT_EQ(loader.next()->rows(), 9);
  loader.start(small);
  EXPECT_EQ(loader.next()->rows(), 5);
}

TEST(Loader, SharesAPartitionWithLoadersOfOtherThreads) {
  const TemporaryFolder folder;
  const Partition partition = one_partition(folder, numbered(500));
  std::vector<std::vector<std::int64_t>> orders(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < orders.size(); ++t) {
    threads.emplace_back([&, t] {
      Loader loader({.batch_size = 16});
      for (int round = 0; round < 20; ++round) {
        loader.start(partition, t);
        orders[t] = pass(loader);  // each pass ends by releasing the pages that the others read
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t t = 0; t < orders.size(); ++t) {
    const auto expected = random_permutation(500, t);
    EXPECT_EQ(orders[t], std::vector<std::int64_t>(expected.begin(), expected.end()));
  }
}

TEST(Loader, SaysWhatItCannotLoad) {
  EXPECT_THAT(message_of<ConfigError>([] { Loader({.batch_size = 0}); }), HasSubstr("batch size of at least 1, got 0"));
}

}  // namespace
}  // namespace hop::data
