// Images with channels last against PyTorch: values, gradients, and which results have channels last
// (golden/generate_memory_format.py).
#include <string>
#include <vector>

#include "autograd/memory_format.h"
#include "kernels/copy.h"
#include "tests/nn/golden_cases.h"

namespace hop::nn {
namespace {

using testing::one;
using testing::Xs;
using Case = testing::GoldenCase;

constexpr MemoryFormat kLast = MemoryFormat::channels_last, kPlanes = MemoryFormat::contiguous;

const testing::GoldenFile& file() {
  static const testing::GoldenFile kFile("memory_format.safetensors");
  return kFile;
}

Tensor filled(const Tensor& x, double value) {
  kernels::fill_(x, value);
  return x;
}

std::vector<Case> copies() {
  return {
      one("to", [](Xs x) { return to(x[0], kLast); }),
      one("contiguous", [](Xs x) { return contiguous(x[0]); }),
      one("contiguous_last", [](Xs x) { return contiguous(x[0], kLast); }),
      one("clone", [](Xs x) { return clone(x[0]); }),
      one("clone_planes", [](Xs x) { return clone(x[0], kPlanes); }),
      one("clone_part", [](Xs x) { return clone(slice(x[0], 1, 1, 4)); }),
      one("clone_window", [](Xs x) { return clone(slice(slice(x[0], 2, 1, 4), 3, 0, 4, 2)); }),
      one("clone_transposed", [](Xs x) { return clone(transpose(x[0], 2, 3)); }),
      one("to_dtype", [](Xs x) { return to(x[0], DType::f32); }),
      one("zeros_like", [](Xs x) { return zeros_like(x[0]); }),
      one("zeros_like_part", [](Xs x) { return zeros_like(slice(x[0], 1, 0, 2)); }),
      one("ones_like_planes", [](Xs x) { return ones_like(x[0], kPlanes); }),
      one("full_like", [](Xs x) { return full_like(x[0], 3); }),
      one("empty_like", [](Xs x) { return filled(empty_like(x[0]), 1); }),
      one("reshape",
          [](Xs x) {
            return reshape(x[0], {2, 6, 20, 1});
          }),
  };
}

std::vector<Case> operations() {
  return {
      one("mul", [](Xs x) { return x[0] * x[1]; }),
      one("cat",
          [](Xs x) {
            return cat({x[0], x[1]}, 1);
          }),
      one("cat_images",
          [](Xs x) {
            return cat({x[0], x[0] * 2}, 0);
          }),
      one("cat_columns",
          [](Xs x) {
            return cat({x[0], x[0] * 2}, -1);
          }),
      one("cat_mixed",
          [](Xs x) {
            return cat({x[0], contiguous(x[0])}, 1);
          }),
      one("pad",
          [](Xs x) {
            return pad(x[0], {1, 2, 0, 1});
          }),
      one("pad_number",
          [](Xs x) {
            return pad(x[0], {1, -2, -1, 1}, PadMode::constant, 2.5);
          }),
      one("reflect",
          [](Xs x) {
            return pad(x[0], {1, 2, 3, 1}, PadMode::reflect);
          }),
      one("replicate",
          [](Xs x) {
            return pad(x[0], {1, 2, 3, 1}, PadMode::replicate);
          }),
      one("nearest",
          [](Xs x) {
            return interpolate(x[0], {.size = {7, 9}});
          }),
      one("bilinear",
          [](Xs x) {
            return interpolate(x[0], {.size = {3, 9}, .mode = InterpolateMode::bilinear});
          }),
      one("bicubic",
          [](Xs x) {
            return interpolate(x[0], {.size = {8, 3}, .mode = InterpolateMode::bicubic});
          }),
      one("group_norm", [](Xs x) { return group_norm(x[0], 3); }),
      one("batch_norm", [](Xs x) { return batch_norm(x[0]).y; }),
      one("max_pool2d", [](Xs x) { return max_pool2d(x[0], {}); }),
      one("avg_pool2d",
          [](Xs x) {
            return avg_pool2d(x[0], {.kernel = {3, 3}, .stride = {1, 1}});
          }),
      one("conv2d", [](Xs x) { return conv2d(x[0], x[1], {}, {}); }),
      one("conv_transpose2d", [](Xs x) { return conv_transpose2d(x[0], x[1]); }),
  };
}

/// The case with its images in channels last.
Case turned(const Case& c) {
  return {c.name, [op = c.op](Xs x) {
            std::vector<Tensor> images;
            for (const Tensor& t : x) images.push_back(t.dim() == 4 ? to(t, kLast) : t);
            return op(images);
          }};
}

TEST(GoldenMemoryFormat, ValuesAndGradientsOfPlanesAndOfImagesWithChannelsLast) {
  for (const std::vector<Case>& cases : {copies(), operations()}) {
    file().check(cases);
    std::vector<Case> last;
    for (const Case& c : cases) last.push_back(turned(c));
    file().check(last);
  }
}

TEST(GoldenMemoryFormat, TheSameResultsHaveChannelsLast) {
  for (const std::vector<Case>& cases : {copies(), operations()}) {
    for (const Case& c : cases) {
      std::vector<Tensor> inputs;
      for (const char* place : {".0", ".1"}) {
        const auto found = file().tensors().find(c.name + place);
        if (found != file().tensors().end()) inputs.push_back(found->second);
      }
      const Tensor y = turned(c).op(inputs)[0];
      EXPECT_EQ(is_contiguous(y, kLast), file().tensors().at(c.name + ".last").item<std::int64_t>() == 1) << c.name;
    }
  }
}

TEST(GoldenMemoryFormat, EveryCaseIsTested) { file().expect_all_tested({copies(), operations()}); }

}  // namespace
}  // namespace hop::nn
