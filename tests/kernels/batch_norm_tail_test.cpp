// Batch normalisation with what follows it in the same pass: the bits of the operations one after the other.
#include "tests/kernels/batch_norm_tail.h"

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/layout_internal.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;

const std::vector<Shape> kShapes = {{3, 2, 5, 7},   {20, 3},        {4, 5, 1, 1},   {2, 17, 3, 3}, {1, 2, 4, 4},
                                    {6, 2, 33},     {2, 5, 21, 7},  {3, 16, 8, 4},  {2, 40, 5, 3}, {5, 1, 4, 5},
                                    {1, 19, 1, 37}, {33, 16, 5, 5}, {2, 100, 3, 5}, {34, 33, 4, 3}};

Tensor last(const Tensor& x) { return x.dim() == 4 ? with_order(x, {0, 2, 3, 1}) : x; }

/// The tail in one pass over these operands, and over the same with channels last, against planes one by one.
void expect_bits_of_the_sequence(const TailCase& planes) {
  const TailResults expected = one_by_one(planes);
  for (const TailCase& c : {planes, planes.map(last)}) {
    expect_same_results(in_one_pass(c, false), expected);
    TailCase own = c;
    own.g = clone(c.g);
    expect_same_results(in_one_pass(own, true), expected);
  }
}

TEST(BatchNormTail, HasTheBitsOfTheOperationsOneAfterTheOther) {
  for (const int threads : {1, 2}) {
    const ComputeThreads scope(threads);
    for (const DType dtype : {DType::f32, DType::f64}) {
      for (const Shape& shape : kShapes) {
        SCOPED_TRACE(shape.to_string() + " " + std::string(name(dtype)));
        for (const TailCase& c : tail_cases(shape, dtype)) expect_bits_of_the_sequence(c);
      }
    }
  }
}

TEST(BatchNormTail, TakesOperandsThatLieInDifferentWays) {
  const auto is = [](const Tensor& t) { return t; };
  for (const TailCase& c : tail_cases({3, 6, 5, 7}, DType::f32)) {
    const TailResults expected = one_by_one(c);
    for (const auto& x : {&last, +is}) {
      for (const auto& g : {&last, +is}) {
        TailCase mixed{x(c.x), g(c.g), c.residual, c.weight, c.bias, c.relu};
        expect_same_results(in_one_pass(mixed, false), expected);
        mixed.residual = c.residual.defined() ? with_order(c.residual, {3, 0, 1, 2}, 2) : Tensor();
        expect_same_results(in_one_pass(mixed, false), expected);
        mixed.g = clone(mixed.g);
        expect_same_results(in_one_pass(mixed, true), expected);
      }
    }
  }
}

TEST(BatchNormTail, LetsNanPassAsReluDoes) {
  for (const bool with_nan : {false, true}) {
    for (const Shape& shape : {Shape{3, 4, 5, 7}, {9, 5}}) {
      for (TailCase c : tail_cases(shape, DType::f32)) {
        c = c.map([](const Tensor& t) { return clone(t); });
        // In another channel than x's, because the bits of NaN + NaN are the compiler's choice.
        if (c.residual.defined()) c.residual.data<float>()[c.residual.numel() - 1] = NAN;
        c.x.data<float>()[1] = with_nan ? NAN : INFINITY;
        const Tensor y = in_one_pass(c, false)[0];
        EXPECT_TRUE(std::isnan(y.data<float>()[1]));
        expect_bits_of_the_sequence(c);
      }
    }
  }
}

TEST(BatchNormTail, WritesOverTheGradientOnlyWhereItMay) {
  for (const bool columns : {false, true}) {
    for (const TailCase& planes : tail_cases({4, 5, 3, 7}, DType::f32)) {
      const TailCase c =
          columns ? planes.map([](const Tensor& t) { return t.dim() == 4 ? clone(last(t)) : t; }) : planes;
      const Tensor before = clone(c.g);
      const auto shares = [&](const TailResults& r) {
        const Tensor& first = r[6].defined() ? r[6] : r[3];
        return first.raw_data() == c.g.raw_data();
      };
      EXPECT_FALSE(shares(in_one_pass(c, false)));
      EXPECT_TRUE(same_bits(c.g, before));
      EXPECT_TRUE(shares(in_one_pass(c, true)));
    }
  }
}

TEST(BatchNormTail, RefusesWhatDoesNotFit) {
  const Tensor x = random_tensor({2, 3, 4});
  const NormResult r = batch_norm(x, {}, {}, 1e-5);
  EXPECT_EQ(error_of<ConfigError>([&] { batch_norm_grad(x, x, {}, r.mean, r.rstd, {.y = r.y}); }),
            "[batch_norm gradient] expected y with relu alone, got it without");
  EXPECT_EQ(error_of<ShapeError>([&] {
              batch_norm(x, {}, {}, 1e-5, {.residual = random_tensor({2, 3, 1})});
            }),
            "[batch_norm] expected residual of shape (2, 3, 4), got (2, 3, 1)");
  EXPECT_EQ(error_of<DtypeError>([&] {
              batch_norm(x, {}, {}, 1e-5, {.residual = random_tensor({2, 3, 4}, DType::f64)});
            }),
            "[batch_norm] expected operands of one dtype, got f32 (2, 3, 4) on cpu and f64 (2, 3, 4) on cpu");
  EXPECT_EQ(error_of<ShapeError>([&] {
              batch_norm_grad(x, x, {}, ones({3}), ones({3}), {.relu = true, .y = random_tensor({2, 3})});
            }),
            "[batch_norm gradient] expected y of shape (2, 3, 4), got (2, 3)");
}

}  // namespace
}  // namespace hop::kernels
