// Operations that are composed of others, on a device: they make their masks and indices there. The CPU judges values
// and gradients.
#include <vector>

#include "tests/cuda/composed.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::expect_as_on_the_cpu;
using hop::testing::near;
using hop::testing::random_tensor;
using hop::testing::Xs;

using CudaComposed = OnDevice;

TEST_F(CudaComposed, OperationsAreTheCpus) {
  struct Case {
    const char* name;
    Tensor (*f)(const Tensor& x);
  };
  const std::vector<Case> cases = {
      {"flip",
       [](const Tensor& x) {
         return hop::flip(x, Dims{0, 1});
       }},
      {"roll",
       [](const Tensor& x) {
         return hop::roll(x, Dims{2, -1}, Dims{0, 1});
       }},
      {"repeat",
       [](const Tensor& x) {
         return hop::repeat(x, Dims{2, 3});
       }},
      {"pad",
       [](const Tensor& x) {
         return hop::pad(x, {1, -2}, PadMode::constant, 0.5);
       }},
      {"pad_reflect",
       [](const Tensor& x) {
         return hop::pad(x, {2, 3}, PadMode::reflect);
       }},
      {"masked_fill", [](const Tensor& x) { return hop::masked_fill(x, hop::gt(x, 1), 3); }},
      {"masked_select", [](const Tensor& x) { return hop::masked_select(x, hop::gt(x, 1)); }},
      {"tril", [](const Tensor& x) { return hop::tril(x); }},
      {"norm", [](const Tensor& x) { return hop::norm(x, 3, Dims{1}); }},
      {"std", [](const Tensor& x) { return hop::std(x, Dims{0}); }},
      {"logsumexp", [](const Tensor& x) { return hop::logsumexp(x, Dims{1}); }},
      {"prod", [](const Tensor& x) { return hop::prod(x, 1); }},
      {"cumsum", [](const Tensor& x) { return hop::cumsum(x, 1); }},
      {"cdist", [](const Tensor& x) { return hop::cdist(x, hop::square(x)); }},
      {"einsum",
       [](const Tensor& x) {
         return hop::einsum("ij,kj->ik", {x, hop::square(x)});
       }},
      {"linspace", [](const Tensor& x) { return x * hop::linspace(1, 2, 5, {.device = x.device()}); }},
      {"mish", [](const Tensor& x) { return hop::mish(x); }},
      {"index",
       [](const Tensor& x) {
         return x[{hop::arange(3, DType::i64, x.device()) - 2, hop::arange(3, DType::i64, x.device())}];
       }},
      {"index_mask", [](const Tensor& x) { return x[hop::gt(x, 1)]; }},
      {"index_put",
       [](const Tensor& x) {
         return hop::index_put(x, hop::zeros({2}, DType::i64, x.device()), hop::square(x[Slice(1)]));
       }},
      {"scatter_add",
       [](const Tensor& x) {
         return hop::scatter_add(x, 1, hop::zeros({3, 2}, DType::i64, x.device()), hop::square(x));
       }},
      {"index_add",
       [](const Tensor& x) { return hop::index_add(x, 0, hop::zeros({3}, DType::i64, x.device()), x, 0.5); }},
      {"cumprod", [](const Tensor& x) { return hop::cumprod(x, 1); }},
      {"logaddexp", [](const Tensor& x) { return hop::logaddexp(x, hop::square(x)); }},
      {"clamp", [](const Tensor& x) { return hop::clamp(x, hop::full_like(x, 0.7), hop::square(x)); }},
      {"embedding_padding",
       [](const Tensor& x) { return hop::embedding(x, hop::arange(3, DType::i64, x.device()), 1); }},
      {"embedding_bag",
       [](const Tensor& x) {
         const Tensor offsets = hop::arange(3, DType::i64, x.device());
         return hop::embedding_bag(x, hop::zeros({4}, DType::i64, x.device()), {.offsets = offsets, .padding_idx = 1});
       }},
      {"embedding_bag_max",
       [](const Tensor& x) {
         const Tensor offsets = hop::arange(2, DType::i64, x.device());
         return hop::embedding_bag(x, hop::arange(3, DType::i64, x.device()),
                                   {.offsets = offsets, .mode = EmbeddingBagMode::max});
       }},
      {"interpolate",
       [](const Tensor& x) {
         return hop::interpolate(hop::reshape(x, {1, 1, 3, 5}), {.size = {4, 7}, .mode = InterpolateMode::bilinear});
       }},
      {"bicubic",
       [](const Tensor& x) {
         return hop::interpolate(hop::reshape(x, {1, 1, 3, 5}), {.size = {4, 7}, .mode = InterpolateMode::bicubic});
       }},
      {"conv3d",
       [](const Tensor& x) {
         const Tensor volume = hop::reshape(x, {1, 1, 3, 5, 1});
         return hop::conv3d(hop::cat({volume, hop::square(volume)}, 1),
                            hop::reshape(x[{0, Slice(0, 4)}], {1, 2, 2, 1, 1}), {}, {.padding = {1, 0, 1}});
       }},
      {"conv_transpose3d",
       [](const Tensor& x) {
         return hop::conv_transpose3d(hop::reshape(x, {1, 1, 3, 5, 1}),
                                      hop::reshape(x[{1, Slice(0, 4)}], {1, 1, 2, 2, 1}), {},
                                      {.stride = {2, 1, 1}, .output_padding = {1, 0, 0}});
       }},
      {"max_unpool1d",
       [](const Tensor& x) {
         const auto [maxima, places] = hop::max_pool1d_with_indices(hop::reshape(x, {1, 3, 5}));
         return hop::max_unpool1d(maxima, places, {}, 5);
       }},
      {"max_pool3d_with_indices",
       [](const Tensor& x) {
         const auto [maxima, places] =
             hop::max_pool3d_with_indices(hop::reshape(x, {1, 1, 3, 5, 1}), {{{2, 1, 0}, {2, 2, 0}, {1, 1, 0}}});
         return maxima + hop::to(places, DType::f32);
       }},
      {"avg_pool3d",
       [](const Tensor& x) {
         return hop::avg_pool3d(hop::reshape(x, {1, 3, 5, 1}), {{{2}, {3, 2, 1}, {1}}},
                                {.ceil_mode = true, .count_include_pad = false});
       }},
      {"adaptive_max_pool_with_indices",
       [](const Tensor& x) {
         const auto [maxima, places] = hop::adaptive_max_pool_with_indices(hop::reshape(x, {1, 3, 5}), {2, 3});
         return maxima + hop::to(places, DType::f32);
       }},
      {"conv_transpose1d",
       [](const Tensor& x) {
         return hop::conv_transpose1d(x, hop::reshape(x[{1, Slice(0, 3)}], {3, 1, 1}), {}, {.output_padding = 0});
       }},
      {"conv1d",
       [](const Tensor& x) {
         return hop::conv1d(x, hop::reshape(x[{0, Slice(0, 3)}], {1, 3, 1}), {}, kSame);
       }},
      {"fractional_max_pool2d",
       [](const Tensor& x) {
         const Tensor samples = hop::reshape(x[{0, Slice(0, 2)}] * 0.25, {1, 1, 2});  // of 0.5 .. 2
         const auto [maxima, places] =
             hop::fractional_max_pool2d_with_indices(hop::reshape(x, {1, 1, 3, 5}), {2, 2}, {2, 3}, samples);
         return maxima + hop::to(places, DType::f32);
       }},
      {"sort",
       [](const Tensor& x) {
         const auto [sorted, places] = hop::sort(x, 0, true);
         return sorted * hop::to(places + 1, DType::f32);
       }},
      {"topk",
       [](const Tensor& x) {
         const auto [best, places] = hop::topk(x, 2);
         return best * hop::to(places + 1, DType::f32);
       }},
      {"median", [](const Tensor& x) { return hop::median(x, 1).values * hop::median(x); }},
      {"lp_pool2d",
       [](const Tensor& x) {
         return hop::lp_pool2d(hop::reshape(x, {1, 1, 3, 5}), 3);
       }},
  };
  const Tensor x = random_tensor({3, 5}, DType::f32, 1, 0.5, 2);
  for (const Case& c : cases) expect_as_on_the_cpu(c.name, [&](Xs inputs) { return c.f(inputs[0]); }, {x});
}

TEST_F(CudaComposed, OperationsOnIntegersAreTheCpus) {
  const Tensor labels = Tensor::from<std::int64_t>({2, 0, 1, 2}, {2, 2}), there = on_device(labels);
  const auto expect_equal = [](const Tensor& got, const Tensor& expected) {
    EXPECT_TRUE(near(hop::to(on_host(got), DType::f64), hop::to(expected, DType::f64), 0));
  };
  expect_equal(hop::one_hot(there), hop::one_hot(labels));
  expect_equal(hop::nonzero(there), hop::nonzero(labels));
  expect_equal(hop::argmin(there, 1), hop::argmin(labels, 1));
  expect_equal(hop::any(there, Dims{1}), hop::any(labels, Dims{1}));
  expect_equal(hop::randperm(9, {.key = 3}, Device::cuda()), hop::randperm(9, {.key = 3}));
  expect_equal(there[1], labels[1]);
  expect_equal(hop::index_put(there, {0, 1}, 7), hop::index_put(labels, {0, 1}, 7));
  expect_equal(hop::bincount(hop::flatten(there), {}, 5), hop::bincount(hop::flatten(labels), {}, 5));
  const Unique got = hop::unique(there), expected = hop::unique(labels);
  expect_equal(got.values, expected.values);
  expect_equal(got.inverse, expected.inverse);
  expect_equal(got.counts, expected.counts);
  EXPECT_EQ(hop::to_string(there[0]), "tensor([2, 0], device='cuda:0')");
}

TEST_F(CudaComposed, ToMovesAndBringsGradientsBack) {
  const Tensor x = Tensor::from<float>({1, 2}, {2}).set_requires_grad();
  const Tensor there = hop::to(x, Device::cuda());
  EXPECT_EQ(there.device(), Device::cuda());
  backward(hop::sum(hop::square(there)));
  EXPECT_TRUE(near(x.grad(), Tensor::from<float>({2, 4}, {2}), 0));
}

TEST_F(CudaComposed, APositionOutOfRangeIsReportedLater) {
  const Tensor x = on_device(random_tensor({3, 5}));
  for (const std::int64_t wrong : {3, -4}) {
    const Tensor y = x[{on_device(Tensor::from<std::int64_t>({wrong}, {1})), on_device(zeros({1}, DType::i64))}];
    EXPECT_THROW(backend(Device::cuda()).synchronize(), IndexError) << wrong;
  }
}

}  // namespace
}  // namespace hop::kernels::cuda
