// Orders on the device: those of the CPU, for every dtype, for lines that one block sorts and for longer ones.
#include "kernels/sort.h"

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/copy.h"
#include "kernels/cuda/grid.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using CudaSort = OnDevice;

void check(const Tensor& x, std::int64_t dim = -1) {
  for (const bool descending : {false, true}) {
    SCOPED_TRACE(x.describe() + (descending ? " descending" : ""));
    const std::vector<Tensor> order =
        in_every_schedule([&] { return std::vector{argsort(on_device(x), dim, descending)}; });
    EXPECT_TRUE(same_bits(order.at(0), argsort(x, dim, descending)));
  }
}

// Few distinct values, so that many are equal: of these the first comes first.
TEST_F(CudaSort, IsTheStableOrderOfTheCpuForEveryDType) {
  for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean, DType::bf16}) {
    const Tensor x = dtype == DType::bf16 ? cast(random_tensor({3, 37, 2}, DType::f32, 1, 0, 6), dtype)
                                          : random_tensor({3, 37, 2}, dtype, 1, 0, 6);
    check(x, 1);
    check(x);
  }
}

// A power of two, one more and one less; 2,048 values are the longest line of a block, 2,048 are a tile of longer ones.
TEST_F(CudaSort, TakesLinesOfAnyLength) {
  for (const std::int64_t n : {1, 2, 3, 255, 256, 257, 2048, 2049, 4097}) check(random_tensor({2, n}, DType::f32, 1));
  for (const DType dtype : {DType::f64, DType::i64, DType::i32, DType::u8})
    check(random_tensor({2, 2100}, dtype, 1, 0, 200));
  EXPECT_EQ(argsort(on_device(random_tensor({2, 0, 3})), 1, false).shape(), (Shape{2, 0, 3}));
  EXPECT_EQ(values<std::int64_t>(on_host(argsort(on_device(random_tensor({})), 0, false))),
            std::vector<std::int64_t>{0});
}

TEST_F(CudaSort, OrdersSignsZerosInfinitiesAndNan) {
  const double nan = std::nan("");
  std::vector<double> line = {1, nan, HUGE_VAL, -HUGE_VAL, -nan, 0, -0.0, 0, -1, -1e-300, 1e300, -2, nan};
  check(Tensor::from<double>(line, {13}));
  check(cast(Tensor::from<double>(line, {13}), DType::f32));
  while (line.size() < 2100) line.push_back(line[line.size() % 13]);
  check(Tensor::from<double>(line, {2100}));
  check(Tensor::from<std::int64_t>({5, INT64_MIN, -1, INT64_MAX, 0, -1}, {6}));
  check(Tensor::from<std::int32_t>({5, INT32_MIN, -1, INT32_MAX, 0, -1}, {6}));
}

TEST_F(CudaSort, OfManyLinesTakesSeveralPerBlock) {
  const std::int64_t before = std::exchange(max_blocks, 2);
  check(random_tensor({7, 33}, DType::f32, 1));
  check(random_tensor({5, 2100}, DType::f32, 1));
  check(random_tensor({5, 2100}, DType::boolean, 1, 0, 6));
  max_blocks = before;
}

}  // namespace
}  // namespace hop::kernels::cuda
