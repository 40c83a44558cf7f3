// Gradients through images that lie with channels last (f32 convolutions give them so) against the same net in f64,
// whose images are planes.
#include "kernels/layout_internal.h"
#include "kernels/reduce.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

/// The operands of one small net, all leaves.
struct Operands {
  Tensor x, first, second, shortcut, scale, shift, out;
  std::vector<Tensor> all() const { return {x, first, second, shortcut, scale, shift, out}; }
};

Operands operands(DType dtype, const Shape& image, std::int64_t channels, std::int64_t features) {
  const std::int64_t in = image[1];
  std::uint64_t seed = 0;
  const auto leaf_of = [&](const Shape& shape) {
    const Tensor x = kernels::cast(random_tensor(shape, ++seed), dtype);
    return x.detach().set_requires_grad();
  };
  return {leaf_of(image),
          leaf_of({channels, in, 3, 3}),
          leaf_of({channels, channels, 3, 3}),
          leaf_of({channels, in, 1, 1}),
          leaf_of({channels}),
          leaf_of({channels}),
          leaf_of({features, 4})};
}

using Net = Tensor (*)(const Operands& o);

/// A residual block with a shortcut, then the mean over pixels.
Tensor residual(const Operands& o) {
  const Conv2dOptions same{.padding = {1, 1}};
  Tensor y = relu(batch_norm(conv2d(o.x, o.first, {}, same), o.scale, o.shift).y);
  y = batch_norm(conv2d(y, o.second, {}, same), o.scale, o.shift).y;
  y = relu(y + conv2d(o.x, o.shortcut, o.shift, {}));
  return matmul(mean(y, {2, 3}), o.out);
}

/// Pooling and flattening, where the order of the elements matters; y is used thrice, once as a view.
Tensor pooled(const Operands& o) {
  const Tensor y = max_pool2d(relu(conv2d(o.x, o.first, o.shift, {.padding = {1, 1}})), {.kernel = {2, 2}});
  const Tensor z = avg_pool2d(y + transpose(y, 2, 3) * sigmoid(y), {.kernel = {3, 3}, .stride = {1, 1}});
  return matmul(flatten(z, 1), o.out);
}

/// Groups, stride and slices of channels.
Tensor cut(const Operands& o) {
  const Tensor y = conv2d(o.x, o.first, {}, {.stride = {2, 2}});
  const Tensor joined = cat({slice(y, 1, 3, 6), tanh(slice(y, 1, 0, 3))}, 1);
  const Tensor z =
      conv2d(joined, slice(reshape(o.second, {6, 3, 3, 6}), 3, 0, 3), {}, {.padding = {1, 1}, .groups = 2});
  return matmul(reshape(permute(z, {0, 2, 3, 1}), {o.x.size(0), -1}), o.out);
}

void expect_same_gradients(Net net, const Shape& image, std::int64_t channels, std::int64_t features) {
  const Operands narrow = operands(DType::f32, image, channels, features),
                 wide = operands(DType::f64, image, channels, features);
  const Tensor y = net(narrow), expected = net(wide);
  EXPECT_LT(distance(to(y, DType::f64), expected), 1e-4);
  backward(sum(y * y));
  backward(sum(expected * expected));
  for (std::size_t i = 0; i < wide.all().size(); ++i) {
    const Tensor want = wide.all()[i].grad(), got = narrow.all()[i].grad();
    ASSERT_EQ(want.defined(), got.defined()) << i;
    if (!want.defined()) continue;
    EXPECT_TRUE(got.is_contiguous()) << i;
    const double size = std::sqrt(kernels::sum(kernels::mul(want, want)).item<double>());
    const Tensor error = kernels::sub(kernels::cast(got, DType::f64), want);
    EXPECT_LT(std::sqrt(kernels::sum(kernels::mul(error, error)).item<double>()), 1e-4 * size) << i;
  }
}

TEST(ChannelsLast, GradientsOfAResidualBlockAreThoseOfPlanes) {
  EXPECT_TRUE(kernels::is_channels_last(
      conv2d(to(random_tensor({2, 3, 6, 6}, 1), DType::f32), to(random_tensor({16, 3, 3, 3}, 2), DType::f32), {}, {})));
  expect_same_gradients(residual, {4, 3, 6, 5}, 16, 16);
  expect_same_gradients(residual, {3, 8, 3, 3}, 21, 21);
}

TEST(ChannelsLast, GradientsOfPoolingAndFlatteningAreThoseOfPlanes) {
  expect_same_gradients(pooled, {3, 1, 8, 8}, 16, 16 * 4);
  expect_same_gradients(pooled, {2, 6, 10, 10}, 7, 7 * 9);
}

TEST(ChannelsLast, GradientsOfGroupsAndSlicesAreThoseOfPlanes) { expect_same_gradients(cut, {3, 5, 9, 7}, 6, 6 * 12); }

TEST(ChannelsLast, GradientsOfGradientsAreThoseOfPlanes) {
  const auto penalty = [](DType dtype) {
    const Operands o = operands(dtype, {2, 3, 6, 6}, 6, 6);
    const Tensor x = o.x, y = residual(o);
    const std::vector<Tensor> first = grad({sum(y * y)}, {x}, {.create_graph = true});
    backward(sum(first[0] * first[0]));
    return to(o.first.grad(), DType::f64);
  };
  const Tensor expected = penalty(DType::f64);
  const Tensor error = kernels::sub(penalty(DType::f32), expected);
  EXPECT_LT(kernels::sum(kernels::mul(error, error)).item<double>(),
            1e-6 * kernels::sum(kernels::mul(expected, expected)).item<double>());
}

}  // namespace
}  // namespace hop::autograd
