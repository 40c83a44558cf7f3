// Gradients of gradients on a device. Under create_graph a gradient is made of recorded operations, and all of their
// operands must lie on the device. The CPU's second derivatives judge.
#include <string>
#include <vector>

#include "autograd/graph.h"
#include "autograd/ops.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::near;
using hop::testing::random_tensor;

/// d/dx of the sum of squares of d f(x)/dx.
template <class F>
Tensor second(const F& f, const Tensor& x) {
  x.set_requires_grad(true);
  const Tensor first = grad({hop::sum(f(x))}, {x}, {.create_graph = true})[0];
  return grad({hop::sum(hop::square(first))}, {x})[0];
}

using CudaSecondDerivative = OnDevice;

TEST_F(CudaSecondDerivative, OfRowsWithANumberIsTheCpus) {
  struct Case {
    const char* name;
    Tensor (*f)(const Tensor& x);
  };
  const std::vector<Case> cases = {
      {"product", [](const Tensor& x) { return hop::mul(hop::square(x), 2.5); }},
      {"quotient", [](const Tensor& x) { return hop::div(1.5, x); }},
      {"power", [](const Tensor& x) { return hop::pow(x, 3.0); }},
      {"maximum", [](const Tensor& x) { return hop::square(hop::maximum(x, 1.0)); }},
      {"where", [](const Tensor& x) { return hop::where(hop::gt(x, 1.0), hop::square(x), 0.5); }},
      {"infinite number", [](const Tensor& x) { return hop::square(hop::minimum(x, 1e300)); }},
  };
  for (const Case& c : cases) {
    const Tensor x = random_tensor({3, 5}, DType::f32, 1, 0.5, 2);
    EXPECT_TRUE(near(on_host(second(c.f, on_device(x))), second(c.f, x), 1e-5)) << c.name;
  }
}

TEST_F(CudaSecondDerivative, OfCrossEntropyIsTheCpus) {
  const Tensor x = random_tensor({7, 10}, DType::f32, 1),
               labels = Tensor::from<std::int64_t>({3, 0, 9, 1, 1, 7, 4}, {7});
  const Tensor there = on_device(labels);
  const auto loss_here = [&](const Tensor& t) { return hop::cross_entropy(t, labels); };
  const auto loss_there = [&](const Tensor& t) { return hop::cross_entropy(t, there); };
  EXPECT_TRUE(near(on_host(second(loss_there, on_device(x))), second(loss_here, x), 1e-5));
}

}  // namespace
}  // namespace hop::kernels::cuda
