// Inputs for the tests of autograd: reproducible values in every layout that a view can have.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "autograd/gradcheck.h"
#include "autograd/graph.h"
#include "autograd/ops.h"
#include "base/error.h"
#include "kernels/copy.h"
#include "tensor/random.h"

namespace hop::autograd {

/// Values in +-[low, high]: away from 0, where many operations have a kink or a pole. Negative ones only when
/// `both_signs`.
struct Range {
  double low = 0.2;
  double high = 1.7;
  bool both_signs = true;
};

enum class Layout { contiguous, transposed, sliced, expanded };
inline constexpr Layout kLayouts[] = {Layout::contiguous, Layout::transposed, Layout::sliced, Layout::expanded};
std::string name(Layout layout);

/// An f64 tensor with values that depend on (shape, seed) alone, in a strided layout: transposed (strides reversed) or
/// sliced (every second element, at an offset). Expanded tensors overlap, so they cannot be leaves: see as_used().
Tensor random_tensor(const Shape& shape, std::uint64_t seed, Layout layout = Layout::contiguous,
                     const Range& range = {});

/// A leaf for an operand of `shape`: random_tensor, or, for Layout::expanded, one that has size 1 along the first
/// dimension.
Tensor random_leaf(const Shape& shape, std::uint64_t seed, Layout layout = Layout::contiguous, const Range& range = {});
/// The operand made from that leaf: expanded to `shape` where need be.
Tensor as_used(const Tensor& leaf, const Shape& shape);

/// All elements in row-major order, as double.
std::vector<double> values(const Tensor& x);
Tensor f64(std::initializer_list<double> values, const Shape& shape);
/// A leaf of the given values.
Tensor leaf(std::initializer_list<double> values, const Shape& shape);
/// A leaf of shape ().
Tensor scalar(double value);

/// The largest |a - b| / (1 + |b|).
double distance(const Tensor& a, const Tensor& b);
/// Same shape, dtype and bits.
::testing::AssertionResult same_bits(const Tensor& a, const Tensor& b);

/// EXPECT_THROW that also looks for `text` in the message.
template <class E, class F>
::testing::AssertionResult throws(F&& f, const std::string& text) {
  try {
    f();
  } catch (const E& e) {
    if (std::string(e.what()).find(text) != std::string::npos) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "the message is: " << e.what();
  } catch (const std::exception& e) {
    return ::testing::AssertionFailure() << "another error: " << e.what();
  }
  return ::testing::AssertionFailure() << "no error";
}

}  // namespace hop::autograd
