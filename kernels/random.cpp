#include "kernels/random.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "base/error.h"
#include "kernels/copy.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/random_internal.h"
#include "kernels/expect_internal.h"

namespace hop::kernels {
namespace {

constexpr std::int64_t kGrain = 16384;  // a multiple of 4: a turn starts with a fresh Philox block

void expect_target(const char* op, const Tensor& y) {
  expect_floating(op, y);
  if (!y.is_contiguous())
    throw ShapeError("[" + std::string(op) + "] expected a contiguous tensor, got a strided view of " + y.describe());
}

Address plain(const RandomAddress& address) { return {address.key, address.step, address.draw}; }

// f(begin, end, words of elements begin .. end - 1), with `per_element` words for each, in parallel.
template <class F>
void for_each_part(std::int64_t n, std::int64_t per_element, const RandomAddress& address, const F& f) {
  constexpr std::int64_t kPart = 256;
  parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::uint32_t words[2 * kPart];
    for (; begin < end; begin += kPart) {
      const std::int64_t last = std::min(end, begin + kPart);
      HOP_PICK(random_words)
      (plain(address), static_cast<std::uint64_t>(begin * per_element), words, (last - begin) * per_element);
      f(begin, last, words);
    }
  });
}

// Box-Muller.
double normal(std::uint32_t word0, std::uint32_t word1) {
  const double u = (word0 + 0.5) * 0x1p-32;  // in (0, 1): the logarithm is finite
  const double v = (word1 + 0.5) * 0x1p-32;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace

void uniform_(const Tensor& y, double low, double high, RandomAddress address) {
  expect_target("uniform_", y);
  if (!(low < high)) {
    throw ConfigError("[uniform_] expected low < high, got " + std::to_string(low) + " and " + std::to_string(high));
  }
  if (y.dtype() == DType::f32) {
    parallel_for(y.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      HOP_PICK(uniform)
      (plain(address), static_cast<std::uint64_t>(begin), static_cast<float>(low), static_cast<float>(high),
       y.data<float>() + begin, end - begin);
    });
  } else {
    const double last = std::nextafter(high, low);  // rounding may reach high
    for_each_part(y.numel(), 1, address, [&](std::int64_t begin, std::int64_t end, const std::uint32_t* words) {
      double* to = y.data<double>();
      for (std::int64_t i = begin; i < end; ++i) {
        to[i] = std::min(low + double{uniform01(*words++)} * (high - low), last);
      }
    });
  }
  y.bump_version();
}

void normal_(const Tensor& y, double mean, double std, RandomAddress address) {
  expect_target("normal_", y);
  if (!(std >= 0)) throw ConfigError("[normal_] expected std >= 0, got " + std::to_string(std));
  visit_dtype(y.dtype(), [&]<class T>(T) {
    for_each_part(y.numel(), 2, address, [&](std::int64_t begin, std::int64_t end, const std::uint32_t* words) {
      T* to = y.data<T>();
      for (std::int64_t i = begin; i < end; ++i, words += 2)
        to[i] = static_cast<T>(mean + std * normal(words[0], words[1]));
    });
  });
  y.bump_version();
}

Tensor dropout(const Tensor& x, double p, RandomAddress address) {
  expect_floating("dropout", x);
  if (!(p >= 0 && p < 1)) throw ConfigError("[dropout] expected 0 <= p < 1, got " + std::to_string(p));
  const Tensor source = contiguous(x);
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const double scale = 1 / (1 - p);
  const auto drop = [&]<class T>(T) {
    const auto loop =
        pick<void(Address, std::uint64_t, float, T, const T*, T*, std::int64_t)>(v3::dropout, v4::dropout);
    parallel_for(y.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      loop(plain(address), static_cast<std::uint64_t>(begin), static_cast<float>(p), static_cast<T>(scale),
           source.data<T>() + begin, y.data<T>() + begin, end - begin);
    });
  };
  x.dtype() == DType::f32 ? drop(float{}) : drop(double{});
  return y;
}

}  // namespace hop::kernels
