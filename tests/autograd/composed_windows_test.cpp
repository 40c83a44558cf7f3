// Every operation on windows, and every resizing, that is composed of others faces the judgement of op_case.h: pools of
// one and three dimensions and of given sizes, their inverses, columns of windows, other sizes.
#include "tests/autograd/op_case.h"

namespace hop::autograd {
namespace {

Tensor places(std::initializer_list<std::int64_t> values, const Shape& shape) {
  return Tensor::from<std::int64_t>(values, shape);
}

const std::vector<OpCase>& cases() {
  using Xs = const std::vector<Tensor>&;
  static const std::vector<OpCase> kCases = {
      // pools
      {"max_pool1d", {{{2, 2, 5}}}, [](Xs x) { return square(max_pool1d(x[0], {.kernel = 3, .stride = 2})); }},
      {"avg_pool1d", {{{2, 2, 5}}}, [](Xs x) { return square(avg_pool1d(x[0], {.kernel = 3, .stride = 2})); }},
      {"avg_pool1d_padded",
       {{{2, 2, 5}}},
       [](Xs x) { return square(avg_pool1d(x[0], {.kernel = 2, .stride = 1, .padding = 1})); }},
      {"max_pool3d", {{{1, 2, 2, 3, 4}}}, [](Xs x) { return square(max_pool3d(x[0])); }},
      {"avg_pool3d", {{{1, 2, 2, 3, 4}}}, [](Xs x) { return square(avg_pool3d(x[0])); }},
      {"avg_pool3d_windows",
       {{{1, 1, 2, 3, 4}}},
       [](Xs x) {
         return square(avg_pool3d(x[0], {{{1, 1, 0}, {3, 1, 1}, {2, 3, 0}}}));
       }},
      {"adaptive_avg_pool1d", {{{2, 2, 5}}}, [](Xs x) { return square(adaptive_avg_pool(x[0], {3})); }},
      {"adaptive_avg_pool3d",
       {{{1, 1, 2, 3, 4}}},
       [](Xs x) {
         return square(adaptive_avg_pool(x[0], {1, 2, 3}));
       }},
      {"adaptive_max_pool1d", {{{2, 2, 5}}}, [](Xs x) { return square(adaptive_max_pool(x[0], {3})); }},
      {"adaptive_max_pool2d",
       {{{2, 1, 3, 4}}},
       [](Xs x) {
         return square(adaptive_max_pool(x[0], {2, 3}));
       }},
      {"adaptive_max_pool3d",
       {{{1, 1, 2, 3, 4}}},
       [](Xs x) {
         return square(adaptive_max_pool(x[0], {1, 2, 3}));
       }},
      {"max_unpool1d",
       {{{2, 1, 3}}},
       [](Xs x) {
         return square(max_unpool1d(x[0], places({1, 2, 5, 0, 3, 4}, {2, 1, 3})));
       }},
      {"max_unpool1d_overlapping",  // the places are named twice: the last value counts
       {{{2, 1, 3}}},
       [](Xs x) {
         return square(max_unpool1d(x[0], places({1, 1, 3, 2, 2, 2}, {2, 1, 3}), {.kernel = 2, .stride = 1}));
       }},
      {"max_unpool3d",
       {{{1, 1, 1, 2, 2}}},
       [](Xs x) {
         return square(max_unpool3d(x[0], places({0, 19, 9, 30}, {1, 1, 1, 2, 2})));
       }},
      // columns
      {"unfold",
       {{{2, 1, 3, 4}}},
       [](Xs x) {
         return square(unfold(x[0], {.kernel = {2, 2}, .stride = {1, 2}, .padding = {1, 0}}));
       }},
      {"fold",
       {{{1, 4, 6}}},
       [](Xs x) {
         return square(fold(x[0], {3, 4}, {.kernel = {2, 2}}));
       }},
      // other sizes
      {"nearest",
       {{{2, 1, 2, 3}}},
       [](Xs x) {
         return square(interpolate(x[0], {.size = {3, 2}}));
       }},
      {"nearest_exact",
       {{{2, 1, 5}}},
       [](Xs x) { return square(interpolate(x[0], {.size = {3}, .mode = InterpolateMode::nearest_exact})); }},
      {"linear",
       {{{2, 1, 4}}},
       [](Xs x) { return square(interpolate(x[0], {.size = {7}, .mode = InterpolateMode::linear})); }},
      {"linear_aligned",
       {{{2, 1, 4}}},
       [](Xs x) {
         return square(interpolate(x[0], {.size = {3}, .mode = InterpolateMode::linear, .align_corners = true}));
       }},
      {"bilinear",
       {{{2, 1, 2, 3}}},
       [](Xs x) {
         return square(interpolate(x[0], {.scale_factor = {1.5, 2}, .mode = InterpolateMode::bilinear}));
       }},
      {"trilinear",
       {{{1, 1, 2, 2, 3}}},
       [](Xs x) {
         return square(interpolate(x[0], {.size = {3, 1, 4}, .mode = InterpolateMode::trilinear}));
       }},
      {"trilinear_aligned",
       {{{1, 1, 2, 2, 3}}},
       [](Xs x) {
         return square(
             interpolate(x[0], {.size = {3, 2, 2}, .mode = InterpolateMode::trilinear, .align_corners = true}));
       }},
  };
  return kCases;
}

class ComposedWindows : public ::testing::TestWithParam<OpCase> {};

TEST_P(ComposedWindows, PassTheChecks) { judge(GetParam()); }

INSTANTIATE_TEST_SUITE_P(All, ComposedWindows, ::testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace hop::autograd
