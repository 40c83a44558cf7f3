// Indices, writes at positions, sorting, counting and resizing: gradients by the judgement of op_case.h, repeated
// positions, sizes of zero, what is written in place, and the texts of errors. (tests/nn/golden_comfort_test.cpp
// compares them with PyTorch.)
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <sstream>

#include "autograd/checkpoint.h"
#include "kernels/capture.h"
#include "tests/autograd/op_case.h"

namespace hop::autograd {
namespace {

Tensor indices(std::initializer_list<std::int64_t> values, const Shape& shape) {
  return Tensor::from<std::int64_t>(values, shape);
}

const std::vector<OpCase>& cases() {
  using Xs = const std::vector<Tensor>&;
  static const std::vector<OpCase> kCases = {
      {"index_view",
       {{{3, 4, 2}}},
       [](Xs x) {
         return x[0][{Slice(1), None, Ellipsis, -1}];
       }},
      {"index_positions",
       {{{3, 4}}},
       [](Xs x) {
         return x[0][indices({2, 0, 2}, {3})];
       }},
      {"index_apart",
       {{{3, 2, 4}}},
       [](Xs x) {
         return x[0][{indices({2, -1}, {2}), Slice(), indices({0, 3}, {2})}];
       }},
      {"index_mask",
       {{{2, 3}}},
       [](Xs x) {
         return x[0][Tensor::from<bool>({true, false, true, true, false, false}, {2, 3})];
       }},
      {"index_put",
       {{{3, 4}}, {{2, 4}}},
       [](Xs x) {
         return index_put(x[0], indices({2, 0}, {2}), x[1]);
       }},
      {"index_put_repeated",
       {{{3}}, {{4}}},
       [](Xs x) {
         return index_put(x[0], indices({1, 1, 0, 1}, {4}), x[1]);
       }},
      {"index_put_number",
       {{{3, 4}}},
       [](Xs x) {
         return index_put(x[0], {Slice(), 1}, 0.5);
       }},
      {"index_put_accumulate",
       {{{3}}, {{4}}},
       [](Xs x) {
         return index_put(x[0], indices({1, 1, 0, 1}, {4}), x[1], true);
       }},
      {"scatter",
       {{{3, 4}}, {{2, 5}}},
       [](Xs x) {
         return scatter(x[0], 1, indices({3, 0, 1, 1, 2, 1}, {2, 3}), x[1]);
       }},
      {"scatter_add",
       {{{3, 4}}, {{2, 5}}},
       [](Xs x) {
         return scatter_add(x[0], 1, indices({3, 0, 1, 1, 2, 1}, {2, 3}), x[1]);
       }},
      {"index_add",
       {{{3, 4}}, {{3, 2}}},
       [](Xs x) {
         return index_add(x[0], 1, indices({3, 3}, {2}), x[1], 0.5);
       }},
      {"index_copy",
       {{{3, 4}}, {{2, 4}}},
       [](Xs x) {
         return index_copy(x[0], 0, indices({1, 2}, {2}), x[1]);
       }},
      {"index_fill",
       {{{3, 4}}},
       [](Xs x) {
         return index_fill(x[0], 1, indices({1, 2}, {2}), 2);
       }},
      {"sort", {{{3, 5}}}, [](Xs x) { return sort(x[0], 0, true).values; }},
      {"topk", {{{3, 5}}}, [](Xs x) { return topk(x[0], 2).values; }},
      {"kthvalue", {{{3, 5}}}, [](Xs x) { return kthvalue(x[0], 2, 0).values; }},
      {"median", {{{3, 5}}}, [](Xs x) { return median(x[0]); }},
      {"cumprod", {{{2, 5}}}, [](Xs x) { return cumprod(x[0], 1); }},
      {"logaddexp", {{{3, 5}}, {{5}}}, [](Xs x) { return logaddexp(x[0], x[1]); }},
      {"logaddexp_tie", {{{3}}}, [](Xs x) { return logaddexp(x[0], x[0] * 1.0); }},
      {"clamp_tensors", {{{3, 5}}, {{5}}, {{3, 1}}}, [](Xs x) { return clamp(x[0], x[1], x[2]); }},
      {"interpolate_nearest",
       {{{1, 2, 3, 2}}},
       [](Xs x) {
         return interpolate(x[0], {.size = {4, 5}});
       }},
      {"interpolate_bilinear",
       {{{1, 2, 3, 2}}},
       [](Xs x) {
         return interpolate(x[0], {.size = {4, 5}, .mode = InterpolateMode::bilinear});
       }},
  };
  return kCases;
}

class Parts : public ::testing::TestWithParam<OpCase> {};

TEST_P(Parts, PassesTheChecks) { judge(GetParam()); }

INSTANTIATE_TEST_SUITE_P(All, Parts, ::testing::ValuesIn(cases()), [](const auto& test) { return test.param.name; });

using Values = std::vector<double>;

TEST(Index, GivesViewsWithoutTensors) {
  const Tensor x = random_tensor({4, 3}, 1);
  EXPECT_EQ(x[1].data<double>(), x.data<double>() + 3);
  const Tensor part = x[{Slice(1, 3), 0}];
  fill_(part, 7);
  EXPECT_EQ(values(x[{1, 0}]), Values{7});
  EXPECT_EQ(values(x[{2, 0}]), Values{7});
  EXPECT_EQ(x[{}].shape(), x.shape());
  EXPECT_EQ((x[{None, Ellipsis, None}].shape()), (Shape{1, 4, 3, 1}));
  EXPECT_EQ(x[Slice(None, None, 2)].shape(), (Shape{2, 3}));
  EXPECT_EQ(x[Slice(5)].shape(), (Shape{0, 3}));
}

TEST(Index, NamesWhatIsWrong) {
  const Tensor x = random_tensor({4, 3}, 1);
  EXPECT_TRUE(
      throws<IndexError>([&] { x[4]; }, "[index] expected positions in -4..3 for dimension 0 of size 4, got 4"));
  EXPECT_TRUE(throws<IndexError>(
      [&] {
        x[{0, 1, 2}];
      },
      "[index] expected at most 2 indices for f64 (4, 3) on cpu, got 3"));
  EXPECT_TRUE(throws<IndexError>([&] { x[indices({0, -5}, {2})]; }, "got -5"));
  EXPECT_TRUE(throws<IndexError>([&] { x[{Ellipsis, Ellipsis}]; }, "at most one Ellipsis, got 2"));
  EXPECT_TRUE(throws<IndexError>([&] { x[zeros({3}, DType::boolean)]; },
                                 "[index] expected a mask whose dimension 0 has size 4, got bool (3) on cpu"));
  EXPECT_TRUE(throws<DtypeError>([&] { x[zeros({3})]; },
                                 "[index] expected positions (i64, i32) or a mask (bool), got f32 (3) on cpu"));
  EXPECT_TRUE(throws<ShapeError>([&] { x[{zeros({3}, DType::i64), zeros({2}, DType::i64)}]; }, "do not broadcast"));
  EXPECT_TRUE(throws<DtypeError>([&] { index_put(x, 0, zeros({3})); }, "[index_put] expected values of f64, got f32"));
}

TEST(IndexPut, TakesTheLastOfSeveralValues) {
  const Tensor x = leaf({0, 0, 0}, {3});
  const Tensor y = leaf({1, 2, 3, 4, 5}, {5});
  const Tensor z = index_put(x, indices({2, 0, 2, 2, 0}, {5}), y);
  EXPECT_EQ(values(z), (Values{5, 0, 4}));
  backward(sum(z));
  EXPECT_EQ(values(y.grad()), (Values{0, 0, 0, 1, 1}));
  EXPECT_EQ(values(x.grad()), (Values{0, 1, 0}));
}

// The search for the last value goes bit by bit: numbers of values around powers of two.
TEST(IndexPut, FindsTheLastAmongAnyNumberOfValues) {
  for (const std::int64_t n : {1, 2, 3, 4, 5, 7, 8, 9, 31, 33}) {
    const Tensor at = remainder(arange(n) * 7, 3);
    std::vector<double> wanted(3, -1);
    for (std::int64_t i = 0; i < n; ++i) wanted[static_cast<std::size_t>(i * 7 % 3)] = static_cast<double>(i);
    const Tensor z = index_put(full({3}, -1.0, DType::f64), at, to(arange(n), DType::f64));
    EXPECT_EQ(values(z), wanted) << n;
  }
}

TEST(IndexPut, WritesInPlaceWhatTheOtherWritesInACopy) {
  for (const Indices& at : {Indices{0, Slice(1, 3)}, Indices(indices({2, 0}, {2})), Indices(indices({1}, {}))}) {
    const Tensor x = random_tensor({3, 4}, 1), before = clone(x);
    const Tensor wanted = index_put(x, at, 2.5);
    EXPECT_EQ(values(x), values(before));
    const std::uint32_t written = x.version();
    EXPECT_TRUE(index_put_(x, at, 2.5).is_same(x));
    EXPECT_EQ(values(x), values(wanted));
    EXPECT_GT(x.version(), written);
  }
  const Tensor x = f64({1, 2, 3}, {3});
  index_put_(x, Slice(1), f64({10, 20}, {2}), true);
  index_put_(x, indices({0, 0}, {2}), 100, true);
  EXPECT_EQ(values(x), (Values{201, 12, 23}));
  const Tensor recorded = leaf({1, 2}, {2});
  EXPECT_TRUE(throws<AutogradError>([&] { index_put_(recorded, 0, 1); }, "writes in place are not recorded"));
}

TEST(IndexPut, TakesPositionsWithoutElements) {
  const Tensor x = leaf({1, 2}, {2});
  const Tensor none = zeros({0}, DType::i64);
  EXPECT_EQ(values(index_put(x, none, 5)), (Values{1, 2}));
  EXPECT_EQ(values(scatter(x, 0, none, zeros({0}, DType::f64))), (Values{1, 2}));
  EXPECT_EQ(x[none].shape(), (Shape{0}));
  EXPECT_EQ(index_put(zeros({0, 3}), Slice(), 1).shape(), (Shape{0, 3}));
}

TEST(Inplace, OperatorsWriteThroughEveryHandle) {
  Tensor x = f64({1, 2, 3, 4}, {2, 2});
  const Tensor alias = x, row = x[1];
  x += 1;
  x -= f64({1, 2}, {2});
  x *= 2;
  x /= f64({2, 4}, {2});
  EXPECT_EQ(values(alias), (Values{1, 0.5, 3, 1.5}));
  EXPECT_EQ(values(row), (Values{3, 1.5}));
  Tensor n = indices({1, 2}, {2});
  EXPECT_TRUE(throws<DtypeError>([&] { n /= 2; }, "[div_] expected an operand that leaves the result in i64"));
  EXPECT_TRUE(throws<DtypeError>([&] { sub_(n, n, 0.5); }, "[sub_] expected an integer alpha"));
  Tensor w = leaf({1}, {1});
  EXPECT_TRUE(throws<AutogradError>([&] { w += 1; }, "write under NoGradGuard"));
}

TEST(Sort, KeepsTheOrderOfEqualValuesInEveryLayout) {
  const Tensor x = transpose(f64({1, 0, 0, 1, 1, 2}, {3, 2}), 0, 1);  // rows 1 0 1, 0 1 2
  const Sorted sorted = sort(x, 1, true);
  EXPECT_EQ(values(sorted.values), (Values{1, 1, 0, 2, 1, 0}));
  EXPECT_EQ(values(sorted.indices), (Values{0, 2, 1, 2, 1, 0}));
  EXPECT_EQ(sorted.indices.dtype(), DType::i64);
}

TEST(Sort, NamesWhatIsWrong) {
  const Tensor x = random_tensor({2, 3}, 1);
  EXPECT_TRUE(throws<IndexError>([&] { sort(x, 2); }, "[sort]"));
  EXPECT_TRUE(throws<ShapeError>([&] { topk(x, 4); }, "[topk] expected k in 0..3, got 4"));
  EXPECT_TRUE(throws<ShapeError>([&] { kthvalue(x, 0); }, "[kthvalue] expected k in 1..3, got 0"));
  EXPECT_TRUE(throws<ShapeError>([&] { median(zeros({0})); }, "[median] expected at least one value, got f32 (0)"));
}

TEST(Counting, NamesWhatIsWrong) {
  EXPECT_TRUE(throws<DtypeError>([] { bincount(zeros({2})); }, "[bincount] expected integers, got f32 (2) on cpu"));
  EXPECT_TRUE(throws<IndexError>([] { bincount(indices({1, -2}, {2})); }, "expected values of at least 0, got -2"));
  EXPECT_TRUE(throws<ConfigError>([] { histc(zeros({2}), 0); }, "[histc] expected at least 1 bin, got 0"));
  EXPECT_TRUE(throws<ConfigError>([] { histc(full({2}, NAN)); }, "[histc] expected finite bounds"));
  EXPECT_TRUE(throws<ConfigError>(
      [] {
        interpolate(zeros({1, 1, 2}), {});
      },
      "either size or scale_factor, got neither"));
  EXPECT_TRUE(throws<ShapeError>(
      [] {
        interpolate(zeros({1, 1, 2}), {.size = {2}, .mode = InterpolateMode::bilinear});
      },
      "with 2 spatial dimensions for this mode, got f32 (1, 1, 2) on cpu"));
}

// Shapes that depend on values are refused; the rest is replayed for other values.
TEST(Parts, AreCapturedWhereNoShapeDependsOnValues) {
  const auto work = [](std::span<const Tensor> x) {
    const Sorted sorted = sort(x[0], 0, true);
    return std::vector<Tensor>{sorted.values, sorted.indices, index_put(x[0], x[1], x[2]), x[0][x[1]],
                               interpolate(reshape(x[0], {1, 1, 4}), {.size = {6}, .mode = InterpolateMode::linear})};
  };
  CapturedFunction captured(work, {.warm_up = 0});
  for (const std::int64_t shift : {0, 1, 2, 3}) {
    const Tensor arguments[] = {roll(f64({3, 1, 2, 0}, {4}), {shift}), remainder(arange(5) + shift, 3) - 1,
                                f64({10, 20, 30, 40, 50}, {5})};
    const std::vector<Tensor> expected = work(arguments), got = captured(arguments);
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_EQ(values(got[i]), values(expected[i])) << shift << " " << i;
  }
  const auto refused = [](const auto& f) {
    return throws<StateError>([&] { static_cast<void>(capture([&] { f(); })); }, "capture");
  };
  const Tensor x = f64({1, 2}, {2});
  Generator generator(1);
  EXPECT_TRUE(refused([&] { unique(x); }));
  EXPECT_TRUE(refused([&] { histc(x); }));
  EXPECT_TRUE(refused([&] { multinomial(x, 1, true, RandomAddress{}); }));
  EXPECT_TRUE(refused([&] { generator.next(); }));
  EXPECT_TRUE(refused([&] { to_string(x); }));
  EXPECT_EQ(generator.draws(), 0U);
}

TEST(Random, AGeneratorGivesItsNumbersInOrder) {
  Generator generator(7), again(7), other(8);
  const Tensor a = rand({5}, generator), b = rand({5}, generator);
  EXPECT_NE(values(a), values(b));
  EXPECT_EQ(values(rand({5}, again)), values(a));
  Generator copy = again;
  EXPECT_EQ(values(rand({5}, copy)), values(b));
  EXPECT_EQ(values(rand({5}, again)), values(b));
  EXPECT_NE(values(rand({5}, other)), values(a));
  EXPECT_EQ(generator.draws(), 2U);
  EXPECT_EQ(generator.seed(), 7U);
}

TEST(Random, AGeneratorDrawsTheSameInTheSecondRunOfACheckpoint) {
  Generator generator(1);
  const Tensor x = random_leaf({64}, 1);
  const Tensor y = checkpoint([&](const Tensor& v) { return dropout(v, 0.5, generator); }, x);
  backward(sum(y));
  EXPECT_EQ(values(x.grad() * x.detach()), values(y));
  EXPECT_EQ(generator.draws(), 1U);
}

TEST(Random, MultinomialFollowsItsWeights) {
  Generator generator(3);
  const Tensor weights = Tensor::from<float>({0, 1, 3, 0}, {4});
  const Tensor counts = bincount(multinomial(weights, 8000, true, generator), {}, 4);
  const Values n = values(counts);
  EXPECT_EQ(n[0] + n[3], 0);
  EXPECT_NEAR(n[2], 6000, 200);  // five standard deviations
  const Tensor rows = expand(Tensor::from<float>({0, 1, 3, 2}, {4}), {200, 4});
  const Tensor drawn = multinomial(rows, 3, false, generator);
  EXPECT_EQ(drawn.shape(), (Shape{200, 3}));
  EXPECT_EQ(values(sort(drawn, 1).values), values(contiguous(expand(indices({1, 2, 3}, {3}), {200, 3}))));
  const Values first = values(drawn[{Slice(), 0}]);
  EXPECT_NEAR(static_cast<double>(std::count(first.begin(), first.end(), 2.0)), 100, 36);  // five again
  EXPECT_TRUE(throws<ConfigError>([&] { multinomial(weights, 3, false, generator); },
                                  "[multinomial] expected at least 3 positive weights in each row, got 2"));
  EXPECT_TRUE(throws<ConfigError>([&] { multinomial(-weights, 1, true, generator); }, "finite weights of at least 0"));
  const Tensor tiny = f64({0, std::numeric_limits<double>::denorm_min(), 1, 0}, {4});
  EXPECT_EQ(values(multinomial(expand(tiny, {50, 4}), 2, false, generator)),
            values(contiguous(expand(indices({2, 1}, {2}), {50, 2}))));
  EXPECT_TRUE(throws<ConfigError>(
      [&] {
        multinomial(f64({1e308, 1e308, 0}, {3}), 1, true, generator);
      },
      "a finite sum"));
}

TEST(Print, GoesToStreams) {
  std::ostringstream out;
  out << f64({1, 2.5}, {2}) << " " << Shape{2, 3};
  EXPECT_EQ(out.str(), "tensor([1.0000, 2.5000], dtype=torch.float64) (2, 3)");
}

TEST(Copy, ToItsOwnDeviceIsTheTensorItself) {
  const Tensor x = leaf({1, 2}, {2});
  EXPECT_TRUE(to(x, Device::cpu()).is_same(x));
  EXPECT_EQ(zeros({2}, DType::i32).dtype(), DType::i32);
  EXPECT_EQ(values(full({2}, 3, DType::u8)), (Values{3, 3}));
  EXPECT_EQ(ones({1}, DType::boolean).dtype(), DType::boolean);
}

}  // namespace
}  // namespace hop::autograd
