// Means of gradients, bit for bit against PyTorch's DistributedDataParallel and its all_reduce over Gloo: the numbers
// of golden/generate_gloo.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "hopper/detail/replica_mean.h"
#include "kernels/copy.h"
#include "nn/safetensors.h"
#include "tests/hopper/local_group.h"
#include "tests/source_tree.h"

namespace hop::hopper {
namespace {

class Gloo : public ::testing::Test {
 protected:
  Gloo() {
    for (const auto& [name, tensor] :
         nn::load_safetensors(source_directory() / "tests/hopper/golden/gloo.safetensors").tensors) {
      golden_.emplace(name, tensor);
    }
  }
  /// Row `index` of the last two dimensions.
  const float* row(const std::string& name, std::int64_t index) const {
    const Tensor& x = golden_.at(name);
    return x.data<float>() + index * x.size(-1);
  }
  std::int64_t size(const std::string& name, int dim) const { return golden_.at(name).size(dim); }

  std::map<std::string, Tensor> golden_;
};

Group with(Group group, ReduceExchange exchange) {
  group.exchange = exchange;
  return group;
}

// The gradient of sum(t * (W x)) by W is t x^T: single products. So nothing but the mean and the update rounds.
TEST_F(Gloo, TwoReplicasTakeTheStepsOfDistributedDataParallel) {
  const std::int64_t steps = size("x", 1), inputs = size("x", 2), outputs = size("t", 2), count = inputs * outputs;
  for (const auto exchange : {ReduceExchange::Direct, ReduceExchange::Ring, ReduceExchange::HalvingDoubling}) {
    run_group(2, 2, [&](const Group& group) {
      const std::int64_t rank = group.wire->rank();
      const Tensor gradient = kernels::zeros({count});
      ReplicaMean mean({gradient}, {}, DType::f32);
      mean.join(with(group, exchange));
      std::vector<float> weights(static_cast<std::size_t>(count)), momentum(weights.size());
      std::copy_n(row("first", 0), count, weights.begin());
      for (std::int64_t step = 0; step < steps; ++step) {
        const float *const x = row("x", rank * steps + step), *const t = row("t", rank * steps + step);
        for (std::int64_t k = 0; k < count; ++k) gradient.data<float>()[k] = t[k / inputs] * x[k % inputs];
        mean.begin({0.5, 0.5});
        mean.add(0.5);
        mean.finish(false);
        for (std::size_t k = 0; k < weights.size(); ++k) {
          momentum[k] = 0.5F * momentum[k] + gradient.data<float>()[k];
          weights[k] -= 0.25F * momentum[k];
        }
        ASSERT_EQ(std::memcmp(weights.data(), golden_.at("weights").data<float>() + step * count, weights.size() * 4),
                  0)
            << "step " << step << ", exchange " << static_cast<int>(exchange);
      }
    });
  }
}

// From four members on, the order of additions counts: `ring` has Gloo's, `direct` another one.
TEST_F(Gloo, FourMembersOfARingAddInItsOrder) {
  const std::int64_t count = size("gradients", 1);
  const auto mean_of = [&](ReduceExchange exchange) {
    std::vector<std::vector<float>> means(4);
    run_group(4, 4, [&](const Group& group) {
      const std::uint32_t rank = group.wire->rank();
      const Tensor gradient = kernels::zeros({count});
      std::copy_n(row("gradients", rank), count, gradient.data<float>());
      ReplicaMean mean({gradient}, {}, DType::f32);
      mean.join(with(group, exchange));
      mean.begin({0.25, 0.25, 0.25, 0.25});
      mean.add(0.25);
      mean.finish(false);
      means[rank].assign(gradient.data<float>(), gradient.data<float>() + count);
    });
    for (const auto& mean : means) EXPECT_EQ(mean, means[0]);
    return means[0];
  };
  const std::vector<float> gloo(row("mean", 0), row("mean", 0) + count);
  EXPECT_EQ(mean_of(ReduceExchange::Ring), gloo);
  EXPECT_NE(mean_of(ReduceExchange::Direct), gloo);
}

}  // namespace
}  // namespace hop::hopper
