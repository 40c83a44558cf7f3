#include "kernels/random.h"

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

// Box-Muller on words 2 i and 2 i + 1: half a block per element.
double normal(const RandomAddress& address, std::int64_t i) {
  const auto words = address.words(static_cast<std::uint64_t>(i) / 2);
  const auto pair = static_cast<std::size_t>(i % 2) * 2;
  const double u = (words[pair] + 0.5) * 0x1p-32;  // in (0, 1): the logarithm is finite
  const double v = (words[pair + 1] + 0.5) * 0x1p-32;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace

void uniform_(const Tensor& y, double low, double high, RandomAddress address) {
  expect_target("uniform_", y);
  if (!(low < high)) {
    throw ConfigError("[uniform_] expected low < high, got " + std::to_string(low) + " and " + std::to_string(high));
  }
  parallel_for(y.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    if (y.dtype() == DType::f32) {
      HOP_PICK(uniform_words)
      (plain(address), static_cast<std::uint64_t>(begin), static_cast<float>(low), static_cast<float>(high),
       y.data<float>() + begin, end - begin);
      return;
    }
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint32_t word = address.words(static_cast<std::uint64_t>(i) / 4)[static_cast<std::size_t>(i % 4)];
      y.data<double>()[i] = std::min(low + double{uniform01(word)} * (high - low), std::nextafter(high, low));
    }
  });
  y.bump_version();
}

void normal_(const Tensor& y, double mean, double std, RandomAddress address) {
  expect_target("normal_", y);
  if (!(std >= 0)) throw ConfigError("[normal_] expected std >= 0, got " + std::to_string(std));
  parallel_for(y.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    visit_dtype(y.dtype(), [&]<class T>(T) {
      T* to = y.data<T>();
      for (std::int64_t i = begin; i < end; ++i) to[i] = static_cast<T>(mean + std * normal(address, i));
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
    void (*const loop)(Address, std::uint64_t, float, T, const T*, T*, std::int64_t) =
        pick<void(Address, std::uint64_t, float, T, const T*, T*, std::int64_t)>(v3::dropout_words, v4::dropout_words);
    parallel_for(y.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      loop(plain(address), static_cast<std::uint64_t>(begin), static_cast<float>(p), static_cast<T>(scale),
           source.data<T>() + begin, y.data<T>() + begin, end - begin);
    });
  };
  x.dtype() == DType::f32 ? drop(float{}) : drop(double{});
  return y;
}

}  // namespace hop::kernels
