// The fused update of averages against the tensor operations that it stands for, bit for bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "kernels/average_rules.h"
#include "kernels/copy.h"
#include "kernels/cpu/optimizer_internal.h"
#include "kernels/elementwise.h"
#include "kernels/optimizer.h"
#include "tests/kernels/layouts.h"

namespace hop {
namespace {

using kernels::AverageRule;
using kernels::UpdateSegment;
using kernels::rules::EqualAverage;
using kernels::rules::ExponentialAverage;

std::vector<AverageRule> rules() {
  std::vector<AverageRule> all = {EqualAverage{}};
  for (const double decay : {0.0, 0.3, 0.5, 0.9, 0.999, 1.0}) all.emplace_back(ExponentialAverage{.decay = decay});
  return all;
}

/// The average after its n-th value, by an operation for each sign of the formula.
Tensor composed(const AverageRule& rule, const Tensor& average, const Tensor& value, int n) {
  if (n == 1) return kernels::clone(value);
  const Tensor difference = kernels::sub(value, average);
  const auto* const exponential = std::get_if<ExponentialAverage>(&rule);
  if (exponential == nullptr) {
    const double number = n;
    return kernels::add(average, kernels::div(difference, kernels::full({}, number, DType::f64)));
  }
  const double weight = 1 - exponential->decay;
  if (weight < 0.5) return kernels::add(average, kernels::mul(difference, weight));
  return kernels::sub(value, kernels::mul(difference, 1 - weight));
}

/// Values of which some are not finite.
Tensor value(std::int64_t size, DType dtype, int n) {
  const Tensor x = testing::random_tensor({size}, dtype, static_cast<std::uint64_t>(n));
  const auto put = [&](std::int64_t i, double number) {
    if (i < size) kernels::fill_(x.as_strided({}, {}, i), number);
  };
  put(2, std::numeric_limits<double>::infinity());
  if (n == 2) put(3, NAN);
  put(5, -0.0);
  put(6, 1e-42 * n);
  return x;
}

struct Averaged {
  Tensor average, count = kernels::zeros({}, DType::i64);

  void take(const AverageRule& rule, const Tensor& value, const Tensor& stop = {}) const {
    kernels::update_averages(rule, std::vector{UpdateSegment{average, value}}, {.step = count, .stop = stop});
  }
};

TEST(UpdateAverages, HasTheBitsOfTheOperationsOneByOne) {
  for (const int threads : {1, 2}) {
    const testing::ComputeThreads scope(threads);
    for (const AverageRule& rule : rules()) {
      for (const DType dtype : {DType::f32, DType::f64}) {
        for (const std::int64_t size : {0, 1, 7, 8, 17, 1023, 40001}) {
          const Averaged fused{testing::shifted(kernels::full({size}, NAN, dtype), size % 4)};
          Tensor expected = fused.average;
          for (int n = 1; n <= 4; ++n) {
            const Tensor now = value(size, dtype, n);
            expected = composed(rule, expected, now, n);
            fused.take(rule, testing::shifted(now, size % 3));
            ASSERT_TRUE(testing::same_bits(fused.average, expected)) << rule.index() << " " << size << " " << n;
          }
          EXPECT_EQ(fused.count.item<std::int64_t>(), 4);
        }
      }
    }
  }
}

/// The average after its n-th value, by the loop of an instruction set.
Tensor by_loop(kernels::Isa isa, const AverageRule& rule, const Tensor& average, const Tensor& value, int n) {
  const Tensor x = kernels::clone(average);
  const kernels::UpdateLoops loops =
      isa == kernels::Isa::v4 ? kernels::v4::average_loops(rule.index()) : kernels::v3::average_loops(rule.index());
  std::byte* const arrays[] = {x.raw_data(), value.raw_data()};
  std::visit(
      [&](const auto& r) {
        const auto in_f32 = r.template constants<float>({.number = n});
        const auto in_f64 = r.template constants<double>({.number = n});
        x.dtype() == DType::f32 ? loops.in_f32(&in_f32, arrays, x.numel()) : loops.in_f64(&in_f64, arrays, x.numel());
      },
      rule);
  return x;
}

TEST(UpdateAverages, HasTheSameBitsWithEachInstructionSet) {
  std::vector<kernels::Isa> isas = {kernels::Isa::v3};
  if (kernels::current_isa() == kernels::Isa::v4) isas.push_back(kernels::Isa::v4);
  for (const AverageRule& rule : rules()) {
    for (const DType dtype : {DType::f32, DType::f64}) {
      for (const std::int64_t size : {0, 1, 7, 37}) {
        for (const int n : {1, 2, 7}) {
          const Tensor average = value(size, dtype, 11), now = value(size, dtype, n);
          for (const kernels::Isa isa : isas) {
            EXPECT_TRUE(testing::same_bits(by_loop(isa, rule, average, now, n), composed(rule, average, now, n)))
                << rule.index() << " " << size << " " << n << " v" << (isa == kernels::Isa::v4 ? 4 : 3);
          }
        }
      }
    }
  }
}

// The constants of a step are made once for neighbours of one dtype.
TEST(UpdateAverages, TakesFloatsAndDoublesOfAllShapesTogether) {
  for (const AverageRule& rule : rules()) {
    std::vector<UpdateSegment> segments;
    for (const DType dtype : {DType::f32, DType::f64, DType::f32}) {
      for (const Shape& shape : {Shape{2, 3}, Shape{5}, Shape{1}})
        segments.push_back({.parameter = testing::random_tensor(shape, dtype, 20 + segments.size()),
                            .gradient = testing::random_tensor(shape, dtype, 40 + segments.size())});
    }
    std::vector<Tensor> expected;
    for (const UpdateSegment& s : segments) expected.push_back(composed(rule, s.parameter, s.gradient, 3));
    const Tensor count = kernels::full({}, std::int64_t{2}, DType::i64);
    kernels::update_averages(rule, segments, {.step = count});
    for (std::size_t i = 0; i < segments.size(); ++i)
      EXPECT_TRUE(testing::same_bits(segments[i].parameter, expected[i])) << rule.index() << " " << i;
  }
}

TEST(UpdateAverages, ChangesNothingWhileTheStopFlagIsSet) {
  const Averaged averaged{kernels::full({3}, 2)};
  const Tensor ones = kernels::full({3}, 1), stop = kernels::full({}, 1, DType::f64);
  averaged.take(EqualAverage{}, ones, stop);
  EXPECT_THAT(testing::values<float>(averaged.average), ::testing::Each(2));
  EXPECT_EQ(averaged.count.item<std::int64_t>(), 0);
  kernels::fill_(stop, 0);
  averaged.take(EqualAverage{}, ones, stop);
  EXPECT_THAT(testing::values<float>(averaged.average), ::testing::Each(1));
  EXPECT_EQ(averaged.count.item<std::int64_t>(), 1);
}

TEST(UpdateAverages, CountsAndTellsThatTensorsChanged) {
  const Averaged averaged{kernels::zeros({3})};
  const std::uint64_t before = averaged.average.version(), count_before = averaged.count.version();
  averaged.take(ExponentialAverage{.decay = 0.5}, kernels::zeros({3}));
  EXPECT_GT(averaged.average.version(), before);
  EXPECT_GT(averaged.count.version(), count_before);
  kernels::update_averages(EqualAverage{}, {}, {.step = averaged.count});
  EXPECT_EQ(averaged.count.item<std::int64_t>(), 2) << "without averages";
}

TEST(UpdateAverages, RefusesOtherShapesDtypesAndStrides) {
  const Tensor four = kernels::zeros({4}), three = kernels::zeros({3}), f64 = kernels::zeros({4}, DType::f64);
  const auto take = [](const Tensor& average, const Tensor& value) { Averaged{average}.take(EqualAverage{}, value); };
  EXPECT_EQ(testing::error_of<ShapeError>([&] { take(four, three); }),
            "[update_averages] expected value of shape (4), got (3)");
  EXPECT_THROW(take(four, f64), DtypeError);
  EXPECT_THROW(take(kernels::zeros({4}, DType::i64), kernels::zeros({4}, DType::i64)), DtypeError);
  EXPECT_THROW(take(kernels::zeros({8}).as_strided({4}, {2}, 0), four), ShapeError);
  EXPECT_EQ(testing::error_of<ShapeError>([&] {
              kernels::update_averages(EqualAverage{}, std::vector{UpdateSegment{four, four, std::vector{four}}},
                                       {.step = kernels::zeros({}, DType::i64)});
            }),
            "[update_averages] expected 0 slots, got 1");
  EXPECT_THROW(kernels::update_averages(EqualAverage{}, {}, {.step = f64}), DtypeError);
}

}  // namespace
}  // namespace hop
