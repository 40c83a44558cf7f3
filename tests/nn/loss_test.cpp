// Losses: judged by PyTorch's definitions, written out in long double loops over the elements, and by gradcheck in f64.
#include "nn/loss.h"

#include <functional>
#include <limits>

#include "autograd/gradcheck.h"
#include "autograd/graph.h"
#include "tests/nn/support.h"

namespace hop::nn {
namespace {

using nn::testing::expect_close;
using nn::testing::message_of;
using nn::testing::values;
using ::testing::AllOf;
using ::testing::HasSubstr;

using Real = long double;
using Formula = std::function<Real(Real x, Real y)>;

// Logits and targets (4, 3); they stay clear of the corners of mae, huber and quantile.
const std::vector<double> kX = {0.3, -1.2, 2.5, 0.0, 4.0, -3.5, 1.1, -0.4, 0.9, -15.0, 30.0, -30.0};
const std::vector<double> kNumbers = {0.5, -1.5, 1.0, 0.2, -2.0, -3.4, 3.5, 0.7, 0.8, 2.0, 28.0, -30.25};
const std::vector<double> kBits = {1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 0, 1};
const std::vector<double> kCounts = {0, 1, 2, 5, 0, 3, 7, 1, 0, 12, 4, 2};

Tensor f64(const std::vector<double>& data, const Shape& shape = {4, 3}) { return Tensor::from<double>(data, shape); }
Tensor i64(const std::vector<double>& data, const Shape& shape = {4, 3}) { return to(f64(data, shape), DType::i64); }

double mean_of(const Formula& formula, const std::vector<double>& y, const std::vector<double>& x = kX) {
  Real total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) total += formula(x[i], y[i]);
  return static_cast<double>(total / static_cast<Real>(x.size()));
}

Real log_sigmoid(Real x) { return x < 0 ? x - std::log1p(std::exp(x)) : -std::log1p(std::exp(-x)); }
Real bce(Real x, Real y, Real positive = 1) { return -positive * y * log_sigmoid(x) - (1 - y) * log_sigmoid(-x); }
Real huber(Real x, Real y, Real delta) {
  const Real d = std::abs(x - y);
  return d <= delta ? d * d / 2 : delta * (d - delta / 2);
}
Real pinball(Real x, Real y, Real q) { return y > x ? q * (y - x) : (1 - q) * (x - y); }

struct Case {
  const char* what;
  Loss loss;
  const std::vector<double>& y;
  Formula formula;
};

// Moderate outputs where the loss holds exp(x).
std::vector<double> outputs_of(const Case& c) {
  std::vector<double> x = kX;
  if (std::string(c.what).starts_with("poisson")) x[10] = 2.5, x[11] = -2.5;
  if (std::string(c.what).starts_with("poisson of rates")) {
    for (double& value : x) value = std::abs(value) + 0.1;
  }
  return x;
}

std::vector<Case> cases() {
  return {
      {"bce", loss_by_name("bce"), kBits, [](Real x, Real y) { return bce(x, y); }},
      {"bce with positives of 3", BCEWithLogitsLoss{.pos_weight = f64({3}, {1})}, kBits,
       [](Real x, Real y) { return bce(x, y, 3); }},
      {"mse", loss_by_name("mse"), kNumbers, [](Real x, Real y) { return (x - y) * (x - y); }},
      {"mae", loss_by_name("mae"), kNumbers, [](Real x, Real y) { return std::abs(x - y); }},
      {"huber", loss_by_name("huber"), kNumbers, [](Real x, Real y) { return huber(x, y, 1); }},
      {"huber of delta 2.75", HuberLoss{.delta = 2.75}, kNumbers, [](Real x, Real y) { return huber(x, y, 2.75L); }},
      {"poisson", loss_by_name("poisson_nll"), kCounts, [](Real x, Real y) { return std::exp(x) - y * x; }},
      {"poisson of rates", PoissonNLLLoss{.log_input = false}, kCounts,
       [](Real x, Real y) { return x - y * std::log(x + 1e-8L); }},
      {"poisson with Stirling", PoissonNLLLoss{.full = true}, kCounts,
       [](Real x, Real y) {
         const Real pi = std::acos(Real(-1));
         return std::exp(x) - y * x + (y > 1 ? y * std::log(y) - y + std::log(2 * pi * y) / 2 : 0);
       }},
      {"quantile", loss_by_name("quantile"), kNumbers, [](Real x, Real y) { return std::abs(x - y) / 2; }},
      {"bce by name with positives of 3", loss_by_name("bce pos_weight=3"), kBits,
       [](Real x, Real y) { return bce(x, y, 3); }},
      {"huber by name of delta 2.75", loss_by_name("huber delta=2.75"), kNumbers,
       [](Real x, Real y) { return huber(x, y, 2.75L); }},
      {"quantile by name 0.9", loss_by_name("quantile  quantile=0.9 "), kNumbers,
       [](Real x, Real y) { return pinball(x, y, 0.9L); }},
      {"quantile 0.9", QuantileLoss{.quantile = 0.9}, kNumbers, [](Real x, Real y) { return pinball(x, y, 0.9L); }},
  };
}

TEST(Losses, OfNumbersFollowTheirFormula) {
  for (const Case& c : cases()) {
    const std::vector<double> x = outputs_of(c);
    const double right = mean_of(c.formula, c.y, x);
    EXPECT_NEAR(c.loss(f64(x), f64(c.y)).item<double>(), right, 1e-12 * std::abs(right)) << c.what;
    EXPECT_NEAR(c.loss(to(f64(x), DType::f32), to(f64(c.y), DType::f32)).item<double>(), right, 2e-6 * std::abs(right))
        << c.what;
  }
}

TEST(Losses, OfNumbersHaveTheGradientOfTheirFormula) {
  for (const Case& c : cases()) {
    const Tensor x = f64(outputs_of(c)).set_requires_grad();
    const auto report = hop::testing::gradgradcheck(
        [&](const std::vector<Tensor>& in) { return std::vector{c.loss(in[0], f64(c.y))}; }, {x});
    EXPECT_TRUE(report.ok) << c.what << ": " << report.message;
  }
}

TEST(Losses, TargetsMayBeWholeNumbersInOneColumnOrSeveral) {
  for (const char* name : {"bce", "mse", "mae", "huber", "poisson_nll", "quantile"}) {
    const Loss loss = loss_by_name(name);
    const Tensor x = f64(kBits) * 0.5;
    const double whole = loss(x, f64(kCounts)).item<double>();
    EXPECT_EQ(loss(x, i64(kCounts)).item<double>(), whole) << name;
    EXPECT_DOUBLE_EQ(loss(reshape(x, {12, 1}), i64(kCounts, {12})).item<double>(), whole) << name << ", (N) to (N, 1)";
    EXPECT_DOUBLE_EQ(loss(reshape(x, {12}), i64(kCounts, {12})).item<double>(), whole) << name << ", (N) to (N)";
    EXPECT_EQ(loss(to(x, DType::f32), i64(kCounts)).dtype(), DType::f32) << name;
    EXPECT_THAT(message_of<ShapeError>([&] { loss(x, f64(kCounts, {12})); }),
                AllOf(HasSubstr(name), HasSubstr("targets like the outputs (4, 3), got (12)")));
    EXPECT_THAT(message_of<ShapeError>([&] { loss(reshape(x, {12}), f64(kCounts, {12, 1})); }), HasSubstr("(12, 1)"));
  }
}

TEST(Losses, BceWeighsThePositivesOfEachColumn) {
  const BCEWithLogitsLoss loss{.pos_weight = f64({1, 2, 5}, {3})};
  Real right = 0;
  for (std::size_t i = 0; i < 12; ++i) right += bce(kX[i], kBits[i], i % 3 == 0 ? 1 : i % 3 == 1 ? 2 : 5);
  EXPECT_NEAR(loss(f64(kX), i64(kBits)).item<double>(), static_cast<double>(right / 12), 1e-12);
  EXPECT_THAT(message_of<ShapeError>([&] {
                BCEWithLogitsLoss{.pos_weight = f64({1, 2}, {2, 1, 1})}(f64(kX), f64(kBits));
              }),
              HasSubstr("broadcasts to (4, 3), got (2, 1, 1)"));
}

TEST(Losses, BceIsFiniteForAnyLogit) {
  const Tensor x = f64({1000, -1000}, {2}).set_requires_grad();
  const Tensor loss = BCEWithLogitsLoss{}(x, f64({0, 1}, {2}));
  backward(loss);
  EXPECT_EQ(loss.item<double>(), 1000);
  EXPECT_EQ(values(x.grad()), (std::vector<double>{0.5, -0.5}));
}

// ---- cross entropy

// torch.nn.CrossEntropyLoss in its documentation's words: the mean weighted by the weights of the targets.
double cross_entropy_of(const std::vector<double>& x, const std::vector<std::int64_t>& labels, std::size_t classes,
                        const std::vector<double>& weight, double smoothing, std::int64_t ignored) {
  Real total = 0, weights = 0;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (labels[row] == ignored) continue;
    Real denominator = 0;
    for (std::size_t c = 0; c < classes; ++c) denominator += std::exp(static_cast<Real>(x[row * classes + c]));
    const auto loss = [&](std::size_t c) {
      return -(x[row * classes + c] - std::log(denominator)) * static_cast<Real>(weight[c]);
    };
    const auto label = static_cast<std::size_t>(labels[row]);
    total += (1 - smoothing) * loss(label);
    for (std::size_t c = 0; c < classes; ++c) total += smoothing / static_cast<Real>(classes) * loss(c);
    weights += weight[label];
  }
  return static_cast<double>(total / weights);
}

TEST(CrossEntropyLoss, WeighsSmoothsAndIgnores) {
  const std::vector<std::int64_t> labels = {2, 0, 1, 2};
  const std::vector<double> ones = {1, 1, 1}, weight = {0.5, 2, 3};
  const Tensor target = Tensor::from<std::int64_t>(labels, {4});
  const Tensor x = f64(kX).set_requires_grad();
  for (const bool weighted : {false, true}) {
    for (const double smoothing : {0.0, 0.1, 1.0}) {
      for (const std::int64_t ignored : {-1, 2, 0}) {
        CrossEntropyLoss loss{.label_smoothing = smoothing};
        if (weighted) loss.weight = f64(weight, {3});
        if (ignored >= 0) loss.ignore_index = ignored;
        const double right = cross_entropy_of(kX, labels, 3, weighted ? weight : ones, smoothing, ignored);
        EXPECT_NEAR(loss(x, target).item<double>(), right, 1e-12 * std::abs(right)) << smoothing << " " << ignored;
        const auto report = hop::testing::gradcheck(
            [&](const std::vector<Tensor>& in) { return std::vector{loss(in[0], target)}; }, {x});
        EXPECT_TRUE(report.ok) << smoothing << " " << ignored << ": " << report.message;
      }
    }
  }
}

TEST(CrossEntropyLoss, IgnoresATargetThatIsNoClass) {
  const Tensor target = Tensor::from<std::int64_t>({2, -100, 1, -100}, {4});
  const Tensor x = f64(kX).set_requires_grad();
  const Tensor loss = CrossEntropyLoss{.ignore_index = -100}(x, target);
  EXPECT_NEAR(loss.item<double>(), cross_entropy_of(kX, {2, -100, 1, -100}, 3, {1, 1, 1}, 0, -100), 1e-12);
  backward(loss);
  for (const std::size_t i : {3, 4, 5, 9, 10, 11}) EXPECT_EQ(values(x.grad())[i], 0) << i;
  EXPECT_THROW(CrossEntropyLoss{}(x, target), IndexError);
}

TEST(CrossEntropyLoss, RefusesWhatDoesNotFit) {
  const Tensor x = f64(kX), labels = Tensor::from<std::int64_t>({2, 0, 1, 2}, {4});
  EXPECT_THAT(message_of<ShapeError>([&] {
                CrossEntropyLoss{.weight = f64({1, 2}, {2})}(x, labels);
              }),
              HasSubstr("a weight for each of 3 classes, got (2)"));
  EXPECT_THAT(message_of<ConfigError>([&] { CrossEntropyLoss{.label_smoothing = 1.5}(x, labels); }),
              HasSubstr("got 1.5"));
  EXPECT_THROW(CrossEntropyLoss{.label_smoothing = 0.1}(x, f64(kX, {3, 4})), ShapeError);
  EXPECT_THROW(CrossEntropyLoss{.label_smoothing = 0.1}(x, {}), Error);
}

// ---- weights of rows

// Row 0 three times, row 2 once, row 3 twice; row 1 never.
const std::vector<double> kWeights = {3, 0, 1, 2};
const std::vector<std::int64_t> kRepeated = {0, 0, 0, 2, 3, 3};

TEST(WeightedLosses, CountARowAsOftenAsItsWeightSays) {
  const Tensor index = Tensor::from<std::int64_t>(kRepeated, {6});
  for (const LossRow& row : losses()) {
    if (row.output == Output::Input) continue;  // it reads no label
    const bool are_classes = row.output == Output::Scores;
    const Tensor y = are_classes ? Tensor::from<std::int64_t>({2, 0, 1, 2}, {4}) : f64(kBits);
    const Tensor x = (f64(kX) * 0.25).set_requires_grad(), twin = (f64(kX) * 0.25).set_requires_grad();
    const WeightedLoss weighted = weighted_loss_by_name(row.name);
    const Loss plain = loss_by_name(row.name);
    const Tensor loss = weighted(x, y, to(f64(kWeights, {4}), DType::f32));
    const Tensor repeated = plain(index_select(twin, 0, index), index_select(y, 0, index));
    const double right = repeated.item<double>();
    EXPECT_NEAR(loss.item<double>(), right, 1e-13 * (1 + std::abs(right))) << row.name;
    backward(loss);
    backward(repeated);
    expect_close(x.grad(), twin.grad(), 1e-13, std::string(row.name));
    for (const std::size_t i : {3, 4, 5}) EXPECT_EQ(values(x.grad())[i], 0) << row.name << ": a row of weight 0";
    for (const double each : {1.0, 7.0}) {
      const Tensor alike = weighted(x, y, f64({each, each, each, each}, {4}));
      const double mean = plain(x, y).item<double>();
      EXPECT_NEAR(alike.item<double>(), mean, 1e-13 * (1 + std::abs(mean))) << row.name;
    }
  }
}

TEST(WeightedLosses, AreTheWeightedMeanOfTheRows) {
  const Tensor x = f64({1, 2, 4}, {3}), y = f64({0, 0, 0}, {3});
  EXPECT_NEAR(weighted_loss_by_name("mse")(x, y, f64({1, 2, 0.5}, {3})).item<double>(), 17 / 3.5, 1e-14);
  EXPECT_DOUBLE_EQ(weighted_mean(f64({5, 1}, {2}), f64({1e-300, 3e-300}, {2})).item<double>(), 2);
  const Tensor large = to(f64({3e38, 1e38}, {2}), DType::f32);
  EXPECT_FLOAT_EQ(weighted_mean(to(f64({5, 1}, {2}), DType::f32), large).item<float>(), 4) << "their sum is no f32";
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(weighted_mean(f64({5, infinity}, {2}), f64({2, 0}, {2})).item<double>(), 5);
}

TEST(WeightedLosses, AreZeroWhereNoRowCounts) {
  for (const LossRow& row : losses()) {
    if (row.output == Output::Input) continue;
    const Tensor y = row.output == Output::Scores ? Tensor::from<std::int64_t>({2, 0, 1, 2}, {4}) : f64(kBits);
    const Tensor x = f64(kX).set_requires_grad();
    const Tensor loss = weighted_loss_by_name(row.name)(x, y, f64({0, 0, 0, 0}, {4}));
    backward(loss);
    EXPECT_EQ(loss.item<double>(), 0) << row.name;
    EXPECT_EQ(values(x.grad()), std::vector<double>(12, 0)) << row.name;
  }
}

TEST(WeightedLosses, NeedAWeightForEachRow) {
  const Tensor x = f64(kX);
  EXPECT_THAT(message_of<ShapeError>([&] {
                weighted_loss_by_name("mae")(x, x, f64({1, 2, 3}, {3}));
              }),
              HasSubstr("expected losses (N) and weights (N), got (4) and (3)"));
  EXPECT_THROW(weighted_mean(x, x), ShapeError);
  EXPECT_THROW(weighted_loss_by_name("mea"), ConfigError);
}

TEST(Losses, RefuseSettingsWithoutAMeaning) {
  const Tensor x = f64(kX);
  for (const double delta : {0.0, -1.0}) EXPECT_THROW(HuberLoss{.delta = delta}(x, x), ConfigError);
  for (const double q : {0.0, 1.0, 2.0}) EXPECT_THROW(QuantileLoss{.quantile = q}(x, x), ConfigError);
}

TEST(Losses, OfTheInputIsAModelsOwn) {
  EXPECT_EQ(message_of<ConfigError>([] { loss_by_name("elbo")(f64(kX), f64(kX)); }),
            "[loss] expected a loss of labels, got \"elbo\", which a model of family = \"vae\" computes itself "
            "(nn/unsupervised.h)");
  EXPECT_THAT(message_of<ConfigError>([] { loss_by_name("adversarial")(f64(kX), f64(kX)); }),
              ::testing::HasSubstr("got \"adversarial\", which a model of family = \"dcgan\" computes itself"));
  EXPECT_EQ(message_of<ConfigError>([] { weighted_loss_by_name("elbo"); }),
            "[loss] elbo: expected a loss of labels for rows with weights: its rows have none");
}

TEST(Losses, EachNameIsFoundAndAnUnknownOneTellsTheNearest) {
  for (const LossRow& row : losses()) EXPECT_EQ(&find_loss(row.name), &row);
  EXPECT_EQ(message_of<ConfigError>([] { loss_by_name("cross_entrpy"); }),
            "[loss]: unknown value \"cross_entrpy\"; did you mean \"cross_entropy\"?");
  EXPECT_THAT(message_of<ConfigError>([] { loss_by_name("mse_loss"); }), HasSubstr("did you mean \"mse\"?"));
  EXPECT_THAT(message_of<ConfigError>([] { loss_by_name("triplet_margin"); }),
              HasSubstr("valid are cross_entropy, bce, mse, mae, huber"));
}

TEST(Losses, TakeTheirSettingsFromTheText) {
  const Tensor x = f64(kX), labels = Tensor::from<std::int64_t>({2, 0, 1, 2}, {4});
  const Tensor weight = Tensor::from<float>({1, 5, 0.5F}, {3});
  const auto same = [&](std::string_view text, const Loss& made) {
    EXPECT_EQ(loss_by_name(text)(x, labels).item<double>(), made(x, labels).item<double>()) << text;
  };
  same("cross_entropy", CrossEntropyLoss{});
  same("cross_entropy label_smoothing=0.1", CrossEntropyLoss{.label_smoothing = 0.1});
  same("cross_entropy class_weights=1,5,0.5", CrossEntropyLoss{.weight = weight});
  same("cross_entropy label_smoothing=0.2 class_weights=1,5,0.5",
       CrossEntropyLoss{.weight = weight, .label_smoothing = 0.2});
  const WeightedLoss smooth = weighted_loss_by_name("cross_entropy label_smoothing=0.3");
  EXPECT_NEAR(smooth(x, labels, f64({2, 2, 2, 2}, {4})).item<double>(),
              CrossEntropyLoss{.label_smoothing = 0.3}(x, labels).item<double>(), 1e-13);
}

TEST(Losses, OfABatchInWhichNoRowCountsAreZero) {
  const Tensor x = f64(kX).set_requires_grad(), labels = Tensor::from<std::int64_t>({1, 1, 1, 1}, {4});
  for (const double smoothing : {0.0, 0.1}) {
    const CrossEntropyLoss loss{.weight = Tensor::from<float>({1, 0, 1}, {3}), .label_smoothing = smoothing};
    EXPECT_TRUE(std::isfinite(loss(x, labels).item<double>())) << smoothing;
  }
  const Tensor none = CrossEntropyLoss{.ignore_index = 1}(x, labels);
  EXPECT_EQ(none.item<double>(), 0);
  backward(none);
  for (const double slope : values(x.grad())) EXPECT_EQ(slope, 0);
}

TEST(Losses, SayWhatIsWrongWithTheirSettings) {
  const auto refusal = [](std::string_view text) { return message_of<ConfigError>([&] { loss_by_name(text); }); };
  EXPECT_EQ(refusal("huber dela=1"), "[loss] huber: unknown setting \"dela\"; did you mean \"delta\"?");
  EXPECT_EQ(refusal("mse delta=1"), "[loss] mse: unknown setting \"delta\"; it has none");
  EXPECT_THAT(refusal("huber 0.5"), HasSubstr("such as delta=0.5, got \"0.5\""));
  EXPECT_THAT(refusal("huber delta=1 delta=2"), HasSubstr("expected delta once"));
  EXPECT_THAT(refusal("huber delta=big"), HasSubstr("big"));
  EXPECT_THAT(refusal("huber delta=0"), HasSubstr("a delta above 0, got 0"));
  EXPECT_THAT(refusal("quantile quantile=1"), HasSubstr("between 0 and 1, got 1"));
  EXPECT_THAT(refusal("cross_entropy label_smoothing=2"), HasSubstr("from 0 to 1, got 2"));
  for (const std::string weights : {"-1,2", "1,,2", "", "1,x", "nan,1", "inf"}) {
    EXPECT_NE(refusal("cross_entropy class_weights=" + weights), "") << weights;
  }
  EXPECT_THAT(refusal("cross_entropy class_weights=0,0"), HasSubstr("no other is left"));
  EXPECT_NO_THROW(loss_by_name("cross_entropy class_weights=0,1"));
  EXPECT_THAT(message_of<ConfigError>([] { weighted_loss_by_name("cross_entropy class_weights=1,2"); }),
              HasSubstr("multiply them into the column"));
}

}  // namespace
}  // namespace hop::nn
