#include "tests/autograd/support.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/view.h"

namespace hop::autograd {
namespace {

void fill(const Tensor& x, std::uint64_t seed, const Range& range) {
  PhiloxStream random({.key = seed, .step = static_cast<std::uint64_t>(x.numel()), .draw = 0});
  const Tensor row_major = Tensor::empty(x.shape(), DType::f64);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const double size = range.low + (range.high - range.low) * random.uniform();
    row_major.data<double>()[i] = range.both_signs && random.next() % 2 == 0 ? -size : size;
  }
  kernels::copy_(x, row_major);
}

Shape reversed(const Shape& shape) {
  Shape result = shape;
  std::reverse(result.begin(), result.end());
  return result;
}

Tensor uninitialised(const Shape& shape, Layout layout) {
  if (layout == Layout::transposed) {
    Strides strides = contiguous_strides(reversed(shape));
    std::reverse(strides.begin(), strides.end());
    return Tensor::empty(reversed(shape), DType::f64).as_strided(shape, strides, 0);
  }
  if (layout == Layout::sliced && !shape.empty()) {
    Shape twice = shape;
    twice.back() = 2 * shape.back() + 3;
    return kernels::slice(Tensor::empty(twice, DType::f64), -1, 3, 2 * shape.back() + 3, 2);
  }
  return Tensor::empty(shape, DType::f64);
}

}  // namespace

std::string name(Layout layout) {
  constexpr const char* kNames[] = {"contiguous", "transposed", "sliced", "expanded"};
  return kNames[static_cast<int>(layout)];
}

Tensor random_tensor(const Shape& shape, std::uint64_t seed, Layout layout, const Range& range) {
  const Tensor x = uninitialised(shape, layout);
  fill(x, seed, range);
  return x;
}

Tensor random_leaf(const Shape& shape, std::uint64_t seed, Layout layout, const Range& range) {
  Shape of_leaf = shape;
  if (layout == Layout::expanded && !shape.empty()) of_leaf[0] = std::min<std::int64_t>(shape[0], 1);
  return random_tensor(of_leaf, seed, layout, range).set_requires_grad();
}

Tensor as_used(const Tensor& leaf, const Shape& shape) { return leaf.shape() == shape ? leaf : expand(leaf, shape); }

std::vector<double> values(const Tensor& x) {
  const Tensor row_major = kernels::contiguous(kernels::cast(x.detach(), DType::f64));
  return {row_major.data<double>(), row_major.data<double>() + row_major.numel()};
}

Tensor f64(std::initializer_list<double> values, const Shape& shape) { return Tensor::from<double>(values, shape); }
Tensor leaf(std::initializer_list<double> values, const Shape& shape) { return f64(values, shape).set_requires_grad(); }
Tensor scalar(double value) { return leaf({value}, {}); }

double distance(const Tensor& a, const Tensor& b) {
  const std::vector<double> va = values(a), vb = values(b);
  if (a.shape() != b.shape()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (std::size_t i = 0; i < va.size(); ++i) {
    const double d = std::abs(va[i] - vb[i]) / (1 + std::abs(vb[i]));
    worst = std::isnan(d) ? std::numeric_limits<double>::infinity() : std::max(worst, d);
  }
  return worst;
}

::testing::AssertionResult same_bits(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return ::testing::AssertionFailure() << a.describe() << " against " << b.describe();
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) {
    return ::testing::AssertionFailure() << a.describe() << " against " << b.describe();
  }
  const Tensor ca = kernels::contiguous(a), cb = kernels::contiguous(b);
  const std::size_t bytes = static_cast<std::size_t>(a.numel()) * size_of(a.dtype());
  if (bytes == 0 || std::memcmp(ca.raw_data(), cb.raw_data(), bytes) == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "bits differ, distance " << distance(a, b);
}

}  // namespace hop::autograd
