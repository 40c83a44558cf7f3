// y = relu(batch_norm(x) + residual) and its gradients in two ways, for every device: with the tail as a part of
// batch_norm, and as operations of their own. Tensors are compared by who calls.
#pragma once

#include <vector>

#include "kernels/elementwise.h"
#include "kernels/norm.h"
#include "tests/kernels/layouts.h"

namespace hop::testing {

struct TailCase {
  Tensor x, g, residual;  ///< of one shape; residual may be undefined
  Tensor weight, bias;    ///< or undefined
  bool relu = false;

  /// The same, each tensor through f.
  template <class F>
  TailCase map(const F& f) const {
    const auto moved = [&](const Tensor& t) { return t.defined() ? f(t) : t; };
    return {moved(x), moved(g), moved(residual), moved(weight), moved(bias), relu};
  }
};

/// y, mean, rstd, dx, dweight, dbias and, where a residual met a relu, dresidual.
using TailResults = std::vector<Tensor>;

inline TailResults one_by_one(const TailCase& c) {
  namespace k = kernels;
  const k::NormResult norm = k::batch_norm(c.x, c.weight, c.bias, 1e-5);
  const Tensor sum = c.residual.defined() ? k::add(norm.y, c.residual) : norm.y;
  const Tensor y = c.relu ? k::relu(sum) : sum;
  const Tensor g = c.relu ? k::relu_grad(c.g, {}, y) : c.g;
  const k::NormGrads grads = k::batch_norm_grad(g, c.x, c.weight, norm.mean, norm.rstd);
  return {y, norm.mean, norm.rstd, grads.dx, grads.dweight, grads.dbias, c.relu && c.residual.defined() ? g : Tensor()};
}

inline TailResults in_one_pass(const TailCase& c, bool overwrite) {
  const kernels::NormResult norm =
      kernels::batch_norm(c.x, c.weight, c.bias, 1e-5, {.residual = c.residual, .relu = c.relu});
  kernels::BatchNormTailGrad tail{.relu = c.relu, .bias = c.bias, .overwrite = overwrite};
  if (c.relu && c.residual.defined()) tail.y = norm.y;
  const kernels::NormGrads grads = kernels::batch_norm_grad(c.g, c.x, c.weight, norm.mean, norm.rstd, tail);
  return {norm.y, norm.mean, norm.rstd, grads.dx, grads.dweight, grads.dbias, grads.dresidual};
}

/// Every tail on values around zero, with and without parameters. The weight of channel 0 is 0, so that all its y are
/// 0 but for a residual.
inline std::vector<TailCase> tail_cases(const Shape& shape, DType dtype) {
  const Tensor x = random_tensor(shape, dtype, 1, -2, 3), g = random_tensor(shape, dtype, 2);
  const Tensor residual = random_tensor(shape, dtype, 3), weight = random_tensor({shape[1]}, dtype, 4);
  const Tensor bias = random_tensor({shape[1]}, dtype, 5, -0.5, 0.5);
  visit_dtype(dtype, [&]<class T>(T) { weight.data<T>()[0] = bias.data<T>()[0] = T{0}; });
  std::vector<TailCase> all;
  for (const bool relu : {false, true}) {
    for (const Tensor& added : {Tensor(), residual}) {
      all.push_back({x, g, added, weight, bias, relu});
      all.push_back({x, g, added, {}, {}, relu});
    }
  }
  return all;
}

inline void expect_same_results(const TailResults& a, const TailResults& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].defined(), b[i].defined()) << "result " << i;
    if (!a[i].defined()) continue;
    EXPECT_TRUE(same_bits(a[i], b[i])) << "result " << i;
  }
}

}  // namespace hop::testing
