#include "kernels/softmax.h"

#include <functional>
#include <limits>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const std::vector<Shape> kShapes = {{1}, {7, 1}, {5, 10}, {3, 16}, {4, 17}, {2, 3, 33}, {2, 1000}, {1, 5000}};

using Row = std::vector<double>;

/// `f` applied to each row of x, in doubles.
std::vector<double> by_row(const Tensor& x, const std::function<Row(const Row&)>& f) {
  const std::vector<double> all = values<double>(x);
  const std::int64_t length = x.shape().back();
  std::vector<double> result;
  for (auto row = all.begin(); row != all.end(); row += length) {
    const Row y = f(Row(row, row + length));
    result.insert(result.end(), y.begin(), y.end());
  }
  return result;
}

Row log_softmax_row(const Row& x) {
  const double max = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const double v : x) sum += std::exp(v - max);
  Row y;
  for (const double v : x) y.push_back(v - max - std::log(sum));
  return y;
}
Row softmax_row(const Row& x) {
  Row y = log_softmax_row(x);
  for (double& v : y) v = std::exp(v);
  return y;
}

/// The gradient of sum(weights * f(x)) by central differences.
std::vector<double> numeric_gradient(const Tensor& x, const Tensor& weights,
                                     const std::function<Tensor(const Tensor&)>& f) {
  std::vector<double> gradient;
  const auto loss = [&] { return sum(mul(weights, f(x))).item<double>(); };
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    double& v = x.data<double>()[i];
    const double before = v;
    v = before + 1e-5;
    const double up = loss();
    v = before - 1e-5;
    gradient.push_back((up - loss()) / 2e-5);
    v = before;
  }
  return gradient;
}

TEST(Softmax, GivesTheTextbookValues) {
  const Tensor x = Tensor::from({1.0F, 2.0F, 3.0F}, {3});
  EXPECT_TRUE(close(softmax(x), {0.09003057317038046, 0.24472847105479764, 0.6652409557748218}, 1e-6, 0));
  EXPECT_TRUE(close(log_softmax(x), {-2.4076059644443806, -1.4076059644443804, -0.4076059644443804}, 1e-6, 0));
}

TEST(Softmax, AgreesWithDoublesForRowsOfAnyLength) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : kShapes) {
      SCOPED_TRACE(shape.to_string());
      const Tensor x = random_tensor(shape, dtype, 1, -20, 20);
      EXPECT_TRUE(close(softmax(x), by_row(x, softmax_row), epsilon(dtype, 16), epsilon(dtype, 4)));
      EXPECT_TRUE(close(log_softmax(x), by_row(x, log_softmax_row), epsilon(dtype, 4), epsilon(dtype, 4)));
    }
  }
}

TEST(Softmax, GradientsAgreeWithDifferences) {
  for (const Shape& shape : {Shape{7, 1}, Shape{3, 10}, Shape{2, 2, 21}}) {
    const Tensor x = random_tensor(shape, DType::f64, 1);
    const Tensor g = random_tensor(shape, DType::f64, 2);
    EXPECT_TRUE(close(softmax_grad(g, softmax(x)), numeric_gradient(x, g, softmax), 1e-6, 1e-8));
    EXPECT_TRUE(close(log_softmax_grad(g, log_softmax(x)), numeric_gradient(x, g, log_softmax), 1e-6, 1e-8));
  }
}

TEST(Softmax, FloatGradientsAgreeWithDoubles) {
  for (const Shape& shape : kShapes) {
    const Tensor x = random_tensor(shape, DType::f64, 1);
    const Tensor g = random_tensor(shape, DType::f64, 2);
    const auto single = [](const Tensor& t) { return cast(t, DType::f32); };
    const Tensor y = softmax(x), z = log_softmax(x);
    EXPECT_TRUE(close(softmax_grad(single(g), single(y)), values<double>(softmax_grad(g, y)), 1e-5, 1e-6));
    EXPECT_TRUE(close(log_softmax_grad(single(g), single(z)), values<double>(log_softmax_grad(g, z)), 1e-5, 1e-5));
  }
}

TEST(Softmax, TheBitsKnowNoLayoutNoAddressAndNoThreads) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : {Shape{5, 10}, Shape{4, 17}, Shape{3, 700}}) {
      const Tensor x = random_tensor(shape, dtype, 1);
      const Tensor g = random_tensor(shape, dtype, 2);
      const Tensor y = softmax(x), z = log_softmax(x), dy = softmax_grad(g, y), dz = log_softmax_grad(g, z);
      std::vector<Tensor> variants = layouts(x);
      for (std::int64_t offset = 0; offset < 16; ++offset) variants.push_back(shifted(x, offset));
      for (const Tensor& v : variants) {
        const auto like = [&](const Tensor& t) { return with_strides(t, v.strides(), v.storage_offset()); };
        ASSERT_TRUE(same_bits(softmax(v), y));
        ASSERT_TRUE(same_bits(log_softmax(v), z));
        ASSERT_TRUE(same_bits(softmax_grad(like(g), like(y)), dy));
        ASSERT_TRUE(same_bits(log_softmax_grad(like(g), like(z)), dz));
      }
    }
  }
  const Tensor big = random_tensor({300, 200});
  const Tensor golden = softmax(big);
  const ComputeThreads two(2);
  EXPECT_TRUE(same_bits(softmax(big), golden));
}

TEST(Softmax, TheExponentialIsTheTablesOwn) {
  const Tensor x = random_tensor({40}, DType::f32, 1, -10, 0);
  x.data<float>()[7] = 0;  // the maximum: y = exp(x) / sum
  const Tensor quotient = div(exp(x), sum(exp(x)));
  EXPECT_TRUE(same_bits(softmax(x), quotient));
}

TEST(Softmax, HugeAndInfiniteInputsGiveWhatPyTorchGives) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const auto row = [&](std::initializer_list<double> list) {
      return cast(Tensor::from(list, {static_cast<std::int64_t>(list.size())}), dtype);
    };
    EXPECT_TRUE(close(softmax(row({1e4, -1e4, 1e4})), {0.5, 0, 0.5}, 1e-6, 0));
    EXPECT_TRUE(close(log_softmax(row({1e4, -1e4})), {0, -2e4}, 1e-6, 0));
    EXPECT_TRUE(close(softmax(row({-kInfinity, 0, 0})), {0, 0.5, 0.5}, 1e-6, 0));
    EXPECT_TRUE(close(log_softmax(row({-kInfinity, 0})), {-kInfinity, 0}, 1e-6, 0));
    for (const Tensor& x : {row({-kInfinity, -kInfinity}), row({kInfinity, 0}), row({NAN, 0})}) {
      EXPECT_TRUE(close(softmax(x), {NAN, NAN}, 0, 0));
      EXPECT_TRUE(close(log_softmax(x), {NAN, NAN}, 0, 0));
    }
  }
}

TEST(CrossEntropy, IsTheMeanOfTheLabelsLogProbabilities) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const auto& [rows, columns] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {9, 10}, {40, 1000}}) {
      const Tensor x = random_tensor({rows, columns}, dtype, 1, -5, 5);
      const Tensor labels = random_tensor({rows}, DType::i64, 2, 0, static_cast<double>(columns));
      const std::vector<double> golden = by_row(x, log_softmax_row);
      double loss = 0;
      for (std::int64_t i = 0; i < rows; ++i) {
        loss -=
            golden[static_cast<std::size_t>(i * columns + labels.data<std::int64_t>()[i])] / static_cast<double>(rows);
      }
      const CrossEntropyResult result = cross_entropy(x, labels);
      EXPECT_EQ(result.loss.shape(), Shape({}));
      EXPECT_NEAR(result.loss.item<double>(), loss, epsilon(dtype) * std::abs(loss));
      EXPECT_TRUE(close(result.log_probabilities, golden, epsilon(dtype), epsilon(dtype)));
      const Tensor wide = with_order(x, {1, 0}, 3);
      EXPECT_TRUE(same_bits(cross_entropy(wide, with_strides(labels, {2}, 1)).loss, result.loss));
    }
  }
}

TEST(CrossEntropy, ItsGradientAgreesWithDifferencesAndFloatWithDouble) {
  const Tensor x = random_tensor({5, 21}, DType::f64);
  const Tensor labels = Tensor::from<std::int64_t>({0, 20, 7, 7, 16}, {5});
  const Tensor g = Tensor::from({-1.5}, {});
  const Tensor dx = cross_entropy_grad(g, cross_entropy(x, labels).log_probabilities, labels);
  const auto loss = [&](const Tensor& t) { return cross_entropy(t, labels).loss; };
  EXPECT_TRUE(close(dx, numeric_gradient(x, g, loss), 1e-6, 1e-9));
  const Tensor single = cast(x, DType::f32);
  const Tensor y = cross_entropy(single, labels).log_probabilities;
  const Tensor golden = cross_entropy_grad(cast(g, DType::f32), y, labels);
  EXPECT_TRUE(close(golden, values<double>(dx), 1e-5, 1e-7));
  for (const Tensor& v : layouts(y)) EXPECT_TRUE(same_bits(cross_entropy_grad(cast(g, DType::f32), v, labels), golden));
}

TEST(CrossEntropy, OfNoRowsIsNan) {
  const Tensor labels = Tensor::empty({0}, DType::i64);
  const CrossEntropyResult result = cross_entropy(Tensor::empty({0, 3}, DType::f32), labels);
  EXPECT_TRUE(std::isnan(result.loss.item<float>()));
  EXPECT_EQ(cross_entropy_grad(result.loss, result.log_probabilities, labels).shape(), Shape({0, 3}));
}

TEST(CrossEntropy, NamesTheRowAndTheLabelThatDoNotFit) {
  const Tensor x = random_tensor({4, 10});
  const auto labels = [](std::initializer_list<std::int64_t> list) {
    return Tensor::from(list, {static_cast<std::int64_t>(list.size())});
  };
  EXPECT_EQ(error_of<IndexError>([&] {
              cross_entropy(x, labels({0, 9, 10, 1}));
            }),
            "[cross_entropy] expected labels in 0..9, got 10 in row 2");
  EXPECT_EQ(error_of<IndexError>([&] {
              cross_entropy(x, labels({-1, 9, 10, 1}));
            }),
            "[cross_entropy] expected labels in 0..9, got -1 in row 0");
  EXPECT_EQ(error_of<ShapeError>([&] {
              cross_entropy(x, labels({0, 1}));
            }),
            "[cross_entropy] expected labels of shape (4), got (2)");
  EXPECT_EQ(error_of<ShapeError>([&] { cross_entropy(random_tensor({4}), labels({0})); }),
            "[cross_entropy] expected x (N, C) with C > 0, got (4)");
  EXPECT_EQ(error_of<DtypeError>([&] { cross_entropy(x, random_tensor({4}, DType::i32)); }),
            "[cross_entropy] expected labels of i64, got i32 (4) on cpu");
}

TEST(Softmax, RefusesWhatItCannotDo) {
  EXPECT_EQ(error_of<DtypeError>([&] { softmax(random_tensor({3}, DType::i64)); }),
            "[softmax] expected f32, f64, bf16 or f16, got i64 (3) on cpu");
  EXPECT_EQ(error_of<ShapeError>([&] { softmax_grad(random_tensor({3}), random_tensor({4})); }),
            "[softmax gradient] expected g of shape (4), got (3)");
  EXPECT_EQ(softmax(random_tensor({0, 3})).shape(), Shape({0, 3}));
}

}  // namespace
}  // namespace hop::kernels
