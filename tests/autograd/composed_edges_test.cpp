// The operations that are composed of others: gradients at 0, values and dtypes at the edges, random numbers, messages
// of errors, and captures.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "kernels/capture.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

using Values = std::vector<double>;

Tensor truths(std::initializer_list<bool> values, const Shape& shape) { return Tensor::from<bool>(values, shape); }

TEST(ComposedGradients, AtZeroAreZero) {
  for (const double p : {0.5, 1.0, 1.5, 2.0, 3.0, HUGE_VAL}) {
    const Tensor x = leaf({0, 0}, {2});
    EXPECT_EQ(values(grad({norm(x, p)}, {x})[0]), (Values{0, 0})) << p;
  }
  const Tensor x = leaf({2, 2}, {2});
  EXPECT_EQ(values(grad({hop::std(x)}, {x})[0]), (Values{0, 0}));
  EXPECT_EQ(values(grad({sum(cdist(reshape(x, {1, 2}), reshape(x.detach(), {1, 2})))}, {x})[0]), (Values{0, 0}));
}

TEST(ComposedGradients, OfACountAreZero) {
  const Tensor x = leaf({0, -2, HUGE_VAL, std::nan("")}, {2, 2}), count = norm(x, 0, {1});
  EXPECT_EQ(values(count), (Values{1, 2}));
  EXPECT_EQ(values(grad({sum(count)}, {x})[0]), (Values{0, 0, 0, 0}));
}

TEST(ComposedValues, OfViewsShareTheirBytes) {
  const Tensor x = f64({1, 2, 3, 4, 5, 6}, {2, 3});
  for (const Tensor& y :
       {split(x, 2, 1)[1], chunk(x, 2)[1], unbind(x)[1], diagonal(x), meshgrid({reshape(x, {6})})[0]}) {
    EXPECT_TRUE(y.storage().data() == x.storage().data());
  }
}

TEST(ComposedValues, ComeAsAVectorFromAnyView) {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}).set_requires_grad();
  EXPECT_EQ(to_vector<float>(transpose(x, 0, 1)), (std::vector<float>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(to_vector<bool>(gt(x, 4)), (std::vector<bool>{false, false, false, false, true, true}));
  EXPECT_EQ(to_vector<std::int64_t>(zeros({0, 3}, DType::i64)), std::vector<std::int64_t>{});
  EXPECT_THROW(to_vector<double>(x), DtypeError);
  EXPECT_THROW(to_vector<float>(Tensor()), Error);
}

TEST(ComposedValues, KeepTheDtypeOfX) {
  const Tensor bytes = Tensor::from<std::uint8_t>({1, 2, 3, 4}, {2, 2}), mask = truths({true, false}, {2});
  for (const Tensor& y : {tril(bytes), masked_fill(bytes, mask, 7), flip(bytes, {0}), roll(bytes, {1}),
                          tile(bytes, {2}), pad(bytes, {1, 1}), full_like(bytes, 3), masked_select(bytes, mask)}) {
    EXPECT_EQ(y.dtype(), DType::u8);
  }
  EXPECT_EQ(values(masked_fill(bytes, mask, 7.9)), (Values{7, 2, 7, 4}));  // integers drop a fraction
  EXPECT_EQ(tril(truths({true, true, true, true}, {2, 2})).dtype(), DType::boolean);
  EXPECT_EQ(values(masked_fill(truths({false, false}, {2}), mask, 2)), (Values{1, 0}));
  EXPECT_EQ(prod(bytes).item<std::int64_t>(), 24);
  EXPECT_EQ(prod(bytes).dtype(), DType::i64);
  EXPECT_EQ(any(bytes).dtype(), DType::boolean);
}

TEST(ComposedValues, LetNaNPass) {
  const Tensor x = f64({std::nan("")}, {1});
  for (const Tensor& y : {hardtanh(x), relu6(x), hardsigmoid(x), hardswish(x), mish(x), selu(x), softsign(x), logit(x),
                          prelu(x, f64({0.5}, {1})), norm(x), norm(x, 3), hop::std(cat({x, x})), logsumexp(x)}) {
    EXPECT_TRUE(std::isnan(values(y)[0]));
  }
}

TEST(ComposedValues, OfIntegersAreExactAtTheEndsOfTheirRange) {
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min(),
                         kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(argmin(Tensor::from<std::int64_t>({kMost, kLeast, 0}, {3})).item<std::int64_t>(), 1);
  const Tensor ends = arange(kLeast, kMost, kMost);
  EXPECT_EQ(ends.numel(), 3);
  EXPECT_EQ(select(ends, 0, 2).item<std::int64_t>(), kMost - 1);
  EXPECT_EQ(select(arange(9007199254740992, 9007199254740995), 0, 1).item<std::int64_t>(), 9007199254740993);
}

TEST(ComposedValues, OfTensorsWithAllDimensionsAndOfNoneAreRight) {
  const Tensor eight = ones({1, 2, 1, 2, 1, 2, 1, 2});
  EXPECT_EQ(repeat(eight, {2, 1, 1, 1, 1, 1, 1, 3}).shape(), (Shape{2, 2, 1, 2, 1, 2, 1, 6}));
  EXPECT_EQ(repeat_interleave(eight, 2, 3).shape(), (Shape{1, 2, 1, 4, 1, 2, 1, 2}));
  const Tensor none = scalar(3);
  EXPECT_EQ(repeat(none, {2}).shape(), (Shape{2}));
  EXPECT_EQ(roll(none, {1}).shape(), Shape{});
  EXPECT_EQ(cumsum(none, 0).item<double>(), 3);
  EXPECT_EQ(prod(none, -1).item<double>(), 3);
  EXPECT_EQ(norm(none).item<double>(), 3);
  EXPECT_EQ(nonzero(none).shape(), (Shape{1, 0}));
  EXPECT_EQ(einsum(",->", {none, none}).item<double>(), 9);
}

TEST(ComposedRandom, IsAFunctionOfItsAddress) {
  const RandomAddress here{.key = 7, .step = 1}, there{.key = 7, .step = 2};
  EXPECT_TRUE(same_bits(rand({5}, here), rand({5}, here)));
  EXPECT_FALSE(same_bits(rand({5}, here), rand({5}, there)));
  EXPECT_TRUE(same_bits(rand_like(ones({5}), here), rand({5}, here)));
  EXPECT_TRUE(same_bits(randn_like(ones({5}), here), randn({5}, here)));
  EXPECT_FALSE(same_bits(randperm(50, here), randperm(50, there)));
  EXPECT_TRUE(rand({2}, here, {.requires_grad = true}).requires_grad());
}

TEST(ComposedRandom, HasTheDistributionThatItsNameSays) {
  const RandomAddress address{.key = 11};
  const Tensor uniform = rand({20000}, address, {.dtype = DType::f64});
  EXPECT_GE(min(uniform).item<double>(), 0);
  EXPECT_LT(max(uniform).item<double>(), 1);
  EXPECT_NEAR(mean(uniform).item<double>(), 0.5, 0.01);
  const Tensor normal = randn({20000}, address, {.dtype = DType::f64});
  EXPECT_NEAR(mean(normal).item<double>(), 0, 0.03);
  EXPECT_NEAR(hop::std(normal).item<double>(), 1, 0.03);
  const Tensor numbers = randint(-3, 4, {7000}, address);
  EXPECT_EQ(min(numbers).item<std::int64_t>(), -3);
  EXPECT_EQ(max(numbers).item<std::int64_t>(), 3);
  const Tensor coins = bernoulli(hop::full({20000}, 0.25), address);
  EXPECT_EQ(coins.dtype(), DType::f32);
  EXPECT_NEAR(mean(coins).item<double>(), 0.25, 0.02);
  EXPECT_EQ(values(bernoulli(f64({0, 1}, {2}), address)), (Values{0, 1}));
  const Values order = values(randperm(100, address));
  EXPECT_EQ(std::set<double>(order.begin(), order.end()).size(), 100U);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
}

TEST(ComposedErrors, NameTheOperationAndWhatItExpects) {
  const Tensor x = ones({2, 3}), row = ones({3}), none = ones({}), mask = truths({true, false, true}, {3});
  const Tensor i64 = zeros({2}, {.dtype = DType::i64});
  const auto shape_error = [](auto f, const std::string& text) { EXPECT_TRUE(throws<ShapeError>(f, text)) << text; };
  const auto index_error = [](auto f, const std::string& text) { EXPECT_TRUE(throws<IndexError>(f, text)) << text; };
  const auto dtype_error = [](auto f, const std::string& text) { EXPECT_TRUE(throws<DtypeError>(f, text)) << text; };
  const auto config_error = [](auto f, const std::string& text) { EXPECT_TRUE(throws<ConfigError>(f, text)) << text; };

  shape_error([&] { split(x, 0); }, "[split] expected a split_size of at least 1, got 0");
  shape_error([&] { split(x, {1, 1}, 1); }, "[split] expected sizes with the sum 3 (dimension 1 of (2, 3)), got 2");
  shape_error([&] { split(none, 1); }, "[split] expected a tensor with dimensions, got f32 () on cpu");
  shape_error([&] { chunk(x, 0); }, "[chunk] expected at least 1 chunk, got 0");
  index_error([&] { unbind(x, 2); }, "[unbind]");
  index_error([&] { flip(x, {0, -2}); }, "[flip] dimension -2 is named twice");
  shape_error(
      [&] {
        roll(x, {1, 2}, {0});
      },
      "[roll] expected one shift per dimension, or one shift and no dimension, got 2 shifts and 1 dimensions");
  shape_error([&] { repeat(x, {2}); }, "[repeat] expected at least 2 repeats for (2, 3), got 1");
  shape_error([&] { tile(x, {-1}); }, "[tile] expected repeats of at least 0, got -1");
  index_error([&] { diagonal(x, 0, 1, -1); }, "[diagonal] expected two different dimensions, got 1 and -1");
  shape_error([&] { diagonal(row); }, "[diagonal] expected at least two dimensions, got f32 (3) on cpu");
  shape_error([&] { meshgrid({x}); }, "[meshgrid] expected vectors, got f32 (2, 3) on cpu");
  dtype_error([&] { meshgrid({row, i64}); }, "[meshgrid] expected vectors of one dtype");
  shape_error([&] { pad(x, {1}); }, "[pad] expected a pair of pads for at most 2 dimensions, got 1 pads for (2, 3)");
  shape_error(
      [&] {
        pad(x, {-2, -2});
      },
      "[pad] expected pads that cut at most what there is, got (-2, -2) for dimension 1 of (2, 3)");
  shape_error(
      [&] {
        pad(x, {3, 0}, PadMode::reflect);
      },
      "[pad] expected pads of at most 2, got (3, 0) for dimension 1 of (2, 3)");
  shape_error([&] { pad(zeros({2, 0}), {1, 0}, PadMode::replicate); }, "[pad] expected a dimension with values");
  dtype_error([&] { masked_fill(x, x, 1); }, "[masked_fill] expected a bool mask, got f32 (2, 3) on cpu");
  dtype_error(
      [&] {
        masked_fill(i64, truths({true, false}, {2}), HUGE_VAL);
      },
      "[masked_fill] expected a number that i64 holds, got inf");
  shape_error([&] { masked_fill(x, mask, row); }, "[masked_fill] expected a value of shape (), got f32 (3) on cpu");
  shape_error([&] { masked_select(ones({2}), mask); }, "[masked_select]");
  shape_error([&] { tril(row); }, "[tril] expected at least two dimensions, got f32 (3) on cpu");
  index_error([&] { any(x, {2}); }, "[any]");
  index_error([&] { all(x, {0, 0}); }, "[all] dimension 0 is named twice");
  dtype_error([&] { one_hot(row); }, "[one_hot] expected i64 labels, got f32 (3) on cpu");
  config_error([&] { one_hot(i64, 0); }, "[one_hot] expected num_classes of at least 1, got 0");
  shape_error([&] { one_hot(zeros({0}, {.dtype = DType::i64})); },
              "[one_hot] expected labels to infer num_classes from");
  index_error([&] { one_hot(Tensor::from<std::int64_t>({4}, {1}), 4); }, "expected indices in 0..3, got 4");
  dtype_error([&] { norm(i64); }, "[norm] expected f32 or f64, got i64 (2) on cpu");
  shape_error([&] { norm(zeros({2, 0}), HUGE_VAL, {1}); }, "[norm] expected at least one value to reduce");
  shape_error([&] { argmin(zeros({0, 2}), 0); }, "[argmin] expected at least one value to reduce");
  index_error([&] { cumsum(x, 2); }, "[cumsum]");
  shape_error([&] { mm(x, row); }, "[mm] expected a matrix, got f32 (3) on cpu");
  shape_error(
      [&] {
        bmm(ones({2, 1, 1}), ones({1, 1, 1}));
      },
      "[bmm] expected batches of one size, got (2, 1, 1) and (1, 1, 1)");
  shape_error([&] { dot(row, x); }, "[dot] expected a vector, got f32 (2, 3) on cpu");
  shape_error([&] { addmm(ones({3}), x, ones({3, 2})); }, "[addmm]");
  shape_error(
      [&] {
        addmm(ones({4, 2, 2}), x, ones({3, 2}));
      },
      "[addmm] expected an input that broadcasts to (2, 2), got (4, 2, 2)");
  shape_error([&] { cdist(x, ones({2, 2})); }, "[cdist] expected (.., P, M) and (.., R, M), got (2, 3) and (2, 2)");
  config_error([&] { cdist(x, x, -1); }, "[cdist] expected p of at least 0, got -1");
  index_error([&] { normalize(row); }, "[normalize]");
  config_error(
      [&] {
        einsum("i..,j->ij", {x, row});
      },
      "[einsum] expected letters, commas, \"...\" and at most one \"->\", got \"i..,j->ij\"");
  config_error([&] { einsum("ij->k", {x}); }, "[einsum] expected a result of letters of the operands, without k");
  config_error([&] { einsum("ij->ii", {x}); }, "[einsum] expected i once in the result");
  shape_error([&] { einsum("ij,jk", {x}); }, "[einsum] expected 2 operands for \"ij,jk\", got 1");
  shape_error([&] { einsum("i", {x}); }, "[einsum] expected 1 dimensions for i, got f32 (2, 3) on cpu");
  shape_error([&] { einsum("ij,ij", {x, ones({2, 4})}); }, "[einsum] expected one size for j, got 3 and 4");
  shape_error([&] { einsum("ii", {x}); }, "[einsum] expected equal sizes for both i of one operand, got (2, 3)");
  shape_error([&] { eye(-1); }, "[eye] expected sizes of at least 0, got -1 and -1");
  config_error([&] { arange(0, 5, 0); },
               "[arange] expected a step that leads from start to end, got start 0, end 5 and step 0");
  config_error([&] { arange(0, 5, -0.5); }, "[arange] expected a step that leads from start to end");
  dtype_error([&] { arange(250, 260, 1, DType::u8); }, "[arange] expected numbers that u8 holds, got 250..259");
  config_error([&] { linspace(0, 1, -1); }, "[linspace] expected steps of at least 0, got -1");
  dtype_error([&] { rand({2}, {}, {.dtype = DType::i64}); }, "[rand] expected f32, f64, bf16 or f16");
  config_error([&] { randint(2, 2, {1}, {}); }, "[randint] expected low < high less than 2^32 apart, got 2 and 2");
  config_error([&] { randperm(-1, {}); }, "[randperm] expected 0 <= n < 2^32, got -1");
  shape_error([&] { prelu(x, ones({2})); }, "[prelu] expected one weight or 3 weights, got f32 (2) on cpu");
  shape_error([&] { glu(x); }, "[glu] expected an even size of dimension 1, got f32 (2, 3) on cpu");
  dtype_error([&] { hardtanh(i64); }, "[hardtanh] expected f32 or f64");
}

TEST(ComposedErrors, AnswerNumbersFarOutside) {
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min(),
                         kMost = std::numeric_limits<std::int64_t>::max();
  const Tensor x = f64({1, 2, 3, 4, 5, 6}, {2, 3});
  const Values all = values(x);
  EXPECT_EQ(split(x, kMost).size(), 1U);
  EXPECT_EQ(chunk(x, kMost).size(), 2U);
  EXPECT_EQ(values(roll(x, {kLeast}, {0})), all);  // 2^63 is even
  EXPECT_EQ(values(roll(x, {kMost}, {0})), (Values{4, 5, 6, 1, 2, 3}));
  EXPECT_EQ(values(tril(x, kMost)), all);
  EXPECT_EQ(values(triu(x, kLeast)), all);
  EXPECT_EQ(diagonal(x, kMost).shape(), (Shape{0}));
  EXPECT_EQ(diagonal(x, kLeast).shape(), (Shape{0}));
  EXPECT_THROW(repeat(x, {kMost, 2}), ShapeError);
  EXPECT_THROW(repeat_interleave(x, kMost), ShapeError);
  for (const PadMode mode : {PadMode::constant, PadMode::reflect, PadMode::replicate, PadMode::circular}) {
    EXPECT_THROW(pad(x, {kMost, kMost}, mode), ShapeError);
    EXPECT_THROW(pad(x, {kLeast, 0}, mode), ShapeError);
  }
  const Tensor image = reshape(x, {1, 1, 2, 3});
  constexpr std::int64_t kWide = std::int64_t{1} << 40;
  EXPECT_TRUE(throws<ShapeError>([&] { lp_pool2d(image, 2, {.kernel = {kWide, kWide}}); }, "[lp_pool2d]"));
  const PoolWindow wide{.kernel = kWide};
  EXPECT_TRUE(throws<ShapeError>(
      [&] {
        lp_pool3d(reshape(x, {1, 1, 1, 2, 3}), 2, {wide, wide, wide});
      },
      "[lp_pool3d]"));
  for (const std::int64_t windows : {kMost, kMost / 5, kWide}) {
    EXPECT_THROW(adaptive_avg_pool(image, {windows, 1}), Error);
    EXPECT_THROW(adaptive_max_pool(image, {1, windows}), Error);
    EXPECT_THROW(interpolate(image, {.size = {windows, windows}, .mode = InterpolateMode::area}), Error);
  }
  EXPECT_TRUE(throws<ConfigError>([&] { interpolate(image, {.scale_factor = {1e18}}); }, "fewer than 2^59 elements"));
  const Tensor cube = reshape(f64({1, 1, 1, 1, 1, 1, 1, 1}, {8}), {1, 1, 2, 2, 2});
  EXPECT_THROW(conv3d(cube, cube, {}, {.dilation = {kMost, 1, 1}}), ShapeError);
  EXPECT_EQ(values(histc(f64({-1.7e308, 0, 1.7e308, 1.7e308}, {4}), 3)), (Values{1, 1, 2}));
  EXPECT_EQ(values(histc(to(f64({-3e38, -1e38, 1e38, 3e38}, {4}), DType::f32), 3)), (Values{1, 1, 2}));
  EXPECT_THROW(arange(kLeast, kMost), ConfigError);
  EXPECT_THROW(arange(0.0, 1e300, 1e-300), ConfigError);
  EXPECT_THROW(randint(0, 1, {std::int64_t{1} << 58}, {}), MemoryError);
  EXPECT_THROW(randint(kLeast, kMost, {1}, {}), ConfigError);
}

// PyTorch's values.
TEST(ComposedValues, ACircularPadGoesRoundWhatACutLeaves) {
  const Tensor x = arange(4, DType::f64).set_requires_grad();
  EXPECT_EQ(values(pad(x, {-1, 1}, PadMode::circular)), (Values{1, 2, 3, 1}));
  EXPECT_EQ(values(pad(x, {2, -2}, PadMode::circular)), (Values{0, 1, 0, 1}));
  EXPECT_EQ(values(grad({sum(pad(x, {-1, 1}, PadMode::circular))}, {x})[0]), (Values{0, 2, 1, 1}));
}

TEST(ComposedValues, AProductOverNoFeaturesHasGradientsOfNoFeatures) {
  const Tensor x = zeros({3, 4, 0}, {.dtype = DType::f64}).set_requires_grad();
  const Tensor weight = zeros({5, 0}, {.dtype = DType::f64}).set_requires_grad();
  const Tensor bias = ones({5}, {.dtype = DType::f64}).set_requires_grad();
  const std::vector<Tensor> linear_grads = grad({sum(linear(x, weight, bias))}, {x, weight, bias});
  EXPECT_EQ(linear_grads[0].shape(), x.shape());
  EXPECT_EQ(linear_grads[1].shape(), weight.shape());
  EXPECT_EQ(values(linear_grads[2]), (Values{12, 12, 12, 12, 12}));
  const Tensor other = zeros({0, 5}, {.dtype = DType::f64}).set_requires_grad();
  const std::vector<Tensor> product_grads = grad({sum(matmul(x, other))}, {x, other});
  EXPECT_EQ(product_grads[0].shape(), x.shape());
  EXPECT_EQ(product_grads[1].shape(), other.shape());
}

TEST(ComposedCapture, HasTheBitsOfEagerWork) {
  const Tensor w = random_leaf({6, 4}, 3);
  const auto work = [&](std::span<const Tensor> in) {
    const Tensor& x = in[0];
    const Tensor scores = einsum("ik,jk->ij", {normalize(x), normalize(w)});
    const Tensor seen = masked_fill(scores, triu(ones_like(scores), 1) > 0, -HUGE_VAL);
    const Tensor y = matmul(softmax(seen), flip(roll(w, {1}, {0}), {0}));
    const Tensor padded = pad(pad(y, {1, 2}), {2, 1}, PadMode::reflect);
    const Tensor loss = sum(cumsum(mish(padded), 0)) + logsumexp(cdist(y, w)) + sum(prod(repeat(y, {1, 2}), 1)) +
                        sum(to(one_hot(in[1], 3), DType::f64) * hop::std(y)) + norm(rand_like(y, {.key = 5}) * y, 3);
    const Tensor g = grad({loss}, {w})[0];
    return std::vector<Tensor>{loss.detach(), g, argmin(y, 1), any(y > 1, {0}), linspace(0, 1, 5)};
  };
  int runs = 0;
  CapturedFunction captured([&](std::span<const Tensor> in) {
    ++runs;
    return work(in);
  });
  const Tensor labels = Tensor::from<std::int64_t>({2, 0, 1}, {3});
  for (std::uint64_t call = 0; call < 5; ++call) {
    const Tensor arguments[] = {random_tensor({5, 4}, call), labels};
    const std::vector<Tensor> expected = work(arguments);
    const std::vector<Tensor>& got = captured(arguments);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(same_bits(got[i], expected[i])) << call << ", " << i;
  }
  EXPECT_EQ(runs, 2);  // one eager, one recorded
}

TEST(ComposedCapture, RefusesShapesThatDependOnValues) {
  const Tensor x = ones({2, 2}), mask = x > 0, labels = zeros({2}, {.dtype = DType::i64});
  const auto refused = [](auto f, const std::string& text) {
    EXPECT_TRUE(throws<StateError>([&] { static_cast<void>(capture(f)); }, text)) << text;
  };
  refused([&] { nonzero(x); }, "[nonzero] expected no capture");
  refused([&] { masked_select(x, mask); }, "[masked_select] expected no capture");
  refused([&] { one_hot(labels); }, "[item]");
  refused([&] { randperm(3, {}); }, "[randperm] expected no capture");
  refused([&] { randint(0, 3, {2}, {}); }, "[randint] expected no capture");
}

}  // namespace
}  // namespace hop::autograd
