// Indices, sorting, counting, resizing and rows of the table against PyTorch, and printed tensors against its strings
// (golden/generate_comfort.py).
#include <cmath>
#include <string>
#include <vector>

#include "tests/nn/golden_cases.h"

namespace hop::nn {
namespace {

using testing::one;
using testing::Tensors;
using testing::Xs;
using Case = testing::GoldenCase;

const testing::GoldenFile& file() {
  static const testing::GoldenFile kFile("comfort.safetensors");
  return kFile;
}

void check(const std::vector<Case>& cases) { file().check(cases); }

Tensor integers(std::initializer_list<std::int64_t> values) {
  return Tensor::from<std::int64_t>(values, {static_cast<std::int64_t>(values.size())});
}
Tensor column(std::initializer_list<std::int64_t> values) {
  return Tensor::from<std::int64_t>(values, {static_cast<std::int64_t>(values.size()), 1});
}
const Slice kAll;

std::vector<Case> row_cases() {
  return {
      one("floor", [](Xs x) { return floor(x[0]); }),
      one("ceil", [](Xs x) { return ceil(x[0]); }),
      one("trunc", [](Xs x) { return trunc(x[0]); }),
      one("round", [](Xs x) { return round(x[0]); }),
      one("tan", [](Xs x) { return tan(x[0]); }),
      one("asin", [](Xs x) { return asin(x[0]); }),
      one("acos", [](Xs x) { return acos(x[0]); }),
      one("atan", [](Xs x) { return atan(x[0]); }),
      one("sinh", [](Xs x) { return sinh(x[0]); }),
      one("cosh", [](Xs x) { return cosh(x[0]); }),
      one("atan2", [](Xs x) { return atan2(x[0], x[1]); }),
      one("hypot", [](Xs x) { return hypot(x[0], x[1]); }),
      one("remainder", [](Xs x) { return remainder(x[0], x[1]); }),
      one("fmod", [](Xs x) { return fmod(x[0], x[1]); }),
      one("floor_divide", [](Xs x) { return floor_divide(x[0], x[1]); }),
      one("remainder_integers", [](Xs x) { return remainder(x[0], x[1]); }),
      one("fmod_integers", [](Xs x) { return fmod(x[0], x[1]); }),
      one("floor_divide_integers", [](Xs x) { return floor_divide(x[0], x[1]); }),
      one("remainder_number", [](Xs x) { return remainder(x[0], -0.6); }),
      one("logaddexp", [](Xs x) { return logaddexp(x[0], x[1]); }),
      one("clamp_tensors", [](Xs x) { return clamp(x[0], x[1], x[2]); }),
      one("clamp_min", [](Xs x) { return clamp(x[0], x[1], Tensor()); }),
      one("clamp_max", [](Xs x) { return clamp(x[0], Tensor(), x[1]); }),
      one("cumprod", [](Xs x) { return cumprod(x[0], 1); }),
      one("cumprod_zeros", [](Xs x) { return cumprod(x[0], 0); }),
      one("cumprod_integers", [](Xs x) { return cumprod(x[0], -1); }),
  };
}

std::vector<Case> index_cases() {
  return {
      one("index_number", [](Xs x) { return x[0][-1]; }),
      one("index_slices",
          [](Xs x) {
            return x[0][{Slice(1, 3), Ellipsis, Slice(None, None, 2)}];
          }),
      one("index_none",
          [](Xs x) {
            return x[0][{0, None, kAll, Slice(-3)}];
          }),
      one("index_ellipsis",
          [](Xs x) {
            return x[0][{Ellipsis, 1}];
          }),
      one("index_tensor", [](Xs x) { return x[0][x[1]]; }),
      one("index_tensor_last",
          [](Xs x) {
            return x[0][{Ellipsis, x[1]}];
          }),
      one("index_two",
          [](Xs x) {
            return x[0][{x[2], kAll, x[2] + 1}];
          }),
      one("index_neighbours",
          [](Xs x) {
            return x[0][{kAll, x[1], x[1]}];
          }),
      one("index_number_and_tensors",
          [](Xs x) {
            return x[0][{0, x[1], x[1]}];
          }),
      one("index_broadcast",
          [](Xs x) {
            return x[0][{x[1], remainder(unsqueeze(x[1], 1), 3)}];
          }),
      one("index_mask", [](Xs x) { return x[0][x[1]]; }),
      one("index_mask_behind",
          [](Xs x) {
            return x[0][{kAll, x[1]}];
          }),
      one("index_mask_and_tensor",
          [](Xs x) {
            return x[0][{x[1], 2}];
          }),
      one("index_mask_none", [](Xs x) { return x[0][logical_and(x[1], false)]; }),
      one("index_scalar_tensor",
          [](Xs x) {
            const Tensor first = Tensor::from<std::int64_t>({1}, {}), last = Tensor::from<std::int64_t>({-1}, {});
            return x[0][{first, kAll, last}];
          }),
      one("index_empty",
          [](Xs x) {
            return x[0][zeros({0, 2}, DType::i64)];
          }),
      one("index_integers", [](Xs x) { return x[0][x[1]]; }),
  };
}

std::vector<Case> put_cases() {
  static const Tensor kPositions = integers({2, 0, -1});
  static const Tensor kScattered = Tensor::from<std::int64_t>({0, 2, 1, 2, 0, 0}, {2, 3});
  static const Tensor kMask =
      Tensor::from<bool>({true, false, true, false, false, true, true, true, false, false, false, false}, {4, 3});
  return {
      one("put_slice",
          [](Xs x) {
            return index_put(x[0], {0, Slice(1, 3)}, x[1]);
          }),
      one("put_broadcast",
          [](Xs x) {
            return index_put(x[0], {kAll, 1}, x[1]);
          }),
      one("put_tensor", [](Xs x) { return index_put(x[0], kPositions, x[1]); }),
      one("put_mask", [](Xs x) { return index_put(x[0], kMask, x[1]); }),
      one("put_pairs",
          [](Xs x) {
            return index_put(x[0], {kPositions, integers({0, 1, 2})}, x[1]);
          }),
      one("put_accumulate",
          [](Xs x) {
            return index_put(x[0], integers({1, 1, 0}), x[1], true);
          }),
      one("put_accumulate_pairs",
          [](Xs x) {
            return index_put(x[0], {integers({1, 1, 0, 1}), integers({2, 2, 0, 0})}, x[1], true);
          }),
      one("scatter", [](Xs x) { return scatter(x[0], 0, kScattered, x[1]); }),
      one("scatter_large_values",
          [](Xs x) {
            return scatter(x[0], 1, column({3, 1}), x[1]);
          }),
      one("scatter_number", [](Xs x) { return scatter(x[0], 0, kScattered, -1.5); }),
      one("scatter_add", [](Xs x) { return scatter_add(x[0], 0, kScattered, x[1]); }),
      one("index_add",
          [](Xs x) {
            return index_add(x[0], 1, integers({0, 2, 0}), x[1], -2);
          }),
      one("index_copy",
          [](Xs x) {
            return index_copy(x[0], 0, integers({3, 1}), x[1]);
          }),
      one("index_fill",
          [](Xs x) {
            return index_fill(x[0], 1, integers({2, 0}), 0.5);
          }),
  };
}

Tensors list(const Sorted& sorted) { return {sorted.values, sorted.indices}; }

std::vector<Case> sort_cases() {
  return {
      {"sort", [](Xs x) { return list(sort(x[0], 1)); }},
      {"sort_descending", [](Xs x) { return list(sort(x[0], -1, true)); }},
      {"sort_ties", [](Xs x) { return list(sort(x[0], -1, true)); }},
      {"sort_nan", [](Xs x) { return list(sort(x[0])); }},
      {"sort_nan_descending", [](Xs x) { return list(sort(x[0], 0, true)); }},
      {"sort_bool", [](Xs x) { return list(sort(flatten(x[0]))); }},
      {"sort_scalar", [](Xs x) { return list(sort(x[0])); }},
      {"sort_empty", [](Xs x) { return list(sort(x[0], 1)); }},
      one("argsort", [](Xs x) { return argsort(x[0], 0); }),
      {"topk", [](Xs x) { return list(topk(x[0], 3)); }},
      {"topk_smallest", [](Xs x) { return list(topk(x[0], 2, 0, false)); }},
      {"topk_nan", [](Xs x) { return list(topk(x[0], 2)); }},
      {"kthvalue", [](Xs x) { return list(kthvalue(x[0], 3, 1, true)); }},
      one("median", [](Xs x) { return median(x[0]); }),
      {"median_dim", [](Xs x) { return list(median(x[0], 1)); }},
      {"median_even", [](Xs x) { return list(median(x[0], -1, true)); }},
      {"median_nan", [](Xs x) { return list(median(x[0], 1)); }},
  };
}

Tensors list(const Unique& unique) { return {unique.values, unique.inverse, unique.counts}; }

std::vector<Case> counting_cases() {
  return {
      one("bincount", [](Xs x) { return bincount(x[0]); }),
      one("bincount_minlength", [](Xs x) { return bincount(x[0], {}, 6); }),
      one("bincount_weights", [](Xs x) { return bincount(x[0], x[1]); }),
      one("bincount_empty", [](Xs x) { return bincount(x[0]); }),
      one("histc", [](Xs x) { return histc(x[0], 4, 0, 4); }),
      one("histc_own_bounds", [](Xs x) { return histc(x[0][Slice(None, 6)], 3); }),
      one("histc_constant", [](Xs x) { return histc(x[0], 4); }),
      {"unique", [](Xs x) { return list(unique(x[0])); }},
      {"unique_floats", [](Xs x) { return list(unique(x[0])); }},
      {"unique_empty", [](Xs x) { return list(unique(x[0])); }},
  };
}

std::vector<Case> resizing_cases() {
  using Mode = InterpolateMode;
  return {
      one("nearest",
          [](Xs x) {
            return interpolate(x[0], {.size = {5, 3}});
          }),
      one("nearest_factor", [](Xs x) { return interpolate(x[0], {.scale_factor = {1.7}}); }),
      one("nearest_row", [](Xs x) { return interpolate(x[0], {.size = {7}}); }),
      one("nearest_volume",
          [](Xs x) {
            return interpolate(x[0], {.scale_factor = {2, 1.5, 0.5}});
          }),
      one("nearest_exact",
          [](Xs x) {
            return interpolate(x[0], {.size = {5, 2}, .mode = Mode::nearest_exact});
          }),
      one("linear", [](Xs x) { return interpolate(x[0], {.size = {7}, .mode = Mode::linear}); }),
      one("bilinear",
          [](Xs x) {
            return interpolate(x[0], {.size = {5, 3}, .mode = Mode::bilinear});
          }),
      one("bilinear_align",
          [](Xs x) {
            return interpolate(x[0], {.size = {5, 1}, .mode = Mode::bilinear, .align_corners = true});
          }),
      one("bilinear_factor",
          [](Xs x) {
            return interpolate(x[0], {.scale_factor = {1.7, 0.6}, .mode = Mode::bilinear});
          }),
      one("bilinear_recomputed",
          [](Xs x) {
            return interpolate(x[0], {.scale_factor = {1.7}, .mode = Mode::bilinear, .recompute_scale_factor = true});
          }),
      one("bilinear_same",
          [](Xs x) {
            return interpolate(x[0], {.scale_factor = {1.1, 2}, .mode = Mode::bilinear});
          }),
      one("trilinear",
          [](Xs x) {
            return interpolate(x[0], {.size = {3, 2, 5}, .mode = Mode::trilinear});
          }),
  };
}

TEST(GoldenComfort, RowsAgreeWithPyTorch) { check(row_cases()); }
TEST(GoldenComfort, IndicesAgreeWithPyTorch) { check(index_cases()); }
TEST(GoldenComfort, WritesAtPositionsAgreeWithPyTorch) { check(put_cases()); }
TEST(GoldenComfort, SortingAgreesWithPyTorch) { check(sort_cases()); }
TEST(GoldenComfort, CountingAgreesWithPyTorch) { check(counting_cases()); }
TEST(GoldenComfort, ResizingAgreesWithPyTorch) { check(resizing_cases()); }

TEST(GoldenComfort, EveryCaseOfTheFileIsTested) {
  file().expect_all_tested({row_cases(), index_cases(), put_cases(), sort_cases(), counting_cases(), resizing_cases()});
}

TEST(GoldenComfort, TensorsPrintAsInPyTorch) {
  int printed = 0;
  for (const auto& [name, x] : file().tensors()) {
    if (!name.starts_with("print.")) continue;
    EXPECT_EQ(to_string(x), file().metadata().at(name)) << name;
    const Tensor strided = x.dim() > 1 ? transpose(clone(transpose(x, 0, 1)), 0, 1) : x;
    EXPECT_EQ(to_string(strided), to_string(x)) << name;
    ++printed;
  }
  EXPECT_GE(printed, 30);
  const Tensor leaf = Tensor::from<float>({1, 2}, {2}).set_requires_grad();
  EXPECT_EQ(to_string(leaf), file().metadata().at("print.requires_grad"));
  EXPECT_EQ(to_string(leaf * 2), "tensor([2., 4.], grad_fn=<mul>)");
  EXPECT_EQ(to_string(Tensor()), "tensor(undefined)");
}

}  // namespace
}  // namespace hop::nn
