// Images with channels last on a device: every operation reads them, and gives the CPU's values in a contiguous tensor.
#include "autograd/memory_format.h"

#include <vector>

#include "autograd/graph.h"
#include "autograd/ops.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::near;
using hop::testing::random_tensor;

constexpr MemoryFormat kLast = MemoryFormat::channels_last, kPlanes = MemoryFormat::contiguous;

using CudaMemoryFormat = OnDevice;

struct Case {
  const char* name;
  Tensor (*f)(const Tensor& x);
};

/// Operations on x (2, 6, 5, 4).
std::vector<Case> cases() {
  return {
      {"clone", [](const Tensor& x) { return hop::clone(x); }},
      {"clone of a part", [](const Tensor& x) { return hop::clone(hop::slice(x, 1, 1, 4)); }},
      {"to dtype", [](const Tensor& x) { return hop::to(hop::to(x, DType::bf16), DType::f32); }},
      {"mul", [](const Tensor& x) { return x * hop::tanh(x); }},
      {"cat",
       [](const Tensor& x) {
         return hop::cat({x, hop::slice(x, 1, 1, 3)}, 1);
       }},
      {"dropout", [](const Tensor& x) { return hop::dropout(x, 0.4, {.key = 1, .step = 2, .draw = 3}); }},
      {"group_norm", [](const Tensor& x) { return hop::group_norm(x, 3); }},
      {"batch_norm", [](const Tensor& x) { return hop::batch_norm(x).y; }},
      {"pad",
       [](const Tensor& x) {
         return hop::pad(x, {1, 2, 0, 1}, PadMode::constant, 0.5);
       }},
      {"reflect",
       [](const Tensor& x) {
         return hop::pad(x, {1, 2, 3, 1}, PadMode::reflect);
       }},
      {"bilinear",
       [](const Tensor& x) {
         return hop::interpolate(x, {.size = {3, 9}, .mode = InterpolateMode::bilinear});
       }},
      {"max_pool2d", [](const Tensor& x) { return hop::max_pool2d(x, {}); }},
      {"conv2d",
       [](const Tensor& x) {
         return hop::conv2d(x, hop::full({7, 6, 3, 3}, 0.1, x.dtype(), x.device()), {}, {});
       }},
  };
}

TEST_F(CudaMemoryFormat, ImagesLieInTheFormatThatIsAskedFor) {
  const Tensor x = random_tensor({2, 3, 4, 5}), there = on_device(x);
  const Tensor last = hop::to(there, kLast);
  EXPECT_EQ(last.strides(), (Strides{60, 1, 15, 3}));
  EXPECT_TRUE(hop::is_contiguous(last, kLast));
  EXPECT_TRUE(hop::to(last, kLast).is_same(last));
  EXPECT_TRUE(hop::testing::same_bits(on_host(last), x));
  EXPECT_TRUE(hop::testing::same_bits(on_host(hop::contiguous(last, kPlanes)), x));
  EXPECT_TRUE(hop::is_contiguous(hop::ones_like(there, kLast), kLast));
  EXPECT_TRUE(hop::testing::same_bits(on_host(hop::ones_like(there, kLast)), hop::ones_like(x)));
  for (const Tensor& like : {hop::empty_like(last), hop::zeros_like(last), hop::clone(last)})
    EXPECT_TRUE(like.is_contiguous());
}

TEST_F(CudaMemoryFormat, OperationsReadThemAndGiveContiguousTensorsWithTheCpusValuesAndGradients) {
  const Tensor x = random_tensor({2, 6, 5, 4}).set_requires_grad();
  const Tensor there = on_device(x.detach()).set_requires_grad();
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Tensor y = c.f(x), g = random_tensor(y.shape(), DType::f32, 2), device_g = on_device(g);
    const Tensor dx = grad({y}, {x}, {.grad_outputs = {g}})[0];
    const std::vector<Tensor> got = hop::testing::in_every_schedule([&] {
      const Tensor z = c.f(hop::to(there, kLast));
      EXPECT_TRUE(z.is_contiguous());
      const auto gradient = [&](MemoryFormat format) {
        return grad({z}, {there}, {.grad_outputs = {hop::to(device_g, format)}, .retain_graph = true})[0];
      };
      const Tensor of_planes = gradient(kPlanes), of_last = gradient(kLast);
      return std::vector<Tensor>{z.detach(), of_planes, of_last};
    });
    EXPECT_TRUE(near(got[0], y.detach(), 2e-5));
    EXPECT_TRUE(near(got[1], dx, 2e-5));
    EXPECT_TRUE(near(got[2], dx, 2e-5));
  }
}

}  // namespace
}  // namespace hop::kernels::cuda
