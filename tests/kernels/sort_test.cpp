// Orders along one dimension, in every layout, for every dtype and number of threads.
#include "kernels/sort.h"

#include <cmath>

#include "base/error.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

using testing::random_tensor;
using testing::values;

using Order = std::vector<std::int64_t>;

/// The order of one line by insertion: each value goes behind those that it does not come before.
Order insertion_order(const std::vector<double>& line, bool descending) {
  const auto rank = [&](double x) { return std::isnan(x) ? HUGE_VAL : x; };
  const auto is_before = [&](double a, double b) {
    if (std::isnan(a) != std::isnan(b)) return std::isnan(a) == descending;
    return descending ? rank(a) > rank(b) : rank(a) < rank(b);
  };
  Order order;
  for (std::size_t i = 0; i < line.size(); ++i) {
    auto place = order.end();
    while (place != order.begin() && is_before(line[i], line[static_cast<std::size_t>(place[-1])])) --place;
    order.insert(place, static_cast<std::int64_t>(i));
  }
  return order;
}

TEST(Argsort, IsTheStableOrderOfEachLineForEveryDTypeAndLayout) {
  for (const DType dtype : {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::boolean}) {
    const Tensor x = random_tensor({3, 17, 2}, dtype, 1, 0, 6);
    for (const bool descending : {false, true}) {
      const Order got = values<std::int64_t>(kernels::argsort(x, 1, descending));
      const std::vector<double> all = values<double>(x);
      for (std::size_t line = 0; line < 6; ++line) {
        const std::size_t start = line / 2 * 34 + line % 2;
        std::vector<double> numbers;
        Order order;
        for (std::size_t i = 0; i < 17; ++i) {
          numbers.push_back(all[start + 2 * i]);
          order.push_back(got[start + 2 * i]);
        }
        EXPECT_EQ(order, insertion_order(numbers, descending)) << name(dtype) << " line " << line;
      }
      for (const Tensor& other : testing::layouts(x))
        EXPECT_EQ(values<std::int64_t>(kernels::argsort(other, -2, descending)), got) << name(dtype);
    }
  }
}

TEST(Argsort, CountsNanAsTheLargestValue) {
  const std::vector<double> line = {1, std::nan(""), HUGE_VAL, -HUGE_VAL, std::nan(""), 0, -0.0};
  const Tensor x = Tensor::from<double>(line, {7});
  EXPECT_EQ(values<std::int64_t>(kernels::argsort(x, 0, false)), (Order{3, 5, 6, 0, 2, 1, 4}));
  EXPECT_EQ(values<std::int64_t>(kernels::argsort(x, 0, true)), (Order{1, 4, 2, 0, 5, 6, 3}));
  for (const bool descending : {false, true})
    EXPECT_EQ(values<std::int64_t>(kernels::argsort(x, 0, descending)), insertion_order(line, descending));
}

TEST(Argsort, IsTheSameForEveryNumberOfThreads) {
  const Tensor x = random_tensor({300, 1000}, DType::i32, 1, 0, 50);
  const Order alone = values<std::int64_t>(kernels::argsort(x, 1, true));
  const testing::ComputeThreads two(2);
  EXPECT_EQ(values<std::int64_t>(kernels::argsort(x, 1, true)), alone);
}

TEST(Argsort, TakesLinesOfAnyLength) {
  EXPECT_EQ(values<std::int64_t>(kernels::argsort(random_tensor({}), 0, false)), Order{0});
  EXPECT_EQ(values<std::int64_t>(kernels::argsort(random_tensor({3, 1}), 1, false)), (Order{0, 0, 0}));
  EXPECT_EQ(kernels::argsort(random_tensor({2, 0, 3}), 1, false).shape(), (Shape{2, 0, 3}));
  EXPECT_EQ(kernels::argsort(random_tensor({2, 0, 3}), 2, false).shape(), (Shape{2, 0, 3}));
  EXPECT_THROW(kernels::argsort(random_tensor({2, 3}), 2, false), IndexError);
}

}  // namespace
}  // namespace hop
