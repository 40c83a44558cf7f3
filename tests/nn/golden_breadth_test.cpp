// The operations that are composed of others against PyTorch: outputs and gradients, for contiguous inputs and for
// transposed ones (golden/generate_breadth.py). Long because it is one table.
#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tests/nn/golden_cases.h"

namespace hop::nn {
namespace {

using testing::GoldenCase;
using testing::GoldenFile;
using testing::one;
using Tensors = std::vector<Tensor>;
using Xs = const Tensors&;
using Cases = std::vector<GoldenCase>;

const GoldenFile& file() {
  static const GoldenFile kFile("breadth.safetensors");
  return kFile;
}

constexpr TensorOptions kF64{.dtype = DType::f64}, kI64{.dtype = DType::i64};

Cases shape_cases() {
  return {
      {"split", [](Xs x) { return split(x[0], 2, -1); }},
      {"split_sizes",
       [](Xs x) {
         return split(x[0], {1, 0, 4}, 1);
       }},
      {"split_empty", [](Xs x) { return split(x[0], 3); }},
      {"chunk", [](Xs x) { return chunk(x[0], 4); }},
      {"chunk_few", [](Xs x) { return chunk(x[0], 4, -2); }},
      {"unbind", [](Xs x) { return unbind(x[0], -1); }},
      one("flip",
          [](Xs x) {
            return flip(x[0], {0, -1});
          }),
      one("roll",
          [](Xs x) {
            return roll(x[0], {2, -4}, {0, -1});
          }),
      one("roll_flat", [](Xs x) { return roll(x[0], {4}); }),
      one("roll_far", [](Xs x) { return roll(x[0], {-8}, {1}); }),
      one("repeat",
          [](Xs x) {
            return repeat(x[0], {2, 1, 3});
          }),
      one("repeat_none",
          [](Xs x) {
            return repeat(x[0], {2, 0});
          }),
      one("tile", [](Xs x) { return tile(x[0], {3}); }),
      one("tile_more",
          [](Xs x) {
            return tile(x[0], {2, 2, 2});
          }),
      one("repeat_interleave", [](Xs x) { return repeat_interleave(x[0], 3, -2); }),
      one("repeat_interleave_flat", [](Xs x) { return repeat_interleave(x[0], 2); }),
      one("diagonal", [](Xs x) { return diagonal(x[0]); }),
      one("diagonal_above", [](Xs x) { return diagonal(x[0], 2); }),
      one("diagonal_below", [](Xs x) { return diagonal(x[0], -1); }),
      one("diagonal_outside", [](Xs x) { return diagonal(x[0], 7); }),
      one("diagonal_dims", [](Xs x) { return diagonal(x[0], 1, -1, 0); }),
      {"meshgrid", [](Xs x) { return meshgrid(x); }},
      {"meshgrid_xy", [](Xs x) { return meshgrid(x, MeshIndexing::xy); }},
      one("pad",
          [](Xs x) {
            return pad(x[0], {1, 2, 0, 3}, PadMode::constant, 0.5);
          }),
      one("pad_cut",
          [](Xs x) {
            return pad(x[0], {-1, 2, 3, -2});
          }),
      one("pad_empty",
          [](Xs x) {
            return pad(x[0], {1, 1, 2, 0}, PadMode::constant, -1);
          }),
      one("pad_integers",
          [](Xs x) {
            return pad(x[0], {1, 1}, PadMode::constant, 2.0);
          }),
      one("pad_reflect",
          [](Xs x) {
            return pad(x[0], {3, 1, 1, 2}, PadMode::reflect);
          }),
      one("pad_reflect_cut",
          [](Xs x) {
            return pad(x[0], {-1, 2}, PadMode::reflect);
          }),
      one("pad_replicate",
          [](Xs x) {
            return pad(x[0], {5, 1, 0, 2}, PadMode::replicate);
          }),
      one("pad_circular",
          [](Xs x) {
            return pad(x[0], {4, 2, 1, 0}, PadMode::circular);
          }),
  };
}

Cases mask_cases() {
  return {
      one("masked_fill", [](Xs x) { return masked_fill(x[0], x[1], -2.5); }),
      one("masked_fill_tensor", [](Xs x) { return masked_fill(x[0], x[1], x[2]); }),
      one("masked_fill_broadcast", [](Xs x) { return masked_fill(x[0], x[1], -HUGE_VAL); }),
      one("masked_select", [](Xs x) { return masked_select(x[0], x[1]); }),
      one("masked_select_broadcast", [](Xs x) { return masked_select(x[0], x[1]); }),
      one("masked_select_nothing", [](Xs x) { return masked_select(x[0], x[1]); }),
      one("nonzero", [](Xs x) { return nonzero(x[0]); }),
      one("nonzero_scalar", [](Xs x) { return nonzero(x[0]); }),
      one("tril", [](Xs x) { return tril(x[0]); }),
      one("tril_below", [](Xs x) { return tril(x[0], -1); }),
      one("triu", [](Xs x) { return triu(x[0], 1); }),
      one("triu_below", [](Xs x) { return triu(x[0], -2); }),
      one("isinf", [](Xs x) { return isinf(x[0]); }),
      one("nan_to_num", [](Xs x) { return nan_to_num(x[0]); }),
      one("nan_to_num_options", [](Xs x) { return nan_to_num(x[0], 1, 2, -3); }),
      one("any", [](Xs x) { return any(x[0]); }),
      one("any_dim", [](Xs x) { return any(x[0], {-1}, true); }),
      one("any_empty", [](Xs x) { return any(x[0], {0}); }),
      one("all", [](Xs x) { return all(x[0]); }),
      one("all_dim", [](Xs x) { return all(x[0], {-1}, true); }),
      one("all_empty", [](Xs x) { return all(x[0], {0}); }),
      one("one_hot", [](Xs x) { return one_hot(x[0], 5); }),
      one("one_hot_inferred", [](Xs x) { return one_hot(x[0]); }),
  };
}

Cases summary_cases() {
  return {
      one("norm_0.5", [](Xs x) { return norm(x[0], 0.5, {1}); }),
      one("norm_1", [](Xs x) { return norm(x[0], 1, {1}); }),
      one("norm_1.5", [](Xs x) { return norm(x[0], 1.5, {1}); }),
      one("norm_2", [](Xs x) { return norm(x[0], 2, {1}); }),
      one("norm_3", [](Xs x) { return norm(x[0], 3, {1}); }),
      one("norm_inf", [](Xs x) { return norm(x[0], HUGE_VAL, {1}); }),
      one("norm_-1", [](Xs x) { return norm(x[0], -1, {-1}, true); }),
      one("norm_-2.5", [](Xs x) { return norm(x[0], -2.5, {-1}, true); }),
      one("norm_-inf", [](Xs x) { return norm(x[0], -HUGE_VAL, {-1}, true); }),
      one("norm_-1_zero", [](Xs x) { return norm(x[0], -1, {1}); }),
      one("norm_0", [](Xs x) { return norm(x[0], 0, {0}); }),
      one("norm_all", [](Xs x) { return norm(x[0]); }),
      one("norm_ties", [](Xs x) { return norm(x[0], HUGE_VAL); }),
      one("norm_empty", [](Xs x) { return norm(x[0], 2, {1}); }),
      one("std", [](Xs x) { return hop::std(x[0], {1}); }),
      one("std_options",
          [](Xs x) {
            return hop::std(x[0], {0, 2}, 0, true);
          }),
      one("logsumexp",
          [](Xs x) {
            return logsumexp(x[0], {0, -1});
          }),
      one("logsumexp_keepdim", [](Xs x) { return logsumexp(x[0], {1}, true); }),
      one("logsumexp_infinite", [](Xs x) { return logsumexp(x[0], {1}); }),
      one("logsumexp_empty", [](Xs x) { return logsumexp(x[0], {0}); }),
      one("argmin", [](Xs x) { return argmin(x[0]); }),
      one("argmin_nan", [](Xs x) { return argmin(x[0], 1, true); }),
      one("argmin_integers", [](Xs x) { return argmin(x[0], 0); }),
      one("argmin_u8", [](Xs x) { return argmin(x[0]); }),
      one("prod", [](Xs x) { return prod(x[0], 1); }),
      one("prod_one_zero", [](Xs x) { return prod(x[0], 0, true); }),
      one("prod_all", [](Xs x) { return prod(x[0]); }),
      one("prod_empty", [](Xs x) { return prod(x[0], 0); }),
      one("prod_integers", [](Xs x) { return prod(x[0]); }),
      one("cumsum", [](Xs x) { return cumsum(x[0], 1); }),
      one("cumsum_last", [](Xs x) { return cumsum(x[0], -1); }),
      one("cumsum_empty", [](Xs x) { return cumsum(x[0], 0); }),
      one("cumsum_bool", [](Xs x) { return cumsum(x[0], 1); }),
      one("cumsum_infinite", [](Xs x) { return cumsum(x[0], 0); }),
  };
}

Cases product_cases() {
  return {
      one("mm", [](Xs x) { return mm(x[0], x[1]); }),
      one("bmm", [](Xs x) { return bmm(x[0], x[1]); }),
      one("bmm_empty", [](Xs x) { return bmm(x[0], x[1]); }),
      one("mv", [](Xs x) { return mv(x[0], x[1]); }),
      one("dot", [](Xs x) { return dot(x[0], x[1]); }),
      one("outer", [](Xs x) { return outer(x[0], x[1]); }),
      one("addmm", [](Xs x) { return addmm(x[0], x[1], x[2], 0.5, -2); }),
      one("addmm_beta_0", [](Xs x) { return addmm(x[0], x[1], x[2], 0); }),
      one("baddbmm", [](Xs x) { return baddbmm(x[0], x[1], x[2]); }),
      one("cdist", [](Xs x) { return cdist(x[0], x[1]); }),
      one("cdist_batch", [](Xs x) { return cdist(x[0], x[1]); }),
      one("cdist_large", [](Xs x) { return cdist(x[0], x[1]); }),
      one("cdist_1", [](Xs x) { return cdist(x[0], x[1], 1); }),
      one("cdist_inf", [](Xs x) { return cdist(x[0], x[1], HUGE_VAL); }),
      one("cdist_empty", [](Xs x) { return cdist(x[0], x[1]); }),
      one("cosine_similarity", [](Xs x) { return cosine_similarity(x[0], x[1]); }),
      one("cosine_similarity_broadcast", [](Xs x) { return cosine_similarity(x[0], x[1], -1); }),
      one("cosine_similarity_zero", [](Xs x) { return cosine_similarity(x[0], x[1]); }),
      one("normalize", [](Xs x) { return normalize(x[0]); }),
      one("normalize_options", [](Xs x) { return normalize(x[0], 3, 0, 0.1); }),
  };
}

Cases einsum_cases() {
  const std::pair<const char*, const char*> equations[] = {
      {"matmul", "ij,jk->ik"},
      {"implicit", "ij,jk"},
      {"implicit_capital", "aB,BC"},
      {"transpose", "ij->ji"},
      {"sum", "ij->"},
      {"row_sums", "ij->i"},
      {"trace", "ii"},
      {"diagonal", "ii->i"},
      {"diagonal_batch", "iji->ji"},
      {"outer", "i,j->ji"},
      {"inner", "i,i->"},
      {"batch", "bij,bjk->bik"},
      {"elementwise", "bi,bi->bi"},
      {"heads", "bqhd, bkhd -> bhqk"},
      {"bilinear", "bi,oij,bj->bo"},
      {"three", "ij,jk,kl->li"},
      {"own_sums", "ij,kl->i"},
      {"ones", "ij,jk->ik"},
      {"empty", "ij,jk->ik"},
  };
  Cases cases;
  for (const auto& [name, equation] : equations) {
    cases.push_back(one(std::string("einsum_") + name,
                        [text = std::string(equation)](Xs x) { return einsum(text, std::span(x)); }));
  }
  return cases;
}

Cases creation_cases() {
  return {
      one("eye", [](Xs) { return eye(3); }),
      one("eye_wide", [](Xs) { return eye(2, 4, kI64); }),
      one("linspace", [](Xs) { return linspace(-1, 2, 7); }),
      one("linspace_one", [](Xs) { return linspace(3, 9, 1, kF64); }),
      one("linspace_integers", [](Xs) { return linspace(0, 10, 4, kI64); }),
      one("arange", [](Xs) { return arange(2, 11, 3); }),
      one("arange_down", [](Xs) { return arange(5, -2, -2); }),
      one("arange_floats", [](Xs) { return arange(1, 2, 0.3); }),
      one("arange_whole", [](Xs) { return arange(0.5, 4, 1.0, DType::i64); }),
      one("arange_none", [](Xs) { return arange(3, 3); }),
  };
}

Cases activation_cases() {
  return {
      one("hardtanh", [](Xs x) { return hardtanh(x[0]); }),
      one("hardtanh_options", [](Xs x) { return hardtanh(x[0], -0.5, 3); }),
      one("relu6", [](Xs x) { return relu6(x[0]); }),
      one("hardsigmoid", [](Xs x) { return hardsigmoid(x[0]); }),
      one("hardswish", [](Xs x) { return hardswish(x[0]); }),
      one("mish", [](Xs x) { return mish(x[0]); }),
      one("selu", [](Xs x) { return selu(x[0]); }),
      one("softsign", [](Xs x) { return softsign(x[0]); }),
      one("prelu", [](Xs x) { return prelu(x[0], x[1]); }),
      one("prelu_channels", [](Xs x) { return prelu(x[0], x[1]); }),
      one("prelu_infinite", [](Xs x) { return prelu(x[0], x[1]); }),
      one("glu", [](Xs x) { return glu(x[0]); }),
      one("glu_dim", [](Xs x) { return glu(x[0], 0); }),
      one("logit", [](Xs x) { return logit(x[0]); }),
      one("logit_eps", [](Xs x) { return logit(x[0], 0.1); }),
      one("lerp", [](Xs x) { return lerp(x[0], x[1], 0.3); }),
      one("lerp_tensor", [](Xs x) { return lerp(x[0], x[1], x[2]); }),
      one("addcmul", [](Xs x) { return addcmul(x[0], x[1], x[2], -0.5); }),
      one("addcdiv", [](Xs x) { return addcdiv(x[0], x[1], x[2], 2); }),
  };
}

TEST(GoldenBreadth, ShapesAgreeWithPyTorch) { file().check(shape_cases()); }
TEST(GoldenBreadth, MasksAgreeWithPyTorch) { file().check(mask_cases()); }
TEST(GoldenBreadth, SummariesAgreeWithPyTorch) { file().check(summary_cases()); }
TEST(GoldenBreadth, ProductsAgreeWithPyTorch) { file().check(product_cases()); }
TEST(GoldenBreadth, EinsumAgreesWithPyTorch) { file().check(einsum_cases()); }
TEST(GoldenBreadth, NewTensorsAgreeWithPyTorch) { file().check(creation_cases()); }
TEST(GoldenBreadth, ActivationsAgreeWithPyTorch) { file().check(activation_cases()); }

TEST(GoldenBreadth, EveryCaseOfTheFileIsTested) {
  file().expect_all_tested({shape_cases(), mask_cases(), summary_cases(), product_cases(), einsum_cases(),
                            creation_cases(), activation_cases()});
}

}  // namespace
}  // namespace hop::nn
