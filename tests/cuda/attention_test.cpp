#include "kernels/attention.h"

#include "autograd/attention.h"
#include "kernels/copy.h"
#include "kernels/random.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using CudaAttention = OnDevice;

struct Sizes {
  std::int64_t samples, heads, queries, keys, depth, columns;
};

AttentionInputs inputs(const Sizes& z, DType dtype, bool causal) {
  return {random_tensor({z.samples, z.heads, z.queries, z.depth}, dtype, 1, -2, 2),
          random_tensor({z.samples, z.heads, z.keys, z.depth}, dtype, 2, -2, 2),
          random_tensor({z.samples, z.heads, z.keys, z.columns}, dtype, 3), 0.3, causal};
}

AttentionInputs there(const AttentionInputs& in) {
  AttentionInputs there = in;
  for (Tensor* x : {&there.q, &there.k, &there.v}) *x = on_device(*x);
  return there;
}

void expect_near(const std::vector<Tensor>& results, const std::vector<Tensor>& expected, DType dtype) {
  ASSERT_EQ(results.size(), expected.size());
  for (std::size_t i = 0; i < results.size(); ++i)
    EXPECT_TRUE(near(results[i], contiguous(expected[i]), epsilon(dtype, 512))) << "result " << i;
}

/// Forward and backward on the device against the CPU.
void check(const Sizes& z, DType dtype, bool causal, double dropout = 0) {
  AttentionInputs in = inputs(z, dtype, causal);
  in.dropout = dropout;
  in.address = {.key = 0x0123456789abcdef, .step = 7, .draw = 3};
  const AttentionInputs in_there = there(in);
  SCOPED_TRACE(in.q.describe() + " " + in.v.describe() + (causal ? " causal" : "") +
               (dropout > 0 ? " with dropout" : ""));
  ASSERT_TRUE(has_attention(in_there));
  const AttentionResult expected = attention(in);
  expect_near(in_every_schedule([&] {
                const AttentionResult r = attention(in_there);
                return std::vector{contiguous(r.y), r.log_sum};
              }),
              {expected.y, expected.log_sum}, dtype);

  const Tensor g = random_tensor({z.samples, z.heads, z.queries, z.columns}, dtype, 7), g_there = on_device(g);
  const AttentionResult made = attention(in_there);
  const auto list = [](const AttentionGrads& r) {
    return std::vector{contiguous(r.q), contiguous(r.k), contiguous(r.v)};
  };
  expect_near(in_every_schedule([&] { return list(attention_grad(g_there, in_there, made)); }),
              list(attention_grad(g, in, expected)), dtype);
}

// Tiles of 32 keys, groups of 16 and 8 rows, 32, 64 and 128 columns: below, at and beyond each.
TEST_F(CudaAttention, IsTheCpusForwardAndBackward) {
  for (const bool causal : {false, true}) {
    check({1, 1, 1, 1, 1, 1}, DType::f32, causal);
    check({2, 3, 5, 7, 4, 3}, DType::f32, causal);
    check({1, 2, 33, 33, 32, 32}, DType::f32, causal);
    check({1, 1, 17, 65, 33, 8}, DType::f32, causal);
    check({1, 1, 40, 9, 5, 65}, DType::f32, causal);
    check({1, 1, 5, 34, 128, 128}, DType::f32, causal);
    check({1, 2, 18, 35, 16, 64}, DType::f64, causal);
  }
}

// 33 and 65 keys: rows begin at every place of a Philox block.
TEST_F(CudaAttention, DropsTheWeightsThatTheCpuDrops) {
  for (const bool causal : {false, true}) {
    check({1, 1, 1, 1, 1, 1}, DType::f32, causal, 0.5);
    check({2, 3, 5, 7, 4, 3}, DType::f32, causal, 0.25);
    check({1, 2, 33, 33, 32, 32}, DType::f32, causal, 0.25);
    check({1, 1, 17, 65, 33, 8}, DType::f32, causal, 0.1);
    check({1, 2, 18, 35, 16, 64}, DType::f64, causal, 0.5);
    check({1, 1, 4, 6, 3, 3}, DType::f32, causal, 1);
  }
}

// Equal scores and v = 1: y is the dropped weights. They are those of the operation that drops a matrix of weights.
TEST_F(CudaAttention, DropsTheWeightsThatDropoutDrops) {
  AttentionInputs in{zeros({2, 2, 5, 1}, DType::f32), zeros({2, 2, 11, 1}, DType::f32), zeros({2, 2, 11, 11})};
  for (std::int64_t i = 0; i < in.v.numel(); ++i) in.v.data<float>()[i] = i / 11 % 11 == i % 11 ? 1 : 0;
  in.dropout = 0.4;
  in.address = {.key = 5, .step = 2, .draw = 1};
  const Tensor kept = on_host(contiguous(attention(there(in)).y)),
               expected = dropout(ones({2, 2, 5, 11}), in.dropout, in.address);
  for (std::int64_t i = 0; i < kept.numel(); ++i)
    EXPECT_EQ(kept.data<float>()[i] == 0, expected.data<float>()[i] == 0) << i;
}

// A captured step is replayed for other steps and models: the mask follows what the device's memory says.
TEST_F(CudaAttention, DropsByTheKeyAndStepOfTheDevicesMemory) {
  AttentionInputs in = inputs({1, 2, 9, 11, 4, 4}, DType::f32, false);
  in.dropout = 0.5;
  const Tensor key = on_device(Tensor::from<std::int64_t>({42}, {1})),
               step = on_device(Tensor::from<std::int64_t>({77}, {1})), g = random_tensor({1, 2, 9, 4}, DType::f32, 7);
  AttentionInputs in_there = there(in);
  in_there.address = {.key = 1, .step = 1, .draw = 3};
  in_there.address.key_at = reinterpret_cast<const std::uint64_t*>(key.raw_data());
  in_there.address.step_at = step.data<std::int64_t>();
  for (const std::uint64_t now : {77, 78}) {
    fill_(step, static_cast<std::int64_t>(now));
    in.address = {.key = 42, .step = now, .draw = 3};
    const AttentionResult expected = attention(in), made = attention(in_there);
    const auto here = [](const Tensor& x) { return on_host(contiguous(x)); };
    expect_near({here(made.y)}, {expected.y}, DType::f32);
    const AttentionGrads back = attention_grad(on_device(g), in_there, made), wanted = attention_grad(g, in, expected);
    expect_near({here(back.q), here(back.k), here(back.v)}, {wanted.q, wanted.k, wanted.v}, DType::f32);
  }
}

TEST_F(CudaAttention, ReadsOperandsWhereTheyLie) {
  const AttentionInputs in = there(inputs({2, 3, 10, 10, 8, 8}, DType::f32, true));
  const auto moved = [](const Tensor& x) { return on_device(with_order(on_host(x), {0, 2, 1, 3}, 5)); };
  const Tensor plain = on_host(contiguous(attention(in).y));
  const Tensor q = moved(in.q), k = moved(in.k), v = moved(in.v);
  EXPECT_TRUE(same_bits(on_host(contiguous(attention({q, k, v, in.scale, true}).y)), plain));
}

// On a host that multiplies bf16 the CPU's attention is a chain of products in that precision. A card's is not.
TEST_F(CudaAttention, IsOneKernelInBf16WhateverTheHostMultiplies) {
  const AttentionInputs in = there(inputs({2, 3, 5, 7, 4, 3}, DType::f32, false));
  const Tensor fused = on_host(contiguous(attention(in).y));
  const PrecisionScope scope(Precision::bf16);
  const Tensor y = hop::attention(in.q, in.k, in.v, in.scale);
  EXPECT_TRUE(same_bits(on_host(contiguous(y)), fused));
  EXPECT_FALSE(y.is_contiguous()) << "the kernel's result lies as (N, L, heads, D)";
}

TEST_F(CudaAttention, KnowsWhatDoesNotFit) {
  EXPECT_FALSE(has_attention(there(inputs({1, 1, 2, 2, 129, 4}, DType::f32, false))));
  EXPECT_FALSE(has_attention(there(inputs({1, 1, 2, 2, 4, 65}, DType::f64, false))));
}

TEST_F(CudaAttention, OfNothing) {
  EXPECT_EQ(attention(there(inputs({1, 2, 0, 3, 4, 4}, DType::f32, false))).y.numel(), 0);
  const AttentionInputs blind = there(inputs({1, 1, 2, 0, 4, 3}, DType::f32, false));
  EXPECT_TRUE(close(on_host(contiguous(attention(blind).y)), {0, 0, 0, 0, 0, 0}, 0, 0));
}

}  // namespace
}  // namespace hop::kernels::cuda
