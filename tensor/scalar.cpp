#include "tensor/scalar.h"

#include <charconv>
#include <cmath>
#include <limits>

namespace hop {
namespace {

template <class T>
bool holds(double value) {
  // -2^63 is a double, but 2^63 - 1 is not: the upper bound is the next power of two, exclusive.
  const double least = static_cast<double>(std::numeric_limits<T>::min());
  const double behind = 2.0 * static_cast<double>(std::numeric_limits<T>::max() / 2 + 1);
  const double whole = std::trunc(value);
  return whole >= least && whole < behind;
}

}  // namespace

bool Scalar::fits(DType dtype) const {
  return visit_stored_dtype(dtype, [this]<class T>(T) {
    if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, double>) {
      return true;
    } else if constexpr (std::is_same_v<T, float> || is_half_type<T>) {
      const double value = to<double>();
      return !std::isfinite(value) || std::fabs(value) <= largest_of<T>();
    } else {
      if (exceeds_i64_) return false;
      return is_floating(dtype_) ? holds<T>(floating_) : std::in_range<T>(integral_);
    }
  });
}

std::string Scalar::to_string() const {
  if (dtype_ == DType::boolean) return integral_ != 0 ? "true" : "false";
  char text[32];
  char* const end = text + sizeof text;
  const auto written = is_floating(dtype_) ? std::to_chars(text, end, floating_)
                       : exceeds_i64_      ? std::to_chars(text, end, static_cast<std::uint64_t>(integral_))
                                           : std::to_chars(text, end, integral_);
  return {text, written.ptr};
}

}  // namespace hop
