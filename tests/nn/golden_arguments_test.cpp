// Arguments that few calls give against PyTorch (golden/generate_arguments.py): numbers for lists of dimensions, GELU
// by tanh, alpha, an ellipsis in einsum, tensors of shape (), repeats of each element, dtypes, fractional corrections.
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "nn/layers.h"
#include "tests/nn/golden_cases.h"
#include "tests/nn/golden_module_cases.h"

namespace hop::nn {
namespace {

using testing::GoldenCase;
using testing::GoldenFile;
using testing::one;
using testing::Tensors;
using testing::Xs;
using Cases = std::vector<GoldenCase>;

const GoldenFile& file() {
  static const GoldenFile kFile("arguments.safetensors");
  return kFile;
}

Tensors both(const Sorted& y) { return {y.values, y.indices}; }
Tensors all_of(const Unique& y) { return {y.values, y.inverse, y.counts}; }

Cases number_cases() {
  return {
      {"max_dim", [](Xs x) { return both(max(x[0], 1)); }},
      {"min_dim", [](Xs x) { return both(min(x[0], 0, true)); }},
      {"max_scalar", [](Xs x) { return both(max(x[0], 0)); }},
      {"min_integers", [](Xs x) { return both(min(x[0], -1)); }},
      one("max_dim_values", [](Xs x) { return max(x[0], 1).values; }),
      one("min_dim_values", [](Xs x) { return min(x[0], 0, true).values; }),
      one("squeeze_all", [](Xs x) { return squeeze(x[0]); }),
      one("squeeze_dims",
          [](Xs x) {
            return squeeze(x[0], {0, -1, 1});
          }),
      one("layer_norm_number", [](Xs x) { return LayerNorm(4, {.dtype = DType::f64})(x[0]); }),
      one("rms_norm_number", [](Xs x) { return RMSNorm(4, {.dtype = DType::f64})(x[0]); }),
      one("gelu_tanh", [](Xs x) { return gelu(x[0], GeluApproximate::tanh); }),
      one("gelu_module", [](Xs x) { return GELU({.approximate = GeluApproximate::tanh})(x[0]); }),
  };
}

Cases alpha_cases() {
  return {
      one("add_alpha", [](Xs x) { return add(x[0], x[1], -1.5); }),
      one("sub_alpha", [](Xs x) { return sub(x[0], x[1], 2); }),
      one("add_alpha_number", [](Xs x) { return add(x[0], 3, 0.5); }),
      one("add_alpha_integers", [](Xs x) { return add(x[0], x[1], 3); }),
      one("sub_alpha_mixed", [](Xs x) { return sub(x[0], x[1], 0.5); }),
      one("add_alpha_singles", [](Xs x) { return add(x[0], x[1], 0.75); }),
  };
}

GoldenCase equation(const std::string& name, const std::string& text) {
  return one(name, [text](Xs x) { return einsum(text, x); });
}

Cases einsum_cases() {
  return {
      equation("einsum_matmul", "...ij,...jk->...ik"),  equation("einsum_transposed", "i...j->j...i"),
      equation("einsum_implicit", "b...,a..."),         equation("einsum_summed", "...i->i"),
      equation("einsum_nothing", "...i,i...->..."),     equation("einsum_one_has_it", "...i,ij->...j"),
      equation("einsum_ones", "... , ... -> ..."),      equation("einsum_diagonal", "...ii->...i"),
      equation("einsum_three", "...i,...ij,...j->..."),
  };
}

Cases scalar_cases() {
  return {
      one("gather_scalar", [](Xs x) { return gather(x[0], 0, x[1]); }),
      one("gather_scalar_index", [](Xs x) { return gather(x[0], 0, x[1]); }),
      one("index_select_scalar", [](Xs x) { return index_select(x[0], 0, x[1]); }),
      one("index_select_scalar_index", [](Xs x) { return index_select(x[0], 1, x[1]); }),
      one("scatter_scalar", [](Xs x) { return scatter(x[0], 0, x[1], x[2]); }),
      one("scatter_scalar_index", [](Xs x) { return scatter(x[0], 0, x[1], 5); }),
      one("scatter_add_scalar", [](Xs x) { return scatter_add(x[0], 0, x[1], x[2]); }),
      one("index_add_scalar", [](Xs x) { return index_add(x[0], 0, x[1], x[2], 2); }),
      one("index_copy_scalar", [](Xs x) { return index_copy(x[0], 0, x[1], x[2]); }),
      one("index_copy_scalar_index", [](Xs x) { return index_copy(x[0], 0, x[1], x[2]); }),
      one("index_fill_scalar", [](Xs x) { return index_fill(x[0], 0, x[1], 2); }),
      one("index_fill_scalar_index", [](Xs x) { return index_fill(x[0], 1, x[1], 2.0); }),
      one("index_fill_tensor", [](Xs x) { return index_fill(x[0], 0, x[1], x[2]); }),
      one("index_fill_no_positions", [](Xs x) { return index_fill(x[0], 0, x[1], x[2]); }),
  };
}

Cases repeat_cases() {
  return {
      one("repeats", [](Xs x) { return repeat_interleave(x[0], x[1], 1); }),
      one("repeats_flat", [](Xs x) { return repeat_interleave(x[0], x[1]); }),
      one("repeats_one", [](Xs x) { return repeat_interleave(x[0], x[1], 0); }),
      one("repeats_number", [](Xs x) { return repeat_interleave(x[0], x[1], -1); }),
      one("repeats_none", [](Xs x) { return repeat_interleave(x[0], x[1], 0); }),
  };
}

Cases position_cases() {
  return {
      {"where_one", [](Xs x) { return where(x[0]); }},
      {"where_scalar", [](Xs x) { return where(x[0]); }},
      {"unique_rows", [](Xs x) { return all_of(unique(x[0], 0)); }},
      {"unique_columns", [](Xs x) { return all_of(unique(x[0], 1)); }},
      {"unique_last", [](Xs x) { return all_of(unique(x[0], -1)); }},
      {"unique_vector", [](Xs x) { return all_of(unique(x[0], 0)); }},
      {"unique_no_rows", [](Xs x) { return all_of(unique(x[0], 0)); }},
      {"consecutive", [](Xs x) { return all_of(unique_consecutive(x[0])); }},
      {"consecutive_scalar", [](Xs x) { return all_of(unique_consecutive(x[0])); }},
      {"consecutive_rows", [](Xs x) { return all_of(unique_consecutive(x[0], 0)); }},
      {"consecutive_columns", [](Xs x) { return all_of(unique_consecutive(x[0], 1)); }},
      {"consecutive_none", [](Xs x) { return all_of(unique_consecutive(x[0])); }},
  };
}

Cases dtype_cases() {
  return {
      one("sum_dtype", [](Xs x) { return sum(x[0], 1, false, DType::f64); }),
      one("sum_dtype_whole", [](Xs x) { return sum(x[0], {}, false, DType::i32); }),
      one("sum_dtype_integers", [](Xs x) { return sum(x[0], 0, true, DType::f32); }),
      one("mean_dtype", [](Xs x) { return mean(x[0], 0, false, DType::f32); }),
      one("prod_dtype", [](Xs x) { return prod(x[0], 1, false, DType::f64); }),
      one("prod_dtype_all", [](Xs x) { return prod(x[0], DType::f64); }),
      one("cumsum_dtype", [](Xs x) { return cumsum(x[0], 0, DType::f32); }),
      one("cumprod_dtype", [](Xs x) { return cumprod(x[0], 1, DType::i32); }),
      one("softmax_dtype", [](Xs x) { return softmax(x[0], 1, DType::f64); }),
      one("log_softmax_dtype", [](Xs x) { return log_softmax(x[0], 0, DType::f32); }),
  };
}

Cases correction_cases() {
  return {
      one("var_fraction", [](Xs x) { return var(x[0], 1, 0.5); }),
      one("std_fraction",
          [](Xs x) {
            return hop::std(x[0], {0, 1}, 1.75, true);
          }),
      one("var_beyond", [](Xs x) { return var(x[0], 1, 4.5); }),
      one("var_negative", [](Xs x) { return var(x[0], {}, -0.25); }),
      one("gaussian_nll_broadcast", [](Xs x) { return gaussian_nll_loss(x[0], x[1], x[2]); }),
      one("gaussian_nll_wider",
          [](Xs x) { return gaussian_nll_loss(x[0], x[1], x[2], {.reduction = Reduction::none}); }),
      one("gaussian_nll_number", [](Xs x) { return gaussian_nll_loss(x[0], x[1], 0.5, {.full = true}); }),
  };
}

TEST(GoldenArguments, NumbersForDimensionsAndGeluByTanhMatchPyTorch) { file().check(number_cases()); }
TEST(GoldenArguments, AlphaMatchesPyTorch) { file().check(alpha_cases()); }
TEST(GoldenArguments, EinsumWithAnEllipsisMatchesPyTorch) { file().check(einsum_cases()); }
TEST(GoldenArguments, PositionsInTensorsOfShapeNothingMatchPyTorch) { file().check(scalar_cases()); }
TEST(GoldenArguments, RepeatsOfEachElementMatchPyTorch) { file().check(repeat_cases()); }
TEST(GoldenArguments, PositionsAndDifferentValuesMatchPyTorch) { file().check(position_cases()); }
TEST(GoldenArguments, DtypesMatchPyTorch) { file().check(dtype_cases()); }
TEST(GoldenArguments, CorrectionsAndVariancesMatchPyTorch) { file().check(correction_cases()); }

TEST(GoldenArguments, AnEncoderLayerWithGeluByTanhMatchesPyTorch) {
  testing::GoldenCases cases("arguments.safetensors", [](const std::string&) { return 1e-12; });
  cases.check("encoder_layer", TransformerEncoderLayer(4, 2,
                                                       {.dim_feedforward = 6,
                                                        .dropout = 0,
                                                        .activation = TransformerActivation::gelu_tanh,
                                                        .batch_first = true,
                                                        .dtype = DType::f64}));
}

TEST(GoldenArguments, EveryCaseOfTheFileIsTested) {
  file().expect_all_tested({number_cases(),
                            alpha_cases(),
                            einsum_cases(),
                            scalar_cases(),
                            repeat_cases(),
                            position_cases(),
                            dtype_cases(),
                            correction_cases(),
                            {{"encoder_layer", {}}}});
}

}  // namespace
}  // namespace hop::nn
