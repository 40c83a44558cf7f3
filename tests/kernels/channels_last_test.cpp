// Images with channels last: every operation gives the values that it gives for planes, and keeps the layout where it
// promises to.
#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/conv.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/layout_internal.h"
#include "kernels/norm.h"
#include "kernels/pool.h"
#include "kernels/reduce.h"
#include "kernels/view.h"
#include "tests/kernels/layouts.h"

namespace hop::kernels {
namespace {

using namespace hop::testing;

/// The same values with the channels innermost, off every boundary.
Tensor last(const Tensor& x) { return with_order(x, {0, 2, 3, 1}); }

/// Odd channels and pixels, whole packs (one, and several with some behind them), one pixel, one channel, one image.
std::vector<Shape> shapes() {
  return {{2, 5, 3, 7},  {3, 16, 4, 4}, {2, 40, 5, 3}, {1, 17, 6, 2},
          {4, 33, 1, 1}, {2, 1, 4, 5},  {5, 19, 2, 2}, {2, 101, 3, 2}};
}

TEST(ChannelsLast, IsALayoutOfImagesThatAreNotContiguousAsWell) {
  const Tensor x = random_tensor({2, 3, 4, 5});
  EXPECT_FALSE(is_channels_last(x));
  EXPECT_TRUE(is_channels_last(last(x)));
  EXPECT_FALSE(last(x).is_contiguous());
  EXPECT_FALSE(is_channels_last(with_order(x, {0, 2, 3, 1}, 1)));  // a gap
  EXPECT_FALSE(is_channels_last(with_order(x, {0, 3, 2, 1})));
  EXPECT_FALSE(is_channels_last(slice(last(x), 0, 0, 2, 2).as_strided({1, 3, 4, 5}, {60, 20, 5, 1}, 0)));
  EXPECT_TRUE(is_channels_last(slice(last(x), 0, 0, 1)));   // the first image of a batch
  EXPECT_FALSE(is_channels_last(slice(last(x), 1, 0, 2)));  // some channels
  for (const Shape& shape : {Shape{4, 7, 1, 1}, Shape{4, 1, 3, 3}}) {
    EXPECT_FALSE(is_channels_last(last(random_tensor(shape))));
    EXPECT_TRUE(empty_in(Layout::channels_last, shape, DType::f32, Device::cpu()).is_contiguous());
  }
  EXPECT_TRUE(is_channels_last(empty_in(Layout::channels_last, {2, 3, 4, 5}, DType::f64, Device::cpu())));
}

TEST(ChannelsLast, AConvolutionGivesItInF32ForMoreThanFourChannels) {
  const Tensor x = random_tensor({2, 3, 8, 8}), weight = random_tensor({5, 3, 3, 3});
  const Tensor y = conv2d(x, weight, {}, {});
  EXPECT_TRUE(is_channels_last(y));
  EXPECT_TRUE(conv2d_input_grad(y, weight, x.shape(), {}).is_contiguous());
  EXPECT_TRUE(conv2d_weight_grad(y, x, weight.shape(), {}).is_contiguous());
  EXPECT_TRUE(conv2d(x, random_tensor({4, 3, 3, 3}), {}, {}).is_contiguous());
  EXPECT_TRUE(conv2d(cast(x, DType::f64), cast(weight, DType::f64), {}, {}).is_contiguous());
  EXPECT_TRUE(is_channels_last(conv2d(y, random_tensor({6, 5, 1, 1}), {}, {})));
}

TEST(ChannelsLast, ElementwiseOperationsKeepItAndTheBits) {
  for (const Shape& shape : shapes()) {
    SCOPED_TRACE(shape.to_string());
    const auto expect = [&](const Tensor& y, const Tensor& planes) {
      EXPECT_EQ(is_channels_last(y), !lies_both_ways(shape));
      EXPECT_TRUE(same_bits(y, planes));
    };
    const Tensor a = random_tensor(shape, DType::f32, 1), b = random_tensor(shape, DType::f32, 2);
    const Tensor per_channel = random_tensor({shape[1], 1, 1}, DType::f32, 3), row = random_tensor({shape[3]}),
                 per_image = random_tensor({shape[0], shape[1], 1, 1}, DType::f32, 4);
    expect(exp(last(a)), exp(a));
    expect(add(last(a), last(b)), add(a, b));
    expect(mul(last(a), 3), mul(a, 3));
    expect(sub(a, last(b)), sub(a, b));  // planes beside channels last
    expect(sub(last(a), b), sub(a, b));
    for (const Tensor& c : {per_channel, row, per_image, random_tensor({})}) {
      expect(mul(last(a), c), mul(a, c));
      expect(sub(c, last(a)), sub(c, a));
    }
    expect(relu_grad(expand(per_image, shape), {}, last(a)), relu_grad(expand(per_image, shape), {}, a));
    expect(add(last(a), random_tensor(shape, DType::f64, 5)), add(a, random_tensor(shape, DType::f64, 5)));
    expect(gt(last(a), last(b)), gt(a, b));
    expect(where(gt(last(a), 0), last(a), last(b)), where(gt(a, 0), a, b));
    const Tensor crossed = with_order(a, {3, 2, 1, 0});
    expect(add(crossed, last(b)), add(a, b));
  }
}

TEST(ChannelsLast, AResultIsWrittenIntoAnImageOfEitherLayout) {
  const Tensor a = random_tensor({2, 5, 3, 4}, DType::f32, 1), b = random_tensor({2, 5, 3, 4}, DType::f32, 2);
  for (const auto& [y, x] : {std::pair{last(a), last(b)}, {last(a), b}, {clone(a), last(b)}}) {
    const Layout before = layout_of(y);
    EXPECT_TRUE(can_evaluate_into(y));
    evaluate_into(y, rows::Add{}, y, x);
    EXPECT_TRUE(same_bits(y, add(a, b)));
    EXPECT_EQ(layout_of(y), before);
  }
  EXPECT_FALSE(can_evaluate_into(transpose(clone(a), 2, 3)));
  EXPECT_FALSE(can_evaluate_into(expand(random_tensor({2, 5, 1, 1}), {2, 5, 3, 4})));
}

TEST(ChannelsLast, CopiesGoBothWaysAndConvert) {
  for (const Shape& shape : shapes()) {
    SCOPED_TRACE(shape.to_string());
    const Tensor x = random_tensor(shape, DType::f32, 1);
    EXPECT_EQ(is_channels_last(clone(last(x))), !lies_both_ways(shape));
    EXPECT_TRUE(same_bits(clone(last(x)), x));
    EXPECT_TRUE(same_bits(contiguous(transpose(last(x), 1, 3)), contiguous(transpose(x, 1, 3))));
    EXPECT_TRUE(same_bits(cast(last(x), DType::f64), cast(x, DType::f64)));
    for (const Tensor& from : {x, last(x), with_order(x, {3, 1, 0, 2})}) {
      for (const DType dtype : {DType::f32, DType::f64}) {
        const Tensor y = last(zeros(shape, dtype));
        copy_(y, from);
        EXPECT_TRUE(same_bits(y, cast(x, dtype)));
      }
    }
    const Tensor y = last(x);
    copy_(y, random_tensor({1, shape[1], 1, shape[3]}, DType::f32, 3));
    EXPECT_TRUE(same_bits(y, contiguous(expand(random_tensor({1, shape[1], 1, shape[3]}, DType::f32, 3), shape))));
    fill_(y, 2.5);
    EXPECT_TRUE(same_bits(y, full(shape, 2.5)));
    fill_(y, 0);
    EXPECT_TRUE(same_bits(y, zeros(shape)));
  }
}

TEST(ChannelsLast, ViewsAndJoinsSeeTheSameValues) {
  const Tensor x = random_tensor({2, 6, 4, 3}), y = last(x);
  EXPECT_TRUE(same_bits(slice(y, 1, 1, 5, 2), slice(x, 1, 1, 5, 2)));
  EXPECT_TRUE(same_bits(select(y, 2, 3), select(x, 2, 3)));
  EXPECT_TRUE(same_bits(mul(transpose(y, 1, 2), 2), mul(transpose(x, 1, 2), 2)));
  EXPECT_TRUE(same_bits(mul(slice(y, 1, 0, 3), 2), mul(slice(x, 1, 0, 3), 2)));
  EXPECT_FALSE(try_reshape_view(y, {2, 72}).has_value());
  EXPECT_TRUE(same_bits(*try_reshape_view(y, {2, 6, 12}), *try_reshape_view(x, {2, 6, 12})));
  const Tensor parts[] = {y, x, last(x)}, planes[] = {x, x, x};
  EXPECT_TRUE(same_bits(cat(parts, 1), cat(planes, 1)));
}

TEST(ChannelsLast, ReductionsGiveTheSameBits) {
  for (const Shape& shape : shapes()) {
    const Tensor x = random_tensor(shape);
    for (const std::vector<std::int64_t>& dims : {std::vector<std::int64_t>{0, 2, 3}, {2, 3}, {1}, {}, {0, 1}, {3}}) {
      EXPECT_TRUE(same_bits(sum(last(x), dims), sum(x, dims))) << shape.to_string();
    }
    EXPECT_TRUE(same_bits(argmax(last(x), 1), argmax(x, 1)));
  }
}

TEST(ChannelsLast, BatchNormKeepsItAndTheBits) {
  for (const int threads : {1, 2}) {
    const ComputeThreads scope(threads);
    for (const DType dtype : {DType::f32, DType::f64}) {
      for (Shape shape : shapes()) {
        for (const bool affine : {true, false}) {
          SCOPED_TRACE(shape.to_string());
          shape[2] *= 7;  // some with runs of more than a pack
          const Tensor x = random_tensor(shape, dtype, 1, 5, 9), g = random_tensor(shape, dtype, 2);
          const Tensor weight = affine ? random_tensor({shape[1]}, dtype, 3) : Tensor();
          const Tensor bias = affine ? random_tensor({shape[1]}, dtype, 4) : Tensor();
          const NormResult planes = batch_norm(x, weight, bias, 1e-5), y = batch_norm(last(x), weight, bias, 1e-5);
          EXPECT_EQ(is_channels_last(y.y), shape[1] != 1);
          EXPECT_TRUE(same_bits(y.y, planes.y));
          EXPECT_TRUE(same_bits(y.mean, planes.mean));
          EXPECT_TRUE(same_bits(y.rstd, planes.rstd));
          EXPECT_TRUE(same_bits(batch_norm_apply(last(x), weight, bias, y.mean, y.rstd), y.y));
          const NormGrads expected = batch_norm_grad(g, x, weight, y.mean, y.rstd);
          for (const auto& [h, u] : {std::pair{last(g), last(x)}, {g, last(x)}, {last(g), x}}) {
            const NormGrads grads = batch_norm_grad(h, u, weight, y.mean, y.rstd);
            EXPECT_EQ(layout_of(grads.dx), layout_of(u));
            EXPECT_TRUE(same_bits(grads.dx, expected.dx));
            EXPECT_EQ(grads.dweight.defined(), affine);
            if (!affine) continue;
            EXPECT_TRUE(same_bits(grads.dweight, expected.dweight));
            EXPECT_TRUE(same_bits(grads.dbias, expected.dbias));
          }
        }
      }
    }
  }
}

struct Pool {
  Shape x;
  Pool2dOptions options;
};

std::vector<Pool> pools() {
  return {{{2, 16, 6, 6}, {}},
          {{3, 5, 7, 9}, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}}},
          {{2, 35, 5, 4}, {.kernel = {2, 3}, .stride = {1, 2}, .padding = {0, 1}}},
          {{2, 18, 4, 4}, {.kernel = {4, 4}}},
          {{2, 7, 1, 1}, {.kernel = {2, 2}, .stride = {1, 1}, .padding = {1, 1}}}};
}

TEST(ChannelsLast, MaxPoolingKeepsItAndTheBits) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const auto& [shape, options] : pools()) {
      SCOPED_TRACE(shape.to_string());
      Tensor x = random_tensor(shape, dtype, 1);
      visit_dtype(dtype, [&]<class T>(T) {
        x.data<T>()[0] = -std::numeric_limits<T>::infinity();
        x.data<T>()[x.numel() - 1] = std::numeric_limits<T>::quiet_NaN();
      });
      const MaxPool2dResult planes = max_pool2d(x, options), y = max_pool2d(last(x), options);
      EXPECT_EQ(is_channels_last(y.y), !lies_both_ways(shape) && !lies_both_ways(y.y.shape()));
      EXPECT_EQ(y.y.strides(), y.indices.strides());
      EXPECT_TRUE(same_bits(y.y, planes.y));
      EXPECT_TRUE(same_bits(y.indices, planes.indices));
      const Tensor g = random_tensor(y.y.shape(), dtype, 2), gg = random_tensor(shape, dtype, 3);
      const Tensor dx = max_pool2d_grad(g, planes.indices, shape), gathered = max_pool2d_gather(gg, planes.indices);
      for (const Tensor& indices : {planes.indices, last(planes.indices)}) {
        for (const Tensor& h : {g, last(g)}) EXPECT_TRUE(same_bits(max_pool2d_grad(h, indices, shape), dx));
        for (const Tensor& h : {gg, last(gg)}) EXPECT_TRUE(same_bits(max_pool2d_gather(h, indices), gathered));
      }
    }
  }
}

TEST(ChannelsLast, AnIndexOutsideItsPlaneIsFound) {
  for (const std::int64_t bad : {-1, 16, 1 << 20}) {
    const Tensor indices = last(zeros({2, 3, 2, 2}, DType::i64)), g = random_tensor({2, 3, 2, 2});
    indices.data<std::int64_t>()[23] = bad;
    EXPECT_EQ(error_of<IndexError>([&] {
                max_pool2d_grad(g, indices, {2, 3, 4, 4});
              }),
              "[max_pool2d gradient] expected indices in 0..15, got one outside the plane: " + std::to_string(bad));
  }
}

TEST(ChannelsLast, AveragePoolingKeepsIt) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const auto& [shape, options] : pools()) {
      SCOPED_TRACE(shape.to_string());
      const Tensor x = random_tensor(shape, dtype, 1), y = avg_pool2d(x, options);
      EXPECT_TRUE(same_bits(avg_pool2d(last(x), options), y));
      const Tensor g = random_tensor(y.shape(), dtype, 2), dx = avg_pool2d_grad(last(g), shape, options);
      EXPECT_EQ(is_channels_last(dx), is_channels_last(last(g)) && !lies_both_ways(shape));
      // Where windows overlap, planes add a pixel's shares in another order.
      EXPECT_TRUE(close(dx, values<double>(avg_pool2d_grad(g, shape, options)), epsilon(dtype), epsilon(dtype)));
    }
  }
}

/// Forward and back through a convolutional net, with conversions from and to planes on the way.
std::vector<Tensor> there_and_back(const Tensor& x, const Tensor& first, const Tensor& second, const Tensor& planes) {
  const Conv2dOptions same{.padding = {1, 1}};
  const Tensor u = conv2d(x, first, {}, same);
  const NormResult norm = batch_norm(u, {}, {}, 1e-5);
  const Tensor y = mul(relu(norm.y), planes);
  const MaxPool2dResult pooled = max_pool2d(y, {});
  const Tensor z = conv2d(avg_pool2d(pooled.y, {}), second, {}, same);
  const Tensor flat = *try_reshape_view(contiguous(z), {x.shape()[0], -1});
  const Tensor g = conv2d_input_grad(z, second, {x.shape()[0], first.shape()[0], 2, 2}, same);
  const Tensor dy = max_pool2d_grad(avg_pool2d_grad(g, pooled.y.shape(), {}), pooled.indices, y.shape());
  const NormGrads du = batch_norm_grad(relu_grad(dy, {}, y), u, {}, norm.mean, norm.rstd);
  return {flat, dy, du.dx, conv2d_input_grad(du.dx, first, x.shape(), same),
          conv2d_weight_grad(du.dx, x, first.shape(), same)};
}

TEST(ChannelsLast, ACapturedChainReplaysTheBitsOfAnEagerOne) {
  const Tensor x = random_tensor({3, 3, 8, 8}, DType::f32, 1), planes = random_tensor({3, 21, 8, 8}, DType::f32, 2);
  const Tensor first = random_tensor({21, 3, 3, 3}, DType::f32, 3),
               second = random_tensor({6, 21, 3, 3}, DType::f32, 4);
  std::vector<Tensor> captured;
  const Recording recording = capture([&] { captured = there_and_back(x, first, second, planes); });
  EXPECT_TRUE(is_channels_last(captured[2]));
  copy_(x, random_tensor(x.shape(), DType::f32, 5));
  recording.replay();
  const std::vector<Tensor> eager = there_and_back(x, first, second, planes);
  for (std::size_t i = 0; i < eager.size(); ++i) EXPECT_TRUE(same_bits(captured[i], eager[i])) << i;
}

}  // namespace
}  // namespace hop::kernels
