// Tensors of bf16 and f16: every way of moving and converting elements, and operations that widen. Values against the
// same operation in f64 and one rounding; PyTorch's values are in tests/nn/golden_precision_test.cpp.
#include <gmock/gmock.h>

#include "base/error.h"
#include "kernels/attention.h"
#include "kernels/capture.h"
#include "kernels/conv.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "kernels/layout_internal.h"
#include "kernels/matmul.h"
#include "kernels/norm.h"
#include "kernels/pool.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "kernels/sort.h"
#include "kernels/view.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using ::testing::HasSubstr;
using namespace hop::testing;  // NOLINT(google-build-using-namespace)

constexpr DType kHalves[] = {DType::bf16, DType::f16};

Tensor random_half(const Shape& shape, DType dtype, std::uint64_t seed = 1) {
  return cast(random_tensor(shape, DType::f32, seed, -4, 4), dtype);
}

std::vector<double> doubles(const Tensor& x) { return values<double>(cast(x, DType::f64)); }

TEST(HalfTensor, IsMadeFilledAndCounted) {
  for (const DType dtype : kHalves) {
    EXPECT_EQ(doubles(zeros({3}, dtype)), (std::vector<double>{0, 0, 0}));
    EXPECT_EQ(doubles(full({2}, -1.5, dtype)), (std::vector<double>{-1.5, -1.5}));
    EXPECT_EQ(doubles(arange(5, dtype)), (std::vector<double>{0, 1, 2, 3, 4}));
    EXPECT_EQ(zeros({0, 3}, dtype).numel(), 0);
    const Tensor x = full({4, 6}, 1, dtype), part = slice(transpose(x, 0, 1), 0, 1, 3);
    fill_(part, 7);
    EXPECT_EQ(doubles(sum(cast(x, DType::f64)))[0], 24 + 8 * 6);
  }
  EXPECT_THAT(error_of<DtypeError>([] { full({1}, 1e6, DType::f16); }), HasSubstr("a number that f16 holds"));
}

TEST(HalfTensor, IsCopiedInEveryLayout) {
  for (const DType dtype : kHalves) {
    for (const Shape& shape : {Shape{1}, Shape{17}, Shape{3, 5, 7}, Shape{33, 65}, Shape{2, 3, 16, 18}}) {
      const Tensor x = random_half(shape, dtype);
      const std::vector<double> expected = doubles(x);
      std::vector<int> order(static_cast<std::size_t>(x.dim()));
      std::iota(order.begin(), order.end(), 0);
      do {
        for (const std::int64_t gap : {1, 2}) {  // between neighbours, in a view of a larger tensor
          Strides strides;
          strides.resize(x.dim());
          std::int64_t step = gap;
          for (std::size_t i = order.size(); i-- > 0; step *= x.shape()[order[i]]) strides[order[i]] = step;
          const Tensor view = full({step + 3}, 99, dtype).as_strided(shape, strides, 3);
          copy_(view, x);
          EXPECT_TRUE(same_bits(view, x)) << shape.to_string();
          EXPECT_TRUE(same_bits(clone(view), x)) << shape.to_string();
          EXPECT_EQ(doubles(view), expected);
        }
      } while (std::next_permutation(order.begin(), order.end()));
    }
  }
}

TEST(HalfTensor, ConvertsFromAndToEveryDtype) {
  const std::vector<double> whole = {0, 1, 2, 100, 3, 200, 7};
  for (const DType dtype : kHalves) {
    for (const DType other : {DType::f32, DType::f64, DType::i64, DType::i32, DType::u8, DType::bf16, DType::f16}) {
      const Tensor x = Tensor::empty({7}, DType::f64);
      std::copy(whole.begin(), whole.end(), x.data<double>());
      EXPECT_EQ(doubles(cast(cast(cast(x, other), dtype), other)), whole) << name(other);
      const Tensor strided = slice(cast(full({7, 2}, 5, DType::f32), other), 1, 0, 1);
      EXPECT_EQ(doubles(cast(strided, dtype)), std::vector<double>(7, 5)) << name(other);
    }
    EXPECT_EQ(doubles(cast(cast(Tensor::from<float>({0, -0.0F, 1e-7F, NAN}, {4}), dtype), DType::boolean)),
              (std::vector<double>{0, 0, 1, 1}));
    EXPECT_EQ(doubles(cast(Tensor::from<bool>({true, false}, {2}), dtype)), (std::vector<double>{1, 0}));
    EXPECT_EQ(doubles(cast(cast(Tensor::from<float>({-2.75F, 2.75F}, {2}), dtype), DType::i32)),
              (std::vector<double>{-2, 2}));
  }
}

TEST(HalfTensor, JoinsGathersAndSorts) {
  for (const DType dtype : kHalves) {
    const Tensor x = random_half({5, 3}, dtype), y = random_half({5, 2}, dtype, 2);
    const Tensor joined = cat(std::vector{x, y}, 1);
    EXPECT_EQ(joined.dtype(), dtype);
    EXPECT_EQ(doubles(joined), doubles(cat(std::vector{cast(x, DType::f64), cast(y, DType::f64)}, 1)));
    EXPECT_EQ(cat(std::vector{x, zeros({5, 1})}, 1).dtype(), DType::f32);
    const Tensor index = Tensor::from<std::int64_t>({4, 0, 4}, {3}), each = argsort(x, 1, true);
    EXPECT_EQ(doubles(index_select(x, 0, index)), doubles(index_select(cast(x, DType::f64), 0, index)));
    EXPECT_EQ(doubles(each), doubles(argsort(cast(x, DType::f64), 1, true)));
    EXPECT_EQ(doubles(gather(x, 1, each)), doubles(gather(cast(x, DType::f64), 1, each)));
    // Sums of two numbers: exact in f32, rounded once.
    const Tensor added = index_add({5, 3}, 0, index, slice(x, 0, 0, 3));
    EXPECT_TRUE(same_bits(added, cast(index_add({5, 3}, 0, index, cast(slice(x, 0, 0, 3), DType::f32)), dtype)));
    const Tensor scattered = scatter_add({5, 3}, 1, each, x);
    EXPECT_TRUE(same_bits(scattered, cast(scatter_add({5, 3}, 1, each, cast(x, DType::f32)), dtype)));
  }
}

TEST(HalfTensor, ComputesElementwiseInF32AndRoundsOnce) {
  for (const DType dtype : kHalves) {
    for (const std::int64_t n : {1, 15, 16, 17, 300}) {
      const Tensor a = random_half({3, n}, dtype), b = random_half({n}, dtype, 2);
      const Tensor wide_a = cast(a, DType::f32), wide_b = cast(b, DType::f32);
      EXPECT_TRUE(same_bits(add(a, b), cast(add(wide_a, wide_b), dtype)));
      EXPECT_TRUE(same_bits(div(a, b), cast(div(wide_a, wide_b), dtype)));
      EXPECT_TRUE(same_bits(exp(a), cast(exp(wide_a), dtype)));
      EXPECT_TRUE(same_bits(mul(a, 0.3), cast(mul(wide_a, 0.3), dtype)));
      EXPECT_TRUE(same_bits(gt(a, b), gt(wide_a, wide_b)));
      EXPECT_TRUE(same_bits(where(gt(a, 0), a, b), cast(where(gt(wide_a, 0), wide_a, wide_b), dtype)));
      EXPECT_TRUE(same_bits(add(transpose(a, 0, 1), 1), cast(add(transpose(wide_a, 0, 1), 1), dtype)));
      EXPECT_TRUE(same_bits(tanh_grad(a, {}, tanh(a)), cast(tanh_grad(wide_a, {}, cast(tanh(a), DType::f32)), dtype)));
      const Tensor y = clone(a);
      evaluate_into(y, rows::Mul{}, y, b);
      EXPECT_TRUE(same_bits(y, cast(mul(wide_a, wide_b), dtype)));
    }
  }
}

TEST(HalfTensor, TakesThePlaceInPromotionThatPyTorchGivesIt) {
  const Tensor b = ones({2}, DType::bf16), h = ones({2}, DType::f16);
  EXPECT_EQ(add(b, h).dtype(), DType::f32);
  EXPECT_EQ(add(b, ones({2})).dtype(), DType::f32);
  EXPECT_EQ(add(h, ones({2}, DType::f64)).dtype(), DType::f64);
  EXPECT_EQ(add(b, ones({2}, DType::i64)).dtype(), DType::bf16);
  EXPECT_EQ(add(h, 0.5).dtype(), DType::f16);
  EXPECT_EQ(add(h, ones({}, DType::f64)).dtype(), DType::f16);
  EXPECT_EQ(eq(b, h).dtype(), DType::boolean);
  EXPECT_EQ(doubles(add(b, ones({2}, DType::f64))), (std::vector<double>{2, 2}));
}

TEST(HalfTensor, KeepsChannelsLast) {
  const Tensor x = in_layout(Layout::channels_last, random_half({2, 8, 3, 5}, DType::bf16));
  const Tensor y = add(x, 1);
  EXPECT_TRUE(is_channels_last(y));
  EXPECT_TRUE(same_bits(y, add(contiguous(x), 1)));
}

TEST(HalfTensor, ReducesInF32) {
  for (const DType dtype : kHalves) {
    const Tensor x = random_half({4, 999}, dtype), wide = cast(x, DType::f32);
    static constexpr std::int64_t kRows[] = {1}, kColumns[] = {0};
    EXPECT_TRUE(same_bits(sum(x, kRows), cast(sum(wide, kRows), dtype)));
    EXPECT_TRUE(same_bits(mean(x, kColumns, true), cast(mean(wide, kColumns, true), dtype)));
    EXPECT_TRUE(same_bits(max(x), cast(max(wide), dtype)));
    EXPECT_TRUE(same_bits(min(x, kColumns), cast(min(wide, kColumns), dtype)));
    EXPECT_TRUE(same_bits(var(x, kRows), cast(var(wide, kRows), dtype)));
    EXPECT_TRUE(same_bits(argmax(x, 1), argmax(wide, 1)));
    EXPECT_TRUE(same_bits(argmax(x), argmax(wide)));
    EXPECT_TRUE(same_bits(sum_to(x, {999}), cast(sum_to(wide, {999}), dtype)));
    const Tensor out = Tensor::empty({4}, dtype);
    sum_into(out, x, kRows);
    EXPECT_TRUE(same_bits(out, sum(x, kRows)));
    // A sum in 16 bits would stand still at 256 or 2048.
    EXPECT_EQ(doubles(sum(ones({4096}, dtype)))[0], 4096);
  }
}

TEST(HalfTensor, MultipliesWithSumsInF32) {
  for (const DType dtype : kHalves) {
    for (const auto& [m, k, n] : {std::array<std::int64_t, 3>{1, 3, 2}, {3, 1, 5}, {17, 33, 19}, {64, 128, 48}}) {
      const Tensor a = random_half({m, k}, dtype), b = random_half({k, n}, dtype, 2), bias = random_half({n}, dtype, 3);
      const std::vector<double> exact = values<double>(matmul(cast(a, DType::f64), cast(b, DType::f64)));
      const double unit = dtype == DType::bf16 ? 0x1p-8 : 0x1p-11;
      const Tensor y = matmul(a, b);
      EXPECT_EQ(y.dtype(), dtype);
      EXPECT_TRUE(close(doubles(y), exact, unit * 1.01, 1e-4));
      EXPECT_TRUE(same_bits(matmul(a, contiguous(b)), y));
      const Tensor z = linear(a, transpose(b, 0, 1), bias);
      EXPECT_TRUE(close(doubles(z), values<double>(add(matmul(cast(a, DType::f64), cast(b, DType::f64)), bias)),
                        unit * 1.01, 1e-4));
      const Tensor out = Tensor::empty({m, n}, dtype);
      matmul(a, b, out);
      EXPECT_TRUE(same_bits(out, y));
    }
    EXPECT_EQ(doubles(matmul(zeros({2, 0}, dtype), zeros({0, 3}, dtype))), std::vector<double>(6, 0));
  }
  EXPECT_EQ(precision(), Precision::strict) << "the mode of the thread is as it was";
  EXPECT_THAT(error_of<DtypeError>([] {
                matmul(ones({2, 2}, DType::bf16), ones({2, 2}));
              }),
              HasSubstr("[matmul] expected operands of one dtype"));
}

TEST(HalfTensor, GoesThroughTheOperationsOfNets) {
  for (const DType dtype : kHalves) {
    const Tensor x = random_half({2, 3, 9, 7}, dtype), weight = random_half({8, 3, 3, 3}, dtype, 2),
                 bias = random_half({8}, dtype, 3);
    const Conv2dOptions conv{.stride = {2, 1}, .padding = {1, 0}};
    const double step = dtype == DType::bf16 ? 0x1p-7 : 0x1p-10;
    const auto wide = [](const Tensor& t) { return cast(t, DType::f64); };
    const Tensor y = conv2d(x, weight, bias, conv);
    EXPECT_EQ(y.dtype(), dtype);
    EXPECT_TRUE(close(doubles(y), doubles(conv2d(wide(x), wide(weight), wide(bias), conv)), step, 1e-3));
    EXPECT_TRUE(close(doubles(conv2d_input_grad(y, weight, x.shape(), conv)),
                      doubles(conv2d_input_grad(wide(y), wide(weight), x.shape(), conv)), step, 1e-2));
    EXPECT_TRUE(close(doubles(conv2d_weight_grad(y, x, weight.shape(), conv)),
                      doubles(conv2d_weight_grad(wide(y), wide(x), weight.shape(), conv)), step, 1e-2));
    const Pool2dOptions pool{.kernel = {2, 3}, .stride = {2, 2}};
    const MaxPool2dResult best = max_pool2d(y, pool), wide_best = max_pool2d(wide(y), pool);
    EXPECT_EQ(doubles(best.y), doubles(wide_best.y));
    EXPECT_EQ(doubles(best.indices), doubles(wide_best.indices));
    EXPECT_TRUE(same_bits(max_pool2d_gather(y, best.indices), best.y));
    EXPECT_TRUE(close(doubles(max_pool2d_grad(best.y, best.indices, y.shape(), &pool)),
                      doubles(max_pool2d_grad(wide(best.y), best.indices, y.shape(), &pool)), step, 0));
    EXPECT_TRUE(close(doubles(avg_pool2d(y, pool)), doubles(avg_pool2d(wide(y), pool)), step, 1e-3));
    EXPECT_TRUE(close(doubles(avg_pool2d_grad(best.y, y.shape(), pool)),
                      doubles(avg_pool2d_grad(wide(best.y), y.shape(), pool)), step, 1e-3));
    const Tensor rows = random_half({5, 11}, dtype), g = random_half({5, 11}, dtype, 2), p = softmax(rows);
    EXPECT_TRUE(same_bits(p, cast(softmax(cast(rows, DType::f32)), dtype)));
    EXPECT_TRUE(same_bits(log_softmax(rows), cast(log_softmax(cast(rows, DType::f32)), dtype)));
    EXPECT_TRUE(same_bits(softmax_grad(g, p), cast(softmax_grad(cast(g, DType::f32), cast(p, DType::f32)), dtype)));
    const RandomAddress address{.key = 7};
    EXPECT_TRUE(same_bits(dropout(rows, 0.4, address), cast(dropout(cast(rows, DType::f32), 0.4, address), dtype)));
  }
}

TEST(HalfTensor, IsCapturedAndReplayed) {
  const Tensor x = random_half({20, 30}, DType::bf16), w = random_half({30, 40}, DType::bf16, 2);
  CapturedFunction step([&](std::span<const Tensor> in) { return std::vector{sum(mul(matmul(in[0], w), 0.5))}; });
  for (std::uint64_t seed = 3; seed < 6; ++seed) {
    copy_(x, random_half({20, 30}, DType::bf16, seed));
    EXPECT_TRUE(same_bits(step({x})[0], sum(mul(matmul(x, w), 0.5))));
  }
}

TEST(HalfTensor, IsRefusedWithTheConversionThatHelps) {
  EXPECT_THAT(
      error_of<DtypeError>([] {
        const Tensor x = ones({1, 1, 2, 3}, DType::f16);
        attention({.q = x, .k = x, .v = x});
      }),
      HasSubstr("[attention] expected f32 or f64, got f16 (1, 1, 2, 3) on cpu; convert first: to(x, DType::f32)"));
}

}  // namespace
}  // namespace hop::kernels
