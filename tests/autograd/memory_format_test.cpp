// Images with channels last as users ask for them, and operations that keep the layout: values and gradients are those
// of planes.
#include "autograd/memory_format.h"

#include "kernels/capture.h"
#include "kernels/layout_internal.h"
#include "tests/autograd/support.h"

namespace hop::autograd {
namespace {

constexpr MemoryFormat kLast = MemoryFormat::channels_last, kPlanes = MemoryFormat::contiguous;

Tensor last(const Tensor& x) { return to(x.detach(), kLast); }

TEST(MemoryFormat, AnImageLiesInTheFormatThatIsAskedFor) {
  const Tensor x = random_tensor({2, 3, 4, 5}, 1);
  EXPECT_TRUE(is_contiguous(x));
  EXPECT_FALSE(is_contiguous(x, kLast));
  const Tensor y = to(x, kLast);
  EXPECT_TRUE(is_contiguous(y, kLast));
  EXPECT_FALSE(is_contiguous(y));
  EXPECT_EQ(y.strides(), (Strides{60, 1, 15, 3}));
  EXPECT_TRUE(same_bits(y, x));
  EXPECT_TRUE(to(y, kLast).is_same(y));
  EXPECT_TRUE(contiguous(y, kLast).is_same(y));
  EXPECT_TRUE(contiguous(x, kPlanes).is_same(x));
  EXPECT_TRUE(is_contiguous(contiguous(y)));
  EXPECT_TRUE(same_bits(contiguous(y, kPlanes), x));
  EXPECT_FALSE(is_contiguous(slice(y, 1, 0, 2), kLast));
  EXPECT_TRUE(is_contiguous(slice(y, 0, 0, 1), kLast));
  EXPECT_EQ(clone(slice(y, 1, 0, 2), kLast).strides(), (Strides{40, 1, 10, 2}));
  EXPECT_FALSE(clone(y, kLast).is_same(y));
  EXPECT_TRUE(clone(y, kPlanes).is_contiguous());
}

TEST(MemoryFormat, OneChannelOnePixelAndNoElementsLieInBothWays) {
  for (const Shape& shape : {Shape{2, 1, 4, 5}, Shape{2, 3, 1, 1}, Shape{0, 3, 4, 5}, Shape{2, 3, 0, 5}}) {
    const Tensor x = random_tensor(shape, 1);
    EXPECT_TRUE(is_contiguous(x, kLast)) << shape.to_string();
    EXPECT_TRUE(is_contiguous(x)) << shape.to_string();
    EXPECT_TRUE(to(x, kLast).is_same(x)) << shape.to_string();
  }
  for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 3, 4}, Shape{1, 2, 3, 4, 5}})
    EXPECT_FALSE(is_contiguous(random_tensor(shape, 1), kLast));
}

TEST(MemoryFormat, OnlyImagesHaveChannelsLast) {
  const Tensor x = random_tensor({2, 3, 4}, 1);
  const char* text = "expected an image (N, C, H, W) for channels last, got f64 (2, 3, 4) on cpu";
  EXPECT_TRUE(throws<ShapeError>([&] { to(x, kLast); }, std::string("[to] ") + text));
  EXPECT_TRUE(throws<ShapeError>([&] { contiguous(x, kLast); }, std::string("[contiguous] ") + text));
  EXPECT_TRUE(throws<ShapeError>([&] { clone(x, kLast); }, std::string("[clone] ") + text));
  EXPECT_TRUE(throws<ShapeError>([&] { empty_like(x, kLast); }, std::string("[empty_like] ") + text));
  EXPECT_TRUE(throws<ShapeError>([&] { zeros_like(x, kLast); }, std::string("[zeros_like] ") + text));
  EXPECT_TRUE(throws<Error>([&] { is_contiguous(Tensor(), kLast); }, "[is_contiguous] expected a tensor"));
  EXPECT_TRUE(to(x, kPlanes).is_same(x));
}

TEST(MemoryFormat, TensorsLikeAnImageKeepItsLayout) {
  const Tensor x = random_tensor({2, 3, 4, 5}, 1), y = last(x), part = slice(y, 1, 0, 2);
  const RandomAddress address{.key = 3, .step = 0, .draw = 1};
  const auto all_like = [&](const Tensor& t) {
    return std::vector<Tensor>{empty_like(t),   zeros_like(t),         ones_like(t),
                               full_like(t, 3), rand_like(t, address), randn_like(t, address),
                               clone(t),        to(t, DType::f32),     to(t, DType::bf16)};
  };
  for (const Tensor& t : {y, part}) {
    for (const Tensor& z : all_like(t)) {
      EXPECT_TRUE(is_contiguous(z, kLast)) << z.describe();
      EXPECT_EQ(z.shape(), t.shape());
    }
  }
  for (const Tensor& t :
       {x, transpose(x, 0, 3), slice(x, 3, 0, 2), expand(random_tensor({1, 3, 1, 1}, 2), {2, 3, 4, 5})}) {
    for (const Tensor& z : all_like(t)) EXPECT_TRUE(z.is_contiguous()) << z.describe();
  }
  EXPECT_TRUE(is_contiguous(empty_like(x, kLast), kLast));
  EXPECT_EQ(empty_like(to(y, DType::i64)).dtype(), DType::i64);
  EXPECT_TRUE(empty_like(y, kPlanes).is_contiguous());
  EXPECT_TRUE(is_contiguous(ones_like(x, kLast), kLast));
  EXPECT_TRUE(same_bits(ones_like(y), ones_like(x)));
  EXPECT_TRUE(same_bits(zeros_like(x, kLast), zeros_like(x)));
  EXPECT_TRUE(same_bits(rand_like(y, address), rand_like(x, address)));
  EXPECT_TRUE(same_bits(randn_like(y, address), randn_like(x, address)));
  EXPECT_TRUE(same_bits(full_like(y, 3), full_like(x, 3)));
}

struct Kept {
  const char* name;
  Tensor (*op)(const Tensor& x);
  double tolerance = 0;  // of the gradient; 0: the same bits
};

/// Operations on x (2, 6, 5, 4).
std::vector<Kept> kept() {
  return {
      {"clone", [](const Tensor& x) { return clone(x); }},
      {"to dtype", [](const Tensor& x) { return to(to(x, DType::f32), DType::f64); }},
      {"mul", [](const Tensor& x) { return x * tanh(x); }},
      {"cat",
       [](const Tensor& x) {
         return cat({x, x * 2, slice(x, 1, 1, 3)}, 1);
       }},
      {"cat of rows",
       [](const Tensor& x) {
         return cat({slice(x, 2, 0, 2), x}, 2);
       }},
      {"dropout", [](const Tensor& x) { return dropout(x, 0.4, {.key = 1, .step = 2, .draw = 3}); }},
      {"group_norm", [](const Tensor& x) { return group_norm(x, 3); }},
      {"batch_norm", [](const Tensor& x) { return batch_norm(x).y; }},
      {"pad",
       [](const Tensor& x) {
         return pad(x, {1, 2, 0, 1});
       }},
      {"pad with a number",
       [](const Tensor& x) {
         return pad(x, {1, -2, -1, 1}, PadMode::constant, 2.5);
       }},
      {"reflect",
       [](const Tensor& x) {
         return pad(x, {1, 2, 3, 1}, PadMode::reflect);
       }},
      {"replicate",
       [](const Tensor& x) {
         return pad(x, {1, 2, 3, 1}, PadMode::replicate);
       }},
      {"circular",
       [](const Tensor& x) {
         return pad(x, {1, 2, 3, -1}, PadMode::circular);
       }},
      {"nearest",
       [](const Tensor& x) {
         return interpolate(x, {.size = {7, 9}, .mode = InterpolateMode::nearest});
       }},
      {"bilinear",
       [](const Tensor& x) {
         return interpolate(x, {.size = {3, 9}, .mode = InterpolateMode::bilinear});
       }},
      {"bicubic",
       [](const Tensor& x) {
         return interpolate(x, {.size = {8, 3}, .mode = InterpolateMode::bicubic});
       }},
      {"index_select",
       [](const Tensor& x) {
         return index_select(x, 2, Tensor::from<std::int64_t>({3, 0, 3}, {3}));
       }},
      {"max_pool2d", [](const Tensor& x) { return max_pool2d(x, {}); }},
      {"avg_pool2d",
       [](const Tensor& x) {
         return avg_pool2d(x, {.kernel = {3, 3}, .stride = {1, 1}});
       },
       1e-14},
      {"conv2d",
       [](const Tensor& x) {
         return conv2d(x, random_tensor({7, 6, 3, 3}, 5), {}, {});
       }},
      {"conv_transpose2d",
       [](const Tensor& x) {
         return conv_transpose2d(x, random_tensor({6, 5, 3, 3}, 5));
       }},
  };
}

TEST(MemoryFormat, OperationsKeepItWithTheValuesAndGradientsOfPlanes) {
  const Tensor planes = random_tensor({2, 6, 5, 4}, 1).set_requires_grad();
  const Tensor image = last(planes).set_requires_grad(), base = random_tensor({2, 6, 5, 4}, 1).set_requires_grad();
  for (const Kept& c : kept()) {
    SCOPED_TRACE(c.name);
    const Tensor y = c.op(planes), z = c.op(image), turned = c.op(to(base, kLast));
    EXPECT_TRUE(y.is_contiguous());
    EXPECT_TRUE(is_contiguous(z, kLast));
    EXPECT_TRUE(is_contiguous(turned, kLast));
    EXPECT_TRUE(same_bits(z, y));
    const Tensor g = random_tensor(y.shape(), 8);
    const Tensor expected = grad({y}, {planes}, {.grad_outputs = {g}})[0];
    for (const Tensor& h : {g, last(g)}) {
      for (const auto& [of, leaf_of] : {std::pair{z, image}, {turned, base}}) {
        const Tensor got = grad({of}, {leaf_of}, {.grad_outputs = {h}, .retain_graph = true})[0];
        if (c.tolerance == 0)
          EXPECT_TRUE(same_bits(got, expected));
        else
          EXPECT_LT(distance(got, expected), c.tolerance);
      }
    }
  }
}

TEST(MemoryFormat, OperationsInF32AndBf16KeepIt) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Tensor planes = to(random_tensor({2, 6, 5, 4}, 1), dtype), image = last(planes);
    for (const Kept& c : kept()) {
      if (std::string(c.name).starts_with("conv")) continue;  // their weights are f64
      SCOPED_TRACE(c.name);
      const Tensor y = c.op(planes), z = c.op(image);
      EXPECT_TRUE(is_contiguous(z, kLast));
      EXPECT_TRUE(same_bits(z, y));
    }
  }
}

TEST(MemoryFormat, GradientsOfThePartsOfAnImageHaveItsLayout) {
  const Tensor x = random_tensor({2, 6, 5, 4}, 1).set_requires_grad();
  const Tensor y = to(x, kLast) * 1;
  const Tensor z = slice(y, 1, 1, 4) * 2;
  const std::vector<Tensor> g = grad({z}, {y}, {.grad_outputs = {last(random_tensor({2, 3, 5, 4}, 2))}});
  EXPECT_TRUE(is_contiguous(g[0], kLast));
  EXPECT_TRUE(same_bits(slice(g[0], 1, 1, 4), random_tensor({2, 3, 5, 4}, 2) * 2));
  EXPECT_EQ(sum(abs(slice(g[0], 1, 0, 1)) + abs(slice(g[0], 1, 5, 6))).item<double>(), 0);
}

TEST(MemoryFormat, IsDifferentiatedTwice) {
  for (const Layout layout : kLayouts) {
    const Tensor x = random_leaf({2, 3, 4, 2}, 1, layout);
    const auto f = [](const std::vector<Tensor>& in) {
      const Tensor y = to(as_used(in[0], {2, 3, 4, 2}), kLast);
      return std::vector<Tensor>{contiguous(clone(y * y, kLast) * y, kPlanes)};
    };
    const auto first = hop::testing::gradcheck(f, {x}), second = hop::testing::gradgradcheck(f, {x});
    EXPECT_TRUE(first.ok) << name(layout) << ": " << first.message;
    EXPECT_TRUE(second.ok) << name(layout) << ": " << second.message;
  }
}

TEST(MemoryFormat, ACapturedConversionReplays) {
  const Tensor x = random_tensor({2, 3, 4, 5}, 1);
  Tensor y, z;
  const Recording recording = capture([&] {
    y = to(x, kLast);
    z = contiguous(y + ones_like(y), kPlanes);
  });
  kernels::copy_(x, random_tensor({2, 3, 4, 5}, 2));
  recording.replay();
  EXPECT_TRUE(is_contiguous(y, kLast));
  EXPECT_TRUE(same_bits(y, random_tensor({2, 3, 4, 5}, 2)));
  EXPECT_TRUE(same_bits(z, random_tensor({2, 3, 4, 5}, 2) + 1));
}

}  // namespace
}  // namespace hop::autograd
