// Gathering and scattering on the device against the CPU's, bit for bit, and what a value out of range does.
#include "kernels/index.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/cuda/index_sort.h"
#include "kernels/view.h"
#include "tests/cuda/layouts.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::error_of;
using hop::testing::fetch;
using hop::testing::for_each_schedule;
using hop::testing::mirror;
using hop::testing::random_tensor;
using hop::testing::same_bits;
using hop::testing::values;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr DType kAllDTypes[] = {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean};

using CudaGather = OnDevice;
using CudaScatterAdd = OnDevice;
using CudaIndexSelect = OnDevice;
using CudaIndexAdd = OnDevice;
using CudaIndexSort = OnDevice;
using CudaIndex = OnDevice;

Tensor random_index(const Shape& shape, std::int64_t below, std::uint64_t seed = 2) {
  return random_tensor(shape, DType::i64, seed, 0, static_cast<double>(below));
}

TEST_F(CudaGather, ReadsWhereTheCpuReads) {
  for (const DType dtype : kAllDTypes) {
    const Tensor x = random_tensor({4, 5, 6}, dtype, 1, 0, 50);
    for (int dim = 0; dim < 3; ++dim) {
      const Tensor index = random_index({3, 4, 2}, 4);
      for (const Tensor& layout : hop::testing::layouts(x)) {
        EXPECT_TRUE(same_bits(fetch(gather(mirror(layout), dim, mirror(index))), gather(x, dim, index)));
      }
    }
  }
}

TEST_F(CudaGather, TakesEverySize) {
  for (const std::int64_t n : {1, 31, 32, 33, 1023, 4099}) {
    const Tensor x = random_tensor({n, 10}), labels = random_index({n, 1}, 10);
    const Tensor there = mirror(x), labels_there = mirror(labels);
    for_each_schedule([&] { EXPECT_TRUE(same_bits(fetch(gather(there, 1, labels_there)), gather(x, 1, labels))); });
  }
}

TEST_F(CudaScatterAdd, AddsInTheOrderOfTheIndexAsTheCpuDoes) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (int dim = 0; dim < 3; ++dim) {
      const Tensor index = random_index({13, 4, 9}, 4), g = random_tensor({13, 4, 9}, dtype, 3, -1e6, 1e6);
      const Shape shape = {13, 4, 9};
      const Tensor wanted = scatter_add(shape, dim, index, g), there = mirror(g), index_there = mirror(index);
      for_each_schedule([&] { EXPECT_TRUE(same_bits(fetch(scatter_add(shape, dim, index_there, there)), wanted)); });
    }
  }
}

TEST_F(CudaScatterAdd, AddsLongLinesInOrderToo) {
  for (const std::int64_t n : {1, 31, 33, 1023, 4099}) {
    const Tensor index = random_index({n}, 17), g = random_tensor({n}, DType::f32, 3, -1e6, 1e6);
    EXPECT_TRUE(same_bits(fetch(scatter_add({17}, 0, mirror(index), mirror(g))), scatter_add({17}, 0, index, g)));
  }
}

TEST_F(CudaIndexSelect, CopiesTheSlicesThatTheCpuCopies) {
  const Tensor index = random_index({7}, 4);
  for (const DType dtype : kAllDTypes) {
    for (const std::int64_t inner : {1, 3, 4, 16}) {
      const Tensor x = random_tensor({4, 4, inner}, dtype, 1, 0, 50);
      for (int dim = 0; dim < 2; ++dim) {
        EXPECT_TRUE(same_bits(fetch(index_select(mirror(x), dim, mirror(index))), index_select(x, dim, index)));
        const Tensor shifted = mirror(hop::testing::shifted(x, 1));
        EXPECT_TRUE(same_bits(fetch(index_select(shifted, dim, mirror(index))), index_select(x, dim, index)));
      }
    }
  }
}

// The backward of an embedding: many tokens, few of them different.
TEST_F(CudaIndexAdd, HasTheBitsOfTheCpuUnderEverySchedule) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const auto& [tokens, words, width] :
         {std::tuple{1, 1, 1}, {31, 5, 3}, {33, 300, 4}, {257, 7, 8}, {1023, 70000, 5}, {4099, 11, 4}, {97, 40, 528}}) {
      SCOPED_TRACE(std::to_string(tokens) + " of " + std::to_string(words));
      const Tensor index = random_index({tokens}, words), g = random_tensor({tokens, width}, dtype, 3, -1e6, 1e6);
      const Shape shape = {words, width};
      const Tensor wanted = index_add(shape, 0, index, g), there = mirror(g), index_there = mirror(index);
      for_each_schedule([&] { EXPECT_TRUE(same_bits(fetch(index_add(shape, 0, index_there, there)), wanted)); });
    }
  }
}

TEST_F(CudaIndexAdd, OfABatchIsThreeLaunches) {
  const Tensor index = mirror(random_index({100}, 30)), g = mirror(random_tensor({100, 8}));
  const Recording sum = hop::capture([&] { index_add({30, 8}, 0, index, g); }, Device::cuda());
  EXPECT_EQ(sum.size(), 3U);  // the sort, the places of the runs, the sums
}

TEST_F(CudaIndexAdd, AddsAlongAnyDimension) {
  for (int dim = 0; dim < 3; ++dim) {
    Shape shape = {5, 6, 8};
    const Tensor index = random_index({40}, shape[dim]);
    Shape of_g = shape;
    of_g[dim] = 40;
    const Tensor g = random_tensor(of_g, DType::f32, 3, -1e6, 1e6);
    EXPECT_TRUE(same_bits(fetch(index_add(shape, dim, mirror(index), mirror(g))), index_add(shape, dim, index, g)));
  }
}

TEST_F(CudaIndex, TakesSeveralItemsPerThreadWhereBlocksAreFew) {
  const hop::testing::FewBlocks few;
  const Tensor x = random_tensor({300, 8}), index = random_index({1500}, 300), g = random_tensor({1500, 8});
  EXPECT_TRUE(same_bits(fetch(index_select(mirror(x), 0, mirror(index))), index_select(x, 0, index)));
  for (const std::int64_t width : {3, 8}) {  // several destinations per thread, some without a run
    const Shape shape = {1200, width};
    const Tensor sparse = random_index({1500}, 1200), terms = random_tensor({1500, width}, DType::f32, 3, -1e6, 1e6);
    const Tensor wanted = index_add(shape, 0, sparse, terms), there = mirror(terms), sparse_there = mirror(sparse);
    for_each_schedule([&] { EXPECT_TRUE(same_bits(fetch(index_add(shape, 0, sparse_there, there)), wanted)); });
  }
  const Tensor labels = random_index({1500, 2}, 8);
  EXPECT_TRUE(same_bits(fetch(gather(mirror(g), 1, mirror(labels))), gather(g, 1, labels)));
  const Tensor two = random_tensor({1500, 2});
  EXPECT_TRUE(
      same_bits(fetch(scatter_add({1500, 8}, 1, mirror(labels), mirror(two))), scatter_add({1500, 8}, 1, labels, two)));
}

// Up to 4,096 values are sorted by counting, more by digits.
TEST_F(CudaIndexSort, PutsValuesOutOfRangeLast) {
  for (const std::int64_t size : {3, 255, 256, 65536}) {
    for (const int n : {7, 4097}) {
      SCOPED_TRACE(std::to_string(n) + " below " + std::to_string(size));
      std::vector<std::int64_t> given = {size, 1, -1, 0, size - 1, std::int64_t{1} << 40, 1}, keys = {0, 1, 1};
      std::vector<int> positions = {3, 1, 6};
      for (int i = 7; i < n; ++i) {
        given.push_back(1);
        keys.push_back(1);
        positions.push_back(i);
      }
      keys.insert(keys.end(), {size - 1, size, size, size});
      positions.insert(positions.end(), {4, 0, 2, 5});
      const SortedIndex sorted = sort_index(mirror(Tensor::from<std::int64_t>(given, {n})), size, "index_add");
      EXPECT_THROW(backend(Device::cuda()).synchronize(), IndexError);
      EXPECT_EQ(values<std::int64_t>(fetch(sorted.keys)), keys);
      EXPECT_EQ(values<int>(fetch(sorted.positions)), positions);
    }
  }
}

TEST_F(CudaIndexSort, IsStable) {
  for (const std::int64_t size : {1, 2, 255, 256, 257, 65536, 20000000}) {
    for (const std::int64_t n : {1, 32, 257, 1025, 4097, 6000}) {
      SCOPED_TRACE(std::to_string(n) + " below " + std::to_string(size));
      const Tensor index = random_index({n}, size);
      std::vector<std::pair<std::int64_t, int>> wanted;
      for (int i = 0; i < n; ++i) wanted.emplace_back(index.data<std::int64_t>()[i], i);
      std::stable_sort(wanted.begin(), wanted.end(), [](auto a, auto b) { return a.first < b.first; });
      const SortedIndex sorted = sort_index(mirror(index), size, "index_add");
      const auto keys = values<std::int64_t>(fetch(sorted.keys));
      const auto positions = values<int>(fetch(sorted.positions));
      for (std::size_t s = 0; s < wanted.size(); ++s) {
        ASSERT_EQ(keys[s], wanted[s].first) << s;
        ASSERT_EQ(positions[s], wanted[s].second) << s;
      }
    }
  }
}

// The lowest position is reported, nothing outside is touched (the executor's guards would say), the rest is done.
TEST_F(CudaIndex, OutsideItsRangeIsAnErrorOfTheNextWait) {
  Backend& device = backend(Device::cuda());
  const Tensor x = mirror(random_tensor({3, 2}));
  const auto expect_error = [&](const char* op, const std::function<void()>& f) {
    f();
    EXPECT_THAT(error_of<IndexError>([&] { device.synchronize(); }), AllOf(HasSubstr(op), HasSubstr("position 1")));
    EXPECT_NO_THROW(device.synchronize());
  };
  for (const std::int64_t bad : {std::int64_t{3}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    const Tensor index = mirror(Tensor::from<std::int64_t>({0, bad, bad}, {3}));
    const Tensor index2 = mirror(Tensor::from<std::int64_t>({0, bad}, {1, 2}));
    const Tensor g = mirror(random_tensor({3, 2})), line = mirror(random_tensor({3})),
                 pair = mirror(random_tensor({1, 2}));
    expect_error("[index_select]", [&] { index_select(x, 0, index); });
    expect_error("[index_add]", [&] { index_add({3, 2}, 0, index, g); });
    expect_error("[gather]", [&] { gather(x, 0, index2); });
    expect_error("[scatter_add]", [&] { scatter_add({3, 2}, 0, index2, pair); });
    expect_error("[scatter_add]", [&] { scatter_add({3}, 0, index, line); });
  }
}

TEST_F(CudaIndex, TakesNoElements) {
  const Tensor none = Tensor::empty({0}, DType::i64, Device::cuda());
  EXPECT_EQ(index_select(mirror(random_tensor({3, 2})), 0, none).shape(), Shape({0, 2}));
  EXPECT_EQ(values<float>(fetch(index_add({2}, 0, none, Tensor::empty({0}, DType::f32, Device::cuda())))),
            (std::vector<float>{0, 0}));
}

}  // namespace
}  // namespace hop::kernels::cuda
