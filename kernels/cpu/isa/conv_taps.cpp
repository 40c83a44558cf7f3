#include "kernels/cpu/conv_taps_internal.h"

namespace hop::kernels::HOP_ISA {
namespace {

std::int64_t at_most(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
std::int64_t between(std::int64_t low, std::int64_t x, std::int64_t high) { return x < low ? low : at_most(x, high); }

/// The first output column whose tap lies at input column `at` or further right.
std::int64_t first_column(const Taps& t, std::int64_t s, std::int64_t at) {
  const std::int64_t way = at + t.padding[1] - s * t.dilation[1];
  return way <= 0 ? 0 : (way + t.stride[1] - 1) / t.stride[1];
}

/// Calls run(index in planes, index in the matrix, count) for neighbouring output pixels whose taps lie in the image
/// (`stride` apart), and outside(index in the matrix, count) for pixels whose taps lie outside.
template <class Run, class Outside>
void walk(const Taps& t, const Run& run, const Outside& outside) {
  for (std::int64_t tap = 0; tap < t.channels * t.r * t.s; ++tap) {
    const std::int64_t s = tap % t.s, r = tap / t.s % t.r, plane = tap / (t.s * t.r) * t.h;
    const std::int64_t low = first_column(t, s, 0), high = first_column(t, s, t.w);
    const std::int64_t shift = s * t.dilation[1] - t.padding[1];
    std::int64_t to = tap * t.row;
    std::int64_t line = t.begin / t.q, from = t.begin % t.q;
    for (std::int64_t left = t.end - t.begin; left > 0; ++line, from = 0) {
      const std::int64_t last = at_most(t.q, from + left);
      const std::int64_t h = line * t.stride[0] + r * t.dilation[0] - t.padding[0];
      const bool is_inside = h >= 0 && h < t.h;
      const std::int64_t a = is_inside ? between(from, low, last) : last, b = is_inside ? between(a, high, last) : last;
      outside(to, a - from);
      run((plane + h) * t.w + a * t.stride[1] + shift, to + a - from, b - a);
      outside(to + b - from, last - b);
      to += last - from;
      left -= last - from;
    }
    outside(to, (tap + 1) * t.row - to);
  }
}

}  // namespace

void gather_taps(const Taps& taps, const double* planes, double* matrix) {
  const auto outside = [matrix](std::int64_t to, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) matrix[to + i] = 0;
  };
  if (taps.stride[1] == 1) {
    walk(
        taps,
        [=](std::int64_t from, std::int64_t to, std::int64_t count) {
          for (std::int64_t i = 0; i < count; ++i) matrix[to + i] = planes[from + i];
        },
        outside);
  } else {
    walk(
        taps,
        [=, stride = taps.stride[1]](std::int64_t from, std::int64_t to, std::int64_t count) {
          for (std::int64_t i = 0; i < count; ++i) matrix[to + i] = planes[from + i * stride];
        },
        outside);
  }
}

void scatter_taps(const Taps& taps, const double* matrix, double* planes) {
  const auto outside = [](std::int64_t, std::int64_t) {};
  if (taps.stride[1] == 1) {
    walk(
        taps,
        [=](std::int64_t to, std::int64_t from, std::int64_t count) {
          for (std::int64_t i = 0; i < count; ++i) planes[to + i] += matrix[from + i];
        },
        outside);
  } else {
    walk(
        taps,
        [=, stride = taps.stride[1]](std::int64_t to, std::int64_t from, std::int64_t count) {
          for (std::int64_t i = 0; i < count; ++i) planes[to + i * stride] += matrix[from + i];
        },
        outside);
  }
}

}  // namespace hop::kernels::HOP_ISA
