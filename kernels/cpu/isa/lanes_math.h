// The words of the table for lanes: the same exp and log, and so the same bits, as elementwise operations give.
#pragma once

#include "kernels/cpu/isa/lanes.h"
#include "kernels/cpu/isa/pack_math.h"

namespace hop::kernels::HOP_ISA {

HOP_INLINE Lanes<float> exp(Lanes<float> x) {
  return map([](auto r) { return rows::exp(rows::Pack(r)).v; }, x);
}
HOP_INLINE Lanes<double> exp(Lanes<double> x) {
  double v[kLaneCount];
  store(v, x);
  for (double& value : v) value = rows::exp(value);
  return load(v);
}

HOP_INLINE float log_of(float x) { return rows::log(rows::Pack(x)).v[0]; }
HOP_INLINE double log_of(double x) { return rows::log(x); }

}  // namespace hop::kernels::HOP_ISA
