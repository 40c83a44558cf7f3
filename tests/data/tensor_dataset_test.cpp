// Rows of tensors in memory, and passes over them.
#include "data/tensor_dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/error.h"
#include "kernels/copy.h"

namespace hop::data {
namespace {

/// x (rows, 2) with the values 10 i, 10 i + 1, and labels i.
TensorDataset numbered_rows(std::int64_t rows) {
  const Tensor x = Tensor::empty({rows, 2}, DType::f32), y = Tensor::empty({rows}, DType::i64);
  for (std::int64_t i = 0; i < rows; ++i) {
    x.data<float>()[2 * i] = static_cast<float>(10 * i);
    x.data<float>()[2 * i + 1] = static_cast<float>(10 * i + 1);
    y.data<std::int64_t>()[i] = i;
  }
  return {x, y};
}

struct Pass {
  std::vector<std::int64_t> labels, sizes;
};

/// Walks through a pass and checks that features and labels belong together.
Pass walk(DataLoader& loader) {
  Pass pass;
  for (const std::vector<Tensor>& batch : loader) {
    EXPECT_EQ(batch.size(), 2U);
    const std::int64_t rows = batch[1].size(0);
    EXPECT_EQ(batch[0].shape(), (Shape{rows, 2}));
    pass.sizes.push_back(rows);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t label = batch[1].data<std::int64_t>()[i];
      EXPECT_EQ(batch[0].data<float>()[2 * i + 1], static_cast<float>(10 * label + 1));
      pass.labels.push_back(label);
    }
  }
  return pass;
}

using Numbers = std::vector<std::int64_t>;

TEST(TensorDataset, GivesRowsAsViews) {
  const TensorDataset rows = numbered_rows(3);
  EXPECT_EQ(rows.size(), 3);
  const std::vector<Tensor> last = rows[-1];
  EXPECT_EQ(last[0].shape(), (Shape{2}));
  EXPECT_EQ(last[0].data<float>(), rows.tensors()[0].data<float>() + 4);
  EXPECT_EQ(last[1].item<std::int64_t>(), 2);
  const std::int64_t numbers[] = {2, 0, 2};
  const std::vector<Tensor> picked = rows.rows(numbers);
  EXPECT_EQ(picked[1].data<std::int64_t>()[0], 2);
  EXPECT_EQ(picked[0].data<float>()[2], 0);
  EXPECT_EQ(picked[0].shape(), (Shape{3, 2}));
}

TEST(DataLoader, GivesEveryRowOnceInOrderWithoutShuffle) {
  for (const std::int64_t rows : {0, 1, 5, 6}) {
    for (const bool drop_last : {false, true}) {
      DataLoader loader(numbered_rows(rows), {.batch_size = 3, .drop_last = drop_last});
      const Pass pass = walk(loader);
      const std::int64_t given = drop_last ? rows / 3 * 3 : rows;
      Numbers wanted;
      for (std::int64_t i = 0; i < given; ++i) wanted.push_back(i);
      EXPECT_EQ(pass.labels, wanted) << rows;
      EXPECT_EQ(static_cast<std::int64_t>(pass.sizes.size()), loader.batches()) << rows;
      EXPECT_EQ(loader.batches(), drop_last ? rows / 3 : (rows + 2) / 3) << rows;
    }
  }
}

TEST(DataLoader, ShufflesByItsSeedAndTheEpochAlone) {
  DataLoader a(numbered_rows(50), {.batch_size = 8, .shuffle = true, .seed = 1});
  DataLoader b(numbered_rows(50), {.batch_size = 25, .shuffle = true, .seed = 1});
  DataLoader other(numbered_rows(50), {.batch_size = 8, .shuffle = true, .seed = 2});
  const Numbers first = walk(a).labels, second = walk(a).labels;
  EXPECT_NE(first, second);
  EXPECT_NE(walk(other).labels, first);
  EXPECT_EQ(a.epoch(), 2);
  Numbers sorted = second;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i) EXPECT_EQ(sorted[i], static_cast<std::int64_t>(i));
  b.set_epoch(1);  // as after a restart, with other batches
  EXPECT_EQ(walk(b).labels, second);
  a.set_epoch(0);
  EXPECT_EQ(walk(a).labels, first);
}

TEST(DataLoader, BatchesAreTensorsOfTheirOwn) {
  const TensorDataset rows = numbered_rows(4);
  DataLoader loader(rows, {.batch_size = 2});
  for (const std::vector<Tensor>& batch : loader) kernels::fill_(batch[0], -1);
  EXPECT_EQ(rows.tensors()[0].data<float>()[2], 10);
}

TEST(DataLoader, AsksItsCollateFunction) {
  const Collate collate = [](std::span<const std::vector<Tensor>> rows) {
    std::vector<Tensor> labels;
    for (const auto& row : rows) labels.push_back(row[1]);
    return labels;
  };
  DataLoader loader(numbered_rows(5), {.batch_size = 2, .collate = collate});
  Numbers sizes;
  for (const auto& batch : loader) sizes.push_back(static_cast<std::int64_t>(batch.size()));
  EXPECT_EQ(sizes, (Numbers{2, 2, 1}));
}

template <class E, class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "no error";
}

TEST(DataLoader, NamesWhatIsWrong) {
  const Tensor three = kernels::zeros({3}), four = kernels::zeros({4, 1});
  EXPECT_EQ(message_of<ShapeError>([&] {
              TensorDataset({three, four});
            }),
            "[TensorDataset] expected equally many rows, got f32 (3) on cpu and f32 (4, 1) on cpu");
  EXPECT_EQ(message_of<ShapeError>([&] { TensorDataset(std::vector<Tensor>{}); }),
            "[TensorDataset] expected at least one tensor, got none");
  EXPECT_EQ(message_of<ShapeError>([&] { TensorDataset({kernels::zeros({})}); }),
            "[TensorDataset] expected tensors of rows, got f32 () on cpu");
  EXPECT_EQ(message_of<IndexError>([&] { static_cast<void>(numbered_rows(3)[3]); }),
            "[TensorDataset] expected a row in -3..2, got 3");
  EXPECT_EQ(message_of<ConfigError>([&] { DataLoader(numbered_rows(3), {.batch_size = 0}); }),
            "[DataLoader] expected batch_size >= 1, got 0");
}

}  // namespace
}  // namespace hop::data
