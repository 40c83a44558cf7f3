// The breadth of the operations that are composed of others, on a device; composed_test.cpp has those with kernels or
// tricks of their own.
#include "nn/functional.h"
#include "nn/layers/attention.h"
#include "nn/layers/rotary.h"
#include "tests/cuda/composed.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using CudaBreadth = OnDevice;

TEST_F(CudaBreadth, ShapesAndPlacesAreTheCpus) {
  expect_as_on_the_cpu({
      {"split",
       {{3, 5}},
       [](Xs x) {
         const auto parts = hop::split(x[0], {1, 3, 1}, 1);
         return parts[0] * parts[2] + hop::sum(parts[1], Dims{1}, true);
       }},
      {"chunk",
       {{5, 2}},
       [](Xs x) {
         const auto parts = hop::chunk(x[0], 2);
         return hop::matmul(parts[0], hop::transpose(parts[1], 0, 1));
       }},
      {"unbind",
       {{3, 5}},
       [](Xs x) {
         const auto rows = hop::unbind(x[0]);
         return rows[0] * rows[2];
       }},
      {"repeat_interleave", {{3, 5}}, [](Xs x) { return hop::repeat_interleave(x[0], 3, 1); }},
      {"repeat_interleave_all", {{3, 5}}, [](Xs x) { return hop::repeat_interleave(x[0], 2); }},
      {"tile", {{3, 5}}, [](Xs x) { return hop::tile(x[0], Dims{2}); }},
      {"triu", {{2, 3, 5}}, [](Xs x) { return hop::triu(x[0], 1); }},
      {"diagonal", {{3, 2, 4}}, [](Xs x) { return hop::diagonal(x[0], 1, 0, -1); }},
      {"meshgrid",
       {{3}, {5}},
       [](Xs x) {
         const auto grids = hop::meshgrid(x, MeshIndexing::xy);
         return grids[0] * grids[1];
       }},
      {"eye", {{3, 5}}, [](Xs x) { return x[0] * hop::eye(3, 5, {.device = x[0].device()}); }},
      {"full_like", {{3, 5}}, [](Xs x) { return x[0] * hop::full_like(x[0], 0.3); }},
      {"scatter",
       {{3, 5}, {2, 5}},
       [](Xs x) {
         return hop::scatter(x[0], 0, i64_beside(x[0], {2, 0, 1, 1, 2, 2, 1, 1, 0, 2}, {2, 5}), x[1]);
       }},
      {"scatter_number",
       {{3, 5}},
       [](Xs x) {
         return hop::scatter(x[0], 1, i64_beside(x[0], {4, 0, 2}, {3, 1}), 7);
       }},
      {"index_copy",
       {{3, 5}, {2, 5}},
       [](Xs x) {
         return hop::index_copy(x[0], 0, i64_beside(x[0], {2, 0}, {2}), x[1]);
       }},
      {"index_fill",
       {{3, 5}},
       [](Xs x) {
         return hop::index_fill(x[0], 1, i64_beside(x[0], {3, 3}, {2}), 0.5);
       }},
      {"gather",
       {{3, 5}},
       [](Xs x) {
         return hop::gather(x[0], 1, i64_beside(x[0], {4, 4, 1, 0, 2, 3}, {3, 2}));
       }},
      {"kthvalue", {{3, 5}}, [](Xs x) { return hop::kthvalue(x[0], 2, 1).values; }},
      {"argsort", {{3, 5}}, [](Xs x) { return hop::argsort(x[0], 0); }},
      {"histc", {{3, 5}}, [](Xs x) { return hop::histc(x[0], 4, -1, 2); }},
      {"histc_of_its_own_range", {{3, 5}}, [](Xs x) { return hop::histc(x[0], 3); }},
      {"isinf", {{3, 5}}, [](Xs x) { return hop::isinf(hop::masked_fill(x[0], hop::gt(x[0], 1), HUGE_VAL)); }},
      {"all", {{3, 5}}, [](Xs x) { return hop::all(hop::gt(x[0], -1), Dims{1}); }},
      {"unfold",
       {{2, 2, 4, 5}},
       [](Xs x) {
         return hop::unfold(x[0], {.kernel = {2, 3}, .stride = {2, 1}, .padding = {1, 0}, .dilation = {1, 2}});
       }},
      {"fold",
       {{2, 12, 8}},
       [](Xs x) {
         return hop::fold(x[0], {3, 4}, {.kernel = {2, 3}, .padding = {0, 1}, .dilation = {1, 1}});
       }},
      {"pad_circular",
       {{3, 5}},
       [](Xs x) {
         return hop::pad(x[0], {2, 1, 1, 0}, PadMode::circular);
       }},
      {"pad_replicate",
       {{3, 5}},
       [](Xs x) {
         return hop::pad(x[0], {3, 1, 1, 0}, PadMode::replicate);
       }},
  });
}

TEST_F(CudaBreadth, ProductsAreTheCpus) {
  expect_as_on_the_cpu({
      {"mm", {{3, 5}, {5, 2}}, [](Xs x) { return hop::mm(x[0], x[1]); }},
      {"bmm", {{2, 3, 5}, {2, 5, 4}}, [](Xs x) { return hop::bmm(x[0], x[1]); }},
      {"mv", {{3, 5}, {5}}, [](Xs x) { return hop::mv(x[0], x[1]); }},
      {"dot", {{5}, {5}}, [](Xs x) { return hop::dot(x[0], x[1]); }},
      {"outer", {{3}, {5}}, [](Xs x) { return hop::outer(x[0], x[1]); }},
      {"addmm", {{2}, {3, 5}, {5, 2}}, [](Xs x) { return hop::addmm(x[0], x[1], x[2], -1, 0.5); }},
      {"baddbmm", {{3, 1}, {2, 3, 5}, {2, 5, 2}}, [](Xs x) { return hop::baddbmm(x[0], x[1], x[2], 2, 1); }},
      {"cosine_similarity", {{3, 5}, {1, 5}}, [](Xs x) { return hop::cosine_similarity(x[0], x[1]); }},
      {"pairwise_distance", {{3, 5}, {3, 5}}, [](Xs x) { return hop::pairwise_distance(x[0], x[1], 1.5); }},
      {"normalize", {{3, 5}}, [](Xs x) { return hop::normalize(x[0]) * x[0]; }},
      {"cdist_of_many_rows", {{27, 3}, {4, 3}}, [](Xs x) { return hop::cdist(x[0], x[1]); }},
  });
}

TEST_F(CudaBreadth, ElementwiseFunctionsAreTheCpus) {
  expect_as_on_the_cpu({
      {"hardtanh", {{3, 5}}, [](Xs x) { return hop::hardtanh(x[0], -0.5, 1); }},
      {"relu6", {{3, 5}}, [](Xs x) { return hop::relu6(x[0] * 5); }},
      {"hardsigmoid", {{3, 5}}, [](Xs x) { return hop::hardsigmoid(x[0] * 3); }},
      {"hardswish", {{3, 5}}, [](Xs x) { return hop::hardswish(x[0] * 3); }},
      {"selu", {{3, 5}}, [](Xs x) { return hop::selu(x[0]); }},
      {"prelu", {{2, 3, 5}, {3}}, [](Xs x) { return hop::prelu(x[0], x[1]); }},
      {"glu", {{3, 6}}, [](Xs x) { return hop::glu(x[0]); }},
      {"softsign", {{3, 5}}, [](Xs x) { return hop::softsign(x[0]); }},
      {"hardshrink", {{3, 5}}, [](Xs x) { return hop::hardshrink(x[0], 0.7); }},
      {"softshrink", {{3, 5}}, [](Xs x) { return hop::softshrink(x[0], 0.7); }},
      {"tanhshrink", {{3, 5}}, [](Xs x) { return hop::tanhshrink(x[0]); }},
      {"threshold", {{3, 5}}, [](Xs x) { return hop::threshold(x[0], 0.1, 20); }},
      {"logit", {{3, 5}}, [](Xs x) { return hop::logit(hop::sigmoid(x[0]), 0.2); }},
      {"nan_to_num",
       {{3, 5}},
       [](Xs x) {
         const Tensor holes = hop::masked_fill(x[0], hop::gt(x[0], 1), HUGE_VAL);
         return hop::nan_to_num(hop::masked_fill(holes, hop::lt(x[0], -1), NAN), 3, 4);
       }},
      {"lerp", {{3, 5}, {5}, {3, 1}}, [](Xs x) { return hop::lerp(x[0], x[1], x[2]); }},
      {"lerp_by_a_number", {{3, 5}, {3, 5}}, [](Xs x) { return hop::lerp(x[0], x[1], 0.7); }},
      {"addcmul", {{3, 5}, {5}, {3, 1}}, [](Xs x) { return hop::addcmul(x[0], x[1], x[2], 2); }},
      {"addcdiv", {{3, 5}, {5}, {3, 1}}, [](Xs x) { return hop::addcdiv(x[0], x[1], x[2], -0.5); }, 0.5},
  });
}

TEST_F(CudaBreadth, WindowsAreTheCpus) {
  expect_as_on_the_cpu({
      {"conv_transpose2d",
       {{2, 4, 3, 2}, {4, 3, 2, 3}, {6}},
       [](Xs x) {
         return hop::conv_transpose2d(x[0], x[1], x[2],
                                      {.stride = {2, 1}, .padding = {1, 0}, .output_padding = {1, 0}, .groups = 2});
       }},
      {"max_pool1d", {{2, 3, 7}}, [](Xs x) { return hop::max_pool1d(x[0], {.kernel = 3, .stride = 2, .padding = 1}); }},
      {"avg_pool1d", {{2, 3, 7}}, [](Xs x) { return hop::avg_pool1d(x[0], {.kernel = 3, .stride = 1, .padding = 1}); }},
      {"max_pool3d",
       {{1, 2, 3, 4, 5}},
       [](Xs x) {
         return hop::max_pool3d(x[0], {{{2, 1, 1}, {2, 2, 0}, {3, 1, 0}}});
       }},
      {"avg_pool3d",
       {{1, 2, 3, 4, 5}},
       [](Xs x) {
         return hop::avg_pool3d(x[0], {{{2, 1, 1}, {2, 2, 0}, {3, 1, 0}}});
       }},
      {"lp_pool1d", {{2, 3, 7}}, [](Xs x) { return hop::lp_pool1d(x[0], 2, {.kernel = 3, .stride = 2}); }},
      {"lp_pool3d", {{1, 1, 2, 3, 4}}, [](Xs x) { return hop::lp_pool3d(x[0], 3); }, 0.5},
      {"adaptive_avg_pool1d", {{2, 3, 7}}, [](Xs x) { return hop::adaptive_avg_pool(x[0], {3}); }},
      {"adaptive_avg_pool2d",
       {{1, 2, 5, 7}},
       [](Xs x) {
         return hop::adaptive_avg_pool(x[0], {3, 4});
       }},
      {"adaptive_avg_pool3d",
       {{1, 2, 3, 4, 5}},
       [](Xs x) {
         return hop::adaptive_avg_pool(x[0], {2, 4, 3});
       }},
      {"adaptive_max_pool1d", {{2, 3, 7}}, [](Xs x) { return hop::adaptive_max_pool(x[0], {3}); }},
      {"adaptive_max_pool2d",
       {{1, 2, 5, 7}},
       [](Xs x) {
         return hop::adaptive_max_pool(x[0], {3, 4});
       }},
      {"adaptive_max_pool3d",
       {{1, 2, 3, 4, 5}},
       [](Xs x) {
         return hop::adaptive_max_pool(x[0], {2, 4, 3});
       }},
      {"max_unpool2d",
       {{1, 2, 4, 6}},
       [](Xs x) {
         const auto [maxima, places] = hop::max_pool2d_with_indices(x[0]);
         return hop::max_unpool2d(maxima, places);
       }},
      {"max_unpool3d",
       {{1, 1, 2, 4, 5}},
       [](Xs x) {
         const auto [maxima, places] = hop::max_pool3d_with_indices(x[0]);
         return hop::max_unpool3d(maxima, places, {}, std::array<std::int64_t, 3>{2, 4, 5});
       }},
      {"fractional_max_pool3d",
       {{1, 1, 3, 4, 5}, {1, 1, 3}},
       [](Xs x) {
         return hop::fractional_max_pool3d(x[0] * 1, {2, 2, 2}, {2, 2, 3}, x[1].detach());
       },
       0.1,
       0.9},
      {"interpolate_nearest",
       {{1, 2, 3, 5}},
       [](Xs x) {
         return hop::interpolate(x[0], {.scale_factor = {2, 1.5}});
       }},
      {"interpolate_nearest_exact",
       {{1, 2, 3, 5}},
       [](Xs x) {
         return hop::interpolate(x[0], {.size = {4, 3}, .mode = InterpolateMode::nearest_exact});
       }},
      {"interpolate_linear",
       {{1, 2, 5}},
       [](Xs x) {
         return hop::interpolate(x[0], {.size = {7}, .mode = InterpolateMode::linear, .align_corners = true});
       }},
      {"interpolate_trilinear",
       {{1, 1, 2, 3, 2}},
       [](Xs x) {
         return hop::interpolate(x[0], {.size = {3, 2, 4}, .mode = InterpolateMode::trilinear});
       }},
      {"interpolate_area",
       {{1, 2, 5, 4}},
       [](Xs x) {
         return hop::interpolate(x[0], {.size = {2, 3}, .mode = InterpolateMode::area});
       }},
  });
}

TEST_F(CudaBreadth, AttentionWithItsOptionsIsTheCpus) {
  using nn::functional::scaled_dot_product_attention;
  const std::vector<Shape> shapes = {{2, 2, 3, 4}, {2, 2, 5, 4}, {2, 2, 5, 3}};
  expect_as_on_the_cpu({
      {"plain", shapes, [](Xs x) { return scaled_dot_product_attention(x[0], x[1], x[2]); }},
      {"causal", shapes, [](Xs x) { return scaled_dot_product_attention(x[0], x[1], x[2], {.is_causal = true}); }},
      {"scale", shapes, [](Xs x) { return scaled_dot_product_attention(x[0], x[1], x[2], {.scale = 0.3}); }},
      {"bool_mask", shapes,  // the second query sees no key
       [](Xs x) {
         const Tensor mask = i64_beside(x[0], {1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0}, {3, 5});
         return scaled_dot_product_attention(x[0], x[1], x[2], {.attn_mask = hop::ne(mask, 0)});
       }},
      {"float_mask",
       {{2, 2, 3, 4}, {2, 2, 5, 4}, {2, 2, 5, 3}, {3, 5}},
       [](Xs x) { return scaled_dot_product_attention(x[0], x[1], x[2], {.attn_mask = x[3]}); }},
      {"one_head_of_keys",
       {{2, 2, 3, 4}, {2, 1, 5, 4}, {2, 1, 5, 3}},
       [](Xs x) { return scaled_dot_product_attention(x[0], x[1], x[2]); }},
      {"drop", shapes,
       [](Xs x) {
         return scaled_dot_product_attention(x[0], x[1], x[2], {.drop = {.p = 0.4, .address = {.key = 5, .step = 2}}});
       }},
      {"mask_and_drop",
       {{2, 2, 3, 4}, {2, 2, 5, 4}, {2, 2, 5, 3}, {3, 5}},
       [](Xs x) {
         return scaled_dot_product_attention(x[0], x[1], x[2],
                                             {.attn_mask = x[3], .drop = {.p = 0.4, .address = {.key = 5}}});
       }},
      {"rotary", {{2, 3, 6}}, [](Xs x) { return nn::functional::rotary_embedding(x[0]) * x[0]; }},
      {"rotary_halves",
       {{2, 3, 6}},
       [](Xs x) {
         return nn::functional::rotary_embedding(x[0], {.base = 100, .first = 4, .interleaved = false}) * x[0];
       }},
  });
}

// The same address gives the same numbers. Uniform ones, choices and orders are the same bits.
TEST_F(CudaBreadth, RandomNumbersAreTheCpus) {
  const RandomAddress at{.key = 42, .step = 3, .draw = 1};
  const TensorOptions there{.device = Device::cuda()};
  const Tensor p = random_tensor({7, 5}, DType::f32, 1, 0, 1), p_there = on_device(p);
  EXPECT_TRUE(same_bits(on_host(hop::rand({7, 5}, at, there)), hop::rand({7, 5}, at)));
  EXPECT_TRUE(same_bits(on_host(hop::rand_like(p_there, at)), hop::rand_like(p, at)));
  EXPECT_TRUE(near(on_host(hop::randn({7, 5}, at, there)), hop::randn({7, 5}, at), 1e-6));
  EXPECT_TRUE(near(on_host(hop::randn_like(p_there, at)), hop::randn_like(p, at), 1e-6));
  EXPECT_TRUE(same_bits(on_host(hop::randint(-3, 9, {7, 5}, at, Device::cuda())), hop::randint(-3, 9, {7, 5}, at)));
  EXPECT_TRUE(same_bits(on_host(hop::bernoulli(p_there, at)), hop::bernoulli(p, at)));
  EXPECT_TRUE(same_bits(on_host(hop::dropout(p_there, 0.4, at)), hop::dropout(p, 0.4, at)));
  for (const bool replacement : {false, true}) {
    EXPECT_TRUE(
        same_bits(on_host(hop::multinomial(p_there, 3, replacement, at)), hop::multinomial(p, 3, replacement, at)));
  }
  const Tensor counts = random_tensor({9}, DType::i64, 2, 0, 4), weights = random_tensor({9});
  EXPECT_TRUE(
      near(on_host(hop::bincount(on_device(counts), on_device(weights))), hop::bincount(counts, weights), 1e-6));
}

}  // namespace
}  // namespace hop::kernels::cuda
