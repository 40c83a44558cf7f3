#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/capture_internal.h"
#include "kernels/cpu/parallel_internal.h"
#include "kernels/cpu/random_address_internal.h"
#include "kernels/random_operations.h"

namespace hop::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 16384;  // a multiple of 4: a turn starts with a fresh Philox block

/// Calls f(begin, end, words of elements begin .. end - 1), with `per_element` words for each, in parallel.
template <class F>
void for_each_part(std::int64_t n, std::int64_t per_element, const RandomAddress& address, const F& f) {
  constexpr std::int64_t kPart = 256;
  parallel_for(n, kGrain, [&, plain = now(address)](std::int64_t begin, std::int64_t end) {
    std::uint32_t words[2 * kPart];
    for (; begin < end; begin += kPart) {
      const std::int64_t last = std::min(end, begin + kPart);
      HOP_PICK(random_words)
      (plain, static_cast<std::uint64_t>(begin * per_element), words, (last - begin) * per_element);
      f(begin, last, words);
    }
  });
}

// Box-Muller.
double normal_of(std::uint32_t word0, std::uint32_t word1) {
  const double u = (word0 + 0.5) * 0x1p-32;  // in (0, 1): the logarithm is finite
  const double v = (word1 + 0.5) * 0x1p-32;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

void uniform_f32(float* y, std::int64_t n, float low, float high, const RandomAddress& address) {
  parallel_for(n, kGrain, [=, plain = now(address)](std::int64_t begin, std::int64_t end) {
    HOP_PICK(uniform)(plain, static_cast<std::uint64_t>(begin), low, high, y + begin, end - begin);
  });
}

void uniform_f64(double* y, std::int64_t n, double low, double high, const RandomAddress& address) {
  const double last = std::nextafter(high, low);  // rounding may reach high
  for_each_part(n, 1, address, [=](std::int64_t begin, std::int64_t end, const std::uint32_t* words) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = std::min(low + double{uniform01(*words++)} * (high - low), last);
  });
}

void uniform(const Tensor& y, double low, double high, const RandomAddress& address) {
  launch([y = y.raw_data(), n = y.numel(), is_float = y.dtype() == DType::f32, low, high, address] {
    if (is_float)
      uniform_f32(reinterpret_cast<float*>(y), n, static_cast<float>(low), static_cast<float>(high), address);
    else
      uniform_f64(reinterpret_cast<double*>(y), n, low, high, address);
  });
}

void normal(const Tensor& y, double mean, double std, const RandomAddress& address) {
  const auto run = [&]<class T>(T) {
    launch([y = y.data<T>(), n = y.numel(), mean, std, address] {
      for_each_part(n, 2, address, [=](std::int64_t begin, std::int64_t end, const std::uint32_t* words) {
        for (std::int64_t i = begin; i < end; ++i, words += 2)
          y[i] = static_cast<T>(mean + std * normal_of(words[0], words[1]));
      });
    });
  };
  y.dtype() == DType::f32 ? run(float{}) : run(double{});
}

void dropout(const Tensor& x, const Tensor& y, double p, const RandomAddress& address) {
  const auto run = [&]<class T>(T) {
    using Loop = void(Address, std::uint64_t, float, T, const T*, T*, std::int64_t);
    launch([x = x.data<T>(), y = y.data<T>(), n = y.numel(), p, address, loop = pick<Loop>(v3::dropout, v4::dropout)] {
      parallel_for(n, kGrain, [=, plain = now(address)](std::int64_t begin, std::int64_t end) {
        loop(plain, static_cast<std::uint64_t>(begin), static_cast<float>(p), static_cast<T>(1 / (1 - p)), x + begin,
             y + begin, end - begin);
      });
    });
  };
  x.dtype() == DType::f32 ? run(float{}) : run(double{});
}

}  // namespace
}  // namespace hop::kernels::cpu

namespace hop::kernels {

const RandomOperations RandomOperations::cpu = {
    .uniform = cpu::uniform,
    .normal = cpu::normal,
    .dropout = cpu::dropout,
};

}  // namespace hop::kernels
