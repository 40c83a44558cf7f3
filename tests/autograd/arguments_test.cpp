// Arguments that few calls give: gradients, plain numbers for lists, errors, zero sizes, 16 bits, captured steps.
// (tests/nn/golden_arguments_test.cpp compares values with PyTorch.)
// Long because it has a test for each of these arguments.
#include <cmath>
#include <limits>
#include <type_traits>

#include "autograd/generator.h"
#include "kernels/capture.h"
#include "tests/autograd/op_case.h"

namespace hop::autograd {
namespace {

Tensor integers(std::initializer_list<std::int64_t> values) {
  return Tensor::from<std::int64_t>(values, {static_cast<std::int64_t>(values.size())});
}

// A number that could be meant in two ways does not compile.
template <class Number>
concept IsTakenForAShape = requires(Number n, RandomAddress address) {
  randint(2, n, address);
};
static_assert(!IsTakenForAShape<int>);
static_assert(IsTakenForAShape<Shape>);
template <class Number>
concept EqualsAShape = requires(Number n, const Shape& shape) {
  shape == n;
};
static_assert(!EqualsAShape<int> && !EqualsAShape<std::size_t>);
static_assert(EqualsAShape<Shape>);

const std::vector<OpCase>& cases() {
  using Xs = const std::vector<Tensor>&;
  static const std::vector<OpCase> kCases = {
      {"max_with_indices", {{{3, 5}}}, [](Xs x) { return square(max(x[0], 1).values); }},
      {"min_with_indices", {{{3, 5, 2}}}, [](Xs x) { return square(min(x[0], 0, true).values); }},
      {"squeeze_all", {{{1, 3, 1}}}, [](Xs x) { return square(squeeze(x[0])); }},
      {"squeeze_dims",
       {{{1, 3, 1, 2}}},
       [](Xs x) {
         return square(squeeze(x[0], {2, 1, 0}));
       }},
      {"gelu_tanh", {{{3, 4}}}, [](Xs x) { return gelu(x[0], GeluApproximate::tanh); }},
      {"add_alpha", {{{2, 3}}, {{3}}}, [](Xs x) { return square(add(x[0], x[1], -1.5)); }},
      {"sub_alpha", {{{2, 3}}, {{2, 1}}}, [](Xs x) { return square(sub(x[0], x[1], 2)); }},
      {"einsum_ellipsis",
       {{{2, 1, 3}}, {{4, 3, 2}}},
       [](Xs x) {
         return einsum("...i,...ij->j...", {x[0], x[1]});
       }},
      {"einsum_ellipsis_summed", {{{2, 3, 3}}}, [](Xs x) { return square(einsum("...i->i", {x[0]})); }},
      {"gather_scalar",
       {{{}}},
       [](Xs x) {
         return square(gather(x[0], 0, integers({0, 0, 0})));
       }},
      {"index_select_scalar_index",
       {{{2, 3}}},
       [](Xs x) { return square(index_select(x[0], 1, zeros({}, DType::i64))); }},
      {"scatter_add_scalar",
       {{{}}, {{3}}},
       [](Xs x) {
         return square(scatter_add(x[0], 0, integers({0, 0}), x[1]));
       }},
      {"index_add_scalar",
       {{{}}, {{}}},
       [](Xs x) { return square(index_add(x[0], -1, zeros({}, DType::i64), x[1], 3)); }},
      {"index_fill_tensor",
       {{{3, 2}}, {{}}},
       [](Xs x) {
         return square(index_fill(x[0], 0, integers({2, 0, 2}), x[1]));
       }},
      {"repeats",
       {{{3, 4}}},
       [](Xs x) {
         return square(repeat_interleave(x[0], integers({2, 0, 1}), 0));
       }},
      {"var_fraction", {{{3, 4}}}, [](Xs x) { return var(x[0], 1, 0.5); }},
      {"std_fraction",
       {{{3, 4}}},
       [](Xs x) {
         return hop::std(x[0], {0, 1}, 1.75, true);
       }},
      {"gaussian_nll_broadcast",
       {{{3, 4}}, {{4}}, {{3, 4}, {0.5, 2, false}}},
       [](Xs x) { return gaussian_nll_loss(x[0], x[1], x[2], {.reduction = Reduction::none}); }},
  };
  return kCases;
}

class Arguments : public ::testing::TestWithParam<OpCase> {};
TEST_P(Arguments, HaveTheGradientsOfTheirDefinition) { judge(GetParam()); }
INSTANTIATE_TEST_SUITE_P(All, Arguments, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

// ---- numbers for lists

static_assert(std::is_convertible_v<int, Dims> && std::is_convertible_v<std::int64_t, Shape>);
static_assert(!std::is_convertible_v<bool, Dims> && !std::is_convertible_v<double, Dims>);
static_assert(std::is_same_v<decltype(max(Tensor(), 1)), Sorted> &&
              std::is_same_v<decltype(max(Tensor(), {1})), Tensor>);
static_assert(std::is_same_v<decltype(min(Tensor())), Tensor> &&
              std::is_same_v<decltype(min(Tensor(), Dims(1))), Tensor>);

TEST(NumbersForLists, AreTheListsOfThatNumber) {
  const Tensor x = random_tensor({2, 3, 4}, 1);
  const std::int64_t one = 1;
  EXPECT_TRUE(same_bits(sum(x, 1), sum(x, {1})));
  EXPECT_TRUE(same_bits(sum(x, one, true), sum(x, {1}, true)));
  EXPECT_TRUE(same_bits(mean(x, -1), mean(x, {-1})));
  EXPECT_TRUE(same_bits(var(x, 0), var(x, {0})));
  EXPECT_TRUE(same_bits(hop::std(x, 2, 0), hop::std(x, {2}, 0)));
  EXPECT_TRUE(same_bits(logsumexp(x, 1), logsumexp(x, {1})));
  EXPECT_TRUE(same_bits(norm(x, 2, 1), norm(x, 2, {1})));
  EXPECT_TRUE(same_bits(any(x > 0, 0), any(x > 0, {0})));
  EXPECT_TRUE(same_bits(all(x > 0, 0), all(x > 0, {0})));
  EXPECT_TRUE(same_bits(flip(x, 0), flip(x, {0})));
  EXPECT_TRUE(same_bits(roll(x, 1, 0), roll(x, {1}, {0})));
  EXPECT_TRUE(same_bits(reshape(x, -1), reshape(x, {24})));
  EXPECT_TRUE(same_bits(squeeze(unsqueeze(x, 1), 1), x));
  EXPECT_EQ(zeros(3).shape(), (Shape{3}));
}

TEST(NumbersForLists, LeaveListsAsTheyAre) {
  const Tensor x = random_tensor({2, 3}, 1);
  EXPECT_EQ(sum(x, {}).shape(), Shape());
  EXPECT_EQ(zeros({2, 2}).shape().size(), 2);
  EXPECT_EQ(zeros({}).shape().size(), 0);
  EXPECT_EQ(ones({5}).shape(), Shape(5));
}

TEST(Squeeze, OfDimensionsIsAView) {
  const Tensor x = random_tensor({1, 3, 1}, 1);
  EXPECT_EQ(squeeze(x).shape(), (Shape{3}));
  EXPECT_EQ(squeeze(x, {0, 2}).raw_data(), x.raw_data());
  EXPECT_EQ(squeeze(x, {1, -1}).shape(), (Shape{1, 3}));
  EXPECT_EQ(squeeze(x, {}).shape(), x.shape());
  EXPECT_EQ(squeeze(zeros({1, 0})).shape(), (Shape{0}));
  EXPECT_EQ(squeeze(scalar(1)).shape(), Shape());
  EXPECT_TRUE(throws<IndexError>([&] { squeeze(x, {0, -3}); }, "[squeeze] dimension -3 is named twice"));
  EXPECT_TRUE(throws<IndexError>([&] { squeeze(x, {0, 3}); }, "[squeeze] expected a dimension in -3..2, got 3"));
}

TEST(To, TakesDeviceAndDtypeInOneCall) {
  const Tensor x = leaf({1.5, -2}, {2});
  const Tensor y = to(x, Device::cpu(), DType::f32);
  EXPECT_EQ(y.dtype(), DType::f32);
  backward(sum(y * y));
  EXPECT_TRUE(same_bits(x.grad(), f64({3, -4}, {2})));
  EXPECT_TRUE(to(x, Device::cpu(), DType::f64).is_same(x));
}

// ---- the largest and its position

TEST(MaxAlongADimension, GivesAllOfTheGradientToTheFirst) {
  const Tensor x = leaf({2, 5, 5, 1, -3, 1}, {2, 3});
  const Sorted y = max(x, 1);
  EXPECT_EQ(values(y.values), (std::vector<double>{5, 1}));
  EXPECT_EQ(values(y.indices), (std::vector<double>{1, 0}));
  EXPECT_EQ(values(grad({sum(y.values)}, {x})[0]), (std::vector<double>{0, 1, 0, 1, 0, 0}));
  EXPECT_EQ(values(grad({sum(max(x, {1}))}, {x})[0]), (std::vector<double>{0, 0.5, 0.5, 0.5, 0, 0.5}));
}

TEST(MaxAlongADimension, TakesEveryDtypeAndRefusesNoValues) {
  const Tensor x = random_tensor({2, 3}, 4);
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::i32}) {
    const Tensor narrow = to(x * 10, dtype);
    EXPECT_TRUE(same_bits(max(narrow, 0).values, max(narrow, {0}))) << name(dtype);
    EXPECT_TRUE(same_bits(min(narrow, -1).values, min(narrow, {-1}))) << name(dtype);
    EXPECT_EQ(min(narrow, -1).indices.dtype(), DType::i64);
  }
  EXPECT_EQ(max(zeros({0, 2}), 1).values.shape(), (Shape{0}));
  EXPECT_THROW(max(zeros({0, 2}), 0), ShapeError);
  EXPECT_THROW(min(zeros({2, 0}), 1), ShapeError);
  EXPECT_THROW(max(x, 2), IndexError);
}

// ---- alpha

TEST(Alpha, RoundsSixteenBitsOnce) {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const Tensor a = to(random_tensor({4, 5}, 1), dtype), b = to(random_tensor({5}, 2), dtype);
    const Tensor wide = add(to(a, DType::f32), to(b, DType::f32), 0.3);
    EXPECT_TRUE(same_bits(add(a, b, 0.3), to(wide, dtype)));
    EXPECT_EQ(sub(a, b, 0.3).dtype(), dtype);
  }
}

TEST(Alpha, FollowsTheDtypesOfTheOperands) {
  const Tensor whole = integers({1, -2}), truth = whole > 0;
  EXPECT_EQ(add(whole, 2, 3).dtype(), DType::i64);
  EXPECT_EQ(values(sub(whole, 2, 3)), (std::vector<double>{-5, -8}));
  EXPECT_EQ(values(add(whole, 0.5, 3)), (std::vector<double>{2.5, -0.5}));
  EXPECT_EQ(add(truth, truth, 2).dtype(), DType::boolean);
  EXPECT_EQ(add(truth, 2, 2).dtype(), DType::i64);
  EXPECT_EQ(values(add(truth, true, 0)), (std::vector<double>{1, 0}));
  EXPECT_TRUE(throws<DtypeError>([&] { add(whole, whole, 0.5); }, "[add] expected a whole alpha, because no operand"));
  EXPECT_TRUE(throws<DtypeError>([&] { sub(whole, 2, 0.5); }, "[sub] expected a whole alpha, because no operand"));
  EXPECT_THROW(sub(truth, truth, 1), DtypeError);
  EXPECT_THROW(add(zeros({2}), zeros({3}), 2), ShapeError);
  EXPECT_EQ(add(zeros({0, 2}), zeros({2}), 2).shape(), (Shape{0, 2}));
}

// ---- einsum

TEST(EinsumWithAnEllipsis, SaysWhatDoesNotFit) {
  const Tensor x = zeros({2, 3}), y = zeros({4, 3});
  const auto refuses = [&](const std::string& equation, std::initializer_list<Tensor> operands) {
    try {
      einsum(equation, operands);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("nothing");
  };
  EXPECT_EQ(refuses("...ijk->...", {x}), "[einsum] expected at least 3 dimensions for ...ijk, got " + x.describe());
  EXPECT_EQ(refuses("...i,...i->...", {x, y}),
            "[einsum] expected one size for a dimension of the ellipsis, got 2 and 4");
  EXPECT_NE(refuses("..i", {x}).find("expected letters, commas, \"...\" and at most one \"->\""), std::string::npos);
  EXPECT_NE(refuses("...i#", {x}).find("expected letters, commas, \"...\""), std::string::npos);
  EXPECT_NE(refuses("...i...", {x}).find("\"...\" at most once in each operand"), std::string::npos);
  EXPECT_NE(refuses("...i->...i...", {x}).find("... once in the result"), std::string::npos);
}

TEST(EinsumWithAnEllipsis, HasTheBitsOfLetters) {
  const Tensor a = random_tensor({2, 3, 4}, 1), b = random_tensor({2, 4, 5}, 2);
  EXPECT_TRUE(same_bits(einsum("...ij,...jk->...ik", {a, b}), einsum("bij,bjk->bik", {a, b})));
  const Tensor half = to(a, DType::bf16), other = to(b, DType::bf16);
  EXPECT_TRUE(same_bits(einsum("...ij,...jk", {half, other}), einsum("bij,bjk->bik", {half, other})));
  EXPECT_EQ(einsum("...i,...i->...", {zeros({0, 2, 3}), zeros({2, 3})}).shape(), (Shape{0, 2}));
}

// ---- positions

TEST(PositionsOfShapeNothing, RefuseWhatDoesNotFit) {
  const Tensor one = scalar(2);
  EXPECT_TRUE(throws<ShapeError>([&] { index_select(one, 0, integers({0, 0})); }, "[index_select] expected one value"));
  EXPECT_TRUE(throws<IndexError>([&] { gather(one, 0, integers({1})); }, "[gather]"));
  EXPECT_TRUE(throws<IndexError>([&] { gather(one, 1, integers({0})); }, "[gather]"));
  EXPECT_TRUE(throws<ShapeError>([&] { gather(zeros({2, 2}), 0, zeros({}, DType::i64)); }, "[gather]"));
  EXPECT_TRUE(throws<ShapeError>([&] { index_fill(zeros({2}), 0, integers({0}), zeros({1})); },
                                 "[index_fill] expected a value of shape ()"));
}

TEST(IndexFill, ConvertsItsValue) {
  const Tensor y = index_fill(integers({1, 2, 3}), 0, integers({1}), scalar(7.5));
  EXPECT_EQ(y.dtype(), DType::i64);
  EXPECT_EQ(values(y), (std::vector<double>{1, 7, 3}));
}

TEST(RepeatInterleave, RefusesRepeatsThatDoNotFit) {
  const Tensor x = zeros({3, 2}), twice = integers({2});
  EXPECT_TRUE(throws<ShapeError>([&] { repeat_interleave(x, integers({1, 2}), 0); }, "one number of repeats or 3"));
  EXPECT_TRUE(throws<ShapeError>([&] { repeat_interleave(x, integers({1, -2, 1}), 0); }, "at least 0, got -2"));
  EXPECT_TRUE(throws<DtypeError>([&] { repeat_interleave(x, ones({3}), 0); }, "repeats of i64 or i32"));
  EXPECT_TRUE(throws<ShapeError>([&] { repeat_interleave(x, integers({std::int64_t{1} << 62}), 0); }, "64 bits"));
  EXPECT_TRUE(throws<StateError>([&] { static_cast<void>(capture([&] { repeat_interleave(x, twice, 0); })); },
                                 "[repeat_interleave] expected no capture"));
  EXPECT_EQ(repeat_interleave(x, integers({0, 0, 0}), 0).shape(), (Shape{0, 2}));
}

// ---- different values

TEST(UniqueSlices, CountEachNanAndSortItLast) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Unique y = unique(f64({1, nan, 0, 2, 1, nan, 0, 2}, {4, 2}), 0);
  EXPECT_EQ(values(slice(y.values, 0, 0, 1)), (std::vector<double>{0, 2}));
  EXPECT_EQ(values(y.counts), (std::vector<double>{2, 1, 1}));
  EXPECT_EQ(values(y.inverse), (std::vector<double>{1, 0, 2, 0}));
}

TEST(UniqueSlices, TakeEveryDtypeAndLayout) {
  const Tensor x = Tensor::from<std::int64_t>({3, 3, 1, 0, 0, 2}, {2, 3});
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16, DType::u8, DType::i32}) {
    const Unique y = unique(transpose(to(x, dtype), 0, 1), 0);
    EXPECT_EQ(y.values.dtype(), dtype);
    EXPECT_EQ(values(y.values), (std::vector<double>{1, 2, 3, 0})) << name(dtype);
    EXPECT_EQ(values(unique_consecutive(to(x, dtype)).counts), (std::vector<double>{2, 1, 2, 1}));
  }
}

TEST(UniqueSlices, RefuseSlicesWithoutElements) {
  EXPECT_TRUE(throws<ShapeError>([] { unique(zeros({2, 0}), 0); }, "[unique] expected slices with elements"));
  EXPECT_EQ(unique(zeros({2, 0}), 1).values.shape(), (Shape{2, 0}));
  EXPECT_THROW(unique(zeros({}), 0), ShapeError);
  EXPECT_THROW(unique_consecutive(zeros({2}), 1), IndexError);
}

// ---- dtypes, corrections, random numbers

TEST(DtypeOfASum, GivesGradientsInTheDtypeOfX) {
  const Tensor x = to(random_tensor({3, 4}, 1), DType::f32).detach().set_requires_grad();
  const auto gradient = [&](const Tensor& y) { return grad({sum(square(y))}, {x})[0]; };
  for (const Tensor& y : {sum(x, 1, false, DType::f64), prod(x, 1, false, DType::f64), cumsum(x, 1, DType::f64),
                          cumprod(x, 0, DType::f64), softmax(x, 1, DType::f64), log_softmax(x, 0, DType::f64),
                          mean(x, 0, false, DType::f64)}) {
    EXPECT_EQ(y.dtype(), DType::f64);
    EXPECT_EQ(gradient(y).dtype(), DType::f32);
  }
  const Tensor half = to(x.detach(), DType::bf16);
  EXPECT_TRUE(same_bits(sum(half, 0, false, DType::f32), sum(to(half, DType::f32), 0)));
  EXPECT_THROW(mean(x, 0, false, DType::i64), DtypeError);
}

TEST(Correction, MayBeAFraction) {
  const Tensor x = random_tensor({7}, 3);
  const double squares = sum(square(x - mean(x))).item<double>();
  EXPECT_NEAR(var(x, {}, 1.5).item<double>(), squares / 5.5, 1e-14);
  EXPECT_TRUE(same_bits(var(x, {}, 1.0), var(x)));
  EXPECT_TRUE(std::isinf(var(x, {}, 7.5).item<double>()));
  EXPECT_EQ(var(to(x, DType::bf16), {}, 0.5).dtype(), DType::bf16);
}

TEST(Randint, TakesADtypeAndOneBound) {
  const RandomAddress address{.key = 7, .step = 1};
  const Tensor x = randint(0, 10, {3, 4}, address);
  EXPECT_TRUE(same_bits(randint(10, {3, 4}, address), x));
  EXPECT_TRUE(same_bits(randint(10, {12}, address), reshape(x, 12)));
  EXPECT_TRUE(same_bits(randint(0, 10, {3, 4}, address, DType::f32), to(x, DType::f32)));
  EXPECT_TRUE(same_bits(randint(0, 10, {3, 4}, address, DType::u8), to(x, DType::u8)));
  Generator first(3), second(3);
  EXPECT_TRUE(same_bits(randint(5, {6}, first), randint(0, 5, {6}, second)));
  EXPECT_TRUE(
      throws<DtypeError>([&] { randint(0, 300, {2}, address, DType::u8); }, "[randint] expected numbers that u8"));
  EXPECT_THROW(randint(0, 0, {2}, address, DType::u8), ConfigError);
}

// ---- captured steps

TEST(CapturedArguments, HaveTheBitsOfEagerOnes) {
  const Tensor ends = integers({0, 2}), zeros_of_one = integers({0, 0});
  int runs = 0;
  const auto work = [&](std::span<const Tensor> given) {
    ++runs;
    const Tensor x = clone(given[0]).detach().set_requires_grad(), value = given[1];
    const Tensor fed = gelu(add(x, value, 0.5), GeluApproximate::tanh);
    const Tensor filled = index_fill(einsum("...i,...j->...ij", {fed, fed}), 1, ends, value);
    const Tensor y = var(squeeze(unsqueeze(filled, 0)), 1, 0.5);
    const Tensor loss = sum(max(y, -1).values) + sum(gather(value, 0, zeros_of_one), {}, false, DType::f64);
    return std::vector{loss.detach(), grad({loss}, {x})[0]};
  };
  CapturedFunction captured(work);
  for (std::uint64_t call = 0; call < 5; ++call) {
    const Tensor arguments[] = {random_tensor({3, 4}, call), random_tensor({}, call + 9)};
    const std::vector<Tensor> expected = work(arguments);
    const std::vector<Tensor>& got = captured(arguments);
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(same_bits(got[i], expected[i])) << call << ", " << i;
  }
  EXPECT_EQ(runs, 5 + 2);  // one eager, one recorded
}

}  // namespace
}  // namespace hop::autograd
