#include "kernels/softmax.h"

#include <limits>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/softmax_operations.h"
#include "kernels/view.h"
#include "tensor/backend.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using namespace hop::testing;
using CudaSoftmax = OnDevice;
using CudaCrossEntropy = OnDevice;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Every way of holding a row (rows_device.h), and the sizes around its edges.
const std::vector<Shape> kShapes = {{7, 1},    {5, 16},   {9, 31},   {3, 32},   {2, 2, 33}, {3, 256},  {2, 260},
                                    {1, 1023}, {2, 1024}, {2, 1500}, {3, 4097}, {2, 6000},  {1, 8192}, {2, 8193}};

/// exp and log differ from the CPU's by some units in the last place.
double tolerance(DType dtype) { return epsilon(dtype, 32); }

TEST_F(CudaSoftmax, IsTheCpus) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : kShapes) {
      const Tensor x = random_tensor(shape, dtype, 1, -5, 5), there = on_device(x);
      const auto y = in_every_schedule([&] { return std::vector{softmax(there), log_softmax(there)}; });
      EXPECT_TRUE(near(y[0], softmax(x), tolerance(dtype))) << x.describe();
      EXPECT_TRUE(near(y[1], log_softmax(x), tolerance(dtype))) << x.describe();
    }
  }
}

TEST_F(CudaSoftmax, GradientsAreTheCpus) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : kShapes) {
      const Tensor y = softmax(random_tensor(shape, dtype, 1, -5, 5)), g = random_tensor(shape, dtype, 2);
      const Tensor y_there = on_device(y), g_there = on_device(g);
      const auto dx = in_every_schedule([&] {
        return std::vector{softmax_grad(g_there, y_there), log_softmax_grad(g_there, y_there)};
      });
      EXPECT_TRUE(near(dx[0], softmax_grad(g, y), tolerance(dtype))) << y.describe();
      // A sum of terms of either sign that may cancel: its error is that of the largest terms.
      EXPECT_TRUE(near(dx[1], log_softmax_grad(g, y), tolerance(dtype) * 8)) << y.describe();
    }
  }
}

TEST_F(CudaSoftmax, HasTheSameBitsAtEveryAddress) {
  for (const std::int64_t length : {12, 300, 2000, 4100}) {
    const Tensor x = random_tensor({3, length}, DType::f32, 4, -5, 5), expected = on_host(softmax(on_device(x)));
    for (std::int64_t offset = 1; offset < 5; ++offset)
      EXPECT_TRUE(same_bits(on_host(softmax(on_device(shifted(x, offset)))), expected)) << length << " " << offset;
  }
}

TEST_F(CudaSoftmax, TreatsInfinityAndNanAsTheCpu) {
  for (const std::int64_t length : {5, 40, 1500, 4100}) {
    Tensor x = random_tensor({6, length});
    float* row = x.data<float>();
    row[1] = -kInfinity;
    row[length + 2] = kInfinity;
    row[2 * length + 3] = NAN;
    for (std::int64_t i = 0; i < length; ++i) row[3 * length + i] = -kInfinity;
    row[4 * length] = 3e4F;  // exp of it is no float
    for (std::int64_t i = 0; i < length; ++i) row[5 * length + i] = -3e38F;
    EXPECT_TRUE(near(on_host(softmax(on_device(x))), softmax(x), tolerance(DType::f32))) << length;
    EXPECT_TRUE(near(on_host(log_softmax(on_device(x))), log_softmax(x), tolerance(DType::f32))) << length;
  }
}

const std::vector<Shape> kClassShapes = {{1, 1},    {32, 10},  {64, 16},  {65, 16},  {64, 17},
                                         {33, 10},  {5, 16},   {31, 33},  {3, 256},  {2, 260},
                                         {2, 1023}, {2, 4099}, {2, 4100}, {1, 8192}, {1, 8196}};

Tensor labels_for(std::int64_t rows, std::int64_t classes) {
  return random_tensor({rows}, DType::i64, 9, 0, static_cast<double>(classes));
}

TEST_F(CudaCrossEntropy, IsTheCpusForwardAndBackward) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Shape& shape : kClassShapes) {
      const Tensor x = random_tensor(shape, dtype, 1, -5, 5), labels = labels_for(shape[0], shape[1]);
      const Tensor g = random_tensor({}, dtype, 3);
      const Tensor x_there = on_device(x), labels_there = on_device(labels), g_there = on_device(g);
      const auto y = in_every_schedule([&] {
        const CrossEntropyResult result = cross_entropy(x_there, labels_there);
        return std::vector{result.loss, result.log_probabilities,
                           cross_entropy_grad(g_there, result.log_probabilities, labels_there)};
      });
      const CrossEntropyResult expected = cross_entropy(x, labels);
      EXPECT_TRUE(near(y[0], expected.loss, tolerance(dtype))) << x.describe();
      EXPECT_TRUE(near(y[1], expected.log_probabilities, tolerance(dtype))) << x.describe();
      EXPECT_TRUE(near(y[2], cross_entropy_grad(g, expected.log_probabilities, labels), tolerance(dtype)));
    }
  }
}

TEST_F(CudaCrossEntropy, FusedHasTheBitsOfTheTwoKernelsAlsoInPlace) {
  const Tensor one = on_device(full({}, 1.0));
  for (const Shape& shape : kClassShapes) {
    const Tensor x = on_device(random_tensor(shape, DType::f32, 1, -5, 5));
    const Tensor labels = on_device(labels_for(shape[0], shape[1]));
    const CrossEntropyResult apart = cross_entropy(x, labels);
    const Tensor dx = on_host(cross_entropy_grad(one, apart.log_probabilities, labels));
    const auto fused = in_every_schedule([&] {
      const FusedCrossEntropy result = cross_entropy_fused(x, labels).value();
      const Tensor loss = Tensor::empty({}, DType::f32, Device::cuda()), x_and_dx = on_device(on_host(x));
      SoftmaxOperations::cuda.cross_entropy_fused(x_and_dx, labels, loss, x_and_dx);
      return std::vector{result.loss, result.dx, loss, x_and_dx};
    });
    for (const std::size_t loss : {0U, 2U}) EXPECT_TRUE(same_bits(fused[loss], on_host(apart.loss))) << x.describe();
    for (const std::size_t slope : {1U, 3U}) EXPECT_TRUE(same_bits(fused[slope], dx)) << x.describe();
  }
}

TEST_F(CudaCrossEntropy, FusedTakesAnyLayoutAndDoubles) {
  const Tensor x = random_tensor({10, 6}, DType::f64, 1), labels = labels_for(6, 10), one = full({}, 1.0, DType::f64);
  const FusedCrossEntropy turned = cross_entropy_fused(transpose(on_device(x), 0, 1), on_device(labels)).value();
  const CrossEntropyResult expected = cross_entropy(transpose(x, 0, 1), labels);
  EXPECT_TRUE(near(on_host(turned.loss), expected.loss, tolerance(DType::f64)));
  const Tensor dx = cross_entropy_grad(one, expected.log_probabilities, labels);
  EXPECT_TRUE(near(on_host(turned.dx), dx, tolerance(DType::f64)));
}

TEST_F(CudaCrossEntropy, ALabelOutOfRangeIsAnIndexErrorAtTheNextSynchronizeAndTheLossNan) {
  const Tensor x = on_device(random_tensor({5, 10})), g = on_device(full({}, 1.0));
  for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{10}, std::numeric_limits<std::int64_t>::max()}) {
    const Tensor labels = on_device(Tensor::from<std::int64_t>({0, 9, wrong, 3, wrong}, {5}));
    const CrossEntropyResult result = cross_entropy(x, labels);
    const auto wait = [] { backend(Device::cuda()).synchronize(); };
    EXPECT_EQ(
        error_of<IndexError>(wait),
        "[cross_entropy] expected indices inside their dimension, got another at position 2 (found when the device "
        "was waited for)");
    EXPECT_TRUE(std::isnan(on_host(result.loss).item<float>()));
    const Tensor dx = cross_entropy_grad(g, result.log_probabilities, labels);
    EXPECT_NE(error_of<IndexError>(wait), "nothing thrown");
    EXPECT_NO_THROW(wait());
    EXPECT_FALSE(std::isnan(on_host(dx).data<float>()[20]));
    const FusedCrossEntropy fused = cross_entropy_fused(x, labels).value();
    EXPECT_NE(error_of<IndexError>(wait), "nothing thrown");
    EXPECT_TRUE(std::isnan(on_host(fused.loss).item<float>()));
    EXPECT_TRUE(same_bits(on_host(fused.dx), on_host(dx)));
  }
}

}  // namespace
}  // namespace hop::kernels::cuda
