// An operation that is composed of others, on a device: the CPU judges its value and its gradients.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/graph.h"
#include "autograd/ops.h"
#include "tests/cuda/results.h"

namespace hop::testing {

using Tensors = std::vector<Tensor>;
using Xs = const Tensors&;

/// What an operation gave.
struct Outcome {
  Tensor y{};
  Tensors gradients{};  ///< of sum(y^2), for each floating input; undefined if y does not depend on it
};

/// Runs f on the inputs. The floating ones get gradients, if y has some.
inline Outcome outcome_of(const std::function<Tensor(Xs)>& f, const Tensors& inputs) {
  Tensors leaves, floating;
  for (const Tensor& x : inputs) {
    leaves.push_back(x.detach());
    if (is_floating(x.dtype())) floating.push_back(leaves.back().set_requires_grad());
  }
  Outcome outcome{f(leaves)};
  if (outcome.y.requires_grad()) {
    outcome.gradients = grad({hop::sum(hop::square(outcome.y))}, floating, {.allow_unused = true});
  }
  return outcome;
}

/// Expects of f on the device the CPU's values to `tolerance`, and its gradients to ten times that.
inline void expect_as_on_the_cpu(const std::string& name, const std::function<Tensor(Xs)>& f, const Tensors& inputs,
                                 double tolerance = 1e-5) {
  SCOPED_TRACE(name);
  Tensors there;
  for (const Tensor& x : inputs) there.push_back(kernels::cuda::on_device(x));
  const Outcome expected = outcome_of(f, inputs), got = outcome_of(f, there);
  ASSERT_EQ(got.y.device(), Device::cuda());
  EXPECT_TRUE(near(kernels::cuda::on_host(got.y), expected.y, tolerance));
  ASSERT_EQ(got.gradients.size(), expected.gradients.size());
  for (std::size_t i = 0; i < got.gradients.size(); ++i) {
    ASSERT_EQ(got.gradients[i].defined(), expected.gradients[i].defined()) << "gradient " << i;
    if (!got.gradients[i].defined()) continue;
    EXPECT_TRUE(near(kernels::cuda::on_host(got.gradients[i]), expected.gradients[i], 10 * tolerance))
        << "gradient " << i;
  }
}

/// One row of a table of operations. The inputs are random numbers from `low` to `high`, of these shapes.
struct ComposedCase {
  const char* name;
  std::vector<Shape> shapes;
  Tensor (*f)(Xs x);
  double low = -2, high = 2;
};

inline void expect_as_on_the_cpu(const std::vector<ComposedCase>& cases) {
  for (const ComposedCase& c : cases) {
    Tensors inputs;
    for (const Shape& shape : c.shapes) {
      inputs.push_back(random_tensor(shape, DType::f32, inputs.size() + 1, c.low, c.high));
    }
    expect_as_on_the_cpu(c.name, c.f, inputs);
  }
}

/// Numbers where x lies.
inline Tensor beside(const Tensor& x, const Tensor& numbers) { return hop::to(numbers, x.device()); }
inline Tensor i64_beside(const Tensor& x, std::initializer_list<std::int64_t> values, const Shape& shape) {
  return beside(x, Tensor::from<std::int64_t>(values, shape));
}

}  // namespace hop::testing
