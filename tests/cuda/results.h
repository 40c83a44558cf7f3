// Comparing what an operation gives on the device: in every schedule the same bits, and near the CPU's.
#pragma once

#include <vector>

#include "tests/cuda/schedules.h"
#include "tests/cuda/support.h"
#include "tests/kernels/layouts.h"

namespace hop::testing {

/// The tensors that f() makes on the device, on the host; expects the same bits in every schedule.
template <class F>
std::vector<Tensor> in_every_schedule(const F& f) {
  std::vector<Tensor> first;
  for_each_schedule([&] {
    std::vector<Tensor> results;
    for (const Tensor& x : f()) results.push_back(x.defined() ? kernels::cuda::on_host(x) : x);
    if (first.empty()) first = results;
    ASSERT_EQ(results.size(), first.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      ASSERT_EQ(results[i].defined(), first[i].defined());
      if (!first[i].defined()) continue;
      ASSERT_TRUE(same_bits(results[i], first[i])) << "result " << i;
    }
  });
  return first;
}

/// |a - b| <= tolerance * (1 + |b|) for every element, NaN equal to NaN.
inline ::testing::AssertionResult near(const Tensor& a, const Tensor& b, double tolerance) {
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype())
    return ::testing::AssertionFailure() << a.describe() << " against " << b.describe();
  return close(values<double>(a), values<double>(b), tolerance, tolerance);
}

}  // namespace hop::testing
