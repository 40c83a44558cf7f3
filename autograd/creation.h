// New tensors: constants, sequences, random numbers. Random numbers are addressed (tensor/random.h): the same address
// and shape give the same numbers, on every device; PyTorch's come from the state of a generator.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>

#include "autograd/copy.h"
#include "tensor/random.h"
#include "tensor/scalar.h"
#include "tensor/tensor.h"

namespace hop {

/// torch.eye: (n, m) with ones on the main diagonal, else zeros; m = -1 is m = n. Throws ShapeError for negative sizes.
Tensor eye(std::int64_t n, std::int64_t m = -1, const TensorOptions& options = {});
/// torch.full_like: `value` in x's shape, device and dtype, or in `dtype`, and in the layout of clone(x). Throws
/// DtypeError for a number that the dtype cannot hold.
Tensor full_like(const Tensor& x, Scalar value, std::optional<DType> dtype = std::nullopt);
/// torch.arange: start, start + step, .. before `end`. Without `dtype`: i64 if all three are integers, otherwise f32.
/// Computed in i64 for an integer dtype (start and step lose their fractions), otherwise in f64 and rounded once.
/// Throws ConfigError unless step leads from start to end and all three are finite, DtypeError if an integer `dtype`
/// cannot hold a value.
Tensor arange(Scalar start, Scalar end, Scalar step = 1, std::optional<DType> dtype = std::nullopt,
              Device device = Device::cpu());
/// torch.linspace: `steps` numbers from start to end, both included, at equal distances. Computed in f64 and rounded
/// once; integers drop the fraction. Throws ConfigError for negative steps.
Tensor linspace(double start, double end, std::int64_t steps, const TensorOptions& options = {});

/// torch.rand: uniform in [0, 1), floating (DtypeError), 24 random bits each, rounded in bf16 and f16.
Tensor rand(const Shape& shape, RandomAddress address, const TensorOptions& options = {});
/// torch.randn: standard normal, floating (DtypeError).
Tensor randn(const Shape& shape, RandomAddress address, const TensorOptions& options = {});
/// torch.rand_like and torch.randn_like: in x's shape, dtype and device, and in the layout of clone(x). The layout does
/// not change the numbers.
Tensor rand_like(const Tensor& x, RandomAddress address);
Tensor randn_like(const Tensor& x, RandomAddress address);
/// torch.randint: i64, uniform in low..high-1, without bias. Made on the host: throws StateError while a step is
/// captured. Throws ConfigError unless low < high and high - low < 2^32.
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, RandomAddress address,
               Device device = Device::cpu());
/// The same numbers in `dtype`. Throws DtypeError if it cannot hold low and high - 1.
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, RandomAddress address, DType dtype,
               Device device = Device::cpu());
/// From 0: randint(10, {2, 3}, generator).
inline Tensor randint(std::int64_t high, const Shape& shape, RandomAddress address) {
  return randint(0, high, shape, address);
}
/// randint(2, 7, generator) does not compile: 7 could be the bound or the shape. Write randint(2, {7}, generator), or
/// randint(2, 7, shape, generator).
template <std::integral I>
Tensor randint(std::int64_t high, I shape, RandomAddress address) = delete;
/// torch.randperm: 0, .., n - 1 (i64) in a random order. Made on the host: throws StateError while a step is captured,
/// ConfigError unless 0 <= n < 2^32.
Tensor randperm(std::int64_t n, RandomAddress address, Device device = Device::cpu());
/// torch.bernoulli: 1 with probability p, else 0, in p's shape and dtype; no gradient. p holds floating probabilities
/// in [0, 1] (DtypeError; the values are not checked: below 0 counts as 0, above 1 as 1, NaN as 0).
Tensor bernoulli(const Tensor& p, RandomAddress address);

}  // namespace hop
