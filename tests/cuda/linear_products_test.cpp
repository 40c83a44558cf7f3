// The products that a linear layer asks of cuBLASLt, with a stand-in that computes them in double and knows no
// algorithm for what a test says. The CPU's products and sums judge.
#include "kernels/cuda/linear_internal.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "kernels/copy.h"
#include "kernels/matmul.h"
#include "kernels/reduce.h"
#include "kernels/view.h"
#include "tests/cuda/results.h"

namespace hop::kernels::cuda {
namespace {

using hop::testing::near;
using hop::testing::random_tensor;
using hop::testing::same_bits;

constexpr double kTolerance = 1e-5;

template <class T>
std::vector<T> fetch(const void* from, std::int64_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  backend(Device::cuda())
      .copy(reinterpret_cast<std::byte*>(values.data()), static_cast<const std::byte*>(from),
            values.size() * sizeof(T));
  return values;
}
void put(const std::vector<float>& values, void* to) {
  backend(Device::cuda())
      .copy(static_cast<std::byte*>(to), reinterpret_cast<const std::byte*>(values.data()),
            values.size() * sizeof(float));
}

/// Stands in for cuBLASLt: dense f32 factors, one product, at addresses of the alignment that was named.
class StandIn {
 public:
  /// `lacks` is the epilogue for which there is no algorithm.
  explicit StandIn(std::optional<blas::Epilogue> lacks = {}) : lacks_(lacks) {}

  bool operator()(const blas::Product& p, const blas::Operands& x) {
    if (p.epilogue == lacks_) return false;
    ++asked;
    for (const void* address : {x.a, x.b, static_cast<const void*>(x.d), static_cast<const void*>(x.bias)})
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(address) % static_cast<std::uintptr_t>(p.alignment), 0U);
    EXPECT_TRUE(p.epilogue != blas::Epilogue::bias_grad || p.a_transposed) << "cuBLASLt has no such sum";
    const auto a = fetch<float>(x.a, p.m * p.k), b = fetch<float>(x.b, p.k * p.n);
    const auto left = [&](std::int64_t i, std::int64_t l) { return at(a, p.a_transposed ? l * p.m + i : i * p.k + l); };
    const auto right = [&](std::int64_t l, std::int64_t j) {
      return at(b, p.b_transposed ? j * p.k + l : l * p.n + j);
    };
    const bool adds = p.epilogue == blas::Epilogue::bias, sums_up = p.epilogue == blas::Epilogue::bias_grad;
    const auto bias = adds ? fetch<float>(x.bias, p.n) : std::vector<float>(static_cast<std::size_t>(p.n));
    std::vector<float> d, sums;
    for (std::int64_t i = 0; i < p.m; ++i) {
      double of_row = 0;
      for (std::int64_t l = 0; l < p.k; ++l) of_row += left(i, l);
      sums.push_back(static_cast<float>(of_row));
      for (std::int64_t j = 0; j < p.n; ++j) {
        double sum = at(bias, j);
        for (std::int64_t l = 0; l < p.k; ++l) sum += left(i, l) * right(l, j);
        d.push_back(static_cast<float>(sum));
      }
    }
    if (p.epilogue == blas::Epilogue::relu_grad) apply_bits(p, x.aux, d);
    if (sums_up) put(sums, x.bias);
    put(d, x.d);
    return true;
  }
  int asked = 0;

 private:
  static double at(const std::vector<float>& values, std::int64_t i) {
    return static_cast<double>(values[static_cast<std::size_t>(i)]);
  }
  static void apply_bits(const blas::Product& p, const void* aux, std::vector<float>& d) {
    const auto bytes = fetch<std::uint8_t>(aux, static_cast<std::int64_t>(blas::aux_bytes(p)));
    const std::size_t columns = static_cast<std::size_t>(p.n), row_bytes = bytes.size() / static_cast<std::size_t>(p.m);
    for (std::size_t i = 0; i < d.size(); ++i) {
      const std::size_t row = i / columns, column = i % columns;
      if ((bytes[row * row_bytes + column / 8] >> (column % 8) & 1) == 0) d[i] = 0;
    }
  }

  std::optional<blas::Epilogue> lacks_;
};

/// A copy of x that lies 4 bytes behind an aligned address.
Tensor shifted(const Tensor& x) {
  const Tensor y =
      Tensor::empty({x.numel() + 1}, x.dtype(), x.device()).as_strided(x.shape(), contiguous_strides(x.shape()), 1);
  kernels::copy_(y, x);
  return y;
}

class CudaLinearProducts : public OnDevice {
 protected:
  const Tensor g_ = random_tensor({19, 24}, DType::f32, 1), x_ = random_tensor({19, 40}, DType::f32, 2),
               weight_ = random_tensor({24, 40}, DType::f32, 3), old_dweight_ = random_tensor({24, 40}, DType::f32, 4),
               bias_ = random_tensor({24}, DType::f32, 5), old_dbias_ = random_tensor({24}, DType::f32, 9);
};

TEST_F(CudaLinearProducts, ABiasIsAddedWithTheProductOrIfNoAlgorithmDoesBehindIt) {
  const Tensor expected = kernels::linear(x_, weight_, bias_), y = Tensor::empty({19, 24}, DType::f32, Device::cuda());
  const Tensor turned = kernels::transpose(on_device(weight_), 0, 1);
  for (const auto& lacks : {std::optional<blas::Epilogue>(), std::optional(blas::Epilogue::bias)}) {
    StandIn library(lacks);
    EXPECT_TRUE(multiply_with(std::ref(library), on_device(x_), turned, on_device(bias_), y));
    EXPECT_EQ(library.asked, 1);
    EXPECT_TRUE(near(on_host(y), expected, kTolerance));
  }
  StandIn nothing(blas::Epilogue::none);
  EXPECT_FALSE(multiply_with(std::ref(nothing), on_device(x_), turned, {}, y));
}

TEST_F(CudaLinearProducts, OneProductGivesTheGradientsOfWeightAndBias) {
  static constexpr std::int64_t kRows[] = {0};
  for (const bool is_shifted : {false, true}) {
    const auto there = [&](const Tensor& x) { return is_shifted ? shifted(on_device(x)) : on_device(x); };
    const Tensor dweight = there(old_dweight_), dbias = there(old_dbias_);
    StandIn library;
    EXPECT_TRUE(parameter_grads_with(std::ref(library), there(g_), there(x_), dweight, dbias));
    EXPECT_EQ(library.asked, 1);
    EXPECT_TRUE(near(kernels::to_device(dweight, Device::cpu()), kernels::matmul(kernels::transpose(g_, 0, 1), x_),
                     kTolerance));
    EXPECT_TRUE(near(kernels::to_device(dbias, Device::cpu()), kernels::sum(g_, kRows), kTolerance));
  }
}

TEST_F(CudaLinearProducts, WithoutAnAlgorithmTheGradientsStayAsTheyWere) {
  const Tensor dweight = on_device(old_dweight_), dbias = on_device(old_dbias_);
  StandIn library(blas::Epilogue::bias_grad);
  EXPECT_FALSE(parameter_grads_with(std::ref(library), on_device(g_), on_device(x_), dweight, dbias));
  EXPECT_TRUE(same_bits(on_host(dweight), old_dweight_));
  EXPECT_TRUE(same_bits(on_host(dbias), old_dbias_));
}

// The widths are such that a row of the mask ends within a byte.
TEST_F(CudaLinearProducts, TheGradientOfTheInputPassesWhereReluDid) {
  const Tensor before = random_tensor({37, 8}, DType::f32, 6), image = random_tensor({19, 8}, DType::f32, 7);
  const Tensor weight = random_tensor({24, 37}, DType::f32, 8);
  const LinearRelu layer = kernels::linear_relu(on_device(image), on_device(before), {});
  const Tensor expected = kernels::matmul(g_, weight), y = on_host(layer.y);
  for (std::int64_t i = 0; i < y.numel(); ++i)
    if (y.data<float>()[i] == 0) expected.data<float>()[i] = 0;

  const Tensor dx = Tensor::empty({19, 37}, DType::f32, Device::cuda());
  StandIn library;
  input_grad_with(std::ref(library), shifted(on_device(g_)), shifted(on_device(weight)), layer.mask, dx);
  EXPECT_EQ(library.asked, 1);
  EXPECT_TRUE(near(on_host(dx), expected, kTolerance));

  StandIn without(blas::Epilogue::relu_grad);
  input_grad_with(std::ref(without), on_device(g_), on_device(weight), layer.mask, dx);
  EXPECT_TRUE(near(on_host(dx), expected, kTolerance));
}

}  // namespace
}  // namespace hop::kernels::cuda
