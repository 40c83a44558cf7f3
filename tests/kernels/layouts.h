// Helpers of the kernel tests: random tensors, the same values in other layouts and at other addresses, and
// comparisons.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "base/hash.h"
#include "kernels/threads.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace hop::testing {

/// Calls f(index, element offset) for every element of x in row-major order.
template <class F>
void for_each_element(const Tensor& x, const F& f) {
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    std::int64_t rest = i, offset = 0;
    for (int d = x.dim() - 1; d >= 0; --d) {
      offset += rest % x.shape()[d] * x.strides()[d];
      rest /= x.shape()[d];
    }
    f(i, offset);
  }
}

/// Uniform in [low, high); whole numbers for integers, even odds for bool.
inline Tensor random_tensor(const Shape& shape, DType dtype = DType::f32, std::uint64_t seed = 1, double low = -1,
                            double high = 1) {
  const Tensor x = Tensor::empty(shape, dtype);
  PhiloxStream stream({.key = hash64(seed, "kernel test"), .step = 0, .draw = 0});
  visit_dtype(dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const double value = low + (high - low) * static_cast<double>(stream.uniform());
      if constexpr (std::is_same_v<T, bool>)
        x.data<T>()[i] = value > (low + high) / 2;
      else
        x.data<T>()[i] = static_cast<T>(std::is_integral_v<T> ? std::floor(value) : value);
    }
  });
  return x;
}

/// The elements in row-major order, whatever the layout.
template <class T>
std::vector<T> values(const Tensor& x) {
  std::vector<T> list(static_cast<std::size_t>(x.numel()));
  visit_dtype(x.dtype(), [&]<class U>(U) {
    for_each_element(x, [&](std::int64_t i, std::int64_t offset) {
      list[static_cast<std::size_t>(i)] = static_cast<T>(x.data<U>()[offset]);
    });
  });
  return list;
}

/// The same values in a tensor with the given strides, starting `offset` elements behind a 64-byte boundary, surrounded
/// by NaN (or 99) that no kernel may read.
inline Tensor with_strides(const Tensor& x, const Strides& strides, std::int64_t offset) {
  std::int64_t reach = offset + 1;
  for (int d = 0; d < x.dim(); ++d) reach += (x.shape()[d] - 1) * strides[d];
  const Tensor room = Tensor::empty({std::max<std::int64_t>(reach, offset) + 16}, x.dtype());
  visit_dtype(x.dtype(), [&]<class T>(T) {
    std::fill_n(room.data<T>(), room.numel(), std::is_floating_point_v<T> ? static_cast<T>(NAN) : static_cast<T>(99));
    const Tensor y = room.as_strided(x.shape(), strides, offset);
    const std::vector<T> list = [&] {
      std::vector<T> v;
      for_each_element(x, [&](std::int64_t, std::int64_t from) { v.push_back(x.data<T>()[from]); });
      return v;
    }();
    for_each_element(y, [&](std::int64_t i, std::int64_t to) { y.data<T>()[to] = list[static_cast<std::size_t>(i)]; });
  });
  return room.as_strided(x.shape(), strides, offset);
}

/// The same values, contiguous, `offset` elements behind a 64-byte boundary.
inline Tensor shifted(const Tensor& x, std::int64_t offset) {
  return with_strides(x, contiguous_strides(x.shape()), offset);
}

/// The same values with memory order `order` (a permutation of the dimensions, outermost first) and `gap` unused
/// elements behind every innermost run.
inline Tensor with_order(const Tensor& x, const std::vector<int>& order, std::int64_t gap = 0) {
  Strides strides;
  strides.resize(x.dim());
  std::int64_t step = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = step;
    step = step * x.shape()[order[i]] + (i + 1 == order.size() ? gap : 0);
  }
  return with_strides(x, strides, 3);
}

/// The same values in every memory order of the dimensions, without and with gaps.
inline std::vector<Tensor> layouts(const Tensor& x) {
  std::vector<Tensor> list;
  std::vector<int> order(static_cast<std::size_t>(x.dim()));
  std::iota(order.begin(), order.end(), 0);
  do {
    list.push_back(with_order(x, order));
    list.push_back(with_order(x, order, 5));
  } while (std::next_permutation(order.begin(), order.end()));
  return list;
}

/// Equal dtype, shape and bits of the elements.
inline ::testing::AssertionResult same_bits(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape()))
    return ::testing::AssertionFailure() << a.describe() << " against " << b.describe();
  const auto size = static_cast<std::int64_t>(size_of(a.dtype()));
  std::vector<std::int64_t> at;
  for_each_element(b, [&](std::int64_t, std::int64_t offset) { at.push_back(offset); });
  std::int64_t different = 0, first = -1;
  for_each_element(a, [&](std::int64_t i, std::int64_t offset) {
    if (std::memcmp(a.raw_data() + offset * size, b.raw_data() + at[static_cast<std::size_t>(i)] * size,
                    static_cast<std::size_t>(size)) == 0)
      return;
    if (different++ == 0) first = i;
  });
  if (different == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << different << " of " << a.numel() << " elements differ, the first at "
                                       << first;
}

/// |a - b| <= absolute + relative * |b| for every element; NaN equals NaN.
inline ::testing::AssertionResult close(const std::vector<double>& a, const std::vector<double>& b, double relative,
                                        double absolute) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << a.size() << " values against " << b.size();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (a[i] == b[i] || std::abs(a[i] - b[i]) <= absolute + relative * std::abs(b[i])) continue;
    return ::testing::AssertionFailure() << "element " << i << ": " << a[i] << " against " << b[i];
  }
  return ::testing::AssertionSuccess();
}
inline ::testing::AssertionResult close(const Tensor& a, const std::vector<double>& b, double relative,
                                        double absolute) {
  return close(values<double>(a), b, relative, absolute);
}

/// The tolerances that a dtype earns: `units` roundings.
inline double epsilon(DType dtype, double units = 8) {
  return units * (dtype == DType::f32 ? 1.1920929e-7 : 2.220446049250313e-16);
}

/// Sets the number of compute threads of this thread for a scope.
class ComputeThreads {
 public:
  explicit ComputeThreads(int n) : before_(kernels::compute_threads()) { kernels::set_compute_threads(n); }
  ~ComputeThreads() { kernels::set_compute_threads(before_); }
  ComputeThreads(const ComputeThreads&) = delete;
  ComputeThreads& operator=(const ComputeThreads&) = delete;

 private:
  int before_;
};

/// The message of the error that f throws, or "nothing thrown" where it throws none of type E.
template <class E, class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  } catch (const std::exception& e) {
    return std::string("another error: ") + e.what();
  }
  return "nothing thrown";
}

}  // namespace hop::testing
