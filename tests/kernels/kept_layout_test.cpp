// Copies, joins, indices, Dropout, group norm and f64 convolutions of images with channels last: the values of planes,
// bit for bit, and the layout that the operands have.
#include "kernels/capture.h"
#include "kernels/conv.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/group_norm.h"
#include "kernels/index.h"
#include "kernels/layout_internal.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/view.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;

constexpr RandomAddress kAddress{.key = 7, .step = 2, .draw = 5};

/// The same values with the channels innermost; but for 16 bits off every boundary.
Tensor last(const Tensor& x) {
  return is_half(x.dtype()) ? in_layout(Layout::channels_last, x) : with_order(x, {0, 2, 3, 1});
}

/// The same values as a window and as some channels of larger images with channels last, beside NaN.
std::vector<Tensor> parts_of_last(const Tensor& x) {
  const Shape& s = x.shape();
  const auto wide = [&](const Shape& shape) {
    return full_in(Layout::channels_last, shape, NAN, x.dtype(), Device::cpu());
  };
  const Tensor window = slice(slice(wide({s[0], s[1], s[2] + 2, s[3] + 1}), 2, 2, 2 + s[2]), 3, 0, s[3]),
               channels = slice(wide({s[0], s[1] + 3, s[2], s[3]}), 1, 1, 1 + s[1]);
  copy_(window, x);
  copy_(channels, x);
  return {window, channels};
}

std::vector<Shape> shapes() {
  return {{2, 5, 3, 7}, {3, 16, 4, 4}, {1, 17, 6, 2}, {4, 33, 1, 1}, {2, 1, 4, 5}, {2, 3, 21, 25}, {1, 2, 1, 3}};
}

/// y has x's bits, and channels last unless its shape lies both ways.
void expect_kept(const Tensor& y, const Tensor& x) {
  EXPECT_TRUE(same_bits(y, x));
  EXPECT_EQ(is_channels_last(y), x.numel() != 0 && !lies_both_ways(x.shape()));
}

TEST(KeptLayout, ChannelsAreInnermostInAnImageWithChannelsLastAndInItsParts) {
  const Tensor x = random_tensor({2, 5, 4, 3});
  EXPECT_TRUE(has_channels_innermost(last(x)));
  for (const Tensor& part : parts_of_last(x)) {
    EXPECT_TRUE(has_channels_innermost(part));
    EXPECT_FALSE(is_channels_last(part));
  }
  EXPECT_TRUE(has_channels_innermost(slice(last(x), 3, 0, 3, 2)));
  EXPECT_FALSE(has_channels_innermost(x));
  EXPECT_FALSE(has_channels_innermost(slice(last(x), 1, 0, 5, 2)));
  EXPECT_FALSE(has_channels_innermost(slice(last(x), 1, 2, 3)));
  EXPECT_FALSE(has_channels_innermost(expand(last(random_tensor({2, 5, 4, 1})), {2, 5, 4, 3})));
  EXPECT_FALSE(has_channels_innermost(with_order(x, {2, 0, 3, 1})));
  EXPECT_FALSE(has_channels_innermost(random_tensor({2, 3})));
}

TEST(KeptLayout, ClonesAndConversionsKeepIt) {
  for (const Shape& shape : shapes()) {
    SCOPED_TRACE(shape.to_string());
    const Tensor x = random_tensor(shape);
    std::vector<Tensor> images = parts_of_last(x);
    images.push_back(last(x));
    for (const Tensor& image : images) {
      expect_kept(clone(image), x);
      EXPECT_FALSE(clone(image).storage().data() == image.storage().data());
      for (const DType dtype : {DType::f64, DType::bf16, DType::f16, DType::i64, DType::boolean})
        expect_kept(cast(image, dtype), cast(x, dtype));
      EXPECT_TRUE(contiguous(image).is_contiguous());
      EXPECT_TRUE(same_bits(contiguous(image), x));
    }
    EXPECT_TRUE(clone(x).is_contiguous());
  }
  EXPECT_TRUE(clone(with_order(random_tensor({2, 3, 4, 5}), {3, 1, 0, 2})).is_contiguous());
  EXPECT_TRUE(clone(last(zeros({0, 3, 4, 5}))).is_contiguous());
}

TEST(KeptLayout, FilledImagesHaveTheirLayout) {
  for (const double value : {0.0, -0.0, 2.5}) {
    const Tensor y = full_in(Layout::channels_last, {2, 5, 3, 4}, value, DType::f32, Device::cpu());
    EXPECT_TRUE(is_channels_last(y));
    EXPECT_TRUE(same_bits(y, full({2, 5, 3, 4}, value)));
    fill_(slice(y, 1, 1, 3), 7);
    EXPECT_EQ(sum(y).item<float>(), static_cast<float>(value * 72 + 7 * 48));
  }
}

TEST(KeptLayout, JoinedImagesKeepItIfAllHaveIt) {
  const Tensor a = random_tensor({2, 5, 4, 3}, DType::f32, 1), b = random_tensor({2, 6, 4, 3}, DType::f32, 2),
               one = random_tensor({2, 1, 4, 3}, DType::f32, 3), same = random_tensor({2, 5, 4, 3}, DType::f32, 4);
  const auto join = [](std::vector<Tensor> parts, std::int64_t dim) { return cat(parts, dim); };
  expect_kept(join({last(a), last(b)}, 1), join({a, b}, 1));
  expect_kept(join({parts_of_last(a)[0], last(b), slice(last(b), 1, 1, 4)}, 1), join({a, b, slice(b, 1, 1, 4)}, 1));
  expect_kept(join({one, last(a), slice(a, 1, 2, 3)}, 1), join({one, a, slice(a, 1, 2, 3)}, 1));
  for (const std::int64_t dim : {0, 1, 2, 3, -1}) expect_kept(join({last(a), last(same)}, dim), join({a, same}, dim));
  expect_kept(join({last(a), last(cast(b, DType::f64))}, 1), join({a, cast(b, DType::f64)}, 1));
  expect_kept(join({zeros({0}), last(a)}, 1), a);
  expect_kept(join({last(a), zeros({2, 0, 4, 3})}, 1), a);
  for (const Tensor& mixed : {join({last(a), b}, 1), join({b, last(a)}, 1), join({one, one}, 1)})
    EXPECT_TRUE(mixed.is_contiguous());
  EXPECT_TRUE(same_bits(join({last(a), b}, 1), join({a, b}, 1)));
}

TEST(KeptLayout, SelectedSlicesKeepItAndTheirSumsHaveTheSameBits) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    for (const Shape& shape : shapes()) {
      for (int dim = 0; dim < 4; ++dim) {
        SCOPED_TRACE(shape.to_string() + " along " + std::to_string(dim));
        const std::int64_t n = shape[dim];
        const std::vector<std::int64_t> places = {n - 1, 0, n / 2, 0, n - 1, n / 3, 0};
        const Tensor x = cast(random_tensor(shape), dtype), index = Tensor::from<std::int64_t>(places, {7});
        const Tensor y = index_select(x, dim, index);
        const bool both = lies_both_ways(shape) || lies_both_ways(y.shape());
        for (const Tensor& image : {last(x), parts_of_last(x)[0]}) {
          const Tensor z = index_select(image, dim, index);
          EXPECT_TRUE(same_bits(z, y));
          EXPECT_TRUE(both || is_channels_last(z));
        }
        const Tensor g = cast(random_tensor(y.shape(), DType::f32, 2), dtype), dx = index_add(shape, dim, index, g);
        const Tensor sums = index_add(shape, dim, index, last(g));
        EXPECT_TRUE(same_bits(sums, dx));
        EXPECT_TRUE(both || is_channels_last(sums));
      }
    }
  }
}

TEST(KeptLayout, DropoutDrawsTheSameNumbers) {
  for (const int threads : {1, 2}) {
    const ComputeThreads scope(threads);
    std::vector<Shape> all = shapes();
    for (const Shape& more : {Shape{2, 9, 12, 21}, {2, 10, 33, 17}, {3, 2500, 1, 2}}) all.push_back(more);
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
      for (const Shape& shape : all) {
        SCOPED_TRACE(shape.to_string());
        const Tensor x = cast(random_tensor(shape), dtype), y = dropout(x, 0.4, kAddress);
        for (const Tensor& image : {last(x), parts_of_last(x)[0]}) {
          expect_kept(dropout(image, 0.4, kAddress), y);
          expect_kept(dropout(image, 1, kAddress), zeros(shape, dtype));
        }
      }
    }
  }
}

TEST(KeptLayout, NumbersAreDrawnIntoEitherLayout) {
  const Shape shape = {2, 5, 3, 4};
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    const Tensor planes = zeros(shape, dtype), image = last(planes);
    const auto version = image.version();
    uniform_(planes, -1, 2, kAddress);
    uniform_(image, -1, 2, kAddress);
    EXPECT_TRUE(same_bits(image, planes));
    EXPECT_NE(image.version(), version);
    normal_(planes, 1, 2, kAddress);
    normal_(image, 1, 2, kAddress);
    EXPECT_TRUE(same_bits(image, planes));
  }
}

TEST(KeptLayout, GroupNormKeepsItAndTheBits) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    const Tensor x = cast(random_tensor({3, 6, 4, 5}, DType::f32, 1), dtype),
                 g = cast(random_tensor({3, 6, 4, 5}, DType::f32, 2), dtype),
                 weight = cast(random_tensor({6}, DType::f32, 3), dtype),
                 bias = cast(random_tensor({6}, DType::f32, 4), dtype);
    const NormResult y = group_norm(x, 3, weight, bias, 1e-5), z = group_norm(last(x), 3, weight, bias, 1e-5);
    expect_kept(z.y, y.y);
    EXPECT_TRUE(same_bits(z.mean, y.mean));
    EXPECT_TRUE(same_bits(z.rstd, y.rstd));
    const NormGrads of_y = group_norm_grad(g, x, weight, y.mean, y.rstd),
                    of_z = group_norm_grad(g, last(x), weight, z.mean, z.rstd);
    expect_kept(of_z.dx, of_y.dx);
    EXPECT_TRUE(same_bits(of_z.dweight, of_y.dweight));
    EXPECT_TRUE(same_bits(of_z.dbias, of_y.dbias));
    EXPECT_TRUE(group_norm_grad(last(g), x, weight, y.mean, y.rstd).dx.is_contiguous());
  }
}

TEST(KeptLayout, ConvolutionsInF64GiveTheLayoutOfTheirOperand) {
  const Conv2dOptions options{.stride = {2, 1}, .padding = {1, 2}};
  const Tensor x = random_tensor({2, 3, 7, 6}, DType::f64, 1), weight = random_tensor({5, 3, 3, 2}, DType::f64, 2),
               bias = random_tensor({5}, DType::f64, 3);
  const Tensor y = conv2d(x, weight, bias, options), g = random_tensor(y.shape(), DType::f64, 4);
  EXPECT_TRUE(y.is_contiguous());
  expect_kept(conv2d(last(x), weight, bias, options), y);
  const Tensor dx = conv2d_input_grad(g, weight, x.shape(), options);
  EXPECT_TRUE(dx.is_contiguous());
  expect_kept(conv2d_input_grad(last(g), weight, x.shape(), options), dx);
  const Tensor dw = conv2d_weight_grad(g, x, weight.shape(), options);
  for (const auto& [h, u] : {std::pair{last(g), last(x)}, {g, last(x)}, {last(g), x}})
    EXPECT_TRUE(same_bits(conv2d_weight_grad(h, u, weight.shape(), options), dw));
}

TEST(KeptLayout, ConvolutionsReadPartsOfImagesWithTheBitsOfWholeOnes) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    const Conv2dOptions options{.padding = {1, 1}};
    const Tensor x = cast(random_tensor({2, 6, 5, 4}, DType::f32, 1), dtype),
                 weight = cast(random_tensor({7, 6, 3, 3}, DType::f32, 2), dtype);
    const Tensor y = conv2d(x, weight, {}, options), g = cast(random_tensor(y.shape(), DType::f32, 3), dtype);
    const Tensor dx = conv2d_input_grad(g, weight, x.shape(), options),
                 dw = conv2d_weight_grad(g, x, weight.shape(), options);
    for (std::size_t i = 0; i < 2; ++i) {
      const Tensor part = parts_of_last(x)[i], part_of_g = parts_of_last(g)[i];
      EXPECT_TRUE(same_bits(conv2d(part, weight, {}, options), y));
      EXPECT_TRUE(same_bits(conv2d_input_grad(part_of_g, weight, x.shape(), options), dx));
      EXPECT_TRUE(same_bits(conv2d_weight_grad(part_of_g, part, weight.shape(), options), dw));
    }
  }
}

TEST(KeptLayout, ACapturedChainReplaysTheBitsOfAnEagerOne) {
  const Tensor x = last(random_tensor({2, 6, 5, 4}, DType::f32, 1)), index = Tensor::from<std::int64_t>({3, 0, 3}, {3});
  const auto chain = [&] {
    const Tensor parts[] = {clone(x), mul(x, 2)};
    const Tensor y = dropout(cat(parts, 1), 0.3, kAddress);
    return std::vector<Tensor>{index_select(y, 2, index), group_norm(y, 2, {}, {}, 1e-5).y,
                               index_add(y.shape(), 2, index, index_select(y, 2, index)), cast(y, DType::bf16)};
  };
  std::vector<Tensor> captured;
  const Recording recording = capture([&] { captured = chain(); });
  copy_(x, random_tensor(x.shape(), DType::f32, 9));
  recording.replay();
  const std::vector<Tensor> eager = chain();
  for (std::size_t i = 0; i < eager.size(); ++i) {
    EXPECT_TRUE(is_channels_last(captured[i])) << i;
    EXPECT_TRUE(same_bits(captured[i], eager[i])) << i;
  }
}

TEST(KeptLayout, ACapturedFunctionReadsItsArgumentsInTheirLayout) {
  std::vector<Layout> seen;
  const auto doubles = [&](std::span<const Tensor> in) {
    seen.push_back(layout_of(in[0]));
    return std::vector<Tensor>{mul(in[0], 2)};
  };
  CapturedFunction f(doubles, {.warm_up = 0});
  const Tensor x = random_tensor({2, 3, 4, 5}, DType::f32, 1), y = random_tensor({2, 3, 4, 5}, DType::f32, 2);
  const std::vector<Tensor> in_turn = {x, last(x), last(y), slice(last(y), 2, 0, 4), y, transpose(y, 0, 0)};
  for (const Tensor& image : in_turn) {
    const Tensor doubled = f(std::span(&image, 1))[0];
    EXPECT_TRUE(same_bits(doubled, mul(image, 2)));
    EXPECT_EQ(layout_of(doubled), copied_layout(image));
  }
  EXPECT_EQ(seen, (std::vector{Layout::contiguous, Layout::channels_last}));  // recorded once for each
}

}  // namespace
}  // namespace hop::kernels
