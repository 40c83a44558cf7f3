// Chains of rows, longer ones and with attributes: kernels of their own, so this test is itself CUDA source.
#include "kernels/cuda/chain.h"

#include <array>

#include "tests/cuda/layouts.h"
#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::fetch;
using hop::testing::for_each_schedule;
using hop::testing::mirror;
using hop::testing::random_tensor;
using hop::testing::same_bits;

using CudaChain = OnDevice;

TEST_F(CudaChain, TakesFurtherOperandsAndAttributesRowByRow) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : {Shape{1}, Shape{33}, Shape{1023}, Shape{6, 8}, Shape{7, 9}}) {
      const Tensor a = mirror(random_tensor(shape, dtype)), b = mirror(random_tensor(shape, dtype, 2));
      const Tensor c = mirror(random_tensor({shape.back()}, dtype, 3));
      const Tensor wanted = fetch(where(gt(b, 0), clamp(sub(add(mul(a, b), c), 0.25), -0.5, 0.5), a));
      for_each_schedule([&] {
        const Tensor y = Tensor::empty(shape, dtype, Device::cuda());
        const Input inputs[] = {a, b, c, 0.25};
        run_chain(Chain(rows::Mul{}, rows::Add{}, rows::Sub{}, rows::Clamp{-0.5, 0.5}), y, inputs);
        EXPECT_TRUE(same_bits(fetch(where(gt(b, 0), y, a)), wanted));
      });
    }
  }
}

TEST_F(CudaChain, MayWriteOverAnInput) {
  const Tensor x = random_tensor({257}), there = mirror(x);
  const Input inputs[] = {there, there};
  run_chain(Chain(rows::Mul{}, rows::Neg{}), there, inputs);
  EXPECT_TRUE(same_bits(fetch(there), neg(mul(x, x))));
}

}  // namespace
}  // namespace hop::kernels::cuda
