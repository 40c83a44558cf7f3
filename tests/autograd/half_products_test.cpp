// Products of bf16 and f16 with a step before or behind them: values and gradients are those of f32, rounded once. The
// operands are eighths of small integers, so that every sum in f32 is exact, in every order, and shapes may be large
// enough for bf16 instructions.
#include <functional>

#include "autograd/autocast.h"
#include "kernels/capture.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

constexpr DType kHalves[] = {DType::bf16, DType::f16};

using Xs = const std::vector<Tensor>&;

/// Numbers of seven bits, up to 8.5.
Tensor eighths(const Shape& shape, DType dtype, std::uint64_t seed) {
  return to(round(random_tensor(shape, seed) * 40) / 8, dtype);
}

struct Case {
  std::string name;
  std::vector<Shape> shapes;  ///< of the operands, which are all differentiated
  std::function<Tensor(Xs)> run;
};

// 11 / 16 of a number of seven bits has up to eleven, which bf16 does not hold: a gradient that is scaled before its
// product would be rounded there.
constexpr double kAlpha = 0.6875, kBeta = -0.625;

Tensor scaled_addmm(Xs x) { return addmm(x[0], x[1], x[2], kBeta, kAlpha); }
Tensor scaled_baddbmm(Xs x) { return baddbmm(x[0], x[1], x[2], kBeta, kAlpha); }

std::vector<Case> sum_cases() {
  return {
      {"addmm", {{3, 5}, {3, 4}, {4, 5}}, [](Xs x) { return addmm(x[0], x[1], x[2]); }},
      {"addmm scaled", {{3, 5}, {3, 7}, {7, 5}}, scaled_addmm},
      {"addmm of a row", {{5}, {3, 7}, {7, 5}}, scaled_addmm},
      {"addmm of a column", {{3, 1}, {3, 7}, {7, 5}}, scaled_addmm},
      {"addmm of a number", {{}, {3, 7}, {7, 5}}, scaled_addmm},
      {"addmm with bf16 instructions", {{48}, {64, 128}, {128, 48}}, scaled_addmm},
      {"addmm without rows", {{5}, {0, 4}, {4, 5}}, scaled_addmm},
      {"addmm without columns", {{3, 1}, {3, 4}, {4, 0}}, scaled_addmm},
      {"addmm of nothing", {{3, 5}, {3, 0}, {0, 5}}, scaled_addmm},
      {"baddbmm", {{2, 3, 5}, {2, 3, 4}, {2, 4, 5}}, [](Xs x) { return baddbmm(x[0], x[1], x[2]); }},
      {"baddbmm scaled", {{2, 1, 5}, {2, 3, 7}, {2, 7, 5}}, scaled_baddbmm},
      {"baddbmm of a number", {{}, {3, 1, 7}, {3, 7, 1}}, scaled_baddbmm},
      {"baddbmm without a batch", {{3, 5}, {0, 3, 4}, {0, 4, 5}}, scaled_baddbmm},
  };
}

std::function<Tensor(Xs)> sums_of(const char* equation) {
  return [equation](Xs x) { return einsum(equation, std::span(x)); };
}

std::vector<Case> einsum_cases() {
  return {
      {"einsum of one", {{3, 5}}, sums_of("ij->j")},
      {"einsum of two", {{3, 4}, {4, 5}}, sums_of("ij,jk")},
      {"einsum without sums", {{30}, {50}}, sums_of("i,j->ij")},
      {"einsum without sums, of rows", {{30, 50}, {50}}, sums_of("ij,j->ij")},
      {"einsum with a sum before", {{3, 4}, {4, 5}}, sums_of("ij,jk->k")},
      {"einsum with a sum before the second", {{3, 4}, {4, 5}}, sums_of("ij,jk->i")},
      {"einsum with a broadcast", {{3, 2, 4}, {1, 4, 5}}, sums_of("bij,bjk->bik")},
      {"einsum with bf16 instructions and a broadcast", {{1, 64, 32}, {3, 32, 48}}, sums_of("bij,bjk->bik")},
      {"einsum of three", {{2, 3}, {3, 4}, {2, 4}}, sums_of("bi,ij,bj")},
      {"einsum of three, bilinear", {{5, 3}, {2, 3, 4}, {5, 4}}, sums_of("ni,oij,nj->no")},
      {"einsum of three without sums", {{3}, {3}, {3}}, sums_of("i,i,i->i")},
      {"einsum of three with nothing", {{2, 0}, {0, 4}, {2, 4}}, sums_of("bi,ij,bj->b")},
  };
}

std::vector<Case> broadcast_cases() {
  const auto product = [](Xs x) { return matmul(x[0], x[1]); };
  return {
      {"matmul of a matrix and a batch", {{2, 3}, {4, 3, 5}}, product},
      {"matmul of a row and a batch", {{3}, {4, 3, 5}}, product},
      {"matmul of a batch and a column", {{4, 5, 3}, {3}}, product},
      {"matmul of a batch and one matrix", {{5, 2, 3}, {1, 3, 4}}, product},
      {"matmul of two batches", {{2, 1, 3, 4}, {1, 5, 4, 3}}, product},
      {"matmul of no batch", {{2, 3}, {0, 3, 5}}, product},
      {"repeat",
       {{2, 3}},
       [](Xs x) {
         return repeat(x[0], {5, 3, 7});
       }},
      {"repeat of nothing",
       {{2, 3}},
       [](Xs x) {
         return repeat(x[0], {0, 3});
       }},
      {"tile",
       {{2, 3}},
       [](Xs x) {
         return tile(x[0], {9, 5});
       }},
  };
}

std::vector<Case> cases() {
  std::vector<Case> all = sum_cases();
  for (auto* more : {einsum_cases, broadcast_cases}) {
    for (Case& c : more()) all.push_back(std::move(c));
  }
  return all;
}

/// The result for operands of `dtype`, and behind it their gradients.
std::vector<Tensor> results(const Case& c, const std::vector<Tensor>& operands, DType dtype) {
  std::vector<Tensor> leaves;
  for (const Tensor& x : operands) leaves.push_back(kernels::clone(to(x, dtype)).set_requires_grad());
  const Tensor y = c.run(leaves), slopes = to(eighths(y.shape(), DType::bf16, 9), dtype);
  std::vector<Tensor> all = grad({y}, leaves, {.grad_outputs = {slopes}});
  all.insert(all.begin(), y.detach());
  return all;
}

std::vector<Tensor> operands_of(const Case& c, DType dtype) {
  std::vector<Tensor> operands;
  for (std::size_t i = 0; i < c.shapes.size(); ++i) operands.push_back(eighths(c.shapes[i], dtype, i + 1));
  return operands;
}

TEST(HalfProduct, AndItsGradientsAreRoundedOnce) {
  for (const Case& c : cases()) {
    for (const DType dtype : kHalves) {
      SCOPED_TRACE(c.name + " " + std::string(name(dtype)));
      const std::vector<Tensor> operands = operands_of(c, dtype);
      const std::vector<Tensor> half = results(c, operands, dtype), wide = results(c, operands, DType::f32);
      ASSERT_EQ(half.size(), wide.size());
      for (std::size_t i = 0; i < half.size(); ++i) {
        EXPECT_TRUE(same_bits(half[i], to(wide[i], dtype))) << (i == 0 ? "result" : "gradient ") << i;
      }
    }
  }
}

TEST(HalfProduct, WouldDifferWithARoundingInBetween) {
  for (const DType dtype : kHalves) {
    const std::vector<Tensor> x = operands_of({"", {{9, 8}, {9, 7}, {7, 8}}, {}}, dtype);
    EXPECT_FALSE(same_bits(scaled_addmm(x), x[0] * kBeta + matmul(x[1], x[2]) * kAlpha));
    const std::vector<Tensor> three = operands_of({"", {{9, 7}, {7, 8}, {8, 9}}, {}}, dtype);
    EXPECT_FALSE(same_bits(einsum("ij,jk,kl", std::span(three)), matmul(matmul(three[0], three[1]), three[2])));
  }
}

TEST(HalfProduct, IsThatOfItsDtypeInEveryModeOfTheThread) {
  for (const Case& c : cases()) {
    for (const DType dtype : kHalves) {
      SCOPED_TRACE(c.name + " " + std::string(name(dtype)));
      const std::vector<Tensor> operands = operands_of(c, dtype), right = results(c, operands, dtype);
      for (const DType mode : kHalves) {
        const AutocastGuard autocast({.dtype = mode});
        const std::vector<Tensor> got = results(c, operands, dtype);
        for (std::size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(same_bits(got[i], right[i])) << name(mode) << i;
      }
    }
  }
}

TEST(HalfProduct, IsCapturedAndReplayed) {
  for (const DType dtype : kHalves) {
    const Tensor w = eighths({7, 5}, dtype, 1).set_requires_grad(), input = eighths({5}, dtype, 2);
    const auto work = [&](std::span<const Tensor> in) {
      const Tensor y = addmm(input, in[0], w, kBeta, kAlpha), z = einsum("ij,jk,kl->il", {in[0], w, in[1]});
      return std::vector<Tensor>{y.detach(), z.detach(), grad({sum(y) + sum(z)}, {w})[0]};
    };
    CapturedFunction captured(work);
    for (std::uint64_t seed = 3; seed < 8; ++seed) {
      const Tensor arguments[] = {eighths({3, 7}, dtype, seed), eighths({5, 2}, dtype, seed + 10)};
      const std::vector<Tensor> right = work(arguments);
      const std::vector<Tensor>& got = captured(arguments);
      for (std::size_t i = 0; i < right.size(); ++i) EXPECT_TRUE(same_bits(got[i], right[i])) << seed << ", " << i;
    }
  }
}

// y = c + a b / 2 = 4: the derivative of y^2 by a is y b = 8; once more, by a b^2 / 2 = 2 and by b y + a b / 2 = 7.
TEST(HalfProduct, CanBeDifferentiatedAgain) {
  for (const DType dtype : kHalves) {
    const Tensor a = full({1, 1}, 3, dtype), b = full({1, 1}, 2, dtype), c = full({1, 1}, 1, dtype);
    for (const Tensor& leaf : {a, b, c}) leaf.set_requires_grad();
    const Tensor da = grad({sum(square(addmm(c, a, b, 1, 0.5)))}, {a}, {.create_graph = true})[0];
    EXPECT_EQ(values(da), std::vector<double>{8});
    const std::vector<Tensor> again = grad({da}, {a, b, c}, {.grad_outputs = {ones_like(da)}});
    const double right[] = {2, 7, 2};
    for (std::size_t i = 0; i < again.size(); ++i) {
      EXPECT_EQ(again[i].dtype(), dtype);
      EXPECT_EQ(values(again[i]), std::vector<double>{right[i]}) << i;
    }
    const Tensor row = full({2}, 3, dtype).set_requires_grad(), batch = full({4, 2, 1}, 2, dtype);
    const Tensor slope = grad({sum(square(matmul(row, batch)))}, {row}, {.create_graph = true})[0];
    EXPECT_EQ(values(slope), (std::vector<double>{192, 192}));  // 4 batches of 2 * 12 * 2
    EXPECT_EQ(values(grad({sum(slope)}, {row})[0]), (std::vector<double>{64, 64}));
  }
}

TEST(HalfProduct, IsInfiniteWhereOnlyTheResultIsBeyondF16) {
  const Tensor large = full({1, 1}, 60000, DType::f16), two = full({1, 1}, 2, DType::f16);
  EXPECT_EQ(values(addmm(-large, large, two)), std::vector<double>{60000});
  EXPECT_EQ(values(addmm(large, large, two)), std::vector<double>{HUGE_VAL});
  EXPECT_EQ(values(einsum("ij,jk,kl", {large, two, full({1, 1}, 0.25, DType::f16)})), std::vector<double>{30000});
}

TEST(HalfProduct, TakesOperandsOfOneDtype) {
  const Tensor half = full({2, 2}, 1, DType::bf16), wide = full({2, 2}, 1), other = full({2, 2}, 1, DType::f16);
  const auto refused = [](const std::function<void()>& call, const char* op) {
    EXPECT_TRUE(throws<DtypeError>(call, op + std::string(" expected operands of one dtype")));
  };
  refused([&] { addmm(wide, half, half); }, "[addmm]");
  refused([&] { addmm(half, wide, half); }, "[addmm]");
  refused([&] { baddbmm(half, unsqueeze(half, 0), unsqueeze(other, 0)); }, "[baddbmm]");
  refused([&] { einsum("ij,jk,kl", {half, other, half}); }, "[matmul]");
  refused([&] { einsum("ij,jk,kl", {half, half, wide}); }, "[matmul]");
}

}  // namespace
}  // namespace hop::autograd
