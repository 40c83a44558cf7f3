// What modules compute and leave behind on a device; the CPU is the judge.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "nn/module.h"
#include "tests/cuda/composed.h"

namespace hop::testing {

using nn::NamedTensor;

/// What one pass forward and backward leaves behind, by name.
inline std::vector<NamedTensor> pass(nn::Module& module, const std::function<Tensor(Xs)>& call, const Tensors& inputs) {
  module.set_random_key(3);
  Tensors leaves;
  for (const Tensor& x : inputs) leaves.push_back(x.detach());
  for (const Tensor& x : leaves) x.set_requires_grad(is_floating(x.dtype()));
  const Tensor y = call(leaves);
  std::vector<NamedTensor> list = {{"y", y.detach()}};
  if (y.requires_grad()) backward(hop::sum(hop::square(y) + y));
  for (std::size_t i = 0; i < leaves.size(); ++i) list.push_back({"input " + std::to_string(i), leaves[i].grad()});
  for (const NamedTensor& p : module.named_parameters()) list.push_back({p.name, p.tensor.grad()});
  for (const NamedTensor& b : module.named_buffers()) list.push_back({b.name, b.tensor});
  return list;
}

/// Expects tensors on the device that are near those of the CPU, name by name.
inline void expect_near(const std::vector<NamedTensor>& got, const std::vector<NamedTensor>& expected,
                        double tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Tensor &a = got[i].tensor, &b = expected[i].tensor;
    ASSERT_EQ(a.defined(), b.defined()) << got[i].name;
    if (!a.defined()) continue;
    ASSERT_EQ(a.device(), Device::cuda()) << got[i].name;
    EXPECT_TRUE(near(kernels::cuda::on_host(a.detach()), b.detach(), tolerance)) << got[i].name;
  }
}

}  // namespace hop::testing
