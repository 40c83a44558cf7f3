// The judges are the formula in doubles and, for gradients, its central differences.
#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/random.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;
using Values = std::vector<double>;

struct Sizes {
  std::int64_t samples, heads, queries, keys, depth, columns;
};
// Blocks of 64 queries, sixteens of columns: below, at and beyond each.
const std::vector<Sizes> kSizes = {{1, 1, 1, 1, 1, 1},    {1, 2, 3, 5, 4, 2},   {2, 3, 7, 7, 16, 16},
                                   {1, 1, 64, 64, 8, 32}, {1, 2, 65, 65, 5, 3}, {1, 1, 130, 40, 17, 9},
                                   {2, 1, 20, 133, 3, 40}};

AttentionInputs inputs(const Sizes& z, DType dtype, bool causal) {
  return {random_tensor({z.samples, z.heads, z.queries, z.depth}, dtype, 1, -2, 2),
          random_tensor({z.samples, z.heads, z.keys, z.depth}, dtype, 2, -2, 2),
          random_tensor({z.samples, z.heads, z.keys, z.columns}, dtype, 3), 0.7, causal};
}

AttentionInputs with_dropout(AttentionInputs in, double p) {
  in.dropout = p;
  in.address = {.key = 0x0123456789abcdef, .step = 7, .draw = 3};
  return in;
}

struct Golden {
  Values y, log_sum;
};

Golden golden(const AttentionInputs& in) {
  const auto heads = static_cast<std::size_t>(in.q.size(0) * in.q.size(1)),
             queries = static_cast<std::size_t>(in.q.size(2)), keys = static_cast<std::size_t>(in.k.size(2)),
             depth = static_cast<std::size_t>(in.q.size(3)), columns = static_cast<std::size_t>(in.v.size(3));
  const Values q = values<double>(in.q), k = values<double>(in.k), v = values<double>(in.v);
  const Values factors = values<double>(
      dropout(ones({in.q.size(0), in.q.size(1), in.q.size(2), in.k.size(2)}, DType::f64), in.dropout, in.address));
  Golden g;
  for (std::size_t h = 0; h < heads; ++h) {
    for (std::size_t i = 0; i < queries; ++i) {
      const std::size_t seen = in.is_causal ? std::min(keys, i + 1) : keys;
      Values w(seen);
      for (std::size_t j = 0; j < seen; ++j) {
        for (std::size_t e = 0; e < depth; ++e)
          w[j] += in.scale * q[(h * queries + i) * depth + e] * k[(h * keys + j) * depth + e];
      }
      double sum = 0;
      for (double& x : w) sum += x = std::exp(x);
      g.log_sum.push_back(std::log(sum));
      for (std::size_t d = 0; d < columns; ++d) {
        double y = 0;
        for (std::size_t j = 0; j < seen; ++j)
          y += factors[(h * queries + i) * keys + j] * w[j] / sum * v[(h * keys + j) * columns + d];
        g.y.push_back(y);
      }
    }
  }
  return g;
}

void for_each_case(const std::function<void(const AttentionInputs&, DType)>& f) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Sizes& z : kSizes) {
      for (const bool causal : {false, true}) {
        const AttentionInputs in = inputs(z, dtype, causal);
        SCOPED_TRACE(in.q.describe() + " " + in.v.describe() + (causal ? " causal" : ""));
        f(in, dtype);
      }
    }
  }
}

TEST(Attention, IsTheFormula) {
  for_each_case([](const AttentionInputs& in, DType dtype) {
    const Golden expected = golden(in);
    const AttentionResult result = attention(in);
    EXPECT_TRUE(close(result.y, expected.y, epsilon(dtype, 64), epsilon(dtype, 64)));
    EXPECT_TRUE(close(result.log_sum, expected.log_sum, epsilon(dtype, 64), epsilon(dtype, 64)));
  });
}

TEST(Attention, DropsTheWeightsThatDropoutDrops) {
  for_each_case([](const AttentionInputs& plain, DType dtype) {
    for (const double p : {0.1, 0.5}) {
      const AttentionInputs in = with_dropout(plain, p);
      const Golden expected = golden(in);
      const AttentionResult result = attention(in);
      EXPECT_TRUE(close(result.y, expected.y, epsilon(dtype, 64), epsilon(dtype, 64)));
      EXPECT_TRUE(close(result.log_sum, expected.log_sum, epsilon(dtype, 64), epsilon(dtype, 64)));
    }
  });
}

// Equal scores and v = 1: y is the dropped weights, those of the operation that drops a matrix of weights.
TEST(Attention, HasTheMaskOfDropout) {
  for (const std::int64_t keys : {1, 4, 7, 33, 130}) {
    AttentionInputs in =
        with_dropout({zeros({2, 3, 70, 2}, DType::f32), zeros({2, 3, keys, 2}, DType::f32), Tensor(), 1}, 0.4);
    in.v = zeros({2, 3, keys, keys}, DType::f32);
    for (std::int64_t i = 0; i < in.v.numel(); ++i) in.v.data<float>()[i] = i / keys % keys == i % keys ? 1 : 0;
    const Tensor mask = dropout(ones({2, 3, 70, keys}), 0.4, in.address);
    for (const bool causal : {false, true}) {
      in.is_causal = causal;
      const Tensor y = contiguous(attention(in).y);
      for (std::int64_t i = 0; i < y.numel(); ++i) {
        const bool sees = !causal || i % keys <= i / keys % 70;
        ASSERT_EQ(y.data<float>()[i] != 0, sees && mask.data<float>()[i] != 0) << keys << " keys, " << i;
      }
    }
  }
}

TEST(Attention, ThatDropsEverythingIsZero) {
  const AttentionInputs in = with_dropout(inputs({1, 2, 5, 7, 4, 3}, DType::f32, false), 1);
  const AttentionResult result = attention(in);
  EXPECT_EQ(values<double>(result.y), Values(30, 0.0));
  const AttentionGrads grads = attention_grad(random_tensor({1, 2, 5, 3}), in, result);
  for (const Tensor* x : {&grads.q, &grads.k, &grads.v}) {
    for (const double slope : values<double>(*x)) EXPECT_EQ(slope, 0);
  }
}

// A replay reads key and step where the address says.
TEST(Attention, DropsOtherWeightsInEachReplay) {
  AttentionInputs in = with_dropout(inputs({1, 2, 9, 9, 4, 3}, DType::f32, true), 0.5);
  std::uint64_t key = 11;
  std::int64_t step = 1;
  in.address = {.draw = 2, .key_at = &key, .step_at = &step};
  const Tensor g = random_tensor({1, 2, 9, 3}, DType::f32, 7);
  AttentionResult result;
  AttentionGrads grads;
  const Recording recording = capture([&] {
    result = attention(in);
    grads = attention_grad(g, in, result);
  });
  Values before;
  for (step = 1; step < 4; ++step) {
    if (step > 1) recording.replay();
    AttentionInputs now = in;
    now.address = {.key = key, .step = static_cast<std::uint64_t>(step), .draw = 2};
    const AttentionResult expected = attention(now);
    EXPECT_TRUE(same_bits(contiguous(result.y), contiguous(expected.y))) << step;
    EXPECT_TRUE(same_bits(contiguous(grads.v), contiguous(attention_grad(g, now, expected).v))) << step;
    EXPECT_NE(values<double>(result.y), before) << step;
    before = values<double>(result.y);
  }
}

Values slopes(const Tensor& x, const std::function<double()>& f) {
  constexpr double kStep = 1e-6;
  Values result;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    double& value = x.data<double>()[i];
    const double kept = value;
    value = kept + kStep;
    const double above = f();
    value = kept - kStep;
    result.push_back((above - f()) / (2 * kStep));
    value = kept;
  }
  return result;
}

TEST(Attention, HasTheGradientOfCentralDifferences) {
  for (const Sizes& z : std::vector<Sizes>{{1, 1, 1, 1, 1, 1}, {2, 2, 3, 5, 4, 2}, {1, 1, 66, 4, 2, 3}}) {
    for (const bool causal : {false, true}) {
      for (const double p : {0.0, 0.3}) {
        const AttentionInputs in = with_dropout(inputs(z, DType::f64, causal), p);
        SCOPED_TRACE(in.q.describe() + (causal ? " causal" : "") + (p > 0 ? " with dropout" : ""));
        const Tensor g = random_tensor({z.samples, z.heads, z.queries, z.columns}, DType::f64, 7);
        const Values weights = values<double>(g);
        const auto loss = [&] {
          const Values y = golden(in).y;
          return std::inner_product(y.begin(), y.end(), weights.begin(), 0.0);
        };
        const AttentionGrads grads = attention_grad(g, in, attention(in));
        EXPECT_TRUE(close(grads.q, slopes(in.q, loss), 1e-7, 1e-7));
        EXPECT_TRUE(close(grads.k, slopes(in.k, loss), 1e-7, 1e-7));
        EXPECT_TRUE(close(grads.v, slopes(in.v, loss), 1e-7, 1e-7));
      }
    }
  }
}

// f32 against f64 where central differences would take long: several blocks of queries, rests of columns.
TEST(Attention, HasInF32TheGradientOfF64) {
  for_each_case([](const AttentionInputs& plain, DType dtype) {
    if (dtype != DType::f32) return;
    const AttentionInputs in = with_dropout(plain, plain.q.size(2) % 2 == 0 ? 0.2 : 0);
    const Shape shape{in.q.size(0), in.q.size(1), in.q.size(2), in.v.size(3)};
    const Tensor g = random_tensor(shape, DType::f32, 7);
    AttentionInputs fine = in;
    for (Tensor* x : {&fine.q, &fine.k, &fine.v}) *x = cast(*x, DType::f64);
    const AttentionGrads grads = attention_grad(g, in, attention(in)),
                         expected = attention_grad(cast(g, DType::f64), fine, attention(fine));
    const double bound = epsilon(DType::f32, 256);
    EXPECT_TRUE(close(grads.q, values<double>(expected.q), bound, bound));
    EXPECT_TRUE(close(grads.k, values<double>(expected.k), bound, bound));
    EXPECT_TRUE(close(grads.v, values<double>(expected.v), bound, bound));
  });
}

// (N, heads, rows, columns) over (N, rows, 3 heads columns), as the parts of one product lie.
Tensor part_of(const Tensor& x, int part) {
  const std::int64_t n = x.size(0), heads = x.size(1), rows = x.size(2), columns = x.size(3);
  const std::int64_t row = 3 * heads * columns;
  const Tensor whole = zeros({n * rows * row}, x.dtype());
  const Tensor y = whole.as_strided(x.shape(), {rows * row, columns, row, 1}, part * heads * columns);
  copy_(y, x);
  return y;
}

TEST(Attention, HasTheSameBitsInEveryLayoutAndOnEveryNumberOfThreads) {
  const AttentionInputs in = with_dropout(inputs({2, 3, 70, 70, 16, 16}, DType::f32, true), 0.2);
  const Tensor g = random_tensor({2, 3, 70, 16}, DType::f32, 7);
  const AttentionResult result = attention(in);
  const AttentionGrads grads = attention_grad(g, in, result);
  AttentionInputs moved = in;
  moved.q = part_of(in.q, 0);
  moved.k = part_of(in.k, 1);
  moved.v = part_of(in.v, 2);
  const Tensor by_columns = with_order(g, {0, 1, 3, 2});
  for (const int threads : {1, 2, 3}) {
    set_compute_threads(threads);
    EXPECT_TRUE(same_bits(contiguous(attention(moved).y), contiguous(result.y)));
    const AttentionGrads again = attention_grad(by_columns, moved, attention(moved));
    EXPECT_TRUE(same_bits(contiguous(again.q), contiguous(grads.q)));
    EXPECT_TRUE(same_bits(contiguous(again.k), contiguous(grads.k)));
    EXPECT_TRUE(same_bits(contiguous(again.v), contiguous(grads.v)));
  }
  set_compute_threads(1);
}

TEST(Attention, BearsLargeScores) {
  AttentionInputs in = inputs({1, 1, 3, 3, 2, 2}, DType::f32, false);
  in.scale = 1000;
  for (const double y : values<double>(attention(in).y)) EXPECT_TRUE(std::isfinite(y));
}

TEST(Attention, OfNothing) {
  const auto run = [](const Sizes& z) { return attention(inputs(z, DType::f32, false)); };
  EXPECT_EQ(run({0, 2, 3, 3, 4, 4}).y.numel(), 0);
  EXPECT_EQ(run({1, 2, 0, 3, 4, 4}).y.numel(), 0);
  EXPECT_EQ(run({1, 2, 3, 3, 4, 0}).y.numel(), 0);
  EXPECT_EQ(values<double>(run({1, 1, 2, 0, 4, 3}).y), Values(6, 0.0));  // no key to see
  const AttentionInputs blind = inputs({1, 1, 2, 0, 4, 3}, DType::f32, false);
  EXPECT_EQ(values<double>(attention_grad(random_tensor({1, 1, 2, 3}), blind, attention(blind)).q), Values(8, 0.0));
  const AttentionInputs bare = inputs({1, 2, 70, 3, 0, 1}, DType::f32, false);  // no columns to compare: equal weights
  const AttentionResult means = attention(bare);
  const Values v = values<double>(bare.v);
  for (std::int64_t i = 0; i < 140; ++i) {
    const std::size_t first = i < 70 ? 0 : 3;
    EXPECT_NEAR(values<double>(means.y)[static_cast<std::size_t>(i)], (v[first] + v[first + 1] + v[first + 2]) / 3,
                1e-6);
  }
  const AttentionGrads grads = attention_grad(full({1, 2, 70, 1}, 1, DType::f32), bare, means);
  EXPECT_EQ(grads.q.shape(), bare.q.shape());
  EXPECT_EQ(grads.k.shape(), bare.k.shape());
  for (const double slope : values<double>(grads.v)) EXPECT_NEAR(slope, 70.0 / 3, 1e-4);
}

TEST(Attention, NamesWhatDoesNotFit) {
  const AttentionInputs good = inputs({1, 2, 3, 5, 4, 2}, DType::f32, false);
  AttentionInputs in = good;
  in.k = random_tensor({1, 2, 5, 3});
  EXPECT_THROW(attention(in), ShapeError);
  in = good;
  in.v = random_tensor({1, 2, 4, 2});
  EXPECT_THROW(attention(in), ShapeError);
  in = good;
  in.q = random_tensor({2, 3, 4});
  EXPECT_THROW(attention(in), ShapeError);
  in = good;
  in.v = random_tensor({1, 2, 5, 2}, DType::f64);
  EXPECT_THROW(attention(in), DtypeError);
  EXPECT_THROW(attention_grad(random_tensor({1, 2, 3, 3}), good, attention(good)), ShapeError);
  for (const double p : {-0.1, 1.1}) EXPECT_THROW(attention(with_dropout(good, p)), ConfigError);
}

}  // namespace
}  // namespace hop::kernels
