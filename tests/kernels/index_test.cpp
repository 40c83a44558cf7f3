#include "kernels/index.h"

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/view.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

using testing::error_of;
using testing::random_tensor;
using testing::same_bits;
using testing::values;

constexpr DType kAllDTypes[] = {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean};

std::int64_t at(const Tensor& x, std::initializer_list<std::int64_t> index) {
  std::int64_t offset = 0;
  int d = 0;
  for (const std::int64_t i : index) offset += i * x.strides()[d++];
  return offset;
}

TEST(Gather, ReadsWhereTheIndexPointsForEveryDimensionDTypeAndLayout) {
  for (const DType dtype : kAllDTypes) {
    const Tensor x = random_tensor({4, 5, 6}, dtype, 1, 0, 50);
    for (int dim = 0; dim < 3; ++dim) {
      const Tensor index = random_tensor({3, 4, 2}, DType::i64, 2, 0, 4);
      for (const Tensor& layout : testing::layouts(x)) {
        const Tensor y = kernels::gather(layout, dim, testing::with_order(index, {2, 0, 1}));
        ASSERT_EQ(y.shape(), index.shape());
        visit_dtype(dtype, [&]<class T>(T) {
          for (std::int64_t i = 0; i < 3; ++i) {
            for (std::int64_t j = 0; j < 4; ++j) {
              for (std::int64_t k = 0; k < 2; ++k) {
                const std::int64_t n = index.data<std::int64_t>()[at(index, {i, j, k})];
                const std::int64_t from = dim == 0 ? at(x, {n, j, k}) : dim == 1 ? at(x, {i, n, k}) : at(x, {i, j, n});
                ASSERT_EQ(y.data<T>()[at(y, {i, j, k})], x.data<T>()[from]);
              }
            }
          }
        });
      }
    }
  }
}

// <gather(x), g> = <x, scatter_add(g)>: each is the other's transpose, so scatter_add is gather's gradient.
TEST(ScatterAdd, IsTheTransposeOfGather) {
  for (int dim = 0; dim < 3; ++dim) {
    const Tensor x = random_tensor({4, 5, 6}, DType::f64), g = random_tensor({3, 4, 2}, DType::f64, 3);
    const Tensor index = random_tensor({3, 4, 2}, DType::i64, 2, 0, 4);
    const Tensor y = kernels::gather(x, dim, index), dx = kernels::scatter_add(x.shape(), dim, index, g);
    double left = 0, right = 0;
    for (std::int64_t i = 0; i < y.numel(); ++i) left += y.data<double>()[i] * g.data<double>()[i];
    for (std::int64_t i = 0; i < x.numel(); ++i) right += x.data<double>()[i] * dx.data<double>()[i];
    EXPECT_NEAR(left, right, 1e-12);
    EXPECT_TRUE(same_bits(kernels::scatter_add(x.shape(), dim, index, testing::with_order(g, {2, 1, 0}, 1)), dx));
  }
}

TEST(ScatterAdd, SumsRepeatedPositionsInOrder) {
  const Tensor index = Tensor::from<std::int64_t>({1, 1, 1}, {3});
  const Tensor g = Tensor::from<float>({1, 1e8F, -1e8F}, {3});
  EXPECT_EQ(values<float>(kernels::scatter_add({2}, 0, index, g)), (std::vector<float>{0, 1}));
  const Tensor column = kernels::try_reshape_view(index, {3, 1}).value(), gs = *kernels::try_reshape_view(g, {3, 1});
  EXPECT_EQ(values<float>(kernels::scatter_add({2, 1}, 0, column, gs)), (std::vector<float>{0, (1 + 1e8F) - 1e8F}));
}

// 2^24 + 1 is no f32: a sum made in f32 stands still there.
TEST(IndexAdd, LosesNothingOfALongSum) {
  constexpr std::int64_t kOnes = 1000;
  const std::int64_t rows[] = {3, 500, 1000000};  // narrow rows, counted and sorted groups
  for (const std::int64_t size : rows) {
    for (const std::int64_t width : {1, 3, 8, 300}) {
      if (size * width > 10000000) continue;
      const Tensor index = kernels::full({kOnes + 1}, 1, DType::i64);
      const Tensor g = kernels::ones({kOnes + 1, width});
      for (std::int64_t j = 0; j < width; ++j) g.data<float>()[j] = 0x1p24F;
      const Tensor y = kernels::index_add({size, width}, 0, index, g);
      EXPECT_EQ(values<float>(kernels::select(y, 0, 1)),
                std::vector<float>(static_cast<std::size_t>(width), 0x1p24F + float{kOnes}))
          << size << " x " << width;
      EXPECT_EQ(kernels::select(y, 0, 0).data<float>()[width - 1], 0);
    }
  }
}

// Whichever way it takes: narrow rows, counted groups, sorted groups.
TEST(IndexAdd, GivesTheBitsOfTheSumsInOrderInF64) {
  for (const std::int64_t size : {7, 400, 20000}) {
    for (const Shape& around : {Shape{1, 1}, Shape{2, 3}, Shape{3, 40}, Shape{1, 301}}) {
      const std::int64_t outer = around[0], inner = around[1], n = 90;
      const Tensor index = random_tensor({n}, DType::i64, 3, 0, static_cast<double>(std::min<std::int64_t>(size, 30)));
      const Tensor g = random_tensor({outer, n, inner}, DType::f32, 4, -1000, 1000);
      std::vector<double> sums(static_cast<std::size_t>(outer * size * inner));
      for (std::int64_t o = 0; o < outer; ++o) {
        for (std::int64_t i = 0; i < n; ++i) {
          for (std::int64_t j = 0; j < inner; ++j) {
            sums[static_cast<std::size_t>((o * size + index.data<std::int64_t>()[i]) * inner + j)] +=
                static_cast<double>(g.data<float>()[(o * n + i) * inner + j]);
          }
        }
      }
      const std::vector<float> wanted(sums.begin(), sums.end());
      EXPECT_EQ(values<float>(kernels::index_add({outer, size, inner}, 1, index, g)), wanted)
          << size << ", " << around.to_string();
    }
  }
}

TEST(IndexSelect, CopiesSlicesForEveryDimensionDTypeAndLayout) {
  const Tensor index = Tensor::from<std::int64_t>({3, 0, 3, 1, 2}, {5});
  for (const DType dtype : kAllDTypes) {
    const Tensor x = random_tensor({4, 4, 5}, dtype, 1, 0, 50);
    for (int dim = 0; dim < 2; ++dim) {
      for (const Tensor& layout : testing::layouts(x)) {
        const Tensor y = kernels::index_select(layout, dim, index);
        for (std::int64_t i = 0; i < 5; ++i) {
          ASSERT_TRUE(same_bits(kernels::select(y, dim, i), kernels::select(x, dim, index.data<std::int64_t>()[i])));
        }
      }
    }
  }
}

TEST(IndexAdd, IsTheTransposeOfIndexSelect) {
  const Tensor index = Tensor::from<std::int64_t>({3, 0, 3, 1, 2}, {5});
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (int dim = 0; dim < 2; ++dim) {
      const Shape shape = dim == 0 ? Shape{4, 19} : Shape{19, 4};
      const Tensor g = random_tensor(dim == 0 ? Shape{5, 19} : Shape{19, 5}, dtype);
      const Tensor y = kernels::index_add(shape, dim, index, g);
      const auto row = [&](const Tensor& t, std::int64_t i) { return values<double>(kernels::select(t, dim, i)); };
      for (std::size_t k = 0; k < 19; ++k) {
        EXPECT_EQ(row(y, 0)[k], row(g, 1)[k]);
        EXPECT_NEAR(row(y, 3)[k], row(g, 0)[k] + row(g, 2)[k], 1e-6);
      }
      EXPECT_TRUE(same_bits(kernels::index_add(shape, dim, index, testing::with_order(g, {1, 0}, 3)), y));
    }
  }
}

TEST(Index, TakesNoElements) {
  const Tensor none = Tensor::empty({0}, DType::i64);
  EXPECT_EQ(kernels::index_select(random_tensor({3, 2}), 0, none).shape(), Shape({0, 2}));
  EXPECT_EQ(values<float>(kernels::index_add({2}, 0, none, Tensor::empty({0}, DType::f32))),
            (std::vector<float>{0, 0}));
  EXPECT_EQ(kernels::gather(random_tensor({3}), 0, none).numel(), 0);
}

TEST(Index, OutsideItsRangeIsAnErrorThatNamesIt) {
  const Tensor x = random_tensor({3, 2});
  const auto index = [](std::int64_t i) { return Tensor::from<std::int64_t>({0, i}, {2}); };
  EXPECT_EQ(error_of<IndexError>([&] { kernels::index_select(x, 0, index(3)); }),
            "[index_select] expected indices in 0..2, got 3 (at position 1)");
  EXPECT_THROW(kernels::index_select(x, 0, index(-1)), IndexError);
  EXPECT_THROW(kernels::index_add({3, 2}, 0, index(7), random_tensor({2, 2})), IndexError);
  EXPECT_THROW(kernels::gather(random_tensor({3}), 0, index(3)), IndexError);
  EXPECT_THROW(kernels::scatter_add({3}, 0, index(3), random_tensor({2})), IndexError);
}

TEST(Index, OfTheWrongDTypeOrShapeIsAnError) {
  const Tensor x = random_tensor({3, 2});
  EXPECT_EQ(error_of<DtypeError>([&] { kernels::index_select(x, 0, Tensor::from<std::int32_t>({0}, {1})); }),
            "[index_select] expected an i64 index, got i32 (1) on cpu");
  EXPECT_THROW(kernels::index_select(x, 0, Tensor::from<std::int64_t>({0}, {1, 1})), ShapeError);
  EXPECT_THROW(kernels::gather(x, 0, Tensor::from<std::int64_t>({0}, {1})), ShapeError);
  EXPECT_THROW(kernels::gather(x, 0, Tensor::from<std::int64_t>({0, 0, 0}, {1, 3})), ShapeError);
  EXPECT_THROW(kernels::scatter_add({3, 2}, 0, Tensor::from<std::int64_t>({0}, {1, 1}), random_tensor({2, 1})),
               ShapeError);
  EXPECT_THROW(kernels::index_add({3, 2}, 0, Tensor::from<std::int64_t>({0}, {1}), random_tensor({2, 2})), ShapeError);
}

}  // namespace
}  // namespace hop
