// Gradients of gradients far from 0, and where a rule has a branch: a branch that is not taken is differentiated, too,
// and must not turn 0 times infinity into NaN.
#include <cmath>

#include "kernels/copy.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

constexpr double kExtremes[] = {0,   -0.5,  0.5,    1,   -1,   2,     88.6, 88.8,  -88.8, 89,    -104,
                                700, 709.8, -709.8, 745, 1000, -1000, 1e10, -1e10, 1e20,  -1e20, 1e-20};

struct Derivatives {
  std::vector<double> y, first, second;
};

/// The derivatives of an elementwise y = f(x): dy/dx, and the derivative of the sum of all gradients with respect to
/// each operand.
Derivatives derivatives(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& at) {
  std::vector<Tensor> xs;
  for (const Tensor& x : at) xs.push_back(clone(x).set_requires_grad());
  Derivatives d;
  const Tensor y = f(xs);
  d.y = values(y);
  const std::vector<Tensor> once = grad({sum(y)}, xs, {.create_graph = true});
  Tensor total = zeros({}, {.dtype = y.dtype()});
  for (const Tensor& g : once) {
    const std::vector<double> v = values(g);
    d.first.insert(d.first.end(), v.begin(), v.end());
    total = total + sum(g);
  }
  if (!total.requires_grad()) return d;
  for (const Tensor& g : grad({total}, xs, {.allow_unused = true})) {
    const std::vector<double> v = g.defined() ? values(g) : std::vector<double>(d.y.size(), 0);
    d.second.insert(d.second.end(), v.begin(), v.end());
  }
  return d;
}

bool all_finite(const std::vector<double>& v) {
  return std::all_of(v.begin(), v.end(), [](double x) { return std::isfinite(x); });
}

/// Judges second derivatives in f64 and in f32. If the value and the gradient are finite, no second derivative is NaN.
/// The second derivative in f32 is that in f64, if f32 holds such a number.
void expect_sound(const std::string& text, const std::function<Tensor(const std::vector<Tensor>&)>& f,
                  const std::vector<double>& point, bool compare) {
  std::vector<Tensor> singles, doubles;
  for (const double x : point) {
    singles.push_back(Tensor::from<float>({static_cast<float>(x)}, {1}));
    doubles.push_back(kernels::cast(singles.back(), DType::f64));
  }
  const Derivatives reference = derivatives(f, doubles), single = derivatives(f, singles);
  for (const Derivatives* d : {&reference, &single}) {
    if (!all_finite(d->y) || !all_finite(d->first)) continue;
    for (const double h : d->second) EXPECT_FALSE(std::isnan(h)) << text << (d == &single ? " in f32" : " in f64");
  }
  if (!compare || !all_finite(single.y) || !all_finite(single.first)) return;
  for (std::size_t i = 0; i < single.second.size(); ++i) {
    const double wanted = reference.second[i];
    if (std::fabs(wanted) > 1e30) continue;
    EXPECT_NEAR(single.second[i], wanted, 1e-4 * (1 + std::fabs(wanted))) << text;
  }
}

struct Unary {
  std::string name;
  std::function<Tensor(const Tensor&)> f;
};

std::vector<Unary> unary_rows() {
  std::vector<Unary> list;
#define HOP_UNARY(name, ...) list.push_back({#name, [](const Tensor& x) { return hop::name(x); }});
#include "kernels/elementwise.def"
  for (const double e : {-2.5, -1.0, 0.0, 0.5, 2.0, 2.5, 3.0})
    list.push_back({"pow_scalar " + std::to_string(e), [e](const Tensor& x) { return pow_scalar(x, e); }});
  list.push_back({"elu -2", [](const Tensor& x) { return elu(x, -2); }});
  list.push_back({"leaky_relu 0", [](const Tensor& x) { return leaky_relu(x, 0); }});
  list.push_back({"softplus 3", [](const Tensor& x) { return softplus(x, 3, 10); }});
  list.push_back({"clamp", [](const Tensor& x) { return clamp(x, -1, 1); }});
  return list;
}

TEST(SecondDerivative, OfEveryUnaryRowIsSoundAtExtremeValues) {
  for (const Unary& row : unary_rows()) {
    for (const double x : kExtremes) {
      const bool periodic = row.name == "sin" || row.name == "cos";  // f32 and f64 reduce huge arguments each its way
      expect_sound(
          row.name + " at " + std::to_string(x), [&](const std::vector<Tensor>& xs) { return row.f(xs[0]); }, {x},
          !periodic || std::fabs(x) < 1000);
    }
  }
}

TEST(SecondDerivative, OfEveryBinaryRowIsSoundAtExtremeValues) {
  struct Binary {
    std::string name;
    Tensor (*f)(kernels::Input a, kernels::Input b);
  };
  std::vector<Binary> rows;
#define HOP_BINARY(name, ...) \
  rows.push_back({#name, [](kernels::Input a, kernels::Input b) { return hop::name(a, b); }});
#include "kernels/elementwise.def"
  for (const Binary& row : rows) {
    for (const double a : {0.0, -1.0, 0.5, 2.0, 1000.0, -1000.0, 1e20, 1e-20}) {
      if (row.name == "atan2" && a == 1e-20) continue;  // its second derivative, 1 / a^2, is no f32
      for (const double b : {0.0, 0.5, 1.0, 2.0, 3.0, -1.0, 1000.0, 1e20}) {
        // Next to 0 the second derivatives of pow leave f32 at other places than those of f64.
        expect_sound(
            row.name + " at " + std::to_string(a) + ", " + std::to_string(b),
            [&](const std::vector<Tensor>& xs) { return row.f(xs[0], xs[1]); }, {a, b}, a != 1e-20);
      }
    }
  }
}

TEST(SecondDerivative, OfEluIsZeroOnItsStraightSideAndExpOnTheOther) {
  for (const double x : {1e-3, 1.0, 89.0, 710.0, 1e20})
    EXPECT_EQ(derivatives([](auto& xs) { return elu(xs[0]); }, {f64({x}, {1})}).second, std::vector<double>{0}) << x;
  for (const double x : {0.0, -1.0, -30.0})
    EXPECT_NEAR(derivatives([](auto& xs) { return elu(xs[0]); }, {f64({x}, {1})}).second[0], std::exp(x), 1e-15) << x;
}

TEST(SecondDerivative, OfAProductWithANumberBeyondF32IsThatOfInfinity) {
  const Tensor x = Tensor::from<float>({1}, {1}).set_requires_grad();
  const Tensor g = grad({sum(x * 1e300)}, {x}, {.create_graph = true})[0];
  EXPECT_TRUE(std::isinf(g.item<float>()));
}

// 2^24 + 1 is no f32: a gradient summed in f32 would stand still there.
TEST(GradientOfAnIndex, LosesNothingOfALongSum) {
  constexpr std::int64_t kOnes = 1000;
  const Tensor index = zeros({kOnes + 1}, {.dtype = DType::i64});
  const Tensor g = ones({kOnes + 1});
  g.data<float>()[0] = 0x1p24F;
  const auto gradient_of = [&](const auto& f, const Shape& shape) {
    const Tensor x = ones(shape, {.requires_grad = true});
    backward(f(x), {.gradient = reshape(g, f(x).shape())});
    return values(x.grad())[0];
  };
  constexpr double kWanted = 0x1p24 + kOnes;
  EXPECT_EQ(gradient_of([&](const Tensor& x) { return index_select(x, 0, index); }, {2}), kWanted);
  EXPECT_EQ(gradient_of([&](const Tensor& x) { return gather(x, 0, index); }, {2}), kWanted);
  EXPECT_EQ(gradient_of([&](const Tensor& x) { return embedding(x, index); }, {2, 1}), kWanted);
}

TEST(GradientOfCat, PassesAnEmptyStart) {
  const Tensor empty = zeros({0}, {.requires_grad = true}), x = leaf({1, 2, 3, 4}, {2, 2});
  backward(sum(cat({empty, x}, 1) * 3));
  EXPECT_EQ(empty.grad().shape(), Shape{0});
  EXPECT_EQ(values(x.grad()), std::vector<double>(4, 3));
}

TEST(GradientOfSoftmax, OfANumberIsZero) {
  for (const bool twice : {false, true}) {
    const Tensor x = scalar(3);
    EXPECT_EQ(grad({softmax(x) * 5}, {x}, {.create_graph = twice})[0].item<double>(), 0);
  }
}

TEST(InPlaceOnIntegers, IsExact) {
  const std::int64_t odd = (std::int64_t{1} << 54) + 2;
  const auto i64 = [](std::int64_t v) { return Tensor::from<std::int64_t>({v}, {1}); };
  const auto result = [](const Tensor& y) { return y.item<std::int64_t>(); };
  EXPECT_EQ(result(add_(i64(0), i64(16777217), -1)), -16777217);
  EXPECT_EQ(result(add_(i64(0), i64(16777217), 2)), 33554434);
  EXPECT_EQ(result(add_(i64(0), i64(odd / 2), 2)), odd);
  EXPECT_EQ(result(add_(i64(1), std::int64_t{1} << 62)), (std::int64_t{1} << 62) + 1);
  EXPECT_EQ(result(mul_(i64(odd), -1)), -odd);
  EXPECT_EQ(result(mul_(i64(16777217), i64(3))), 50331651);
  EXPECT_EQ(add_(Tensor::from<std::uint8_t>({250}, {1}), 10).item<int>(), 4);
  EXPECT_EQ(add_(Tensor::from<std::int32_t>({5}, {1}), i64(7), -3).item<int>(), -16);
}

TEST(InPlaceOnIntegers, RefusesFractions) {
  for (const DType dtype : {DType::i64, DType::i32, DType::u8, DType::boolean}) {
    const Tensor y = full({2}, 1, {.dtype = dtype}), fraction = full({2}, 0.5);
    EXPECT_THROW(add_(y, 0.5), DtypeError);
    EXPECT_THROW(add_(y, fraction), DtypeError);
    EXPECT_THROW(add_(y, y, 0.5), DtypeError);
    EXPECT_THROW(mul_(y, 1.0), DtypeError);
    EXPECT_THROW(mul_(y, fraction), DtypeError);
    EXPECT_THROW(lerp_(y, y, 0.5), DtypeError);
    EXPECT_EQ(values(y), (std::vector<double>{1, 1}));
  }
  EXPECT_TRUE(
      throws<DtypeError>([] { add_(full({1}, true, {.dtype = DType::boolean}), 1); },
                         "[add_] expected an operand that leaves the result in bool, got one that makes it i64"));
}

TEST(Lerp, ArrivesAtItsEnd) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const double start : {1e8, -1e30, 0.0, 1.0}) {
      for (const double end : {1.0, 3e-9, -7.0}) {
        const Tensor y = full({1}, start, {.dtype = dtype}), target = full({1}, end, {.dtype = dtype});
        EXPECT_EQ(lerp_(y, target, 1).item<double>(), target.item<double>());
        fill_(y, start);
        EXPECT_EQ(lerp_(y, target, 0).item<double>(), full({1}, start, {.dtype = dtype}).item<double>());
      }
    }
  }
  const Tensor y = f64({2}, {1});
  EXPECT_DOUBLE_EQ(lerp_(y, f64({10}, {1}), 0.75).item<double>(), 8);
}

// PyTorch's gradients, also where the function ends.
TEST(Gradient, OfLogitIsInfiniteAtZeroAndOne) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    const auto gradient = [dtype](std::optional<double> eps) {
      const Tensor x = to(f64({0, 1, 0.25, -0.5, 1.5, std::nan(""), -0.0}, {7}), dtype).set_requires_grad();
      return values(to(grad({sum(logit(x, eps))}, {x})[0], DType::f64));
    };
    const double tolerance = is_half(dtype) ? 0.02 : 1e-6;
    const std::vector<double> open = gradient(std::nullopt), closed = gradient(0.0), within = gradient(0.25);
    EXPECT_EQ(open[0], HUGE_VAL) << name(dtype);
    EXPECT_EQ(open[1], HUGE_VAL) << name(dtype);
    EXPECT_EQ(open[6], HUGE_VAL) << name(dtype);
    EXPECT_NEAR(open[2], 16.0 / 3, tolerance) << name(dtype);
    EXPECT_TRUE(std::isnan(open[3]) && std::isnan(open[4]) && std::isnan(open[5])) << name(dtype);
    EXPECT_EQ(closed[0], HUGE_VAL) << name(dtype);
    EXPECT_EQ(closed[1], HUGE_VAL) << name(dtype);
    EXPECT_EQ(closed[6], HUGE_VAL) << name(dtype);
    for (const std::size_t outside : {3, 4}) EXPECT_EQ(closed[outside], 0) << name(dtype);
    for (const std::size_t outside : {0, 1, 3, 4, 6}) EXPECT_EQ(within[outside], 0) << name(dtype);
    EXPECT_NEAR(within[2], 16.0 / 3, tolerance) << name(dtype);
    EXPECT_TRUE(std::isnan(closed[5]) && std::isnan(within[5])) << name(dtype);
  }
  const Tensor x = leaf({0, 0.25, 1}, {3});
  const Tensor once = grad({sum(logit(x, 0.1))}, {x}, {.create_graph = true})[0];
  EXPECT_NEAR(values(grad({sum(once)}, {x})[0])[1], -128.0 / 9, 1e-9);
  EXPECT_EQ(values(grad({sum(grad({sum(logit(x, 0.1))}, {x}, {.create_graph = true})[0])}, {x})[0])[0], 0);
}

// Between the bounds they are parabolas, also at the lowest point.
TEST(Gradient, OfSecondOrderOfHuberLossesIsConstantBetweenTheBounds) {
  const Tensor x = leaf({0, -0.0, 0.1, -0.4, 0.7}, {5}), target = zeros({5}, DType::f64);
  const auto second = [&](const Tensor& loss) {
    return values(grad({sum(grad({loss}, {x}, {.create_graph = true})[0])}, {x})[0]);
  };
  EXPECT_EQ(second(huber_loss(x, target, {.reduction = Reduction::sum, .delta = 0.5})),
            (std::vector<double>{1, 1, 1, 1, 0}));
  EXPECT_EQ(second(smooth_l1_loss(x, target, {.reduction = Reduction::sum, .beta = 0.5})),
            (std::vector<double>{2, 2, 2, 2, 0}));
}

// PyTorch's gradients. PyTorch's second derivatives are NaN there; ours are 0.
TEST(Gradient, OfAtan2AtZeroIsZero) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const double zero : {0.0, -0.0}) {
      const Tensor a = to(f64({0, zero, 0, 1, 1e-200}, {5}), dtype).set_requires_grad();
      const Tensor b = to(f64({zero, 0, 2, 0, 1e-200}, {5}), dtype).set_requires_grad();
      const std::vector<Tensor> g = grad({sum(atan2(a, b))}, {a, b}, {.create_graph = true});
      EXPECT_EQ(values(g[0]), (std::vector<double>{0, 0, 0.5, 0, 0})) << name(dtype);
      EXPECT_EQ(values(g[1]), (std::vector<double>{0, 0, 0, -1, 0})) << name(dtype);
      for (const Tensor& second : grad({sum(g[0]) + sum(g[1])}, {a, b})) {
        EXPECT_EQ(values(second)[0], 0) << name(dtype);
        EXPECT_EQ(values(second)[1], 0) << name(dtype);
      }
    }
  }
}

}  // namespace
}  // namespace hop::autograd
