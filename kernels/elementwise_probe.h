// A number that only remembers what it was computed from. Run through a row's gradient, it tells at compile time which
// operands the gradient reads, and whether it reads the value. Only those must be saved. No other code knows.
#pragma once

#include "kernels/elementwise_vocabulary.h"

namespace HOP_ROWS_NAMESPACE {

class Probe {
 public:
  enum Source : unsigned { kConstant = 0, kG = 1, kA = 2, kX = kA, kB = 4, kY = 8, kCondition = 16 };
  constexpr Probe(int) {}
  constexpr Probe(double) = delete;  // a row must write c<T>(0.5): a bare 0.5 would turn float into double
  constexpr explicit Probe(Source source) : sources_(source), untouched_(true) {}

  constexpr bool reads(Source source) const { return (sources_ & source) != 0; }
  /// The gradient is g itself: nothing has to be computed.
  constexpr bool is_g() const { return untouched_ && sources_ == kG; }

  static constexpr Probe of(Probe a, Probe b = 0, Probe c = 0) {
    Probe result(0);
    result.sources_ = a.sources_ | b.sources_ | c.sources_;
    return result;
  }
  friend constexpr Probe operator-(Probe a) { return of(a); }
  friend constexpr Probe operator+(Probe a, Probe b) { return of(a, b); }
  friend constexpr Probe operator-(Probe a, Probe b) { return of(a, b); }
  friend constexpr Probe operator*(Probe a, Probe b) { return of(a, b); }
  friend constexpr Probe operator/(Probe a, Probe b) { return of(a, b); }
  friend constexpr Probe operator==(Probe a, Probe b) { return of(a, b); }
  friend constexpr Probe operator!=(Probe a, Probe b) { return of(a, b); }
  friend constexpr Probe operator<(Probe a, Probe b) { return of(a, b); }
  friend constexpr Probe operator<=(Probe a, Probe b) { return of(a, b); }
  friend constexpr Probe operator>(Probe a, Probe b) { return of(a, b); }
  friend constexpr Probe operator>=(Probe a, Probe b) { return of(a, b); }

 private:
  unsigned sources_ = kConstant;
  bool untouched_ = false;
};

template <>
struct Constant<Probe> {
  static constexpr Probe of(double) { return 0; }
};

constexpr Probe where(Probe condition, Probe a, Probe b) { return Probe::of(condition, a, b); }
constexpr Probe where(bool, Probe a, Probe b) { return Probe::of(a, b); }
constexpr Probe zero_like(Probe) { return 0; }  // the shape is known anyway
constexpr Probe one_like(Probe) { return 0; }
constexpr Probe exp(Probe x) { return Probe::of(x); }
constexpr Probe expm1(Probe x) { return Probe::of(x); }
constexpr Probe log(Probe x) { return Probe::of(x); }
constexpr Probe log1p(Probe x) { return Probe::of(x); }
constexpr Probe sqrt(Probe x) { return Probe::of(x); }
constexpr Probe rsqrt(Probe x) { return Probe::of(x); }
constexpr Probe sin(Probe x) { return Probe::of(x); }
constexpr Probe cos(Probe x) { return Probe::of(x); }
constexpr Probe tan(Probe x) { return Probe::of(x); }
constexpr Probe asin(Probe x) { return Probe::of(x); }
constexpr Probe acos(Probe x) { return Probe::of(x); }
constexpr Probe atan(Probe x) { return Probe::of(x); }
constexpr Probe sinh(Probe x) { return Probe::of(x); }
constexpr Probe cosh(Probe x) { return Probe::of(x); }
constexpr Probe tanh(Probe x) { return Probe::of(x); }
constexpr Probe floor(Probe x) { return Probe::of(x); }
constexpr Probe ceil(Probe x) { return Probe::of(x); }
constexpr Probe trunc(Probe x) { return Probe::of(x); }
constexpr Probe round(Probe x) { return Probe::of(x); }
constexpr Probe erf(Probe x) { return Probe::of(x); }
constexpr Probe sigmoid(Probe x) { return Probe::of(x); }
constexpr Probe abs(Probe x) { return Probe::of(x); }
constexpr Probe sign(Probe x) { return Probe::of(x); }
constexpr Probe maximum(Probe a, Probe b) { return Probe::of(a, b); }
constexpr Probe minimum(Probe a, Probe b) { return Probe::of(a, b); }
constexpr Probe pow(Probe a, Probe b) { return Probe::of(a, b); }
constexpr Probe atan2(Probe a, Probe b) { return Probe::of(a, b); }
constexpr Probe hypot(Probe a, Probe b) { return Probe::of(a, b); }
constexpr Probe remainder(Probe a, Probe b) { return Probe::of(a, b); }
constexpr Probe fmod(Probe a, Probe b) { return Probe::of(a, b); }
constexpr Probe floor_divide(Probe a, Probe b) { return Probe::of(a, b); }
constexpr Probe pow_scalar(Probe a, double) { return Probe::of(a); }

}  // namespace HOP_ROWS_NAMESPACE
