#include "autograd/creation.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>

#include "autograd/composed_internal.h"
#include "autograd/half_internal.h"
#include "kernels/capture.h"
#include "kernels/copy.h"
#include "kernels/elementwise.h"
#include "kernels/layout_internal.h"
#include "kernels/random.h"
#include "kernels/view.h"

namespace hop {

using autograd::expected;

namespace {

Tensor finished(const Tensor& x, const TensorOptions& options) {
  const Tensor y = kernels::cast(x, options.dtype);
  if (options.requires_grad) y.set_requires_grad();
  return y;
}

/// Integers that `fill` writes on the host.
template <class Fill>
Tensor made_on_host(const char* op, const Shape& shape, Device device, Fill fill) {
  if (is_capturing()) throw StateError(expected(op) + "no capture: the host makes random integers");
  const Tensor y = Tensor::empty(shape, DType::i64);
  fill(std::span<std::int64_t>(y.data<std::int64_t>(), static_cast<std::size_t>(y.numel())));
  return kernels::to_device(y, device);
}

void expect_bound(const char* op, bool fits, const std::string& wish, const std::string& got) {
  if (!fits) throw ConfigError(expected(op) + wish + ", got " + got);
}

bool is_whole(const Scalar& x) { return !is_floating(x.dtype()); }

[[noreturn]] void reject_range(const std::string& wish, const Scalar& start, const Scalar& end, const Scalar& step) {
  throw ConfigError(expected("arange") + wish + ", got start " + start.to_string() + ", end " + end.to_string() +
                    " and step " + step.to_string());
}

constexpr const char* kLeads = "a step that leads from start to end";
constexpr const char* kFewer = "fewer numbers";

/// How many numbers arange() gives for integers. Differences are unsigned: they may pass 2^63.
std::int64_t count_of_integers(const Scalar& start, const Scalar& end, const Scalar& step) {
  const auto from = start.to<std::int64_t>(), to = end.to<std::int64_t>(), by = step.to<std::int64_t>();
  if (by == 0 || (by > 0 ? to < from : to > from)) reject_range(kLeads, start, end, step);
  const auto bits = [](std::int64_t x) { return static_cast<std::uint64_t>(x); };
  const std::uint64_t distance = by > 0 ? bits(to) - bits(from) : bits(from) - bits(to);
  const std::uint64_t stride = by > 0 ? bits(by) : 0 - bits(by);
  const std::uint64_t count = distance / stride + (distance % stride == 0 ? 0 : 1);
  if (count >= bits(kMaxElements)) reject_range(kFewer, start, end, step);
  return static_cast<std::int64_t>(count);
}

std::int64_t count_of(const Scalar& start, const Scalar& end, const Scalar& step) {
  if (is_whole(start) && is_whole(end) && is_whole(step)) return count_of_integers(start, end, step);
  const double from = start.to<double>(), distance = end.to<double>() - from, by = step.to<double>();
  if (!std::isfinite(from) || !std::isfinite(distance) || !std::isfinite(by))
    reject_range("finite numbers", start, end, step);
  if (by == 0 || (by > 0 ? distance < 0 : distance > 0)) reject_range(kLeads, start, end, step);
  const double count = std::ceil(distance / by);
  if (!(count < static_cast<double>(kMaxElements))) reject_range(kFewer, start, end, step);
  return static_cast<std::int64_t>(count);
}

/// The whole part of a number, for an integer `dtype` of arange().
std::int64_t whole(const Scalar& x, DType dtype) {
  if (x.fits(DType::i64)) return x.to<std::int64_t>();
  throw DtypeError(expected("arange") + "numbers that " + std::string(name(dtype)) + " holds, got " + x.to_string());
}

// first + i step, where i step has no i64: few numbers, made on the host.
Tensor long_range(std::int64_t first, std::int64_t step, std::int64_t n, Device device) {
  const Tensor numbers = Tensor::empty({n}, DType::i64);
  for (std::int64_t i = 0; i < n; ++i) {
    numbers.data<std::int64_t>()[i] = static_cast<std::int64_t>(
        static_cast<std::uint64_t>(first) + static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>(step));
  }
  return kernels::to_device(numbers, device);
}

}  // namespace

Tensor eye(std::int64_t n, std::int64_t m, const TensorOptions& options) {
  if (n < 0 || m < -1) {
    throw ShapeError(expected("eye") + "sizes of at least 0, got " + std::to_string(n) + " and " + std::to_string(m));
  }
  const Tensor rows = kernels::arange(n, DType::i64, options.device);
  const Tensor columns = kernels::arange(m == -1 ? n : m, DType::i64, options.device);
  return finished(kernels::eq(kernels::unsqueeze(rows, 1), columns), options);
}

Tensor full_like(const Tensor& x, Scalar value, std::optional<DType> dtype) {
  kernels::expect_defined("full_like", x);
  return kernels::full_in(kernels::copied_layout(x), x.shape(), value, dtype.value_or(x.dtype()), x.device());
}

Tensor arange(Scalar start, Scalar end, Scalar step, std::optional<DType> dtype, Device device) {
  const bool integers = is_whole(start) && is_whole(end) && is_whole(step);
  const DType type = dtype.value_or(integers ? DType::i64 : DType::f32);
  const std::int64_t n = count_of(start, end, step);
  if (is_floating(type)) {
    const Tensor steps = kernels::mul(kernels::arange(n, DType::f64, device), step.to<double>());
    return kernels::cast(kernels::add(steps, start.to<double>()), type);
  }
  const std::int64_t first = whole(start, type), by = whole(step, type);
  std::int64_t longest = 0;  // a range may be longer than the largest i64, though all its numbers are i64
  const bool is_long = __builtin_mul_overflow(std::max<std::int64_t>(n - 1, 0), by, &longest);
  const Tensor numbers = is_long ? long_range(first, by, n, device)
                                 : kernels::add(kernels::mul(kernels::arange(n, DType::i64, device), by), first);
  const auto last = static_cast<std::int64_t>(static_cast<std::uint64_t>(first) +
                                              static_cast<std::uint64_t>(n - 1) * static_cast<std::uint64_t>(by));
  if (n != 0 && !(Scalar(first).fits(type) && Scalar(last).fits(type))) {
    throw DtypeError(expected("arange") + "numbers that " + std::string(name(type)) + " holds, got " +
                     std::to_string(first) + ".." + std::to_string(last));
  }
  return kernels::cast(numbers, type);
}

// The second half counts from the end, so that the last number is `end` itself.
Tensor linspace(double start, double end, std::int64_t steps, const TensorOptions& options) {
  expect_bound("linspace", steps >= 0, "steps of at least 0", std::to_string(steps));
  const Tensor i = kernels::arange(steps, DType::f64, options.device);
  if (steps < 2) return finished(kernels::add(i, start), options);
  const double by = (end - start) / static_cast<double>(steps - 1);
  const Tensor from_start = kernels::add(kernels::mul(i, by), start);
  const Tensor from_end = kernels::sub(end, kernels::mul(kernels::sub(steps - 1, i), by));
  return finished(kernels::where(kernels::lt(i, steps / 2), from_start, from_end), options);
}

Tensor rand(const Shape& shape, RandomAddress address, const TensorOptions& options) {
  const Tensor y = Tensor::empty(shape, options.dtype, options.device);
  kernels::expect_any_floating("rand", y);
  kernels::uniform_(y, 0, 1, address);
  return finished(y, options);
}

Tensor randn(const Shape& shape, RandomAddress address, const TensorOptions& options) {
  const Tensor y = Tensor::empty(shape, options.dtype, options.device);
  kernels::expect_any_floating("randn", y);
  kernels::normal_(y, 0, 1, address);
  return finished(y, options);
}

Tensor rand_like(const Tensor& x, RandomAddress address) {
  kernels::expect_any_floating("rand_like", x);
  return kernels::in_layout(kernels::copied_layout(x),
                            rand(x.shape(), address, {.dtype = x.dtype(), .device = x.device()}));
}

Tensor randn_like(const Tensor& x, RandomAddress address) {
  kernels::expect_any_floating("randn_like", x);
  return kernels::in_layout(kernels::copied_layout(x),
                            randn(x.shape(), address, {.dtype = x.dtype(), .device = x.device()}));
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, RandomAddress address, Device device) {
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  expect_bound("randint", low < high && range <= std::numeric_limits<std::uint32_t>::max(),
               "low < high less than 2^32 apart", std::to_string(low) + " and " + std::to_string(high));
  return made_on_host("randint", shape, device, [&](std::span<std::int64_t> values) {
    PhiloxStream stream(address);
    for (std::int64_t& value : values)
      value = low + static_cast<std::int64_t>(stream.below(static_cast<std::uint32_t>(range)));
  });
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, RandomAddress address, DType dtype,
               Device device) {
  if (low < high && !(Scalar(low).fits(dtype) && Scalar(high - 1).fits(dtype))) {
    throw DtypeError(expected("randint") + "numbers that " + std::string(name(dtype)) + " holds, got " +
                     std::to_string(low) + ".." + std::to_string(high - 1));
  }
  return kernels::to_device(kernels::cast(randint(low, high, shape, address), dtype), device);
}

// Fisher and Yates: each place in turn, from the last one, takes one of the numbers that are left.
Tensor randperm(std::int64_t n, RandomAddress address, Device device) {
  expect_bound("randperm", n >= 0 && n <= std::numeric_limits<std::uint32_t>::max(), "0 <= n < 2^32",
               std::to_string(n));
  return made_on_host("randperm", {n}, device, [&](std::span<std::int64_t> values) {
    PhiloxStream stream(address);
    std::iota(values.begin(), values.end(), 0);
    for (std::size_t left = values.size(); left > 1; --left)
      std::swap(values[left - 1], values[stream.below(static_cast<std::uint32_t>(left))]);
  });
}

Tensor bernoulli(const Tensor& p, RandomAddress address) {
  if (autograd::any_half(p)) return autograd::rounded_like(bernoulli(autograd::in_f32(p.detach()), address), p);
  kernels::expect_floating("bernoulli", p);
  const Tensor uniform = Tensor::empty(p.shape(), p.dtype(), p.device());
  kernels::uniform_(uniform, 0, 1, address);
  return kernels::cast(kernels::lt(uniform, p), p.dtype());
}

}  // namespace hop
