// A layer of categories on the device against the CPU, bit for bit: eager, recorded, and with an index out of range.
#include <limits>

#include "autograd/graph.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/cuda/layouts.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::fetch;
using hop::testing::mirror;
using hop::testing::random_tensor;
using hop::testing::same_bits;
using CudaCategoryEmbedding = OnDevice;

// Two numbers, a word of 5 or none, a word of 300 or none.
Tensor rows(std::int64_t count, std::uint64_t seed) {
  const Tensor words = cast(random_tensor({count, 2}, DType::i64, seed, 0, 6), DType::f32);
  return hop::cat({random_tensor({count, 2}, DType::f32, seed + 1), words}, 1);
}

nn::CategoryEmbedding layer() {
  nn::CategoryEmbedding layer({5, 300}, 6);
  nn::init_parameters(layer, 3);
  return layer;
}

TEST_F(CudaCategoryEmbedding, HasTheBitsOfTheCpuEagerAndRecorded) {
  nn::CategoryEmbedding cpu = layer(), cuda = layer();
  cuda.to(Device::cuda());
  const Tensor x = rows(200, 1), there = mirror(x);
  const Tensor y = cpu(x);
  EXPECT_TRUE(same_bits(fetch(cuda(there)), y));
  backward(hop::sum(hop::square(y)));
  Tensor recorded;
  const auto work = [&] {
    cuda.zero_grad();
    recorded = cuda(there);
    backward(hop::sum(hop::square(recorded)));
  };
  work();
  EXPECT_TRUE(same_bits(fetch(cuda.weight.grad()), cpu.weight.grad()));
  const Recording step = capture(work, Device::cuda());
  kernels::copy_(there, mirror(rows(200, 7)));
  step.replay();
  cpu.zero_grad();
  const Tensor again = cpu(rows(200, 7));
  backward(hop::sum(hop::square(again)));
  EXPECT_TRUE(same_bits(fetch(recorded), again));
  EXPECT_TRUE(same_bits(fetch(cuda.weight.grad()), cpu.weight.grad()));
}

TEST_F(CudaCategoryEmbedding, ReportsAnIndexOutOfItsCategory) {
  nn::CategoryEmbedding cuda = layer();
  cuda.to(Device::cuda());
  for (const float wrong : {6.0F, -1.0F, std::numeric_limits<float>::quiet_NaN()}) {
    cuda(mirror(Tensor::from<float>({0, 0, wrong, 1}, {1, 4})));
    EXPECT_THROW(backend(Device::cuda()).synchronize(), IndexError) << wrong;
  }
}

}  // namespace
}  // namespace hop::kernels::cuda
