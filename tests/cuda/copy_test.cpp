// Copies, conversions, layout changes, fills and counting on the device against the CPU's, bit for bit.
#include "kernels/copy.h"

#include "kernels/cuda/copy_internal.h"
#include "kernels/view.h"
#include "tests/cuda/layouts.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::fetch;
using hop::testing::for_each_schedule;
using hop::testing::mirror;
using hop::testing::random_tensor;
using hop::testing::same_bits;

constexpr DType kAllDTypes[] = {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean};

using CudaCopy = OnDevice;
using CudaFill = OnDevice;

Tensor permuted(const Tensor& x, std::initializer_list<std::int64_t> dims) {
  return permute(x, std::span(dims.begin(), dims.size()));
}
CopyWay way_of_contiguous(const Tensor& x) { return CopyPlan(Tensor::empty(x.shape(), x.dtype(), x.device()), x).way; }

TEST_F(CudaCopy, ConvertsEveryDTypeIntoEveryOtherAtEverySize) {
  for (const DType from : kAllDTypes) {
    for (const std::int64_t n : {1, 31, 32, 33, 1023, 4099}) {
      const Tensor x = random_tensor({n}, from, 1, is_floating(from) ? 0 : 1, 99), there = mirror(x);
      for (const DType to : kAllDTypes) {
        SCOPED_TRACE(std::string(name(from)) + " to " + std::string(name(to)) + ", " + std::to_string(n));
        for_each_schedule([&] { EXPECT_TRUE(same_bits(fetch(cast(there, to)), cast(x, to))); });
      }
    }
  }
}

TEST_F(CudaCopy, ReadsAndWritesEveryLayout) {
  for (const DType dtype : kAllDTypes) {
    SCOPED_TRACE(std::string(name(dtype)));
    const Tensor x = random_tensor({3, 8, 12}, dtype, 1, 0, 50);
    for (const Tensor& from : hop::testing::layouts(x)) {
      const Tensor there = mirror(from);
      EXPECT_TRUE(same_bits(fetch(clone(there)), x));
      EXPECT_TRUE(same_bits(fetch(cast(there, DType::f64)), cast(x, DType::f64)));
      for (const Tensor& to : hop::testing::layouts(random_tensor({3, 8, 12}, dtype, 2, 0, 50))) {
        const Tensor y = mirror(to);
        copy_(y, there);
        ASSERT_TRUE(same_bits(fetch(y), x));
      }
    }
  }
}

// The bytes between the elements of a strided destination must stay.
TEST_F(CudaCopy, WritesItsElementsAndNothingElse) {
  const Tensor room = random_tensor({40, 41});
  for (const auto& [row, column, step] : {std::tuple{0, 0, 1}, {1, 3, 1}, {8, 8, 2}}) {
    const Tensor there = mirror(room), here = mirror(room);
    const Tensor expected = fetch(here);
    const auto part = [&, r = row, c = column, s = step](const Tensor& t) {
      return slice(slice(t, 0, r, 40, 1), 1, c, 41, s);
    };
    const Tensor x = random_tensor(part(there).shape(), DType::f32, 5);
    copy_(part(there), mirror(x));
    copy_(part(expected), x);
    EXPECT_TRUE(same_bits(fetch(there), expected));
    fill_(part(there), 2.5);
    fill_(part(expected), 2.5);
    EXPECT_TRUE(same_bits(fetch(there), expected));
  }
}

TEST_F(CudaCopy, Broadcasts) {
  for (const Shape& shape : {Shape{5, 8}, Shape{8}, Shape{1}, Shape{5, 1}, Shape{}, Shape{2, 1, 8}}) {
    const Tensor x = random_tensor(shape);
    const Tensor y = zeros({2, 5, 8}), there = mirror(y);
    copy_(y, x);
    copy_(there, mirror(x));
    EXPECT_TRUE(same_bits(fetch(there), y)) << shape.to_string();
  }
}

TEST_F(CudaCopy, TransposesMatricesOfEverySizeThroughTiles) {
  for (const DType dtype : {DType::f32, DType::i64, DType::u8}) {
    for (const auto& [rows, columns] :
         {std::pair{8, 8}, {31, 33}, {32, 32}, {33, 31}, {64, 257}, {257, 9}, {8, 1023}, {65, 512}, {40, 600}}) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
      const Tensor x = random_tensor({rows, columns}, dtype, 1, 0, 99);
      const Tensor turned = transpose(mirror(x), 0, 1);
      EXPECT_EQ(way_of_contiguous(turned), CopyWay::tiles);
      for_each_schedule([&] { EXPECT_TRUE(same_bits(fetch(clone(turned)), clone(transpose(x, 0, 1)))); });
    }
  }
}

TEST_F(CudaCopy, ChangesImageLayoutsThroughTilesBothWays) {
  const Tensor images = random_tensor({3, 16, 7, 9}), there = mirror(images);
  const Tensor as_nhwc = permuted(there, {0, 2, 3, 1});
  EXPECT_EQ(way_of_contiguous(as_nhwc), CopyWay::tiles);
  const Tensor nhwc = clone(as_nhwc);
  EXPECT_TRUE(same_bits(fetch(nhwc), clone(permuted(images, {0, 2, 3, 1}))));
  const Tensor as_nchw = permuted(nhwc, {0, 3, 1, 2});
  EXPECT_EQ(way_of_contiguous(as_nchw), CopyWay::tiles);
  EXPECT_TRUE(same_bits(fetch(clone(as_nchw)), images));
  // Into a channels-last destination: the destination's memory decides, not its shape.
  const Tensor y = permuted(Tensor::empty({3, 7, 9, 16}, DType::f32, Device::cuda()), {0, 3, 1, 2});
  EXPECT_EQ(CopyPlan(y, there).way, CopyWay::tiles);
  copy_(y, there);
  EXPECT_TRUE(same_bits(fetch(y), images));
  EXPECT_EQ(CopyPlan(y, as_nchw).way, CopyWay::bytes);  // both channels last
}

TEST_F(CudaCopy, TakesTheFastestWayThatFits) {
  const Tensor x = Tensor::empty({6, 8}, DType::f32, Device::cuda());
  const Tensor wide = Tensor::empty({6, 16}, DType::f32, Device::cuda());
  const Tensor odd = Tensor::empty({6, 9}, DType::f32, Device::cuda());
  EXPECT_EQ(CopyPlan(x, x).way, CopyWay::bytes);
  EXPECT_EQ(CopyPlan(slice(wide, 1, 0, 8), x).way, CopyWay::packets);
  EXPECT_EQ(CopyPlan(slice(wide, 1, 8, 16), x).way, CopyWay::packets);
  EXPECT_EQ(CopyPlan(slice(wide, 1, 7, 15), x).way, CopyWay::elements);  // not on 16 bytes
  EXPECT_EQ(CopyPlan(slice(odd, 1, 0, 8), x).way, CopyWay::elements);    // nor are its rows
  EXPECT_EQ(CopyPlan(Tensor::empty({6, 8}, DType::f64, Device::cuda()), x).way, CopyWay::packets);
  const Tensor narrow = Tensor::empty({3, 500}, DType::f32, Device::cuda());
  EXPECT_EQ(way_of_contiguous(transpose(narrow, 0, 1)), CopyWay::elements);
}

TEST_F(CudaCopy, TakesSeveralTurnsPerBlockWhereBlocksAreFew) {
  const hop::testing::FewBlocks few;
  const Tensor x = random_tensor({2, 90, 70}), there = mirror(x);
  const Tensor wide = random_tensor({2, 40, 1040}), wide_there = mirror(wide);  // three bands of squares
  for_each_schedule([&] {
    EXPECT_TRUE(same_bits(fetch(clone(transpose(there, 1, 2))), clone(transpose(x, 1, 2))));
    EXPECT_TRUE(same_bits(fetch(clone(transpose(wide_there, 1, 2))), clone(transpose(wide, 1, 2))));
    EXPECT_TRUE(same_bits(fetch(cast(there, DType::f64)), cast(x, DType::f64)));
    EXPECT_TRUE(same_bits(fetch(full({5000}, 1.5, DType::f32, Device::cuda())), full({5000}, 1.5)));
    EXPECT_TRUE(same_bits(fetch(arange(5000, DType::i64, Device::cuda())), arange(5000)));
  });
}

TEST_F(CudaCopy, JoinsAndSlicesAsTheCpuDoes) {
  for (const std::int64_t dim : {0, 1}) {
    const std::vector<Tensor> parts = {random_tensor({4, 8}), random_tensor(dim == 0 ? Shape{3, 8} : Shape{4, 5}),
                                       random_tensor(dim == 0 ? Shape{1, 8} : Shape{4, 4}, DType::i32, 1, 0, 9)};
    EXPECT_TRUE(same_bits(fetch(cat(mirror(parts), dim)), cat(parts, dim)));
  }
}

TEST_F(CudaFill, WritesNumbersOfEveryKindIntoEveryDTypeAndLayout) {
  for (const DType dtype : kAllDTypes) {
    for (const Scalar value : {Scalar(0), Scalar(7), Scalar(0.75), Scalar(true), Scalar(-0.0)}) {
      for (const std::int64_t n : {1, 31, 33, 1023}) {
        EXPECT_TRUE(same_bits(fetch(full({n}, value, dtype, Device::cuda())), full({n}, value, dtype)));
      }
      for (const Tensor& layout : hop::testing::layouts(random_tensor({4, 8}, dtype, 1, 0, 9))) {
        const Tensor there = mirror(layout);
        fill_(there, value);
        EXPECT_TRUE(same_bits(fetch(there), full({4, 8}, value, dtype)));
      }
    }
  }
}

TEST_F(CudaFill, CountsInEveryDType) {
  for (const DType dtype : kAllDTypes) {
    for (const std::int64_t n : {1, 31, 33, 257}) {
      const std::int64_t values = dtype == DType::boolean ? 2 : dtype == DType::u8 ? 256 : n;
      if (n > values) continue;  // the dtype does not hold them
      EXPECT_TRUE(same_bits(fetch(arange(n, dtype, Device::cuda())), arange(n, dtype)));
    }
  }
}

TEST_F(CudaCopy, OfNothingDoesNothing) {
  EXPECT_EQ(clone(Tensor::empty({0, 3}, DType::f32, Device::cuda())).numel(), 0);
  EXPECT_EQ(zeros({4, 0}, DType::f32, Device::cuda()).numel(), 0);
}

}  // namespace
}  // namespace hop::kernels::cuda
